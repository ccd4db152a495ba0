"""Find jobs and commands that hold all rows of a table that grows in memory."""

from collections.abc import Iterator
from itertools import groupby

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import UNSEEN, Exposure
from perfaudit.program.growing_tables import growing_tables, grows_by_use, is_small
from perfaudit.program.program import Program, is_usual
from perfaudit.program.query_extent import is_open
from perfaudit.program.relational import Query, queries
from perfaudit.program.row_lists import FEWER, gives_list
from perfaudit.program.sites import Site

JOBS = frozenset({"task", "command"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the places where a job or command loads as many rows as there are."""
    grows = program.once(growing_tables)
    for site, group in groupby(program.once(queries), key=lambda query: query.site):
        ways = list(group)
        exposure = program.exposure_at(site)
        if exposure.kind not in JOBS or site.function.role in UNSEEN or not gives_list(site):
            continue
        yield Opportunity(site.location, exposure.kind)
        if any(way.bounded or way.unknown or way.steps & FEWER for way in ways):
            continue
        if not all(is_open(way) for way in ways) or not is_usual(site.function, site.context):
            continue
        table = ways[0].table
        if table.name in grows and not is_small(table) and grows_by_use(table):
            yield _match(program, site, ways[0], exposure)


def _match(program: Program, site: Site, query: Query, exposure: Exposure) -> Match:
    table = query.table.name
    return Match(
        site.location,
        {"table": table, "where": f"A {exposure.kind}"},
        trace=(*exposure.chain, TraceStep(site.location, f"loads all rows of {table}")),
        confidence=Confidence.MEDIUM if exposure.endpoint else Confidence.LOW,
        severity=None if exposure.kind == "task" else Severity.LOW,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
        fix=_fix(program, query),
    )


def _fix(program: Program, query: Query) -> str:
    """Return how the library of a query gives rows in parts."""
    if query.way is None:
        return ""
    return next(
        (
            library.queries.stream
            for library in program.libraries.libraries
            if library.queries is not None and library.name == query.table.library
        ),
        "",
    )
