"""Find web applications in which nothing limits how often a caller may ask."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.called import library_calls
from perfaudit.program.capabilities import first_use, uses_of
from perfaudit.program.expressions import parts, spelled
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.program import Program

CAPABILITY = "rate-limit"
FEW_ROUTES = 3
LIMITING = re.compile(r"rate_?limit|throttl|too_?many_?requests|(?:^|_)limiter", re.IGNORECASE)
OUTGOING = re.compile(r"llm|embedding|upstream|provider|_client|Client", re.IGNORECASE)
COMPLAINT = re.compile(r"(?:Error|Exception|Exceeded|Response)$")
TOO_MANY = 429
TOO_MANY_NAMES = frozenset(
    {"TOO_MANY_REQUESTS", "HTTP_429_TOO_MANY_REQUESTS", "HTTPTooManyRequests"}
)
GATEWAY = re.compile(
    r"limit_req|limit_conn|rate-?_?limit|limit-rps|limit-rpm|throttling|"
    r"requests_per_(?:second|minute)",
    re.IGNORECASE,
)
GATEWAY_KINDS = frozenset({"compose", "kubernetes", "helm", "settings", "dockerfile", "procfile"})
ENTRY_KINDS = frozenset({"route", "middleware"})

NameTest = Callable[[str], bool]


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each web application that has routes, and those without a limiter."""
    applications = _applications(program)
    if not applications:
        return
    limited = _is_limited(program)
    for place, routes in sorted(applications.items()):
        if routes < FEW_ROUTES:
            continue
        yield Opportunity(place, "endpoint")
        if not limited:
            name, function = _constructor(program, place)
            yield Match(
                place,
                {"application": name, "routes": str(routes)},
                function=function.qualname if function is not None else "",
                exposure="endpoint",
            )


def _applications(program: Program) -> Counter[Location]:
    """Return how many routes each production application has, by the place where it is made."""
    found: Counter[Location] = Counter()
    settings = {
        framework.library: _settings(program, framework.settings)
        for framework in program.libraries.frameworks
        if framework.settings
    }
    alone = _only_application(program)
    counted = set()
    for endpoint in program.endpoints:
        if endpoint.kind != "route" or endpoint.handler.role is not Role.PRODUCTION:
            continue
        place = endpoint.application
        if place is None:
            place = settings.get(endpoint.framework, alone)
        key = (place, endpoint.method, endpoint.path, endpoint.handler)
        if place is not None and _role_at(program, place) is Role.PRODUCTION and key not in counted:
            counted.add(key)
            found[place] += 1
    return found


def _role_at(program: Program, place: Location) -> Role | None:
    return program.roles.get(place.path)


def _settings(program: Program, names: tuple[str, ...]) -> Location | None:
    """Return the line of the settings that stands for the application."""
    files = sorted(program.files, key=lambda file: (file.path.count("/"), file.path))
    for name in names:
        for file in files:
            binds = file.body.binds.get(name)
            if binds and file.role is Role.PRODUCTION:
                return file.body.line(binds[0].line, binds[0].column)
    return None


def _only_application(program: Program) -> Location | None:
    """Return where the only application is made, or None where there are more or none."""
    found = [
        called.function.place(called.call)
        for called in library_calls(program).of_names(lambda name: _is_application(program, name))
        if called.function.role is Role.PRODUCTION
        and _makes_application(program, called.function, called.index)
    ]
    return found[0] if len(found) == 1 else None


def _makes_application(program: Program, function: FunctionNode, index: int) -> bool:
    return any(
        target.function is None and _is_application(program, target.name)
        for target in program.types.call(function, index).targets
    )


def _is_application(program: Program, name: str) -> bool:
    router = program.libraries.router(name)
    return router is not None and router.is_application


def _constructor(program: Program, place: Location) -> tuple[str, FunctionNode | None]:
    for function in program.functions:
        if function.file.path != place.path:
            continue
        for call in function.facts.calls:
            if function.place(call) == place:
                return spelled(function, call.callee), function
    return "The project", None


def _is_limited(program: Program) -> bool:
    if first_use(program.once(uses_of), program.libraries.provides(CAPABILITY)) is not None:
        return True
    is_limiting = _limiter_names(program)
    for endpoint in program.endpoints:
        names = [
            *(path.rpartition(".")[2] for path in endpoint.decorators),
            *(function.facts.qualname for function in endpoint.dependencies),
            endpoint.handler.facts.qualname if endpoint.kind == "middleware" else "",
        ]
        if endpoint.kind in ENTRY_KINDS and any(is_limiting(name) for name in names):
            return True
    for document in program.documents:
        if document.kind in GATEWAY_KINDS and GATEWAY.search(document.text):
            return True
    files = [file for file in program.files if file.role not in (Role.TEST, Role.EXAMPLE)]
    return any(_limits(file, is_limiting) for file in files)


def _limiter_names(program: Program) -> NameTest:
    """Return the test of names: a limiter of those who ask us, not of what we ask others."""
    models = program.libraries.provides("language-model")

    def is_limiting(name: str) -> bool:
        if LIMITING.search(name) is None or OUTGOING.search(name):
            return False
        return not any(model in name.lower() for model in models)

    return is_limiting


def _limits(file: FileNode, is_limiting: NameTest) -> bool:
    """Return whether a file has a limiter of its own, one of a package, or settings of one."""
    for node in file.classes:
        if is_limiting(node.name) and not COMPLAINT.search(node.name):
            return True
    for function in file.functions:
        if any(_imports_limiter(item, is_limiting) for item in function.facts.imports):
            return True
        outer = function.parent or file.body
        if any(is_limiting(spelled(outer, item)) for item in function.facts.decorators):
            return True
        if _answers_too_many(function):
            return True
    return _is_set(file.body, is_limiting)


def _imports_limiter(item: t.Import, is_limiting: NameTest) -> bool:
    if COMPLAINT.search(item.name or ""):
        return False
    return is_limiting(item.module.partition(".")[0]) or is_limiting(item.name or "")


def _is_set(body: FunctionNode, is_limiting: NameTest) -> bool:
    """Return whether settings name a limiter: a variable, a key or a dotted name."""
    for bind in body.facts.binds:
        name = bind.target.id if isinstance(bind.target, t.Name) else ""
        if name.isupper() and is_limiting(name):
            return True
        if not isinstance(bind.value, t.Seq | t.Mapping | t.Binary):
            continue
        texts = [part.value for part in parts(body, bind.value) if isinstance(part, t.Const)]
        if any(isinstance(text, str) and is_limiting(text) for text in texts):
            return True
    return False


def _answers_too_many(function: FunctionNode) -> bool:
    """Return whether code answers 429: compared or listed for retries, it is what others answer."""
    for call in function.facts.calls:
        given = call.given
        if any(_is_too_many(value) for value in given) or _is_too_many(call.callee):
            return True
    for bind in function.facts.binds:
        if bind.value is not None and _is_too_many(bind.value):
            return True
    for item in function.facts.results:
        if isinstance(item.value, t.Seq) and any(_is_too_many(part) for part in item.value.items):
            return True
    return False


def _is_too_many(value: t.Expr) -> bool:
    if isinstance(value, t.Const):
        return value.value == TOO_MANY and value.kind == "int"
    if isinstance(value, t.Attr) and value.name in ("value", "status_code"):
        value = value.base
    if isinstance(value, t.Attr):
        return value.name in TOO_MANY_NAMES
    return isinstance(value, t.Name) and value.id in TOO_MANY_NAMES
