"""Migrations that classes list as operations, each on the class of a table of its application."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.migrations import Migrations, Operation
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program.expressions import argument, is_dotted
from perfaudit.program.migrations_tables import Database, Replayed
from perfaudit.program.migrations_texts import at_call, statements_given, texts_of
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables import Column, Index
from perfaudit.program.tables_columns import (
    column_of,
    has_key,
    indexes_in,
    made_index,
    snake,
    translated,
)
from perfaudit.program.tables_orm import Field
from perfaudit.program.tables_vocabulary import (
    Maker,
    Vocabulary,
    called,
    constant,
    library_lineage,
    maker_of,
    meaning_of,
    path_of,
    text,
)
from perfaudit.program.values import ClassType, FunctionType

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

Key = tuple[str, str]
"""A class of a table: its application and its name in lower case."""
MAX_CALLS = 400
"""How many calls of a function are looked at for statements."""


@dataclass(frozen=True, slots=True)
class Model:
    """A class as the migrations say it looks: its table, and its columns by attribute."""

    table: str
    columns: dict[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: its call, where it is written, and what it changes.

    ``carried_out``: the database is changed, and not only what is known of the classes.
    """

    scope: FunctionNode
    call: t.Call
    operation: Operation
    label: str
    carried_out: bool


class ClassPlayer:
    """Changes tables by the operations of one migration after the other."""

    def __init__(
        self,
        types: "Types",
        words: Vocabulary,
        section: Migrations,
        declaration: Declaration,
        settings: dict[str, str],
        database: Database,
    ) -> None:
        self.types = types
        self.words = words
        self.section = section
        self.declaration = declaration
        self.settings = settings
        self.database = database
        self.models: dict[Key, Model] = {}

    def play(self, node: ClassNode, label: str) -> None:
        """Carry out the operations of a migration of an application."""
        listed = node.body.binds.get(self.section.listed)
        if listed:
            self._run(node.body, listed[-1].value, label, carried_out=True)

    def finish(self) -> None:
        """Put the names of tables in the place of those of the classes that keys lead to."""
        for table in self.database.tables.values():
            for key, column in table.columns.items():
                app, at, name = column.references.partition("@")
                if at:
                    table.columns[key] = replace(column, references=self._table((app, name)))

    def _run(
        self, scope: FunctionNode, value: t.Expr | None, label: str, *, carried_out: bool
    ) -> None:
        for at, call in _calls_in(scope, value):
            found = called(self.types, at, call)
            paths = (
                library_lineage(self.types, found.node)
                if isinstance(found, ClassType)
                else (path_of(self.types, found),)
            )
            operation = next(
                (
                    self.section.operations[path]
                    for path in paths
                    if path in self.section.operations
                ),
                None,
            )
            if operation is not None:
                self._apply(Step(at, call, operation, label, carried_out))

    def _apply(self, step: Step) -> None:
        given = {
            role: argument(step.call, spec)
            for role, spec in (
                ("sql", step.operation.sql),
                ("code", step.operation.code),
                ("database", step.operation.database),
                ("state", step.operation.state),
            )
        }
        if step.carried_out:
            for place, statement in statements_given(
                self.types, step.scope, given["sql"], at_call(step.call)
            ):
                self.database.run_sql(place, statement)
            if given["sql"] is not None:
                self.database.spend(step.scope.file.path, step.call.line, step.call.end_line)
            self._run_code(step, given["code"])
            if given["database"] is not None:
                # What these say of the classes is said again by those for the state.
                before = dict(self.models)
                self._run(step.scope, given["database"], step.label, carried_out=True)
                self.models = before
        if given["state"] is not None:
            self._run(step.scope, given["state"], step.label, carried_out=False)
        for name in self._texts(step, step.operation.table)[:1]:
            self._change(step, (step.label, name.lower()))

    def _run_code(self, step: Step, value: t.Expr | None) -> None:
        """Carry out the statements that a function of the migration runs."""
        if value is None or not is_dotted(value):
            return
        found = meaning_of(self.types, step.scope, value, AT_END)
        if isinstance(found, FunctionType):
            for call in found.node.facts.calls[:MAX_CALLS]:
                for given in call.arguments[:1]:
                    for place, statement in statements_given(
                        self.types, found.node, given, at_call(call)
                    ):
                        self.database.run_sql(place, statement)

    def _texts(self, step: Step, spec: str | None) -> list[str]:
        return list(texts_of(self.types, step.scope, argument(step.call, spec), at_call(step.call)))

    def _default(self, key: Key) -> str:
        pattern = self.declaration.table_default
        named = pattern.replace("{name}", key[1]).replace("{snake}", snake(key[1]))
        return named.replace("{app}", key[0])

    def _table(self, key: Key) -> str:
        model = self.models.get(key)
        return model.table if model is not None else self._default(key)

    def _model(self, key: Key) -> Model:
        return self.models.setdefault(key, Model(self._default(key)))

    def _replayed(self, step: Step, key: Key) -> Replayed:
        """Return the table of a class; one that nobody sees where it is not carried out."""
        name, place = self._table(key), step.scope.place(step.call)
        return self.database.table(name, place) if step.carried_out else Replayed(name, place)

    def _change(self, step: Step, key: Key) -> None:
        match step.operation.does:
            case "add_table":
                self._add_table(step, key)
            case "drop_table":
                if step.carried_out:
                    self.database.tables.pop(self._table(key), None)
                self.models.pop(key, None)
            case "rename_table":
                for new in self._texts(step, step.operation.to)[:1]:
                    target = (key[0], new.lower())
                    is_given = self._table(key) != self._default(key)
                    at = key if is_given else target
                    self._rename_table(step, key, target, self._table(at))
            case "name_table":
                named = argument(step.call, step.operation.to)
                if isinstance(named, t.Const):
                    self._rename_table(step, key, key, text(named) or self._default(key))
            case "add_column" | "alter_column":
                self._add_column(step, key)
            case "drop_column":
                for name in self._texts(step, step.operation.name)[:1]:
                    self._drop_column(step, key, name)
            case "rename_column":
                old = self._texts(step, step.operation.name)[:1]
                new_names = self._texts(step, step.operation.to)[:1]
                for name, new in zip(old, new_names, strict=False):
                    self._rename_column(step, key, name, new)
            case "add_index":
                table = self._replayed(step, key)
                for index in self._indexes(step, key, step.operation.index, unique=False):
                    table.indexes.append(index)
            case "set_indexes":
                unique = step.operation.unique == "always"
                found = self._indexes(step, key, step.operation.columns, unique=unique)
                self._replayed(step, key).sets[unique] = list(found)
            case "drop_index":
                names = self._texts(step, step.operation.name)
                self._replayed(step, key).drop_indexes(names)
            case "rename_index":
                self._rename_index(step, key)

    def _add_table(self, step: Step, key: Key) -> None:
        options = _entries(argument(step.call, step.operation.options))
        if any(
            constant(options.get(name.rpartition(".")[2])) is True
            for name in (*self.declaration.shared_attributes, *self.declaration.abstract_attributes)
        ):
            return
        named = [
            text(options.get(name.rpartition(".")[2])) for name in self.declaration.name_attributes
        ]
        table = next((name for name in named if name), self._default(key))
        columns: dict[str, Column] = {}
        given = argument(step.call, step.operation.columns)
        for item in given.items if isinstance(given, t.Seq) else ():
            if isinstance(item, t.Seq) and len(item.items) == 2:
                name = text(item.items[0])
                made = self._column(step, key, name, item.items[1]) if name else None
                if made is not None:
                    columns[made[0]] = made[1]
        self.models[key] = Model(table, columns)
        found = self._replayed(step, key)
        found.columns.update({column.name: column for column in columns.values()})
        for attribute, unique in self.declaration.index_attributes.items():
            value = options.get(attribute.rpartition(".")[2])
            indexes = self._translated(step, key, value, unique=unique)
            if value is not None and _holds_calls(value):
                found.indexes.extend(indexes)
            else:
                found.sets.setdefault(unique, []).extend(indexes)

    def _rename_table(self, step: Step, key: Key, target: Key, table: str) -> None:
        model = self._model(key)
        if step.carried_out and table != model.table:
            self.database.rename(model.table, table)
        self.models.pop(key)
        self.models[target] = replace(model, table=table)
        self._rename_references(key, target)

    def _rename_references(self, key: Key, new: Key) -> None:
        if key == new:
            return
        for table in self.database.tables.values():
            for name, column in table.columns.items():
                if column.references == "@".join(key):
                    table.columns[name] = replace(column, references="@".join(new))

    def _add_column(self, step: Step, key: Key) -> None:
        names = self._texts(step, step.operation.name)[:1]
        given = argument(step.call, step.operation.column)
        made = self._column(step, key, names[0], given) if names and given is not None else None
        if made is None:
            return
        model, table = self._model(key), self._replayed(step, key)
        attribute, column = made
        old = model.columns.get(attribute)
        if old is not None and old.name != column.name:
            table.rename_column(old.name, column.name)
        table.columns[column.name] = column
        model.columns[attribute] = column

    def _drop_column(self, step: Step, key: Key, name: str) -> None:
        model = self._model(key)
        attribute = self._attribute(model, name)
        column = model.columns.get(attribute)
        if column is not None:
            self._replayed(step, key).drop_column(column.name)
            columns = {at: item for at, item in model.columns.items() if at != attribute}
            self.models[key] = replace(model, columns=columns)

    def _rename_column(self, step: Step, key: Key, name: str, new: str) -> None:
        model = self._model(key)
        attribute = self._attribute(model, name)
        column = model.columns.get(attribute)
        if column is None:
            return
        now = attribute.replace(name, new, 1) if attribute.startswith(name) else new
        if column.name == attribute:
            self._replayed(step, key).rename_column(attribute, now)
            column = replace(column, name=now)
        columns = {at: item for at, item in model.columns.items() if at != attribute}
        self.models[key] = replace(model, columns={**columns, now: column})

    def _attribute(self, model: Model, name: str) -> str:
        """Return the attribute that holds the column of a field: a relation's holds the key."""
        return (
            name
            if name in model.columns
            else self.declaration.relation_column.replace("{name}", name)
        )

    def _column(self, step: Step, key: Key, name: str, value: t.Expr) -> tuple[str, Column] | None:
        """Return the column that a field makes, with its attribute; None where it makes none."""
        if not isinstance(value, t.CallRef):
            return None
        scope, call = step.scope, step.scope.facts.calls[value.index]
        maker = maker_of(self.types, self.words, called(self.types, scope, call))
        place = scope.place(call)
        location = Location(place.path, place.line, place.column)
        if maker is None and self._leads_away(call):
            return None
        declaration = self.declaration if maker is None else maker.declaration
        found = Field(
            name=name,
            owner=None,
            scope=scope,
            declaration=declaration,
            kind=None if maker is None else maker.kind,
            calls=((declaration, call),),
            annotation=None,
            annotation_scope=scope,
            loading="lazy",
            is_wrapped=False,
            is_custom=maker is None or maker.is_custom,
            is_plain=False,
            location=location,
        )
        if found.is_relation and not has_key(found):
            return None
        attribute, column = column_of(self.types, self.words, found, {})
        if maker is not None and found.is_relation:
            column = replace(column, references=self._reference(key, call, maker))
        return attribute, column

    def _leads_away(self, call: t.Call) -> bool:
        """Return whether a field of an unknown class names the class of other rows."""
        keywords = dict(call.keywords)
        kinds = (kind for _, kind in self.words.columns.values() if kind.to is not None)
        words = {word for kind in kinds for word in (kind.to or "").split("|")}
        return bool(keywords.keys() & words)

    def _reference(self, key: Key, call: t.Call, maker: Maker) -> str:
        """Return the class that a key leads to, as ``application@name``."""
        given = argument(call, maker.kind.to)
        if isinstance(given, t.CallRef):
            return ""
        named = text(given)
        if named is None:
            last = given.name if isinstance(given, t.Attr) else getattr(given, "id", "")
            named = self.settings.get(last) or ""
        if named == "self":
            return "@".join(key)
        app, _, name = named.rpartition(".")
        app = app.rpartition(".")[2].lower() or key[0]
        return f"{app}@{name.lower()}" if name else ""

    def _indexes(self, step: Step, key: Key, spec: str | None, *, unique: bool) -> Iterator[Index]:
        yield from self._translated(step, key, argument(step.call, spec), unique=unique)

    def _translated(
        self, step: Step, key: Key, value: t.Expr | None, *, unique: bool
    ) -> list[Index]:
        """Return the indexes that a value says, with the names of columns for those of fields."""
        if value is None:
            return []
        place = step.scope.place(step.call)
        if isinstance(value, t.CallRef):
            call = step.scope.facts.calls[value.index]
            maker = self.words.index_makers.get(
                path_of(self.types, called(self.types, step.scope, call))
            )
            found = [made_index(step.scope, call, maker)] if maker is not None else []
            if maker is None and len(call.arguments) == 1:
                # What only gathers the groups, such as set().
                return self._translated(step, key, call.arguments[0], unique=unique)
        else:
            found = list(
                indexes_in(self.types, self.words, step.scope, value, place, unique=unique)
            )
        columns = self._model(key).columns
        return [translated(index, columns) for index in found if index.columns]

    def _rename_index(self, step: Step, key: Key) -> None:
        table = self._replayed(step, key)
        new = self._texts(step, step.operation.to)[:1]
        for name in self._texts(step, step.operation.name)[:1] if new else ():
            table.rename_index(name, new[0])
            return
        if not new:
            return
        for index in self._indexes(step, key, step.operation.columns, unique=False):
            for items in table.sets.values():
                items[:] = [item for item in items if item.columns != index.columns]
            table.indexes.append(replace(index, name=new[0]))


