"""Whether an answer depends on who asks for it. What is not known does."""

import re
from collections.abc import Iterable, Iterator

from perfaudit.facts import types as t
from perfaudit.libraries.types import Permissions
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.expressions import argument, names, parts, spelled
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.routes_origins import Origins, sources
from perfaudit.program.values import (
    ClassType,
    External,
    FunctionType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    options_of,
)

MAX_FUNCTIONS = 150
MAX_DEPTH = 6
GUARDS = re.compile(
    r"login|log_in|auth|permission|jwt|token|staff|superuser|admin|role|scope|protect|secur|member|owner|user|"
    r"require|access",
    re.IGNORECASE,
)
CALLER = re.compile(
    r"^(?:get_)?(?:current|request|logged_in|active|acting|auth(?:enticated)?)_?(?:active_|super_?)?"
    r"(?:user|account|member|identity|principal|tenant|organi[sz]ation|org|team|workspace|owner|customer)(?:_id)?$|"
    r"^(?:get_)?(?:principal|identity|viewer|user|auth(?:_subject|_context|_info)?|credentials|jwt_identity|jwt)$",
    re.IGNORECASE,
)
REQUEST = re.compile(r"^(?:req|request|_request|http_request|info|ctx|context)$")
CURRENT = re.compile(
    r"^(?:get_)?(?:current|request|authenticated|logged_in)_(?:user|account|member|identity|principal|tenant|"
    r"organi[sz]ation|org|team|workspace|owner|customer|service|company|project)(?:_id)?$"
)
OF_CALLER = frozenset(
    {"user", "auth", "session", "cookies", "headers", "state", "authorization", "token",
     "identity", "scope", "META", "COOKIES", "auser"}
)  # fmt: skip
OF_CALLER_FLAG = "of-caller"
"""The flag of what, as the marker of a parameter, gives what a caller sends of itself."""
OF_HOUSE = re.compile(
    r"^(?:db|conn|connection|pool|engine|db_session|database|async_session|session_factory|"
    r"request_id|trace_id|logger|settings|config)$"
)
OWNED = re.compile(
    r"[{<](?:\w+:)?(?:user|account|member|customer|owner|profile|person|employee|patient|student|wallet)"
    r"(?:_?(?:id|uuid|name|slug|pk|email))?(?::\w+)?[}>]|/users?/[{<]"
)
"""Paths that name whose data is asked for."""
WRITING = re.compile(
    r"(?:a?post|put|patch|delete|create|update|destroy|partial_update|perform_\w+|form_valid|save)$"
)
LOGIN_MIXIN = re.compile(r"Login|Permission|UserPasses|Staff|Superuser|Auth|Access|Protected")
RENDERERS = frozenset(
    {
        "render",
        "render_template",
        "TemplateResponse",
        "render_to_response",
        "render_to_string",
        "render_async",
    }
)
PROXIED = re.compile(
    r"user|service|account|auth|tenant|org|session|identity|member|token", re.IGNORECASE
)
CONTEXT_VARIABLE = "contextvars.ContextVar"


def reached(program: Program, start: FunctionNode) -> list[FunctionNode]:
    """Return the function and the project functions that it runs, nearest first, up to a bound."""
    found = {start: None}
    waiting = [start]
    while waiting and len(found) < MAX_FUNCTIONS:
        function = waiting.pop(0)
        for edge in program.edges_from(function):
            if edge.callee not in found and edge.how in ("call", "task", "loop", "thread"):
                found[edge.callee] = None
                waiting.append(edge.callee)
    return list(found)


def is_personal(program: Program, endpoint: Endpoint) -> bool:
    """Return whether the answer of an endpoint may differ from caller to caller."""
    handler = endpoint.handler
    if OWNED.search(endpoint.path):
        return True
    if any(GUARDS.search(path.rpartition(".")[2]) for path in _own_decorators(endpoint)):
        return True
    view = endpoint.answering
    if view is not None and _is_guarded_class(program, view):
        return True
    runs = [*reached(program, handler), *_reading_methods(program, view)]
    if any(program.once(_knows_caller, function) for function in runs):
        return True
    used = _used_names(handler)
    for param in handler.facts.params:
        if param.name in used and _is_caller(program, handler, param, 0):
            return True
    return view is not None and _asks_in_class(program, view)


