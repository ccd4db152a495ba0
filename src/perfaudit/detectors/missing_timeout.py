"""Find remote calls that may wait for ever: nothing bounds how long they wait for an answer."""

import re
from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Role, Severity
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.libraries.types import LibraryType, Timeout
from perfaudit.program import expressions
from perfaudit.program.addresses import beginnings
from perfaudit.program.arguments import Given, Value, given_arguments
from perfaudit.program.called import library_calls
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.routes_origins import Origins, sources
from perfaudit.program.sites import WITH_KINDS, Site
from perfaudit.program.values import Instance, LibraryInstance

UNBOUNDED = "none"
REMOTE = frozenset({"http.request", "http.client"})
WAITS_WHEN_READ = "waits-when-read"
BOUNDS = "bounds-waiting"
BOUNDS_ALL = "bounds-all-waiting"
LOCAL_ADDRESS = re.compile(r"https?://(?:localhost|127\.|0\.0\.0\.0|\[::1\])")
STREAMING = frozenset(
    {"stream", "iter_bytes", "iter_lines", "iter_raw", "aiter_bytes", "aiter_lines", "aiter_raw"}
    | {"aiter_text", "iter_text", "connect_sse", "aconnect_sse", "EventSource", "ws_connect"}
)
"""Names of what reads an answer that has no end of its own."""

MAX_NAMES = 6
"""How many names may lie between a timeout and its value."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each remote call whose waiting can be bounded, and a match for each that is not."""
    if _bounds_all(program):
        return
    replaced = _replaced_files(program)
    for site in program.sites():
        timeout = site.behaviour.timeout
        if timeout is None or site.call is None or REMOTE.isdisjoint(site.effects):
            continue
        if site.function.role not in (Role.PRODUCTION, Role.COMMAND) or _gives_a_stream(site):
            continue
        if WAITS_WHEN_READ in site.behaviour.flags and not _is_used(site):
            continue
        exposure = program.exposure_of(site.function)
        yield Opportunity(site.location, exposure.kind)
        fault = _fault(program, site, site.call, timeout, replaced)
        if fault and not _is_bounded_around(program, site) and not _is_local(program, site):
            yield _match(program, site, fault)


def _is_used(site: Site) -> bool:
    """Return whether a function does anything with what a call gives."""
    function = site.function
    facts = function.facts
    held = {
        part.id
        for bind in facts.binds
        if bind.value is not None and site.value in expressions.parts(function, bind.value)
        for part in expressions.parts(function, bind.target)
        if isinstance(part, t.Name)
    }
    values = [call.callee for call in facts.calls]
    values += [given for call in facts.calls for given in call.given]
    values += [read.value for read in facts.reads]
    values += [item.value for item in facts.results if item.value is not None]
    values += [context.subject for context in facts.contexts if context.subject is not None]
    values += [
        bind.value for bind in facts.binds if bind.value and not isinstance(bind.target, t.Name)
    ]
    return any(
        part == site.value or (isinstance(part, t.Name) and part.id in held)
        for value in values
        for part in expressions.parts(function, value)
    )


def _name(function: FunctionNode) -> str:
    return function.file.module if function.kind == "module" else function.facts.qualname


def _gives_a_stream(site: Site) -> bool:
    """Return whether the answer is an iterator, whose limit would bound all of it."""
    returns = site.behaviour.returns
    return returns is not None and returns.name.rpartition(".")[2] == "iterator"


