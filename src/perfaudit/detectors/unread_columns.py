"""Find columns that a query names and nothing reads."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.program import Program
from perfaudit.program.query_reads import (
    ColumnRead,
    StatementRead,
    column_reads,
    statement_reads,
)
from perfaudit.program.sql_places import clause_steps
from perfaudit.program.tables import Column

MAX_SHOWN = 6
SMALL = frozenset({"integer", "number", "boolean", "time", "uuid"})
"""Types of columns that cost little to fetch."""
MANY = 3
"""So many small columns are worth leaving out."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the queries with columns that no reader of their rows names."""
    for statement in statement_reads(program):
        yield from _in_statement(program, statement)
    for read in column_reads(program):
        yield from _in_query(program, read)


def _in_statement(program: Program, read: StatementRead) -> Iterator[Match | Opportunity]:
    site, selected, use = read.site, read.selected, read.use
    if site.effects != ("db.query",) or selected.stars or len(selected.outputs) < 2:
        return
    exposure = program.exposure_of(site.function)
    yield Opportunity(site.location, exposure.kind)
    if use.entire or not use.columns or not selected.is_plain or selected.locks:
        return
    if not use.columns <= set(selected.names) or len(set(selected.names)) < len(selected.names):
        # The rows have other names than the statement gives, for a reason that is not known here.
        return
    unread = [
        output
        for output in selected.outputs
        if output.name not in use.columns
        and output.name not in selected.ordering
        and not _is_key_or_json(output.column)
    ]
    if not unread:
        return
    kept = [output.spelled for output in selected.outputs if output not in unread]
    sure = not use.crossed and exposure.kind not in BY_HAND
    yield Match(
        site.location,
        {"call": site.name, "columns": _listed([output.name for output in unread])},
        trace=(
            *exposure.chain,
            *use.seen(),
            TraceStep(site.location, f"{site.name} fetches more columns"),
            *clause_steps(program, site, *(output.name for output in unread)),
        ),
        confidence=site.confidence if sure else Confidence.MEDIUM,
        severity=None if _costs([output.column for output in unread]) else Severity.ADVICE,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
        fix=f"Select {', '.join(kept)}.",
    )


def _is_key_or_json(column: Column | None) -> bool:
    """Return whether a column is a key, which is small, or JSON, of which another rule speaks."""
    return column is not None and (column.primary or column.type == "json")


def _costs(unread: list[Column | None]) -> bool:
    return len(unread) >= MANY or any(
        column is None or column.type not in SMALL for column in unread
    )


def _listed(names: list[str]) -> str:
    shown = [f"`{name}`" for name in names[:MAX_SHOWN]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _in_query(program: Program, read: ColumnRead) -> Iterator[Match | Opportunity]:
    query, use = read.query, read.use
    if len(query.named) < 2:
        return
    function = query.source.function
    exposure = program.exposure_of(function)
    yield Opportunity(query.location, exposure.kind)
    if use.entire or not use.columns or not use.columns <= {item.name for item in query.named}:
        return
    unread = [
        item
        for item in query.named
        if item.name not in use.columns and not _is_key_or_json(item.column)
    ]
    if not unread:
        return
    kept = [item.spelled for item in query.named if item not in unread]
    yield Match(
        query.location,
        {"call": f"{query.call}()", "columns": _listed([item.name for item in unread])},
        trace=(
            *exposure.chain,
            *use.seen(),
            TraceStep(query.location, f"{query.call}() fetches more columns"),
        ),
        confidence=Confidence.MEDIUM
        if use.crossed or exposure.kind in BY_HAND
        else Confidence.HIGH,
        severity=None if _costs([item.column for item in unread]) else Severity.ADVICE,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=f"Ask for {query.call}({', '.join(kept)}).",
    )
