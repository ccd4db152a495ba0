"""How an index of parts or functions of a column is made, or the condition is written without."""

from perfaudit.program.index_advice import index_name, takes_parts
from perfaudit.program.index_wants import is_own
from perfaudit.program.program import Program
from perfaudit.program.relational import EQUALITY, RANGE, Condition, Query
from perfaudit.program.sql_dialects import main_dialect
from perfaudit.program.sql_names import quoted
from perfaudit.program.tables import Column

SMALL = frozenset({"text", "integer", "boolean", "uuid", "time"})
"""Types of columns that an index of several has room for."""
MAX_OTHERS = 2

DAY = ("date(", "::date", "AS DATE)")
"""What is a day of a moment, as SQL writes it."""


def key_index(program: Program, query: Query, condition: Condition) -> str:
    """Return the index for a part of a JSON value: of the key that is compared, or of all.

    With a key it also has the columns that the query compares besides.
    """
    if not takes_parts(program.once(main_dialect)):
        return ""
    table, column = condition.table, condition.column
    if condition.spelled and condition.inner not in ("", "contains"):
        words = [word for word in condition.spelled.replace(",", " ").split("'") if word]
        key = words[1].strip("{}").replace(" ", "_") if len(words) > 1 else "key"
        part = condition.spelled if condition.spelled.startswith("(") else f"({condition.spelled})"
        return _index(program, query, condition, part, key)
    name = index_name(program, table, [column])
    return (
        f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table.name)} "
        f"USING gin ({quoted(column.name)} jsonb_path_ops);"
    )


def _index(program: Program, query: Query, condition: Condition, part: str, kind: str) -> str:
    """Return the index of a part, with the columns that are compared for equality besides.

    They come behind it, so that it serves queries without them; before it, where it is a range.
    """
    table = condition.table
    others = _compared_besides(program, query, condition)
    name = index_name(program, table, [condition.column, *others], kind)
    items = [part, *(quoted(other.name) for other in others)]
    if condition.inner == RANGE:
        items = [*items[1:], part]
    return f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table.name)} ({', '.join(items)});"


def _compared_besides(program: Program, query: Query, condition: Condition) -> list[Column]:
    """Return the small columns that a query surely compares for equality beside a condition."""
    found = [
        item.column
        for item in query.conditions
        if item.operator == EQUALITY
        and item.constant is None
        and item.table.name == condition.table.name
        and item.column.type in SMALL
        and item.column.name != condition.column.name
        and is_own(program, condition.table, item.column)
    ]
    return list(dict.fromkeys(found))[:MAX_OTHERS] if condition in query.conditions else []


def pattern_index(program: Program, query: Query, condition: Condition) -> str:
    """Return the index of three letters each, of what is compared with a pattern."""
    if not takes_parts(program.once(main_dialect)):
        return ""
    table, column = condition.table, condition.column
    part = f"({condition.spelled})" if condition.spelled else quoted(column.name)
    name = index_name(program, table, [column], "trgm")
    return (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; "
        f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table.name)} "
        f"USING gin ({part} gin_trgm_ops);"
    )


def wrapped_cure(program: Program, query: Query, condition: Condition) -> str:
    """Return a day as the range that it is; for other functions the index of what is compared."""
    column = condition.column
    name = quoted(column.name)
    if column.type == "time" and any(word in condition.spelled for word in DAY):
        return (
            f"Compare the column itself: {name} >= day AND {name} < day + 1, "
            "so that its index is used."
        )
    if not takes_parts(program.once(main_dialect)):
        return ""
    part = condition.spelled if "::" not in condition.spelled else f"({condition.spelled})"
    function = condition.spelled.partition("(")[0].lower()
    return _index(program, query, condition, part, function)
