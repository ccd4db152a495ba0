"""What a function is given where it is run: by a call, a property, an operator, or item by item."""

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument_for, is_bound
from perfaudit.program.sites import Edge

OF_VALUE = frozenset({"show", "len", "bool", "iterate", "index"})
"""Ways to run a method of the object that an edge names."""
CONTAINS = "__contains__"


def given_for(edge: Edge, name: str) -> t.Expr | None:
    """Return the expression of the caller that a parameter stands for, or whose items it does."""
    if name not in edge.callee.params:
        return None
    if edge.each:
        return walked_by(edge) if item_param(edge) == name else None
    is_first = edge.callee.facts.params[0].name == name
    if edge.via == "call" and edge.call is not None:
        return argument_for(edge.call, edge.callee, name)
    return _receiver(edge) if is_first else None


def passed_as(edge: Edge, asked: t.Expr) -> t.Expr | None:
    """Return what a call passes for a parameter that the callee asks about and never binds anew."""
    callee = edge.callee
    if edge.call is None or not isinstance(asked, t.Name) or asked.id in callee.binds:
        return None
    return argument_for(edge.call, callee, asked.id) if asked.id in callee.params else None


def item_param(edge: Edge) -> str:
    """Return the parameter that gets the items where a call runs a function for each of them.

    A method of the caller's own object has that object before it.
    """
    params = [param.name for param in edge.callee.facts.params]
    own = edge.caller.facts.params[:1]
    is_own = edge.call is not None and any(
        isinstance(value, t.Attr) and value.base == t.Name(own[0].name) and is_callback(value, edge)
        for value in edge.call.given
        if own
    )
    position = 1 if is_own and is_bound(edge.callee) else 0
    return params[position] if position < len(params) else ""


def _receiver(edge: Edge) -> t.Expr | None:
    """Return the object whose method an edge runs without a call of it."""
    value = edge.value
    if edge.via == "property":
        return value.base if isinstance(value, t.Attr) else None
    if edge.via in OF_VALUE:
        return value
    if edge.via == "operator":
        if isinstance(value, t.Binary | t.Compare):
            return value.right if edge.callee.name == CONTAINS else value.left
        return value
    return None


def walked_by(edge: Edge) -> t.Expr | None:
    """Return what a call such as ``map(f, items)`` or ``items.sort(key=f)`` walks."""
    if edge.call is None:
        return None
    for value in reversed(edge.call.arguments):
        if not isinstance(value, t.Lambda) and not is_callback(value, edge):
            return value
    callee = edge.call.callee
    return callee.base if isinstance(callee, t.Attr) else None


def is_callback(value: t.Expr, edge: Edge) -> bool:
    """Return whether an argument is the function that an edge runs."""
    return isinstance(value, t.Name | t.Attr) and (
        (value.id if isinstance(value, t.Name) else value.name) == edge.callee.name
    )
