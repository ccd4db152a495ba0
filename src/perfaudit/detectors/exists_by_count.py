"""Find rows that are counted, or loaded, only to know whether there are any."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.counted_loads import counted_and_loaded
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.only_asked import OnlyAsked, only_asked
from perfaudit.program.page_counts import UnreadCount, unread_counts
from perfaudit.program.presence import asks_for_any, matters_besides, only_asks_for_any
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.sites import COUNTS, Site

ASKED = "only to know whether there is one"


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place where the database counts rows, and a match where any row would do."""
    for site in program.sites():
        # What was loaded with its row is counted in memory, and is no query.
        if COUNTS not in site.behaviour.flags or site.relation is not None:
            continue
        exposure = program.exposure_at(site)
        yield Opportunity(site.location, exposure.kind)
        if _any_would_do(program, site):
            yield _match(
                program,
                site.function,
                site.location,
                {"call": spelled(site.function, site.value), "does": f"counts all rows {ASKED}"},
                site_step(site),
                site.confidence,
                _cure(program, site),
            )
    for found in only_asked(program):
        yield _loaded(program, found)
    for unread in unread_counts(program):
        yield _unread(program, unread)


def _any_would_do(program: Program, site: Site) -> bool:
    function = site.function
    numbers = (site.value, t.Await(site.value))
    if not any(only_asks_for_any(function, number) for number in numbers):
        if not any(asks_for_any(function, number) for number in numbers):
            return False
        if any(matters_besides(function, number) for number in numbers):
            return False
    # What the rows tell anyway needs no query at all.
    return all(count is not site for count, _ in counted_and_loaded(program, function))


def _loaded(program: Program, found: OnlyAsked) -> Match:
    return _match(
        program,
        found.function,
        found.place,
        {
            "call": found.call,
            "does": f"loads {'a row' if found.is_one else 'all rows'} {ASKED}",
        },
        TraceStep(found.query, f"{found.name} loads {'a row' if found.is_one else 'the rows'}"),
        # Of one row not much is sent that nobody reads.
        Confidence.MEDIUM if found.is_one else Confidence.HIGH,
        found.cure,
    )


def _unread(program: Program, unread: UnreadCount) -> Match:
    function = unread.function
    call = function.facts.calls[unread.value.index]
    return _match(
        program,
        function,
        function.place(call),
        {
            "call": spelled(function, unread.value),
            "does": "counts all rows besides, and nobody reads the number",
        },
        site_step(unread.site),
        Confidence.MEDIUM,
        f"Pass `{unread.keyword}=False`.",
    )


def _cure(program: Program, site: Site) -> str:
    """Return how the library of a query asks for one row, empty where that is not known."""
    queries = program.libraries.queries(site.behaviour.path.rpartition(".")[0])
    return queries.exists if queries is not None else ""


def _match(
    program: Program,
    function: FunctionNode,
    place: Location,
    words: dict[str, str],
    step: TraceStep,
    confidence: Confidence,
    cure: str,
) -> Match:
    exposure = program.exposure_of(function)
    return Match(
        place,
        words,
        trace=(*exposure.chain, step),
        confidence=confidence,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=cure,
    )
