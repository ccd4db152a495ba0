"""Relations that a graph type gives of its rows by itself, and lists that do not load them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.graph import GraphType
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.graph_loads import many_in
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_queries import rows_of
from perfaudit.program.tables_vocabulary import attribute_value

if TYPE_CHECKING:
    from perfaudit.program.program import Program

TO_ONE = frozenset({"many_to_one", "one_to_one"})


class BareList(Struct, frozen=True):
    """A resolver that gives rows without relations that their type gives.

    ``query``: where the rows are queried.
    """

    item: GraphType
    field: GraphField
    relations: tuple[str, ...]
    query: Location | None


def bare_lists(program: "Program") -> Iterator[BareList]:
    """Yield the lists whose query is known, and loads none of the relations that its type gives.

    Nothing is yielded where the project uses what loads them by the fields that are asked for.
    """
    words = program.types.graph_words
    exposing = [
        item
        for item in program.graph
        if item.node is not None
        and item.row is not None
        and not words.exposing.isdisjoint(program.types.classes.ancestors(item.node))
    ]
    if not exposing or _imports_any(program, words.optimisers):
        return
    shown = {item.row for item in exposing}
    relations = {
        item.row: (item, names)
        for item in reversed(exposing)
        if item.listed and (names := _given(program, item, shown))
    }
    for owner in program.graph:
        for field in owner.fields if relations else ():
            if not field.is_mutation:
                yield from _judged(program, field, relations)


def _judged(
    program: "Program",
    field: GraphField,
    relations: dict[ClassNode | None, tuple[GraphType, tuple[str, ...]]],
) -> Iterator[BareList]:
    resolver = field.resolver
    for result in resolver.facts.results:
        at = (result.sequence, result.context)
        if result.value is None:
            continue
        for row in many_in(program.types.evaluate(resolver, result.value, at)):
            if row not in relations:
                continue
            item, given = relations[row]
            # Whoever asks for the rows of one object has that object already.
            asked_by = set(_keywords(resolver, result.value))
            names = tuple(name for name in given if name not in asked_by)
            rows = rows_of(program, resolver, result.value, at)
            if not names or rows is None or any(rows.covers((name,)) for name in names):
                continue
            yield BareList(item, field, names, rows.places[-1] if rows.places else None)
            return


def _keywords(function: FunctionNode, value: t.Expr) -> Iterator[str]:
    for part in expressions.parts(function, value):
        if isinstance(part, t.CallRef):
            yield from (name for name, _ in function.facts.calls[part.index].keywords)


def _imports_any(program: "Program", packages: frozenset[str]) -> bool:
    return any(
        item.module.partition(".")[0] in packages
        for function in program.functions
        for item in function.facts.imports
    )


def _given(program: "Program", item: GraphType, shown: set[ClassNode | None]) -> tuple[str, ...]:
    """Return the relations to one row that a type gives with nothing written for it."""
    node = item.node
    if node is None or item.row is None:
        return ()
    if program.types.classes.method(node, "get_queryset") is not None:
        # It may load what the type needs.
        return ()
    resolved = {field.name for field in item.fields} | node.body.binds.keys()
    allowed = _written(node, "Meta.fields")
    excluded = _written(node, "Meta.exclude")
    if allowed is None or excluded is None:
        return ()
    return tuple(
        relation.name
        for relation in program.schema.relations_of(item.row).values()
        if relation.kind in TO_ONE
        and not relation.reverse
        and relation.lazy == "lazy"
        and relation.target in shown
        and relation.name not in resolved
        and relation.name not in excluded
        and (not allowed or relation.name in allowed)
    )


def _written(node: ClassNode, attribute: str) -> frozenset[str] | None:
    """Return the names that an attribute lists, none where it means all; None if not known."""
    found = attribute_value(node, attribute)
    if found is None:
        return frozenset()
    value = found[1]
    if isinstance(value, t.Const):
        return frozenset() if value.value == "__all__" else None
    if isinstance(value, t.Seq):
        names = [part.value for part in value.items if isinstance(part, t.Const)]
        if len(names) == len(value.items):
            return frozenset(str(name) for name in names)
    return None
