"""Calls that have a meaning in the language itself, or to a type checker."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from perfaudit.facts import types as t
from perfaudit.facts.extract import annotation_of
from perfaudit.program import annotations, members
from perfaudit.program.classes import instance_of
from perfaudit.program.expressions import argument, argument_for
from perfaudit.program.nodes import FunctionNode, enclosing_class
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

SUPER = t.Name("super")
NEW_TYPES = frozenset({"typing.NewType", "typing_extensions.NewType"})
CASTS = frozenset({"typing.cast", "typing_extensions.cast"})
TYPE_VARIABLES = frozenset(
    f"{root}.{name}"
    for root in ("typing", "typing_extensions")
    for name in ("TypeVar", "ParamSpec", "TypeVarTuple")
)


def language_call(types: "Types", function: FunctionNode, call: t.Call, path: str) -> Type | None:
    """Return what a builtin with a meaning of its own gives, or None for the others."""
    at = (call.sequence, call.context)
    if path == "builtins.super":
        owner = enclosing_class(function)
        if owner is None:
            return Unknown("super outside a class")
        bases = [instance_of(base) for base in types.classes.bases(owner)]
        return union(bases) if bases else LibraryInstance("builtins.object")
    if path == "builtins.getattr" and len(call.arguments) >= 2:
        name = call.arguments[1]
        if isinstance(name, t.Const) and isinstance(name.value, str):
            found = members.member(
                types, types.evaluate(function, call.arguments[0], at), name.value
            )
            others = [types.evaluate(function, item, at) for item in call.arguments[2:3]]
            return union([found, *others])
        return Unknown("getattr")
    if path == "builtins.dict" and len(call.arguments) == 1:
        return _dict_of(types.evaluate(function, call.arguments[0], at), types)
    if path == "builtins.type" and len(call.arguments) == 1:
        given = types.evaluate(function, call.arguments[0], at)
        return (
            ClassType(given.node, given.arguments)
            if isinstance(given, Instance)
            else Unknown("type()")
        )
    return None


def _dict_of(given: Type, types: "Types") -> Type | None:
    """Return the dictionary that is made of another one, or of pairs; None where not known."""
    if isinstance(given, LibraryInstance) and len(given.arguments) == 2:
        return LibraryInstance("builtins.dict", given.arguments)
    pair = members.element(types, given)
    if isinstance(pair, TupleType) and len(pair.items) == 2:
        return LibraryInstance("builtins.dict", pair.items)
    return None


def is_super(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a value is ``super()``."""
    return isinstance(value, t.CallRef) and function.facts.calls[value.index].callee == SUPER


def called_above(function: FunctionNode, call: t.Call) -> str:
    """Return the method of the class above that a call runs, ``super().save()``; empty if none."""
    callee = call.callee
    return callee.name if isinstance(callee, t.Attr) and is_super(function, callee.base) else ""


def made_above(method: FunctionNode, call: t.Call) -> t.Call | None:
    """Return a call that makes an object, with what its method hands to that of the class above.

    The arguments end at the first that is not known; None where that is the first, or where there
    are several ways.
    """
    above = [inner for inner in method.facts.calls if called_above(method, inner) == method.name]
    if len(above) != 1 or above[0].context != -1:
        return None
    handed: list[t.Expr] = []
    for value in above[0].arguments:
        passed = _passed(method, call, value)
        if passed is None:
            break
        handed.append(passed)
    return replace(call, arguments=tuple(handed), keywords=()) if handed else None


def _passed(method: FunctionNode, call: t.Call, value: t.Expr) -> t.Expr | None:
    if not isinstance(value, t.Name):
        return value if isinstance(value, t.Const) else None
    return None if value.id in method.binds else argument_for(call, method, value.id)


def given_above(function: FunctionNode, value: t.Expr | None) -> str:
    """Return the method of the class above whose result a value is; empty if none."""
    if not isinstance(value, t.CallRef):
        return ""
    return called_above(function, function.facts.calls[value.index])


def calls_above(method: FunctionNode) -> bool:
    """Return whether a method calls that of the class above by its own name."""
    return any(called_above(method, call) == method.name for call in method.facts.calls)


def typing_call(types: "Types", function: FunctionNode, call: t.Call, path: str) -> Type | None:
    """Return what a call gives that is written for type checkers, or None for the others."""
    if path in NEW_TYPES and len(call.arguments) == 2:
        # A new type is its base to whoever uses the object.
        return types.evaluate(function, call.arguments[1], (call.sequence, call.context))
    if path in TYPE_VARIABLES:
        return _type_variable(types, function, call)
    if path in CASTS and len(call.arguments) == 2:
        return annotations.annotated(types, function, _unquoted(call.arguments[0]))
    return None


def _type_variable(types: "Types", function: FunctionNode, call: t.Call) -> Type:
    """Return the type variable that a call makes, with what it is bound to."""
    name = call.arguments[0] if call.arguments else None
    if not isinstance(name, t.Const) or not isinstance(name.value, str):
        return Unknown("type variable")
    bound = argument(call, "bound|default")
    choices = call.arguments[1:] if bound is None else (bound,)
    found = [annotations.annotated(types, function, _unquoted(choice)) for choice in choices]
    known = union(found) if found else None
    return TypeVariable(name.value, None if isinstance(known, Unknown) else known)


def _unquoted(value: t.Expr) -> t.Expr:
    if isinstance(value, t.Const) and isinstance(value.value, str):
        return annotation_of(value.value)
    return value
