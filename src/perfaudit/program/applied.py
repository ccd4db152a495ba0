"""Where a function of the project runs a callable that it is given for each of the rows it walks.

A page helper is one: ``paginate(query, serialize)`` calls ``serialize`` for each row of the page.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.facts import types as t
from perfaudit.program.edge_values import is_callback
from perfaudit.program.expressions import argument_for, is_bound
from perfaudit.program.loops import target_names
from perfaudit.program.nodes import is_handler
from perfaudit.program.row_spots import Spot, Way
from perfaudit.program.sites import Edge
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class Applied(Struct, frozen=True):
    """A loop of a helper that runs what the helper was given for each item.

    ``spot``: where the loop stands, entered by the call of the helper. ``items``: what is walked.
    ``inner``: the run of the callable inside the helper. ``item``: its parameter that gets the row.
    """

    spot: Spot
    items: t.Expr
    loop: int
    inner: Edge
    item: str


def applied_by(program: "Program", edge: Edge) -> Iterator[Applied]:
    """Yield each loop in which a project function that is called runs a callback per item."""
    for given, name, way in _handed(program, edge):
        yield from _runs(program, edge, given, name, way)


def is_of_helper(program: "Program", edge: Edge) -> bool:
    """Return whether a project function calls the callback itself: its loops say what it gets."""
    return any(
        call.callee == t.Name(name)
        for _, name, way in _handed(program, edge)
        for call in way.callee.facts.calls
    )


def _handed(program: "Program", edge: Edge) -> Iterator[tuple[t.Expr, str, Way]]:
    """Yield the callback as it is written, the helper's parameter for it, and the helper's call."""
    call = edge.call
    if call is None or edge.via != "callback" or edge.how != "call":
        return
    if not isinstance(edge.value, t.CallRef):
        return
    at = (call.sequence, call.context)
    for target in program.types.call(edge.caller, edge.value.index).targets:
        helper = target.function
        if helper is None:
            continue
        way = Way(helper, call, Spot(edge.caller, at))
        for param in helper.facts.params:
            given = argument_for(call, helper, param.name)
            if given is not None and is_callback(given, edge):
                yield given, param.name, way


def _runs(program: "Program", edge: Edge, given: t.Expr, name: str, way: Way) -> Iterator[Applied]:
    helper = way.callee
    if helper.binds.get(name):
        return
    for index, call in enumerate(helper.facts.calls):
        loops = helper.loops(call.context)
        if call.callee != t.Name(name) or not loops or is_handler(helper, call.context):
            continue
        loop = loops[0]
        context = helper.facts.contexts[loop]
        inner = replace(
            edge,
            caller=helper,
            via="call",
            each=False,
            location=helper.place(call),
            context=call.context,
            sequence=call.sequence,
            call=call,
            value=t.CallRef(index),
        )
        item = _item(program, inner, given, edge, target_names(context.target))
        if item and context.subject is not None:
            spot = Spot(helper, (context.sequence, context.parent), way)
            yield Applied(spot, context.subject, loop, inner, item)


def _item(program: "Program", inner: Edge, given: t.Expr, edge: Edge, targets: set[str]) -> str:
    """Return the parameter of the callable that gets the item of the loop; empty if none does."""
    callee, call = inner.callee, inner.call
    if call is None:
        return ""
    if is_bound(callee) and _is_of_class(program, given, edge):
        first = call.arguments[0] if call.arguments else None
        is_item = isinstance(first, t.Name) and first.id in targets
        return callee.facts.params[0].name if is_item and callee.facts.params else ""
    for param in callee.facts.params:
        passed = argument_for(call, callee, param.name)
        if isinstance(passed, t.Name) and passed.id in targets:
            return param.name
    return ""


def _is_of_class(program: "Program", given: t.Expr, edge: Edge) -> bool:
    """Return whether a callable is read from its class: it gets the object itself."""
    if not isinstance(given, t.Attr) or edge.call is None:
        return False
    at = (edge.call.sequence, edge.call.context)
    return isinstance(program.types.evaluate(edge.caller, given.base, at), ClassType)
