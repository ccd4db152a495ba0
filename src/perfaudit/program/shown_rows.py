"""What a method of a showing class is given: a row of the class that it says it shows."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.classes import instance_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType, Type

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def row_given(types: "Types", function: FunctionNode, param: t.Param) -> Type | None:
    """Return the type of the row that a field's method is given after its receiver, if known."""
    owner = function.owner
    if owner is None or len(function.facts.params) != 2 or function.facts.params[1] != param:
        return None
    for words in types.libraries.answers:
        before, _, after = words.method.partition("{name}")
        if not function.name.startswith(before) or not function.name.endswith(after):
            continue
        if types.classes.ancestors(owner).isdisjoint(words.showing):
            continue
        for node in types.classes.project_order(owner):
            given = attribute_value(node, words.model)
            found = None if given is None else types.evaluate(*given, AT_END)
            if isinstance(found, ClassType):
                return instance_of(found)
    return None
