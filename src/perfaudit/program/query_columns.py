"""The column that an expression of a query is of, or is made of."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.query_lookups import FUNCTIONS, key_path
from perfaudit.program.relational import JSON, WRAPPED
from perfaudit.program.tables import Column, Table
from perfaudit.program.values import ClassType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

At = tuple[int, int]
Found = tuple[Table, Column]


def part_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: At
) -> tuple[Found, str, str] | None:
    """Return the column that a function or a key is of, how it hides it, and the SQL of it."""
    if isinstance(value, t.Attr) and isinstance(value.base, t.Item):
        # The text of a key, as in ``Book.data["isbn"].astext``.
        return _keyed(program, function, value.base, at)
    if isinstance(value, t.Item):
        return _keyed(program, function, value, at)
    if isinstance(value, t.Attr):
        found = column_of(program, function, value.base, at)
        return None if found is None else (found, WRAPPED, "")
    if not isinstance(value, t.CallRef):
        return None
    call = function.facts.calls[value.index]
    base = [call.callee.base] if isinstance(call.callee, t.Attr) else []
    for part in (*call.arguments, *base):
        found = column_of(program, function, part, at)
        if found is not None:
            name = last_name(call.callee).lower()
            written = f"{name}({found[1].name})" if name in FUNCTIONS else ""
            return found, WRAPPED, written
        if isinstance(part, t.Item | t.CallRef):
            inside = part_of(program, function, part, at)
            if inside is not None:
                return inside
    return None


def _keyed(
    program: "Program", function: FunctionNode, value: t.Item, at: At
) -> tuple[Found, str, str] | None:
    """Return the column of which a key is taken, and the key as SQL takes it."""
    keys: list[object] = []
    base: t.Expr = value
    while isinstance(base, t.Item):
        keys.append(base.key.value if isinstance(base.key, t.Const) else "")
        base = base.base
    found = column_of(program, function, base, at)
    if found is None:
        return None
    known = all(isinstance(key, str) and key for key in keys)
    written = key_path(found[1], [str(key) for key in reversed(keys)]) if known else ""
    return found, JSON, written


def column_of(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> Found | None:
    """Return the column that ``Book.title`` stands for."""
    if not isinstance(value, t.Attr):
        return None
    base = value.base
    if isinstance(base, t.Attr) and base.name == "c":
        base = base.base
    for option in options_of(program.types.evaluate(function, base, at)):
        if isinstance(option, ClassType):
            table = program.schema.whole_table_of(option.node)
            column = table.columns.get(value.name) if table is not None else None
            if table is not None and column is not None:
                return table, column
    return None
