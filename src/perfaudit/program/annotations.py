"""Annotations and the type expressions of library files, turned into types."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.facts.extract import annotation_of
from perfaudit.libraries.types import TypeExpr
from perfaudit.program import members, providers
from perfaudit.program.classes import instance_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import (
    NONE,
    OF_RECEIVER,
    Arguments,
    Awaitable,
    ClassType,
    External,
    Factory,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

TYPING_ROOTS = ("typing.", "typing_extensions.", "collections.abc.")
TRANSPARENT = frozenset(
    {"Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar"}
)
AWAITABLES = frozenset({"Awaitable", "Coroutine", "Future", "Task"})
CONTAINERS = {
    "List": "list",
    "Sequence": "list",
    "MutableSequence": "list",
    "Collection": "list",
    "Deque": "list",
    "Set": "set",
    "FrozenSet": "set",
    "AbstractSet": "set",
    "MutableSet": "set",
    "Dict": "dict",
    "Mapping": "dict",
    "MutableMapping": "dict",
    "DefaultDict": "dict",
    "OrderedDict": "dict",
    "Iterable": "iterator",
    "Iterator": "iterator",
    "Generator": "iterator",
    "AsyncIterable": "iterator",
    "AsyncIterator": "iterator",
    "AsyncGenerator": "iterator",
    "Tuple": "tuple",
    "Type": "type",
}
"""Names of typing and collections.abc, and the builtin class that stands for them here."""


def annotated(types: "Types", scope: FunctionNode, annotation: t.Expr) -> Type:
    """Return the type of a value with this annotation; ``scope`` is where the annotation stands."""
    return types.kept(
        types.annotations, (scope, annotation), lambda: _annotated(types, scope, annotation)
    )


def _annotated(types: "Types", scope: FunctionNode, annotation: t.Expr) -> Type:
    match annotation:
        case t.Const(kind="NoneType"):
            return NONE
        case t.Const(value=str() as text):
            return annotated(types, scope, annotation_of(text))
        case t.Binary(operator="BitOr", left=left, right=right):
            return union([annotated(types, scope, left), annotated(types, scope, right)])
        case t.Item(base=base, key=key):
            return _generic(types, scope, base, key)
        case t.Name() | t.Attr():
            found = types.evaluate(scope, annotation, AT_END)
            return _type_variable(found) or _plain(types, found)
        case t.Opaque(reason=reason):
            return Unknown(reason)
    return Unknown("annotation")


def alias_text(types: "Types", scope: FunctionNode, bind: t.Bind) -> str | None:
    """Return the text of ``Name: TypeAlias = "Type"``, or None for other binds."""
    value = bind.value
    if not isinstance(value, t.Const) or not isinstance(value.value, str):
        return None
    if not isinstance(bind.annotation, t.Name | t.Attr):
        return None
    found = types.evaluate(scope, bind.annotation, AT_END)
    is_alias = isinstance(found, LibrarySymbol) and typing_name(found.path) == "TypeAlias"
    return value.value if is_alias else None


def _type_variable(found: Type) -> Type | None:
    """Return the type variable that an annotation names, or None."""
    if isinstance(found, LibrarySymbol) and typing_name(found.path) == "Self":
        return TypeVariable("Self")
    return found if isinstance(found, TypeVariable) else None


def _plain(types: "Types", found: Type) -> Type:
    """Return an object of the class that an annotation without parameters names."""
    options = [_plain_option(types, option) for option in options_of(found)]
    return union(options)


def _plain_option(types: "Types", found: Type) -> Type:
    if isinstance(found, LibrarySymbol):
        name = typing_name(found.path)
        if name is not None:
            builtin = CONTAINERS.get(name)
            return (
                LibraryInstance(f"builtins.{builtin}") if builtin else Unknown(f"annotated {name}")
            )
        if found.path in ("builtins.object", "builtins.any", "builtins.callable"):
            return Unknown("annotated object")
        if found.path == "builtins.None":
            return NONE
        return LibraryInstance(found.path)
    if isinstance(found, ClassType | External):
        return instance_of(found)
    if isinstance(found, LibraryInstance) and found.path == "builtins.type" and found.arguments:
        return found.arguments[0]
    if isinstance(found, LibraryInstance):
        called = types.libraries.method(found.path, "__call__")
        if called is not None and called.returns is not None:
            # An annotation that names a factory, such as a maker of sessions, means what it makes.
            return types.instantiate(called.returns, receiver=found)
    if isinstance(found, TupleType | LibraryInstance | Instance):
        # An alias such as ``Items = list[Item]`` evaluates to the value of its subscript.
        return found
    return found if isinstance(found, Unknown) else Unknown("annotation is not a class")


def typing_name(path: str) -> str | None:
    """Return the bare name of something of typing or collections.abc, else None."""
    for root in TYPING_ROOTS:
        if path.startswith(root):
            return path[len(root) :]
    return None


def alias(types: "Types", scope: FunctionNode, found: Type, key: t.Expr) -> Type | None:
    """Return what ``Class[key]`` is as a value, such as an alias; None where it is no class."""
    if isinstance(found, ClassType):
        items = key.items if isinstance(key, t.Seq) else (key,)
        return ClassType(found.node, tuple(annotated(types, scope, item) for item in items))
    if not isinstance(found, LibrarySymbol):
        return None
    if typing_name(found.path) is not None or found.path.startswith("builtins."):
        return _generic_of(types, scope, found, key)
    made = _generic_of(types, scope, found, key)
    return LibraryInstance("builtins.type", (made,))


def _generic(types: "Types", scope: FunctionNode, base: t.Expr, key: t.Expr) -> Type:
    return _generic_of(types, scope, types.evaluate(scope, base, AT_END), key)


def _generic_of(types: "Types", scope: FunctionNode, found: Type, key: t.Expr) -> Type:
    arguments = key.items if isinstance(key, t.Seq) and key.kind == "tuple" else (key,)
    if isinstance(found, ClassType):
        return Instance(found.node, tuple(annotated(types, scope, item) for item in arguments))
    if isinstance(found, LibrarySymbol):
        name = typing_name(found.path) or found.path.removeprefix("builtins.")
        return _typing_generic(types, scope, found.path, name, arguments)
    if isinstance(found, External):
        return instance_of(found)
    return found if isinstance(found, Unknown) else Unknown("annotation")


def _typing_generic(
    types: "Types", scope: FunctionNode, path: str, name: str, arguments: tuple[t.Expr, ...]
) -> Type:
    if name == "Annotated":
        for marker in arguments[1:]:
            if isinstance(marker, t.CallRef | t.Item):
                injected = (
                    providers.injected(types, scope, marker.index)
                    if isinstance(marker, t.CallRef)
                    else providers.injected_item(types, scope, marker)
                )
                if injected is not None:
                    declared = annotated(types, scope, arguments[0])
                    return injected if isinstance(declared, Unknown) else declared
    if name in TRANSPARENT:
        return annotated(types, scope, arguments[0])
    if name == "Union":
        return union([annotated(types, scope, item) for item in arguments])
    if name in ("Type", "type"):
        inner = [_class_of(option) for option in options_of(annotated(types, scope, arguments[0]))]
        return union(inner)
    if name in AWAITABLES or path.rpartition(".")[2] in ("Future", "Task"):
        return Awaitable(annotated(types, scope, arguments[-1]))
    if name == "Callable":
        return (
            Factory(annotated(types, scope, arguments[-1]))
            if len(arguments) == 2
            else Unknown("callable")
        )
    if name in ("Tuple", "tuple"):
        items = [
            item
            for item in arguments
            if not (isinstance(item, t.Const) and item.kind == "ellipsis")
        ]
        parts = tuple(annotated(types, scope, item) for item in items)
        if len(items) < len(arguments):
            return LibraryInstance("builtins.tuple", parts)
        return TupleType(parts)
    if name == "Literal":
        return Unknown("literal")
    if name in ("Generic", "Protocol"):
        return LibraryInstance(path, tuple(annotated(types, scope, item) for item in arguments))
    builtin = CONTAINERS.get(name)
    if typing_name(path) is not None and builtin is None:
        return Unknown(f"annotated {name}")
    target = f"builtins.{builtin}" if builtin and typing_name(path) is not None else path
    parts = tuple(annotated(types, scope, item) for item in arguments)
    if builtin == "iterator":
        parts = parts[:1]
    return LibraryInstance(target, parts)


def _class_of(value: Type) -> Type:
    """Return the class of an object: the reverse of ``instance_of``."""
    match value:
        case Instance(node=node, arguments=arguments):
            return ClassType(node, arguments)
        case TypeVariable():
            return LibraryInstance("builtins.type", (value,))
        case LibraryInstance(path=path):
            return LibrarySymbol(path)
        case External(origin=origin) if origin.endswith("()"):
            return External(origin[:-2])
    return value if isinstance(value, Unknown) else Unknown("not a class")


def instantiate(
    types: "Types", expression: TypeExpr, receiver: Type | None, arguments: Arguments | None
) -> Type:
    """Return the type that a library file's expression means here."""
    kind = expression.kind
    if kind == "named":
        return _named(types, expression, receiver, arguments)
    if kind == "self":
        return receiver if receiver is not None else Unknown("no receiver")
    if kind == "parameter":
        return _type_parameter(types, receiver, expression.name)
    if kind == "argument":
        found = arguments.find(expression.name) if arguments is not None else None
        return found if found is not None else Unknown("argument not given")
    if kind == "union":
        return _first_given(types, expression, receiver, arguments)
    if kind == "any":
        return Unknown("library does not say")
    inner = instantiate(types, expression.arguments[0], receiver, arguments)
    options: list[Type] = []
    for option in options_of(inner):
        options.append(_made_from(types, kind, option))
    return union(options)


