"""What a call runs, and what it gives."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import dispatch, members
from perfaudit.program.decorators import decorator_behaviours, running
from perfaudit.program.expressions import argument, argument_for
from perfaudit.program.implementers import MAX_IMPLEMENTERS, implementers, takes_keywords
from perfaudit.program.language_calls import language_call, made_above, typing_call
from perfaudit.program.made_around import made_of_given
from perfaudit.program.named_classes import CLASS_BY_NAME, class_by_name, class_through
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.returns import passed_on, returned_besides
from perfaudit.program.told_receivers import told_by
from perfaudit.program.type_variables import bindings, constructed
from perfaudit.program.values import (
    MANAGED,
    Arguments,
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
    Unknown,
    bounded,
    is_unread,
    mentions_variable,
    options_of,
    substitute,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_HOPS = 8


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

    def has_flag(self, *flags: str) -> bool:
        """Return whether a library says one of some flags of what the call may run."""
        return any(
            target.behaviour is not None and not set(flags).isdisjoint(target.behaviour.flags)
            for target in self.targets
        )


def resolve(types: "Types", function: FunctionNode, call: t.Call) -> Resolved:
    """Return what the call may run and what it gives."""
    at = (call.sequence, call.context)
    callee = told_by(types, function, call, types.evaluate(function, call.callee, at))
    runs = [_apply(types, function, call, option) for option in options_of(callee)]
    groups = [found for found, _ in runs]
    results = [result for _, result in runs]
    if call.awaited:
        groups, results = _awaitable_only(groups, results)
    targets = groups[0] if len(groups) == 1 else [each for group in groups for each in group]
    if _are_several(groups) or is_supposed(types, function, call.callee, at):
        targets = [_doubted(target) for target in targets]
    elif len(groups) > 1 and any(map(_is_free, groups)):
        # What has a method of a dict and one of a query by the same name is hardly ever both.
        targets = [_doubted(target) if _costs(target) else target for target in targets]
    return Resolved(tuple(targets), union(results), callee)


def _are_several(groups: list[list[Target]]) -> bool:
    """Return whether more than one of the alternatives runs a function of the project."""
    if len(groups) < 2:
        return False
    ways = [group for group in groups if any(target.function is not None for target in group)]
    return len(ways) > 1


def _is_free(group: list[Target]) -> bool:
    """Return whether what one kind of receiver runs is known, and costs nothing."""
    return bool(group) and not any(
        target.kind == "external" or _costs(target) or target.function for target in group
    )


def _costs(target: Target) -> bool:
    return target.behaviour is not None and bool(target.behaviour.effects)


def is_supposed(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether an expression leans on an attribute that only subclasses have."""
    if not types.supposed:
        return False
    for _ in range(MAX_HOPS):
        if type(value) is t.Attr:
            lacking = types.supposed.get(value.name)
            if lacking and any(
                isinstance(owner, Instance) and owner.node in lacking
                for owner in options_of(types.evaluate(function, value.base, at))
            ):
                return True
            value = value.base
        elif type(value) is t.Name:
            binds = function.binds.get(value.id, [])
            bound = binds[0].value if len(binds) == 1 else None
            if bound is None or binds[0].sequence >= at[0]:
                return False
            value, at = bound, (binds[0].sequence, binds[0].context)
        elif type(value) is t.CallRef:
            value = function.facts.calls[value.index].callee
        elif type(value) is t.Await or type(value) is t.Entered:
            value = value.value
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
    return not any(type(part) is Awaitable or type(part) is Unknown for part in options_of(value))


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


_Run = tuple[list[Target], Type]
"""What a call of one value may run, and what it gives."""


def _apply(types: "Types", function: FunctionNode, call: t.Call, callee: Type) -> _Run:
    of_kind = _RUNS.get(type(callee))
    return (
        ([], Unknown("not callable")) if of_kind is None else of_kind(types, function, call, callee)
    )


def _call_function(
    types: "Types", function: FunctionNode, call: t.Call, callee: FunctionType
) -> _Run:
    return _project_call(types, function, call, callee.node, callee.receiver)


