"""Queries that an ORM builds for columns that are named, in place of whole objects."""

from collections.abc import Iterator
from dataclasses import dataclass

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.called import calling_methods
from perfaudit.program.entity_queries import SAME_COLUMNS, run_statement
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.result_shapes import ROWS, Shape
from perfaudit.program.result_walk import Source
from perfaudit.program.tables import Column, Table
from perfaudit.program.values import ClassType, Instance, LibraryInstance, options_of

VALUES = frozenset({"values", "values_list"})
"""Steps of a query that give the columns that are named in place of objects."""
WITHOUT_GROUPS = SAME_COLUMNS - {"distinct", "group_by", "having"}
"""Steps of a statement after which a column may be left out."""


@dataclass(frozen=True, slots=True)
class Named:
    """A column that a query names: its name in the rows, as it is written, and what it is."""

    name: str
    spelled: str
    column: Column | None


@dataclass(frozen=True, slots=True)
class ColumnQuery:
    """A query for columns: the call that names them, its word, and the table they are of."""

    source: Source
    named: tuple[Named, ...]
    table: Table
    entity: ClassNode
    orm: EntityQueries
    call: str
    location: Location


def column_queries(program: Program) -> Iterator[ColumnQuery]:
    """Yield the queries for columns of one table class that are all written out, in file order."""
    asking = {*calling_methods(program, VALUES), *program.costly}
    for function in program.functions:
        if function not in asking or function.kind not in ("function", "lambda"):
            continue
        for index, call in enumerate(function.facts.calls):
            if isinstance(call.callee, t.Attr) and call.callee.name in VALUES:
                found = _valued(program, function, index, call)
                if found is not None:
                    yield found
        for site in program.sites_of(function):
            ran = run_statement(program, site)
            if ran is not None:
                found = _selected(program, *ran)
                if found is not None:
                    yield found


def _valued(
    program: Program, function: FunctionNode, index: int, call: t.Call
) -> ColumnQuery | None:
    """Return the query of a call that names columns by texts."""
    if not isinstance(call.callee, t.Attr) or not call.arguments:
        return None
    at = (call.sequence, call.context)
    queried = program.types.evaluate(function, call.callee.base, at)
    for option in options_of(queried):
        if not isinstance(option, LibraryInstance) or len(option.arguments) != 1:
            return None
        orm, item = program.libraries.queries(option.path), option.arguments[0]
        table = program.schema.table_of(item.node) if isinstance(item, Instance) else None
        if orm is None or table is None or not isinstance(item, Instance):
            return None
        named = _texts(call, table)
        if named is None:
            return None
        names = tuple(column.name for column in named)
        is_flat = any(name == "flat" for name, _ in call.keywords)
        shape = Shape("values", names[0]) if is_flat else ROWS
        source = Source(function, index, shape, names, queried=True)
        place = function.place(call)
        return ColumnQuery(source, named, table, item.node, orm, call.callee.name, place)
    return None


def _texts(call: t.Call, table: Table) -> tuple[Named, ...] | None:
    found = []
    for value in call.arguments:
        if not isinstance(value, t.Const) or not isinstance(value.value, str):
            return None
        found.append(Named(value.value, f'"{value.value}"', table.column(value.value)))
    for name, _ in call.keywords:
        if name in ("flat", "named"):
            continue
        if name == "**":
            return None
        found.append(Named(name, f"{name}=...", None))
    return tuple(found) if len({item.name for item in found}) == len(found) else None


def _selected(
    program: Program,
    source: Source,
    orm: EntityQueries,
    steps: list[tuple[FunctionNode, t.Call]],
) -> ColumnQuery | None:
    """Return the query of a statement that selects columns of classes."""
    if source.entity is not None or not steps:
        return None
    scope, select = steps[0]
    if any(last_name(call.callee) not in WITHOUT_GROUPS for _, call in steps[1:]):
        return None
    found: list[Named] = []
    owner: tuple[ClassNode, Table] | None = None
    for value in select.arguments:
        column = value
        if not isinstance(column, t.Attr):
            return None
        node = program.types.evaluate(scope, column.base, (select.sequence, select.context))
        table = program.schema.table_of(node.node) if isinstance(node, ClassType) else None
        known = None if table is None else table.columns.get(column.name)
        if table is None or known is None or not isinstance(node, ClassType):
            return None
        owner = owner or (node.node, table)
        found.append(Named(column.name, f"{node.node.name}.{column.name}", known))
    names = tuple(item.name for item in found)
    if owner is None or len(set(names)) != len(names):
        return None
    node_of, table_of = owner
    filled = Source(source.function, source.index, source.shape, names, queried=False)
    if source.shape.form == "rows":
        filled = Source(source.function, source.index, Shape("values", names[0]), names)
    elif source.shape.form == "row":
        filled = Source(source.function, source.index, Shape("value", names[0]), names)
    place = scope.place(select)
    return ColumnQuery(
        filled, tuple(found), table_of, node_of, orm, last_name(select.callee), place
    )
