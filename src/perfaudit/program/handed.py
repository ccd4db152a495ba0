"""What frameworks hand to handlers, whose parameters rarely say what they are: the request."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

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
    return {
        (function, name): value
        for endpoint in endpoints
        for function, name, value in _of_endpoint(types, endpoint)
    }


def _of_endpoint(types: "Types", endpoint: "Endpoint") -> Iterator[tuple[FunctionNode, str, Type]]:
    if endpoint.kind not in HANDED_KINDS:
        return
    given = _words(types, endpoint)
    methods = () if endpoint.view is None else endpoint.dependencies
    for function in (endpoint.handler, *(one for one in methods if one.owner is not None)):
        first = 0 if function.owner is None else 1
        positional = [item for item in function.facts.params if item.kind == "positional"]
        name = positional[first].name if len(positional) > first else ""
        if name in given:
            value = _value(types, endpoint, function, name, given[name])
            if value is not None:
                yield function, name, value


def _words(types: "Types", endpoint: "Endpoint") -> dict[str, str]:
    """Return what the framework hands over: that of a decorator, where one makes the handler."""
    frameworks = [found for found in types.libraries.frameworks if found.handed]
    for found in frameworks:
        made = {route.path for route in found.routes if route.form == "decorator"}
        if not made.isdisjoint(endpoint.decorators):
            return found.handed
    return next((found.handed for found in frameworks if found.library == endpoint.framework), {})


def _value(
    types: "Types", endpoint: "Endpoint", function: FunctionNode, name: str, path: str
) -> Type | None:
    """Return what a function is handed; a method of a view what the view keeps of it."""
    if function.owner is None or endpoint.view is None or endpoint.kind == "middleware":
        return LibraryInstance(path)
    kept = members.member(types, Instance(endpoint.view), name)
    return kept if isinstance(kept, LibraryInstance) else None
