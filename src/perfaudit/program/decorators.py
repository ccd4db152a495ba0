"""What the decorators of a function are, and what they make of it."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import (
    Arguments,
    ClassType,
    External,
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    Type,
    TypeVariable,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

PROPERTY_MAKERS = frozenset(
    {"builtins.property", "functools.cached_property", "abc.abstractproperty"}
)
CONTEXT_MANAGERS = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})


def decorators_of(types: "Types", function: FunctionNode) -> list[tuple[Type, t.Call | None]]:
    """Return a function's decorators as types, outermost first, with their calls if any."""
    outer = function.parent
    if outer is None:
        return []
    found: list[tuple[Type, t.Call | None]] = []
    for decorator in function.facts.decorators:
        if isinstance(decorator, t.CallRef):
            call = outer.facts.calls[decorator.index]
            found.append((types.call(outer, decorator.index).callee, call))
        else:
            found.append(
                (types.evaluate(outer, decorator, (AT_END[0], function.facts.context)), None)
            )
    return found


def decorator_paths(types: "Types", function: FunctionNode) -> tuple[str, ...]:
    """Return the dotted paths of the library decorators of a function, outermost first."""
    if not function.facts.decorators:
        return ()
    return types.decorator_paths(function)


def find_decorator_paths(types: "Types", function: FunctionNode) -> tuple[str, ...]:
    """Work out ``decorator_paths``, which remembers the answer."""
    paths = []
    for found, _ in decorators_of(types, function):
        for option in options_of(found):
            if isinstance(option, LibrarySymbol):
                paths.append(option.path)
            elif isinstance(option, LibraryMethod):
                paths.append(option.behaviour.path)
            elif isinstance(option, External):
                paths.append(option.origin)
    return tuple(paths)


def decorator_behaviours(types: "Types", function: FunctionNode) -> list[Behaviour]:
    """Return what the library files say of the decorators of a function."""
    found = []
    for path in decorator_paths(types, function):
        behaviour = types.libraries.function(path) or types.libraries.constructor(path)
        if behaviour is not None:
            found.append(behaviour)
    return found


def decorator_type(
    types: "Types", function: FunctionNode, given: Type | None = None
) -> Type | None:
    """Return the library object that a decorator makes of a function, such as a task, or None.

    ``given`` is what the decorator is given, where its object shall know that.
    """
    arguments = Arguments(lambda name: given if name == "0" else None)
    for behaviour in decorator_behaviours(types, function):
        if behaviour.returns is not None:
            made = types.instantiate(behaviour.returns, arguments=arguments)
            if isinstance(made, LibraryInstance) and not made.path.startswith("builtins."):
                return made
    return None


def decorated(types: "Types", function: FunctionNode) -> Type:
    """Return what the name of a function stands for.

    Decorators that wrap keep its meaning: its body still runs, unless the library says that calling
    the result hands the body to a thread.
    """
    if function.facts.decorators:
        made = decorator_type(types, function)
        if isinstance(made, LibraryInstance):
            called = types.libraries.method(made.path, "__call__")
            if called is not None and "offload" in called.effects:
                return decorator_type(types, function, FunctionType(function)) or made
    return FunctionType(function)


def method_kind(types: "Types", function: FunctionNode) -> str:
    """Return property, static, class or method."""
    if function.name in ("__new__", "__init_subclass__", "__class_getitem__"):
        return "class"
    if not function.facts.decorators:
        return "method"
    paths = decorator_paths(types, function)
    if any(path in PROPERTY_MAKERS for path in paths) or any(
        "property-maker" in behaviour.flags for behaviour in decorator_behaviours(types, function)
    ):
        return "property"
    if "builtins.staticmethod" in paths:
        return "static"
    return "class" if "builtins.classmethod" in paths else "method"


def receiver_of(types: "Types", scope: FunctionNode, param: t.Param) -> Type | None:
    """Return the type of ``self`` or ``cls``, or None for other parameters."""
    owner = scope.owner
    if (
        owner is None
        or scope.kind != "function"
        or not scope.facts.params
        or scope.facts.params[0] is not param
    ):
        return None
    kind = method_kind(types, scope)
    if kind == "static":
        return None
    own = tuple(TypeVariable(name) for name in types.classes.parameters(owner))
    return ClassType(owner, own) if kind == "class" else Instance(owner, own)


class Wrapping(Struct, frozen=True):
    """The functions that decorators of the project put in a function's place, outermost first.

    ``is_async``: the outermost one is a coroutine function.
    """

    wrappers: tuple[FunctionNode, ...]
    is_async: bool


UNWRAPPED = Wrapping((), False)


def running(types: "Types", node: FunctionNode) -> tuple[FunctionNode, ...]:
    """Return the functions that a call of a project function runs: wrappers, and itself."""
    if not node.facts.decorators:
        return (node,)
    return (*types.wrapping(node).wrappers, node)


def find_wrapping(types: "Types", node: FunctionNode) -> Wrapping:
    """Work out ``Types.wrapping``, which remembers the answer."""
    wrappers: list[FunctionNode] = []
    outer = node.parent
    if outer is None:
        return UNWRAPPED
    for decorator in node.facts.decorators:
        made = types.evaluate(outer, decorator, (AT_END[0], node.facts.context))
        for option in options_of(made):
            wrapper = _wrapper(types, option)
            if wrapper is not None and wrapper is not node and wrapper not in wrappers:
                wrappers.append(wrapper)
    return Wrapping(tuple(wrappers), bool(wrappers) and wrappers[0].is_async)


def _wrapper(types: "Types", decorator: Type) -> FunctionNode | None:
    """Return the function that a decorator gives in place of the decorated one, or None."""
    match decorator:
        case FunctionType(node=maker):
            pass
        case ClassType(node=node):
            return types.classes.method(node, "__call__")
        case Instance(node=node):
            method = types.classes.method(node, "__call__")
            if method is None:
                return None
            maker = method
        case _:
            return None
    for item in maker.facts.results:
        if isinstance(item.value, t.Name):
            for inner in maker.inner.get(item.value.id, ()):
                return inner
    return None
