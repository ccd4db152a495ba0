"""Managers of the project, which may load more with their rows than their caller asks for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_types import can_load_more
from perfaudit.program.tables_vocabulary import attribute_value, text
from perfaudit.program.values import External, Instance, Type, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

GIVES_ALL = "gives-all-rows"


def source_of_rows(types: "Types", node: ClassNode) -> FunctionNode | None:
    """Return the method of the project that gives all rows of a manager's class, if it has one."""
    for name in sorted(types.libraries.row_methods):
        method = types.classes.method(node, name)
        if method is not None and _may_give_all(types, node, name):
            return method
    return None


def _may_give_all(types: "Types", node: ClassNode, name: str) -> bool:
    """Return whether a method of a class is that of a manager, as far as its bases are known."""
    for path in types.classes.library_bases(node):
        behaviour = types.libraries.method(path, name)
        if behaviour is not None:
            return GIVES_ALL in behaviour.flags
    return True


def managers_of(types: "Types", model: ClassNode) -> Iterator[Instance]:
    """Yield the managers of the project's own classes that a class of rows has."""
    for owner in types.classes.project_order(model):
        for name, binds in owner.body.binds.items():
            bind = binds[-1]
            if isinstance(bind.value, t.CallRef):
                made = types.evaluate(owner.body, t.Name(name), (bind.sequence + 1, -1))
                yield from (option for option in options_of(made) if isinstance(option, Instance))


def first_manager(types: "Types", model: ClassNode) -> tuple[str, Type] | None:
    """Return the name of the manager whose rows who names none gets, and the manager.

    It is the one that a class of rows says, or the first that it has. None where it has none.
    """
    said = _said_manager(types, model)
    for owner in types.classes.project_order(model):
        for name, binds in owner.body.binds.items():
            bind = binds[-1]
            if isinstance(bind.value, t.CallRef) and said in ("", name):
                made = types.evaluate(owner.body, t.Name(name), (bind.sequence + 1, -1))
                if can_load_more(types, made):
                    return name, made
    return None


def _said_manager(types: "Types", model: ClassNode) -> str:
    """Return the manager that a class of rows says is asked where none is named; empty if none."""
    for owner in types.classes.project_order(model):
        for schema in types.libraries.schemas:
            name = schema.manager_attribute
            said = attribute_value(owner, name) if name else None
            if said is not None:
                return text(said[1]) or ""
    return ""


def has_unread_manager(types: "Types", model: ClassNode) -> bool:
    """Return whether a manager of a class of rows is not known: it may load what it likes."""
    paths = types.classes.library_bases(model)
    for owner in types.classes.project_order(model):
        for name, binds in owner.body.binds.items():
            bind = binds[-1]
            if not isinstance(bind.value, t.CallRef) or not any(
                types.libraries.class_attribute(path, name) for path in paths
            ):
                continue
            made = types.evaluate(owner.body, t.Name(name), (bind.sequence + 1, -1))
            if all(isinstance(option, Unknown | External) for option in options_of(made)):
                return True
    return False


def gives_own_rows(types: "Types", value: Type) -> bool:
    """Return whether a value is a manager of the project that gives rows its own way."""
    return any(
        isinstance(option, Instance) and source_of_rows(types, option.node) is not None
        for option in options_of(value)
    )


def manager_may_load(types: "Types", model: ClassNode) -> bool:
    """Return whether a manager in the class of some rows is the project's, and gives them so."""
    return has_unread_manager(types, model) or any(
        gives_own_rows(types, manager) for manager in managers_of(types, model)
    )
