"""Whether a request asks for a window of its own: what is newer than a moment, or after a key."""

import re
from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.expressions import names
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.tables import Column
from perfaudit.program.values import ClassType, Instance, LibraryInstance, Type, options_of

MOMENT = "datetime.datetime"
ORDERED = frozenset({"Lt", "LtE", "Gt", "GtE"})
LOOKUP = re.compile(r"^(?P<column>\w+?)__(?:gte?|lte?|range)$")
ORDER_BY = "order_by"
MAX_STEPS = 3


def asks_for_window(program: Program, handler: FunctionNode) -> bool:
    """Return whether the answer of a handler hangs on a moment, or a place, that callers choose.

    Then hardly two requests ask the same. A moment is a parameter of that type, or what is
    compared with a column of time; a place is what is compared with the key that rows stand by.
    """
    if any(_is_moment(program, handler, param) for param in handler.facts.params):
        return True
    has_order = any(_method(call) == ORDER_BY for call in handler.facts.calls)
    return any(
        _comes_from_caller(handler, value, MAX_STEPS)
        and (column.type == "time" or (column.primary and has_order))
        for column, value in _compared(program, handler)
    )


def _is_moment(program: Program, handler: FunctionNode, param: t.Param) -> bool:
    found = options_of(program.types.param(handler, param))
    return any(isinstance(each, LibraryInstance) and each.path == MOMENT for each in found)


def _compared(program: Program, function: FunctionNode) -> Iterator[tuple[Column, t.Expr]]:
    """Yield the columns that a function's conditions order, each with what it is compared to."""
    for call in function.facts.calls:
        at = (call.sequence, call.context)
        for value in call.arguments:
            if isinstance(value, t.Compare) and value.operator in ORDERED:
                for side, other in ((value.left, value.right), (value.right, value.left)):
                    column = _column(program, function, side, at)
                    if column is not None:
                        yield column, other
        for keyword, value in call.keywords:
            lookup = LOOKUP.match(keyword)
            if lookup is not None and isinstance(call.callee, t.Attr):
                found = program.types.evaluate(function, call.callee.base, at)
                for column in _columns_of(program, found, lookup["column"]):
                    yield column, value


def _column(
    program: Program, function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Column | None:
    """Return the column that an attribute of a class with a table stands for."""
    if not isinstance(value, t.Attr):
        return None
    found = program.types.evaluate(function, value.base, at)
    return next(_columns_of(program, found, value.name), None)


def _columns_of(program: Program, found: Type, name: str) -> Iterator[Column]:
    for node in _classes(found):
        table = program.schema.table_of(node)
        if table is not None and name in table.columns:
            yield table.columns[name]


def _classes(found: Type) -> Iterator[ClassNode]:
    """Yield a class itself, or those of the rows that a query of a library gives."""
    for option in options_of(found):
        match option:
            case ClassType(node=node):
                yield node
            case LibraryInstance(arguments=arguments):
                for given in arguments:
                    yield from (
                        each.node for each in options_of(given) if isinstance(each, Instance)
                    )


def _comes_from_caller(handler: FunctionNode, value: t.Expr, steps: int) -> bool:
    """Return whether a value is made of what a handler is given, here or through local names."""
    for name in names(handler, value):
        if name in handler.params:
            return True
        for bind in handler.binds.get(name, ()):
            if steps and bind.value is not None:
                if _comes_from_caller(handler, bind.value, steps - 1):
                    return True
    return False


def _method(call: t.Call) -> str:
    return call.callee.name if isinstance(call.callee, t.Attr) else ""
