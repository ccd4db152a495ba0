"""Find blocking remote calls that run once per item of a loop, here or through calls."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import awaits, expressions, nesting
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.groups import takes_group
from perfaudit.program.loops import (
    Walk,
    item_names,
    name_of_walked,
    runs_each_turn,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.reach import hops, steps_per_item
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off
from perfaudit.program.values import LibraryInstance

CALMER = {
    "task": Severity.MEDIUM,
    "unknown": Severity.MEDIUM,
    "unreached": Severity.MEDIUM,
    **dict.fromkeys(BY_HAND, Severity.LOW),
}
NUMBER = LibraryInstance("builtins.float", ())
NEAR = 3
FAR = 5
"""So many calls away, what a loop does per item is more often a job than a request."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each blocking remote call, and a match for each that runs once per item of a loop."""
    yield from (item for item in program.once(judged) if item.rule != nesting.RULE)


def judged(program: Program) -> tuple[Match | Opportunity, ...]:
    """Return what is found, loops in loops too."""
    return tuple(_found(program))


def _found(program: Program) -> Iterator[Match | Opportunity]:
    for function in program.costly_or_calling(program.reach_of(awaits.HTTP)):
        if function.kind == "class":
            continue
        seen: set[tuple[int, int]] = set()
        reported: set[int] = set()
        for place in _places(program, function):
            key = (place.location.line, place.location.column)
            if key in seen:
                continue
            seen.add(key)
            loop = _loop_of(program, function, place)
            nest = None if loop is None else nesting.loop_around(program, function, place, loop)
            rule = "" if nest is None else nesting.RULE
            yield Opportunity(place.location, program.exposure_of(function).kind, rule=rule)
            if loop is not None and reported.isdisjoint(function.loops(place.context)):
                reported.add(loop)
                match = _match(program, function, place, loop)
                yield match if nest is None else nesting.as_nested(match, nest)


def _loop_of(program: Program, function: FunctionNode, place: Site | Edge) -> int | None:
    """Return the innermost loop for each item of which a place runs, or None."""
    for loop in function.loops(place.context):
        if _is_per_item(program, function, place, loop):
            return loop
    return None


def _places(program: Program, function: FunctionNode) -> Iterator[Site | Edge]:
    """Yield the places that wait for a remote call on their own thread; calls only in loops."""
    for site in program.sites_of(function):
        if site.blocking and "http.request" in site.effects and not awaits.is_look_up(site):
            yield site
    reached = program.reach_of(awaits.HTTP)
    for edge in program.edges_from(function):
        if edge.how != "call" or edge.via == "exit" or not function.loops(edge.context):
            continue
        if edge.callee in program.memoised or edge.callee not in reached:
            continue
        if _is_put_off(edge) or is_switched_off(program, edge, reached):
            continue
        if awaits.is_look_up(awaits.sink_of(program, edge, awaits.HTTP)):
            continue
        if awaits.blocks(program, edge, awaits.HTTP):
            yield edge


def _is_put_off(edge: Edge) -> bool:
    """Return whether a loop only makes a coroutine, which something else awaits."""
    return edge.callee.is_async and (edge.call is None or not edge.call.awaited)


def _is_per_item(program: Program, function: FunctionNode, place: Site | Edge, loop: int) -> bool:
    if not _walks_items(program, function, loop) or is_handler(function, place.context):
        return False
    if not expressions.names(function, place.value) & item_names(function, loop):
        return False
    if not runs_each_turn(function, loop, place.context, place.value):
        return False
    if _sends_group(program, function, loop, place):
        return False
    return not awaits.sleeps_within(program, function, loop)


def _sends_group(program: Program, function: FunctionNode, loop: int, place: Site | Edge) -> bool:
    """Return whether the call sends one of several lists, unless a list is a vector of numbers."""
    if walk_of(program, function, loop) is Walk.CHUNKS:
        return False
    return takes_group(program, function, loop, place, program.reach_of(awaits.HTTP))


def _walks_items(program: Program, function: FunctionNode, loop: int) -> bool:
    """Return whether a loop walks single items: rows, keys, or vectors of numbers."""
    walk = walk_of(program, function, loop)
    if walk is not Walk.CHUNKS:
        return walk is Walk.DATA
    context = function.facts.contexts[loop]
    if context.subject is None:
        return False
    at = (context.sequence, context.parent)
    item = program.types.evaluate(function, t.Element(context.subject, False), at)
    return isinstance(item, LibraryInstance) and item.arguments == (NUMBER,)


def _match(program: Program, function: FunctionNode, place: Site | Edge, loop: int) -> Match:
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    sink = awaits.sink_of(program, place, awaits.HTTP)
    distance = len(awaits.chain_of(program, place, awaits.HTTP))
    begun = TraceStep(function.line(function.facts.contexts[loop].line), f"loop over {walked}")
    steps = steps_per_item(place, program.reach_of(awaits.HTTP))
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "walked": walked,
            "sink": sink.name,
            "hops": hops(distance),
        },
        trace=(*exposure.chain, begun, *steps),
        confidence=_confidence(program, place, distance),
        severity=_severity(exposure.kind, sink),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )


def _severity(exposure: str, sink: Site) -> Severity | None:
    """Return how bad it is: what changes something elsewhere can seldom be asked for at once."""
    if exposure not in CALMER and not awaits.is_order_free(sink):
        return Severity.MEDIUM
    return CALMER.get(exposure)


def _confidence(program: Program, place: Site | Edge, distance: int) -> Confidence:
    levels = [awaits.confidence_of(program, place, awaits.HTTP)]
    if distance >= NEAR:
        levels.append(Confidence.MEDIUM if distance < FAR else Confidence.LOW)
    return weakest(*levels)
