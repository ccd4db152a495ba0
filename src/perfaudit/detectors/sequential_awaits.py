"""Find awaits of remote reads in a row, where none needs what another gives."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import awaits, expressions
from perfaudit.program.awaits import Wait
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.independence import needs
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach, site_step
from perfaudit.program.shared_connections import shares_connection
from perfaudit.program.sites import Edge, Site

READS = frozenset({"http.request", "cache.read"})
CALMER = dict.fromkeys(BY_HAND, Severity.LOW)
FAR = 5
"""So many calls away, it is no longer seen what all the calls between do."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each await of a remote read, and a match for each run that could wait together."""
    ordered = awaits.ordered_reach(program)
    for function in program.functions:
        if not function.is_async:
            continue
        reads = [wait for wait in awaits.waits_of(program, function) if _reads(program, wait)]
        for wait in reads:
            yield Opportunity(wait.location, program.exposure_of(function).kind)
        if len({wait.context for wait in reads}) < len(reads):
            for run in _runs(program, function, reads, ordered):
                yield _match(program, run)


def _reads(program: Program, wait: Wait) -> bool:
    place = awaits.place_reaching(program, wait, READS)
    return (
        place is not None
        and not awaits.blocks(program, place, READS)
        and awaits.is_waited_for(program, place, READS)
        and not awaits.is_look_up(awaits.sink_of(program, place, READS))
    )


def _runs(
    program: Program, function: FunctionNode, reads: list[Wait], ordered: Reach
) -> Iterator[list[Wait]]:
    """Yield the groups of two or more awaits that could wait at the same time."""
    optional = _optional_calls(function)
    group: list[Wait] = []
    for wait in sorted(reads, key=lambda item: item.sequence):
        if not _is_movable(program, wait, ordered) or wait.outer in optional:
            if len(group) > 1:
                yield group
            group = []
            continue
        if group and _joins(program, function, group, wait):
            group.append(wait)
            continue
        if len(group) > 1:
            yield group
        group = [wait]
    if len(group) > 1:
        yield group


def _is_movable(program: Program, wait: Wait, ordered: Reach) -> bool:
    """Return whether an await is wanted for its result alone, and may run beside others."""
    function = wait.function
    if wait.entered or is_handler(function, wait.context):
        return False
    if function.facts.calls[wait.outer].discarded:
        return False
    for place in wait.places:
        if isinstance(place, Site):
            if awaits.is_ordered(place):
                return False
        elif place.callee in ordered or len(awaits.chain_of(program, place, READS)) >= FAR:
            return False
        if shares_connection(program, place) or _holds_lock(program, place):
            return False
    return True


def _holds_lock(program: Program, place: Site | Edge) -> bool:
    if isinstance(place, Edge) and place.callee not in program.reach_of(READS):
        return False
    return awaits.holds_lock(program, place, READS)


def _optional_calls(function: FunctionNode) -> frozenset[int]:
    """Return the calls that run only by the outcome of another: behind ``and``, ``or``, ``if``."""
    facts = function.facts
    values = [bind.value for bind in facts.binds]
    values += [item.value for item in facts.results]
    values += [context.subject for context in facts.contexts]
    values += [value for call in facts.calls for value in call.given]
    return frozenset(
        part.index
        for value in values
        if value is not None
        for either in expressions.parts(function, value)
        if isinstance(either, t.Either)
        for option in either.options
        for part in expressions.parts(function, option)
        if isinstance(part, t.CallRef)
    )


def _joins(program: Program, function: FunctionNode, group: list[Wait], wait: Wait) -> bool:
    first = group[0]
    if wait.context != first.context or wait.outer == first.outer:
        return False
    if any(first.sequence < exit_.sequence < wait.sequence for exit_ in function.facts.exits):
        return False
    if _yields_between(function, first, wait) or _is_other_wait_between(function, group, wait):
        return False
    return not any(needs(program, earlier, wait) for earlier in group)


def _yields_between(function: FunctionNode, first: Wait, wait: Wait) -> bool:
    return any(first.sequence < item.sequence < wait.sequence for item in function.facts.results)


def _is_other_wait_between(function: FunctionNode, group: list[Wait], wait: Wait) -> bool:
    """Return whether something else is awaited between, such as a step that others rely on."""
    members = {item.outer for item in group} | {item.call for item in group}
    return any(
        group[0].sequence < call.sequence < wait.sequence
        and call.awaited
        and index not in members
        and index not in (wait.outer, wait.call)
        for index, call in enumerate(function.facts.calls)
    )


def _match(program: Program, run: list[Wait]) -> Match:
    function = run[0].function
    exposure = program.exposure_of(function)
    trace = list(exposure.chain)
    levels = []
    for wait in run:
        place = awaits.place_reaching(program, wait, READS)
        if place is None:
            continue
        levels.append(awaits.confidence_of(program, place, READS))
        trace.append(TraceStep(wait.location, f"awaits {_spelled(wait)}"))
        if isinstance(place, Site):
            trace.append(site_step(place))
        else:
            trace.extend(program.reach_of(READS).trace(place.callee))
    calls = " and ".join(f"`{_spelled(wait)}`" for wait in run)
    return Match(
        run[1].location,
        {
            "calls": calls,
            "function": function.facts.qualname,
        },
        trace=tuple(trace),
        confidence=weakest(Confidence.HIGH, *levels),
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def _spelled(wait: Wait) -> str:
    return expressions.spelled(wait.function, t.CallRef(wait.call), bound=40)
