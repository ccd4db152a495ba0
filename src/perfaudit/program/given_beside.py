"""What a function is given by a call that is handed it: ``submit(work, store)``."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import providers
from perfaudit.program.expressions import argument, argument_at
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ClassType, FunctionType, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

INJECTS = "injects"


class Beside(NamedTuple):
    """What a call gives for a parameter of a function that is one of its arguments."""

    caller: FunctionNode
    number: int
    value: t.Expr
    type: Type


def given_with(
    types: "Types",
    site: tuple[FunctionNode, int, int],
    function: FunctionNode,
    position: int | None,
    name: str,
) -> Beside | None:
    """Return what a call gives for a parameter of a function that is its argument at a place.

    The parameter has a name, or a position that is counted with the receiver.
    """
    caller, index, place = site
    call = caller.facts.calls[index]
    behaviours = [
        target.behaviour
        for target in types.call(caller, index).targets
        if target.behaviour is not None and _hands_on(target.behaviour, call, place)
    ]
    if not behaviours:
        return None
    at = (call.sequence, call.context)
    shift = _shift(types, types.evaluate(caller, call.arguments[place], at), function)
    if shift is None or (position is not None and position < shift):
        return None
    behind = msgspec.structs.replace(call, arguments=call.arguments[place + 1 :])
    given = argument_at(behind, None if position is None else position - shift, name)
    if given is None:
        return None
    value = types.evaluate(caller, given, at)
    if any(INJECTS in behaviour.flags for behaviour in behaviours):
        value = providers.provided(types, value)
    return Beside(caller, index, given, value)


def _hands_on(behaviour: Behaviour, call: t.Call, place: int) -> bool:
    """Return whether what stands behind a callable is given to it, when it runs."""
    if place == 0 and not {"partial", INJECTS}.isdisjoint(behaviour.flags):
        return True
    return any(
        callback.where not in ("inline", "never")
        and not callback.each
        and argument(call, callback.argument) is call.arguments[place]
        for callback in behaviour.runs
    )


def _shift(types: "Types", value: Type, function: FunctionNode) -> int | None:
    """Return how many parameters the receiver takes; None where another function is handed on."""
    for option in options_of(value):
        match option:
            case FunctionType(node=node, receiver=receiver) if node is function:
                return int(receiver is not None and node.owner is not None)
            case ClassType(node=node) if types.classes.method(node, "__init__") is function:
                return 1
    return None
