"""What class attributes are set to, and the texts that are written out."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.given_names import Given
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 6


def texts_of(
    types: "Types",
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    steps: int = MAX_STEPS,
) -> list[str]:
    """Return the written-out texts that an expression can be, none where it may be another."""
    if steps <= 0:
        return []
    match value:
        case t.Const(value=str() as text):
            return [text]
        case t.Seq(items=items) | t.Either(options=items):
            return [
                text for item in items for text in texts_of(types, function, item, at, steps - 1)
            ]
        case t.Name(id=name):
            return [
                text
                for scope, definition in meanings(function, name, at)
                if isinstance(definition, t.Bind) and definition.value is not None
                for text in texts_of(
                    types,
                    scope,
                    definition.value,
                    (definition.sequence, definition.context),
                    steps - 1,
                )
            ]
        case t.Attr(base=t.Name(), name=name):
            owner = enclosing_class(function)
            return [] if owner is None else class_texts(types, owner, name)
    return []


def class_texts(types: "Types", node: ClassNode, name: str) -> list[str]:
    """Return the texts of a class attribute, of the nearest class that has it."""
    found = class_value(types, node, name)
    return [] if found is None else texts_of(types, found.function, found.value, found.at)


def class_value(types: "Types", node: ClassNode, name: str) -> Given | None:
    """Return what a class attribute is set to in the nearest project class that has it."""
    for owner in types.classes.project_order(node):
        for bind in reversed(owner.body.binds.get(name, [])):
            if bind.value is not None:
                return Given(owner.body, bind.value, (bind.sequence, bind.context))
    return None
