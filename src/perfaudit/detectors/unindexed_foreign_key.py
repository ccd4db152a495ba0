"""Find foreign keys without an index by which rows are looked for."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.databases import leaves_keys
from perfaudit.program.exposure import SERVED
from perfaudit.program.growing_tables import growing_tables, is_small
from perfaudit.program.index_advice import Wanted, index_fix, is_list_of_words, leads
from perfaudit.program.key_uses import REFERRING, KeyUse, uses_of_key
from perfaudit.program.program import Program
from perfaudit.program.tables import Column, Table


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the foreign keys that no index leads with, on servers that make none."""
    if not program.once(leaves_keys):
        return
    own = {item.library for item in program.libraries.schemas if item.relation_column}
    for table in program.schema.tables.values():
        if table.library in own:
            continue
        for column in table.columns.values():
            if column.references and not column.primary:
                yield from _judged(program, table, column)


def _judged(program: Program, table: Table, column: Column) -> Iterator[Match | Opportunity]:
    yield Opportunity(column.location)
    if column.indexed or leads(table.indexes, column.name) or _is_choice(program, column):
        return
    use = next(uses_of_key(program, table, column), None)
    if use is None and column.on_delete not in REFERRING:
        return
    parent = column.references.rpartition(".")[0] or column.references
    yield Match(
        column.location,
        {
            "column": f"{table.name}.{column.name}",
            "parent": parent,
            "use": _use(use, table, column, parent),
        },
        trace=(use.step,) if use is not None else (),
        confidence=_confidence(program, table, column, use),
        fix=index_fix(program, table, Wanted((column,))),
    )


def _confidence(program: Program, table: Table, column: Column, use: KeyUse | None) -> Confidence:
    """Return how surely the index is missed.

    That a key says what deletion does is a hint alone, and parents are deleted seldom.
    """
    if use is None:
        return Confidence.LOW
    served = use.function is not None and program.exposure_of(use.function).kind in SERVED
    if use.kind == "delete":
        served = served and column.on_delete in REFERRING
    is_large = table.name in program.once(growing_tables) and not is_small(table)
    return Confidence.HIGH if served and is_large else Confidence.MEDIUM


def _use(use: KeyUse | None, table: Table, column: Column, parent: str) -> str:
    if use is not None:
        return use.what
    deletion = f"ON DELETE {column.on_delete.upper()}"
    return f"{deletion} reads all of {table.name} for each row of {parent} that goes"


def _is_choice(program: Program, column: Column) -> bool:
    """Return whether a key leads to a small table of words: an index would not tell rows apart."""
    name, _, key = column.references.rpartition(".")
    parent = program.schema.find(name or column.references)
    if parent is None:
        return True
    referred = parent.column(key) if name else None
    is_word = referred is not None and referred.type == "text"
    return is_word or is_list_of_words(parent)