def _calls_in(scope: FunctionNode, value: t.Expr | None) -> Iterator[tuple[FunctionNode, t.Call]]:
    """Yield the calls of a list of operations, in order, with the scope they are written in."""
    if isinstance(value, t.Seq):
        for item in value.items:
            yield from _calls_in(scope, item)
    elif isinstance(value, t.Star):
        yield from _calls_in(scope, value.value)
    elif isinstance(value, t.Binary):
        yield from _calls_in(scope, value.left)
        yield from _calls_in(scope, value.right)
    elif isinstance(value, t.CallRef):
        yield scope, scope.facts.calls[value.index]
    elif isinstance(value, t.Name):
        for found, definition in meanings(scope, value.id, AT_END):
            if isinstance(definition, t.Bind) and isinstance(definition.value, t.Seq):
                yield from _calls_in(found, definition.value)


def _entries(value: t.Expr | None) -> dict[str, t.Expr]:
    """Return the entries of a dictionary that is written out, by the keys that are texts."""
    if not isinstance(value, t.Mapping):
        return {}
    pairs: Sequence[tuple[t.Expr | None, t.Expr]] = tuple(
        zip(value.keys, value.values, strict=True)
    )
    return {name: held for part, held in pairs if (name := text(part)) is not None}


def _holds_calls(value: t.Expr) -> bool:
    return isinstance(value, t.Seq) and any(isinstance(item, t.CallRef) for item in value.items)
