"""What is paid after the handler, to make an answer of the rows that it returns."""

from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.facts import types as t
from perfaudit.program.bounds import bounded_size
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.lazy_costs import meaning_of
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost, Lazy, dearest, once
from perfaudit.program.row_costs import (
    Costs,
    cost_of_fields,
    row_class,
    shown_class,
)
from perfaudit.program.row_queries import rows_of
from perfaudit.program.rows import NOT_KNOWN, extra_queries
from perfaudit.program.sizes import UNNAMED, VAGUE_NAMES, Size, plural
from perfaudit.program.values import Awaitable, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

At = tuple[int, int]


def cost_of_response(program: "Program", costs: Costs, endpoint: Endpoint) -> Cost:
    """Return what filling the declared class of an answer from the returned rows costs."""
    shown = None if endpoint.response_model is None else shown_class(endpoint.response_model)
    if shown is None or endpoint.handler.kind != "function":
        return ZERO
    return dearest(
        _returned(program, costs, endpoint.handler, item, shown)
        for item in endpoint.handler.facts.results
        if item.kind == "return" and item.value is not None
    )


def _returned(
    program: "Program", costs: Costs, handler: FunctionNode, item: t.Return, shown: ClassNode
) -> Cost:
    at = (item.sequence, item.context)
    value = item.value
    if value is None:
        return ZERO
    given = program.types.evaluate(handler, value, at)
    row = row_class(program, given)
    if row is None:
        return ZERO
    found = cost_of_fields(program, costs, shown, row)
    return of_rows(program, handler, value, at, found, row, many=not is_one(given))


def of_rows(
    program: "Program",
    function: FunctionNode,
    value: t.Expr,
    at: At,
    cost: Cost,
    row: ClassNode,
    *,
    many: bool,
) -> Cost:
    """Return what showing the rows of an expression costs, given what one of them costs."""

    def meaning(lazy: Lazy) -> Lazy | bool | None:
        return meaning_of(program, function, value, at, lazy)

    found = cost.resolved(meaning)
    if not many:
        return found
    size = size_of_rows(program, function, value, row)
    return found.times(size, function.line(function.facts.line))


def cost_of_rows(
    program: "Program", function: FunctionNode, value: t.Expr, at: At, name: str
) -> Cost:
    """Return what the query of rows costs, with those of the relations that it loads apart."""
    rows = rows_of(program, function, value, at)
    loaded = None if rows is None else rows.exact
    step = TraceStep(function.line(function.facts.line), f"queries {name} (db.query)")
    cost = once("db.query", step)
    if loaded is None or any(path[-1:] == (NOT_KNOWN,) for path in loaded):
        return cost.at_least()
    more = extra_queries(loaded)
    return cost + once("db.query", step).times(more) if more else cost


def size_of_rows(program: "Program", function: FunctionNode, value: t.Expr, row: ClassNode) -> Size:
    """Return how many rows an expression gives, named after their class where it has no name."""
    size = bounded_size(program.types, function, value, None)
    if isinstance(size, int):
        return size
    name, sign, bound = size.partition("<=")
    if name in VAGUE_NAMES or name == UNNAMED:
        name = plural(row.name.lower())
    return f"{name}{sign}{bound}"


def is_one(value: Type) -> bool:
    """Return whether a value is surely a single object, or none."""
    return all(
        isinstance(option, Instance)
        or (isinstance(option, LibraryInstance) and option.path == "builtins.none")
        or (isinstance(option, Awaitable) and is_one(option.result))
        or not isinstance(option, LibraryInstance | Instance)
        for option in options_of(value)
    )
