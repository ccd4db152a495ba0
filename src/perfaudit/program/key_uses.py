"""Who asks for rows of a table by a foreign key: queries, relations, deletions of parents."""

from collections.abc import Iterator
from dataclasses import dataclass

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.relational import EQUALITY, IN, Query, queries, searches_of_tables
from perfaudit.program.tables import Column, Relation, Table
from perfaudit.program.values import ClassType, Instance, options_of

DELETES = frozenset({"delete", "adelete"})
REFERRING = frozenset({"cascade", "set null", "set default"})
"""What a foreign key says should become of its rows, so that they must be looked for."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A place that looks for rows by their foreign key; ``what`` says so in a sentence's part."""

    kind: str
    what: str
    step: TraceStep
    function: FunctionNode | None


def filtering_queries(program: Program) -> dict[tuple[str, str], list[Query]]:
    """Return the queries that compare a column for equality, by table and column. Ask ``once``."""
    found: dict[tuple[str, str], list[Query]] = {}
    for query in program.once(searches_of_tables):
        for condition in query.conditions:
            if condition.operator in (EQUALITY, IN):
                key = (condition.table.name, condition.column.name)
                found.setdefault(key, []).append(query)
    return found


def deleted_tables(program: Program) -> dict[str, list[tuple[FunctionNode, Location]]]:
    """Return the places that delete rows, by the table of those. Ask ``once``."""
    found: dict[str, list[tuple[FunctionNode, Location]]] = {}
    for query in program.once(queries):
        if query.steps & DELETES and query.site.function.role != Role.MIGRATION:
            place = (query.site.function, query.site.location)
            found.setdefault(query.table.name, []).append(place)
    for site in program.sites():
        call = site.call
        if call is None or site.name.rpartition(".")[2] not in DELETES or not call.arguments:
            continue
        at = (call.sequence, call.context)
        for option in options_of(program.types.evaluate(site.function, call.arguments[0], at)):
            if isinstance(option, Instance | ClassType):
                table = program.schema.table_of(option.node)
                if table is not None and site.function.role != Role.MIGRATION:
                    found.setdefault(table.name, []).append((site.function, site.location))
    return found


def relation_reads(program: Program) -> dict[tuple[ClassNode, str], tuple[FunctionNode, Location]]:
    """Return the first place that reads or names each relation to many rows. Ask it ``once``."""
    many: dict[str, list[Relation]] = {}
    for table in program.schema.tables.values():
        for relation in table.relations.values():
            if relation.many:
                many.setdefault(relation.name, []).append(relation)
    found: dict[tuple[ClassNode, str], tuple[FunctionNode, Location]] = {}
    for function in program.functions:
        if function.kind not in ("function", "lambda", "module") or function.role == Role.MIGRATION:
            continue
        for attribute, at, place in _attributes(function):
            if attribute.name not in many:
                continue
            for option in options_of(program.types.evaluate(function, attribute.base, at)):
                if isinstance(option, Instance | ClassType):
                    for owner in program.types.classes.project_order(option.node):
                        found.setdefault((owner, attribute.name), (function, place))
    return found


def _attributes(function: FunctionNode) -> Iterator[tuple[t.Attr, tuple[int, int], Location]]:
    """Yield the attributes that a function reads, calls on or passes."""
    for read in function.facts.reads:
        at = (read.sequence, read.context)
        for attribute in _chain(read.value):
            yield attribute, at, Location(function.file.path, read.line, read.column)
    for call in function.facts.calls:
        at = (call.sequence, call.context)
        place = function.place(call)
        for value in (call.callee, *call.arguments):
            for attribute in _chain(value):
                yield attribute, at, place


def _chain(value: t.Expr) -> Iterator[t.Attr]:
    while isinstance(value, t.Attr | t.Item):
        if isinstance(value, t.Attr):
            yield value
        value = value.base


def uses_of_key(program: Program, table: Table, column: Column) -> Iterator[KeyUse]:
    """Yield who looks for rows of a table by a foreign key, the surest first."""
    for query in program.once(filtering_queries).get((table.name, column.name), ()):
        function = query.site.function
        if function.role in (Role.MIGRATION, Role.TEST) or not _hangs_on(query, table, column):
            continue
        place = query.site.location
        yield KeyUse(
            "query",
            f"{place.path.rpartition('/')[2]}:{place.line} filters by it",
            TraceStep(query.site.location, f"asks for rows by {column.name}"),
            function,
        )
    parent = program.schema.find(column.references.rpartition(".")[0] or column.references)
    if parent is None:
        return
    yield from _relation_uses(program, parent, table, column)
    for function, place in program.once(deleted_tables).get(parent.name, ())[:1]:
        yield KeyUse(
            "delete",
            f"deleting a row of {parent.name} reads all of {table.name}",
            TraceStep(place, f"deletes rows of {parent.name}"),
            function,
        )


def _hangs_on(query: Query, table: Table, column: Column) -> bool:
    """Return whether no other index can find the rows of a query.

    Of several keys without an index, the first is the one to index.
    """
    compared = [
        other.column
        for other in query.conditions
        if other.table.name == table.name and other.operator in (EQUALITY, IN)
    ]
    if query.unknown or any(other.indexed or other.primary for other in compared):
        return False
    keys = [other.name for other in compared if other.references]
    return keys[:1] == [column.name]


def _relation_uses(
    program: Program, parent: Table, table: Table, column: Column
) -> Iterator[KeyUse]:
    keys = [item for item in table.columns.values() if item.references == column.references]
    if parent.node is None or table.node is None or len(keys) != 1:
        return
    for relation in parent.relations.values():
        if not relation.many or relation.target is not table.node or relation.kind != "one_to_many":
            continue
        read = program.once(relation_reads).get((parent.node, relation.name))
        if read is not None:
            function, place = read
            yield KeyUse(
                "relation",
                f"{parent.node.name}.{relation.name} loads rows by it",
                TraceStep(place, f"reads {parent.node.name}.{relation.name}"),
                function,
            )
