"""Queries that a library makes of the rows of a view, for what requests may search and compare."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.libraries.types import Behaviour
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.filter_sets import Filter, filters_of, has_backend
from perfaudit.program.nodes import ClassNode
from perfaudit.program.query_chains import Way, ways_of
from perfaudit.program.query_conditions import looked_up, query_of_way
from perfaudit.program.query_lookups import WRAPPERS
from perfaudit.program.relational import ANYWHERE, Condition, Query
from perfaudit.program.sites import Site
from perfaudit.program.sql_names import quoted
from perfaudit.program.tables import Table
from perfaudit.program.tables_vocabulary import text
from perfaudit.program.view_costs import action_of, class_attribute, rows_of_view

if TYPE_CHECKING:
    from perfaudit.program.program import Program

SEARCH = WRAPPERS["icontains"]
"""What is compared where a text is searched for without regard to case."""


class Search(NamedTuple):
    """A query of a view's rows with the conditions that a request may have, and the request."""

    query: Query
    view: ClassNode
    endpoint: Endpoint


def searches(program: "Program") -> tuple[Search, ...]:
    """Return what requests for lists may search, where all that finds the rows is known.

    Ask it ``once``.
    """
    return tuple(_found(program))


def _found(program: "Program") -> Iterator[Search]:
    for endpoint in program.endpoints:
        view = endpoint.answering
        if view is None:
            continue
        for words in program.libraries.answers:
            if not words.searched:
                continue
            action = action_of(program, words, view, endpoint)
            if action is not None and action.many:
                yield from _of_view(program, words, view, endpoint)


def _of_view(
    program: "Program", words: Answers, view: ClassNode, endpoint: Endpoint
) -> Iterator[Search]:
    names = _searched(program, words, view)
    filters = list(filters_of(program, words, view))
    rows = rows_of_view(program, words, view) if names or filters else None
    if rows is None:
        return
    function, value, at = rows
    ways = ways_of(program, function, value, at)
    if len(ways) != 1:
        return
    place = _place(view, words.searched) if names else filters[0].place
    site = Site(
        function=function,
        kind="call",
        name=view.name,
        effects=("db.query",),
        blocking=True,
        location=place,
        context=-1,
        sequence=at[0],
        behaviour=Behaviour(path=""),
        receiver=None,
        call=None,
        value=value,
        sql=None,
        confidence=Confidence.MEDIUM,
    )
    query = _query(program, site, ways[0], names, filters)
    if query is not None:
        yield Search(query, view, endpoint)


def _searched(program: "Program", words: Answers, view: ClassNode) -> list[str]:
    """Return the fields that a view lets the library search for a text."""
    named = class_attribute(program, view, words.searched)
    if named is None or not isinstance(named[1], t.Seq):
        return []
    if not has_backend(program, words, view, words.searchers):
        return []
    return [name for item in named[1].items if (name := text(item))]


def _query(
    program: "Program", site: Site, way: Way, names: list[str], filters: list[Filter]
) -> Query | None:
    asked = query_of_way(program, site, way)
    if asked is None:
        return None
    table = asked.table
    found = [_condition(table, name, site.location) for name in names]
    found += [looked_up(program, way.node, table, each.lookup, each.place) for each in filters]
    optional = tuple(condition for condition in found if condition is not None)
    return replace(asked, optional=asked.optional + optional)


def _condition(table: Table, name: str, place: Location) -> Condition | None:
    """Return the condition of a field; None where it is another table's, or compared otherwise."""
    column = table.columns.get(name)
    if column is None:
        return None
    spelled = SEARCH.format(quoted(column.name))
    return Condition(table, column, ANYWHERE, None, place, spelled=spelled)


def _place(view: ClassNode, attribute: str) -> Location:
    """Return where a class says which fields are searched, or where it begins."""
    for bind in view.body.binds.get(attribute, ()):
        return Location(view.file.path, bind.line, bind.column)
    return view.location
