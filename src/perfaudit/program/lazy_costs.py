"""What reading a lazy relation costs: nothing where its object brought it along.

A function that reads relations of its parameters costs what its callers have not loaded, so the
question is put off until it is known what the parameters stand for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.edge_values import given_for
from perfaudit.program.loads import is_assigned, relation_base
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.polynomial import ZERO, Chain, Cost, Lazy, Term, once
from perfaudit.program.row_costs import row_class, without_return
from perfaudit.program.row_queries import rows_of
from perfaudit.program.rows import extra_queries
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sizes import passes_items
from perfaudit.program.values import Awaitable, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

KEEPS_PREFETCH = "keeps-prefetch"
MAX_STEPS = 16
SCOPES = frozenset({"function", "lambda"})
At = tuple[int, int]


class Origin(Struct, frozen=True):
    """Where an object comes from: the attributes that lead to it from a parameter, or from rows.

    Where ``parameter`` is empty, ``value`` is the expression of the function that gives the rows.
    """

    parameter: str
    path: tuple[str, ...]
    value: t.Expr
    at: At


def cost_of_relation(program: "Program", function: FunctionNode, site: Site, effect: str) -> Cost:
    """Return what reading a relation costs; a lower bound where its rows are not known."""
    if site.relation is None or is_assigned(function, site):
        return ZERO
    lazy = Lazy("", (site.relation.name,), site.kind == "relation")
    base = relation_base(function, site)
    found = meaning_of(program, function, base, (site.sequence, site.context), lazy)
    if found is False:
        return ZERO
    if found is None:
        return ZERO.at_least()
    paid = found if isinstance(found, Lazy) else None
    return Cost((Term((), 1, effect, paid, (Chain(site),)),))


def cost_of_eager(program: "Program", function: FunctionNode, site: Site, effect: str) -> Cost:
    """Return what a query costs besides itself, for the relations that it loads apart."""
    if not program.schema.relation_names or effect != "db.query":
        return ZERO
    at = (site.sequence, site.context)
    value = program.types.evaluate(function, site.value, at)
    if not loads_objects(program, value):
        return ZERO
    rows = rows_of(program, function, site.value, at)
    loaded = None if rows is None else rows.exact
    more = 0 if loaded is None else extra_queries(loaded)
    return once(effect, site).times(more) if more else ZERO


def given_to(program: "Program", edge: Edge) -> Callable[[Lazy], Lazy | bool | None]:
    """Return what the lazy relations of a callee mean for its caller, at an edge."""

    def meaning(lazy: Lazy) -> Lazy | bool | None:
        given = given_for(edge, lazy.root)
        if given is None:
            return None
        return meaning_of(program, edge.caller, given, (edge.sequence, edge.context), lazy)

    return meaning


def meaning_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: At, lazy: Lazy
) -> Lazy | bool | None:
    """Return what a relation of the value is to the function.

    That is one of a parameter, or whether it is paid, or not known.
    """
    origin = origin_of(program, function, value, at)
    path = (*origin.path, *lazy.path)
    row = row_class(program, program.types.evaluate(function, origin.value, origin.at))
    if row is not None and len(path) > 1:
        direct = without_return(program, row, path)
        if len(direct) < len(without_return(program, row, path[:-1])):
            # The last step leads back to the row that its object was reached from.
            return False
        path = direct
    if origin.parameter:
        return Lazy(origin.parameter, path, lazy.kept)
    rows = rows_of(program, function, origin.value, origin.at)
    found = None if rows is None else rows.brings(path)
    return None if found is None else not found


def origin_of(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> Origin:
    """Return where an object, or the items of what is walked, come from."""
    path: tuple[str, ...] = ()
    for _ in range(MAX_STEPS):
        match value:
            case (
                t.Await(value=inner)
                | t.Star(value=inner)
                | t.Element(iterable=inner)
                | t.Item(base=inner)
            ):
                value = inner
                continue
            case t.Attr(base=base, name=name) if _is_of_object(program, function, base, name, at):
                value, path = base, (name, *path)
                continue
            case t.Attr(base=base, name=name) if _is_same_object(program, function, base, name, at):
                value = base
                continue
            case t.CallRef(index=index):
                passed = _passed_on(program, function, index)
                if passed is None:
                    break
                value = passed
                continue
            case t.Name(id=name):
                found = meanings(function, name, at)
                if len(found) != 1 or found[0].scope is not function:
                    break
                definition = found[0].definition
                if isinstance(definition, t.Param):
                    kept = function.kind in SCOPES
                    return Origin(name if kept else "", path, value, at)
                if not isinstance(definition, t.Bind) or definition.value is None:
                    break
                value, at = definition.value, (definition.sequence, definition.context)
                if definition.kind == "for":
                    at = (at[0], function.facts.contexts[definition.context].parent)
                continue
        break
    return Origin("", path, value, at)


def _is_of_object(
    program: "Program", function: FunctionNode, base: t.Expr, name: str, at: At
) -> bool:
    """Return whether an attribute leads from one row to others, by a relation of a table."""
    if name not in program.schema.relation_names:
        return False
    return any(
        isinstance(option, Instance) and program.schema.relation(option.node, name) is not None
        for option in options_of(program.types.evaluate(function, base, at))
    )


def _is_same_object(
    program: "Program", function: FunctionNode, base: t.Expr, name: str, at: At
) -> bool:
    """Return whether a library says that an attribute of a row stands for the row itself."""
    types = program.types
    owner = types.evaluate(function, base, at)
    if not isinstance(owner, Instance) or program.schema.table_of(owner.node) is None:
        return False
    order = types.classes.project_order(owner.node)
    if any(name in node.body.binds or name in node.methods for node in order):
        return False
    return types.evaluate(function, t.Attr(base, name), at) == owner


def _passed_on(program: "Program", function: FunctionNode, index: int) -> t.Expr | None:
    """Return what a call gives again: its first argument, or the relation that it is called on."""
    call = function.facts.calls[index]
    if call.arguments and passes_items(program.types, function, index):
        return call.arguments[0]
    if not isinstance(call.callee, t.Attr) or not isinstance(call.callee.base, t.Attr):
        return None
    targets = program.types.call(function, index).targets
    keeps = any(
        target.behaviour is not None and KEEPS_PREFETCH in target.behaviour.flags
        for target in targets
    )
    return call.callee.base if keeps else None


def loads_objects(program: "Program", value: Type, nesting: int = 3) -> bool:
    """Return whether a value is, or holds, rows as objects of a table."""
    if nesting == 0:
        return False
    for option in options_of(value):
        if isinstance(option, Instance) and program.schema.table_of(option.node) is not None:
            return True
        parts: tuple[Type, ...] = ()
        if isinstance(option, Awaitable):
            parts = (option.result,)
        elif isinstance(option, LibraryInstance):
            parts = option.arguments
        if any(loads_objects(program, part, nesting - 1) for part in parts):
            return True
    return False
