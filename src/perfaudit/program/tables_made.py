"""Tables that a call makes of its arguments, without a class: columns, keys and indexes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import KeyMaker
from perfaudit.program.expressions import argument, last_name, parts
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables import Column, Index, SqlTables, Table, own_indexes
from perfaudit.program.tables_columns import column_of, made_index, translated
from perfaudit.program.tables_orm import Field, is_unseen
from perfaudit.program.tables_vocabulary import Vocabulary, called, meaning_of, path_of, text
from perfaudit.program.values import ClassType, FunctionType
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def read_made_tables(
    types: "Types", words: Vocabulary, names: dict[ClassNode, str]
) -> Iterator[tuple[FunctionNode, int, Table]]:
    """Yield the tables that calls outside of functions make, each with its call.

    ``names`` are those of classes.
    """
    roots = {path.rpartition(".")[2] for path in words.table_makers}
    wrappers = dict(_wrappers(types, words, roots))
    roots |= {node.name for node in wrappers}
    for file in types.modules.files:
        if is_unseen(file):
            continue
        scopes = [file.body, *(node.body for node in file.classes)]
        for scope in scopes:
            for index, call in enumerate(scope.facts.calls):
                if last_name(call.callee) not in roots:
                    continue
                found = called(types, scope, call)
                given = words.table_makers.get(path_of(types, found))
                if isinstance(found, FunctionType):
                    given = wrappers.get(found.node)
                name = None if given is None else _name(types, scope, call, given)
                if name:
                    yield scope, index, table_of_call(types, words, scope, call, name, names)


def _wrappers(
    types: "Types", words: Vocabulary, roots: set[str]
) -> Iterator[tuple[FunctionNode, str]]:
    """Yield the functions that hand all they are given on to what makes a table."""
    for file in types.modules.files:
        for function in file.functions:
            first = function.facts.params[:1]
            if not first or first[0].kind != "*args":
                continue
            for result in function.facts.results:
                if not isinstance(result.value, t.CallRef):
                    continue
                call = function.facts.calls[result.value.index]
                handed = call.arguments[:1] == (t.Star(t.Name(first[0].name)),)
                if last_name(call.callee) not in roots or not handed:
                    continue
                given = words.table_makers.get(path_of(types, called(types, function, call)))
                if given is not None:
                    yield function, given


def are_made_in_functions(types: "Types", words: Vocabulary) -> bool:
    """Return whether functions make tables, which they read from the database as a rule."""
    roots = {path.rpartition(".")[2] for path in words.table_makers}
    return any(
        last_name(call.callee) in roots
        and path_of(types, called(types, function, call)) in words.table_makers
        for file in types.modules.files
        if not is_unseen(file)
        for function in file.functions
        for call in function.facts.calls
    )


def _name(types: "Types", scope: FunctionNode, call: t.Call, given: str) -> str | None:
    """Return the name that a table is given, also by a constant."""
    value = argument(call, given)
    if isinstance(value, t.Name):
        found = written_out(types, Spot(scope, value, (call.sequence, call.context)))
        value = None if found is None else found.value
    return text(value)


def read_apart_indexes(
    types: "Types",
    words: Vocabulary,
    names: dict[ClassNode, str],
    columns: dict[ClassNode, dict[str, Column]],
) -> Iterator[tuple[str, Index]]:
    """Yield the indexes that modules make of columns, each with the name of its table.

    They stand behind the table: ``Index("late", Book.title)``.
    """
    roots = {path.rpartition(".")[2] for path in words.index_makers}
    for file in types.modules.files:
        if is_unseen(file):
            continue
        body = file.body
        for call in body.facts.calls:
            if last_name(call.callee) not in roots:
                continue
            maker = words.index_makers.get(path_of(types, called(types, body, call)))
            if maker is None or maker.first is None:
                continue
            owners = {
                _owner(types, words, body, part, names)
                for given in call.arguments[maker.first :]
                for part in parts(body, given)
            } - {None}
            owner = owners.pop() if len(owners) == 1 else None
            if owner is not None:
                name, node = owner
                known = {} if node is None else columns.get(node, {})
                yield name, translated(made_index(body, call, maker), known)


def _owner(
    types: "Types",
    words: Vocabulary,
    body: FunctionNode,
    part: t.Expr,
    names: dict[ClassNode, str],
) -> tuple[str, ClassNode | None] | None:
    """Return the table that an expression is a column of, and its class."""
    if not isinstance(part, t.Attr):
        return None
    found = meaning_of(types, body, part.base, AT_END)
    if isinstance(found, ClassType) and names.get(found.node):
        return names[found.node], found.node
    base = part.base.base if isinstance(part.base, t.Attr) else None
    value = body.only_value(base.id) if isinstance(base, t.Name) else None
    if not isinstance(value, t.CallRef):
        return None
    call = body.facts.calls[value.index]
    given = words.table_makers.get(path_of(types, called(types, body, call)))
    name = text(argument(call, given)) if given is not None else None
    return (name, None) if name else None


def table_of_call(
    types: "Types",
    words: Vocabulary,
    scope: FunctionNode,
    call: t.Call,
    name: str,
    names: dict[ClassNode, str],
) -> Table:
    """Return the table that a call is given column by column."""
    columns: dict[str, Column] = {}
    indexes: list[Index] = []
    keys: list[tuple[KeyMaker, t.Call]] = []
    for given in call.arguments:
        if not isinstance(given, t.CallRef):
            continue
        inner = scope.facts.calls[given.index]
        path = path_of(types, called(types, scope, inner))
        column = column_of_call(types, words, scope, inner, names)
        if column is not None:
            columns[column.name] = column
        elif path in words.index_makers:
            indexes.append(made_index(scope, inner, words.index_makers[path]))
        elif path in words.key_makers:
            keys.append((words.key_makers[path], inner))
    for maker, inner in keys:
        refer(columns, maker, inner)
    return Table(
        name,
        columns,
        {},
        (
            *own_indexes(columns),
            *(translated(index, columns) for index in indexes if index.columns),
        ),
        scope.place(call),
    )


def column_of_call(
    types: "Types",
    words: Vocabulary,
    scope: FunctionNode,
    call: t.Call,
    names: dict[ClassNode, str],
) -> Column | None:
    """Return the column that a call makes, where it says its name."""
    known = words.columns.get(path_of(types, called(types, scope, call)))
    if known is None or known[1].relation != "none":
        return None
    name = text(argument(call, known[0].options.get("column")))
    if not name:
        return None
    place = scope.place(call)
    found = Field(
        name=name,
        owner=None,
        scope=scope,
        declaration=known[0],
        kind=known[1],
        calls=((known[0], call),),
        annotation=None,
        annotation_scope=scope,
        loading="lazy",
        is_wrapped=False,
        is_custom=False,
        is_plain=False,
        location=Location(place.path, place.line, place.column),
    )
    return column_of(types, words, found, names)[1]


def refer(columns: dict[str, Column], maker: KeyMaker, call: t.Call) -> None:
    """Mark the column that the foreign key of a table speaks of, where it is one column."""
    own, other = argument(call, maker.columns), argument(call, maker.refers)
    if not isinstance(own, t.Seq) or not isinstance(other, t.Seq) or len(own.items) != 1:
        return
    name = text(own.items[0])
    key = next((key for key, item in columns.items() if name in (key, item.name)), None)
    target = text(other.items[0]) if other.items else None
    if key is not None and target:
        on_delete = text(argument(call, maker.on_delete)) or ""
        columns[key] = replace(columns[key], references=target, on_delete=on_delete.lower())


def add_made_table(found: SqlTables, table: Table) -> None:
    """Add a table to those that no class declares; the first of a name says its columns."""
    if table.name not in found.tables:
        found.tables[table.name] = replace(table, indexes=())
    found.indexes.setdefault(table.name, []).extend(table.indexes)
