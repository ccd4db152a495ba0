"""Which query the rows of a list come from, where an expression or one name leads to it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.entity_queries import EntityQuery, entity_queries
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.result_roots import roots_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Point = tuple[int, int]
SHORTENING = frozenset({"limit", "slice", "first", "distinct", "group_by", "values", "dates"})
LISTS: tuple[t.Expr, ...] = (t.Name("list"), t.Name("tuple"))
MAX_STEPS = 16


class Listed(NamedTuple):
    """A query, and the calls from its beginning to the list of its rows."""

    query: EntityQuery
    calls: tuple[t.Call, ...]


def listed_query(
    program: "Program", function: FunctionNode, value: t.Expr, at: Point
) -> Listed | None:
    """Return the query whose rows an expression gives, all of them; None where that is not known.

    A name counts where nothing else is done with it.
    """
    found = program.once(_queries_by_call)
    calls: list[t.Call] = []
    for _ in range(MAX_STEPS):
        if isinstance(value, t.Await):
            value = value.value
        elif isinstance(value, t.Name):
            bind = sole_bind(function, value, at)
            if bind is None or bind.value is None:
                return None
            value, at = bind.value, (bind.sequence, bind.context)
        elif isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            calls.append(call)
            query = found.get((function, value.index))
            if query is not None:
                return None if _shortens(query, calls) else Listed(query, tuple(calls))
            if call.callee in LISTS and len(call.arguments) == 1:
                value = call.arguments[0]
            elif isinstance(call.callee, t.Attr):
                value = call.callee.base
            else:
                return None
        else:
            return None
    return None


def _queries_by_call(program: "Program") -> Mapping[tuple[FunctionNode, int], EntityQuery]:
    return {
        (query.source.function, query.source.index): query
        for query in entity_queries(program)
        if query.is_whole
    }


def _shortens(query: EntityQuery, calls: list[t.Call]) -> bool:
    names = {call.callee.name for call in calls if isinstance(call.callee, t.Attr)}
    return query.is_bounded or not names.isdisjoint(SHORTENING)


def sole_bind(function: FunctionNode, name: t.Name, at: Point) -> t.Bind | None:
    """Return the one bind of a name of the function, if it is plain and nothing changes it."""
    found = meanings(function, name.id, at)
    if len(found) != 1 or found[0].scope is not function:
        return None
    bind = found[0].definition
    if not isinstance(bind, t.Bind) or bind.kind != "assign":
        return None
    return bind if len(function.binds.get(name.id, ())) == 1 else None


def is_used_once(function: FunctionNode, name: t.Name) -> bool:
    """Return whether only one expression of a function reads a name."""
    held = 0
    for inner in (function, *inner_functions(function)):
        for root in roots_of(inner):
            if isinstance(root.value, t.Element):
                # The item of a loop, whose block tells what it walks as well.
                continue
            held += sum(part == name for part in expressions.parts(inner, root.value))
        held += sum(
            name in expressions.parts(inner, read.value)
            for read in inner.facts.reads
            if read.value != name
        )
    return held == 1
