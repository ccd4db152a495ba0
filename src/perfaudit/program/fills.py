"""What containers hold that begin empty: ``rows = []``, then ``rows.append(row)``."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode, inner_functions, remembered
from perfaudit.program.values import (
    NONE,
    Factory,
    LibraryInstance,
    Type,
    Unknown,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

ADDERS = {"append": 0, "add": 0, "appendleft": 0, "put": 0, "put_nowait": 0, "set": 0, "insert": 1}
"""Methods that add one item, and the position of the argument that is it."""
CONTAINERS = {
    "builtins.list": 1,
    "builtins.set": 1,
    "builtins.dict": 2,
    "collections.deque": 1,
    "collections.defaultdict": 2,
    "collections.OrderedDict": 2,
    "asyncio.Queue": 1,
    "queue.Queue": 1,
    "contextvars.ContextVar": 1,
}
"""Classes of containers, and the number of their type parameters."""
MAX_FILLS = 12


class _Fill(NamedTuple):
    """What is put into a container with so many type parameters, 0 for any, and its key."""

    number: int
    key: t.Expr | None
    value: t.Expr
    at: tuple[int, int]


def filled(types: "Types", scope: FunctionNode, bind: t.Bind, made: Type) -> Type:
    """Return the type of a container with what is put into it, where its making does not say."""
    if not isinstance(made, LibraryInstance) or not _is_blank(made):
        return made
    number = CONTAINERS[made.path]
    keys: list[Type] = []
    values: list[Type] = []
    for function, target in homes(scope, bind.target):
        for key, value, at in _fills(function, target, number):
            if key is not None:
                keys.append(types.evaluate(function, key, at))
            values.append(_put(types, function, value, at))
            if len(values) >= MAX_FILLS:
                break
        held = _held_path(made) or next((path for path in map(_blank_path, values) if path), "")
        for key, value, at in islice(_inner_fills(function, target) if held else (), MAX_FILLS):
            keys.append(types.evaluate(function, key, at))
            inner = types.evaluate(function, value, at)
            values.append(LibraryInstance(held, (inner,)))
    known = [item for item in values if not isinstance(item, Unknown) and item != NONE]
    if not known:
        return made
    return LibraryInstance(made.path, (union(keys), union(known))[-number:])


def _put(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> Type:
    """Return what is put into a container; by a decorator, the functions that it decorates."""
    found = types.evaluate(function, value, at)
    if not isinstance(found, Unknown | Factory) or not isinstance(value, t.Name):
        return found
    param = function.params.get(value.id)
    if param is None or function.facts.params[-1] is not param:
        return found
    decorated = types.callers.decorated(types, function)
    return union(decorated) if decorated else found


def _is_blank(made: LibraryInstance) -> bool:
    number = CONTAINERS.get(made.path)
    if number is None:
        return False
    if not made.arguments:
        return True
    held = made.arguments[-1]
    return isinstance(held, Unknown | Factory) or (
        isinstance(held, LibraryInstance) and _is_blank(held)
    )


def _held_path(made: LibraryInstance) -> str:
    """Return the class of the containers of one parameter that a mapping holds, or nothing."""
    held = made.arguments[-1] if made.arguments else None
    if isinstance(held, LibraryInstance) and CONTAINERS.get(held.path) == 1:
        return held.path
    return ""


def _blank_path(value: Type) -> str:
    """Return the class of an empty container of one parameter, or nothing."""
    if isinstance(value, LibraryInstance) and CONTAINERS.get(value.path) == 1 and _is_blank(value):
        return value.path
    return ""


def _inner_fills(
    function: FunctionNode, target: t.Expr
) -> Iterator[tuple[t.Expr, t.Expr, tuple[int, int]]]:
    """Yield what a function adds to the containers of a mapping, with the key and the point."""
    for call in function.facts.calls:
        callee = call.callee
        if not isinstance(callee, t.Attr):
            continue
        position = ADDERS.get(callee.name)
        key = _key_of(function, callee.base, target) if position is not None else None
        if key is not None and position is not None and len(call.arguments) == position + 1:
            yield key, call.arguments[position], (call.sequence, call.context)


def _key_of(function: FunctionNode, value: t.Expr, target: t.Expr) -> t.Expr | None:
    """Return the key under which ``groups[key]`` or ``groups.setdefault(key, [])`` is kept."""
    if isinstance(value, t.Item):
        return value.key if value.base == target else None
    if isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        if call.callee == t.Attr(target, "setdefault") and call.arguments:
            return call.arguments[0]
    return None


def homes(scope: FunctionNode, target: t.Expr) -> Iterator[tuple[FunctionNode, t.Expr]]:
    """Yield the functions that may fill a container, each with how it spells it."""
    if isinstance(target, t.Name):
        if scope.kind == "class":
            return
        yield scope, target
        for function in inner_functions(scope):
            if target.id not in function.params and (
                target.id not in function.binds or target.id in function.facts.outer_names
            ):
                yield function, target
    elif isinstance(target, t.Attr) and scope.owner is not None:
        body = scope.owner.body
        nested = [
            function
            for function in scope.file.functions
            if function.parent is not body and _is_within(function, body)
        ]
        for methods in body.inner.values():
            for method in methods:
                if method.facts.params:
                    receiver = method.facts.params[0].name
                    yield method, t.Attr(t.Name(receiver), target.name)
                    for inner in nested:
                        if _is_within(inner, method) and receiver not in inner.params:
                            yield inner, t.Attr(t.Name(receiver), target.name)


def _is_within(function: FunctionNode, scope: FunctionNode) -> bool:
    outer = function.parent
    while outer is not None:
        if outer is scope:
            return True
        outer = outer.parent
    return False


def _fills(
    function: FunctionNode, target: t.Expr, number: int
) -> Iterator[tuple[t.Expr | None, t.Expr, tuple[int, int]]]:
    """Yield each key, if any, and value that a function puts into a container, with the point."""
    for fill in _all_fills(function).get(target, ()):
        if fill.number in (0, number):
            yield fill.key, fill.value, fill.at


@remembered
def _all_fills(function: FunctionNode) -> dict[t.Expr, list[_Fill]]:
    """Return what a function puts into containers, by how it spells them: first by their keys."""
    found: dict[t.Expr, list[_Fill]] = {}
    for bind in function.facts.binds:
        place = bind.target
        if isinstance(place, t.Item) and bind.value is not None:
            at = (bind.sequence, bind.context)
            found.setdefault(place.base, []).append(_Fill(0, place.key, bind.value, at))
    for call in function.facts.calls:
        callee = call.callee
        if type(callee) is not t.Attr:
            continue
        given = call.arguments
        at = (call.sequence, call.context)
        position = ADDERS.get(callee.name)
        if position is not None and len(given) == position + 1:
            found.setdefault(callee.base, []).append(_Fill(1, None, given[position], at))
        elif callee.name == "setdefault" and len(given) == 2:
            found.setdefault(callee.base, []).append(_Fill(2, given[0], given[1], at))
    return found
