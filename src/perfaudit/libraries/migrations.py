"""How the migrations of a library change the schema, and in which order they run."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from perfaudit.data import YamlNode

KINDS = frozenset(
    [
        "add_table",
        "drop_table",
        "rename_table",
        "name_table",
        "add_column",
        "alter_column",
        "drop_column",
        "rename_column",
        "add_index",
        "set_indexes",
        "drop_index",
        "rename_index",
        "add_key",
        "sql",
        "code",
        "operations",
    ]
)
KEYS = ("revision", "follows", "forwards", "backwards", "scopes", "connections", "operations")
LISTED_KEYS = ("classes", "listed", "follows", "precedes", "replaces", "operations")
OPERATION_KEYS = (
    *("does", "table", "name", "columns", "unique", "where", "method", "to", "sql"),
    *("column", "index", "options", "code", "database", "state"),
    *("include", "operators", "nullable"),
)


class Operation(Struct, frozen=True, gc=False):
    """A call that changes the schema.

    ``does``: what it changes. The rest are arguments: ``table`` the name of the table, ``name``
    that of the index or column, ``columns`` those of an index or key, ``where`` the condition of
    a partial index, ``method`` its kind, ``to`` a new name or the table that a key leads to,
    ``sql`` statements. ``unique``: the argument, or ``always``. ``column`` and ``index`` are calls
    that make one, ``options`` what else is said of a table, ``code`` a function that is run;
    ``database`` and ``state`` are lists of operations: those that are carried out, and those that
    only say how the classes look afterwards. ``include``: columns that an index only carries,
    ``operators``: how it compares them, ``nullable``: whether a column may be without a value.
    """

    path: str
    does: str
    table: str | None = None
    name: str | None = None
    columns: str | None = None
    unique: str | None = None
    where: str | None = None
    method: str | None = None
    to: str | None = None
    sql: str | None = None
    column: str | None = None
    index: str | None = None
    options: str | None = None
    code: str | None = None
    database: str | None = None
    state: str | None = None
    include: str | None = None
    operators: str | None = None
    nullable: str | None = None


class Migrations(Struct, frozen=True, gc=False):
    """All of the section, in one of two forms. ``follows`` names those that come before.

    Functions: ``revision`` is the name that a file gives itself, ``forwards`` the function that
    makes the change, ``backwards`` the one that takes it back. ``scopes``: calls that give, on
    entering, what changes one table -> their argument with its name; the operations of that leave
    it out. ``connections``: calls that give a connection -> the argument of its methods with SQL.

    Classes: ``classes`` are their bases, and ``listed`` the attribute with the operations. What
    comes before and after it (``precedes``), and what it stands for (``replaces``), are pairs of
    an application and a name. Operations name the classes of tables, of their own application.
    """

    follows: str
    operations: dict[str, Operation]
    revision: str = ""
    forwards: str = ""
    backwards: str = ""
    scopes: dict[str, str] = {}
    connections: dict[str, str] = {}
    classes: tuple[str, ...] = ()
    listed: str = ""
    precedes: str = ""
    replaces: str = ""


Named = Callable[[YamlNode | None, Callable[[str, YamlNode], Any]], dict[str, Any]]


def migrations_section(node: YamlNode | None, named: Named) -> Migrations | None:
    """Return the section; ``named`` gives its entries by their names, each built."""
    if node is None:
        return None
    by_class = "classes" in node.mapping()
    keys = node.mapping(LISTED_KEYS if by_class else KEYS)
    needed = ("listed",) if by_class else ("revision", "forwards")
    for required in (*needed, "follows", "operations"):
        if required not in keys:
            raise node.error(f"migrations need `{required}`.")
    words = ("revision", "follows", "forwards", "backwards", "listed", "precedes", "replaces")
    return Migrations(
        scopes=named(keys.get("scopes"), lambda _, entry: entry.text()),
        connections=named(keys.get("connections"), lambda _, entry: entry.text()),
        operations=named(keys["operations"], _operation),
        classes=keys["classes"].texts() if by_class else (),
        **{word: keys[word].text() for word in words if word in keys},
    )


def _operation(path: str, node: YamlNode) -> Operation:
    keys = node.mapping(OPERATION_KEYS)
    if "does" not in keys:
        raise node.error("an operation needs `does`.")
    given = {key: entry.text() for key, entry in keys.items() if key != "does"}
    return Operation(path=path, does=keys["does"].one_of(KINDS), **given)
