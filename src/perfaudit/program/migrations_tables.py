"""The tables of a database while migrations run: what each change leaves of them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from perfaudit.core.location import Location
from perfaudit.program.sql_changes import Change, changes_of
from perfaudit.program.tables import Column, Derived, Index, SqlTables, Table, own_indexes
from perfaudit.program.tables_sql import read_sql_tables

_KEY = re.compile(
    r"\bconstraint\s+[\"`]?(?P<name>\w+)[\"`]?\s+(?P<kind>primary|foreign)\s+key"
    r"\s*\(\s*[\"`]?(?P<column>\w+)",
    re.IGNORECASE,
)
"""A key that has a name, and its first column."""


@dataclass(slots=True)
class Replayed:
    """One table so far: it is changed as the migrations run.

    ``columns`` are by their names in the database. ``is_made``: a statement of the replay makes it,
    and does not only change it. ``sets``: indexes of which one change replaces
    all others of its kind, the unique ones and the plain ones. ``keys``: primary or foreign, and
    the column, by the name of the key.
    """

    name: str
    location: Location
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    sets: dict[bool, list[Index]] = field(default_factory=dict)
    is_made: bool = False
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def drop_column(self, name: str) -> None:
        """Take a column away, with its indexes."""
        self.columns.pop(name, None)
        self._keep(lambda index: None if name in index.columns else index)

    def rename_column(self, name: str, new: str) -> None:
        """Give a column a new name."""
        column = self.columns.pop(name, None)
        if column is not None:
            self.columns[new] = replace(column, name=new)
        for key, (kind, own) in self.keys.items():
            if own == name:
                self.keys[key] = kind, new
        self._keep(lambda index: replace(index, columns=_renamed(index.columns, name, new)))

    def name_keys(self, text: str) -> None:
        """Note the names of the keys that a statement gives this table."""
        for found in _KEY.finditer(text):
            self.keys[found.group("name")] = found.group("kind").lower(), found.group("column")

    def drop_indexes(self, names: Iterable[str]) -> None:
        """Take indexes and constraints away by their names."""
        gone = {name for name in names if name}
        self._keep(lambda index: None if index.name in gone else index)
        for name in gone.intersection(self.keys):
            kind, key = self.keys.pop(name)
            column = self.columns.get(key)
            if column is not None and kind == "primary":
                self.columns[key] = replace(column, primary=False)
            elif column is not None:
                self.columns[key] = replace(column, references="")

    def rename_index(self, name: str, new: str) -> None:
        """Give an index a new name."""
        self._keep(lambda index: replace(index, name=new) if index.name == name else index)

    def _keep(self, change: Callable[[Index], Index | None]) -> None:
        self.indexes = [kept for item in self.indexes if (kept := change(item)) is not None]
        for kind, items in self.sets.items():
            self.sets[kind] = [kept for item in items if (kept := change(item)) is not None]

    def finished(self) -> Table:
        """Return the table as it is now."""
        written = [*self.indexes, *(index for items in self.sets.values() for index in items)]
        known = {(index.columns, index.where, index.unique) for index in written}
        own = [
            item
            for item in own_indexes(self.columns)
            if (item.columns, None, item.unique) not in known
        ]
        return Table(self.name, self.columns, {}, (*own, *written), self.location)


def _renamed(columns: tuple[str, ...], name: str, new: str) -> tuple[str, ...]:
    return tuple(new if column == name else column for column in columns)


@dataclass(slots=True)
class Database:
    """The tables by name, in the order in which they were made.

    ``derived``: views and tables made of queries. ``spent``: the lines of each file whose
    statements are carried out, or take something back. ``unparsed`` counts statements that did not
    parse.
    """

    tables: dict[str, Replayed] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    spent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    unparsed: int = 0

    def spend(self, path: str, first: int, last: int) -> None:
        """Note lines whose statements say nothing more of the tables."""
        self.spent.setdefault(path, []).append((first, last))

    def table(self, name: str, place: Location) -> Replayed:
        """Return a table; one that was made elsewhere has no columns so far."""
        plain = name.rpartition(".")[2]
        return self.tables.setdefault(plain, Replayed(plain, place))

    def rename(self, name: str, new: str) -> None:
        """Give a table a new name, also where other tables refer to it."""
        made = self.derived.pop(name, None)
        if made is not None:
            self.derived[new] = replace(made, name=new)
        found = self.tables.pop(name, None)
        if found is None:
            return
        found.name = new
        self.tables[new] = found
        for table in self.tables.values():
            for key, column in table.columns.items():
                referred, dot, rest = column.references.partition(".")
                if referred == name:
                    table.columns[key] = replace(column, references=f"{new}{dot}{rest}")

    def run_sql(self, place: Location, text: str) -> None:
        """Carry out what statements say of tables, columns and indexes, in their order."""
        for change in changes_of(place, text):
            if change.does == "declare":
                self._declare(change)
            else:
                self._change(change)

    def _declare(self, change: Change) -> None:
        known = {
            name: Table(name, table.columns, {}, (), table.location)
            for name, table in self.tables.items()
            if table.is_made and name in change.text
        }
        # What it changes of known tables are their columns themselves.
        read = read_sql_tables([(change.place, change.text)], SqlTables(tables=dict(known)))
        for name, made in read.tables.items():
            if name in known:
                continue
            so_far = self.tables.get(name)
            columns = {**made.columns, **({} if so_far is None else so_far.columns)}
            indexes = [] if so_far is None else so_far.indexes
            self.tables[name] = Replayed(name, made.location, columns, indexes, is_made=True)
            self.tables[name].name_keys(change.text)
        self.derived.update(read.derived)
        self.unparsed += read.unparsed
        for name, columns in read.added.items():
            for key, column in columns.items():
                self.table(name, change.place).columns.setdefault(key, column)
        for name, indexes in read.indexes.items():
            self.table(name, change.place).indexes.extend(indexes)
        if change.table in self.tables:
            self.tables[change.table].name_keys(change.text)

    def _change(self, change: Change) -> None:
        match change.does:
            case "drop_table":
                for name in change.names:
                    self.tables.pop(name, None)
                    self.derived.pop(name, None)
            case "rename_table":
                self.rename(change.table, change.to)
            case "drop_column":
                if change.table in self.tables:
                    self.tables[change.table].drop_column(change.names[0])
            case "rename_column":
                if change.table in self.tables:
                    self.tables[change.table].rename_column(change.names[0], change.to)
            case "drop_index":
                for table in self.tables.values():
                    table.drop_indexes(change.names)
            case "rename_index":
                for table in self.tables.values():
                    table.rename_index(change.names[0], change.to)
