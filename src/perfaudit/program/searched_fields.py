"""Queries that a library makes of the rows of a view, for a text in the fields that it lists."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.libraries.types import Behaviour
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.index_advice import quoted
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode
from perfaudit.program.query_chains import Way, ways_of
from perfaudit.program.query_conditions import query_of_way
from perfaudit.program.query_lookups import WRAPPERS
from perfaudit.program.relational import ANYWHERE, Condition, Query
from perfaudit.program.sites import Site
from perfaudit.program.tables import Table
from perfaudit.program.tables_vocabulary import path_of
from perfaudit.program.values import ClassType
from perfaudit.program.view_costs import action_of, class_attribute, rows_of_view

if TYPE_CHECKING:
    from perfaudit.program.program import Program

SEARCH = WRAPPERS["icontains"]
"""What is compared where a text is searched for without regard to case."""


class Search(NamedTuple):
    """A query of a view's rows with the columns that are searched, and the request that asks."""

    query: Query
    view: ClassNode
    endpoint: Endpoint


def searches(program: "Program") -> Iterator[Search]:
    """Yield what requests for lists may search, where all that finds the rows is known."""
    for endpoint in program.endpoints:
        view = endpoint.view or endpoint.handler.owner
        if view is None:
            continue
        for words in program.libraries.answers:
            action = action_of(program, words, view, endpoint) if words.searched else None
            if action is not None and action.many and _is_searched(program, words, view):
                yield from _of_view(program, words, view, endpoint)


def _is_searched(program: "Program", words: Answers, view: ClassNode) -> bool:
    """Return whether a view lets the library search its rows."""
    for attribute, searcher in words.searchers.items():
        found = class_attribute(program, view, attribute)
        if found is None or not isinstance(found[1], t.Seq):
            continue
        for item in found[1].items:
            value = program.types.evaluate(found[0], item, AT_END)
            if path_of(program.types, value) == searcher:
                return True
            if isinstance(value, ClassType) and searcher in program.types.classes.ancestors(
                value.node
            ):
                return True
    return False


def _of_view(
    program: "Program", words: Answers, view: ClassNode, endpoint: Endpoint
) -> Iterator[Search]:
    rows = rows_of_view(program, words, view)
    named = class_attribute(program, view, words.searched)
    if rows is None or named is None or not isinstance(named[1], t.Seq):
        return
    function, value, at = rows
    ways = ways_of(program, function, value, at)
    if len(ways) != 1:
        return
    names = [item.value for item in named[1].items if isinstance(item, t.Const)]
    place = _place(view, words.searched)
    site = Site(
        function=function,
        kind="call",
        name=f"{view.name}.{words.searched}",
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
    query = _query(program, site, ways[0], [name for name in names if isinstance(name, str)])
    if query is not None:
        yield Search(query, view, endpoint)


def _query(program: "Program", site: Site, way: Way, names: list[str]) -> Query | None:
    asked = query_of_way(program, site, way)
    if asked is None:
        return None
    optional = tuple(
        condition
        for name in names
        if (condition := _condition(asked.table, name, site.location)) is not None
    )
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
