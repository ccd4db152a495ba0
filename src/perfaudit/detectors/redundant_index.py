"""Find indexes whose columns another index of the table begins with."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Role
from perfaudit.core.report import Opportunity
from perfaudit.program.program import Program
from perfaudit.program.tables import Index, Table

PLAIN = frozenset({"", "btree"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the indexes that a class or schema file declares beside one that does their work.

    What migrations once made may be gone by now, so they say nothing of this.
    """
    migrations = {file.path for file in program.files if file.role == Role.MIGRATION}
    for table in program.schema.tables.values():
        current = [item for item in table.indexes if _is_plain(item, migrations)]
        for index in current:
            if index.unique:
                continue
            yield Opportunity(index.location)
            wider = next((item for item in current if _covers(item, index)), None)
            if wider is not None:
                yield _match(table, index, wider)


def _is_plain(index: Index, migrations: set[str]) -> bool:
    return (
        index.location.path not in migrations
        and index.where is None
        and index.method in PLAIN
        and not index.include
        and not index.operators
        and not any(part.startswith("(") for part in index.columns)
    )


def _covers(wider: Index, index: Index) -> bool:
    """Return whether an index begins with all columns of another; of the same two, a unique one."""
    length = len(index.columns)
    return wider.columns[:length] == index.columns and (len(wider.columns) > length or wider.unique)


def _match(table: Table, index: Index, wider: Index) -> Match:
    return Match(
        index.location,
        {
            "index": f"{table.name} ({', '.join(index.columns)})",
            "wider": f"({', '.join(wider.columns)})",
        },
        trace=(
            TraceStep(index.location, "declares the index"),
            TraceStep(wider.location, "declares one that begins with the same columns"),
        ),
    )
