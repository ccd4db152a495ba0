"""Find queries for all columns of wide or heavy tables, of which only some are read."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.report import Opportunity
from perfaudit.program.entity_queries import is_deferred
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.program import Program
from perfaudit.program.projection import Projection
from perfaudit.program.query_reads import (
    EntityRead,
    StatementRead,
    entity_reads,
    less_fetched,
    may_be_taken_again,
    statement_reads,
)
from perfaudit.program.result_use import Use
from perfaudit.program.sql_places import clause_steps
from perfaudit.program.tables import Column

WIDE = 12
"""A result with this many columns is wide."""

LARGE = frozenset({"json", "binary"})
"""Types whose values are large as a rule. Text is not, but where it is declared as long."""

MAX_COLUMNS_SHOWN = 6
MOST = 0.75
"""Reading more than this share of the columns is reading the row."""

SHORT = frozenset(
    [
        *("name", "title", "slug", "code", "key", "label", "email", "url", "uri", "path"),
        *("type", "status", "state", "kind", "id", "hash", "token"),
    ]
)
"""Words in the names of columns that hold something short, however they are declared."""

HALF = 1 / 2
"""The same, where only one of the others is large."""

FEW = 1 / 3
"""Objects of small columns are worth naming columns for only where no greater share is read."""

FEW_OF_ONE = 2
HEAVY = 2
"""One row alone is worth it only where so few columns are read, and so many large ones are not."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the queries for all columns whose readers use only some of them."""
    for statement in statement_reads(program):
        yield from _starred(program, statement)
    for read in entity_reads(program):
        yield from _whole(program, read)


def _starred(program: Program, read: StatementRead) -> Iterator[Match | Opportunity]:
    site, selected, use = read.site, read.selected, read.use
    if not selected.stars or site.effects != ("db.query",):
        return
    exposure = program.exposure_of(site.function)
    yield Opportunity(site.location, exposure.kind)
    if use.entire or not use.columns:
        return
    unread = _unread(selected, use)
    if not unread:
        return
    yield Match(
        site.location,
        {
            "call": site.name,
            "star": ", ".join(text for text, _ in selected.stars),
            "read": _are_read(sorted(use.columns)),
            "unread": _listed(unread),
        },
        trace=(
            *exposure.chain,
            *use.seen(),
            TraceStep(site.location, f"{site.name} fetches all columns"),
            *clause_steps(program, site),
        ),
        confidence=Confidence.MEDIUM if use.crossed else site.confidence,
        # As with objects: of one row it is worth little, where the statement is built.
        severity=Severity.ADVICE if read.words is not None and not use.iterated else None,
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
        column.name for table in tables for column in table.columns.values() if _is_large(column)
    }
    if len(names) >= WIDE or large & set(unread):
        return sorted(unread, key=lambda name: (name not in large, names.index(name)))
    return []


def _is_large(column: Column) -> bool:
    """Return whether values are large as a rule: texts of any length too, but not names."""
    is_name = not SHORT.isdisjoint(column.name.lower().split("_"))
    return column.type in LARGE or (column.long and not is_name)


def _listed(names: list[str]) -> str:
    shown = names[:MAX_COLUMNS_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _are_read(names: list[str]) -> str:
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'}"


def _fix(selected: Projection, use: Use) -> str:
    named = [
        output.spelled
        for output in selected.outputs
        if output.starred and output.name in use.columns
    ]
    if not named:
        return ""
    stars = ", ".join(text for text, _ in selected.stars)
    whole = stars if stars.startswith("all of ") else "*"
    return f"Select {', '.join(dict.fromkeys(named))} in place of {whole}."


def _whole(program: Program, read: EntityRead) -> Iterator[Match | Opportunity]:
    query, use = read.query, read.use
    if not query.orm.only:
        return
    columns = {
        name: column
        for name, column in read.table.columns.items()
        if not is_deferred(program, query, name)
    }
    if len(columns) < WIDE and not any(_is_large(column) for column in columns.values()):
        return
    function = query.source.function
    place = query.location
    exposure = program.exposure_of(function)
    yield Opportunity(place, exposure.kind)
    unread = _unread_of_objects(read, columns)
    if not unread or (exposure.kind in BY_HAND and not use.iterated):
        return
    read_names = sorted(use.columns & columns.keys())
    sure = not use.crossed and exposure.kind not in BY_HAND and _is_worth_it(read, columns)
    sure = sure and not query.may_be_narrowed(program)
    yield Match(
        place,
        {
            "call": query.name,
            "star": f"all {len(columns)} columns of {query.rows_of}",
            "read": _are_read(read_names),
            "unread": _listed(unread),
        },
        trace=(
            *exposure.chain,
            *use.seen(),
            TraceStep(place, f"{query.name} fetches all columns"),
        ),
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        severity=None if use.iterated else Severity.ADVICE,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=less_fetched(read),
    )


def _is_worth_it(read: EntityRead, columns: dict[str, Column]) -> bool:
    """Return whether of many rows a third of the columns at most is read."""
    if not read.use.iterated or read.query.is_bounded or len(columns) < WIDE:
        return False
    taken = (read.use.columns | read.use.needed) & columns.keys()
    return len(taken) <= len(columns) * FEW


def _unread_of_objects(read: EntityRead, columns: dict[str, Column]) -> list[str]:
    """Return the columns that objects hold for nothing, where that costs something."""
    use = read.use
    if use.entire or not use.columns or may_be_taken_again(read):
        return []
    taken_anyway = use.columns | use.needed
    unread = [name for name in columns if name not in taken_anyway and not columns[name].primary]
    large = [name for name in unread if _is_large(columns[name])]
    if not use.iterated:
        known = {name for name in use.columns if name in columns and not columns[name].primary}
        return unread if len(large) >= HEAVY and len(known) <= FEW_OF_ONE else []
    if any(columns[name].type == "json" for name in large):
        # That is said of the JSON column.
        return []
    taken = len(columns) - len(unread)
    share = MOST if len(large) >= HEAVY else HALF
    holds_files = any(columns[name].wrapped for name in use.columns if name in columns)
    if (large and taken <= len(columns) * share) or (
        # Beside opening a file, small columns cost nothing.
        len(columns) >= WIDE and taken <= len(columns) * FEW and not holds_files
    ):
        return sorted(unread, key=lambda name: (name not in large, unread.index(name)))
    return []
