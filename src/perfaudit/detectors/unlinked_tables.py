"""Find tables that are joined without a condition, and NOT IN with what may be NULL."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import UNSEEN
from perfaudit.program.program import Program
from perfaudit.program.relational import Query, queries
from perfaudit.program.unlinked_tables import nullable_not_in, unlinked

JOIN = "cartesian-join"
NOT_IN = "not-in-subquery"


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the queries that combine all rows with all, or leave out what may be NULL."""
    reported: set[tuple[str, Location]] = set()
    for query in program.once(queries):
        site = query.site
        if site.function.role in UNSEEN:
            continue
        apart = unlinked(program, query)
        left_out = nullable_not_in(program, query)
        kind = program.exposure_at(site).kind
        yield Opportunity(site.location, kind, rule=JOIN)
        if left_out is not None:
            yield Opportunity(site.location, kind, rule=NOT_IN)
        if apart is not None and (JOIN, site.location) not in reported:
            reported.add((JOIN, site.location))
            words = {"left": apart[0].name, "right": apart[1].name}
            text = f"joins {apart[0].name} and {apart[1].name} without a condition"
            yield _match(program, query, JOIN, words, text)
        if left_out is not None and (NOT_IN, site.location) not in reported:
            reported.add((NOT_IN, site.location))
            table, column = left_out
            words = {"column": f"{table.name}.{column.name}"}
            text = f"leaves out what {table.name}.{column.name} holds"
            yield _match(program, query, NOT_IN, words, text)


def _match(program: Program, query: Query, rule: str, words: dict[str, str], text: str) -> Match:
    site = query.site
    exposure = program.exposure_at(site)
    return Match(
        site.location,
        words,
        trace=(*exposure.chain, TraceStep(site.location, text)),
        confidence=site.confidence,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
        rule=rule,
    )
