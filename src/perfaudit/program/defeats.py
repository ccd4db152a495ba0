"""Queries that ask again for rows that were loaded with their parents, as a filter on them does."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.loads import Load, Loads
from perfaudit.program.loops import (
    Walk,
    is_fallback,
    leaves_after,
    leaves_at_once,
    target_names,
    walk_of,
)
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import MAY_WRITE
from perfaudit.program.row_queries import rows_of
from perfaudit.program.rows import is_in
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

KEEPS = frozenset({"keeps-prefetch", "keeps-ordered-prefetch"})
"""Calls that loaded rows may answer."""
COSTS_NOTHING = "gives-no-rows"
MAX_STEPS = 20
MAX_CALLS = 3
At = tuple[int, int]


class Defeat(Struct, frozen=True):
    """A query per row of a loop for a relation that the rows were loaded with.

    ``step``: the first call that the loaded rows do not answer. ``queries``: where the rows are
    queried.
    """

    function: FunctionNode
    loop: int
    load: Load
    step: str
    queries: tuple[Location, ...]

    @property
    def place(self) -> Site | Edge:
        """Return the place in the loop that runs the query."""
        return self.load.place

    @property
    def path(self) -> tuple[str, ...]:
        """Return the names of the relations from the row to the rows that were loaded."""
        return (*self.load.path, self.load.relation.name)

    @property
    def steps(self) -> list[TraceStep]:
        """Return the calls and the query, as the steps of a report."""
        return self.load.steps


def refined_relation(
    program: "Program", function: FunctionNode, site: Site
) -> tuple[t.Expr, Relation] | None:
    """Return the row and the relation that a query asks for, where loaded rows do not answer it."""
    if site.relation is not None or site.effects != ("db.query",):
        return None
    if MAY_WRITE in site.behaviour.flags or not program.schema.relation_names:
        return None
    found = _refined(program, function, site)
    return None if found is None else found[:2]


def refined_loads(program: "Program") -> Loads:
    """Return the relations that functions ask for anew, whatever was loaded."""
    return Loads(program, refined_relation)


def first_step(program: "Program", function: FunctionNode, site: Site) -> str:
    """Return the first call of a query that rows of its relation do not answer, once loaded."""
    found = _refined(program, function, site)
    return "" if found is None else found[2]


def _refined(
    program: "Program", function: FunctionNode, site: Site
) -> tuple[t.Expr, Relation, str] | None:
    value, at, first = site.value, (site.sequence, site.context), ""
    for _ in range(MAX_STEPS):
        match value:
            case t.Await(value=inner) | t.Item(base=inner) | t.Entered(value=inner):
                value = inner
            case t.CallRef(index=index):
                call = function.facts.calls[index]
                step = _step_of(program, function, index, MAX_CALLS)
                if step is None or not isinstance(call.callee, t.Attr):
                    return None
                first = step or first
                value, at = call.callee.base, (call.sequence, call.context)
            case t.Name(id=name):
                found = meanings(function, name, at)
                bind = found[0].definition if len(found) == 1 else None
                if not isinstance(bind, t.Bind) or bind.value is None or bind.kind != "assign":
                    return None
                if found[0].scope is not function or name in function.params:
                    return None
                value, at = bind.value, (bind.sequence, bind.context)
            case t.Attr(base=base, name=name):
                relation = _many(program, function, base, name, at)
                return None if relation is None or not first else (base, relation, first)
            case _:
                return None
    return None


def _many(
    program: "Program", function: FunctionNode, base: t.Expr, name: str, at: At
) -> Relation | None:
    if name not in program.schema.relation_names:
        return None
    for option in options_of(program.types.evaluate(function, base, at)):
        if isinstance(option, Instance):
            relation = program.schema.relation(option.node, name)
            if relation is not None and relation.many:
                return relation
    return None


def _step_of(program: "Program", function: FunctionNode, index: int, calls: int) -> str | None:
    """Return the name of a call that loaded rows do not answer, "" for one that they do.

    None where that is not known.
    """
    targets = program.types.call(function, index).targets
    callee = function.facts.calls[index].callee
    if not targets or not isinstance(callee, t.Attr):
        return None
    answers = set()
    for target in targets:
        if target.behaviour is not None:
            if COSTS_NOTHING in target.behaviour.flags:
                return None
            answers.add(callee.name if KEEPS.isdisjoint(target.behaviour.flags) else "")
        elif target.function is not None:
            if not _refines_receiver(program, target.function, calls):
                return None
            answers.add(callee.name)
        else:
            return None
    return answers.pop() if len(answers) == 1 else None


def _refines_receiver(program: "Program", method: FunctionNode, calls: int) -> bool:
    """Return whether all that a method of a query gives is its receiver, asked for something."""
    if method.owner is None or not method.facts.params or not method.facts.results or not calls:
        return False
    receiver = t.Name(method.facts.params[0].name)
    for item in method.facts.results:
        value, first = item.value, ""
        while isinstance(value, t.CallRef):
            step = _step_of(program, method, value.index, calls - 1)
            callee = method.facts.calls[value.index].callee
            if step is None or not isinstance(callee, t.Attr):
                return False
            first, value = step or first, callee.base
        if value != receiver or not first:
            return False
    return True


def defeats(program: "Program") -> tuple[Defeat, ...]:
    """Return the queries per row for what the rows were loaded with, in file order."""
    if not program.schema.relation_names:
        return ()
    loads = program.once(refined_loads)
    found: list[Defeat] = []
    for function in program.costly_or_calling(loads):
        if not function.facts.contexts:
            continue
        seen: set[tuple[int, Location]] = set()
        for load in loads.of(function):
            place = load.place
            loop = _loop_over_rows(function, load, place)
            if loop is None or (loop, place.location) in seen:
                continue
            queries = _loaded_before(program, function, load, loop)
            if queries is not None:
                seen.add((loop, place.location))
                step = first_step(program, load.site.function, load.site)
                found.append(Defeat(function, loop, load, step, queries))
    return tuple(found)


def _loop_over_rows(function: FunctionNode, load: Load, place: Site | Edge) -> int | None:
    """Return the loop around a place whose item is the row that is asked for more."""
    for loop in function.loops(place.context):
        if load.root in target_names(function.facts.contexts[loop].target):
            return loop
    return None


def _loaded_before(
    program: "Program", function: FunctionNode, load: Load, loop: int
) -> tuple[Location, ...] | None:
    """Return where the rows of a loop are queried, if that query surely loads the relation."""
    context = function.facts.contexts[loop]
    place = load.place
    if context.subject is None or walk_of(program, function, loop) in (
        Walk.FEW_ITEMS,
        Walk.CONDITION,
    ):
        return None
    if leaves_at_once(function, loop) or is_fallback(function, loop, place.context):
        return None
    if leaves_after(function, loop, place.context):
        return None
    at = (context.sequence, context.parent)
    rows = rows_of(program, function, context.subject, at)
    if rows is None or not rows.exact:
        return None
    path = (*load.path, load.relation.name)
    return rows.places if is_in(path, rows.exact) is True else None


def is_defeat(
    program: "Program", function: FunctionNode, place: Site | Edge, sink: Site | None
) -> bool:
    """Return whether the query that a place of a loop runs is told as one for loaded rows."""
    return (function, place.location, sink) in program.once(_places)


def _places(program: "Program") -> frozenset[tuple[FunctionNode, Location, Site | None]]:
    return frozenset(
        (found.function, found.place.location, found.load.site) for found in program.once(defeats)
    )
