"""How much of the SQL that a program runs was understood."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.program.projection import dialects_for, filled_holes, parsed
from perfaudit.program.sql_bounds import is_parsable
from perfaudit.program.sql_dialects import dialect_of
from perfaudit.program.sql_parser import readings
from perfaudit.program.statements import statements

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DIALECTS = ("postgres", "mysql", "sqlite", "tsql", "oracle", "clickhouse")
SHOWN = 60
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SqlCoverage:
    """How many calls run SQL whose text is known, and the texts that no dialect can read.

    ``unread`` are their places and how they begin, in file order.
    """

    known: int
    unread: tuple[tuple[Location, str], ...]


def sql_coverage(program: "Program") -> SqlCoverage:
    """Return how much of the SQL that is run, outside tests, can be read."""
    known: set[Location] = set()
    verdicts: dict[tuple[str, str], bool] = {}
    unread: list[tuple[Location, str]] = []
    for site in program.once(statements):
        known.add(site.location)
        key = site.sql or "", dialect_of(program, site)
        if key not in verdicts:
            verdicts[key] = can_be_read(*key)
        if not verdicts[key] and site.location not in {place for place, _ in unread}:
            unread.append((site.location, _SPACE.sub(" ", key[0].strip())[:SHOWN]))
    return SqlCoverage(len(known), tuple(unread))


def can_be_read(sql: str, dialect: str = "") -> bool:
    """Return whether a dialect of SQL can read a text, whose holes stand for anything."""
    if parsed(sql, dialect) is not None:
        return True
    return is_parsable(sql) and any(
        any(trees) for _, trees in readings(filled_holes(sql), dialects_for(dialect, DIALECTS))
    )
