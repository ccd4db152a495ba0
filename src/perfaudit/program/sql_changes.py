"""What statements of SQL make, take away and rename, in the order in which they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from perfaudit.core.location import Location
from perfaudit.program.tables_sql import statements_of

_NAME = r"(?:[\w\"`]+\.)?[\w\"`]+"
_TABLE = rf"\s*alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?(?P<table>{_NAME})\s+"
_EXISTS = r"(?:if\s+exists\s+)?"
_DROPS = {
    "drop_table": re.compile(
        rf"\s*drop\s+(?:table|(?:materialized\s+)?view)\s+{_EXISTS}(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)",
        re.IGNORECASE,
    ),
    "drop_index": re.compile(
        rf"\s*drop\s+index\s+(?:concurrently\s+)?{_EXISTS}(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)",
        re.IGNORECASE,
    ),
}
_RENAMES = {
    "rename_table": re.compile(rf"{_TABLE}rename\s+to\s+(?P<to>{_NAME})", re.IGNORECASE),
    "rename_column": re.compile(
        rf"{_TABLE}rename\s+(?:column\s+)?(?P<names>{_NAME})\s+to\s+(?P<to>{_NAME})",
        re.IGNORECASE,
    ),
    "rename_index": re.compile(
        rf"\s*alter\s+index\s+{_EXISTS}(?P<names>{_NAME})\s+rename\s+to\s+(?P<to>{_NAME})",
        re.IGNORECASE,
    ),
}
_ALTER = re.compile(_TABLE, re.IGNORECASE)
_DROP_PART = re.compile(
    rf"\bdrop\s+(?P<what>constraint\s+|foreign\s+key\s+|column\s+)?{_EXISTS}(?P<name>{_NAME})",
    re.IGNORECASE,
)
_NOT_COLUMNS = frozenset({"default", "not", "expression", "identity"})
"""Words after DROP within ALTER COLUMN."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one statement does, or one part of it.

    ``does``: declare (its ``text`` makes tables, columns or indexes, of ``table`` where it alters
    one), or what it takes away or renames: drop_table, drop_index, drop_column, rename_table,
    rename_column or rename_index. Indexes are constraints and foreign keys, too.
    """

    does: str
    place: Location
    text: str = ""
    table: str = ""
    names: tuple[str, ...] = ()
    to: str = ""


def changes_of(place: Location, text: str) -> Iterator[Change]:
    """Yield what the statements of a text change; those that change no schema are left out."""
    for at, statement in statements_of(place, text):
        yield from _changes(at, statement)


def _changes(place: Location, statement: str) -> Iterator[Change]:
    for does, pattern in _DROPS.items():
        found = pattern.match(statement)
        if found is not None:
            names = tuple(_bare(name) for name in found.group("names").split(","))
            yield Change(does, place, names=names)
            return
    for does, pattern in _RENAMES.items():
        found = pattern.match(statement)
        if found is not None and _is_name(found, "names"):
            given = found.groupdict()
            yield Change(
                does,
                place,
                table=_bare(given.get("table") or ""),
                names=(_bare(given.get("names") or ""),),
                to=_bare(found.group("to")),
            )
            return
    altered = _ALTER.match(statement)
    table = "" if altered is None else _bare(altered.group("table"))
    yield Change("declare", place, text=statement, table=table)
    if altered is None:
        return
    for part in _DROP_PART.finditer(statement, altered.end()):
        name = _bare(part.group("name"))
        what = (part.group("what") or "column").strip().lower()
        if name.lower() in _NOT_COLUMNS and not part.group("what"):
            continue
        does = "drop_column" if what == "column" else "drop_index"
        yield Change(does, place, table=table, names=(name,))


def _is_name(found: re.Match[str], group: str) -> bool:
    """Return whether what is renamed is a column: CONSTRAINT may stand there too."""
    return (found.groupdict().get(group) or "").lower() not in ("constraint", "to")


def _bare(name: str) -> str:
    """Return a name without quotes and without that of its schema."""
    return name.strip().rpartition(".")[2].strip('"`')
