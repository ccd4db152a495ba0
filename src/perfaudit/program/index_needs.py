"""Whether an index finds the rows of a query, and which indexes go beyond plain columns."""

import re

from perfaudit.program.index_advice import leads
from perfaudit.program.relational import EQUALITY, IN, PREFIX, RANGE, Query
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
