"""Find remote calls that a coroutine awaits one by one for the items of a loop."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import awaits, expressions
from perfaudit.program.awaits import Wait
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.groups import takes_group
from perfaudit.program.independence import carries_over
from perfaudit.program.loops import (
    Walk,
    decides_exit,
    is_fallback,
    is_periodic,
    item_names,
    leaves_after,
    name_of_walked,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.reach import steps_per_item
from perfaudit.program.shared_connections import shares_connection
from perfaudit.program.sites import Edge, Site

CACHE = frozenset({"cache.write"})
REMOTE = (awaits.HTTP, CACHE)
"""What waits for another machine; the dearer first. Reads of a cache have a rule of their own."""
CALMER = dict.fromkeys(BY_HAND, Severity.LOW)
FAR = {awaits.HTTP: 5, CACHE: 3}
"""So many calls away, a loop's call does many things, of which the remote one is the least."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each remote call that a loop awaits, and a match for those that need not be in turn."""
    for function in program.functions:
        if not function.is_async:
            continue
        reported: set[int] = set()
        for wait in awaits.waits_of(program, function):
            found = _remote(program, wait)
            if found is None:
                continue
            yield Opportunity(wait.location, program.exposure_of(function).kind)
            place, effects = found
            loop = _loop_of(program, wait, place, effects)
            if loop is not None and reported.isdisjoint(function.loops(wait.context)):
                reported.add(loop)
                yield _match(program, wait, place, effects, loop)


def _remote(program: Program, wait: Wait) -> tuple[Site | Edge, frozenset[str]] | None:
    """Return the place of an await that leads to another machine, and the effects there."""
    for effects in REMOTE:
        place = awaits.place_reaching(program, wait, effects)
        if place is None:
            continue
        if awaits.blocks(program, place, effects):
            continue
        if awaits.is_look_up(awaits.sink_of(program, place, effects)):
            continue
        if awaits.is_waited_for(program, place, effects):
            return place, effects
    return None


def _loop_of(
    program: Program, wait: Wait, place: Site | Edge, effects: frozenset[str]
) -> int | None:
    """Return the loop whose passes could wait at the same time, or None."""
    function = wait.function
    if not function.loops(wait.context):
        return None
    if shares_connection(program, place) or awaits.holds_lock(program, place, effects):
        return None
    free = awaits.is_order_free(awaits.sink_of(program, place, effects))
    if not free and _is_among_statements(program, wait):
        return None
    if any(edge.callee is function for edge in awaits.chain_of(program, place, effects)):
        # A walk through a tree is no loop over items: most of its nodes ask nobody.
        return None
    for loop in function.loops(wait.context):
        if function.facts.contexts[loop].kind == "while":
            return None
        if effects is CACHE and walk_of(program, function, loop) is Walk.CHUNKS:
            return None
        if not free and takes_group(program, function, loop, place, program.reach_of(effects)):
            continue
        if _walks_data(program, function, loop, order_free=free) and _is_independent(
            program, wait, loop
        ):
            return loop
    return None


def _is_among_statements(program: Program, wait: Wait) -> bool:
    """Return whether the passes of the loop also write or read over one connection in turn."""
    loop = wait.function.loops(wait.context)[-1]
    return any(
        wait.function.is_within(place.context, loop) and shares_connection(program, place)
        for other in awaits.waits_of(program, wait.function)
        for place in other.places
    )


def _walks_data(program: Program, function: FunctionNode, loop: int, *, order_free: bool) -> bool:
    context = function.facts.contexts[loop]
    if context.kind not in ("for", "comprehension"):
        return False
    walk = walk_of(program, function, loop)
    return walk in (Walk.DATA, Walk.INFRASTRUCTURE) or (walk is Walk.CHUNKS and order_free)


def _is_independent(program: Program, wait: Wait, loop: int) -> bool:
    function = wait.function
    if is_handler(function, wait.context) or is_fallback(function, loop, wait.context):
        return False
    if not expressions.names(function, wait.value) & item_names(function, loop):
        return False
    if _leaves_early(function, loop) or decides_exit(function, loop, wait.value):
        return False
    if is_periodic(function, loop, wait.context) or leaves_after(function, loop, wait.context):
        return False
    if _hands_out(function, loop) or awaits.sleeps_within(program, function, loop):
        return False
    if any(
        not awaits.HOLDING.isdisjoint(site.effects)
        for site in awaits.entered_around(program, function, wait.context)
    ):
        return False
    return not carries_over(program, wait, loop)


def _leaves_early(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop may end before its last item."""
    for exit_ in function.facts.exits:
        if not function.is_within(exit_.context, loop) or exit_.kind not in ("break", "return"):
            continue
        if exit_.kind == "return" or function.loops(exit_.context)[0] == loop:
            return True
    return False


def _hands_out(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop yields what it has, item by item."""
    return any(
        item.kind != "return" and function.is_within(item.context, loop)
        for item in function.facts.results
    )


def _match(
    program: Program, wait: Wait, place: Site | Edge, effects: frozenset[str], loop: int
) -> Match:
    function = wait.function
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    sink = awaits.sink_of(program, place, effects)
    begun = TraceStep(function.line(function.facts.contexts[loop].line), f"loop over {walked}")
    steps = steps_per_item(place, program.reach_of(effects), "awaits")
    return Match(
        wait.location,
        {
            "call": expressions.spelled(function, t.CallRef(wait.call)),
            "walked": walked,
            "sink": sink.name,
            "through": _through(wait, place, sink),
            "cure": _cure(place, effects),
        },
        trace=(*exposure.chain, begun, *steps),
        confidence=_confidence(program, place, effects, sink),
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )


def _through(wait: Wait, place: Site | Edge, sink: Site) -> str:
    if sink is not place:
        return f", which ends in {sink.name}"
    callee = wait.function.facts.calls[wait.call].callee
    called = callee.name if isinstance(callee, t.Attr) else awaits.root_of(wait.function, callee)
    is_handed_over = sink.name.rpartition(".")[2] != called
    return f", which runs {sink.name}" if is_handed_over else ""


def _cure(place: Site | Edge, effects: frozenset[str]) -> str:
    if isinstance(place, Site) and effects is not awaits.HTTP:
        return "send them in one pipeline"
    return "await them together"


def _confidence(
    program: Program, place: Site | Edge, effects: frozenset[str], sink: Site
) -> Confidence:
    levels = [awaits.confidence_of(program, place, effects)]
    if not awaits.is_order_free(sink):
        levels.append(Confidence.MEDIUM)
    if len(awaits.chain_of(program, place, effects)) >= FAR[effects]:
        levels.append(Confidence.LOW)
    return weakest(*levels)
