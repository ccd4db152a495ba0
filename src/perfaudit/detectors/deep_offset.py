"""Find pages of whole tables that are found by skipping the rows before them."""

from collections.abc import Iterator
from itertools import groupby

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import UNSEEN
from perfaudit.program.growing_tables import growing_tables, grows_by_use, is_small
from perfaudit.program.program import Program
from perfaudit.program.query_extent import is_whole
from perfaudit.program.query_orders import skips_many
from perfaudit.program.relational import Query, queries


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the places where a request skips a number of rows of a whole table that grows."""
    grows = program.once(growing_tables)
    for site, group in groupby(program.once(queries), key=lambda query: query.site):
        exposure = program.exposure_at(site)
        if site.function.role in UNSEEN or exposure.kind != "endpoint":
            continue
        ways = [query for query in group if skips_many(query)]
        if not ways:
            continue
        yield Opportunity(site.location, exposure.kind)
        # A page of the rows of one parent is never deep.
        whole = [query for query in ways if not query.unknown and is_whole(query)]
        if not whole or whole[0].table.name not in grows:
            continue
        if is_small(whole[0].table) or not grows_by_use(whole[0].table):
            continue
        table = whole[0].table
        is_sure = len(whole) == len(ways) and not whole[0].optional
        yield Match(
            site.location,
            {"table": table.name},
            trace=(
                *exposure.chain,
                TraceStep(site.location, f"skips rows of {table.name} to find a page"),
            ),
            confidence=Confidence.MEDIUM if is_sure else Confidence.LOW,
            function=site.function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=site.function.role,
            fix=_fix(whole[0]),
        )


def _fix(query: Query) -> str:
    """Return the condition that continues behind the last row, where the order is known."""
    key = next((column.name for column in query.table.columns.values() if column.primary), None)
    if key is None or not query.order:
        return ""
    own = [item for item in query.order if item.table.name == query.table.name]
    if len(own) != len(query.order) or len({item.descending for item in own}) != 1:
        return ""
    names = [item.column.name for item in own]
    if names[-1] != key:
        names.append(key)
    descending = own[0].descending
    order = ", ".join(f"{name} DESC" if descending else name for name in names)
    sign = "<" if descending else ">"
    last = ", ".join(f"last.{name}" for name in names)
    columns = ", ".join(names)
    if len(names) == 1:
        return f"WHERE {columns} {sign} {last} ORDER BY {order} LIMIT ..."
    return f"WHERE ({columns}) {sign} ({last}) ORDER BY {order} LIMIT ..."
