"""What a call runs, and what it gives."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.facts.extract import annotation_of
from perfaudit.libraries.types import Behaviour
from perfaudit.program import annotations, dispatch, members
from perfaudit.program.classes import instance_of
from perfaudit.program.expressions import argument, spelled
from perfaudit.program.expressions import names as expression_names
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import (
    NONE,
    Awaitable,
    ClassType,
    External,
    Factory,
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    Partial,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    options_of,
    substitute,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

PROPERTY_MAKERS = frozenset(
    {"builtins.property", "functools.cached_property", "abc.abstractproperty"}
)
CONTEXT_MANAGERS = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})
KEEPERS = re.compile(r"cache|memo|singleton|once\b", re.IGNORECASE)
"""Names of decorators that keep what a function gave."""
EMPTIERS = re.compile(r"never|no_?cache|control|invalidat|clear|evict|purge", re.IGNORECASE)
"""Names of decorators that speak of a cache, but keep nothing."""
NEW_TYPES = frozenset({"typing.NewType", "typing_extensions.NewType"})
MANAGED = "contextlib.AbstractContextManager"
MAX_IMPLEMENTERS = 8
MAX_HOPS = 8
SUPER = t.Name("super")
TYPE_VARIABLES = frozenset(
    f"{root}.{name}"
    for root in ("typing", "typing_extensions")
    for name in ("TypeVar", "ParamSpec", "TypeVarTuple")
)
CASTS = frozenset({"typing.cast", "typing_extensions.cast"})


class Target(Struct, frozen=True):
    """One thing that a call may run.

    ``kind``: function (of the project), library (a behaviour is known), external (the library is
    known, the behaviour is not), builtin. ``name`` is the dotted name. ``receiver`` is what the
    method is bound to.
    """

    kind: str
    name: str
    function: FunctionNode | None = None
    behaviour: Behaviour | None = None
    receiver: Type | None = None
    confidence: Confidence = Confidence.HIGH


class Resolved(Struct, frozen=True):
    """The answer for one call: what it may run, what it gives, and what was called."""

    targets: tuple[Target, ...]
    result: Type
    callee: Type


def resolve(types: "Types", function: FunctionNode, call: t.Call) -> Resolved:
    """Return what the call may run and what it gives."""
    at = (call.sequence, call.context)
    callee = types.evaluate(function, call.callee, at)
    groups: list[list[Target]] = []
    results: list[Type] = []
    for option in options_of(callee):
        found, result = _apply(types, function, call, option)
        groups.append(found)
        results.append(result)
    if call.awaited:
        groups, results = _awaitable_only(groups, results)
    targets = [target for group in groups for target in group]
    ways = [group for group in groups if any(target.function is not None for target in group)]
    if len(ways) > 1 or is_supposed(types, function, call.callee, at):
        targets = [_doubted(target) for target in targets]
    return Resolved(tuple(targets), union(results), callee)


def is_supposed(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether an expression leans on an attribute that only subclasses have."""
    if not types.supposed:
        return False
    for _ in range(MAX_HOPS):
        if isinstance(value, t.Attr):
            lacking = types.supposed.get(value.name)
            if lacking and any(
                isinstance(owner, Instance) and owner.node in lacking
                for owner in options_of(types.evaluate(function, value.base, at))
            ):
                return True
            value = value.base
        elif isinstance(value, t.CallRef):
            value = function.facts.calls[value.index].callee
        elif isinstance(value, t.Await | t.Entered):
            value = value.value
        elif isinstance(value, t.Name) and len(function.binds.get(value.id, ())) == 1:
            bind = function.binds[value.id][0]
            if bind.value is None or bind.sequence >= at[0]:
                return False
            value, at = bind.value, (bind.sequence, bind.context)
        else:
            return False
    return False


def supposed(
    types: "Types", function: FunctionNode, call: t.Call, callee: Type
) -> tuple[Target, ...]:
    """Return what the call may run if this is what it calls; none of it is sure."""
    return tuple(
        _doubted(target)
        for option in options_of(callee)
        for target in _apply(types, function, call, option)[0]
    )


