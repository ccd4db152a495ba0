"""Find lists of all rows of a table that grows, on the path of a request or job."""

import re
from collections.abc import Iterator
from itertools import groupby

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.exposure import Exposure
from perfaudit.program.growing_tables import growing_tables, grows_by_use, is_small
from perfaudit.program.program import Program, is_usual
from perfaudit.program.relational import NULL, Query, queries
from perfaudit.program.row_sources import ROWS_CALLS
from perfaudit.program.sites import Site

SERVED = frozenset({"endpoint", "task", "command"})
FEWER = frozenset(
    {
        *(
            "iterator",
            "aiterator",
            "yield_per",
            "stream",
            "stream_scalars",
            "partitions",
            "chunked",
        ),
        *("group_by", "distinct", "annotate", "aggregate", "values", "dates", "datetimes", "union"),
        *("with_for_update", "select_for_update", "having", "tablesample", "bulk_create"),
        *("bulk_update", "delete", "update", "raw", "none", "search", "from_statement"),
    }
)
"""Steps of a query that does not load all rows at once, or is about something else."""
MANY = frozenset({"all", "fetchall", "unique", "mappings", "partitions", "to_list"})
ROUTES = re.compile(r"export|download|dump|backup|sitemap|feed|report|csv|xlsx|migrat|sync|reindex")
"""Functions that are there to give all rows."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the places where a served query gives all rows of a table that grows."""
    grows = program.once(growing_tables)
    for site, group in groupby(program.once(queries), key=lambda query: query.site):
        ways = list(group)
        exposure = program.exposure_at(site)
        if exposure.kind not in SERVED or not _gives_list(site):
            continue
        yield Opportunity(site.location, exposure.kind)
        if any(way.bounded or way.unknown or way.steps & FEWER for way in ways):
            continue
        whole = [way for way in ways if _is_whole(way)]
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
        yield _match(site, whole[0], exposure, sure=len(whole) == len(ways))


def _match(site: Site, query: Query, exposure: Exposure, *, sure: bool) -> Match:
    is_answer = exposure.kind == "endpoint"
    table = query.table.name
    return Match(
        site.location,
        {
            "table": table,
            "where": "A request" if is_answer else f"A {exposure.kind}",
        },
        trace=(*exposure.chain, TraceStep(site.location, f"loads all rows of {table}")),
        confidence=Confidence.MEDIUM if sure and exposure.endpoint else Confidence.LOW,
        severity=None if is_answer else Severity.LOW,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
    )


def _is_whole(query: Query) -> bool:
    """Return whether no condition hangs on who asks or for what: constants tell few rows apart."""
    if query.via_relation or query.joins:
        return False
    return all(
        condition.constant is not None or condition.operator == NULL
        for condition in query.conditions
    )


def _gives_list(site: Site) -> bool:
    """Return whether a place surely takes all rows of its query."""
    if "db.query" not in site.effects or "db.write" in site.effects:
        return False
    if site.kind == "iterate":
        return not _leaves_early(site)
    name = site.behaviour.path.rpartition(".")[2]
    if site.kind != "call":
        return False
    if name in ROWS_CALLS or (name == "all" and site.behaviour.sql is None):
        return True
    return site.behaviour.sql is not None and _is_read_whole(site)


def _is_read_whole(site: Site) -> bool:
    """Return whether all rows are asked of the result of a statement."""
    index = site.value.index if isinstance(site.value, t.CallRef) else -1
    names = {bind.target for bind in _binds(site, index)}
    for call in site.function.facts.calls:
        if not isinstance(call.callee, t.Attr) or call.callee.name not in MANY:
            continue
        base = call.callee.base
        while True:
            base = base.value if isinstance(base, t.Await) else base
            if base == t.CallRef(index) or base in names:
                return True
            if not isinstance(base, t.CallRef):
                break
            inner = site.function.facts.calls[base.index].callee
            if not isinstance(inner, t.Attr):
                break
            base = inner.base
    return False


def _binds(site: Site, index: int) -> Iterator[t.Bind]:
    for bind in site.function.facts.binds:
        value = bind.value.value if isinstance(bind.value, t.Await) else bind.value
        if value == t.CallRef(index) and isinstance(bind.target, t.Name):
            yield bind


def _leaves_early(site: Site) -> bool:
    """Return whether the loop over the rows may end before the last one."""
    loops = {
        number
        for number, context in enumerate(site.function.facts.contexts)
        if context.subject == site.value or context.line == site.location.line
    }
    return any(
        exit_.kind in ("break", "return", "raise")
        and not loops.isdisjoint(site.function.context_chain(exit_.context))
        for exit_ in site.function.facts.exits
    )
