"""Relations that a resolver reads lazily of the row behind its node."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.called import library_calls
from perfaudit.program.graph import GraphType
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.loads import Load
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_queries import rows_of
from perfaudit.program.rows import Rows, joined
from perfaudit.program.values import (
    Instance,
    LibraryInstance,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class LazyField(Struct, frozen=True):
    """A relation that a resolver loads of its node. ``queries``: those of the lists, if known."""

    load: Load
    queries: tuple[Location, ...]
    confidence: Confidence


def lazy_field(program: "Program", item: GraphType, field: GraphField) -> LazyField | None:
    """Return the first relation of its node that a resolver surely, or probably, loads by itself.

    Where the queries of lists of the rows are known, none of them loads it; else nothing in the
    program loads a relation of that name eagerly, and the confidence is medium.
    """
    if not program.schema.relation_names:
        return None
    for load in program.loads.of(field.resolver):
        if load.root != field.parent:
            continue
        path = (*load.path, load.relation.name)
        found = how_loaded(program, item, field, path)
        if found is not None:
            place = load.place
            return LazyField(load, found.queries, weakest(place.confidence, found.confidence))
    return None


class NotLoaded(Struct, frozen=True):
    """That a list does not load a relation, with the queries of the list where they are known."""

    queries: tuple[Location, ...]
    confidence: Confidence


def how_loaded(
    program: "Program", item: GraphType, field: GraphField, path: Sequence[str]
) -> NotLoaded | None:
    """Return how sure it is that a relation is not loaded with the nodes; None where it may be."""
    row = item.row or _row_of(program, field)
    rows = None if row is None else program.once(rows_behind, row)
    if rows is not None:
        return None if rows.covers(path) else NotLoaded(rows.places, Confidence.HIGH)
    if program.once(eager_anywhere).isdisjoint(path):
        return NotLoaded((), Confidence.MEDIUM)
    return None


def _row_of(program: "Program", field: GraphField) -> ClassNode | None:
    param = field.resolver.params.get(field.parent)
    if param is not None:
        for option in options_of(program.types.param(field.resolver, param)):
            if isinstance(option, Instance):
                return option.node
    return None


def rows_behind(program: "Program", row: ClassNode) -> Rows | None:
    """Return the queries by which resolvers give lists of a class; None where one is not known."""
    found: list[Rows] = []
    for item in program.graph:
        for field in item.fields:
            resolver = field.resolver
            for result in resolver.facts.results:
                at = (result.sequence, result.context)
                if result.value is None:
                    continue
                if row not in many_in(program.types.evaluate(resolver, result.value, at)):
                    continue
                rows = rows_of(program, resolver, result.value, at)
                if rows is None:
                    return None
                found.append(rows)
    return joined(found)


def many_in(value: Type) -> list[ClassNode]:
    """Return the classes of the parts of a query, a list or another container."""
    found: list[ClassNode] = []
    for option in options_of(value):
        if isinstance(option, LibraryInstance | Instance):
            for part in option.arguments:
                found += [inner.node for inner in options_of(part) if isinstance(inner, Instance)]
    return found


def eager_anywhere(program: "Program") -> frozenset[str]:
    """Return the names in the arguments of all calls that say what a query loads."""
    found: set[str] = set()
    for called in library_calls(program).with_flags("query-option"):
        if called.call.arguments:
            for given in called.call.given:
                found.update(_names(called.function, given))
    return frozenset(found)


def _names(function: FunctionNode, value: t.Expr) -> set[str]:
    found: set[str] = set()
    for part in expressions.parts(function, value):
        if isinstance(part, t.Const) and isinstance(part.value, str):
            found.update(step for piece in part.value.split(".") for step in piece.split("__"))
        elif isinstance(part, t.Attr):
            found.add(part.name)
    return found
