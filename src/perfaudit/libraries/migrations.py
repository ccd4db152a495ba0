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
        "add_column",
        "drop_column",
        "rename_column",
        "add_index",
        "drop_index",
        "add_key",
        "sql",
    ]
)
KEYS = ("revision", "follows", "forwards", "scopes", "operations")
OPERATION_KEYS = ("does", "table", "name", "columns", "unique", "where", "method", "to", "sql")


class Operation(Struct, frozen=True, gc=False):
    """A call that changes the schema.

    ``does``: what it changes. The rest are arguments: ``table`` the name of the table, ``name``
    that of the index or column, ``columns`` those of an index or key, ``where`` the condition of
    a partial index, ``method`` its kind, ``to`` a new name or the table that a key leads to,
    ``sql`` statements. ``unique``: the argument, or ``always``.
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


class Migrations(Struct, frozen=True, gc=False):
    """All of the section.

    ``revision``: the name that a file gives itself, ``follows``: that with the revisions before it.
    ``forwards``: the function that makes the change. ``scopes``: calls that give, on entering, what
    changes one table -> their argument with its name; the operations of that leave it out.
    """

    revision: str
    follows: str
    forwards: str
    scopes: dict[str, str]
    operations: dict[str, Operation]


Named = Callable[[YamlNode | None, Callable[[str, YamlNode], Any]], dict[str, Any]]


def migrations_section(node: YamlNode | None, named: Named) -> Migrations | None:
    """Return the section; ``named`` gives its entries by their names, each built."""
    if node is None:
        return None
    keys = node.mapping(KEYS)
    for required in ("revision", "follows", "forwards", "operations"):
        if required not in keys:
            raise node.error(f"migrations need `{required}`.")
    return Migrations(
        revision=keys["revision"].text(),
        follows=keys["follows"].text(),
        forwards=keys["forwards"].text(),
        scopes=named(keys.get("scopes"), lambda _, entry: entry.text()),
        operations=named(keys["operations"], _operation),
    )


def _operation(path: str, node: YamlNode) -> Operation:
    keys = node.mapping(OPERATION_KEYS)
    if "does" not in keys:
        raise node.error("an operation needs `does`.")
    given = {key: entry.text() for key, entry in keys.items() if key != "does"}
    return Operation(path=path, does=keys["does"].one_of(KINDS), **given)
