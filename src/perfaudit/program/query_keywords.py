"""Look-ups by keyword that stand in a dictionary, which a call is given with ``**``."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.written_out import Spot, held_by, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

TAKING = frozenset({"pop", "popitem", "clear"})
GIVING = frozenset({"update", "setdefault"})


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
    if not TAKING.isdisjoint(changes):
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


def _changes(function: FunctionNode, name: str) -> set[str]:
    """Return what is done to a dictionary besides: methods, and ``set`` where a key is set."""
    found = {
        call.callee.name
        for call in function.facts.calls
        if isinstance(call.callee, t.Attr)
        and call.callee.base == t.Name(name)
        and call.callee.name in TAKING | GIVING
    }
    if any(
        isinstance(bind.target, t.Item) and bind.target.base == t.Name(name)
        for bind in function.facts.binds
    ):
        found.add("set")
    return found
