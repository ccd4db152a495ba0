"""How an index of parts or functions of a column is made, or the condition is written without."""

from perfaudit.program.index_advice import index_name, quoted, takes_parts
from perfaudit.program.program import Program
from perfaudit.program.relational import Condition
from perfaudit.program.sql_dialects import main_dialect

DAY = ("date(", "::date", "AS DATE)")
"""What is a day of a moment, as SQL writes it."""


def key_index(program: Program, condition: Condition) -> str:
    """Return the index for a part of a JSON value: of the key that is compared, or of all."""
    if not takes_parts(program.once(main_dialect)):
        return ""
    table, column = condition.table, condition.column
    if condition.spelled and condition.inner not in ("", "contains"):
        words = [word for word in condition.spelled.replace(",", " ").split("'") if word]
        key = words[1].strip("{}").replace(" ", "_") if len(words) > 1 else "key"
        name = index_name(program, table, [column], key)
        part = condition.spelled if condition.spelled.startswith("(") else f"({condition.spelled})"
        return f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table.name)} ({part});"
    name = index_name(program, table, [column])
    return (
        f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table.name)} "
        f"USING gin ({quoted(column.name)} jsonb_path_ops);"
    )


def pattern_index(program: Program, condition: Condition) -> str:
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


def wrapped_cure(program: Program, condition: Condition) -> str:
    """Return a day as the range that it is; for other functions the index of what is compared."""
    table, column = condition.table, condition.column
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
    index = index_name(program, table, [column], function)
    return f"CREATE INDEX CONCURRENTLY {index} ON {quoted(table.name)} ({part});"
