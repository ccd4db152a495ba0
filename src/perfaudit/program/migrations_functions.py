"""Migrations that a function of each file carries out, call by call."""

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.migrations import Migrations, Operation
from perfaudit.program.expressions import argument, argument_for, last_name
from perfaudit.program.migrations_tables import Database, Replayed
from perfaudit.program.migrations_texts import at_call, statements_given, texts_of
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.tables import Index
from perfaudit.program.tables_columns import UNKNOWN_PART
from perfaudit.program.tables_made import column_of_call, table_of_call
from perfaudit.program.tables_vocabulary import Vocabulary, called, constant, path_of, text

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_ROUNDS = 500
"""How many items of written-out lists are walked for one call."""
MAX_HELPERS = 2
"""How deep functions of the same file are followed."""


class FunctionPlayer:
    """Changes tables by the operations of one migration after the other."""

    def __init__(
        self,
        types: "Types",
        words: Vocabulary,
        names: dict[ClassNode, str],
        section: Migrations,
        database: Database,
    ) -> None:
        self.types = types
        self.words = words
        self.names = names
        self.section = section
        self.database = database
        self.connections = {path.rpartition(".")[2] for path in section.connections}
        self.by_name = {
            path.rpartition(".")[2]: operation for path, operation in section.operations.items()
        }

    def play(self, file: FileNode) -> None:
        for function in file.functions:
            if function.name == self.section.forwards and function.parent is file.body:
                self._run(function, MAX_HELPERS, {}, None)

    def _run(
        self,
        function: FunctionNode,
        depth: int,
        given: dict[str, t.Expr],
        begun: Location | None,
    ) -> None:
        """Make the changes of a function; ``given``: what is written out for its parameters.

        ``begun``: where the migration calls it, if it is a helper.
        """
        for written in sorted(function.facts.calls, key=lambda call: call.sequence):
            place = begun or function.place(written)
            for values in _rounds(function, written, given):
                self._make(function, _filled(written, values), depth, place)

    def _make(self, function: FunctionNode, call: t.Call, depth: int, place: Location) -> None:
        """Make the change of one call, or those of the helper that it calls."""
        if isinstance(call.callee, t.Name) and depth:
            for helper in function.file.body.inner.get(call.callee.id, ()):
                self._run(helper, depth - 1, _given(helper, call), place)
        name = call.callee.name if isinstance(call.callee, t.Attr) else ""
        operation = self.by_name.get(name)
        given = self._given_to_connection(function, call)
        if given is not None:
            self._run_sql(function, call, given, place)
        elif operation is not None:
            self._apply(function, call, operation, place)

    def _apply(
        self, function: FunctionNode, call: t.Call, operation: Operation, place: Location
    ) -> None:
        """Make the change that a call says, where it is one of the operations."""
        scoped = self._scoped_table(function, call)
        if scoped is not None:
            call = _with_table(call, operation, scoped)
        else:
            path = path_of(self.types, called(self.types, function, call))
            if path not in self.section.operations:
                return
        if operation.does == "sql":
            self._run_sql(function, call, argument(call, operation.sql), place)
            return
        for table in self._texts(function, call, operation.table):
            self._change(function, call, operation, table, place)

    def _run_sql(
        self, function: FunctionNode, call: t.Call, value: t.Expr | None, place: Location
    ) -> None:
        """Carry out the statements that a call is given."""
        for at, statement in statements_given(self.types, function, value, at_call(call)):
            self.database.run_sql(at if at.line >= call.line else place, statement)
        self.database.spend(function.file.path, call.line, call.end_line)

    def _given_to_connection(self, function: FunctionNode, call: t.Call) -> t.Expr | None:
        """Return what a method of the migration's connection is given to run; None elsewhere."""
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        if isinstance(base, t.Name):
            base = function.only_value(base.id)
        if not isinstance(base, t.CallRef):
            return None
        maker = function.facts.calls[base.index]
        if last_name(maker.callee) not in self.connections:
            return None
        path = path_of(self.types, called(self.types, function, maker))
        return argument(call, self.section.connections.get(path))

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
        return list(texts_of(self.types, function, argument(call, spec), at_call(call)))

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
                columns = {column.name: column for column in made.columns.values()}
                self.database.tables[table] = Replayed(table, place, columns, [*made.indexes])
            case "drop_table":
                self.database.tables.pop(table, None)
            case "rename_table":
                for new in self._texts(function, call, operation.to)[:1]:
                    self.database.rename(table, new)
            case "add_column":
                self._add_columns(function, call, self.database.table(table, place))
            case "drop_column":
                for name in self._texts(function, call, operation.name):
                    self.database.table(table, place).drop_column(name)
            case "alter_column":
                self._alter(function, call, operation, self.database.table(table, place))
            case "add_index":
                self._add_index(function, call, operation, self.database.table(table, place), place)
            case "drop_index":
                gone = self._texts(function, call, operation.name)
                self.database.table(table, place).drop_indexes(gone)
            case "add_key":
                self._add_key(function, call, operation, self.database.table(table, place))

    def _alter(
        self, function: FunctionNode, call: t.Call, operation: Operation, table: Replayed
    ) -> None:
        nullable = constant(argument(call, operation.nullable))
        new_names = self._texts(function, call, operation.to)
        for name in self._texts(function, call, operation.name):
            if isinstance(nullable, bool) and name in table.columns:
                table.columns[name] = replace(table.columns[name], nullable=nullable)
            if new_names:
                table.rename_column(name, new_names[0])

    def _add_columns(self, function: FunctionNode, call: t.Call, table: Replayed) -> None:
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
        table: Replayed,
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
                include=self._columns(function, argument(call, operation.include), call),
                operators=argument(call, operation.operators) is not None,
            )
        )

    def _columns(
        self, function: FunctionNode, value: t.Expr | None, call: t.Call
    ) -> tuple[str, ...]:
        if not isinstance(value, t.Seq):
            found = list(texts_of(self.types, function, value, at_call(call)))
            return (found[0],) if len(found) == 1 else ()
        parts = []
        for item in value.items:
            found = list(texts_of(self.types, function, item, at_call(call)))
            parts.append(_bare(found[0]) if found else UNKNOWN_PART)
        return tuple(parts)

    def _add_key(
        self, function: FunctionNode, call: t.Call, operation: Operation, table: Replayed
    ) -> None:
        columns = self._columns(function, argument(call, operation.columns), call)
        target = self._texts(function, call, operation.to)
        if len(columns) == 1 and target and columns[0] in table.columns:
            column = table.columns[columns[0]]
            if not column.references:
                table.columns[columns[0]] = replace(column, references=target[0])


