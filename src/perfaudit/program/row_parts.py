"""What stands under a key of a dictionary or tuple that a function gives: the rows of a page."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import outcomes
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_spots import Spot, Way

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 12
MAX_LOOKS = 200
"""So many values are looked at for one key; a page is made in a few steps or not written out."""
Part = tuple[Spot, t.Expr]


def parts_under(types: "Types", spot: Spot, value: t.Expr, key: object) -> list[Part] | None:
    """Return what a written-out dictionary or tuple has under a key, on all ways to the value.

    Ways that give something without such a key are left out. None where some way is not known.
    """
    return _Search(types, key).under(spot, value, MAX_STEPS)


class _Search:
    """One search for what stands under a key."""

    def __init__(self, types: "Types", key: object) -> None:
        self.types = types
        self.key = key
        self.looks = 0

    def under(self, spot: Spot, value: t.Expr, steps: int) -> list[Part] | None:
        self.looks += 1
        if steps == 0 or self.looks > MAX_LOOKS:
            return None
        match value:
            case t.Await(value=inner):
                return self.under(spot, inner, steps - 1)
            case t.Mapping():
                return self.in_mapping(spot, value)
            case t.Seq(items=items):
                return self.in_tuple(spot, items)
            case t.Const(value=None):
                return []
            case t.Either():
                chosen = outcomes(value)
                return _all_of([self.under(spot, one, steps - 1) for one in chosen])
            case t.Name(id=name):
                return self.in_name(spot, name, steps - 1)
            case t.CallRef(index=index):
                return self.in_results(spot, index, steps - 1)
        return None

    def in_mapping(self, spot: Spot, value: t.Mapping) -> list[Part] | None:
        if not all(isinstance(one, t.Const) for one in value.keys):
            return None
        return [
            (spot, item)
            for one, item in zip(value.keys, value.values, strict=True)
            if isinstance(one, t.Const) and one.value == self.key
        ]

    def in_tuple(self, spot: Spot, items: tuple[t.Expr, ...]) -> list[Part] | None:
        if any(isinstance(item, t.Star) for item in items):
            return None
        key = self.key
        is_there = isinstance(key, int) and -len(items) <= key < len(items)
        return [(spot, items[key])] if is_there and isinstance(key, int) else []

    def in_name(self, spot: Spot, name: str, steps: int) -> list[Part] | None:
        found: list[list[Part] | None] = []
        for scope, definition in meanings(spot.function, name, spot.at):
            if not isinstance(definition, t.Bind) or definition.value is None:
                return None
            if definition.kind != "assign" or _is_filled_later(scope, name):
                return None
            inside = spot.of(scope, (definition.sequence, definition.context))
            found.append(self.under(inside, definition.value, steps))
        return _all_of(found)

    def in_results(self, spot: Spot, index: int, steps: int) -> list[Part] | None:
        call = spot.function.facts.calls[index]
        here = spot.moved((call.sequence, call.context))
        targets = self.types.call(spot.function, index).targets
        callees = [target.function for target in targets if target.function is not None]
        if not callees or len(callees) < len(targets):
            return None
        found: list[list[Part] | None] = []
        for callee in callees:
            way = Way(callee, call, here)
            for item in callee.facts.results:
                if item.value is not None:
                    inside = Spot(callee, (item.sequence, item.context), way)
                    found.append(self.under(inside, item.value, steps))
        return _all_of(found)


def _is_filled_later(scope: FunctionNode, name: str) -> bool:
    """Return whether a function puts something into what a name holds."""
    return any(
        isinstance(bind.target, t.Item) and bind.target.base == t.Name(name)
        for bind in scope.facts.binds
    )


def _all_of(found: list[list[Part] | None]) -> list[Part] | None:
    known = [parts for parts in found if parts is not None]
    if len(known) < len(found):
        return None
    return [part for parts in known for part in parts]
