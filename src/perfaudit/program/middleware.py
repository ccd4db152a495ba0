"""Middleware: what runs for each request, and what only makes it when the application starts."""

from perfaudit.program.infer import Types
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import FunctionType, Instance, options_of

WRAPPED = frozenset({"app", "get_response"})
"""Names of the parameter by which a middleware is given what it wraps."""


def run_by_middleware(types: Types, function: FunctionNode) -> list[tuple[str, FunctionNode]]:
    """Return what a function that is registered as middleware leads to: kinds of entry points.

    One that makes the middleware runs at start-up, and what it returns runs for each request.
    """
    made = _callables_returned(types, function)
    wraps = not function.is_async and not WRAPPED.isdisjoint(function.params)
    if not made and not wraps and function.name != "__init__":
        return [("middleware", function)]
    return [("lifespan", function), *(("middleware", callable_) for callable_ in made)]


def _callables_returned(types: Types, function: FunctionNode) -> list[FunctionNode]:
    found = []
    for option in options_of(types.returned(function)):
        if isinstance(option, FunctionType):
            found.append(option.node)
        elif isinstance(option, Instance):
            method = types.classes.method(option.node, "__call__")
            if method is not None:
                found.append(method)
    return found
