"""What stands under a key of a dictionary or tuple that a function gives: the rows of a page."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_spots import Spot, Way

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 12
Part = tuple[Spot, t.Expr]


def parts_under(
    types: "Types", spot: Spot, value: t.Expr, key: object, steps: int = MAX_STEPS
) -> list[Part] | None:
    """Return what a written-out dictionary or tuple has under a key, on all ways to the value.

    Ways that give something without such a key are left out. None where some way is not known.
    """
    if steps == 0:
        return None
    match value:
        case t.Await(value=inner):
            return parts_under(types, spot, inner, key, steps - 1)
        case t.Mapping(keys=keys, values=values):
            return _of_mapping(spot, keys, values, key)
        case t.Seq(items=items):
            if any(isinstance(item, t.Star) for item in items):
                return None
            is_there = isinstance(key, int) and -len(items) <= key < len(items)
            return [(spot, items[key])] if is_there and isinstance(key, int) else []
        case t.Const(value=None):
            return []
        case t.Either(kind=kind, options=options):
            chosen = options[-1:] if kind == "and" else options
            return _all_of([parts_under(types, spot, one, key, steps - 1) for one in chosen])
        case t.Name(id=name):
            return _of_name(types, spot, name, key, steps - 1)
        case t.CallRef(index=index):
            return _of_call(types, spot, index, key, steps - 1)
    return None


def _of_mapping(
    spot: Spot, keys: tuple[t.Expr | None, ...], values: tuple[t.Expr, ...], key: object
) -> list[Part] | None:
    if not all(isinstance(one, t.Const) for one in keys):
        return None
    return [
        (spot, value)
        for one, value in zip(keys, values, strict=True)
        if isinstance(one, t.Const) and one.value == key
    ]


def _of_name(types: "Types", spot: Spot, name: str, key: object, steps: int) -> list[Part] | None:
    found: list[list[Part] | None] = []
    for scope, definition in meanings(spot.function, name, spot.at):
        if not isinstance(definition, t.Bind) or definition.value is None:
            return None
        if definition.kind != "assign" or _is_filled_later(scope, name):
            return None
        inside = spot.of(scope, (definition.sequence, definition.context))
        found.append(parts_under(types, inside, definition.value, key, steps))
    return _all_of(found)


def _is_filled_later(scope: FunctionNode, name: str) -> bool:
    """Return whether a function puts something into what a name holds."""
    return any(
        isinstance(bind.target, t.Item) and bind.target.base == t.Name(name)
        for bind in scope.facts.binds
    )


def _of_call(types: "Types", spot: Spot, index: int, key: object, steps: int) -> list[Part] | None:
    call = spot.function.facts.calls[index]
    here = spot.moved((call.sequence, call.context))
    targets = types.call(spot.function, index).targets
    callees = [target.function for target in targets if target.function is not None]
    if not callees or len(callees) < len(targets):
        return None
    found: list[list[Part] | None] = []
    for callee in callees:
        way = Way(callee, call, here)
        for item in callee.facts.results:
            if item.value is not None:
                inside = Spot(callee, (item.sequence, item.context), way)
                found.append(parts_under(types, inside, item.value, key, steps))
    return _all_of(found)


def _all_of(found: list[list[Part] | None]) -> list[Part] | None:
    known = [parts for parts in found if parts is not None]
    if len(known) < len(found):
        return None
    return [part for parts in known for part in parts]
