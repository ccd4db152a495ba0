"""Find tasks that are handed to workers with one message per item of a loop."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.dispatches import (
    dispatch_reach,
    has_long_task,
    is_staggered,
    sends_task,
)
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.loops import name_of_walked, writes_per_item
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.per_item import is_per_item
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach, hops, steps_per_item
from perfaudit.program.sites import Edge, Site
from perfaudit.program.waited_for import sink_of

CALMER = dict.fromkeys(("task", *BY_HAND), Severity.ADVICE)
"""What nobody waits for may fan out as long as the broker bears it."""
FAR = 2
"""More calls away, what a loop does per item is a job, and the message a part of it."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that sends a task, and a match for each that does so once per item."""
    reached = program.once(dispatch_reach)
    for function in program.costly_or_calling(reached):
        if function.kind == "class":
            continue
        for place in _places(program, function, reached):
            if isinstance(place, Site):
                yield Opportunity(place.location, program.exposure_of(function).kind)
            for loop in function.loops(place.context):
                if _is_needless(program, function, place, loop, reached):
                    if isinstance(place, Edge):
                        yield Opportunity(place.location, program.exposure_of(function).kind)
                    yield _match(program, function, place, loop, reached)
                    break


def _places(program: Program, function: FunctionNode, reached: Reach) -> Iterator[Site | Edge]:
    """Yield the places that send a task, and in loops the calls that lead to one."""
    seen: set[tuple[int, int]] = set()
    places: list[Site | Edge] = [site for site in program.sites_of(function) if sends_task(site)]
    if function.facts.contexts:
        places += [
            edge
            for edge in program.edges_from(function)
            if edge.how == "call"
            and edge.callee in reached
            and edge.callee not in program.memoised
            and function.loops(edge.context)
        ]
    for place in places:
        key = (place.location.line, place.location.column)
        if key not in seen:
            seen.add(key)
            yield place


def _is_needless(
    program: Program, function: FunctionNode, place: Site | Edge, loop: int, reached: Reach
) -> bool:
    if not is_per_item(program, function, place, loop, reached):
        return False
    sink = sink_of(place, reached)
    if sink is None or has_long_task(program, sink) or is_staggered(function, loop, place):
        return False
    if isinstance(place, Edge):
        if len(reached.chain(place.callee)) > FAR or place.callee in program.database_reach:
            return False
    # What is written for each item is dearer, and the message belongs to it.
    return not writes_per_item(program, function, loop)


def _match(
    program: Program, function: FunctionNode, place: Site | Edge, loop: int, reached: Reach
) -> Match:
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    line = function.line(function.facts.contexts[loop].line)
    begun = TraceStep(line, f"loop over {walked}")
    sink = sink_of(place, reached)
    confidence = place.confidence
    if isinstance(place, Site):
        distance = 0
    else:
        step = reached.step(place.callee)
        distance = len(reached.chain(place.callee))
        sure = step.confidence if step is not None else Confidence.LOW
        confidence = weakest(confidence, sure)
    batch = "" if sink is None else sink.behaviour.batch
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "walked": walked,
            "hops": hops(distance),
            "plural": f"`{batch}` takes many" if batch else "a task that takes a list needs one",
        },
        trace=(*exposure.chain, begun, *steps_per_item(place, reached)),
        confidence=confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )
