"""Rows of a query of their own that a method shows within a row: ``Other(rows, many=True)``."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.asked_relations import asked_of
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.row_queries import NO_ROWS
from perfaudit.program.shown_classes import shows
from perfaudit.program.template_values import Reading
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program

At = tuple[int, int]
TRUE = t.Const(True, "bool")


def shown_within(program: "Program", words: Answers, method: FunctionNode) -> t.Call | None:
    """Return the first call of a method that shows the rows of a query of its own, if any.

    Rows of a relation are not meant: they may be loaded with the row.
    """
    for index, call in enumerate(method.facts.calls):
        callee = program.types.call(method, index).callee
        if not isinstance(callee, ClassType) or not shows(program, words, callee.node):
            continue
        is_many = any(name == words.many and value == TRUE for name, value in call.keywords)
        at = (call.sequence, call.context)
        if is_many and call.arguments and not is_handler(method, call.context):
            if _asks(program, method, call.arguments[0], at):
                return call
    return None


def _asks(program: "Program", method: FunctionNode, given: t.Expr, at: At) -> bool:
    """Return whether what is shown is a query that no loaded relation answers, on every way."""
    ways = [(given, at)]
    if isinstance(given, t.Name):
        binds = method.binds.get(given.id, [])
        if given.id in method.params or any(bind.kind != "assign" for bind in binds):
            return False
        ways = [(bind.value, (bind.sequence, bind.context)) for bind in binds if bind.value]
    return bool(ways) and all(_is_own_query(program, method, value, at) for value, at in ways)


def _is_own_query(program: "Program", method: FunctionNode, value: t.Expr, at: At) -> bool:
    if not isinstance(value, t.CallRef):
        return False
    if program.types.call(method, value.index).has_flag(NO_ROWS):
        return False
    kind = program.types.evaluate(method, value, at)
    if not Reading(program, runs_methods=False).is_query(kind):
        return False
    asked = asked_of(program.types, method, value, at)
    return asked is None or not isinstance(asked[0], t.Attr)
