"""Queries of an ORM whose rows are loaded only to know whether there are any."""

from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.entity_queries import EntityQuery, entity_queries
from perfaudit.program.nodes import FunctionNode, inner_functions, is_handler
from perfaudit.program.presence import asks_for_any
from perfaudit.program.program import Program
from perfaudit.program.result_roots import roots_of
from perfaudit.program.result_use import Readers, Use, use_of

TESTED = frozenset({"bool", "len"})


class OnlyAsked(NamedTuple):
    """A query whose rows are only asked for being there.

    ``place``: where to ask for it: the query of one row, the test of many. ``is_one``: it loads one
    row at most. ``query`` is where the query begins, ``name`` its name, ``call`` what loads it.
    ``cure``: how to ask for one instead.
    """

    function: FunctionNode
    place: Location
    query: Location
    name: str
    call: str
    is_one: bool
    cure: str


def only_asked(program: Program) -> Iterator[OnlyAsked]:
    """Yield the queries whose rows are loaded, asked for being there, and used for nothing else."""
    readers = program.once(Readers)
    for query in entity_queries(program):
        function = query.source.function
        if not query.is_whole or query.is_bounded or not _may_be_tested(function, query):
            continue
        if is_handler(function, function.facts.calls[query.source.index].context):
            # What else the name may hold, by the way without an error, is not told apart.
            continue
        use = use_of(readers, query.source, follow_returns=False)
        if use.escapes or use.bounded or use.returned is not None or _is_used(use):
            continue
        if not (use.asked or use.sized) or not all(
            asks_for_any(sized.function, t.CallRef(sized.call)) for sized in use.sized
        ):
            continue
        yield _found(query, use)


def _is_used(use: Use) -> bool:
    return use.touched or use.entire or use.iterated or bool(use.columns)


def _may_be_tested(function: FunctionNode, query: EntityQuery) -> bool:
    """Return whether a function tests anything that the query is a part of."""
    start = t.CallRef(query.source.index)
    held: set[t.Expr] = {start}
    for bind in function.facts.binds:
        if bind.value is not None and isinstance(bind.target, t.Name):
            if not held.isdisjoint(expressions.parts(function, bind.value)):
                held.add(bind.target)
    return any(
        _tests(inner, root.value, root.role.kind == "test", held)
        for inner in (function, *inner_functions(function))
        for root in roots_of(inner)
    )


def _tests(function: FunctionNode, value: t.Expr, is_test: bool, held: set[t.Expr]) -> bool:
    parts = list(expressions.parts(function, value))
    if held.isdisjoint(parts):
        return False
    return is_test or any(
        isinstance(part, t.Not | t.Either | t.Compare)
        or (
            isinstance(part, t.CallRef)
            and isinstance(name := function.facts.calls[part.index].callee, t.Name)
            and name.id in TESTED
        )
        for part in parts
    )


def _found(query: EntityQuery, use: Use) -> OnlyAsked:
    function = query.source.function
    is_one = use.one_row
    if use.sized:
        first = use.sized[0]
        place = first.function.place(first.function.facts.calls[first.call])
    else:
        place = query.location if is_one else use.asked[0]
    return OnlyAsked(
        function,
        place,
        query.location,
        query.name,
        expressions.spelled(function, t.CallRef(query.source.index)),
        is_one,
        query.orm.exists,
    )
