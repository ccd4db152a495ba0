"""What types say of rows: what is a query, and which relations are the same for all its rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.rows import Path, Rows
from perfaudit.program.tables import Relation
from perfaudit.program.values import ClassType, Instance, LibraryInstance, Type, options_of

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


def _is_query(types: "Types", option: Type) -> bool:
    if isinstance(option, Instance):
        return bool(option.arguments) or any(
            types.libraries.loads_relations(path)
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
        all(isinstance(option, LibraryInstance) for option in options_of(owner))
        and is_query(types, owner)
        and is_query(types, held)
    )


def relation_at(program: "Program", row: ClassNode, path: Path) -> Relation | None:
    """Return the relation that a path from a row ends in, if all of it is known."""
    node: ClassNode | None = row
    relation: Relation | None = None
    for name in path:
        relation = None if node is None else program.schema.relation(node, name)
        node = None if relation is None else relation.target
    return relation


def can_be(types: "Types", rows: Rows, node: ClassNode) -> bool:
    """Return whether rows can be of a class, which its bases and subclasses stand for."""
    order = types.classes.project_order(node)
    return not rows.of or any(
        one in order or node in types.classes.project_order(one) for one in rows.of
    )


def class_asked(
    program: "Program", function: FunctionNode, given: t.Expr, at: At, *, columns: bool
) -> ClassNode | None:
    """Return the table class that an argument of a query names, or whose column it is."""
    if not isinstance(given, t.Name | t.Attr):
        return None
    for option in options_of(program.types.evaluate(function, given, at)):
        if isinstance(option, ClassType) and program.schema.table_of(option.node) is not None:
            return option.node
    return _class_of(program, function, given, at) if columns else None


def between(program: "Program", asked: list[ClassNode]) -> Iterator[str]:
    """Yield the relations of classes to each other: their rows come together.

    One to a class that is not known may be among them.
    """
    if len(asked) < 2:
        return
    for node in asked:
        for relation in program.schema.relations_of(node).values():
            if not relation.many and (relation.target is None or relation.target in asked):
                yield relation.name


def shared_by(
    program: "Program", function: FunctionNode, call: t.Call, row: ClassNode
) -> Iterator[str]:
    """Yield the relations by which all rows lead to one row, which their session keeps."""
    if not call.arguments and not call.keywords:
        return
    if not keeps_objects(program, row):
        return
    at = (call.sequence, call.context)
    for relation in program.schema.relations_of(row).values():
        if relation.many:
            continue
        keys = {relation.name, *_keys_of(program, row, relation)}
        if any(name in keys for name, _ in call.keywords) or any(
            isinstance(given, t.Compare)
            and given.operator in ("Eq", "Is")
            and _is_of_one(program, function, given, row, relation, keys, at)
            for given in call.arguments
        ):
            yield relation.name


def _keys_of(program: "Program", row: ClassNode, relation: Relation) -> set[str]:
    """Return the columns of a row that hold the key of what a relation leads to."""
    if relation.column is not None:
        return {relation.column}
    table = program.schema.table_of(row)
    other = None if relation.target is None else program.schema.table_of(relation.target)
    if table is None or other is None:
        return set()
    found = {
        name
        for name, column in table.columns.items()
        if column.references.partition(".")[0] == other.name
    }
    usual = f"{relation.name}_id"
    return {usual} if usual in found else found


def keeps_objects(program: "Program", node: ClassNode) -> bool:
    """Return whether a session keeps the objects of a class, and gives them by their key."""
    bases = program.types.classes.library_bases(node)
    found = (program.libraries.queries(base) for base in bases)
    return any(queries is not None and queries.keeps_objects for queries in found)


def _is_of_one(
    program: "Program",
    function: FunctionNode,
    test: t.Compare,
    row: ClassNode,
    relation: Relation,
    keys: set[str],
    at: At,
) -> bool:
    """Return whether a condition leaves only rows that lead to one row by a relation."""
    for asked, given in ((test.left, test.right), (test.right, test.left)):
        node = _class_of(program, function, asked, at)
        if node is None or not isinstance(asked, t.Attr):
            continue
        if _class_of(program, function, given, at) is not None:
            return False
        if asked.name in keys:
            return node in program.types.classes.project_order(row)
        table = program.schema.table_of(node)
        column = None if table is None else table.column(asked.name)
        return node is relation.target and column is not None and (column.primary or column.unique)
    return False


def _class_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: At
) -> ClassNode | None:
    """Return the table class whose column an expression names."""
    if not isinstance(value, t.Attr):
        return None
    for option in options_of(program.types.evaluate(function, value.base, at)):
        if isinstance(option, ClassType) and program.schema.table_of(option.node) is not None:
            return option.node
    return None
