"""Find what waits for other services while a transaction, or a lock on rows, is open."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.called import library_calls
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.expressions import spelled
from perfaudit.program.holds import Hold, transactions
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.outside import waits_outside, what_is_waited_for
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach
from perfaudit.program.sessions import Sessions
from perfaudit.program.sites import LOCKS_ROWS, Edge, Site
from perfaudit.program.waited_for import (
    is_waited_for,
    places,
    sink_of,
    steps_of,
    waited_reach,
)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the transactions of the program, and those in which something else is waited for."""
    waiting = waited_reach(program, waits_outside)
    sending = waited_reach(program, _sends)
    sessions = Sessions(program)
    locking = frozenset(
        called.function
        for called in library_calls(program).with_flags(LOCKS_ROWS)
        if isinstance(called.call.callee, t.Attr)
    )
    for function in program.functions:
        if program.kind_of_exposure(function) in BY_HAND:
            continue
        seen: set[int] = set()
        for hold in transactions(program, function):
            yield from _judge(program, hold, waiting, sending, seen)
        if function in locking:
            yield from _row_locks(program, function, waiting, sessions, seen)


def _sends(site: Site) -> bool:
    return "queue.send" in site.effects and "http.request" not in site.effects


def _judge(
    program: Program, hold: Hold, waiting: Reach, sending: Reach, seen: set[int]
) -> Iterator[Match | Opportunity]:
    function = hold.function
    exposure = program.exposure_of(function).kind
    begun = TraceStep(hold.location, f"{hold.name} begins a transaction")
    for reached, counts in ((waiting, waits_outside), (sending, _sends)):
        for place in places(program, function, reached, counts):
            if place.sequence in seen or not hold.covers(place):
                continue
            if hold.is_lazy and not _is_open(program, hold, place, reached):
                continue
            seen.add(place.sequence)
            yield Opportunity(place.location, exposure)
            yield _match(program, function, place, reached, (begun,), hold.confidence)
            return
    yield Opportunity(hold.location, exposure)


def _is_open(program: Program, hold: Hold, place: Site | Edge, reached: Reach) -> bool:
    """Return whether the transaction has surely asked the database before a place costs."""
    if _asks_before(program, hold.function, place, hold):
        return True
    return any(_asks_before(program, p.function, p) for p in reached.way(place)[1:])


def _asks_before(
    program: Program, function: FunctionNode, place: Site | Edge, hold: Hold | None = None
) -> bool:
    around = set(function.context_chain(place.context))
    asking: list[Site | Edge] = [
        site
        for site in program.sites_of(function)
        if site.relation is None and not {"db.query", "db.write"}.isdisjoint(site.effects)
    ]
    asking += [
        edge
        for edge in program.edges_from(function)
        if edge.callee in program.database_reach and is_waited_for(edge)
    ]
    return any(
        item.sequence < place.sequence
        and (hold is None or hold.covers(item))
        and _runs_too(function, item.context, around)
        for item in asking
    )


def _runs_too(function: FunctionNode, context: int, around: set[int]) -> bool:
    """Return whether no branch of its own keeps a place from running."""
    for step in function.context_chain(context):
        if step in around:
            return True
        if function.facts.contexts[step].kind in ("if", "else", "match", "except"):
            return False
    return True


def _row_locks(
    program: Program,
    function: FunctionNode,
    waiting: Reach,
    sessions: Sessions,
    seen: set[int],
) -> Iterator[Match | Opportunity]:
    """Yield what waits after a session has locked rows, up to its commit."""
    exposure = program.exposure_of(function).kind
    for place in places(program, function, waiting, waits_outside):
        for use in sessions.held_at(place, waiting):
            if use.locks_rows and place.sequence not in seen:
                seen.add(place.sequence)
                yield Opportunity(place.location, exposure)
                yield _match(program, function, place, waiting, use.steps, use.confidence)
                return


def _match(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    reached: Reach,
    steps: tuple[TraceStep, ...],
    confidence: Confidence,
) -> Match:
    sink = sink_of(place, reached)
    if sink is None:
        raise ValueError("a place that waits has a site that it waits for")
    exposure = program.exposure_of(function)
    step = reached.step(place.callee) if isinstance(place, Edge) else None
    sure = weakest(
        confidence, place.confidence, step.confidence if step is not None else sink.confidence
    )
    sends = _sends(sink)
    return Match(
        place.location,
        {
            "call": spelled(function, place.value),
            "function": function.facts.qualname,
            "what": what_is_waited_for(sink),
            "sink": sink.name,
        },
        trace=(*exposure.chain, *steps, *steps_of(place, reached)),
        confidence=weakest(sure, Confidence.MEDIUM) if sends else sure,
        severity=Severity.LOW if sends else None,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )
