"""What callables give that a framework calls, and what is injected by them."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import members
from perfaudit.program.classes import instance_of
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import (
    Awaitable,
    ClassType,
    External,
    Factory,
    FunctionType,
    Instance,
    LibraryMethod,
    LibrarySymbol,
    Partial,
    Type,
    Unknown,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def injected(types: "Types", outer: FunctionNode, index: int) -> Type | None:
    """Return what a marker such as ``Depends(get_session)`` injects, or None for another call."""
    callee = types.call(outer, index).callee
    if not _is_injector(types, callee):
        return None
    call = outer.facts.calls[index]
    given = argument(call, "0|dependency|use")
    if given is None:
        return Unknown("dependency by annotation")
    marked = injected_item(types, outer, given) if isinstance(given, t.Item) else None
    if marked is not None:
        return marked
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


def provided(types: "Types", value: Type) -> Type:
    """Return what is injected for a value: what a provider gives, or anything else as it is."""
    given = _provided(types, value)
    return value if isinstance(given, Unknown) else given


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
        case Instance(node=node):
            method = types.classes.method(node, "__call__")
            if method is not None:
                return members.returned_by(types, callee, method)
        case Partial(target=target):
            return result_of(types, target)
        case Factory(result=result):
            return result
    return callee if isinstance(callee, Unknown | External) else Unknown("not callable")