def _awaitable_only(
    groups: list[list[Target]], results: list[Type]
) -> tuple[list[list[Target]], list[Type]]:
    """Return the alternatives of an awaited call that can be awaited.

    The others are plain twins of a union, and plain blocking methods where the annotation of the
    receiver is wrong.
    """
    kept = [
        (group, result)
        for group, result in zip(groups, results, strict=True)
        if not (is_plain(result) and any(_surely_plain(target) for target in group))
    ]
    awaitable = [
        pair for pair in kept if any(isinstance(part, Awaitable) for part in options_of(pair[1]))
    ]
    chosen = awaitable or kept
    if not chosen:
        return [], [Unknown("awaited, but not awaitable")]
    return [group for group, _ in chosen], [result for _, result in chosen]


def is_plain(value: Type) -> bool:
    """Return whether a result is known and nothing of it can be awaited."""
    return not any(isinstance(part, Awaitable | Unknown) for part in options_of(value))


def _surely_plain(target: Target) -> bool:
    behaviour = target.behaviour
    return behaviour is not None and behaviour.blocking and not behaviour.awaitable


def _doubted(target: Target) -> Target:
    return Target(
        target.kind,
        target.name,
        target.function,
        target.behaviour,
        target.receiver,
        Confidence.MEDIUM,
    )


def _apply(
    types: "Types", function: FunctionNode, call: t.Call, callee: Type
) -> tuple[list[Target], Type]:
    match callee:
        case FunctionType(node=node, receiver=receiver):
            return _project_call(types, function, call, node, receiver)
        case ClassType():
            return _construct(types, function, call, callee)
        case Instance(node=node):
            method = types.classes.method(node, "__call__")
            if method is not None:
                return _project_call(types, function, call, method, callee)
            for path in types.classes.library_bases(node):
                behaviour = types.libraries.method(path, "__call__")
                if behaviour is not None:
                    return _library_call(types, function, call, behaviour, callee)
            return [], Unknown("object is not callable")
        case LibraryMethod(receiver=receiver, behaviour=behaviour):
            return _library_call(types, function, call, behaviour, receiver)
        case External(origin=origin) if origin.endswith(".TypedDict.get") and call.arguments:
            at = (call.sequence, call.context)
            if isinstance(call.callee, t.Attr):
                owner = types.evaluate(function, call.callee.base, at)
                if isinstance(owner, Instance):
                    field = members.field_of(types, owner, call.arguments[0])
                    if field is not None:
                        return [Target("builtin", origin)], field
            return [Target("external", origin)], External(f"{origin}()")
        case LibrarySymbol(path=path):
            return _symbol_call(types, function, call, path)
        case LibraryInstance(path="builtins.type", arguments=(LibraryInstance(path=path) as made,)):
            targets, _ = _symbol_call(types, function, call, path)
            return targets, made
        case LibraryInstance(
            path="builtins.type", arguments=(Instance(node=node, arguments=parts),)
        ):
            return _construct(types, function, call, ClassType(node, parts))
        case LibraryInstance(path=path):
            behaviour = types.libraries.method(path, "__call__")
            if behaviour is not None:
                return _library_call(types, function, call, behaviour, callee)
            return [Target("external", path)], External(f"{path}()")
        case Partial(target=target):
            return _apply(types, function, call, target)
        case Factory(result=result):
            return [Target("external", "callable")], result
        case External(origin=origin):
            return [Target("external", origin)], External(f"{origin}()")
    return [], callee if isinstance(callee, Unknown) else Unknown("not callable")