def providers(program: Program, function: FunctionNode, param: t.Param) -> list[tuple[Type, str]]:
    """Return what a framework calls for a parameter, with the marker that says so."""
    outer = function.parent or function
    found: list[tuple[Type, str]] = []
    for value in (param.annotation, param.default):
        if value is not None:
            found.extend(_marked(program, outer, value, 0))
    return found


def data_providers(program: Program, handler: FunctionNode) -> list[FunctionNode]:
    """Return the project functions whose results a framework hands to a handler that reads them."""
    used = _used_names(handler)
    return [
        option.node
        for param in handler.facts.params
        if param.name in used
        for provider, _ in providers(program, handler, param)
        for option in options_of(provider)
        if isinstance(option, FunctionType)
    ]


def is_server_rendered(program: Program, endpoint: Endpoint) -> bool:
    """Return whether an endpoint answers with a page made of a template."""
    owner = endpoint.answering
    if owner is not None:
        if any(_is_page(program, path) for path in program.types.classes.library_bases(owner)):
            return True
    return any(
        spelled(function, call.callee).rpartition(".")[2] in RENDERERS
        for function in reached(program, endpoint.handler)[:20]
        for call in function.facts.calls
    )


def _is_page(program: Program, path: str) -> bool:
    """Return whether a library's view class, or the module it is of, answers with a page."""
    return any(
        path == page or path.startswith(f"{page}.")
        for framework in program.libraries.frameworks
        for page in framework.pages
    )


def _reading_methods(program: Program, view: ClassNode | None) -> Iterator[FunctionNode]:
    """Yield the methods of a view class that its library may run for a read."""
    if view is None:
        return
    for node in program.types.classes.project_order(view):
        for name, method in node.methods.items():
            if not WRITING.match(name):
                yield method


def _own_decorators(endpoint: Endpoint) -> Iterator[str]:
    outer = endpoint.handler.parent
    yield from (path for path in endpoint.decorators if not _is_route(path, endpoint))
    if outer is not None:
        for decorator in endpoint.handler.facts.decorators:
            value = decorator
            if isinstance(value, t.CallRef):
                value = outer.facts.calls[value.index].callee
            if isinstance(value, t.Name):
                yield value.id


def _is_route(path: str, endpoint: Endpoint) -> bool:
    return path.rpartition(".")[2].upper() in (endpoint.method, "ROUTE", "API_ROUTE", "ACTION")


def _is_guarded_class(program: Program, owner: ClassNode) -> bool:
    """Return whether a view class lets only some callers in, or asks who they are."""
    outer = owner.parent
    for decorator in owner.facts.decorators:
        if any(GUARDS.search(name) for name in names(outer, decorator)):
            return True
    paths = list(program.types.classes.library_bases(owner))
    classes = program.types.classes.project_order(owner)
    if any(LOGIN_MIXIN.search(path.rpartition(".")[2]) for path in paths):
        return True
    if any(LOGIN_MIXIN.search(node.name) for node in classes if node is not owner):
        return True
    permissions = _permissions(program, paths)
    if permissions is None:
        return False
    for node in classes:
        binds = node.body.binds.get(permissions.attribute)
        if binds:
            given = binds[-1].value
            return given is None or not names(node.body, given) <= set(permissions.open)
    return not _is_public_by_default(program, permissions)


def _permissions(program: Program, paths: Iterable[str]) -> Permissions | None:
    """Return how the framework of a view class says whom it lets in, where it has a way to."""
    libraries = program.libraries
    own = {libraries.packages.get(path.partition(".")[0]) for path in paths}
    found = (each.permissions for each in libraries.frameworks if each.library in own)
    return next((permissions for permissions in found if permissions is not None), None)


def _is_public_by_default(program: Program, permissions: Permissions) -> bool:
    """Return whether the settings let everybody read, where a class says nothing else."""
    for file in program.files:
        for bind in file.body.binds.get(permissions.setting, ()):
            if isinstance(bind.value, t.Mapping):
                for key, value in zip(bind.value.keys, bind.value.values, strict=True):
                    if isinstance(key, t.Const) and key.value == permissions.key:
                        texts = [
                            str(part.value).rpartition(".")[2]
                            for part in parts(file.body, value)
                            if isinstance(part, t.Const)
                        ]
                        return bool(texts) and set(texts) <= set(permissions.open)
    return True