def _first_given(
    types: "Types", expression: TypeExpr, receiver: Type | None, arguments: Arguments | None
) -> Type:
    """Return a union of a library file.

    An option made from an argument that is given decides alone.
    """
    found = []
    for part in expression.arguments:
        option = instantiate(types, part, receiver, arguments)
        if mentions_argument(part) and is_known(option):
            return option
        found.append(option)
    return union(found)


def mentions_argument(expression: TypeExpr) -> bool:
    """Return whether a type expression is made from an argument."""
    return expression.kind == "argument" or any(
        mentions_argument(part) for part in expression.arguments
    )


def is_known(value: Type) -> bool:
    """Return whether a type and its parameters are known."""
    if isinstance(value, Unknown):
        return False
    return not isinstance(value, LibraryInstance) or all(is_known(part) for part in value.arguments)


def is_weak(types: "Types", value: Type) -> bool:
    """Return whether an annotation says less than the body, a default or a caller may.

    It is not known, it names a class that no library file describes, a container of anything, or
    some callable.
    """
    if isinstance(value, Factory):
        return True
    if not isinstance(value, LibraryInstance):
        return isinstance(value, Unknown | External)
    if value.path.startswith("builtins."):
        return value.path in ("builtins.list", "builtins.dict") and not value.arguments
    return types.libraries.type(value.path) is None