def _given(function: FunctionNode, call: t.Call) -> dict[str, t.Expr]:
    """Return what a call writes out for the parameters of a function, or they have by default."""
    values = {
        name: argument_for(call, function, name) or param.default
        for name, param in function.params.items()
    }
    return {name: value for name, value in values.items() if value and _is_written_out(value)}


def _rounds(
    function: FunctionNode, call: t.Call, given: dict[str, t.Expr]
) -> list[dict[str, t.Expr]]:
    """Return what names are given for a call: once for each item of the lists that are walked."""
    rounds = [given]
    for number in reversed(function.loops(call.context)):
        loop = function.facts.contexts[number]
        subject = None if loop.subject is None else _value(loop.subject, given)
        if isinstance(subject, t.Name):
            subject = function.only_value(subject.id) or function.file.body.only_value(subject.id)
        if isinstance(subject, t.Seq) and loop.target is not None:
            rounds = [
                {**values, **_bound(loop.target, item)}
                for values in rounds
                for item in subject.items[:MAX_ROUNDS]
            ][:MAX_ROUNDS]
    return rounds


def _bound(target: t.Expr, item: t.Expr) -> dict[str, t.Expr]:
    if isinstance(target, t.Name):
        return {target.id: item} if _is_written_out(item) else {}
    if isinstance(target, t.Seq) and isinstance(item, t.Seq):
        pairs = zip(target.items, item.items, strict=False)
        return {name: value for one, held in pairs for name, value in _bound(one, held).items()}
    return {}


def _is_written_out(value: t.Expr) -> bool:
    """Return whether an expression means the same wherever it stands."""
    if isinstance(value, t.Seq):
        return all(map(_is_written_out, value.items))
    return isinstance(value, t.Const)


def _filled(call: t.Call, given: dict[str, t.Expr]) -> t.Call:
    """Return a call with what is given for names of parameters among its arguments."""
    if not given:
        return call
    return structs.replace(
        call,
        arguments=tuple(_value(value, given) for value in call.arguments),
        keywords=tuple((name, _value(value, given)) for name, value in call.keywords),
    )


def _value(value: t.Expr, given: dict[str, t.Expr]) -> t.Expr:
    if isinstance(value, t.Seq):
        return t.Seq(value.kind, tuple(_value(item, given) for item in value.items))
    if isinstance(value, t.Text):
        parts = [part if isinstance(part, str) else _value(part, given) for part in value.parts]
        known = [text(part) if not isinstance(part, str) else part for part in parts]
        if all(part is not None for part in known):
            return t.Const("".join(part for part in known if part is not None), "str")
        return t.Text(tuple(parts))
    return given.get(value.id, value) if isinstance(value, t.Name) else value


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


def _bare(part: str) -> str:
    """Return the column of a part of an index, without its order; an expression in parentheses."""
    words = part.split()
    bare = words[0] if words and words[-1].lower() in ("desc", "asc", "first", "last") else part
    return f"({bare})" if "(" in bare and not bare.startswith("(") else bare
