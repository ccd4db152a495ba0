"""Rows that a query asks for by a key of the very row that its caller holds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.belongings import queries_by_value
from perfaudit.program.relational import EQUALITY, Query
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import Instance, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

NEAR = 1
"""With so many calls from a loop to its query, what the loop fetches before reaches it."""


def read_again(program: "Program", way: Sequence[Site | Edge], sink: Site) -> str:
    """Return what a caller hands on of the row that a query below a loop reads again, else nothing.

    ``way``: from the place in the loop to the query. What is fetched before the loop does not
    reach it through several calls; the row itself does.
    """
    edges = [step for step in way if isinstance(step, Edge)]
    if len(edges) <= NEAR or edges[-1].call is None or edges[-1].callee is not sink.function:
        return ""
    found = program.once(queries_by_value).get((sink.function, sink.value), ())
    given = edges[-1].call.given
    for query in found:
        keys = _keys(query)
        for value in given:
            if isinstance(value, t.Attr) and value.name in keys:
                if _is_row(program, edges[-1], value.base, query):
                    return value.name
    return ""


def _keys(query: Query) -> frozenset[str]:
    """Return the attributes of unique columns that a query is asked with."""
    columns: Mapping[str, object] = query.table.columns
    asked = [
        condition.column
        for condition in query.conditions
        if condition.operator == EQUALITY
        and condition.constant is None
        and condition.table == query.table
        and (condition.column.unique or condition.column.primary)
    ]
    return frozenset(name for name, column in columns.items() if column in asked)


def _is_row(program: "Program", edge: Edge, value: t.Expr, query: Query) -> bool:
    """Return whether an expression is a row of the table of a query, or may be one."""
    found = program.types.evaluate(edge.caller, value, (edge.sequence, edge.context))
    options = options_of(found)
    known = [option.node for option in options if isinstance(option, Instance)]
    if not known:
        return all(isinstance(option, Unknown) for option in options)
    return any(program.schema.table_of(node) == query.table for node in known)
