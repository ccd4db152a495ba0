"""Find lists of all rows of a table that grows, on the path of a request."""

import re
from collections.abc import Iterator
from itertools import groupby

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import Exposure
from perfaudit.program.growing_tables import growing_tables, grows_by_use, is_small
from perfaudit.program.program import Program, is_usual
from perfaudit.program.query_extent import is_whole
from perfaudit.program.relational import Query, queries
from perfaudit.program.row_lists import FEWER, gives_list
from perfaudit.program.sites import Site

ROUTES = re.compile(r"export|download|dump|backup|sitemap|feed|report|csv|xlsx|migrat|sync|reindex")
"""Functions that are there to give all rows."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the places where a request loads all rows of a table that grows."""
    grows = program.once(growing_tables)
    for site, group in groupby(program.once(queries), key=lambda query: query.site):
        ways = list(group)
        exposure = program.exposure_at(site)
        if exposure.kind != "endpoint" or not gives_list(site):
            continue
        yield Opportunity(site.location, exposure.kind)
        if any(way.bounded or way.unknown or way.steps & FEWER for way in ways):
            continue
        whole = [way for way in ways if is_whole(way)]
        if not whole or whole[0].table.name not in grows:
            continue
        if is_small(whole[0].table) or not grows_by_use(whole[0].table):
            continue
        if site.function in program.memoised or ROUTES.search(site.function.name.lower()):
            continue
        if not is_usual(site.function, site.context):
            continue
        if any(ROUTES.search(step.message.lower()) for step in exposure.chain):
            continue
        sure = len(whole) == len(ways) and not whole[0].optional
        yield _match(site, whole[0], exposure, sure=sure)


def _match(site: Site, query: Query, exposure: Exposure, *, sure: bool) -> Match:
    table = query.table.name
    return Match(
        site.location,
        {"table": table},
        trace=(*exposure.chain, TraceStep(site.location, f"loads all rows of {table}")),
        confidence=Confidence.MEDIUM if sure and exposure.endpoint else Confidence.LOW,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
    )