def _project_call(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode, receiver: Type | None
) -> tuple[list[Target], Type]:
    if _dispatches(types, node):
        node = dispatch.implementation(types, function, call, node)
    implementers = _implementers(types, node, receiver)
    confidence = Confidence.MEDIUM if implementers else Confidence.HIGH
    targets = [
        Target("function", item.qualname, item, None, receiver, confidence)
        for called in implementers or (node,)
        for item in running(types, called)
    ]
    result = types.returned(node)
    if node.facts.decorators and types.wrapping(node).is_async and not node.is_async:
        result = Awaitable(result)
    if implementers and isinstance(result, Unknown):
        result = union([types.returned(item) for item in implementers])
    if isinstance(receiver, Instance) and isinstance(result, Instance) and not result.arguments:
        # A method that returns its own class keeps what is known of the receiver.
        if result.node in types.classes.project_order(receiver.node):
            result = receiver
    mapping = _bindings(types, function, call, node, receiver)
    return targets, substitute(result, mapping) if mapping else result


def _dispatches(types: "Types", node: FunctionNode) -> bool:
    return bool(node.facts.decorators) and any(
        "dispatches-on-argument" in behaviour.flags
        for behaviour in decorator_behaviours(types, node)
    )


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


def _implementers(types: "Types", node: FunctionNode, receiver: Type | None) -> list[FunctionNode]:
    """Return the methods that stand for an abstract one, if the receiver may have any of them."""
    if node.owner is None or not isinstance(receiver, Instance | ClassType):
        return []
    if not types.classes.is_abstract(node.owner, node):
        return []
    found: list[FunctionNode] = []
    below = types.classes.subclasses(receiver.node) or types.classes.conforming(receiver.node)
    own = [(subclass, subclass.methods.get(node.name)) for subclass in below]
    others = [(subclass, types.classes.method(subclass, node.name)) for subclass in below]
    for subclass, method in (*own, *others):
        if (
            method is not None
            and not types.classes.is_abstract(method.owner or subclass, method)
            and method not in found
        ):
            if subclass.file.role.value == "test" and function_role(receiver.node) != "test":
                continue
            found.append(method)
    return found if len(found) <= MAX_IMPLEMENTERS else []


def function_role(node: ClassNode) -> str:
    """Return the role of a class's file."""
    return node.file.role.value


def _bindings(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode, receiver: Type | None
) -> dict[str, Type]:
    """Return what the type variables of a call's result stand for."""
    mapping: dict[str, Type] = {}
    shift = 1 if node.owner is not None and receiver is not None else 0
    if isinstance(receiver, Instance | ClassType):
        mapping["Self"] = Instance(receiver.node, receiver.arguments)
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
        given = argument(call, f"{index}|{param.name}")
        if given is None or param.annotation is None:
            continue
        declared = annotations.annotated(types, outer, param.annotation)
        actual = types.evaluate(function, given, at)
        if isinstance(declared, TypeVariable):
            mapping.setdefault(declared.name, actual)
        elif isinstance(declared, LibraryInstance) and declared.arguments:
            inner = declared.arguments[0]
            if isinstance(inner, TypeVariable):
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


def mentions_variable(value: Type) -> bool:
    """Return whether a type leaves something to the place of use."""
    match value:
        case TypeVariable():
            return True
        case (
            Instance(arguments=parts)
            | LibraryInstance(arguments=parts)
            | ClassType(arguments=parts)
        ):
            return any(mentions_variable(part) for part in parts)
        case TupleType(items=parts):
            return any(mentions_variable(part) for part in parts)
        case Awaitable(result=inner) | Factory(result=inner):
            return mentions_variable(inner)
    parts = options_of(value)
    return len(parts) > 1 and any(mentions_variable(part) for part in parts)


def _construct(
    types: "Types", function: FunctionNode, call: t.Call, callee: ClassType
) -> tuple[list[Target], Type]:
    node = callee.node
    made = Instance(node, callee.arguments or _constructed(types, function, call, node))
    targets = []
    for name in ("__init__", "__post_init__", "__new__"):
        method = types.classes.method(node, name)
        if method is not None:
            targets.append(Target("function", method.qualname, method, None, made))
    if not targets:
        for path in types.classes.library_bases(node):
            behaviour = types.libraries.constructor(path)
            if behaviour is not None:
                targets.append(Target("library", behaviour.path, None, behaviour, made))
                break
    return targets or [Target("class", node.qualname)], made


