"""Is each turn of a loop for another table, so that no one statement can do what all of them do?"""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import item_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.table_objects import is_table_object

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 12
At = tuple[int, int]


def is_of_another_table(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int
) -> bool:
    """Return whether the statement that a place runs is built of a table that hangs on the item."""
    if not isinstance(place, Site) or place.call is None or not place.call.arguments:
        return False
    at = (place.sequence, place.context)
    table = _table_in(program, function, place.call.arguments[0], at)
    return table is not None and bool(
        expressions.names(function, table) & item_names(function, loop)
    )


def _table_in(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> t.Expr | None:
    """Return the object of a table that the calls of a statement begin with, or are given."""
    waiting = [value]
    for _ in range(MAX_STEPS):
        if not waiting:
            return None
        part = waiting.pop()
        if isinstance(part, t.CallRef):
            call = function.facts.calls[part.index]
            waiting += call.arguments[:1]
            waiting += [call.callee.base] if isinstance(call.callee, t.Attr) else []
            continue
        if not isinstance(part, t.Name | t.Attr | t.Item):
            continue
        if is_table_object(program.types, program.types.evaluate(function, part, at)):
            return part
        bound = function.only_value(part.id) if isinstance(part, t.Name) else None
        if bound is not None:
            waiting.append(bound)
    return None
