"""Find served queries that sort a table at random."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import SERVED, UNSEEN
from perfaudit.program.growing_tables import growing_tables, is_small
from perfaudit.program.program import Program
from perfaudit.program.query_extent import is_whole
from perfaudit.program.query_orders import is_random
from perfaudit.program.relational import queries


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the places that ask for all rows of a table in a random order; each place once."""
    grows = program.once(growing_tables)
    reported = set()
    for query in program.once(queries):
        site = query.site
        exposure = program.exposure_at(site)
        if site.function.role in UNSEEN or exposure.kind not in SERVED:
            continue
        if "order_by" not in query.steps and site.sql is None:
            continue
        yield Opportunity(site.location, exposure.kind)
        if site.location in reported or is_small(query.table) or not is_random(program, query):
            continue
        # Rows of one parent are few, and are sorted in no time.
        if query.unknown or not is_whole(query):
            continue
        reported.add(site.location)
        yield Match(
            site.location,
            {"table": query.table.name},
            trace=(
                *exposure.chain,
                TraceStep(site.location, f"sorts {query.table.name} at random"),
            ),
            confidence=Confidence.MEDIUM if query.table.name in grows else Confidence.LOW,
            function=site.function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=site.function.role,
        )