def _knows_caller(program: Program, function: FunctionNode) -> bool:
    """Return whether a function's own code reads who asks."""
    for value, at in _values(function):
        if _is_read_of_house(program, function, value, at):
            continue
        for part in parts(function, value):
            if _is_of_caller(program, function, part, at):
                return True
    return False


def _is_read_of_house(
    program: Program, function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> bool:
    """Return whether an expression is ``g.db`` or the like, whatever is read of it."""
    while isinstance(value, t.Attr | t.Item):
        base = value.base
        if isinstance(value, t.Attr) and isinstance(base, t.Name):
            holds_caller = _holds_caller(program, function, base.id, at)
            return holds_caller and _is_of_house(program, value.name)
        value = base
    return False


def _is_of_house(program: Program, name: str) -> bool:
    """Return whether a name is that of something that all share, such as a server."""
    services = program.libraries.services.values()
    return OF_HOUSE.match(name) is not None or any(name == each.name for each in services)


def _values(function: FunctionNode) -> Iterator[tuple[t.Expr, tuple[int, int]]]:
    for read in function.facts.reads:
        yield read.value, (read.sequence, read.context)
    for call in function.facts.calls:
        at = (call.sequence, call.context)
        yield call.callee, at
        for given in call.given:
            if isinstance(given, t.Name):
                yield given, at


def _is_of_caller(
    program: Program, function: FunctionNode, part: t.Expr, at: tuple[int, int]
) -> bool:
    match part:
        case t.Name(id=name):
            if name in program.libraries.caller:
                return _holds_caller(program, function, name, at)
            is_call = CALLER.match(name) is not None and name.startswith("get_")
            if is_call or CURRENT.match(name):
                return True
            return _is_proxy(program, function, part, at)
        case t.Attr(base=base, name="get"):
            found = program.types.evaluate(function, base, at)
            return _path(found) == CONTEXT_VARIABLE and not _is_of_house(program, _last(base))
        case t.Attr(base=t.Attr(base=base, name="state"), name=name) if _is_request(base):
            return not _is_of_house(program, name)
        case t.Attr(base=base, name=name) if name in OF_CALLER and name != "state":
            return _is_request(base)
        case t.Attr(name=name):
            return CURRENT.match(name) is not None
        case t.Item(base=base, key=key) if _is_request(base):
            return not (isinstance(key, t.Const) and _is_of_house(program, str(key.value)))
    return False


def _is_proxy(program: Program, function: FunctionNode, name: t.Name, at: tuple[int, int]) -> bool:
    """Return whether a name stands for something of the request, as a proxy of ``g.user`` does."""
    if not PROXIED.search(name.id):
        return False
    found = program.types.evaluate(function, name, at)
    return isinstance(found, External) and found.origin.startswith(program.libraries.proxies)


def _holds_caller(program: Program, function: FunctionNode, name: str, at: tuple[int, int]) -> bool:
    """Return whether a name is an object of a library that holds what is known of who asks."""
    paths = program.libraries.caller.get(name, frozenset())
    return any(
        isinstance(found, t.Import) and f"{found.module}.{found.name}" in paths
        for _, found in meanings(function, name, at)
    )


def _is_request(base: t.Expr) -> bool:
    return REQUEST.match(_last(base)) is not None


def _last(value: t.Expr) -> str:
    if isinstance(value, t.Attr):
        return value.name
    return value.id if isinstance(value, t.Name) else ""


def _path(found: Type) -> str:
    if isinstance(found, LibraryInstance | LibrarySymbol):
        return found.path
    return ""


def _used_names(function: FunctionNode) -> set[str]:
    """Return the names that a function's body reads."""
    found: set[str] = set()
    facts = function.facts
    for call in facts.calls:
        for value in (call.callee, *call.given):
            found |= names(function, value)
    for read in facts.reads:
        found |= names(function, read.value)
    for bind in facts.binds:
        if bind.value is not None:
            found |= names(function, bind.value)
    for result in facts.results:
        if result.value is not None:
            found |= names(function, result.value)
    for context in facts.contexts:
        if context.subject is not None:
            found |= names(function, context.subject)
    for inner in function.file.functions:
        if inner.parent is function:
            found |= _used_names(inner)
    return found


def _is_caller(program: Program, function: FunctionNode, param: t.Param, depth: int) -> bool:
    """Return whether a parameter holds something that a framework made of who asks."""
    given = providers(program, function, param)
    if not given:
        return False
    if depth > MAX_DEPTH or CALLER.match(param.name):
        return True
    return any(_makes_caller(program, provider, marker, depth) for provider, marker in given)


def _makes_caller(program: Program, provider: Type, marker: str, depth: int) -> bool:
    if _gives_caller(program, marker):
        return True
    for option in options_of(provider):
        match option:
            case FunctionType(node=node):
                if _knows_asker(program, node, depth):
                    return True
            case ClassType(node=node) | Instance(node=node):
                name = "__init__" if isinstance(option, ClassType) else "__call__"
                method = program.types.classes.method(node, name)
                if method is not None and _knows_asker(program, method, depth):
                    return True
                if isinstance(option, ClassType) and _asks_in_class(program, node):
                    return True
            case LibraryInstance(path=path) if path.startswith("builtins."):
                continue
            case LibrarySymbol(path=path) if path.startswith("builtins."):
                continue
            case _:
                return True
    return False


def _knows_asker(program: Program, node: FunctionNode, depth: int) -> bool:
    """Return whether a dependency learns who asks, itself or by those that it asks for."""
    if CALLER.match(node.name):
        return True
    if any(_knows_caller(program, function) for function in reached(program, node)[:20]):
        return True
    return any(_is_caller(program, node, param, depth + 1) for param in node.facts.params)


def _asks_in_class(program: Program, owner: ClassNode) -> bool:
    """Return whether a field of a class is filled with something made of who asks."""
    for node in program.types.classes.project_order(owner):
        for bind in node.body.facts.binds:
            for value in (bind.annotation, bind.value):
                if value is None:
                    continue
                for provider, marker in _marked(program, node.body, value, 0):
                    if _makes_caller(program, provider, marker, 1):
                        return True
    return False


def _gives_caller(program: Program, marker: str) -> bool:
    behaviour = program.libraries.function(marker)
    return behaviour is not None and OF_CALLER_FLAG in behaviour.flags


def _marked(
    program: Program, scope: FunctionNode, value: t.Expr, depth: int
) -> Iterator[tuple[Type, str]]:
    """Yield what the dependency markers in an annotation or default call."""
    if depth > 4:
        return
    match value:
        case t.CallRef(index=index):
            yield from _marker(program, scope, index, None)
        case t.Item(base=base, key=key):
            inside = key.items if isinstance(key, t.Seq) else (key,)
            for part in inside[1:]:
                if isinstance(part, t.CallRef):
                    yield from _marker(program, scope, part.index, inside[0])
            if inside and (len(inside) == 1 or not isinstance(base, t.Name | t.Attr)):
                yield from _marked(program, scope, inside[0], depth + 1)
        case t.Binary(left=left, right=right):
            yield from _marked(program, scope, left, depth + 1)
            yield from _marked(program, scope, right, depth + 1)
        case t.Name() | t.Attr():
            for source in sources(Origins(program.types), scope, value):
                if isinstance(source.value, t.Item | t.CallRef | t.Binary):
                    yield from _marked(program, source.function, source.value, depth + 1)


def _marker(
    program: Program, scope: FunctionNode, index: int, annotated: t.Expr | None
) -> Iterator[tuple[Type, str]]:
    callee = program.types.call(scope, index).callee
    frameworks = program.libraries.frameworks
    markers = {name for framework in frameworks for name in framework.dependencies}
    for option in options_of(callee):
        path = option.path if isinstance(option, LibrarySymbol) else ""
        if path not in markers:
            if _gives_caller(program, path):
                yield callee, path
        else:
            call = scope.facts.calls[index]
            given = argument(call, "0|dependency|use")
            given = annotated if given is None else given
            if given is not None:
                yield program.types.evaluate(scope, given, (call.sequence, call.context)), path
