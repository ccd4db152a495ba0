"""What each query of the program fetches, and what is read of it: worked out once for all rules."""

from dataclasses import dataclass, replace

from perfaudit.facts import types as t
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.column_queries import ColumnQuery, column_queries
from perfaudit.program.entity_queries import EntityQuery, entity_queries
from perfaudit.program.expressions import argument
from perfaudit.program.program import Program
from perfaudit.program.projection import Output, Projection, projection
from perfaudit.program.result_use import Readers, Use, use_of
from perfaudit.program.row_makers import read_when_made
from perfaudit.program.row_sources import row_source
from perfaudit.program.sites import Site
from perfaudit.program.sql_dialects import dialect_of
from perfaudit.program.sql_named import gives
from perfaudit.program.sql_places import built_statement
from perfaudit.program.sql_text import is_one_text
from perfaudit.program.table_statements import Statement
from perfaudit.program.tables import Table


@dataclass(frozen=True, slots=True)
class EntityRead:
    """A query for whole objects of one class, its table, and what is read of them."""

    query: EntityQuery
    table: Table
    use: Use


@dataclass(frozen=True, slots=True)
class StatementRead:
    """A call that runs a SELECT, what that gives, and what is read of it.

    ``words``: what the library says of queries whose calls build the SELECT; None for a text.
    """

    site: Site
    selected: Projection
    use: Use
    words: EntityQueries | None = None


@dataclass(frozen=True, slots=True)
class ColumnRead:
    """A query for columns, and what is read of its rows."""

    query: ColumnQuery
    use: Use


def entity_reads(program: Program) -> tuple[EntityRead, ...]:
    """Return the queries for whole objects whose readers are all known and change nothing.

    They are in file order.
    """
    return program.once(_entity_reads)


def statement_reads(program: Program) -> tuple[StatementRead, ...]:
    """Return the SELECTs in plain text whose readers are all known, in file order."""
    return program.once(_statement_reads)


def column_reads(program: Program) -> tuple[ColumnRead, ...]:
    """Return the queries for named columns whose readers are all known, in file order."""
    return program.once(_column_reads)


def _column_reads(program: Program) -> tuple[ColumnRead, ...]:
    readers = program.once(Readers)
    found = []
    for query in column_queries(program):
        use = use_of(readers, query.source)
        if use.escapes is None:
            found.append(ColumnRead(query, use))
    return tuple(found)


def _entity_reads(program: Program) -> tuple[EntityRead, ...]:
    readers = program.once(Readers)
    found = []
    for query in entity_queries(program):
        if query.table is None or not query.is_whole:
            continue
        use = use_of(readers, query.source)
        if use.escapes is not None or use.changed:
            continue
        completed = _with_own_reads(program, query, query.table, use)
        if completed is not None:
            found.append(EntityRead(query, query.table, completed))
    return tuple(found)


def _with_own_reads(program: Program, query: EntityQuery, table: Table, use: Use) -> Use | None:
    """Return a use with what the library and the class read of each row, None if not known."""
    made = read_when_made(program, query)
    if made is None:
        return None
    needed = use.needed | made | ({query.parent_key} if query.parent_key else set())
    wrapped = any(column.wrapped for name, column in table.columns.items() if name in use.columns)
    return replace(use, needed=needed, as_objects=use.as_objects or wrapped)


def _statement_reads(program: Program) -> tuple[StatementRead, ...]:
    readers = program.once(Readers)
    found = []
    for site in program.sites():
        if site.kind != "call" or not site.sql or "db.query" not in site.effects:
            continue
        selected = projection(site.sql, program.schema, dialect_of(program, site))
        if selected is None or not _is_one_statement(program, site):
            continue
        use = use_of(readers, row_source(site, selected.positions))
        if use.escapes is None:
            statement = built_statement(program, site)
            words = words_of(program, site)
            if statement is not None and words is not None:
                selected = _as_written(selected, statement)
            found.append(StatementRead(site, selected, use, words))
    return tuple(found)


def words_of(program: Program, site: Site) -> EntityQueries | None:
    """Return what a library says of queries whose calls build the statement; None for a text."""
    if built_statement(program, site) is None:
        return None
    return program.libraries.queries(site.behaviour.path.rpartition(".")[0])


def _as_written(selected: Projection, statement: Statement) -> Projection:
    """Return what a SELECT gives, with tables and columns as the code that builds it names them."""
    variables = {table.table.name: table.variable for table in statement.tables.values()}
    variables |= {name: table.variable for name, table in statement.tables.items()}

    def spelled(output: Output) -> str:
        owner, _, _ = output.spelled.rpartition(".")
        if output.starred and output.table is not None:
            owner = output.table.name
        return f"{variables[owner]}.c.{output.name}" if owner in variables else output.spelled

    return replace(
        selected,
        outputs=tuple(replace(output, spelled=spelled(output)) for output in selected.outputs),
        stars=tuple(
            (f"all of {variables.get(text.partition('.')[0], text)}", tables)
            for text, tables in selected.stars
        ),
    )


def _is_one_statement(program: Program, site: Site) -> bool:
    """Return whether a call runs the same statement on whatever path leads to it."""
    if gives(site.sql or "") is not None or built_statement(program, site) is not None:
        return True
    given = None if site.call is None else argument(site.call, site.behaviour.sql)
    if site.call is None or given is None:
        return False
    at = (site.call.sequence, site.call.context)
    return is_one_text(program.types, site.function, given, at)


def may_be_taken_again(read: EntityRead) -> bool:
    """Return whether other code may take the objects out of their session, by their key."""
    query, use = read.query, read.use
    if not query.orm.keeps_objects or not any(
        column.primary and name in use.named for name, column in read.table.columns.items()
    ):
        return False
    if use.crossed:
        return True
    function = query.source.function
    callee = function.facts.calls[query.source.index].callee
    session = callee.base if isinstance(callee, t.Attr) else None
    if not isinstance(session, t.Name):
        return True
    return any(session in call.given for call in function.facts.calls)


def less_fetched(read: EntityRead) -> str:
    """Return how to fetch only the columns of the objects that are read."""
    query, use = read.query, read.use
    orm = query.orm
    entity = query.source.entity
    name = entity.name if entity is not None else query.name
    taken = use.columns | use.needed
    columns = [column for column in read.table.columns if column in taken]
    listed = ", ".join(orm.only_each.format(**{"class": name}, column=item) for item in columns)
    as_objects = use.as_objects or bool(use.needed)
    pattern = orm.only_objects if as_objects and orm.only_objects else orm.only
    return pattern.format(columns=listed)