def _constructed(
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


def _symbol_call(
    types: "Types", function: FunctionNode, call: t.Call, path: str
) -> tuple[list[Target], Type]:
    if path.startswith("builtins."):
        special = _language_call(types, function, call, path)
        if special is not None:
            return [Target("builtin", path)], special
    if path in NEW_TYPES and len(call.arguments) == 2:
        # A new type is its base to whoever uses the object.
        at = (call.sequence, call.context)
        return [Target("external", path)], types.evaluate(function, call.arguments[1], at)
    if path in TYPE_VARIABLES:
        return [Target("external", path)], _type_variable(types, function, call)
    if path in CASTS and len(call.arguments) == 2:
        written = _unquoted(call.arguments[0])
        return [Target("external", path)], annotations.annotated(types, function, written)
    libraries = types.libraries
    behaviour = libraries.function(path)
    if behaviour is not None:
        if "partial" in behaviour.flags and call.arguments:
            given = types.evaluate(function, call.arguments[0], (call.sequence, call.context))
            return [Target("library", path, None, behaviour)], Partial(
                given, len(call.arguments) - 1
            )
        return _library_call(types, function, call, behaviour, None)
    if libraries.type(path) is not None:
        behaviour = libraries.constructor(path)
        made: Type = LibraryInstance(path)
        if behaviour is None:
            return [Target("library", path)], made
        targets, result = _library_call(types, function, call, behaviour, made)
        return targets, made if behaviour.returns is None else result
    if path.startswith("builtins."):
        return [Target("builtin", path)], LibraryInstance(path)
    return [Target("external", path)], External(f"{path}()")


def _type_variable(types: "Types", function: FunctionNode, call: t.Call) -> Type:
    """Return the type variable that a call makes, with what it is bound to."""
    name = call.arguments[0] if call.arguments else None
    if not isinstance(name, t.Const) or not isinstance(name.value, str):
        return Unknown("type variable")
    bound = argument(call, "bound")
    choices = call.arguments[1:] if bound is None else (bound,)
    found = [annotations.annotated(types, function, _unquoted(choice)) for choice in choices]
    known = union(found) if found else None
    return TypeVariable(name.value, None if isinstance(known, Unknown) else known)


def _unquoted(value: t.Expr) -> t.Expr:
    if isinstance(value, t.Const) and isinstance(value.value, str):
        return annotation_of(value.value)
    return value


def _language_call(types: "Types", function: FunctionNode, call: t.Call, path: str) -> Type | None:
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


def is_super(function: FunctionNode, value: t.CallRef) -> bool:
    """Return whether a call is ``super()``."""
    return function.facts.calls[value.index].callee == SUPER


def enclosing_class(function: FunctionNode) -> ClassNode | None:
    """Return the class whose method this is, or stands in."""
    scope: FunctionNode | None = function
    while scope is not None:
        if scope.owner is not None:
            return scope.owner
        scope = scope.parent
    return None


def _library_call(
    types: "Types",
    function: FunctionNode,
    call: t.Call,
    behaviour: Behaviour,
    receiver: Type | None,
) -> tuple[list[Target], Type]:
    def find(name: str) -> Type | None:
        given = argument(call, name)
        if given is None:
            return None
        return types.evaluate(function, given, (call.sequence, call.context))

    target = Target("library", behaviour.path, None, behaviour, receiver)
    result: Type = External(f"{behaviour.path}()")
    special = _given_result(types, function, call, behaviour)
    if special is not None:
        return [target], Awaitable(special) if behaviour.awaitable else special
    if behaviour.returns is not None:
        result = types.instantiate(
            behaviour.returns, receiver=receiver, arguments=annotations.Arguments(find)
        )
    if behaviour.enters is not None and not behaviour.awaitable:
        entered = types.instantiate(
            behaviour.enters, receiver=receiver, arguments=annotations.Arguments(find)
        )
        result = LibraryInstance(MANAGED, (entered,)) if behaviour.returns is None else result
    return [target], Awaitable(result) if behaviour.awaitable else result


def _given_result(
    types: "Types", function: FunctionNode, call: t.Call, behaviour: Behaviour
) -> Type | None:
    """Return the result of a call that gives what its arguments give, one by one; else None."""
    at = (call.sequence, call.context)
    if "enters-argument" in behaviour.flags and call.arguments:
        given = types.evaluate(function, call.arguments[0], at)
        return members.entered(types, given, is_async=behaviour.awaitable)
    returns = behaviour.returns
    if "gathers" not in behaviour.flags or returns is None or not returns.arguments:
        return None
    if returns.arguments[0].kind != "awaited" or not 0 < len(call.arguments) <= MAX_IMPLEMENTERS:
        return None
    found: list[Type] = []
    for item in call.arguments:
        value = types.evaluate(function, item, at)
        if isinstance(item, t.Star):
            each = members.awaited(types, members.element(types, value), lenient=True)
            return LibraryInstance("builtins.list", (union([*found, each]),))
        found.append(members.awaited(types, value, lenient=True))
    return TupleType(tuple(found))


def result_of(types: "Types", callee: Type) -> Type:
    """Return what calling a callable gives, without looking at arguments."""
    match callee:
        case FunctionType(node=node):
            return types.returned(node)
        case ClassType() | LibrarySymbol():
            if isinstance(callee, LibrarySymbol):
                behaviour = types.libraries.function(callee.path)
                if behaviour is not None:
                    given = (
                        types.instantiate(behaviour.returns)
                        if behaviour.returns
                        else External(callee.path)
                    )
                    return Awaitable(given) if behaviour.awaitable else given
            return instance_of(callee)
        case LibraryMethod(receiver=receiver, behaviour=behaviour):
            if behaviour.returns is None:
                return External(f"{behaviour.path}()")
            given = types.instantiate(behaviour.returns, receiver=receiver)
            return Awaitable(given) if behaviour.awaitable else given
        case Partial(target=target):
            return result_of(types, target)
        case Factory(result=result):
            return result
    return callee if isinstance(callee, Unknown | External) else Unknown("not callable")


def decorators(types: "Types", function: FunctionNode) -> list[tuple[Type, t.Call | None]]:
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
    for found, _ in decorators(types, function):
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
    arguments = annotations.Arguments(lambda name: given if name == "0" else None)
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


def is_memoised(types: "Types", function: FunctionNode) -> bool:
    """Return whether a decorator keeps the function's results."""
    if not function.facts.decorators:
        return False
    return any(behaviour.memoises for behaviour in decorator_behaviours(types, function))


def keeps_in_global(function: FunctionNode) -> bool:
    """Return whether a function makes a module's object on first use and keeps giving it."""
    names = set(function.facts.outer_names) & function.binds.keys()
    noted = _noted_globals(function)
    names |= noted
    if not names:
        return False
    return not noted.isdisjoint(_filled_on_error(function)) or any(
        context.kind == "if"
        and context.subject is not None
        and expression_names(function, context.subject) & names
        for context in function.facts.contexts
    )


def _noted_globals(function: FunctionNode) -> set[str]:
    """Return the collections of the module that a function asks for something and adds it to."""
    asked = {
        context.subject.right.id
        for context in function.facts.contexts
        if isinstance(context.subject, t.Compare)
        and context.subject.operator in ("In", "NotIn")
        and isinstance(context.subject.right, t.Name)
    }
    asked |= set(_filled_on_error(function))
    outer = {name for name in asked if _is_of_module(function, name)}
    if not outer:
        return set()
    added = {
        call.callee.base.id
        for call in function.facts.calls
        if isinstance(call.callee, t.Attr)
        and call.callee.name in ("add", "append", "setdefault", "update")
        and isinstance(call.callee.base, t.Name)
    }
    added |= {
        bind.target.base.id
        for bind in function.facts.binds
        if isinstance(bind.target, t.Item) and isinstance(bind.target.base, t.Name)
    }
    return outer & added


def _filled_on_error(function: FunctionNode) -> Iterator[str]:
    """Yield the names of the mappings that get an entry where asking for it raised a KeyError."""
    contexts = function.facts.contexts
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Item) and isinstance(bind.target.base, t.Name):
            chain = [contexts[number] for number in function.context_chain(bind.context)]
            if any(
                here.kind == "except"
                and here.subject is not None
                and "KeyError" in expression_names(function, here.subject)
                for here in chain
            ):
                yield bind.target.base.id


