"""Which implementation of a function runs, where the class of an argument decides that."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.classes import instance_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import Instance, Type, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

REGISTER = "register"


def implementation(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode
) -> FunctionNode:
    """Return what a call of a dispatching function runs: what is registered with it, or itself."""
    if not call.arguments:
        return node
    given = types.evaluate(function, call.arguments[0], (call.sequence, call.context))
    fitting = [
        candidate
        for candidate in node.file.functions
        if candidate.parent is node.parent
        and candidate.facts.decorators
        and _fits(types, given, _registered_for(types, node, candidate))
    ]
    return fitting[-1] if fitting else node


def _registered_for(types: "Types", node: FunctionNode, candidate: FunctionNode) -> Type | None:
    """Return the type of the objects that an implementation is registered for, or None."""
    outer = candidate.parent or candidate
    first = int(candidate.owner is not None)
    wanted = t.Attr(t.Name(node.name), REGISTER)
    for decorator in candidate.facts.decorators:
        if decorator == wanted:
            params = candidate.facts.params[first:]
            if params and params[0].annotation is not None:
                return types.param(candidate, params[0])
        elif isinstance(decorator, t.CallRef):
            call = outer.facts.calls[decorator.index]
            if call.callee == wanted and call.arguments:
                return instance_of(types.evaluate(outer, call.arguments[0], AT_END))
    return None


def _fits(types: "Types", given: Type, wanted: Type | None) -> bool:
    """Return whether an object is surely of a type."""
    if wanted is None or isinstance(wanted, Unknown):
        return False
    choices = options_of(wanted)
    return all(
        option in choices
        or (
            isinstance(option, Instance)
            and any(
                isinstance(choice, Instance)
                and choice.node in types.classes.project_order(option.node)
                for choice in choices
            )
        )
        for option in options_of(given)
    )
