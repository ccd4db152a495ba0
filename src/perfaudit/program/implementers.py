"""Which methods stand for an abstract one."""

from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType, Instance, Type

if TYPE_CHECKING:
    from perfaudit.program.classes import Hierarchy
    from perfaudit.program.infer import Types

MAX_IMPLEMENTERS = 8
NAMED = frozenset({"positional", "keyword"})
"""Kinds of parameters that a keyword may name."""


def implementers(types: "Types", node: FunctionNode, receiver: Type | None) -> list[FunctionNode]:
    """Return the methods that stand for an abstract one, if the receiver may have any of them."""
    if node.owner is None or not isinstance(receiver, Instance | ClassType):
        return []
    if not types.classes.is_abstract(node.owner, node):
        return []
    found: list[FunctionNode] = []
    below = list(types.classes.subclasses(receiver.node))
    below += [node for node in types.classes.conforming(receiver.node) if node not in below]
    own = [(subclass, subclass.methods.get(node.name)) for subclass in below]
    others = [(subclass, types.classes.method(subclass, node.name)) for subclass in below]
    for subclass, method in (*own, *others):
        if (
            method is not None
            and not types.classes.is_abstract(method.owner or subclass, method)
            and method not in found
        ):
            if _is_of_tests(subclass) and not _is_of_tests(receiver.node):
                continue
            found.append(method)
    return found if len(found) <= MAX_IMPLEMENTERS else []


def takes_keywords(method: FunctionNode, call: t.Call) -> bool:
    """Return whether a method takes all keywords of a call: else it is another that is called."""
    params = method.facts.params
    if method.facts.decorators or any(param.kind == "**kwargs" for param in params):
        return True
    taken = {param.name for param in params if param.kind in NAMED} | {"**"}
    return all(name in taken for name, _ in call.keywords)


def standing_below(classes: "Hierarchy", node: FunctionNode) -> list[FunctionNode]:
    """Return the methods of subclasses that stand for an abstract one, however many they are.

    Not those of tests.
    """
    if node.owner is None or not classes.is_abstract(node.owner, node):
        return []
    own = [
        subclass.methods[node.name]
        for subclass in classes.subclasses(node.owner)
        if node.name in subclass.methods and not _is_of_tests(subclass)
    ]
    return [
        method
        for method in own
        if method.owner is not None and not classes.is_abstract(method.owner, method)
    ]


def _is_of_tests(node: ClassNode) -> bool:
    """Return whether a class stands in a test."""
    return node.file.role is Role.TEST
