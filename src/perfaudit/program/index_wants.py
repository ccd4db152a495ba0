"""Which index a query wants: equality, then a range or the order; and what all queries say."""

from perfaudit.program.index_advice import Wanted, attribute_of
from perfaudit.program.key_uses import filtering_queries
from perfaudit.program.program import Program
from perfaudit.program.projection import projection
from perfaudit.program.relational import EQUALITY, NULL, RANGE, Condition, Query
from perfaudit.program.sql_names import quoted
from perfaudit.program.tables import Column, Table

MAX_CARRIED = 2
"""An index that carries more columns is a second table."""
CARRIED = frozenset({"integer", "number", "boolean", "time", "uuid"})
TRUE = frozenset({"true", "1"})
FALSE = frozenset({"false", "0"})


def wanted_index(program: Program, query: Query, finding: list[Condition]) -> Wanted:
    """Return the index that finds the rows of a query by some conditions of equality."""
    columns = [condition.column for condition in finding]
    ranges = [
        item.column
        for item in query.conditions
        if item.operator == RANGE
        and item.table.name == query.table.name
        and is_own(program, query.table, item.column)
    ]
    columns += [item for item in dict.fromkeys(ranges) if item not in columns][:1]
    if not ranges:
        columns += [item for item in _sorted(query, columns) if is_own(program, query.table, item)]
    where, lookup = _always(program, query, finding[0].column)
    return Wanted(tuple(columns), where, lookup, _carried(program, query, columns))


def is_own(program: Program, table: Table, column: Column) -> bool:
    """Return whether a column is in a table itself, and not in that of a class above."""
    above = () if table.node is None else program.types.classes.project_order(table.node)[1:]
    for node in above:
        found = program.schema.table_of(node)
        if found is None or found.abstract or found.name == table.name:
            continue
        if any(item.location == column.location for item in found.columns.values()):
            return False
    return True


def _sorted(query: Query, columns: list[Column]) -> list[Column]:
    """Return the columns of an order that an index may give: all of one table and direction."""
    if any(item.table.name != query.table.name for item in query.order):
        return []
    if len({item.descending for item in query.order}) != 1:
        return []
    return [item.column for item in query.order if item.column not in columns]


def _always(program: Program, query: Query, column: Column) -> tuple[str, str]:
    """Return a constant condition of all queries that look for rows by a column, in SQL and as a
    look-up by keyword; empty where there is none."""
    asking = program.once(filtering_queries).get((query.table.name, column.name), [])
    for condition in query.conditions:
        found = _constant(condition)
        if found is None or condition.table.name != query.table.name:
            continue
        if all(not each.unknown and _has(each, condition) for each in asking):
            return found
    return "", ""


def _has(query: Query, wanted: Condition) -> bool:
    return any(
        item.column is wanted.column
        and item.operator == wanted.operator
        and item.constant == wanted.constant
        for item in query.conditions
    )


def _constant(condition: Condition) -> tuple[str, str] | None:
    """Return a condition with a constant, in SQL and as a look-up, where both are surely known."""
    name, given = quoted(condition.column.name), (condition.constant or "").lower()
    attribute = attribute_of(condition.table, condition.column)
    if condition.operator == NULL and given in ("null", "none", "true"):
        return f"{name} IS NULL", f"{attribute}=None"
    if condition.operator == EQUALITY and condition.column.type == "boolean":
        if given in TRUE:
            return name, f"{attribute}=True"
        if given in FALSE:
            return f"NOT {name}", f"{attribute}=False"
    return None


def _carried(program: Program, query: Query, columns: list[Column]) -> tuple[Column, ...]:
    """Return the few small columns with which a statement reads nothing but the index."""
    if query.site.sql is None or query.inner:
        return ()
    selected = projection(query.site.sql, program.schema)
    if selected is None or selected.stars or query.joins:
        return ()
    outputs = [output.column for output in selected.outputs if output.column is not None]
    if len(outputs) != len(selected.outputs):
        return ()
    more = [column for column in dict.fromkeys(outputs) if column not in columns]
    if len(more) > MAX_CARRIED or any(column.type not in CARRIED for column in more):
        return ()
    return tuple(more)
