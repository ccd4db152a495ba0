"""Find connections to the database that are kept while something else is waited for."""

import re
from collections.abc import Iterator

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.exposure import Exposure
from perfaudit.program.expressions import names, spelled
from perfaudit.program.holds import Hold, connections, transactions
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.outside import waits_outside, what_is_waited_for
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach
from perfaudit.program.sessions import Sessions, Use
from perfaudit.program.sites import WITH_KINDS, Edge, Site
from perfaudit.program.waited_for import (
    places,
    sink_of,
    steps_of,
    waited_reach,
)

JUDGED = {"endpoint": None, "task": Severity.MEDIUM}
"""Where many run at a time, so that connections run out; a worker runs few tasks at a time."""
OF_ITS_OWN = re.compile(r"advisory|\blisten\b|\bnotify\b", re.IGNORECASE)
LISTENING = frozenset({"add_listener", "notifies"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the connections that requests and tasks hold, and those held while waiting.

    Where a function holds one and so does what it calls, only the callee is at fault.
    """
    reached = waited_reach(program, waits_outside)
    sessions = Sessions(program)
    asked_before = _asked_before(program, sessions)
    held: list[tuple[Site | Edge, Match]] = []
    for function in program.functions:
        if program.kind_of_exposure(function) not in JUDGED:
            continue
        waiting = list(places(program, function, reached, waits_outside))
        if not waiting and not _may_hold(program, function):
            continue
        exposure = program.exposure_of(function)
        found = [
            *_held_connections(program, function, exposure, waiting, reached),
            *_held_sessions(program, function, exposure, waiting, reached, sessions),
        ]
        use = asked_before.get(function)
        if use is not None and all(isinstance(item, Opportunity) for item in found):
            found += _held_before(program, function, exposure, waiting, reached, sessions, use)
        for item in found:
            if isinstance(item, Opportunity):
                yield item
            else:
                held.append(item)
    at_fault = {_key(place) for place, _ in held}
    for place, match in held:
        if at_fault.isdisjoint(_key(step) for step in reached.way(place)[1:]):
            yield match


def _may_hold(program: Program, function: FunctionNode) -> bool:
    """Return whether a function may take a connection: at a place of its own, or by a block."""
    contexts = function.facts.contexts
    return bool(program.sites_of(function)) or any(each.kind in WITH_KINDS for each in contexts)


def _key(place: Site | Edge) -> tuple[FunctionNode, int]:
    return place.function, place.sequence


def _held_connections(
    program: Program,
    function: FunctionNode,
    exposure: Exposure,
    waiting: list[Site | Edge],
    reached: Reach,
) -> Iterator[Opportunity | tuple[Site | Edge, Match]]:
    begun = list(transactions(program, function)) if waiting else []
    for hold in connections(program, function):
        kept = [
            place
            for place in waiting
            if hold.covers(place)
            and not _is_asked_itself(place, hold.names)
            and not any(other.covers(place) for other in begun)
        ]
        if not kept or _needs_its_own(program, hold):
            yield Opportunity(hold.location, exposure.kind)
            continue
        place = kept[0]
        taken = TraceStep(hold.location, f"{hold.name} takes a connection of the pool")
        yield Opportunity(place.location, exposure.kind)
        match = _match(function, exposure, place, reached, hold.name, (taken,), hold.confidence)
        yield place, match


def _held_sessions(
    program: Program,
    function: FunctionNode,
    exposure: Exposure,
    waiting: list[Site | Edge],
    reached: Reach,
    sessions: Sessions,
) -> Iterator[Opportunity | tuple[Site | Edge, Match]]:
    asked = _first_query(program, function, sessions)
    begun = list(transactions(program, function)) if waiting else []
    seen: set[t.Expr] = set()
    for place in waiting:
        if any(hold.covers(place) for hold in begun):
            continue
        for use in sessions.held_at(place, reached):
            if use.session in seen or use.locks_rows or _is_the_query(use, place):
                continue
            seen.add(use.session)
            yield Opportunity(place.location, exposure.kind)
            name = spelled(function, use.session)
            match = _match(function, exposure, place, reached, name, use.steps, use.confidence)
            yield place, match
    if asked is not None and not seen:
        yield Opportunity(asked.location, exposure.kind)


def _asked_before(program: Program, sessions: Sessions) -> dict[FunctionNode, Use]:
    """Return the handlers that begin with a session that one of their dependencies has asked.

    The framework keeps it open until the request is answered.
    """
    found: dict[FunctionNode, Use] = {}
    for endpoint in program.endpoints:
        if endpoint.kind != "route" or endpoint.handler in found:
            continue
        for function in endpoint.dependencies:
            for param in function.facts.params:
                if sessions.is_session(program.types.param(function, param)):
                    use = sessions.left_by(function, param.name)
                    if use is not None:
                        found.setdefault(endpoint.handler, use)
    return found


def _held_before(
    program: Program,
    function: FunctionNode,
    exposure: Exposure,
    waiting: list[Site | Edge],
    reached: Reach,
    sessions: Sessions,
    use: Use,
) -> Iterator[Opportunity | tuple[Site | Edge, Match]]:
    begun = list(transactions(program, function)) if waiting else []
    for place in waiting:
        if any(hold.covers(place) for hold in begun) or sessions.ends_before(place, reached):
            continue
        asking = use.place.function
        name = f"{spelled(asking, use.session)} of {asking.name}"
        yield Opportunity(place.location, exposure.kind)
        confidence = weakest(Confidence.MEDIUM, use.confidence)
        yield place, _match(function, exposure, place, reached, name, use.steps, confidence)
        return


def _is_the_query(use: Use, place: Site | Edge) -> bool:
    """Return whether one call both asks the session and waits: its callee is judged itself."""
    return use.place.sequence == place.sequence


def _first_query(program: Program, function: FunctionNode, sessions: Sessions) -> Site | None:
    for site in program.sites_of(function):
        if site.receiver is not None and not DATABASE_ROUND_TRIPS.isdisjoint(site.effects):
            if sessions.is_session(site.receiver):
                return site
    return None


def _is_asked_itself(place: Site | Edge, held: frozenset[str]) -> bool:
    """Return whether a place waits for news on the connection that is held."""
    if isinstance(place, Edge) or place.call is None:
        return False
    return bool(held & names(place.function, place.call.callee))


def _needs_its_own(program: Program, hold: Hold) -> bool:
    """Return whether a connection is meant to be kept: it listens, or holds an advisory lock."""
    for call in hold.function.facts.calls:
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in LISTENING:
            if names(hold.function, callee.base) & hold.names:
                return True
    return any(
        site.sql is not None and OF_ITS_OWN.search(site.sql) is not None
        for site in program.sites_of(hold.function)
        if hold.covers(site)
    )


def _match(
    function: FunctionNode,
    exposure: Exposure,
    place: Site | Edge,
    reached: Reach,
    held: str,
    steps: tuple[TraceStep, ...],
    confidence: Confidence,
) -> Match:
    sink = sink_of(place, reached)
    if sink is None:
        raise ValueError("a place that waits has a site that it waits for")
    step = reached.step(place.callee) if isinstance(place, Edge) else None
    # Where no entry point surely leads here, it is not known who has begun the session, or why.
    entered = Confidence.HIGH if exposure.endpoint else Confidence.MEDIUM
    return Match(
        place.location,
        {
            "call": spelled(function, place.value),
            "function": function.facts.qualname,
            "held": held,
            "what": what_is_waited_for(sink),
            "sink": sink.name,
        },
        trace=(*exposure.chain, *steps, *steps_of(place, reached)),
        confidence=weakest(
            confidence,
            entered,
            place.confidence,
            step.confidence if step is not None else sink.confidence,
        ),
        severity=JUDGED[exposure.kind],
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )
