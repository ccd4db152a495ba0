"""Whether an index finds the rows of a query, and which indexes go beyond plain columns."""

import re

from perfaudit.program.index_advice import leads
from perfaudit.program.relational import EQUALITY, IN, PREFIX, RANGE, Condition, Query
from perfaudit.program.tables import Column, Index, Table
from perfaudit.program.tables_columns import UNKNOWN_PART

SEARCHED = frozenset({EQUALITY, IN, RANGE, PREFIX})
"""Operators by which a plain index finds rows."""
PLAIN = frozenset({"", "btree", "hash", "brin"})


def is_found_otherwise(query: Query) -> bool:
    """Return whether an index finds the rows of a query, or gives them in its order."""
    return any(
        item.operator in SEARCHED and is_indexed(item.table, item.column)
        for item in query.conditions
    ) or any(leads(item.table.indexes, item.column.name) for item in query.order)


def parent_of_window(query: Query) -> Condition | None:
    """Return the key that finds the rows of a parent, of which a query wants those of some time.

    None where an index has both the key and the time, or finds the rows by anything else. A query
    that has such a window says by it that parents have many rows.
    """
    own = [item for item in query.conditions if item.table.name == query.table.name]
    if query.unknown or query.joins or len(own) != len(query.conditions):
        return None
    exact = [item for item in own if item.operator == EQUALITY and item.constant is None]
    ranges = {item.column.name: item.column for item in own if item.operator == RANGE}
    if len(exact) != 1 or len(ranges) != 1 or len(own) > 1 + len(ranges) * 2:
        return None
    (parent,), (time,) = exact, ranges.values()
    table, key = parent.table, parent.column
    if time.type != "time" or not key.references or key.primary or key.unique:
        return None
    if not is_indexed(table, key) or leads(table.indexes, time.name):
        return None
    if any(_serves_both(index, key.name, time.name) for index in table.indexes):
        return None
    return parent


def _serves_both(index: Index, key: str, time: str) -> bool:
    names = [part.lower() for part in index.columns]
    return UNKNOWN_PART in index.columns or (key.lower() in names and time.lower() in names)


def is_indexed(table: Table, column: Column) -> bool:
    """Return whether an index begins with a column, or may."""
    if column.primary or column.unique or column.indexed:
        return True
    return leads(table.indexes, column.name)


def has_special_index(table: Table, column: Column) -> bool:
    """Return whether an index looks into the values of a column, or may: by words, by an
    expression, or by parts of them."""
    return any(_looks_into(index, column.name) for index in table.indexes)


def _looks_into(index: Index, column: str) -> bool:
    names = {part.lower() for part in index.columns}
    if UNKNOWN_PART in index.columns:
        return True
    if column.lower() in names and index.method.lower() not in PLAIN:
        return True
    word = re.compile(rf"\b{re.escape(column)}\b", re.IGNORECASE)
    return any(part.startswith("(") and word.search(part) for part in index.columns)