def _is_of_module(function: FunctionNode, name: str) -> bool:
    """Return whether a name is an object of the module, or of a part of one, in a function."""
    module = function.file.body.binds
    binds = function.binds.get(name)
    if binds is None:
        return name in module
    for bind in binds:
        root = bind.value
        while isinstance(root, t.Item | t.Attr):
            root = root.base
        if not isinstance(root, t.Name) or root.id in function.binds or root.id not in module:
            return False
    return True


def keeps_by_name(function: FunctionNode) -> bool:
    """Return whether an undescribed decorator says by its name that it keeps results."""
    if function.parent is None:
        return False
    names = [spelled(function.parent, item) for item in function.facts.decorators]
    return any(KEEPERS.search(name) and not EMPTIERS.search(name) for name in names)


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


def injected(types: "Types", outer: FunctionNode, index: int) -> Type | None:
    """Return what a marker such as ``Depends(get_session)`` injects, or None for another call."""
    callee = types.call(outer, index).callee
    if not _is_injector(types, callee):
        return None
    call = outer.facts.calls[index]
    given = argument(call, "0|dependency|use")
    if given is None:
        return Unknown("dependency by annotation")
    return _provided(types, types.evaluate(outer, given, (call.sequence, call.context)))


def injected_item(types: "Types", outer: FunctionNode, marker: t.Item) -> Type | None:
    """Return what a marker such as ``Provide[Container.client]`` injects, or None for others."""
    if not _is_injector(types, types.evaluate(outer, marker.base, AT_END)):
        return None
    return _provided(types, types.evaluate(outer, marker.key, AT_END))


