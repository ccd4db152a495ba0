"""Find ``SELECT *`` on tables with many or large columns, of which only some are read."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.program import Program
from perfaudit.program.projection import Projection, projection
from perfaudit.program.result_use import Readers, Use, use_of
from perfaudit.program.row_sources import row_source

WIDE = 12
"""A result with this many columns is wide."""

LARGE = frozenset({"json", "binary"})
"""Types whose values are large as a rule. Text is not: most columns of that type hold a name."""

MAX_COLUMNS_SHOWN = 6
MOST = 0.75
"""Reading more than this share of the columns is reading the row."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the statements with ``*`` whose readers use only some of the columns."""
    readers = Readers(program)
    for site in program.sites():
        if (
            site.kind != "call"
            or not site.sql
            or site.effects != ("db.query",)
            or "*" not in site.sql
        ):
            continue
        selected = projection(site.sql, program.schema)
        if selected is None or not selected.stars:
            continue
        use = use_of(readers, row_source(site, selected.positions))
        if use.escapes:
            continue
        exposure = program.exposure_of(site.function)
        yield Opportunity(site.location, exposure.kind)
        if use.entire or not use.columns:
            continue
        unread = _unread(selected, use)
        if not unread:
            continue
        yield Match(
            site.location,
            {
                "call": site.name,
                "star": ", ".join(text for text, _ in selected.stars),
                "read": _listed(sorted(use.columns)),
                "unread": _listed(unread),
            },
            trace=(*exposure.chain, TraceStep(site.location, f"{site.name} fetches all columns")),
            confidence=Confidence.MEDIUM if use.crossed else site.confidence,
            function=site.function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=site.function.role,
            fix=_fix(selected, use),
        )


def _unread(selected: Projection, use: Use) -> list[str]:
    """Return the columns that are fetched for nothing, where that costs something."""
    tables = [table for _, found in selected.stars for table in found]
    names = list(dict.fromkeys(output.name for output in selected.outputs if output.starred))
    if not use.columns <= set(selected.names):
        # A reader names a column that the schema does not know: the schema is not the whole truth.
        return []
    unread = [name for name in names if name not in use.columns]
    if not unread or len(unread) < (1 - MOST) * len(names):
        return []
    large = {
        column.name for table in tables for column in table.columns.values() if column.type in LARGE
    }
    if len(names) >= WIDE or large & set(unread):
        return sorted(unread, key=lambda name: (name not in large, names.index(name)))
    return []


def _listed(names: list[str]) -> str:
    shown = names[:MAX_COLUMNS_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _fix(selected: Projection, use: Use) -> str:
    named = [
        output.spelled
        for output in selected.outputs
        if output.starred and output.name in use.columns
    ]
    if not named:
        return ""
    return f"Select {', '.join(dict.fromkeys(named))} in place of *."