def _made_from(types: "Types", kind: str, inner: Type) -> Type:
    if kind == "instance":
        if isinstance(inner, LibraryInstance) and inner.arguments:
            return inner.arguments[0]
        return instance_of(inner)
    if kind == "result":
        return members.awaited(types, providers.result_of(types, inner), lenient=True)
    if kind == "element":
        return members.element(types, inner)
    if kind == "awaited":
        return members.awaited(types, inner, lenient=True)
    if kind == "parameter_of":
        if isinstance(inner, LibraryInstance | Instance) and inner.arguments:
            return inner.arguments[0]
        return Unknown("type parameter not known")
    return Unknown("library does not say")


def _named(
    types: "Types", expression: TypeExpr, receiver: Type | None, arguments: Arguments | None
) -> Type:
    name = expression.name
    parts = tuple(instantiate(types, part, receiver, arguments) for part in expression.arguments)
    short = name.removeprefix("builtins.")
    if short in ("none", "NoneType"):
        return NONE
    if short == "tuple" and parts:
        return TupleType(parts)
    if short == "coroutine":
        return Awaitable(parts[0] if parts else Unknown("library does not say"))
    if short == "callable":
        return Factory(parts[0] if parts else Unknown("library does not say"))
    if short == "type" and parts:
        return _class_of(parts[0])
    path = types.libraries.canonical(name if "." in name else f"builtins.{name}")
    swapped = types.swapped.get(path)
    return LibraryInstance(path, parts) if swapped is None else Instance(swapped)


def _type_parameter(types: "Types", receiver: Type | None, name: str) -> Type:
    if isinstance(receiver, LibraryInstance):
        for described in types.libraries.linear(receiver.path):
            if name in described.parameters:
                index = described.parameters.index(name)
                if index < len(receiver.arguments):
                    return receiver.arguments[index]
        # A parameter of a base: the position is the same in the files we ship.
        return (
            receiver.arguments[0]
            if len(receiver.arguments) == 1
            else Unknown("type parameter not known")
        )
    if isinstance(receiver, Instance):
        # A method of a class that is made for several classes of rows: its caller knows which.
        return receiver.arguments[0] if receiver.arguments else TypeVariable(OF_RECEIVER)
    return Unknown("type parameter not known")
