"""How an index is made: the statement, and the form that the class of the table has for it."""

from perfaudit.program.program import Program
from perfaudit.program.tables import Column, Index, Table
from perfaudit.program.tables_columns import UNKNOWN_PART

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


def index_fix(program: Program, table: Table, columns: list[Column]) -> str:
    """Return how an index is made, in SQL and where it is known also in the class of the table."""
    form = model_form(program, table, columns)
    made = statement(table, columns)
    return f"{made} In the class: {form}." if form else made


def statement(table: Table, columns: list[Column], where: str = "") -> str:
    """Return the statement that makes an index without holding up writers."""
    names = ", ".join(_quoted(column.name) for column in columns)
    condition = f" WHERE {where}" if where else ""
    name = index_name(table, columns)
    return f"CREATE INDEX CONCURRENTLY {name} ON {_quoted(table.name)} ({names}){condition};"


def index_name(table: Table, columns: list[Column]) -> str:
    """Return the usual name of an index on some columns."""
    parts = [table.name.rpartition(".")[2], *(column.name for column in columns)]
    return "_".join(("ix", *parts))[:MAX_NAME].rstrip("_")


def _quoted(name: str) -> str:
    plain = name.replace("_", "a").replace(".", "a")
    return (
        name if plain.isalnum() and name == name.lower() and name not in RESERVED else f'"{name}"'
    )


RESERVED = frozenset(
    {"user", "order", "group", "end", "to", "from", "default", "desc", "check", "table", "limit"}
)
"""Words of SQL that are common names of tables and columns."""


def model_form(program: Program, table: Table, columns: list[Column]) -> str:
    """Return what the class of a table says to have an index, empty where that is not known."""
    declaration = next(
        (item for item in program.libraries.schemas if item.library == table.library), None
    )
    if declaration is None:
        return ""
    # What a base class declares is shared with other tables.
    is_own = table.location.path == columns[0].location.path
    if len(columns) == 1 and declaration.index_column and is_own:
        return f"{declaration.index_column} on {columns[0].name}"
    names = ", ".join(f'"{column.name}"' for column in columns)
    pattern = declaration.index_table
    return pattern.replace("{columns}", names).replace("{name}", index_name(table, columns))
