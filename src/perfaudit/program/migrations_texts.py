"""The texts that operations of migrations are given: names, and statements with their places."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.tables_vocabulary import text

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

STEPS = 5
HOLE = "{}"


def at_call(call: t.Call) -> tuple[int, int]:
    """Return the point of a function at which a call is made."""
    return call.sequence, call.context


def texts_of(
    types: "Types",
    function: FunctionNode,
    value: t.Expr | None,
    at: tuple[int, int],
    steps: int = STEPS,
) -> Iterator[str]:
    """Yield what an expression may be as text: each item of a list that is walked, too.

    Parts of it that are worked out are written ``{}``. Calls are seen as what marks their only
    argument as a name or a text.
    """
    known = text(value)
    if known is not None:
        yield known
    elif isinstance(value, t.Text):
        yield "".join(part if isinstance(part, str) else HOLE for part in value.parts)
    elif isinstance(value, t.CallRef) and steps:
        inner = function.facts.calls[value.index]
        if len(inner.arguments) == 1:
            yield from texts_of(types, function, inner.arguments[0], at, steps - 1)
        elif isinstance(inner.callee, t.Attr) and not inner.arguments:
            yield from texts_of(types, function, inner.callee.base, at, steps - 1)
    elif isinstance(value, t.Element) and isinstance(value.iterable, t.Seq):
        for item in value.iterable.items:
            yield from texts_of(types, function, item, at, steps - 1)
    elif isinstance(value, t.Name) and steps:
        for scope, definition in meanings(function, value.id, at):
            if isinstance(definition, t.Bind):
                point = (definition.sequence, definition.context)
                yield from texts_of(types, scope, definition.value, point, steps - 1)


def statements_given(
    types: "Types", function: FunctionNode, value: t.Expr | None, at: tuple[int, int]
) -> Iterator[tuple[Location, str]]:
    """Yield the texts in SQL that an argument holds, with their places: one, or a list of them.

    In a list, each may stand with its parameters.
    """
    if isinstance(value, t.Seq):
        for item in value.items:
            inner = item.items[0] if isinstance(item, t.Seq) and item.items else item
            yield from statements_given(types, function, inner, at)
        return
    for found in texts_of(types, function, value, at):
        yield _place(function, found, at), found


def _place(function: FunctionNode, found: str, at: tuple[int, int]) -> Location:
    """Return where a text stands in its file, else the call that is made at the point."""
    path = function.file.path
    line = next((call.line for call in function.facts.calls if call.sequence == at[0]), 1)
    same = [item for item in function.file.facts.sql if item.text == found]
    after = [item for item in same if item.line >= line]
    for item in (*after, *same):
        return Location(path, item.line, item.column)
    return Location(path, line)