def _call_instance(types: "Types", function: FunctionNode, call: t.Call, callee: Instance) -> _Run:
    method = types.classes.method(callee.node, "__call__")
    if method is not None:
        return _project_call(types, function, call, method, callee)
    for path in types.classes.library_bases(callee.node):
        behaviour = types.libraries.method(path, "__call__")
        if behaviour is not None:
            return _library_call(types, function, call, behaviour, callee)
    return [], Unknown("object is not callable")


def _call_method(
    types: "Types", function: FunctionNode, call: t.Call, callee: LibraryMethod
) -> _Run:
    return _library_call(types, function, call, callee.behaviour, callee.receiver)


def _call_symbol(
    types: "Types", function: FunctionNode, call: t.Call, callee: LibrarySymbol
) -> _Run:
    return _symbol_call(types, function, call, callee.path)


def _call_external(types: "Types", function: FunctionNode, call: t.Call, callee: External) -> _Run:
    origin = callee.origin
    if origin.endswith(".TypedDict.get") and call.arguments and isinstance(call.callee, t.Attr):
        owner = types.evaluate(function, call.callee.base, (call.sequence, call.context))
        if isinstance(owner, Instance):
            field = members.field_of(types, owner, call.arguments[0])
            if field is not None:
                return [Target("builtin", origin)], field
    return [Target("external", origin)], External(f"{origin}()")


def _call_object(
    types: "Types", function: FunctionNode, call: t.Call, callee: LibraryInstance
) -> _Run:
    """Return what calling a library's object runs, or the class that ``type[Book]`` says."""
    path = callee.path
    made = callee.arguments[0] if len(callee.arguments) == 1 else None
    if path == "builtins.type" and isinstance(made, LibraryInstance):
        targets, _ = _symbol_call(types, function, call, made.path)
        return targets, made
    if path == "builtins.type" and isinstance(made, Instance):
        return _construct(types, function, call, ClassType(made.node, made.arguments))
    behaviour = types.libraries.method(path, "__call__")
    if behaviour is not None:
        return _library_call(types, function, call, behaviour, callee)
    return [Target("external", path)], External(f"{path}()")


def _call_partial(types: "Types", function: FunctionNode, call: t.Call, callee: Partial) -> _Run:
    return _apply(types, function, call, callee.target)


def _call_factory(types: "Types", function: FunctionNode, call: t.Call, callee: Factory) -> _Run:
    return [Target("external", "callable")], callee.result


def _call_unknown(types: "Types", function: FunctionNode, call: t.Call, callee: Unknown) -> _Run:
    return [], callee


def _project_call(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode, receiver: Type | None
) -> _Run:
    if _dispatches(types, node):
        node = dispatch.implementation(types, function, call, node)
    standing = implementers(types, node, receiver)
    standing = [each for each in standing if takes_keywords(each, call)]
    confidence = Confidence.MEDIUM if standing else Confidence.HIGH
    targets = [
        Target("function", item.qualname, item, None, receiver, confidence)
        for called in standing or (node,)
        for item in running(types, called)
    ]
    result = types.returned(node)
    names = () if standing else passed_on(node)
    if names:
        passed = _passed(types, function, call, node, names)
        # Each of its calls of itself would be told apart again, in what it gives.
        result = bounded(union([returned_besides(types, node, names), *passed]))
    if node.facts.decorators and types.wrapping(node).is_async and not node.is_async:
        result = Awaitable(result)
    if standing and isinstance(result, Unknown):
        result = union([types.returned(item) for item in standing])
    if isinstance(receiver, Instance) and isinstance(result, Instance) and not result.arguments:
        # A method that returns its own class keeps what is known of the receiver.
        if result.node in types.classes.project_order(receiver.node):
            result = receiver
    if is_unread(result):
        result = class_through(types, node, call) or result
    result = made_of_given(types, function, call, node, result)
    if mentions_variable(result):
        result = substitute(result, bindings(types, function, call, node, receiver))
    return targets, result


