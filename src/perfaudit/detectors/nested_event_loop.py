"""Find event loops that are begun for one request, or where another one runs already."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.blocking import runs_here
from perfaudit.program.called import library_calls
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import label_of
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.own_loops import LOOP_STARTERS
from perfaudit.program.program import Program
from perfaudit.program.reach import CONFIDENCES
from perfaudit.program.sites import Edge
from perfaudit.program.switches import leaves_off

SERVING = frozenset({"route", "websocket", "middleware"})
SEVERITIES = {"runs-event-loop": Severity.MEDIUM, "nested-loop": Severity.LOW}
"""Where the request has a thread of its own; a bridge that may borrow a loop costs least."""
ON_LOOP = "where one is running already"
PER_REQUEST = "for each request"


@dataclass(frozen=True, slots=True)
class _Start:
    """A call that runs an event loop of its own, and the flag that says so."""

    function: FunctionNode
    call: t.Call
    index: int
    flag: str
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class _Way:
    """How a request comes to a start: the calls from its handler, and whether on a loop."""

    handler: Endpoint
    edges: tuple[Edge, ...]
    on_loop: bool


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each event loop that a function begins, and a match for those of a request's path."""
    handlers = _handlers(program)
    for start in _starts(program):
        way = _way_to(program, handlers, start)
        exposure = program.exposure_of(start.function).kind if way is None else "endpoint"
        yield Opportunity(start.function.place(start.call), exposure)
        if way is not None:
            yield _match(start, way)


def _handlers(program: Program) -> dict[FunctionNode, Endpoint]:
    found: dict[FunctionNode, Endpoint] = {}
    for endpoint in program.endpoints:
        if endpoint.kind in SERVING:
            for function in (endpoint.handler, *endpoint.dependencies):
                found.setdefault(function, endpoint)
    return found


def _starts(program: Program) -> Iterator[_Start]:
    for called in library_calls(program).with_flags(*LOOP_STARTERS):
        function, index = called.function, called.index
        if function.kind == "module":
            continue
        for target in program.types.call(function, index).targets:
            flags = target.behaviour.flags if target.behaviour is not None else ()
            flag = next((flag for flag in flags if flag in LOOP_STARTERS), None)
            if flag is not None:
                yield _Start(function, called.call, index, flag, target.confidence)
                break


def _way_to(
    program: Program, handlers: Mapping[FunctionNode, Endpoint], start: _Start
) -> _Way | None:
    """Return how a request reaches a start without leaving its thread: on a loop, if at all so."""
    found: list[_Way] = []
    ways: dict[FunctionNode, tuple[Edge, ...]] = {start.function: ()}
    guarded = (
        {start.function} if _is_guarded(program, start.function, start.call.context) else set()
    )
    waiting = deque(ways)
    while waiting:
        function = waiting.popleft()
        for way in _entered(program, handlers, function, ways[function]):
            if not (way.on_loop and function in guarded) and _is_run(program, way, start):
                found.append(way)
        if function.is_async:
            continue
        for edge in program.edges_to(function):
            if edge.caller in ways or not runs_here(program, edge):
                continue
            ways[edge.caller] = (edge, *ways[function])
            if function in guarded or _is_guarded(program, edge.caller, edge.context):
                guarded.add(edge.caller)
            waiting.append(edge.caller)
    return min(found, key=lambda way: (not way.on_loop, len(way.edges)), default=None)


def _entered(
    program: Program,
    handlers: Mapping[FunctionNode, Endpoint],
    function: FunctionNode,
    edges: tuple[Edge, ...],
) -> Iterator[_Way]:
    """Yield the way from the handler that a function is, or from one that runs the coroutine."""
    endpoint = handlers.get(function)
    if endpoint is not None:
        on_loop = function.is_async or endpoint.dispatch == "event-loop"
        yield _Way(endpoint, edges, on_loop)
    elif function.is_async:
        exposure = program.exposure_of(function)
        entry = handlers.get(exposure.entry) if exposure.entry is not None else None
        if exposure.kind == "endpoint" and entry is not None:
            yield _Way(entry, edges, on_loop=True)


def _is_run(program: Program, way: _Way, start: _Start) -> bool:
    """Return whether none of the calls leaves off what a later one needs."""
    after = [(edge.context, edge.sequence) for edge in way.edges[1:]]
    after.append((start.call.context, start.call.sequence))
    return not any(
        leaves_off(program, list(way.edges[: number + 1]), context, sequence)
        for number, (context, sequence) in enumerate(after[: len(way.edges)])
    )


def _is_guarded(program: Program, function: FunctionNode, context: int) -> bool:
    """Return whether a place may run only where no loop is running."""
    return is_handler(function, context) or _asks_for_loop(program, function)


def _asks_for_loop(program: Program, function: FunctionNode) -> bool:
    """Return whether a function finds out whether a loop is running."""
    return any(
        target.behaviour is not None and "asks-for-loop" in target.behaviour.flags
        for index in range(len(function.facts.calls))
        for target in program.types.call(function, index).targets
    )


def _match(start: _Start, way: _Way) -> Match:
    function = start.function
    place = function.place(start.call)
    called = expressions.spelled(function, t.CallRef(start.index))
    first = way.edges[0].caller if way.edges else function
    label = label_of(way.handler)
    return Match(
        place,
        {
            "call": called,
            "function": function.facts.qualname,
            "when": ON_LOOP if way.on_loop else PER_REQUEST,
        },
        trace=(
            TraceStep(first.location, f"{label} enters {first.facts.qualname}"),
            *(
                TraceStep(
                    edge.location,
                    f"{edge.caller.facts.qualname} calls {edge.callee.facts.qualname}",
                )
                for edge in way.edges
            ),
            TraceStep(place, f"{called} runs an event loop until it is done"),
        ),
        confidence=_confidence(start, way),
        severity=None if way.on_loop else SEVERITIES[start.flag],
        function=function.qualname,
        endpoint=label,
        exposure="endpoint",
        role=function.role,
    )


def _confidence(start: _Start, way: _Way) -> Confidence:
    """Return how sure the way is; less so where a condition of it may never hold.

    What begins a loop on a running one raises as a rule, so on a usual path it would be known.
    """
    found = weakest(start.confidence, *(edge.confidence for edge in way.edges))
    places = [(edge.caller, edge.context, edge.sequence) for edge in way.edges]
    places.append((start.function, start.call.context, start.call.sequence))
    worst = max(standing(*place) for place in places)
    if way.on_loop and worst is not Standing.ALWAYS:
        return weakest(found, Confidence.MEDIUM)
    return weakest(found, CONFIDENCES[worst])
