"""The schema that migrations leave behind, replayed in the order in which they run."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from msgspec import structs

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.migrations import Migrations, Operation
from perfaudit.program.expressions import argument
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.tables import Column, Index, Table
from perfaudit.program.tables_columns import UNKNOWN_PART
from perfaudit.program.tables_made import column_of_call, table_of_call
from perfaudit.program.tables_sql import dropped_indexes, read_sql_tables
from perfaudit.program.tables_vocabulary import Vocabulary, called, constant, path_of, text

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_HELPERS = 2
"""How deep functions of the same file are followed."""


@dataclass(slots=True)
class _Replayed:
    """One table so far: it is changed as the migrations run."""

    name: str
    location: Location
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)


def replay(types: "Types", words: Vocabulary, names: dict[ClassNode, str]) -> dict[str, Table]:
    """Return the tables as migrations leave them, by name.

    One without columns was made elsewhere: only its indexes are known. What a migration does to a
    table or an index whose name is worked out is not known, and left out.
    """
    tables: dict[str, _Replayed] = {}
    for section in types.libraries.migrations:
        player = _Player(types, words, names, section, tables)
        for file in _ordered(types, section):
            player.play(file)
    return {
        name: Table(name, found.columns, {}, tuple(found.indexes), found.location)
        for name, found in tables.items()
    }


def _ordered(types: "Types", section: Migrations) -> list[FileNode]:
    """Return the migrations of a library, each after those that it follows."""
    files: dict[str, FileNode] = {}
    for file in types.modules.files:
        if section.revision in file.body.binds and section.follows in file.body.binds:
            name = text(file.body.binds[section.revision][-1].value)
            if name:
                files.setdefault(name, file)
    ordered: dict[str, FileNode] = {}
    waiting = list(reversed(files))
    entered: set[str] = set()
    while waiting:
        name = waiting[-1]
        before = [item for item in _before(files[name], section) if item in files]
        if name not in entered:
            entered.add(name)
            waiting.extend(item for item in before if item not in entered)
            continue
        ordered.setdefault(waiting.pop(), files[name])
    return list(ordered.values())


def _before(file: FileNode, section: Migrations) -> list[str]:
    value = file.body.binds[section.follows][-1].value
    items = value.items if isinstance(value, t.Seq) else (value,)
    return [name for name in map(text, items) if name]


class _Player:
    """Changes tables by the operations of one migration after the other."""

    def __init__(
        self,
        types: "Types",
        words: Vocabulary,
        names: dict[ClassNode, str],
        section: Migrations,
        tables: dict[str, _Replayed],
    ) -> None:
        self.types = types
        self.words = words
        self.names = names
        self.section = section
        self.tables = tables
        self.by_name = {
            path.rpartition(".")[2]: operation for path, operation in section.operations.items()
        }

    def play(self, file: FileNode) -> None:
        for function in file.functions:
            if function.name == self.section.forwards and function.parent is file.body:
                self._run(function, MAX_HELPERS)

    def _run(self, function: FunctionNode, depth: int) -> None:
        for call in sorted(function.facts.calls, key=lambda call: call.sequence):
            if isinstance(call.callee, t.Name) and depth:
                for helper in function.file.body.inner.get(call.callee.id, ()):
                    self._run(helper, depth - 1)
            name = call.callee.name if isinstance(call.callee, t.Attr) else ""
            operation = self.by_name.get(name)
            if operation is not None:
                self._apply(function, call, operation)

    def _apply(self, function: FunctionNode, call: t.Call, operation: Operation) -> None:
        """Make the change that a call says, where it is one of the operations."""
        scoped = self._scoped_table(function, call)
        if scoped is not None:
            call = _with_table(call, operation, scoped)
        else:
            path = path_of(self.types, called(self.types, function, call))
            if path not in self.section.operations:
                return
        place = function.place(call)
        if operation.does == "sql":
            for statement in self._texts(function, call, operation.sql):
                self._run_sql(place, statement)
            return
        for table in self._texts(function, call, operation.table):
            self._change(function, call, operation, table, place)

    def _scoped_table(self, function: FunctionNode, call: t.Call) -> str | None:
        """Return the table of the scope that a call is made on, where it is one."""
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        if not isinstance(base, t.Name):
            return None
        for bind in reversed(function.binds.get(base.id, ())):
            value = bind.value
            if (
                bind.sequence < call.sequence
                and isinstance(value, t.Entered)
                and isinstance(value.value, t.CallRef)
            ):
                maker = function.facts.calls[value.value.index]
                path = path_of(self.types, called(self.types, function, maker))
                found = self._texts(function, maker, self.section.scopes.get(path))
                return found[0] if found else None
        return None

    def _texts(self, function: FunctionNode, call: t.Call, spec: str | None) -> list[str]:
        """Return what an argument may be as text: each item of a list that is walked, too."""
        return list(self._values(function, argument(call, spec), (call.sequence, call.context), 4))

    def _values(
        self, function: FunctionNode, value: t.Expr | None, at: tuple[int, int], steps: int
    ) -> Iterator[str]:
        known = text(value)
        if known is not None:
            yield known
        elif isinstance(value, t.CallRef) and steps:
            # What only marks a name or a text as such.
            inner = function.facts.calls[value.index]
            if len(inner.arguments) == 1:
                yield from self._values(function, inner.arguments[0], at, steps - 1)
        elif isinstance(value, t.Element) and isinstance(value.iterable, t.Seq):
            for item in value.iterable.items:
                yield from self._values(function, item, at, steps - 1)
        elif isinstance(value, t.Name) and steps:
            for scope, definition in meanings(function, value.id, at):
                if isinstance(definition, t.Bind):
                    point = (definition.sequence, definition.context)
                    yield from self._values(scope, definition.value, point, steps - 1)

    def _change(
        self,
        function: FunctionNode,
        call: t.Call,
        operation: Operation,
        table: str,
        place: Location,
    ) -> None:
        match operation.does:
            case "add_table":
                made = table_of_call(self.types, self.words, function, call, table, self.names)
                self.tables[table] = _Replayed(table, place, dict(made.columns), [*made.indexes])
            case "drop_table":
                self.tables.pop(table, None)
            case "rename_table":
                for new in self._texts(function, call, operation.to)[:1]:
                    found = self.tables.pop(table, None)
                    if found is not None:
                        found.name = new
                        self.tables[new] = found
            case "add_column":
                self._add_columns(function, call, self._table(table, place))
            case "drop_column" | "rename_column":
                new_names = self._texts(function, call, operation.to)
                for name in self._texts(function, call, operation.name):
                    if operation.does == "drop_column":
                        _rename(self._table(table, place), name, None)
                    elif new_names:
                        _rename(self._table(table, place), name, new_names[0])
            case "add_index":
                self._add_index(function, call, operation, self._table(table, place), place)
            case "drop_index":
                gone = set(self._texts(function, call, operation.name))
                found = self._table(table, place)
                found.indexes = [item for item in found.indexes if item.name not in gone]
            case "add_key":
                self._add_key(function, call, operation, self._table(table, place))

    def _table(self, name: str, place: Location) -> _Replayed:
        plain = name.rpartition(".")[2]
        return self.tables.setdefault(plain, _Replayed(plain, place))

    def _add_columns(self, function: FunctionNode, call: t.Call, table: _Replayed) -> None:
        for given in call.arguments:
            if isinstance(given, t.CallRef):
                inner = function.facts.calls[given.index]
                column = column_of_call(self.types, self.words, function, inner, self.names)
                if column is not None:
                    table.columns[column.name] = column
                    if column.indexed:
                        table.indexes.append(
                            Index((column.name,), column.unique, None, column.location)
                        )

    def _add_index(
        self,
        function: FunctionNode,
        call: t.Call,
        operation: Operation,
        table: _Replayed,
        place: Location,
    ) -> None:
        columns = self._columns(function, argument(call, operation.columns), call)
        if not columns:
            return
        names = self._texts(function, call, operation.name)
        where = argument(call, operation.where)
        unique = operation.unique == "always" or (
            operation.unique is not None and constant(argument(call, operation.unique)) is True
        )
        conditions = self._texts(function, call, operation.where) or ["..."]
        methods = self._texts(function, call, operation.method)
        table.indexes.append(
            Index(
                columns=columns,
                unique=unique,
                where=None if where is None else conditions[0],
                location=place,
                method=methods[0] if methods else "",
                name=names[0] if names else "",
            )
        )

    def _columns(
        self, function: FunctionNode, value: t.Expr | None, call: t.Call
    ) -> tuple[str, ...]:
        if not isinstance(value, t.Seq):
            found = list(self._values(function, value, (call.sequence, call.context), 4))
            return (found[0],) if len(found) == 1 else ()
        parts = []
        for item in value.items:
            found = list(self._values(function, item, (call.sequence, call.context), 4))
            parts.append(_bare(found[0]) if found else UNKNOWN_PART)
        return tuple(parts)

    def _add_key(
        self, function: FunctionNode, call: t.Call, operation: Operation, table: _Replayed
    ) -> None:
        columns = self._columns(function, argument(call, operation.columns), call)
        target = self._texts(function, call, operation.to)
        if len(columns) == 1 and target and columns[0] in table.columns:
            column = table.columns[columns[0]]
            if not column.references:
                table.columns[columns[0]] = replace(column, references=target[0])

    def _run_sql(self, place: Location, statement: str) -> None:
        gone = dropped_indexes(statement)
        if gone:
            for table in self.tables.values():
                table.indexes = [item for item in table.indexes if item.name not in gone]
        read = read_sql_tables([(place, statement)])
        for name, made in read.tables.items():
            self.tables.setdefault(name, _Replayed(name, place, dict(made.columns)))
        for name, columns in read.added.items():
            for key, column in columns.items():
                self._table(name, place).columns.setdefault(key, column)
        for name, indexes in read.indexes.items():
            self._table(name, place).indexes.extend(indexes)


def _with_table(call: t.Call, operation: Operation, table: str) -> t.Call:
    """Return a call on what changes one table, with the name of the table put in its place."""
    spec = operation.table or ""
    place = next((int(choice) for choice in spec.split("|") if choice.isdigit()), 0)
    arguments = list(call.arguments)
    if len(arguments) < place:
        name = next((choice for choice in spec.split("|") if not choice.isdigit()), "")
        return structs.replace(call, keywords=(*call.keywords, (name, t.Const(table, "str"))))
    arguments.insert(place, t.Const(table, "str"))
    return structs.replace(call, arguments=tuple(arguments))


def _rename(table: _Replayed, name: str, new: str | None) -> None:
    """Give a column a new name, or take it away with its indexes."""
    column = table.columns.pop(name, None)
    if new is None:
        table.indexes = [item for item in table.indexes if name not in item.columns]
        return
    if column is not None:
        table.columns[new] = replace(column, name=new)
    table.indexes = [
        replace(item, columns=tuple(new if part == name else part for part in item.columns))
        for item in table.indexes
    ]


def _bare(part: str) -> str:
    """Return the column of a part of an index, without its order."""
    words = part.split()
    return words[0] if words and words[-1].lower() in ("desc", "asc", "first", "last") else part
