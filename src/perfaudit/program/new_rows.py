"""What an object of a table has that the program has just made: what it is given, or a default."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.escapes import gets_out
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_entities import keeps_objects
from perfaudit.program.values import ClassType, Instance, options_of
from perfaudit.program.written_out import constant_at

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.sites import Edge

NOTHING = t.Const(None, "NoneType")
SETTER = "setattr"
MAX_CALLS = 3


def row_made(program: "Program", function: FunctionNode, index: int) -> ClassNode | None:
    """Return the class of the table row that a call makes by its keywords, if it makes one."""
    call = function.facts.calls[index]
    if call.arguments or expressions.has_splat(call):
        return None
    resolved = program.types.call(function, index)
    if isinstance(resolved.callee, ClassType):
        node = resolved.callee.node
        is_plain = program.types.classes.method(node, "__init__") is None
        return node if is_plain and program.schema.table_of(node) is not None else None
    effects = {
        effect
        for target in resolved.targets
        for effect in (target.behaviour.effects if target.behaviour is not None else ())
    }
    if effects != {"db.write"} or any(target.function is not None for target in resolved.targets):
        return None
    made = options_of(resolved.result)
    if len(made) != 1 or not isinstance(made[0], Instance):
        return None
    return made[0].node if program.schema.table_of(made[0].node) is not None else None


def given_to_row(
    program: "Program", function: FunctionNode, index: int, node: ClassNode, name: str
) -> t.Expr | None:
    """Return what a call that makes a row gives an attribute of it, or the default for that."""
    keywords = dict(function.facts.calls[index].keywords)
    if name in keywords:
        return constant_at(program.types, function, keywords[name]) or keywords[name]
    table = program.schema.table_of(node)
    relation = program.schema.relation(node, name)
    if relation is not None:
        if relation.many or relation.reverse or relation.kind == "unknown":
            return None
        key = relation.column or f"{name}_id"
        column = None if table is None else table.columns.get(key)
        is_empty = keeps_objects(program, node) or (column is not None and column.nullable is True)
        return NOTHING if is_empty and key not in keywords else None
    column = None if table is None else table.columns.get(name)
    return None if column is None else column.default


def is_changed(
    program: "Program",
    maker: FunctionNode,
    index: int,
    node: ClassNode,
    way: "Sequence[Edge]",
    others: Iterable[FunctionNode],
    name: str,
) -> bool:
    """Return whether an attribute of a row may have been set since the call that made it.

    ``way``: the calls that lead from its maker to where it is asked, ``others``: the functions that
    it is in meanwhile.
    """
    if _sets(program, maker, name, 0):
        return True
    if any(program.once(_sets, function, name, MAX_CALLS) for function in others):
        return True
    if gets_out(program, maker, index, way):
        return True
    made = t.CallRef(index)
    is_written = not isinstance(program.types.call(maker, index).callee, ClassType)
    if is_written and node.stores.get(name):
        # Its own methods may have been run to write it.
        return True
    held = {
        t.Name(key) for key, binds in maker.binds.items() if any(it.value == made for it in binds)
    }
    leading = [edge.call for edge in way]
    for edge in program.edges_from(maker):
        call = edge.call
        if call is None or any(call is each for each in leading):
            continue
        receiver = call.callee.base if isinstance(call.callee, t.Attr) else None
        if not held.isdisjoint({*call.given, receiver}):
            if program.once(_sets, edge.callee, name, MAX_CALLS):
                return True
    return False


def _sets(program: "Program", function: FunctionNode, name: str, calls: int) -> bool:
    """Return whether a function sets an attribute of a name, or all of an object, on anything."""
    forgetting = program.types.libraries.forgetting_methods
    targets = [bind.target for bind in function.facts.binds]
    if any(isinstance(target, t.Attr) and target.name == name for target in targets):
        return True
    for call in function.facts.calls:
        called = expressions.last_name(call.callee)
        if called == SETTER or called in forgetting:
            return True
    return calls > 0 and any(
        program.once(_sets, edge.callee, name, calls - 1) for edge in program.edges_from(function)
    )
