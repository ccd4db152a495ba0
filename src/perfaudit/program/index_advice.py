"""How an index is made: the statement, and the form that the class of the table has for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfaudit.libraries.types import Dialect, Schema
from perfaudit.program.program import Program
from perfaudit.program.sql_dialects import main_dialect
from perfaudit.program.sql_names import quoted
from perfaudit.program.tables import Column, Index, Table
from perfaudit.program.tables_columns import UNKNOWN_PART

PLAIN = "CREATE INDEX {name} ON {table} ({columns})"
UNHURRIED = "CREATE INDEX CONCURRENTLY {name} ON {table} ({columns}){include}{where}"
"""What is said where the server is not known."""
MAX_NAME = 63
"""How long the name of an index may be."""
FEW_COLUMNS = 3


def leads(indexes: tuple[Index, ...], column: str) -> bool:
    """Return whether an index begins with a column, or may: a part of it is not known."""
    wanted = column.lower()
    return any(
        index.columns[0].lower() == wanted or index.columns[0] == UNKNOWN_PART
        for index in indexes
        if index.columns
    )


def is_list_of_words(table: Table) -> bool:
    """Return whether a table is a short list of words that other rows choose from."""
    return len(table.columns) <= FEW_COLUMNS


@dataclass(frozen=True, slots=True)
class Wanted:
    """An index that a query wants: its columns in order, the condition that its rows always meet as
    SQL and as a look-up by keyword, and the columns that it only carries."""

    columns: tuple[Column, ...]
    where: str = ""
    lookup: str = ""
    include: tuple[Column, ...] = ()


def index_fix(program: Program, table: Table, wanted: Wanted) -> str:
    """Return how an index is made, in SQL and where it is known also in the class of the table."""
    form = model_form(program, table, wanted)
    made = statement(program, table, wanted)
    return f"{made} In the class: {form}." if form else made


def statement(program: Program, table: Table, wanted: Wanted) -> str:
    """Return the statement that makes an index; it holds up no writer where that is possible.

    A condition, and columns that are only carried, are left out where the server takes none.
    """
    dialect = program.once(main_dialect)
    pattern = _pattern(dialect)
    parts = {
        "{name}": index_name(program, table, wanted.columns),
        "{table}": quoted(table.name, dialect.quote),
        "{columns}": _listed(wanted.columns, dialect.quote),
        "{include}": f" INCLUDE ({_listed(wanted.include, dialect.quote)})"
        if wanted.include
        else "",
        "{where}": f" WHERE {wanted.where}" if wanted.where else "",
    }
    for place, text in parts.items():
        pattern = pattern.replace(place, text)
    return f"{pattern};"


def takes_parts(dialect: Dialect) -> bool:
    """Return whether an index may be of some of the rows, and carry columns; also if not known."""
    return "{include}" in _pattern(dialect)


def _pattern(dialect: Dialect) -> str:
    return dialect.index or (PLAIN if dialect.name else UNHURRIED)


def _listed(columns: Sequence[Column], quote: str) -> str:
    return ", ".join(quoted(column.name, quote) for column in columns)


def index_name(program: Program, table: Table, columns: Sequence[Column], kind: str = "") -> str:
    """Return the usual name of an index on some columns, as long as its library takes it."""
    words = _declaration(program, table)
    length = (words.index_name_length if words is not None else 0) or MAX_NAME
    parts = [table.name.rpartition(".")[2], *(column.name for column in columns)]
    ending = f"_{kind}" if kind else ""
    return "_".join(("ix", *parts))[: length - len(ending)].rstrip("_").lower() + ending


def _declaration(program: Program, table: Table) -> Schema | None:
    return next((item for item in program.libraries.schemas if item.library == table.library), None)


"""Words of SQL that are common names of tables and columns."""


def model_form(program: Program, table: Table, wanted: Wanted) -> str:
    """Return what the class of a table says to have an index, empty where that is not known."""
    declaration = _declaration(program, table)
    if declaration is None:
        return ""
    first, *others = wanted.columns
    # What a base class declares is shared with other tables.
    is_own = table.location.path == first.location.path
    more = ""
    if wanted.where and takes_parts(program.once(main_dialect)):
        more += declaration.index_where
    if wanted.include and takes_parts(program.once(main_dialect)):
        more += declaration.index_include
    is_plain = not others and not more
    if is_plain and declaration.index_column and is_own:
        return f"{declaration.index_column} on {attribute_of(table, first)}"

    def names(columns: Sequence[Column]) -> str:
        fields = declaration.index_names_fields
        return ", ".join(
            f'"{attribute_of(table, column) if fields else column.name}"' for column in columns
        )

    words = {
        "{columns}": names(wanted.columns),
        "{name}": index_name(program, table, wanted.columns),
        "{more}": more,
        "{where}": f"'{wanted.where}'" if '"' in wanted.where else f'"{wanted.where}"',
        "{lookup}": wanted.lookup,
        "{include}": names(wanted.include),
    }
    form = declaration.index_table
    for place in ("{more}", *words):
        form = form.replace(place, words[place])
    return form


def attribute_of(table: Table, column: Column) -> str:
    """Return the attribute of a class that a column is; its own name where there is none."""
    named = (name for name, found in table.columns.items() if found.name == column.name)
    return next(named, column.name)
