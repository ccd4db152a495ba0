"""Queries that an ORM builds: the call each begins with, and the class of its rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.expressions import last_name
from perfaudit.program.managers import has_unread_manager, managers_of, source_of_rows
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.result_roots import is_eager_option
from perfaudit.program.result_shapes import BOUNDING, OBJECT, RESULT, ROW, ROWS, STEPS
from perfaudit.program.result_walk import Source
from perfaudit.program.sites import Site
from perfaudit.program.tables import Relation, Table
from perfaudit.program.values import (
    ClassType,
    FunctionType,
    Instance,
    LibraryInstance,
    Type,
    options_of,
)

NOT_OBJECTS = frozenset(
    {
        "values",
        "values_list",
        "only",
        "defer",
        "dates",
        "datetimes",
        "none",
        "raw",
        "select_for_update",
    }
)
RUNNERS = {
    "execute": RESULT,
    "scalars": ROWS,
    "exec": ROWS,
    "scalar": ROW,
    "stream_scalars": ROWS,
    "stream": RESULT,
}
SAME_COLUMNS = frozenset(
    {
        "where",
        "filter",
        "filter_by",
        "join",
        "outerjoin",
        "order_by",
        "limit",
        "offset",
        "fetch",
        "slice",
        "distinct",
        "group_by",
        "having",
        "select_from",
        "execution_options",
        "options",
    }
)
ASKING = STEPS | OBJECT
"""Steps of the manager of a relation that ask for its rows, or begin a query of them."""
MAX_STEPS = 16


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """A query that an ORM builds.

    ``orm``: what its library says of such queries. ``is_whole``: it surely loads all columns of one
    class, whose ``table`` that is. ``parent_key``: the attribute with the key of the one object
    whose relation is asked for its rows: the library reads it of each row.
    """

    source: Source
    table: Table | None
    orm: EntityQueries
    name: str
    is_whole: bool
    is_bounded: bool
    parent_key: str = ""

    def may_be_narrowed(self, program: Program) -> bool:
        """Return whether a manager that is not known gives the rows: it may leave columns out."""
        row = self.source.entity
        return row is not None and has_unread_manager(program.types, row)

    @property
    def rows_of(self) -> str:
        """Return the name of the table, or of the class where that is in no table alone."""
        entity = self.source.entity
        named = self.table.name if self.table is not None else ""
        return named or (entity.name if entity is not None else "")

    @property
    def location(self) -> Location:
        """Return where the query begins."""
        return self.source.function.place(self.source.function.facts.calls[self.source.index])


def entity_queries(program: Program) -> tuple[EntityQuery, ...]:
    """Return the queries that begin at one table class or run a ``select``, in file order."""
    return program.once(_all_queries)


def _all_queries(program: Program) -> tuple[EntityQuery, ...]:
    return tuple(_queries(program))


def _queries(program: Program) -> Iterator[EntityQuery]:
    for function in program.functions:
        if function.kind not in ("function", "lambda"):
            continue
        for index in range(len(function.facts.calls)):
            found = _begun_query(program, function, index)
            if found is not None:
                yield found
        for site in program.sites_of(function):
            found = _run_statement(program, site)
            if found is not None:
                yield found


def _begun_query(program: Program, function: FunctionNode, index: int) -> EntityQuery | None:
    call = function.facts.calls[index]
    callee = call.callee
    if not isinstance(callee, t.Attr):
        return None
    node = _queried_class(program, function, call, callee)
    table = None if node is None else program.schema.table_of(node)
    if node is None or table is None or callee.name in NOT_OBJECTS:
        return None
    orm = _orm_of(program, function, index, node)
    if orm is None:
        return None
    source = Source(
        function, index, ROWS, tuple(table.columns), None, node, program.schema.relations_of(node)
    )
    takes_columns = callee.name == "select" and bool(call.arguments)
    whole = not takes_columns and _is_plain_manager(program, function, call, node)
    key = _parent_key(program, _relation_asked(program, function, call))
    bounded = callee.name in BOUNDING
    return EntityQuery(source, table, orm, f"{node.name} query", whole, bounded, key)


def _parent_key(program: Program, relation: Relation | None) -> str:
    """Return the attribute of the rows of a relation that holds the key of their parent."""
    if relation is None or relation.target is None or relation.kind != "one_to_many":
        return ""
    inverse = program.schema.relation(relation.target, relation.inverse)
    return (inverse.column or "") if inverse is not None else ""


def _queried_class(
    program: Program, function: FunctionNode, call: t.Call, callee: t.Attr
) -> ClassNode | None:
    """Return the class that a call may begin a query of: given, or what it is called on."""
    if callee.name == "query" and len(call.arguments) == 1 and not call.keywords:
        spoken_of = call.arguments[0]
    elif isinstance(callee.base, t.Attr) and callee.base.name in program.libraries.query_attributes:
        spoken_of = callee.base.base
    elif callee.name == "select":
        spoken_of = callee.base
    elif isinstance(callee.base, t.Attr):
        return _of_relation(program, function, call)
    else:
        return None
    found = program.types.evaluate(function, spoken_of, (call.sequence, call.context))
    return found.node if isinstance(found, ClassType) else None


def _of_relation(program: Program, function: FunctionNode, call: t.Call) -> ClassNode | None:
    """Return the class of the rows where a call is one on the manager of a relation, or None."""
    relation = _relation_asked(program, function, call)
    return None if relation is None else relation.target


def _relation_asked(program: Program, function: FunctionNode, call: t.Call) -> Relation | None:
    """Return the relation to many rows that a call asks for them.

    Some calls may be answered from rows that have been loaded before.
    """
    callee = call.callee
    if (
        not isinstance(callee, t.Attr)
        or not isinstance(callee.base, t.Attr)
        or callee.name not in ASKING
        or callee.base.name not in program.schema.relation_names
    ):
        return None
    at = (call.sequence, call.context)
    for option in options_of(program.types.evaluate(function, callee.base.base, at)):
        relation = (
            program.schema.relation(option.node, callee.base.name)
            if isinstance(option, Instance)
            else None
        )
        if relation is not None and relation.many:
            return relation
    return None


def _is_plain_manager(
    program: Program, function: FunctionNode, call: t.Call, node: ClassNode
) -> bool:
    """Return whether no code of the project had a hand in the columns of the query."""
    if not isinstance(call.callee, t.Attr):
        return False
    at = (call.sequence, call.context)
    manager = program.types.evaluate(function, call.callee.base, at)
    classes = [option.node for option in options_of(manager) if isinstance(option, Instance)]
    if isinstance(call.callee.base, t.Attr) and _of_relation(program, function, call):
        # The manager of a relation gives rows as those of their class do.
        classes += [manager.node for manager in managers_of(program.types, node)]
    if not all(keeps_columns(program, owner) for owner in classes):
        return False
    asked = program.types.evaluate(function, call.callee, at)
    return all(
        _is_narrowing_nothing(program, option.node)
        for option in options_of(asked)
        if isinstance(option, FunctionType)
    )


def keeps_columns(program: Program, manager: ClassNode) -> bool:
    """Return whether a manager of the project gives whole rows."""
    method = source_of_rows(program.types, manager)
    return method is None or _is_narrowing_nothing(program, method)


def _is_narrowing_nothing(program: Program, method: FunctionNode) -> bool:
    """Return whether a method calls nothing but what makes a query, or a query of the same rows."""
    known = (*STEPS, *program.types.libraries.row_methods, "super", "all", "Q", "F", "now")
    return all(
        last_name(call.callee) in known or last_name(call.callee).endswith("QuerySet")
        for call in method.facts.calls
    )


def is_deferred(program: Program, query: EntityQuery, column: str) -> bool:
    """Return whether the class itself leaves a column to be loaded when it is read."""
    node = query.source.entity
    for owner in [] if node is None else program.types.classes.project_order(node):
        for bind in owner.body.binds.get(column, ()):
            if not isinstance(bind.value, t.CallRef):
                continue
            call = owner.body.facts.calls[bind.value.index]
            if last_name(call.callee) == "deferred" or any(
                name.startswith("deferred") for name, _ in call.keywords
            ):
                return True
    return False


def _orm_of(
    program: Program, function: FunctionNode, index: int, node: ClassNode
) -> EntityQueries | None:
    """Return what the library of a query says, where a call gives one for objects of a class."""
    for option in options_of(program.types.call(function, index).result):
        if isinstance(option, LibraryInstance) and Instance(node) in option.arguments:
            return program.libraries.queries(option.path)
        if isinstance(option, Instance) and Instance(node) in option.arguments:
            bases = program.types.classes.library_bases(option.node)
            found = (program.libraries.queries(base) for base in bases)
            return next((orm for orm in found if orm is not None), None)
    return None


def _run_statement(program: Program, site: Site) -> EntityQuery | None:
    """Return the query of a ``select`` that a session or connection runs, or None."""
    ran = run_statement(program, site)
    if ran is None:
        return None
    source, orm, steps = ran
    node = source.entity
    table = None if node is None else program.schema.table_of(node)
    return EntityQuery(
        source,
        table,
        orm,
        f"{node.name} query" if node is not None else site.name,
        table is not None and all(_keeps_columns(*step) for step in steps),
        any(last_name(call.callee) in (*BOUNDING, "with_for_update") for _, call in steps),
    )


def run_statement(
    program: Program, site: Site
) -> tuple[Source, EntityQueries, list[tuple[FunctionNode, t.Call]]] | None:
    """Return what a call that runs a ``select`` gives, and the calls that build it, or None."""
    call = site.call
    if (
        site.kind != "call"
        or call is None
        or not isinstance(site.value, t.CallRef)
        or not call.arguments
    ):
        return None
    name = site.behaviour.path.rpartition(".")[2]
    if (
        site.sql is not None
        or site.behaviour.sql is None
        or name not in RUNNERS
        or "db.query" not in site.effects
    ):
        return None
    at = (call.sequence, call.context)
    statement = program.types.evaluate(site.function, call.arguments[0], at)
    orm = _orm_of_statement(program, statement)
    if orm is None:
        return None
    steps = _steps(site.function, call.arguments[0], at, MAX_STEPS)
    if steps is None:
        return None
    node = _entity(statement)
    table = None if node is None else program.schema.table_of(node)
    columns = () if table is None else tuple(table.columns)
    relations = {} if node is None else program.schema.relations_of(node)
    shape = RUNNERS[name]
    source = Source(site.function, site.value.index, shape, columns, None, node, relations)
    return source, orm, steps


def statement_steps(program: Program, query: EntityQuery) -> list[tuple[FunctionNode, t.Call]]:
    """Return the calls that build the statement that a query runs; none where it runs none."""
    function, index = query.source.function, query.source.index
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    if not call.arguments:
        return []
    statement = program.types.evaluate(function, call.arguments[0], at)
    if _orm_of_statement(program, statement) is None:
        return []
    return _steps(function, call.arguments[0], at, MAX_STEPS) or []


def _orm_of_statement(program: Program, statement: Type) -> EntityQueries | None:
    """Return what the library of a statement says, where it surely is one."""
    found: EntityQueries | None = None
    for option in options_of(statement):
        if not isinstance(option, LibraryInstance):
            return None
        found = program.libraries.queries(option.path)
        if found is None or option.path not in found.statements:
            return None
    return found


def _entity(statement: Type) -> ClassNode | None:
    options = options_of(statement)
    if (
        len(options) == 1
        and isinstance(options[0], LibraryInstance)
        and len(options[0].arguments) == 1
    ):
        item = options[0].arguments[0]
        return item.node if isinstance(item, Instance) else None
    return None


def _steps(
    function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> list[tuple[FunctionNode, t.Call]] | None:
    """Return the calls that build a statement, on whatever path; None where some are not known."""
    if steps == 0:
        return None
    if isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        if last_name(call.callee) == "select" and not isinstance(call.callee, t.Attr):
            return [(function, call)]
        if not isinstance(call.callee, t.Attr):
            return None
        if last_name(call.callee) == "select" and isinstance(call.callee.base, t.Name):
            return [(function, call)]
        before = _steps(function, call.callee.base, (call.sequence, call.context), steps - 1)
        return None if before is None else [*before, (function, call)]
    if not isinstance(value, t.Name):
        return None
    found: list[tuple[FunctionNode, t.Call]] = []
    for scope, definition in meanings(function, value.id, at):
        if (
            not isinstance(definition, t.Bind)
            or definition.value is None
            or definition.kind == "for"
        ):
            return None
        point = (definition.sequence, definition.context)
        before = _steps(scope, definition.value, point, steps - 1)
        if before is None:
            return None
        found += before
    return found or None


def _keeps_columns(function: FunctionNode, call: t.Call) -> bool:
    """Return whether a step of a statement leaves one whole class selected."""
    name = last_name(call.callee)
    if name == "select":
        return len(call.arguments) == 1 and isinstance(call.arguments[0], t.Name | t.Attr)
    if name == "options":
        return all(is_eager_option(function, given) for given in call.arguments)
    return name in SAME_COLUMNS
