"""Classes that a program names by a text, ``"shop.stores.Local"``, so that settings choose them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import own_parts, parts
from perfaudit.program.nodes import ClassNode, FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def is_left_to_settings(program: "Program", node: ClassNode) -> bool:
    """Return whether only who deploys may name a class, where the program names another one.

    A text names one that has the same base; nothing but its own code names this one, neither by a
    text nor by an import. Then it is not the one that runs as a rule.
    """
    classes = program.types.classes
    own = {node, *classes.subclasses(node), *classes.project_order(node)}
    others = {
        other
        for base in classes.project_order(node)[1:]
        for other in classes.subclasses(base)
        if other not in own
    }
    if not others or others.isdisjoint(program.once(_named)):
        return False
    return not any(_is_mentioned(program, each) for each in (node, *classes.subclasses(node)))


def _named(program: "Program") -> frozenset[ClassNode]:
    """Return the classes that a text outside tests names, with the module that they are in."""
    found: set[ClassNode] = set()
    for function in program.functions:
        for text in _texts(function):
            for node in program.types.classes.named(text.rpartition(".")[2].lower()):
                if f".{node.file.module}.{node.name}".endswith(f".{text}"):
                    found.add(node)
    return frozenset(found)


def _texts(function: FunctionNode) -> Iterator[str]:
    """Yield the texts of a function that may be dotted paths."""
    for part in _parts(function):
        if isinstance(part, t.Const) and isinstance(part.value, str) and "." in part.value:
            yield part.value


def _parts(function: FunctionNode) -> Iterator[t.Expr]:
    """Yield what the calls, binds, reads and results of a function are made of."""
    facts = function.facts
    for call in facts.calls:
        for given in (call.callee, *call.given):
            yield from own_parts(function, given)
    held = [bind.value for bind in facts.binds] + [item.value for item in facts.results]
    held += [read.value for read in facts.reads]
    for value in held:
        if value is not None:
            yield from own_parts(function, value)
    for param in facts.params:
        if param.default is not None and function.parent is not None:
            yield from parts(function.parent, param.default)


def _is_mentioned(program: "Program", node: ClassNode) -> bool:
    """Return whether a text, an import of another file or other code of its file names a class."""
    if node in program.once(_named) or node.name in program.once(_imported):
        return True
    if node.file.module.rpartition(".")[2] in program.once(_imported):
        return True
    return any(
        part == t.Name(node.name)
        for function in node.file.functions
        if function.owner is not node
        for part in _parts(function)
    )


def _imported(program: "Program") -> frozenset[str]:
    """Return the names that files outside tests import, and those of modules as a whole."""
    return frozenset(
        item.name if item.name and item.name != "*" else item.module.rpartition(".")[2]
        for function in program.functions
        for item in function.facts.imports
    )