def _is_injector(types: "Types", callee: Type) -> bool:
    return isinstance(callee, LibrarySymbol) and any(
        callee.path in framework.dependencies for framework in types.libraries.frameworks
    )


def _provided(types: "Types", provider: Type) -> Type:
    result = members.awaited(types, result_of(types, provider), lenient=True)
    if isinstance(provider, FunctionType) and provider.node.facts.is_generator:
        return members.element(types, result)
    return result


def returned(types: "Types", function: FunctionNode) -> Type:
    """Return what calling a project function gives.

    This is an awaitable, an iterator or a context manager where it is one.
    """
    facts = function.facts
    declared: Type = Unknown("no annotation")
    if facts.returns is not None and function.parent is not None:
        declared = annotations.annotated(types, function.parent, facts.returns)
    manager = bool(facts.is_generator) and any(
        path in CONTEXT_MANAGERS for path in decorator_paths(types, function)
    )
    if facts.is_generator:
        given = members.element(types, declared) if not isinstance(declared, Unknown) else declared
        if isinstance(given, Unknown):
            given = _yielded(types, function)
        return LibraryInstance(MANAGED if manager else "builtins.iterator", (given,))
    result = declared
    if is_weak(types, result):
        result = refined(result, _inferred(types, function))
    return Awaitable(result) if facts.is_async else result


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


def _inferred(types: "Types", function: FunctionNode) -> Type:
    results = [item for item in function.facts.results if item.kind == "return"]
    if not results:
        return NONE
    found: list[Type] = []
    for item in results[:12]:
        if item.value is None:
            found.append(NONE)
        else:
            found.append(types.evaluate(function, item.value, (item.sequence, item.context)))
    return union(found)


def _yielded(types: "Types", function: FunctionNode) -> Type:
    found = []
    for item in function.facts.results:
        if item.value is None or item.kind == "return":
            continue
        value = types.evaluate(function, item.value, (item.sequence, item.context))
        found.append(members.element(types, value) if item.kind == "yield from" else value)
    return union(found) if found else Unknown("yields nothing known")
