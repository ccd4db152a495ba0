"""Conditions that are gathered in a list before a query takes them."""

from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.names import PLAIN_BLOCKS
from perfaudit.program.nodes import FunctionNode

ALTERNATIVES = frozenset({"else", "match", "for", "async for", "while", "except"})
"""Blocks of which one or another runs, or one several times."""
At = tuple[int, int]


class Listed(NamedTuple):
    """A condition in a list, and whether it is put there on some ways only."""

    value: t.Expr
    at: At
    is_optional: bool


def conditions_in(function: FunctionNode, name: str, at: At) -> list[Listed] | None:
    """Return what a local list of conditions holds at a point; None where that is not known."""
    binds = function.binds.get(name, ())
    if len(binds) != 1 or name in function.params:
        return None
    bind = binds[0]
    if not isinstance(bind.value, t.Seq) or bind.kind not in ("assign", "annotated"):
        return None
    found = [Listed(item, (bind.sequence, bind.context), False) for item in bind.value.items]
    for call in function.facts.calls:
        if call.sequence > at[0] or not _speaks_of(function, call, name):
            continue
        inside = _blocks_between(function, call.context, bind.context)
        callee = call.callee
        if inside is None or not ALTERNATIVES.isdisjoint(inside):
            return None
        if not isinstance(callee, t.Attr) or callee.base != t.Name(name) or call.keywords:
            return None
        if callee.name == "append" and len(call.arguments) == 1:
            added: tuple[t.Expr, ...] = call.arguments
        elif callee.name == "extend" and isinstance(call.arguments[0], t.Seq):
            added = call.arguments[0].items
        else:
            return None
        point = (call.sequence, call.context)
        found += [Listed(item, point, bool(inside - PLAIN_BLOCKS)) for item in added]
    if any(isinstance(each.value, t.Star) for each in found):
        return None
    return found


def _speaks_of(function: FunctionNode, call: t.Call, name: str) -> bool:
    """Return whether a call changes a list, or is given it for what is not known."""
    if isinstance(call.callee, t.Attr) and call.callee.base == t.Name(name):
        return True
    given = call.given
    return any(
        part == t.Name(name)
        for value in given
        if not isinstance(value, t.Star)
        for part in parts(function, value)
    )


def _blocks_between(function: FunctionNode, inner: int, outer: int) -> set[str] | None:
    """Return the kinds of the blocks around a place inside an outer one; None where that is not."""
    found: set[str] = set()
    while inner != outer:
        if inner < 0:
            return None
        found.add(function.facts.contexts[inner].kind)
        inner = function.facts.contexts[inner].parent
    return found