def _passed(
    types: "Types",
    function: FunctionNode,
    call: t.Call,
    node: FunctionNode,
    names: tuple[str, ...],
) -> Iterator[Type]:
    """Yield what a call gives for some parameters of its function, or their defaults."""
    at = (call.sequence, call.context)
    for name in names:
        given = argument_for(call, node, name)
        if given is not None:
            yield types.evaluate(function, given, at)
        elif node.parent is not None and (default := node.params[name].default) is not None:
            yield types.evaluate(node.parent, default, (AT_END[0], node.facts.context))


def _dispatches(types: "Types", node: FunctionNode) -> bool:
    return bool(node.facts.decorators) and any(
        "dispatches-on-argument" in behaviour.flags
        for behaviour in decorator_behaviours(types, node)
    )


def _construct(types: "Types", function: FunctionNode, call: t.Call, callee: ClassType) -> _Run:
    node = callee.node
    made = Instance(node, callee.arguments or constructed(types, function, call, node))
    targets = []
    for name in ("__init__", "__post_init__", "__new__"):
        method = types.classes.method(node, name)
        if method is not None:
            if name == "__init__" and not made.arguments:
                made = _around_handed_items(types, function, call, method, made)
            targets.append(Target("function", method.qualname, method, None, made))
    if not targets:
        for path in types.classes.library_bases(node):
            behaviour = types.libraries.constructor(path)
            if behaviour is not None:
                if not made.arguments and types.libraries.is_made_of_items(path):
                    made = _around_items(types, function, call, behaviour, made)
                targets.append(Target("library", behaviour.path, None, behaviour, made))
                break
    for hook in types.hooks(node):
        targets.append(Target("function", hook.qualname, hook, None, made))
    return targets or [Target("class", node.qualname)], made


def _around_handed_items(
    types: "Types", function: FunctionNode, call: t.Call, method: FunctionNode, made: Instance
) -> Instance:
    """Return the same for an object whose own method hands what it is given to the library's."""
    for path in types.classes.library_bases(made.node):
        behaviour = types.libraries.constructor(path)
        if behaviour is not None and types.libraries.is_made_of_items(path):
            above = made_above(method, call)
            return _around_items(types, function, above, behaviour, made) if above else made
    return made


def _around_items(
    types: "Types", function: FunctionNode, call: t.Call, behaviour: Behaviour, made: Instance
) -> Instance:
    """Return an object of the project whose library class is made around what it is given."""
    _, above = _library_call(types, function, call, behaviour, None)
    parts = above.arguments if isinstance(above, LibraryInstance) else ()
    known = not any(isinstance(part, Unknown | External) for part in parts)
    return Instance(made.node, parts) if known else made


def _symbol_call(types: "Types", function: FunctionNode, call: t.Call, path: str) -> _Run:
    if path.startswith("builtins."):
        special = language_call(types, function, call, path)
        if special is not None:
            return [Target("builtin", path)], special
    typed = typing_call(types, function, call, path)
    if typed is not None:
        return [Target("external", path)], typed
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


def _library_call(
    types: "Types",
    function: FunctionNode,
    call: t.Call,
    behaviour: Behaviour,
    receiver: Type | None,
) -> _Run:
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
        result = types.instantiate(behaviour.returns, receiver=receiver, arguments=Arguments(find))
    if behaviour.enters is not None and not behaviour.awaitable:
        entered = types.instantiate(behaviour.enters, receiver=receiver, arguments=Arguments(find))
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
    if CLASS_BY_NAME in behaviour.flags:
        return class_by_name(types, call)
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


_RUNS: dict[type, Callable[["Types", FunctionNode, t.Call, Any], _Run]] = {
    FunctionType: _call_function,
    ClassType: _construct,
    Instance: _call_instance,
    LibraryMethod: _call_method,
    LibrarySymbol: _call_symbol,
    External: _call_external,
    LibraryInstance: _call_object,
    Partial: _call_partial,
    Factory: _call_factory,
    Unknown: _call_unknown,
}
"""What a call of a value of each kind runs; others cannot be called."""
