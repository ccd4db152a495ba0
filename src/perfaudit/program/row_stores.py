"""What rows are put into: lists that grow, dictionaries of lists, tuples, attributes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.fills import ADDERS, homes
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_types import is_query
from perfaudit.program.sizes import passes_items

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 6
EMPTY_MAKERS = frozenset({"list", "dict", "set", "defaultdict", "OrderedDict", "deque"})
EXTENDERS = frozenset({"extend", "update"})
At = tuple[int, int]


class Stored(Struct, frozen=True):
    """A value that is kept somewhere, and where it is worked out."""

    function: FunctionNode
    value: t.Expr
    at: At


def added_to(scope: FunctionNode, bind: t.Bind) -> list[Stored] | None:
    """Return what is put into a container that begins empty, or None where it does not."""
    if not _is_empty(scope, bind.value):
        return None
    return [
        item for function, target in homes(scope, bind.target) for item in _put(function, target)
    ]


def _is_empty(scope: FunctionNode, value: t.Expr | None) -> bool:
    match value:
        case t.Seq(items=()) | t.Mapping(keys=()):
            return True
        case t.CallRef(index=index):
            call = scope.facts.calls[index]
            callee = call.callee
            name = callee.id if isinstance(callee, t.Name) else getattr(callee, "name", "")
            return name in EMPTY_MAKERS and all(
                isinstance(given, t.Name | t.Lambda) and name == "defaultdict"
                for given in call.arguments
            )
    return False


def _put(function: FunctionNode, target: t.Expr) -> Iterator[Stored]:
    """Yield what a function puts into a container, or into the containers that it holds."""
    for bind in function.facts.binds:
        place = bind.target
        if isinstance(place, t.Item) and place.base == target and bind.value is not None:
            if not _is_empty(function, bind.value):
                yield Stored(function, bind.value, (bind.sequence, bind.context))
    for call in function.facts.calls:
        callee = call.callee
        if not isinstance(callee, t.Attr) or not _is_within(function, callee.base, target):
            continue
        at = (call.sequence, call.context)
        position = ADDERS.get(callee.name, 0 if callee.name in EXTENDERS else None)
        if position is not None and len(call.arguments) == position + 1:
            yield Stored(function, call.arguments[position], at)
        elif callee.name == "setdefault" and len(call.arguments) == 2:
            if not _is_empty(function, call.arguments[1]):
                yield Stored(function, call.arguments[1], at)


def _is_within(function: FunctionNode, value: t.Expr, target: t.Expr) -> bool:
    """Return whether a value is a container, or one that it holds: ``groups[key]``."""
    if value == target:
        return True
    if isinstance(value, t.Item):
        return value.base == target
    if isinstance(value, t.CallRef):
        return function.facts.calls[value.index].callee == t.Attr(target, "setdefault")
    return False


def parts_at(types: "Types", function: FunctionNode, value: t.Item, at: At) -> list[Stored]:
    """Return what stands at a place of tuples that are written out; empty where they are not."""
    key = value.key
    if not isinstance(key, t.Const) or not isinstance(key.value, int):
        return []
    base = value.base
    if isinstance(base, t.Element):
        paired = _paired(types, function, base.iterable, key.value, at)
        if paired is not None:
            return [paired]
    found = _tuples(types, Stored(function, base, at), MAX_STEPS)
    items = []
    for one in found:
        if not isinstance(one.value, t.Seq) or not -len(one.value.items) <= key.value < len(
            one.value.items
        ):
            return []
        items.append(Stored(one.function, one.value.items[key.value], one.at))
    return items


def _paired(
    types: "Types", function: FunctionNode, value: t.Expr, key: int, at: At
) -> Stored | None:
    """Return what the items at a place of the pairs of ``zip`` and ``enumerate`` come from."""
    if not isinstance(value, t.CallRef) or not passes_items(types, function, value.index):
        return None
    given = function.facts.calls[value.index].arguments
    if 0 < key < len(given) and is_query(types, types.evaluate(function, given[key], at)):
        return Stored(function, given[key], at)
    return None


def _tuples(types: "Types", stored: Stored, steps: int) -> list[Stored]:
    """Return the expressions that a value can be, tuples or not."""
    function, value, at = stored.function, stored.value, stored.at
    if steps == 0:
        return [stored]
    match value:
        case t.Element(iterable=iterable):
            held = _held(types, Stored(function, iterable, at), steps - 1)
            return [one for item in held for one in _tuples(types, item, steps - 1)]
        case t.Name(id=name):
            found = [
                Stored(scope, definition.value, (definition.sequence, definition.context))
                for scope, definition in meanings(function, name, at)
                if isinstance(definition, t.Bind) and definition.value is not None
            ]
            return [one for item in found for one in _tuples(types, item, steps - 1)]
    return [stored]


def _held(types: "Types", stored: Stored, steps: int) -> list[Stored]:
    """Return the items of a list that is written out, made by a comprehension, or filled."""
    function, value, at = stored.function, stored.value, stored.at
    if steps == 0:
        return []
    match value:
        case t.Comp(element=element, context=context):
            return [Stored(function, element, (AT_END[0], context))]
        case t.Seq(items=items):
            return [Stored(function, item, at) for item in items]
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            if call.arguments and passes_items(types, function, index):
                given = Stored(function, call.arguments[0], (call.sequence, call.context))
                return _held(types, given, steps - 1)
        case t.Name(id=name):
            found: list[Stored] = []
            for scope, definition in meanings(function, name, at):
                if not isinstance(definition, t.Bind) or definition.value is None:
                    return []
                added = added_to(scope, definition)
                inner = Stored(scope, definition.value, (definition.sequence, definition.context))
                found += _held(types, inner, steps - 1) if added is None else added
            return found
    return []


def stored_before(function: FunctionNode, target: t.Attr, at: At) -> list[Stored]:
    """Return what a function itself has surely put into an attribute before a point, or may have.

    None of it where it may as well have left there what was there before.
    """
    found = [
        bind
        for bind in function.facts.binds
        if bind.target == target and bind.value is not None and bind.sequence < at[0]
    ]
    sure = [index for index, bind in enumerate(found) if bind.context == -1]
    return [
        Stored(function, bind.value, (bind.sequence, bind.context))
        for bind in (found[sure[-1] :] if sure else ())
        if bind.value is not None
    ]