def _match(program: Program, site: Site, fault: str) -> Match:
    function = site.function
    exposure = program.exposure_of(function)
    return Match(
        site.location,
        {"call": site.name, "fault": fault, "function": _name(function)},
        trace=(*exposure.chain, site_step(site)),
        confidence=Confidence.MEDIUM if "None" in fault else site.confidence,
        severity=Severity.LOW if exposure.kind in ("command", "script") else None,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def _fault(
    program: Program, site: Site, call: t.Call, timeout: Timeout, replaced: frozenset[str]
) -> str:
    """Return what is wrong with how a call bounds its waiting, or an empty text."""
    given = given_arguments(program, site.function, call)
    values = _values(site.function, call, timeout, given)
    if values:
        is_none = given.is_complete and all(map(_is_unbounded, values))
        return "is given the timeout None" if is_none and not _is_streaming(site) else ""
    if timeout.default != UNBOUNDED or "http.request" not in site.effects or not given.is_complete:
        return ""
    if not isinstance(call.callee, t.Attr) or site.receiver is None or _is_constructor(site):
        return "has no timeout"
    if site.behaviour.file in replaced or not _is_bare(program, site, call.callee.base):
        return ""
    return "has no timeout"


def _values(
    function: FunctionNode, call: t.Call, timeout: Timeout, given: Given
) -> tuple[Value, ...]:
    found = given.keywords.get(timeout.keyword, ())
    if timeout.position is not None and timeout.position < len(call.arguments):
        found = (*found, Value(function, call.arguments[timeout.position]))
    return found


def _is_unbounded(value: Value, steps: int = MAX_NAMES) -> bool:
    """Return whether a value is None, or a timeout that is made of None alone."""
    function, expr = value.function, value.expr
    if isinstance(expr, t.Name):
        if not steps:
            return False
        found = meanings(function, expr.id, AT_END)
        return bool(found) and all(
            isinstance(item.definition, t.Bind)
            and item.definition.value is not None
            and _is_unbounded(Value(item.scope, item.definition.value), steps - 1)
            for item in found
        )
    if not isinstance(expr, t.CallRef):
        return _is_none(expr)
    call = function.facts.calls[expr.index]
    given = call.given
    name = expressions.spelled(function, call.callee)
    return bool(given) and name.endswith("Timeout") and all(map(_is_none, given))


def _is_none(value: t.Expr) -> bool:
    return isinstance(value, t.Const) and value.kind == "NoneType"


def _is_streaming(site: Site) -> bool:
    """Return whether the call, or something else in its file, reads an answer without end."""
    return any(
        any(name == "stream" for name, _ in call.keywords)
        or getattr(call.callee, "name", getattr(call.callee, "id", "")) in STREAMING
        for function in site.function.file.functions
        for call in function.facts.calls
    )


def _is_constructor(site: Site) -> bool:
    return isinstance(site.receiver, LibraryInstance) and site.receiver.path == site.behaviour.path


def _is_bare(program: Program, site: Site, receiver: t.Expr) -> bool:
    """Return whether nothing that is seen gives the object of a method a timeout of its own."""
    if isinstance(site.receiver, Instance):
        return not any(
            owner.methods for owner in program.types.classes.project_order(site.receiver.node)
        )
    if not isinstance(site.receiver, LibraryInstance):
        return False
    if _is_patched(site.function):
        return False
    constructor = program.libraries.constructor(site.receiver.path)
    if constructor is None or constructor.timeout is None:
        return True
    found = sources(Origins(program.types), site.function, receiver)
    return bool(found) and all(
        isinstance(source.value, t.CallRef)
        and _leaves_open(program, source.function, source.value.index, constructor.timeout)
        for source in found
    )


def _leaves_open(program: Program, function: FunctionNode, index: int, timeout: Timeout) -> bool:
    """Return whether a constructor is surely given no timeout, and its default is none."""
    call = function.facts.calls[index]
    given = given_arguments(program, function, call)
    if timeout.default != UNBOUNDED or not given.is_complete:
        return False
    return not _values(function, call, timeout, given)


def _is_patched(function: FunctionNode) -> bool:
    """Return whether the file replaces a method: ``session.request = partial(..., timeout=5)``."""
    return any(
        isinstance(bind.target, t.Attr) and bind.target.name in ("request", "send")
        for other in function.file.functions
        for bind in other.facts.binds
    )


def _replaced_files(program: Program) -> frozenset[str]:
    """Return the library files of which the project replaces a class that takes timeouts."""
    found: set[str] = set()
    for file in program.files:
        for node in file.classes:
            for path in program.types.classes.ancestors(node) if node.methods else ():
                described = program.libraries.type(path)
                if described is not None and _replaces(node, described):
                    found.add(described.file)
    return frozenset(found)


def _replaces(node: ClassNode, described: LibraryType) -> bool:
    """Return whether a class overrides how its base waits, or how it is made."""
    bounded = {name for name, item in described.methods.items() if item.timeout is not None}
    return bool(bounded & node.methods.keys()) or (bool(bounded) and "__init__" in node.methods)


def _bounds_all(program: Program) -> bool:
    """Return whether the program gives all new sockets a limit."""
    return any(
        called.function.role is not Role.TEST
        for called in library_calls(program).with_flags(BOUNDS_ALL)
    )


def _is_bounded_around(program: Program, site: Site) -> bool:
    """Return whether something around the call bounds it: a context, a decorator, each caller."""
    function = site.function
    if _is_bounded(program, function, site.value, site.context):
        return True
    if function.parent is not None and any(
        "timeout" in expressions.spelled(function.parent, item).lower()
        for item in function.facts.decorators
    ):
        return True
    edges = program.edges_to(function)
    return bool(edges) and all(
        _is_bounded(program, edge.caller, edge.value, edge.context) for edge in edges
    )


def _is_bounded(program: Program, function: FunctionNode, value: t.Expr, context: int) -> bool:
    contexts = [function.facts.contexts[step] for step in function.context_chain(context)]
    managers = [here.subject for here in contexts if here.kind in WITH_KINDS]
    if any(
        isinstance(item, t.CallRef) and _has_flag(program, function, item.index)
        for item in managers
    ):
        return True
    return any(
        any(part == value for item in call.arguments for part in expressions.parts(function, item))
        and _has_flag(program, function, index)
        for index, call in enumerate(function.facts.calls)
    )


def _has_flag(program: Program, function: FunctionNode, index: int) -> bool:
    return program.types.call(function, index).has_flag(BOUNDS)


def _is_local(program: Program, site: Site) -> bool:
    """Return whether the address is on this machine."""
    if site.call is None:
        return False
    named = [value for name, value in site.call.keywords if name == "url"]
    for value in (*site.call.arguments[:2], *named):
        texts = list(beginnings(program.types, site.function, value))
        if texts and all(map(LOCAL_ADDRESS.match, texts)):
            return True
    return False
