"""Entries of dictionaries that are written out in the code, by their constant keys."""

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode

MAX_STEPS = 6


def entry(
    function: FunctionNode, value: t.Item, at: tuple[int, int]
) -> list[tuple[FunctionNode, t.Expr]] | None:
    """Return what ``TABLE["key"]`` can be, each with the function it stands in.

    None where that is not written out.
    """
    if not isinstance(value.key, t.Const) or not isinstance(value.key.value, str):
        return None
    tables = _displays(function, value.base, at, MAX_STEPS)
    if not tables:
        return None
    found = []
    for scope, table in tables:
        for key, item in zip(table.keys, table.values, strict=True):
            if isinstance(key, t.Const) and key.value == value.key.value:
                found.append((scope, item))
    return found or None


def _displays(
    function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> list[tuple[FunctionNode, t.Mapping]] | None:
    """Return the dictionary displays that an expression can be.

    None where it can be something else.
    """
    if steps == 0:
        return None
    match value:
        case t.Mapping():
            return [(function, value)]
        case t.Name(id=name):
            return _held(function, name, at, steps)
        case t.Attr(base=t.Name(id=receiver), name=name):
            return _kept(function, receiver, name, steps)
        case t.Item(base=base, key=key):
            outer = _displays(function, base, at, steps - 1)
            if outer is None:
                return None
            found: list[tuple[FunctionNode, t.Mapping]] = []
            for scope, table in outer:
                for known, item in zip(table.keys, table.values, strict=True):
                    if (
                        isinstance(key, t.Const)
                        and isinstance(known, t.Const)
                        and known.value != key.value
                    ):
                        continue
                    inner = _displays(scope, item, AT_END, steps - 1)
                    if inner is None:
                        return None
                    found.extend(inner)
            return found
    return None


def _kept(
    function: FunctionNode, receiver: str, name: str, steps: int
) -> list[tuple[FunctionNode, t.Mapping]] | None:
    """Return the display that an attribute of a method's own object is set to, in one place."""
    owner, params = function.owner, function.facts.params
    if owner is None or not params or params[0].name != receiver:
        return None
    kept = [*owner.stores.get(name, ()), *((owner.body, b) for b in owner.body.binds.get(name, ()))]
    if len(kept) != 1 or kept[0][1].value is None:
        return None
    scope, bind = kept[0]
    return _displays(scope, bind.value, (bind.sequence, bind.context), steps - 1)


def _held(
    function: FunctionNode, name: str, at: tuple[int, int], steps: int
) -> list[tuple[FunctionNode, t.Mapping]] | None:
    found: list[tuple[FunctionNode, t.Mapping]] = []
    for scope, definition in meanings(function, name, at):
        if not isinstance(definition, t.Bind) or definition.value is None:
            return None
        inner = _displays(
            scope, definition.value, (definition.sequence, definition.context), steps - 1
        )
        if inner is None:
            return None
        found.extend(inner)
    return found or None
