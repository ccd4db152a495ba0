"""Objects that a session keeps: what has been loaded by its key is not asked for again."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_entities import keeps_objects, keys_of
from perfaudit.program.row_types import relation_at
from perfaudit.program.rows import Path
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, LibraryInstance, TupleType, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DEPTH = 3
WHOLE = frozenset(
    {"", "query", "select", "all", "scalars", "execute", "exec", "order_by", "options", "unique"}
    | {"fetchall", "distinct", "execution_options"}
)
"""Steps of a query that leave all objects of its class in the result."""


def times_asked(
    program: "Program", row: ClassNode | None, paths: Sequence[Path], otherwise: str
) -> str:
    """Return how often relations of rows are asked for: for each object that they lead to, once.

    ``otherwise``: what is said where no session keeps these by their key.
    """
    if row is None or not all(_is_kept_by_key(program, row, path) for path in paths):
        return otherwise
    names = [path[-1] for path in paths]
    return f"once for each distinct `{'`, `'.join(dict.fromkeys(names))}`"


def _is_kept_by_key(program: "Program", row: ClassNode, path: Path) -> bool:
    """Return whether a session finds what a path of relations from a row leads to by its key.

    No path is a query of its own.
    """
    if not path:
        return False
    owner: ClassNode | None = row
    if path[:-1]:
        above = relation_at(program, row, path[:-1])
        owner = None if above is None else above.target
    relation = relation_at(program, row, path)
    if owner is None or relation is None or relation.target is None:
        return False
    if relation.kind != "many_to_one" or not keeps_objects(program, relation.target):
        return False
    table, other = program.schema.table_of(owner), program.schema.table_of(relation.target)
    keys = keys_of(program, owner, relation)
    referred = [
        column.references.rpartition(".")[2]
        for key in keys
        if table is not None and (column := table.columns.get(key)) is not None
    ]
    columns = [None if other is None else other.column(name) for name in referred if name]
    return all(column is not None and column.primary for column in columns)


def may_be_kept(
    program: "Program", relation: Relation, function: FunctionNode, query: Location | None
) -> bool:
    """Return whether what a relation leads to may have been loaded by those who read or query it.

    They hold an object of its class, or some of them, which their session keeps.
    """
    if relation.target is None or relation.many or not keeps_objects(program, relation.target):
        return False
    holders = [function]
    if query is not None:
        holders += _functions_around(program, query)
    return any(_holds(program, holder, relation) for holder in dict.fromkeys(holders))


def _functions_around(program: "Program", place: Location) -> list[FunctionNode]:
    """Return the functions, and those in them, that a place stands in."""
    return [
        function for function in program.once(_by_path).get(place.path, ()) if function.holds(place)
    ]


def _by_path(program: "Program") -> dict[str, list[FunctionNode]]:
    found: dict[str, list[FunctionNode]] = {}
    for function in program.functions:
        if function.kind in ("function", "lambda"):
            found.setdefault(function.file.path, []).append(function)
    return found


def _holds(program: "Program", function: FunctionNode, relation: Relation) -> bool:
    """Return whether a name of a function is an object that a relation leads to, or holds some.

    What is read through the relation itself is none.
    """
    own = function.facts.params[0].name if function.owner and function.facts.params else ""
    names = set(function.params) | {
        name
        for name, binds in function.binds.items()
        if not all(
            isinstance(bind.value, t.Attr) and bind.value.name == relation.name for bind in binds
        )
    }
    return any(
        node is relation.target
        for name in sorted(names - {own})
        for node in _classes(program.types.evaluate(function, t.Name(name), AT_END), DEPTH)
    )


def _classes(found: Type, depth: int) -> Iterator[ClassNode]:
    for option in options_of(found):
        if isinstance(option, Instance):
            yield option.node
        elif depth and isinstance(option, LibraryInstance):
            for part in option.arguments:
                yield from _classes(part, depth - 1)
        elif depth and isinstance(option, TupleType):
            for part in option.items:
                yield from _classes(part, depth - 1)
