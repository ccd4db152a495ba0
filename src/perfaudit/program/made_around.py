"""What a function gives that is made around what a call gives it: pages of its rows."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from perfaudit.facts import types as t
from perfaudit.program import members
from perfaudit.program.expressions import argument_for
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_types import is_around_rows
from perfaudit.program.values import External, Instance, LibraryInstance, Type, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def made_of_given(
    types: "Types", function: FunctionNode, call: t.Call, node: FunctionNode, result: Type
) -> Type:
    """Return what a call gives, around the items of this call where all callers' are known.

    A function that makes pages of what it is given has pages of what all its callers give.
    """
    if not isinstance(result, Instance | LibraryInstance) or len(result.arguments) != 1:
        return result
    if isinstance(result, LibraryInstance) and result.path.startswith("builtins."):
        return result
    for index, inner in enumerate(node.facts.calls):
        name = _first_parameter(node, inner)
        if not name or not _is_around(types, types.call(node, index).result, result.arguments):
            continue
        given = argument_for(call, node, name)
        if given is None:
            return result
        at = (call.sequence, call.context)
        item = members.element(types, types.evaluate(function, given, at))
        if any(isinstance(option, Unknown | External) for option in options_of(item)):
            return result
        return replace(result, arguments=(item,))
    return result


def _first_parameter(node: FunctionNode, call: t.Call) -> str:
    """Return the parameter that a call hands on first, empty for anything else."""
    first = call.arguments[0] if call.arguments else None
    if not isinstance(first, t.Name) or first.id not in node.params or first.id in node.binds:
        return ""
    return first.id


def _is_around(types: "Types", made: Type, items: tuple[Type, ...]) -> bool:
    """Return whether an object is made around items that it asks for later."""
    if not isinstance(made, Instance | LibraryInstance) or made.arguments != items:
        return False
    if isinstance(made, LibraryInstance):
        return types.libraries.is_made_of_items(made.path)
    return is_around_rows(types, made)
