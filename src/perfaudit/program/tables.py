"""What is known of the tables of the audited program: values, whoever declared them."""

from dataclasses import dataclass, field

from perfaudit.core.location import Location
from perfaudit.facts.types import Const
from perfaudit.program.nodes import ClassNode
from perfaudit.program.values import Type


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``name`` is the database's; the key in ``Table.columns`` is the attribute's.

    ``type``: text, json, binary, integer, number, boolean, time, uuid, array or other.
    ``long``: a text declared as one that may be long, where there is a word for short ones too.
    ``nullable`` is None where it is not known. ``indexed``: an index, a unique constraint or the
    primary key leads with it. ``references``: the ``table.column`` or table of a foreign key;
    ``on_delete``: what becomes of the row when that one is deleted, in lower case, where said.
    ``wrapped``: objects give more than the value, such as a file. ``as_text``: JSON that the
    database holds as a text. ``default``: the constant that a new object has, where none is given.
    """

    name: str
    type: str
    nullable: bool | None
    primary: bool
    indexed: bool
    location: Location
    unique: bool = False
    references: str = ""
    on_delete: str = ""
    long: bool = False
    wrapped: bool = False
    as_text: bool = False
    default: Const | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute that leads to rows of another table.

    ``kind``: many_to_one, one_to_one, one_to_many, many_to_many or unknown. ``target`` is None
    where the other class is not known or is a library's. ``lazy``: lazy, eager, dynamic, raise
    (reading never queries) or unknown. ``column``: the attribute that holds the key; ``beside``:
    others that reading it reads. ``in_conditions``: what conditions call it, where that is another
    name. ``reverse``: declared by the other side. ``inverse``: the attribute over there.
    ``value``: what reading it on an object gives. ``private``: not among the fields that are meant
    by all of them.
    """

    name: str
    kind: str
    target: ClassNode | None
    many: bool
    lazy: str
    column: str | None
    reverse: bool
    location: Location
    value: Type
    inverse: str = ""
    private: bool = False
    beside: tuple[str, ...] = ()
    in_conditions: str = ""

    @property
    def asked_as(self) -> str:
        """Return the name that conditions and numbers of rows know it by."""
        return self.in_conditions or self.name

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the attributes that reading it reads of its row."""
        return (*((self.column,) if self.column else ()), *self.beside)


@dataclass(frozen=True, slots=True)
class Index:
    """An index or a constraint that has one. ``columns`` are names as in ``Column.name``.

    A part that is an expression is written in parentheses. ``where``: the condition of a partial
    index. ``method`` is what CREATE INDEX says after USING, such as gin. ``include``: columns that
    it only carries. ``operators``: its columns are compared in a way that is not the usual one.
    """

    columns: tuple[str, ...]
    unique: bool
    where: str | None
    location: Location
    method: str = ""
    name: str = ""
    include: tuple[str, ...] = ()
    operators: bool = False


def own_indexes(columns: dict[str, Column]) -> list[Index]:
    """Return the indexes that columns have by themselves: that of the primary key, and their own.

    A primary key of several columns is one index, so only its first column leads one.
    """
    primary = [column for column in columns.values() if column.primary]
    found = []
    if primary:
        names = tuple(column.name for column in primary)
        found.append(Index(names, True, None, primary[0].location))
    found += [
        Index((column.name,), column.unique, None, column.location)
        for column in columns.values()
        if column.indexed and not (column.primary and len(primary) == 1)
    ]
    return found


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with what its class and the SQL of the project say of it.

    ``node`` is None where only SQL declares it. An ``abstract`` table has columns and no rows; a
    view has those of a query.
    """

    name: str
    columns: dict[str, Column]
    relations: dict[str, Relation]
    indexes: tuple[Index, ...]
    location: Location
    node: ClassNode | None = None
    abstract: bool = False
    library: str = ""
    is_view: bool = False

    def column(self, name: str) -> Column | None:
        """Return the column of this attribute or database name."""
        found = self.columns.get(name)
        if found is not None:
            return found
        lowered = name.lower()
        return next((item for item in self.columns.values() if item.name.lower() == lowered), None)


@dataclass(frozen=True, slots=True)
class Derived:
    """A view, or a table that is made of what a query gives."""

    name: str
    text: str
    location: Location
    is_view: bool


@dataclass(frozen=True, slots=True)
class SqlTables:
    """What the SQL of the project declares: tables, and indexes by the name of their table.

    ``added`` holds the columns of ALTER TABLE. ``derived`` are views and tables made of queries, by
    their names. ``unparsed`` counts statements that did not parse.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    indexes: dict[str, list[Index]] = field(default_factory=dict)
    added: dict[str, dict[str, Column]] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    unparsed: int = 0
