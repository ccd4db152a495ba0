"""Which objects come with rows: of classes that a query names too, or the one that all lead to."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_spots import Spot
from perfaudit.program.rows import Rows
from perfaudit.program.tables import Relation
from perfaudit.program.values import ClassType, Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

At = tuple[int, int]
IS_NULL = "__isnull"
NONE = t.Const(None, "NoneType")
TRUE = t.Const(True, "bool")
LEAVES_OUT = frozenset({"exclude", "create", "update"})
"""Methods whose keywords do not say what the rows have."""
ALL_OF = "all-of"
"""The flag of a call whose arguments are conditions that all hold."""
OF_OBJECT = "rows-of-object"
"""The flag of a condition, or a step of a query, that leaves the rows of one object."""


def begun(
    program: "Program", spot: Spot, call: t.Call, row: ClassNode | None, *, names: bool
) -> Rows:
    """Return what a call itself says of the rows that it gives.

    ``names``: what its arguments name comes with the rows, also where they name columns.
    """
    function = spot.function
    asked = _asked_for(program, spot, call, columns=names)
    if names and asked is not None and row is not None and row not in asked:
        asked.append(row)
    known = [*_between(program, asked or [])]
    if row is not None:
        known += _shared_by(program, function, call, row)
        known += _leading_nowhere(program, call, row)
    return Rows(
        (function.place(call),),
        frozenset(
            {
                call.callee.name if isinstance(call.callee, t.Attr) else "",
                *(f"={key}" for key, _ in call.keywords),
            }
        ),
        all_eager=names and asked is None,
        known=frozenset(known),
        of=frozenset([*(asked or []), *([] if row is None else [row])]),
    )


def _asked_for(
    program: "Program", spot: Spot, call: t.Call, *, columns: bool
) -> list[ClassNode] | None:
    """Return the table classes that a call names, or None where its arguments are not known.

    Fewer than two of them are no other rows beside those of the query.
    """
    found = []
    for given in call.arguments:
        here = spot
        values: tuple[t.Expr, ...] = (given,)
        if isinstance(given, t.Star):
            way = spot.way
            params = [param.name for param in spot.function.facts.params]
            if way is None or way.callee is not spot.function:
                return None
            if not isinstance(given.value, t.Name) or given.value.id not in params:
                return None
            skipped = params.index(given.value.id) - expressions.is_bound(spot.function)
            here, values = way.caller, way.call.arguments[skipped:]
            if any(isinstance(value, t.Star) for value in values):
                return None
        for value in values:
            node = _class_asked(program, here.function, value, here.at, columns=columns)
            found += [] if node is None else [node]
    return found if columns or len(found) > 1 else []


def _class_asked(
    program: "Program", function: FunctionNode, given: t.Expr, at: At, *, columns: bool
) -> ClassNode | None:
    """Return the table class that an argument of a query names, or whose column it is."""
    if not isinstance(given, t.Name | t.Attr):
        return None
    for option in options_of(program.types.evaluate(function, given, at)):
        if isinstance(option, ClassType) and program.schema.table_of(option.node) is not None:
            return option.node
    return _class_of(program, function, given, at) if columns else None


def _between(program: "Program", asked: list[ClassNode]) -> Iterator[str]:
    """Yield the relations of classes to each other: their rows come together.

    One to a class that is not known may be among them.
    """
    if len(asked) < 2:
        return
    for node in asked:
        for relation in program.schema.relations_of(node).values():
            if not relation.many and (relation.target is None or relation.target in asked):
                yield relation.name


def _shared_by(
    program: "Program", function: FunctionNode, call: t.Call, row: ClassNode
) -> Iterator[str]:
    """Yield the relations by which all rows lead to one row, which their session keeps."""
    if not call.arguments and not call.keywords:
        return
    if not keeps_objects(program, row):
        return
    at = (call.sequence, call.context)
    owners = list(_objects_asked(program, function, call, at))
    for relation in program.schema.relations_of(row).values():
        if relation.many:
            continue
        if relation.target is not None and relation.target in owners:
            yield relation.name
            continue
        keys = {relation.name, *keys_of(program, row, relation)}
        if any(name in keys for name, _ in call.keywords) or any(
            isinstance(given, t.Compare)
            and given.operator in ("Eq", "Is")
            and _is_of_one(program, function, given, row, relation, keys, at)
            for given in _conditions(program, function, call)
        ):
            yield relation.name


def _objects_asked(
    program: "Program", function: FunctionNode, call: t.Call, at: At
) -> Iterator[ClassNode]:
    """Yield the classes of the objects of whose relations a query asks for the rows."""
    asking = [t.CallRef(index) for index, each in enumerate(function.facts.calls) if each is call]
    for value in (*asking, *_conditions(program, function, call)):
        if isinstance(value, t.CallRef) and program.types.call(function, value.index).has_flag(
            OF_OBJECT
        ):
            for given in function.facts.calls[value.index].arguments[:1]:
                for option in options_of(program.types.evaluate(function, given, at)):
                    if isinstance(option, Instance):
                        yield option.node


def _conditions(program: "Program", function: FunctionNode, call: t.Call) -> Iterator[t.Expr]:
    """Yield what a call is given, with what a list of conditions begins with: ``*conditions``.

    Of conditions that must all hold, each is one.
    """
    for given in call.arguments:
        if isinstance(given, t.Star) and isinstance(given.value, t.Name):
            for bind in function.binds.get(given.value.id, ())[:1]:
                if isinstance(bind.value, t.Seq):
                    yield from bind.value.items
        else:
            yield from _all_of(program, function, given)


def _all_of(program: "Program", function: FunctionNode, given: t.Expr) -> Iterator[t.Expr]:
    match given:
        case t.Binary(operator="BitAnd", left=left, right=right):
            yield from _all_of(program, function, left)
            yield from _all_of(program, function, right)
        case t.CallRef(index=index) if program.types.call(function, index).has_flag(ALL_OF):
            yield from _conditions(program, function, function.facts.calls[index])
        case _:
            yield given


def given_objects(
    program: "Program", function: FunctionNode, call: t.Call, row: ClassNode
) -> Iterator[str]:
    """Yield the relations that rows may have been given as objects, by the call that writes them.

    Or by the calls of the same function that make the objects that it is given to write; where none
    is seen, any relation may have been.
    """
    makers = [call]
    if call.arguments:
        makers = [
            each
            for index, each in enumerate(function.facts.calls)
            if program.types.call(function, index).callee == ClassType(row)
        ]
    named = {name for maker in makers for name, _ in maker.keywords}
    for relation in program.schema.relations_of(row).values():
        if not relation.many and (not makers or not named.isdisjoint({relation.name, "**"})):
            yield relation.name


def _leading_nowhere(program: "Program", call: t.Call, row: ClassNode) -> Iterator[str]:
    """Yield the relations of which a condition leaves only rows whose key is empty."""
    name = call.callee.name if isinstance(call.callee, t.Attr) else ""
    empty = {
        key.removesuffix(IS_NULL)
        for key, given in call.keywords
        if (given == TRUE if key.endswith(IS_NULL) else given == NONE)
    }
    if not empty or name in LEAVES_OUT:
        return
    for relation in program.schema.relations_of(row).values():
        keys = {relation.name, f"{relation.name}_id", relation.column}
        if not relation.many and not empty.isdisjoint(keys):
            yield relation.name


def keys_of(program: "Program", row: ClassNode, relation: Relation) -> set[str]:
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


def leads_back(program: "Program", relation: Relation, owners: Collection[ClassNode]) -> set[str]:
    """Return the relations of the rows of a relation that lead back to the object it is read of.

    Also where neither side names the other: its session keeps the object.
    """
    if relation.kind in ("many_to_one", "many_to_many"):
        # Its other side leads to many rows, which one of them does not have.
        return set()
    if relation.inverse or relation.target is None:
        return {relation.inverse} - {""}
    if relation.kind != "one_to_many" or not keeps_objects(program, relation.target):
        return set()
    back = {
        found.name
        for found in program.schema.relations_of(relation.target).values()
        if found.kind == "many_to_one" and found.target is not None and found.target in owners
    }
    return back if len(back) == 1 else set()


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
