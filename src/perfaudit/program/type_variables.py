"""What the type variables of functions and classes stand for at a call."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import annotations, members
from perfaudit.program.classes import instance_of
from perfaudit.program.expressions import argument_at
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import (
    NONE,
    OF_RECEIVER,
    ClassType,
    Instance,
    LibraryInstance,
    Type,
    TypeVariable,
    Unknown,
    mentions_variable,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def bindings(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode, receiver: Type | None
) -> dict[str, Type]:
    """Return what the type variables of a call's result stand for."""
    mapping: dict[str, Type] = {}
    shift = 1 if node.owner is not None and receiver is not None else 0
    if isinstance(receiver, Instance | ClassType):
        mapping["Self"] = Instance(receiver.node, receiver.arguments)
        if receiver.arguments:
            mapping[OF_RECEIVER] = receiver.arguments[0]
        if node.owner is not None:
            arguments = receiver.arguments
            for item in types.classes.order(receiver.node):
                if isinstance(item, ClassType) and item.node is node.owner and item.arguments:
                    arguments = item.arguments
            mapping.update(zip(types.classes.parameters(node.owner), arguments, strict=False))
    if not mentions_variable(types.returned(node)):
        return mapping
    outer = node.parent or node
    if shift and node.facts.params and node.facts.params[0].annotation is not None:
        for option in _variables_in(
            annotations.annotated(types, outer, node.facts.params[0].annotation)
        ):
            mapping.setdefault(option.name, mapping.get("Self", receiver or NONE))
    _bind_arguments(types, function, call, node, shift, mapping)
    return mapping


def constructed(
    types: "Types", function: FunctionNode, call: t.Call, node: ClassNode
) -> tuple[Type, ...]:
    """Return the type parameters of a new object, as its constructor's arguments say them."""
    names = types.classes.parameters(node)
    maker = types.classes.method(node, "__init__") if names else None
    if maker is None:
        return ()
    mapping: dict[str, Type] = {}
    _bind_arguments(types, function, call, maker, 1, mapping)
    if not mapping.keys() & set(names):
        return ()
    return tuple(mapping.get(name, Unknown("type parameter not known")) for name in names)


def _bind_arguments(
    types: "Types",
    function: FunctionNode,
    call: t.Call,
    node: FunctionNode,
    shift: int,
    mapping: dict[str, Type],
) -> None:
    """Add what the arguments of a call say of the type variables of its parameters."""
    outer = node.parent or node
    positional = [param for param in node.facts.params if param.kind == "positional"][shift:]
    at = (call.sequence, call.context)
    for index, param in enumerate(positional):
        given = argument_at(call, index, param.name)
        if given is None or param.annotation is None:
            continue
        declared = annotations.annotated(types, outer, param.annotation)
        if isinstance(declared, TypeVariable):
            mapping.setdefault(declared.name, types.evaluate(function, given, at))
        elif isinstance(declared, LibraryInstance) and declared.arguments:
            inner = declared.arguments[0]
            if isinstance(inner, TypeVariable):
                actual = types.evaluate(function, given, at)
                made = (
                    instance_of(actual)
                    if declared.path == "builtins.type"
                    else members.element(types, actual)
                )
                mapping.setdefault(inner.name, made)


def _variables_in(value: Type) -> list[TypeVariable]:
    if isinstance(value, LibraryInstance) and value.path == "builtins.type":
        return [part for part in value.arguments if isinstance(part, TypeVariable)]
    return [value] if isinstance(value, TypeVariable) else []
