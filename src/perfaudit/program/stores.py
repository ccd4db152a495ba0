"""Attributes that are set from outside: ``app.state.pool = pool``, ``service.store = Store()``."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FileNode, FunctionNode, attribute_stores
from perfaudit.program.values import (
    NONE,
    ClassType,
    External,
    Instance,
    LibraryInstance,
    ModuleType,
    Type,
    Unknown,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_SITES = 24
"""An attribute that is set in more places is too common to be asked."""


class Stores:
    """The places that set attributes, by the name of the attribute; those of tests are left out."""

    def __init__(self, files: list[FileNode]) -> None:
        self._files = files
        self._places: dict[str, list[tuple[FunctionNode, t.Expr, t.Bind]]] | None = None

    def may_give(self, name: str) -> bool:
        """Return whether an attribute of this name is set from outside, in few enough places."""
        return 0 < len(self._all().get(name, ())) <= MAX_SITES

    def given(self, types: "Types", owner: Type, name: str) -> Type | None:
        """Return what is put into an attribute of a module, a class, or an object, or None."""
        found = []
        for function, base, bind in self._all().get(name, ()):
            at = (bind.sequence, bind.context)
            holders = options_of(types.evaluate(function, base, at))
            if any(_is_same(types, owner, holder) for holder in holders):
                found.append(types.bound(function, bind))
        known = [item for item in found if not isinstance(item, Unknown) and item != NONE]
        return union(known) if known else None

    def _all(self) -> dict[str, list[tuple[FunctionNode, t.Expr, t.Bind]]]:
        if self._places is None:
            self._places = {}
            for file in self._files:
                if file.role.value == "test":
                    continue
                for function in file.functions:
                    for base, name, bind in attribute_stores(function):
                        if not _is_own(function, base) and (bind.annotation or bind.value):
                            self._places.setdefault(name, []).append((function, base, bind))
        return self._places


def _is_own(function: FunctionNode, base: t.Expr) -> bool:
    """Return whether a method sets an attribute of its own receiver: its class knows of that."""
    params = function.facts.params
    return function.owner is not None and bool(params) and base == t.Name(params[0].name)


def _is_same(types: "Types", owner: Type, holder: Type) -> bool:
    match owner, holder:
        case (Instance(node=node), Instance(node=other) | ClassType(node=other)) | (
            ClassType(node=node),
            ClassType(node=other),
        ):
            return node is other or other in types.classes.project_order(node)
        case (ModuleType(node=file), ModuleType(node=other_file)):
            return file is other_file
        case (LibraryInstance(path=path), LibraryInstance(path=other_path)):
            return path == other_path
        case (External(origin=origin), External(origin=other_origin)):
            return origin == other_origin
    return False
