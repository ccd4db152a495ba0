"""Which lock a lock is: the object of the process that several functions wait for."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 4
LockName = tuple[FileNode | ClassNode, str]
"""The module or class that keeps a lock, and its name there."""


def lock_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> LockName | None:
    """Return which lock an expression is: a name of a module, or an attribute of a class."""
    if isinstance(value, t.Name):
        return _named(program, function, value.id, at, MAX_STEPS)
    if not isinstance(value, t.Attr):
        return None
    for option in options_of(program.types.evaluate(function, value.base, at)):
        if isinstance(option, ModuleType):
            return _named(program, option.node.body, value.name, AT_END, MAX_STEPS)
        if isinstance(option, Instance | ClassType):
            return _keeper(program, option.node, value.name), value.name
    return None


def _named(
    program: "Program", function: FunctionNode, name: str, at: tuple[int, int], steps: int
) -> LockName | None:
    found = meanings(function, name, at)
    if len(found) != 1 or steps == 0:
        return None
    scope, definition = found[0]
    if isinstance(definition, t.Bind) and scope.kind == "module":
        return scope.file, name
    if isinstance(definition, t.Bind) and scope is function:
        if isinstance(definition.value, t.Name | t.Attr) and definition.kind == "assign":
            here = (definition.sequence, definition.context)
            return lock_of(program, scope, definition.value, here)
    if isinstance(definition, t.Import):
        origin = program.types.import_origin(scope, definition)
        if origin is not None:
            return _named(program, *origin, AT_END, steps - 1)
    return None


def _keeper(program: "Program", node: ClassNode, name: str) -> ClassNode:
    """Return the class whose own code makes an attribute."""
    for owner in program.types.classes.project_order(node):
        if name in owner.stores or name in owner.body.binds:
            return owner
    return node


def is_of_the_process(program: "Program", lock: LockName) -> bool:
    """Return whether there is one such lock for the whole process.

    So is a module's, one in the body of a class, and that of an object made once.
    """
    keeper, name = lock
    if isinstance(keeper, FileNode):
        return True
    if name not in keeper.stores:
        return name in keeper.body.binds
    nodes = {keeper, *program.types.classes.subclasses(keeper)}
    made = {node for node in nodes if program.types.callers.constructions(program.types, node)}
    return bool(made) and made <= program.process_wide
