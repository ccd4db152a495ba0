"""What frameworks hand to handlers, whose parameters rarely say what they are: the request."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING

from perfaudit.libraries.types import Framework
from perfaudit.program import members
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import Instance, LibraryInstance, Type

if TYPE_CHECKING:
    from perfaudit.program.endpoints import Endpoint
    from perfaudit.program.infer import Types

HANDED_KINDS = frozenset({"route", "websocket", "middleware", "lifespan"})
"""Kinds of endpoints whose handlers are given something by their framework."""


def handed_parameters(
    types: "Types", endpoints: Sequence["Endpoint"]
) -> dict[tuple[FunctionNode, str], Type]:
    """Return the types of the parameters that frameworks fill in, by function and name."""
    handing = [
        (found, {route.path for route in found.routes if route.form == "decorator"})
        for found in types.libraries.frameworks
        if found.handed
    ]
    return {
        (function, name): value
        for endpoint in endpoints
        if endpoint.kind in HANDED_KINDS
        for function, name, value in _of_endpoint(types, endpoint, _words(handing, endpoint))
    }


def _of_endpoint(
    types: "Types", endpoint: "Endpoint", given: Mapping[str, str]
) -> Iterator[tuple[FunctionNode, str, Type]]:
    methods = () if endpoint.view is None else endpoint.dependencies
    for function in (endpoint.handler, *(one for one in methods if one.owner is not None)):
        first = 0 if function.owner is None else 1
        positional = [item for item in function.facts.params if item.kind == "positional"]
        name = positional[first].name if len(positional) > first else ""
        if name in given:
            value = _value(types, endpoint, function, name, given[name])
            if value is not None:
                yield function, name, value


def _words(
    handing: Sequence[tuple[Framework, Set[str]]], endpoint: "Endpoint"
) -> Mapping[str, str]:
    """Return what the framework hands over: that of a decorator, where one makes the handler."""
    for found, made in handing:
        if not made.isdisjoint(endpoint.decorators):
            return found.handed
    return next((found.handed for found, _ in handing if found.library == endpoint.framework), {})


def _value(
    types: "Types", endpoint: "Endpoint", function: FunctionNode, name: str, path: str
) -> Type | None:
    """Return what a function is handed; a method of a view what the view keeps of it."""
    if function.owner is None or endpoint.view is None or endpoint.kind == "middleware":
        return LibraryInstance(path)
    kept = members.member(types, Instance(endpoint.view), name)
    return kept if isinstance(kept, LibraryInstance) else None
