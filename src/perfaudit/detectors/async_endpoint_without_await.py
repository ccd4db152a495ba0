"""Find coroutine handlers that never await and block, where a plain handler would get a thread."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Role, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.blocking import Blocking, blocking_places
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.values import Awaitable, LibraryInstance, Type, options_of

KINDS = ("network", "database", "sleep", "file", "cpu")
"""What blocks, the dearest first."""
ON_LOOP = frozenset({"loop", "task"})
MAX_FUNCTIONS = 500
"""A bound for what is searched for the loop; a handler that runs more is left alone."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each coroutine handler whose framework would thread it, and those that only block."""
    threaded = {
        framework.library
        for framework in program.libraries.frameworks
        if framework.dispatch.get("sync") == "thread"
        and framework.dispatch.get("async") == "event-loop"
    }
    seen: set[FunctionNode] = set()
    for endpoint in program.endpoints:
        handler = endpoint.handler
        if endpoint.kind != "route" or endpoint.framework not in threaded or handler in seen:
            continue
        if not handler.is_async or handler.role is Role.TEST:
            continue
        seen.add(handler)
        yield Opportunity(handler.location, "endpoint")
        if awaits(program, handler) or not _may_be_plain(program, endpoint):
            continue
        blocked = min(
            blocking_places(program, handler, KINDS),
            key=lambda place: (KINDS.index(place.kind), place.confidence.rank),
            default=None,
        )
        if blocked is not None and not needs_loop(program, handler):
            yield _match(program, endpoint, blocked)


def awaits(program: Program, function: FunctionNode) -> bool:
    """Return whether a function gives the loop back somewhere, or may do so."""
    facts = function.facts
    if facts.is_generator or any(call.awaited for call in facts.calls):
        return True
    if any(context.kind.startswith("async") for context in facts.contexts):
        return True
    values = [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    for call in facts.calls:
        values += call.given
    for value in values:
        if any(isinstance(part, t.Await) for part in expressions.parts(function, value)):
            return True
    # Facts do not tell `await task` alone from `task`, so whoever holds an awaitable may await it.
    return any(
        _is_awaitable(program, program.types.call(function, index).result)
        for index in range(len(facts.calls))
    )


def _is_awaitable(program: Program, value: Type) -> bool:
    return any(
        isinstance(option, Awaitable)
        or isinstance(option, LibraryInstance)
        and program.libraries.method(option.path, "__await__") is not None
        for option in options_of(value)
    )


def _may_be_plain(program: Program, endpoint: Endpoint) -> bool:
    """Return whether nothing that is seen asks for the handler to be a coroutine.

    Not so where the project calls it, where a decorator other than the route's may await it, or
    where it changes globals, which is safe on the one thread of the loop only.
    """
    handler = endpoint.handler
    routes = [path for path in endpoint.decorators if program.libraries.route(path) is not None]
    if len(routes) < len(handler.facts.decorators) or handler.facts.outer_names:
        return False
    return not program.edges_to(handler)


def needs_loop(program: Program, function: FunctionNode) -> bool:
    """Return whether a function, or plain code that it calls, needs the thread of the loop."""
    waiting = [function]
    seen = {function}
    while waiting:
        here = waiting.pop()
        if _touches_loop(program, here) or len(seen) > MAX_FUNCTIONS:
            return True
        for edge in program.edges_from(here):
            if edge.how == "call" and not edge.callee.is_async and edge.callee not in seen:
                seen.add(edge.callee)
                waiting.append(edge.callee)
    return False


def _touches_loop(program: Program, function: FunctionNode) -> bool:
    for index in range(len(function.facts.calls)):
        for target in program.types.call(function, index).targets:
            behaviour = target.behaviour
            if behaviour is None:
                continue
            if "needs-loop" in behaviour.flags or "spawn" in behaviour.effects:
                return True
            if any(callback.where in ON_LOOP for callback in behaviour.runs):
                return True
    return False


def _match(program: Program, endpoint: Endpoint, blocked: Blocking) -> Match:
    handler = endpoint.handler
    exposure = program.exposure_of(handler)
    return Match(
        handler.location,
        {
            "function": handler.facts.qualname,
            "call": expressions.spelled(handler, blocked.place.value),
            "sink": blocked.sink_name,
            "through": blocked.through,
        },
        trace=(*exposure.chain, *blocked.steps),
        # How long a file takes hangs on where it lies: see the rule about files.
        confidence=weakest(
            blocked.confidence, Confidence.MEDIUM if blocked.kind == "file" else Confidence.HIGH
        ),
        function=handler.qualname,
        endpoint=exposure.endpoint,
        exposure="endpoint",
        role=handler.role,
        fix=f"Write `def {handler.name}` in place of `async def {handler.name}`: "
        f"{endpoint.framework} runs it on a worker thread then.",
    )
