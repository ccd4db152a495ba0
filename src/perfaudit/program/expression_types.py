"""What an expression can be, by its kind: what ``Types.evaluate`` works out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perfaudit.facts import types as t
from perfaudit.program import annotations, displays, members
from perfaudit.program.expressions import has_star, outcomes
from perfaudit.program.language_calls import is_super
from perfaudit.program.names import AT_END
from perfaudit.program.narrowing import narrowed
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sql_text import text_of
from perfaudit.program.values import (
    BOOL,
    NONE,
    STRING,
    Arguments,
    External,
    FunctionType,
    LibraryInstance,
    TupleType,
    Type,
    Unknown,
    list_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

Point = tuple[int, int]
MAX_ITEMS = 8
"""How many items of a display are looked at."""


def _of_name(types: "Types", function: FunctionNode, value: t.Name, at: Point) -> Type:
    return narrowed(types, function, value, at, types.name(function, value.id, at))


def _of_attribute(types: "Types", function: FunctionNode, value: t.Attr, at: Point) -> Type:
    base = value.base
    if type(base) is t.CallRef and is_super(function, base):
        return members.super_member(types, function, base, value.name)
    found = members.member(types, types.evaluate(function, base, at), value.name)
    return narrowed(types, function, value, at, found)


def _of_call(types: "Types", function: FunctionNode, value: t.CallRef, at: Point) -> Type:
    return types.call(function, value.index).result


def _of_await(types: "Types", function: FunctionNode, value: t.Await, at: Point) -> Type:
    return members.awaited(types, types.evaluate(function, value.value, at))


def _of_constant(types: "Types", function: FunctionNode, value: t.Const, at: Point) -> Type:
    return NONE if value.kind == "NoneType" else LibraryInstance(f"builtins.{value.kind}")


def _of_text(types: "Types", function: FunctionNode, value: t.Text, at: Point) -> Type:
    return STRING


def _of_item(types: "Types", function: FunctionNode, value: t.Item, at: Point) -> Type:
    written = displays.entry(function, value, at)
    if written is not None:
        return union([types.evaluate(scope, part, AT_END) for scope, part in written])
    owner = types.evaluate(function, value.base, at)
    aliased = annotations.alias(types, function, owner, value.key)
    return _held_item(types, function, owner, value.key, at) if aliased is None else aliased


def _held_item(types: "Types", function: FunctionNode, owner: Type, key: t.Expr, at: Point) -> Type:
    """Return what an item is: as its container says, or what the project puts in its place."""
    asked = Arguments(lambda name: types.evaluate(function, key, at))
    found = members.item(types, owner, key, asked)
    if isinstance(owner, LibraryInstance) and isinstance(found, Unknown | External):
        text = None if owner.path.startswith("builtins.") else text_of(types, function, key, at)
        if text is not None:
            return types.put(owner, text) or found
    return found


def _of_element(types: "Types", function: FunctionNode, value: t.Element, at: Point) -> Type:
    return members.element(types, types.evaluate(function, value.iterable, at))


def _of_entered(types: "Types", function: FunctionNode, value: t.Entered, at: Point) -> Type:
    owner = types.evaluate(function, value.value, at)
    return members.entered(types, owner, is_async=value.is_async)


def _of_sequence(types: "Types", function: FunctionNode, value: t.Seq, at: Point) -> Type:
    items = value.items
    if value.kind == "tuple" and len(items) <= MAX_ITEMS and not has_star(items):
        return TupleType(tuple([types.evaluate(function, item, at) for item in items]))
    element = union([_displayed(types, function, item, at) for item in items[:MAX_ITEMS]])
    return LibraryInstance(f"builtins.{value.kind}", (element,))


def _displayed(types: "Types", function: FunctionNode, item: t.Expr, at: Point) -> Type:
    """Return the type of one item of a display, of each one behind a ``*``."""
    found = types.evaluate(function, item, at)
    return members.element(types, found) if type(item) is t.Star else found


def _of_mapping(types: "Types", function: FunctionNode, value: t.Mapping, at: Point) -> Type:
    keys: list[Type] = []
    values: list[Type] = []
    for key, item in list(zip(value.keys, value.values, strict=True))[:MAX_ITEMS]:
        found = types.evaluate(function, item, at)
        if key is not None:
            keys.append(types.evaluate(function, key, at))
            values.append(found)
        elif isinstance(found, LibraryInstance) and len(found.arguments) == 2:
            keys.append(found.arguments[0])
            values.append(found.arguments[1])
    return LibraryInstance("builtins.dict", (union(keys), union(values)))


def _of_lambda(types: "Types", function: FunctionNode, value: t.Lambda, at: Point) -> Type:
    return FunctionType(function.file.functions[value.function])


def _of_either(types: "Types", function: FunctionNode, value: t.Either, at: Point) -> Type:
    return union([types.evaluate(function, option, at) for option in outcomes(value)])


def _of_test(types: "Types", function: FunctionNode, value: t.Compare | t.Not, at: Point) -> Type:
    return BOOL


def _of_operation(types: "Types", function: FunctionNode, value: t.Binary, at: Point) -> Type:
    left = types.evaluate(function, value.left, at)
    right = types.evaluate(function, value.right, at)
    return members.operation(types, value.operator, left, right)


def _of_comprehension(types: "Types", function: FunctionNode, value: t.Comp, at: Point) -> Type:
    inside = (AT_END[0], value.context)
    element = types.evaluate(function, value.element, inside)
    if value.key is not None:
        key = types.evaluate(function, value.key, inside)
        return LibraryInstance("builtins.dict", (key, element))
    if value.kind == "list":
        return list_of(element)
    return LibraryInstance(
        "builtins.set" if value.kind == "set" else "builtins.iterator", (element,)
    )


def _of_inner(
    types: "Types", function: FunctionNode, value: t.Star | t.Inverted, at: Point
) -> Type:
    return types.evaluate(function, value.value, at)


def _of_opaque(types: "Types", function: FunctionNode, value: t.Opaque, at: Point) -> Type:
    return Unknown(value.reason)


def _of_slice(types: "Types", function: FunctionNode, value: t.Slice, at: Point) -> Type:
    return Unknown("not described")


BY_KIND: dict[type, Callable[["Types", FunctionNode, Any, Point], Type]] = {
    t.Name: _of_name,
    t.Attr: _of_attribute,
    t.CallRef: _of_call,
    t.Await: _of_await,
    t.Const: _of_constant,
    t.Text: _of_text,
    t.Item: _of_item,
    t.Element: _of_element,
    t.Entered: _of_entered,
    t.Seq: _of_sequence,
    t.Mapping: _of_mapping,
    t.Lambda: _of_lambda,
    t.Either: _of_either,
    t.Compare: _of_test,
    t.Not: _of_test,
    t.Binary: _of_operation,
    t.Comp: _of_comprehension,
    t.Star: _of_inner,
    t.Inverted: _of_inner,
    t.Opaque: _of_opaque,
    t.Slice: _of_slice,
}
"""How an expression of each kind is worked out at a point (sequence, context) of a function.

One look-up: to test a value for one class after the other costs more than most kinds take.
"""
