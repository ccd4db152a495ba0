"""What types say of rows: what is a query, and which relations are the same for all its rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfaudit.program.members import library_member
from perfaudit.program.nodes import ClassNode
from perfaudit.program.rows import Path, Rows
from perfaudit.program.tables import Relation
from perfaudit.program.values import NONE, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types
    from perfaudit.program.program import Program

IN_MEMORY = (
    "builtins.",
    "collections.",
    "itertools.",
    "functools.",
    "queue.",
    "asyncio.",
    "contextlib.",
)
"""Where the containers come from that hold what the program has put into them."""
LISTS = frozenset({"builtins.list", "builtins.iterator"})
At = tuple[int, int]


def is_in_memory(value: Type) -> bool:
    """Return whether a value is surely a container that the program itself fills."""
    return all(
        isinstance(option, LibraryInstance) and option.path.startswith(IN_MEMORY)
        for option in options_of(value)
    )


def is_query(types: "Types", value: Type) -> bool:
    """Return whether a value is a library's query, result or rows, or a class made from one."""
    return any(_is_query(types, option) for option in options_of(value))


def can_load_more(types: "Types", value: Type) -> bool:
    """Return whether a value is a query that can still be told which relations it loads."""
    options = [option for option in options_of(value) if option != NONE]
    return bool(options) and all(
        any(types.libraries.loads_relations(path) for path in _paths(types, option))
        for option in options
    )


def _paths(types: "Types", option: Type) -> Sequence[str]:
    if isinstance(option, Instance):
        return types.classes.library_bases(option.node)
    return (option.path,) if isinstance(option, LibraryInstance) else ()


def _is_query(types: "Types", option: Type) -> bool:
    if isinstance(option, Instance):
        return bool(option.arguments) or any(
            types.libraries.loads_relations(path) or types.libraries.is_made_of_items(path)
            for path in types.classes.library_bases(option.node)
        )
    if not isinstance(option, LibraryInstance):
        return False
    if option.path.startswith(IN_MEMORY):
        return option.path in LISTS and any(isinstance(part, Instance) for part in option.arguments)
    return bool(option.arguments) or types.libraries.loads_relations(option.path)


def is_page(types: "Types", owner: Type, held: Type) -> bool:
    """Return whether an attribute is the list of rows that a library's page of a query holds."""
    return (
        all(_may_hold_rows(types, option) for option in options_of(owner))
        and is_query(types, owner)
        and is_query(types, held)
    )


def is_around_rows(types: "Types", value: Type) -> bool:
    """Return whether an object of the project is made around the rows it is given."""
    return isinstance(value, Instance) and any(
        types.libraries.is_made_of_items(path) for path in types.classes.library_bases(value.node)
    )


def _may_hold_rows(types: "Types", option: Type) -> bool:
    return isinstance(option, LibraryInstance) or is_around_rows(types, option)


def relation_at(program: "Program", row: ClassNode, path: Path) -> Relation | None:
    """Return the relation that a path from a row ends in, if all of it is known."""
    node: ClassNode | None = row
    relation: Relation | None = None
    for name in path:
        relation = None if node is None else program.schema.relation(node, name)
        node = None if relation is None else relation.target
    return relation


def relations_along(program: "Program", row: ClassNode, path: Path) -> Path | None:
    """Return the relations that a path from a row leads by; None where another attribute does.

    An object that is made around a row leads back to it by what no query loads. What a library
    gives for the row itself is no step.
    """
    node: ClassNode | None = row
    steps = []
    for name in path:
        relation = None if node is None else program.schema.relation(node, name)
        if node is None or relation is not None:
            steps.append(name)
            node = None if relation is None else relation.target
        elif not _is_row_itself(program.types, node, name):
            return None
    return tuple(steps)


def _is_row_itself(types: "Types", node: ClassNode, name: str) -> bool:
    row = Instance(node)
    bases = types.classes.library_bases(node)
    return any(library_member(types, row, base, name) == row for base in bases)


def can_be(types: "Types", rows: Rows, node: ClassNode) -> bool:
    """Return whether rows can be of a class, which its bases and subclasses stand for."""
    order = types.classes.project_order(node)
    return not rows.of or any(
        one in order or node in types.classes.project_order(one) for one in rows.of
    )
