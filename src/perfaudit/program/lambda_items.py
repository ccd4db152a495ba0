"""What a lambda is given where a call runs it for each item, as ``key`` of a sort does."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import members
from perfaudit.program.expressions import argument
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import Type

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def item_given(types: "Types", function: FunctionNode, param: t.Param) -> Type | None:
    """Return the type of the items that the only parameter of a lambda stands for, if known."""
    parent = function.parent
    if function.kind != "lambda" or parent is None or len(function.facts.params) != 1:
        return None
    own = t.Lambda(function.index)
    for index, call in enumerate(parent.facts.calls):
        if own not in call.given:
            continue
        for target in types.call(parent, index).targets:
            for callback in target.behaviour.runs if target.behaviour is not None else ():
                if callback.each and argument(call, callback.argument) == own:
                    return _item(types, parent, call, own)
    return None


def _item(types: "Types", parent: FunctionNode, call: t.Call, own: t.Lambda) -> Type | None:
    """Return what iterating the other argument gives, or else the object the call is made on."""
    at = (call.sequence, call.context)
    others = [value for value in call.arguments if value != own]
    walked = others[-1] if others else None
    if walked is None and isinstance(call.callee, t.Attr):
        walked = call.callee.base
    return None if walked is None else members.element(types, types.evaluate(parent, walked, at))
