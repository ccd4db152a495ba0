"""Coroutines whose results are kept for long, and asked for with nothing of a request."""

from perfaudit.facts import types as t
from perfaudit.program.arguments import passed_to
from perfaudit.program.decorators import decorator_behaviours, decorators_of, method_kind
from perfaudit.program.kept_results import is_memoised
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Edge
from perfaudit.program.values import FunctionType, LibraryInstance, options_of

MAX_AWAITS = 3
"""How many awaits may lie between what keeps its result and a coroutine that it runs."""
EXPIRES = "expires"
LONG = 60
"""From how many seconds on a result is kept for long."""
DATABASE = "db."
"""How the effects begin of what is done with a connection."""


def runs_for_all(program: Program, function: FunctionNode, steps: int = MAX_AWAITS) -> bool:
    """Return whether a coroutine runs once in a long while, or only such ones await it.

    Some call of it gives it nothing that its result is kept by, so it is the same for everybody.
    """
    edges = program.edges_to(function)
    if _is_kept_for_long(program, function):
        return any(_gives_nothing_of_its_own(program, edge) for edge in edges)
    return (
        steps > 0
        and bool(edges)
        and not program.is_entry(function)
        and all(
            edge.how == "call" and runs_for_all(program, edge.caller, steps - 1) for edge in edges
        )
    )


def _is_kept_for_long(program: Program, function: FunctionNode) -> bool:
    if not is_memoised(program.types, function):
        return False
    numbers = [
        value.value
        for call in _calls_of_decorators(program, function)
        for value in call.given
        if isinstance(value, t.Const) and isinstance(value.value, int | float)
    ]
    expires = any(
        EXPIRES in behaviour.flags for behaviour in decorator_behaviours(program.types, function)
    )
    return not expires or all(given >= LONG for given in numbers if given is not True and given)


def _calls_of_decorators(program: Program, function: FunctionNode) -> list[t.Call]:
    return [call for _, call in decorators_of(program.types, function) if call is not None]


def _gives_nothing_of_its_own(program: Program, edge: Edge) -> bool:
    """Return whether a call gives what keeps its result only constants, and what no key is of."""
    function, call = edge.callee, edge.call
    if edge.how != "call" or call is None or any(key == "**" for key, _ in call.keywords):
        return False
    params = list(function.facts.params)
    if function.owner is not None and method_kind(program.types, function) != "static":
        if function.owner not in program.process_wide:
            return False
        params = params[1:]
    if any(isinstance(value, t.Star) for value in call.arguments):
        return False
    return all(_is_the_same(program, edge, call, param) for param in params)


def _is_the_same(program: Program, edge: Edge, call: t.Call, param: t.Param) -> bool:
    if param.kind.startswith("*"):
        return True
    value = passed_to(program, edge.callee, param, call)
    if value is None:
        return param.default is not None
    if isinstance(value, t.Const):
        return True
    at = (edge.sequence, edge.context)
    return _says_its_keys(program, edge.callee) and all(
        isinstance(option, LibraryInstance) and _is_connection(program, option)
        for option in options_of(program.types.evaluate(edge.caller, value, at))
    )


def _says_its_keys(program: Program, function: FunctionNode) -> bool:
    """Return whether a decorator is given a function, which says by what results are kept."""
    outer = function.parent
    return outer is not None and any(
        isinstance(value, t.Lambda)
        or isinstance(program.types.evaluate(outer, value, AT_END), FunctionType)
        for call in _calls_of_decorators(program, function)
        for value in call.given
    )


def _is_connection(program: Program, value: LibraryInstance) -> bool:
    """Return whether an object of a library is what queries are sent by."""
    found = program.types.libraries.type(value.path)
    return found is not None and any(
        effect.startswith(DATABASE)
        for method in found.methods.values()
        for effect in method.effects
    )
