"""The queries that calls build within others: given as values, joined, or put beside them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import own_parts
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.query_chains import OTHER_ROWS, Step, Way, ways_of
from perfaudit.program.query_conditions import JOINING, query_of_way
from perfaudit.program.relational import Query
from perfaudit.program.table_statements import UNIONS
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DEPTH = 4
COLUMN = "column-name"
"""What a library file says of calls that stand for a column, also of rows around the query."""
COMBINING = UNIONS.keys() | {"difference", "intersection"}
At = tuple[int, int]


def inner_queries(program: "Program", query: Query) -> Iterator[Query]:
    """Yield the relational form of the queries within one that calls build.

    Where the one around has conditions of its own, by which the server may find the rows first,
    they are left out; and where they speak of the rows around them.
    """
    if query.way is None:
        return
    for step in query.way.steps:
        if step.call is None or not (step.name in COMBINING or _is_free(query, step)):
            continue
        at = (step.call.sequence, step.call.context)
        for given in step.call.given:
            for way in _ways(program, step.function, given, at, MAX_DEPTH):
                found = query_of_way(program, query.site, way)
                if found is not None and not _speaks_of_others(program, found, way):
                    yield replace(found, inner=True)


def _is_free(query: Query, step: Step) -> bool:
    """Return whether a query has no conditions but the one that a step may give it."""
    allowed = 0 if step.name in JOINING else 1
    is_known = query.unknown in ("", OTHER_ROWS)
    return is_known and len(query.conditions) + len(query.optional) <= allowed


def _ways(
    program: "Program", function: FunctionNode, value: t.Expr, at: At, depth: int
) -> Iterator[Way]:
    """Yield the ways in which the queries within an expression are built."""
    if depth == 0:
        return
    for part in own_parts(function, value):
        if not isinstance(part, t.CallRef | t.Name):
            continue
        spot = written_out(program.types, Spot(function, part, at))
        if spot is None or not isinstance(spot.value, t.CallRef):
            continue
        found = [way for way in ways_of(program, spot.function, spot.value, spot.at) if way.steps]
        yield from found
        if not found:
            call = spot.function.facts.calls[spot.value.index]
            point = (call.sequence, call.context)
            for given in call.given:
                yield from _ways(program, spot.function, given, point, depth - 1)


def _speaks_of_others(program: "Program", query: Query, way: Way) -> bool:
    """Return whether a query may compare with columns of the rows around it."""
    joined = {join.table.name for join in query.joins} - {query.table.name}
    if joined and query.steps.isdisjoint(JOINING):
        return True
    return any(
        isinstance(value, t.CallRef) and is_column_name(program, step.function, value)
        for step in way.steps
        if step.call is not None
        for _, value in step.call.keywords
    )


def is_column_name(program: "Program", function: FunctionNode, value: t.CallRef) -> bool:
    """Return whether a call stands for a column."""
    targets = program.types.call(function, value.index).targets
    return any(
        target.behaviour is not None and COLUMN in target.behaviour.flags for target in targets
    )
