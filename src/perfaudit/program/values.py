"""What an expression can be, once linked. Types are values: two equal ones are the same type."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Union

from msgspec import Struct

from perfaudit.libraries.types import Behaviour

if TYPE_CHECKING:
    from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode


class Unknown(Struct, frozen=True, gc=False):
    """Not known, and why."""

    reason: str


class Instance(Struct, frozen=True):
    """An object of a project class; ``arguments`` are the types given for its parameters."""

    node: "ClassNode"
    arguments: "tuple[Type, ...]" = ()


class ClassType(Struct, frozen=True):
    """A project class itself."""

    node: "ClassNode"
    arguments: "tuple[Type, ...]" = ()


class LibraryInstance(Struct, frozen=True):
    """An object of a library's or a builtin class, such as ``builtins.list`` of something."""

    path: str
    arguments: "tuple[Type, ...]" = ()


class LibrarySymbol(Struct, frozen=True, gc=False):
    """A name of a library: a module, function or class, by its dotted path."""

    path: str


class External(Struct, frozen=True, gc=False):
    """A value out of a library that no file describes: only the library is known."""

    origin: str


class FunctionType(Struct, frozen=True):
    """A project function, bound to a receiver or not."""

    node: "FunctionNode"
    receiver: "Type | None" = None


class LibraryMethod(Struct, frozen=True):
    """A method of a library type, bound to its receiver."""

    receiver: "Type"
    owner: str
    behaviour: Behaviour


class ModuleType(Struct, frozen=True):
    """A project module."""

    node: "FileNode"


class Namespace(Struct, frozen=True, gc=False):
    """A package of the project without an ``__init__.py``."""

    folder: str


OF_RECEIVER = ".receiver"
"""The type parameter that a class of the project inherits from a library's class."""


class TypeVariable(Struct, frozen=True):
    """A type parameter that the place of use decides; ``Self`` is one.

    ``bound`` is what it is in any case.
    """

    name: str
    bound: "Type | None" = None


class Awaitable(Struct, frozen=True):
    """Something that gives ``result`` when awaited."""

    result: "Type"


class TupleType(Struct, frozen=True):
    """A tuple of known length."""

    items: "tuple[Type, ...]"


class Partial(Struct, frozen=True):
    """A callable with some arguments already given."""

    target: "Type"
    given: int


class Factory(Struct, frozen=True):
    """A callable of a library that returns ``result``."""

    result: "Type"


class UnionType(Struct, frozen=True):
    """One of several types."""

    options: "tuple[Type, ...]"


Type = Union[  # noqa: UP007
    Unknown,
    Instance,
    ClassType,
    LibraryInstance,
    LibrarySymbol,
    External,
    FunctionType,
    LibraryMethod,
    ModuleType,
    Namespace,
    TypeVariable,
    Awaitable,
    TupleType,
    Partial,
    Factory,
    UnionType,
]

NONE = LibraryInstance("builtins.NoneType")
STRING = LibraryInstance("builtins.str")
BOOL = LibraryInstance("builtins.bool")
NOT_INFERRED = Unknown("not inferred")
MANAGED = "contextlib.AbstractContextManager"
MAX_PARTS = 200
"""How many parts a type has that is told apart by call; what is written by hand has a few."""
KEPT_LAYERS = 2
"""How many containers within each other are kept of one that has more."""


class Arguments(Struct, frozen=True):
    """The arguments of one call, evaluated when asked."""

    find: Callable[[str], Type | None]


def union(options: "Iterable[Type]") -> Type:
    """Return the union of the options; None and unknown options yield to known ones."""
    if type(options) is list and len(options) == 1:
        only: Type = options[0]
        return only
    flat: list[Type] = []
    unknown: Type | None = None
    for option in options:
        parts = option.options if type(option) is UnionType else (option,)
        for part in parts:
            if type(part) is Unknown:
                unknown = unknown or part
            elif part not in flat:
                flat.append(part)
    if len(flat) > 1:
        flat = [part for part in flat if part != NONE]
    if not flat:
        return unknown or NOT_INFERRED
    if flat == [NONE] and unknown is not None:
        return unknown
    if len(flat) == 1:
        return flat[0]
    return UnionType(tuple(flat[:8]))


def options_of(value: Type) -> "tuple[Type, ...]":
    """Return the alternatives of a type: itself, or the parts of a union."""
    return value.options if type(value) is UnionType else (value,)


_UNREAD = frozenset({Unknown, External})


def is_unread(value: Type) -> bool:
    """Return whether nothing is known of a value, or only which library it is out of."""
    return _UNREAD.issuperset(map(type, options_of(value)))


def list_of(element: Type) -> Type:
    """Return the type of a list."""
    return LibraryInstance("builtins.list", (element,))


def substitute(value: Type, mapping: "dict[str, Type]") -> Type:
    """Return the type with its type variables replaced where the mapping knows them."""
    if isinstance(value, TypeVariable):
        return mapping.get(value.name, value)
    return _with_parts(value, lambda part: substitute(part, mapping))


def bounded(value: Type) -> Type:
    """Return the type, or its outer layers where it has so many parts that it holds itself."""
    pending = [value]
    for _ in range(MAX_PARTS):
        if not pending:
            return value
        pending += _parts_of(pending.pop())
    return _outer(value, KEPT_LAYERS)


def _outer(value: Type, layers: int) -> Type:
    if not layers:
        return Unknown("recursive definition")
    inner = layers if isinstance(value, UnionType) else layers - 1
    return _with_parts(value, lambda part: _outer(part, inner))


def _with_parts(value: Type, change: "Callable[[Type], Type]") -> Type:
    """Return the type with each part that it is made of changed."""
    match value:
        case Instance(node=node, arguments=arguments) if arguments:
            return Instance(node, tuple(change(item) for item in arguments))
        case ClassType(node=node, arguments=arguments) if arguments:
            return ClassType(node, tuple(change(item) for item in arguments))
        case LibraryInstance(path=path, arguments=arguments) if arguments:
            return LibraryInstance(path, tuple(change(item) for item in arguments))
        case TupleType(items=items):
            return TupleType(tuple(change(item) for item in items))
        case Awaitable(result=result):
            return Awaitable(change(result))
        case Factory(result=result):
            return Factory(change(result))
        case UnionType(options=options):
            return union([change(item) for item in options])
    return value


_PARTS: "dict[type, Callable[[Any], tuple[Type, ...]]]" = {
    Instance: attrgetter("arguments"),
    LibraryInstance: attrgetter("arguments"),
    ClassType: attrgetter("arguments"),
    TupleType: attrgetter("items"),
    UnionType: attrgetter("options"),
    Awaitable: lambda value: (value.result,),
    Factory: lambda value: (value.result,),
}
"""What types are made of, by their kinds; others have no parts."""


def _parts_of(value: Type) -> "tuple[Type, ...]":
    found = _PARTS.get(type(value))
    return () if found is None else found(value)


def mentions_variable(value: Type) -> bool:
    """Return whether a type leaves something to the place of use."""
    parts = _parts_of(value)
    return any(map(mentions_variable, parts)) if parts else type(value) is TypeVariable


def refined(declared: Type, found: Type) -> Type:
    """Return what is known of a value by a weak annotation and by what it is made from.

    The annotation of a callable still says what calling it gives.
    """
    if isinstance(found, Unknown) or found == NONE:
        return declared
    if isinstance(declared, Factory):
        known = [option for option in options_of(found) if isinstance(option, FunctionType)]
        return union([*known, declared])
    return found
