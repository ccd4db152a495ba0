"""Look-ups by keyword that stand in a dictionary, which a call is given with ``**``."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.written_out import Spot, held_by, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

TAKING = frozenset({"pop", "popitem", "clear"})
GIVING = frozenset({"update", "setdefault"})
READING = frozenset({"get", "items", "keys", "values", "copy"})
LOOKING = frozenset({"len", "bool", "str", "repr", "print", "dict", "list", "sorted", "any", "all"})
"""Functions that only look at what they are given."""


class Keywords(NamedTuple):
    """What a dictionary holds in any case. ``may_grow``: more may be put into it."""

    items: list[tuple[str, t.Expr]]
    may_grow: bool


def keywords_in(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Keywords | None:
    """Return the keywords of a dictionary that is written out, and keeps them; None of others."""
    found = written_out(types, Spot(function, value, at))
    if found is None or not _is_display(found):
        return None
    held = held_by(found)
    is_whole = not isinstance(found.value, t.Mapping) or len(held) == len(found.value.keys)
    items = [(name, given.value) for name, given in held if isinstance(name, str)]
    if not isinstance(value, t.Name):
        return Keywords(items, not is_whole)
    if found.function is not function or not function.parent:
        # Others may change what a module holds.
        return None
    changes = _changes(function, value.id)
    if changes is None or not TAKING.isdisjoint(changes):
        return None
    return Keywords(items, not is_whole or bool(changes))


def _is_display(spot: Spot) -> bool:
    """Return whether an expression is a dictionary display, or ``dict()`` of keywords alone."""
    if isinstance(spot.value, t.CallRef):
        call = spot.function.facts.calls[spot.value.index]
        return (
            call.callee == t.Name("dict")
            and not call.arguments
            and all(name != "**" for name, _ in call.keywords)
        )
    return isinstance(spot.value, t.Mapping)


def _changes(function: FunctionNode, name: str) -> set[str] | None:
    """Return what is done to a dictionary besides: methods, and ``set`` where a key is set.

    None where others may do more to it.
    """
    found: set[str] = set()
    for scope in (function, *inner_functions(function)):
        if scope is not function and (name in scope.params or name in scope.binds):
            continue
        changes = _changes_in(scope, name)
        if changes is None or changes and scope is not function:
            return None
        found |= changes
    return found


def _changes_in(function: FunctionNode, name: str) -> set[str] | None:
    found: set[str] = set()
    held = t.Name(name)
    for call in function.facts.calls:
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.base == held:
            if callee.name not in TAKING | GIVING | READING:
                return None
            found |= {callee.name} - READING
        elif _hands_on(callee, held):
            return None
        if isinstance(callee, t.Name) and callee.id in LOOKING:
            continue
        given = [value for keyword, value in call.keywords if keyword != "**"]
        if any(_hands_on(value, held) for value in (*call.arguments, *given)):
            return None
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Item) and bind.target.base == held:
            found.add("set")
        if bind.value is not None and _hands_on(bind.value, held):
            return None
    if any(
        item.kind != "return" and _is_given(item.value, held) for item in function.facts.results
    ):
        return None
    return found


def _is_given(value: t.Expr | None, held: t.Name) -> bool:
    return value is not None and _hands_on(value, held)


def _hands_on(value: t.Expr, held: t.Name) -> bool:
    """Return whether an expression hands a dictionary itself on, and does not only read it."""
    match value:
        case t.Name() | t.Attr():
            return value == held or isinstance(value, t.Attr) and value.base == held
        case t.Item(key=key):
            return _hands_on(key, held)
        case t.Seq(items=items) | t.Either(options=items):
            return any(_hands_on(item, held) for item in items)
        case t.Mapping(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return any(_hands_on(item, held) for key, item in pairs if key is not None)
        case t.Binary(left=left, right=right):
            return _hands_on(left, held) or _hands_on(right, held)
        case t.Comp(element=element):
            return _hands_on(element, held)
        case t.Await(value=inner) | t.Entered(value=inner):
            return _hands_on(inner, held)
    return False
