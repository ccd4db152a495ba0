"""Find queries that ask again for what the same function has asked for just before."""

import re
from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.counted_loads import counted_and_loaded
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import DISTURBING, is_undisturbed
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.result_roots import last_name
from perfaudit.program.sameness import Form, form_of_call, is_query
from perfaudit.program.sites import Edge, Site

READS = ("db.query",)
KEPT = "kept-by-key"
VOLATILE = re.compile(
    r"\b(?:nextval|random|clock_timestamp|pg_\w+|uuid_generate\w*|gen_random_uuid|last_insert_id"
    r"|for\s+(?:no\s+key\s+)?(?:update|share))\b",
    re.IGNORECASE,
)
"""What a statement says that gives another answer each time, or is run for what it does."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each call that reads the database, and a match for each that repeats an earlier one."""
    for function in program.functions:
        if function.kind in ("module", "class"):
            continue
        places = list(_places(program, function))
        for place in places:
            yield Opportunity(place.location, program.exposure_of(function).kind)
        repeated = list(_repeated(program, function, places))
        yield from repeated
        for count, load in counted_and_loaded(program, function):
            if all(match.location != count.location for match in repeated):
                yield _counted(program, function, count, load)


def _places(program: Program, function: FunctionNode) -> Iterator[Site | Edge]:
    """Yield the places of a function that read the database and nothing else, in order."""
    found: list[Site | Edge] = [
        site for site in program.sites_of(function) if _is_plain_read(program, site)
    ]
    for edge in program.edges_from(function):
        if edge.how == "call" and edge.via == "call" and _only_reads(program, edge):
            found.append(edge)
    yield from sorted(found, key=lambda place: place.sequence)


def _is_plain_read(program: Program, site: Site) -> bool:
    """Return whether a place asks for rows that are the same as long as nobody writes any."""
    behaviour = site.behaviour
    if site.effects != READS or site.relation is not None:
        return False
    if not isinstance(site.value, t.CallRef) or KEPT in behaviour.flags:
        return False
    if site.sql is not None:
        return VOLATILE.search(site.sql) is None
    call = site.function.facts.calls[site.value.index]
    if behaviour.sql is None:
        return not call.discarded
    at = (call.sequence, call.context)
    return bool(call.arguments) and is_query(
        program, program.types.evaluate(site.function, call.arguments[0], at)
    )


def _only_reads(program: Program, edge: Edge) -> bool:
    """Return whether a call of the project asks the database for its answer, as far as is known."""
    callee = edge.callee
    if edge.call is None or not isinstance(edge.value, t.CallRef) or edge.is_step:
        return False
    if edge.call.discarded or callee in program.memoised:
        return False
    if callee.facts.is_generator or not any(
        item.value is not None for item in callee.facts.results
    ):
        return False
    if callee in program.reach_of(DISTURBING) or callee in program.cache_reach:
        return False
    if is_query(program, program.types.call(edge.caller, edge.value.index).result):
        # What is asked of the query that it gives may differ.
        return False
    sink = program.query_reach.site(callee)
    return sink is not None and KEPT not in sink.behaviour.flags


def _repeated(
    program: Program, function: FunctionNode, places: list[Site | Edge]
) -> Iterator[Match]:
    """Yield a match for each place that asks what one before it has asked, and that is known."""
    named: dict[str, list[tuple[Site | Edge, t.Call]]] = {}
    for place in places:
        call = _call_of(place)
        name = last_name(call.callee)
        if name is not None:
            named.setdefault(name, []).append((place, call))
    for alike in named.values():
        if len(alike) < 2:
            continue
        asked: dict[Form, list[Site | Edge]] = {}
        for place, call in alike:
            asked.setdefault(form_of_call(program, function, call), []).append(place)
        for same in asked.values():
            yield from _again(program, function, same)


def _call_of(place: Site | Edge) -> t.Call:
    """Return the call that makes the query of a place, or runs it."""
    if isinstance(place, Site) and isinstance(place.value, t.CallRef):
        return place.function.facts.calls[place.value.index]
    if place.call is None:
        raise ValueError("a place that reads is a call")
    return place.call


def _again(program: Program, function: FunctionNode, same: list[Site | Edge]) -> Iterator[Match]:
    """Yield a match for the first place that repeats another one, with all that do so after it."""
    for number, first in enumerate(same):
        after = [
            other
            for other in same[number + 1 :]
            if _call_of(other) is not _call_of(first) and is_undisturbed(program, first, other)
        ]
        if not after:
            continue
        place = after[0]
        asked = TraceStep(first.location, "asks the database")
        more = [TraceStep(other.location, "asks once more") for other in after[1:]]
        yield _match(
            program,
            function,
            place,
            spelled(function, t.CallRef(function.facts.calls.index(_call_of(place)))),
            f"again for what line {first.location.line} has asked already",
            (asked, *_asked_again(program, place), *more),
            confidence=_confidence(program, first, place),
        )
        return


def _counted(program: Program, function: FunctionNode, count: Site, load: Site) -> Match:
    return _match(
        program,
        function,
        count,
        spelled(function, count.value),
        f"for the number of the rows that line {load.location.line} loads anyway",
        (site_step(count), site_step(load)),
        confidence=weakest(count.confidence, load.confidence),
        fix="Load the rows first, and take their len().",
    )


def _match(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    call: str,
    what: str,
    trace: tuple[TraceStep, ...],
    *,
    confidence: Confidence,
    fix: str = "",
) -> Match:
    exposure = program.exposure_at(place)
    return Match(
        place.location,
        {"call": call, "what": what},
        trace=(*exposure.chain, *trace),
        confidence=confidence,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=fix,
    )


def _asked_again(program: Program, place: Site | Edge) -> Iterator[TraceStep]:
    if isinstance(place, Site):
        yield site_step(place)
        return
    yield TraceStep(place.location, f"calls {place.callee.facts.qualname} again")
    yield from program.query_reach.trace(place.callee)


def _confidence(program: Program, first: Site | Edge, place: Site | Edge) -> Confidence:
    levels = [first.confidence, place.confidence]
    if isinstance(place, Edge):
        step = program.query_reach.step(place.callee)
        levels += [Confidence.MEDIUM, Confidence.LOW if step is None else step.confidence]
    return weakest(*levels)
