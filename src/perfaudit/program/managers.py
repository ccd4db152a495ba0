"""Managers of the project, which may load more with their rows than their caller asks for."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode
from perfaudit.program.values import Instance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

OWN_ROWS = "get_queryset"


def gives_own_rows(types: "Types", value: Type) -> bool:
    """Return whether a value is a manager of the project that gives rows its own way."""
    return any(
        isinstance(option, Instance) and types.classes.method(option.node, OWN_ROWS) is not None
        for option in options_of(value)
    )


def manager_may_load(types: "Types", model: ClassNode) -> bool:
    """Return whether a manager in the class of some rows is the project's, and gives them so."""
    for owner in types.classes.project_order(model):
        for name, binds in owner.body.binds.items():
            bind = binds[-1]
            if not isinstance(bind.value, t.CallRef):
                continue
            made = types.evaluate(owner.body, t.Name(name), (bind.sequence + 1, -1))
            if gives_own_rows(types, made):
                return True
    return False
