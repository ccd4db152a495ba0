"""Relations that rows have when they are shown, as a loop over them has read them before."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.conditions import standing
from perfaudit.program.edge_values import given_for
from perfaudit.program.evaluated import KEEPS_ROWS
from perfaudit.program.given_names import Given
from perfaudit.program.load_sureness import is_for_some
from perfaudit.program.loads import Load
from perfaudit.program.loops import leaves_at_once
from perfaudit.program.nodes import WALK_KINDS, ClassNode, FunctionNode
from perfaudit.program.renderings import Known
from perfaudit.program.template_values import Cost

if TYPE_CHECKING:
    from perfaudit.program.program import Program

END = 2**31


def is_loaded_before(program: "Program", cost: Cost, known: Known | None) -> bool:
    """Return whether all rows that a cost is paid for have had its relation to one row read."""
    if cost.relation is None or cost.relation.many or known is None or not known.givens:
        return False
    return all(_is_read_of(program, given, cost.path) for given in known.givens)


def may_be_loaded_before(program: "Program", view: ClassNode | None, cost: Cost) -> bool:
    """Return whether another method of a view reads a relation of rows, maybe of those it shows.

    The rows are kept in an attribute of the view, and nobody says which method runs first.
    """
    givens = () if cost.owner.known is None else cost.owner.known.givens
    if view is None or cost.relation is None or cost.relation.many or not givens:
        return False
    if not all(_is_kept(program, view, given) for given in givens):
        return False
    showing = {given.function for given in givens}
    return any(
        (load.names, load.relation) == (cost.path, cost.relation) and _is_of_an_item(load)
        for owner in program.types.classes.project_order(view)
        for method in owner.methods.values()
        if method not in showing
        for load in program.loads.of(method)
    )


def _is_of_an_item(load: Load) -> bool:
    """Return whether a relation is read of what a loop walks."""
    function = load.place.function
    loops = (function.facts.contexts[step] for step in function.loops(load.place.context))
    return any(loop.target == t.Name(load.root) for loop in loops)


def _is_own(method: FunctionNode, value: t.Expr) -> bool:
    """Return whether a value is an attribute of the object whose method reads it."""
    return (
        isinstance(value, t.Attr)
        and bool(method.facts.params)
        and value.base == t.Name(method.facts.params[0].name)
    )


def _is_kept(program: "Program", view: ClassNode, given: Given) -> bool:
    """Return whether an object keeps the rows it shows: in an attribute, or by a method of it."""
    function, value = given.function, given.value
    if isinstance(value, t.CallRef):
        callee = function.facts.calls[value.index].callee
        if not _is_own(function, callee) or not isinstance(callee, t.Attr):
            return False
        method = program.types.classes.method(view, callee.name)
        return method is not None and any(
            item.value is not None and _is_own(method, item.value) for item in method.facts.results
        )
    return (
        isinstance(value, t.Attr)
        and _is_own(function, value)
        and program.types.classes.method(view, value.name) is None
    )


def _is_read_of(program: "Program", given: Given, path: tuple[str, ...]) -> bool:
    """Return whether a loop over what a name holds, here or in a helper, has read a relation."""
    function, (sequence, context) = given.function, given.at
    if not isinstance(given.value, t.Name) or given.value.id in function.facts.outer_names:
        return False
    begun = max((bind.sequence for bind in function.binds.get(given.value.id, ())), default=-1)
    if begun > sequence:
        return False
    if _is_read_in(program, function, given.value, path, begun, sequence, context):
        return True
    return any(
        edge.how == "call"
        and begun < edge.sequence < sequence
        and function.is_within(context, edge.context)
        and any(
            given_for(edge, name) == given.value
            and name not in edge.callee.binds
            and _is_read_in(program, edge.callee, t.Name(name), path, -1, END, -1)
            for name in edge.callee.params
        )
        for edge in program.edges_from(function)
    )


def _is_read_in(
    program: "Program",
    function: FunctionNode,
    rows: t.Name,
    path: tuple[str, ...],
    begun: int,
    ended: int,
    context: int,
) -> bool:
    """Return whether a loop of a function that always runs between two points reads a relation."""
    for load in program.loads.of(function):
        place = load.place
        if load.names != path or place.context < 0:
            continue
        loop = function.facts.contexts[place.context]
        if loop.kind not in WALK_KINDS or (loop.subject, loop.target) != (rows, t.Name(load.root)):
            continue
        if begun < loop.sequence and place.sequence < ended:
            if function.is_within(context, loop.parent) and _reads_all(
                program, load, place.context
            ):
                return True
    return False


def _reads_all(program: "Program", load: Load, loop: int) -> bool:
    """Return whether a loop reads a relation of each row, and its rows stay those that they are."""
    place = load.place
    function = place.function
    walked = function.facts.contexts[loop]
    return (
        not is_for_some(load)
        and standing(function, place.context, place.sequence)
        == standing(function, walked.parent, walked.sequence)
        and not leaves_at_once(function, loop)
        and not any(
            function.is_within(item.context, loop) and item.sequence < place.sequence
            for item in function.facts.exits
        )
        and not any(
            block.kind == "assert" and block.parent == loop for block in function.facts.contexts
        )
        and all(
            KEEPS_ROWS in site.behaviour.flags
            for site in program.sites_of(function)
            if (site.kind, site.context, site.value) == ("iterate", walked.parent, walked.subject)
        )
    )
