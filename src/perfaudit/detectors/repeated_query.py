"""Find queries that ask again for what the same function has asked for just before."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.counted_loads import counted_and_loaded
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import is_undisturbed
from perfaudit.program.plain_reads import is_plain_read, only_reads
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.result_roots import last_name
from perfaudit.program.sameness import Form, form_of_call
from perfaudit.program.sites import Edge, Site


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each call that reads the database, and a match for each that repeats an earlier one."""
    for function in program.costly_or_calling(program.query_reach):
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
        site for site in program.sites_of(function) if is_plain_read(program, site)
    ]
    for edge in program.edges_from(function):
        if edge.how == "call" and edge.via == "call" and only_reads(program, edge):
            found.append(edge)
    yield from sorted(found, key=lambda place: place.sequence)


def _repeated(
    program: Program, function: FunctionNode, places: list[Site | Edge]
) -> Iterator[Match]:
    """Yield a match for each place that asks what one before it has asked, and that is known."""
    named: dict[str, list[tuple[Site | Edge, t.Call]]] = {}
    asked_by: set[int] = set()
    for place in places:
        call = _call_of(place)
        if id(call) in asked_by:
            # A call that may run several functions is one question.
            continue
        asked_by.add(id(call))
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
