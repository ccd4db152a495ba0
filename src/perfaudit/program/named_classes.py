"""Classes that are asked for by their names, as ``get_model("shop", "Order")`` asks."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

CLASS_BY_NAME = "class-by-name"
"""The flag of calls whose arguments are the application and the name of a class, or both as one."""


def class_by_name(types: "Types", call: t.Call) -> ClassType | None:
    """Return the class that the written-out arguments of a call name, if there is one such."""
    texts = [given.value for given in call.arguments[:2] if isinstance(given, t.Const)]
    words = ".".join(text for text in texts if isinstance(text, str)).split(".")
    if len(words) != 2:
        return None
    label, name = words[0].lower(), words[1].lower()
    found = [node for node in types.classes.named(name) if label in _folders(node)]
    return ClassType(found[0]) if len(found) == 1 else None


def _folders(node: ClassNode) -> list[str]:
    return node.file.path.lower().split("/")[:-1]


def class_through(types: "Types", node: FunctionNode, call: t.Call) -> ClassType | None:
    """Return the class that a function of the project asks for by the names it is given."""
    if not call.arguments or not all(isinstance(item, t.Const) for item in call.arguments):
        return None
    params = tuple(t.Name(param.name) for param in node.facts.params[: len(call.arguments)])
    for index, inner in enumerate(node.facts.calls):
        if inner.arguments[: len(params)] != params:
            continue
        for target in types.call(node, index).targets:
            if target.behaviour is not None and CLASS_BY_NAME in target.behaviour.flags:
                return class_by_name(types, call)
    return None
