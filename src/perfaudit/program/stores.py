"""What is set from outside: ``app.state.pool = pool``, ``app["pool"] = pool``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FileNode, FunctionNode, attribute_stores
from perfaudit.program.sql_text import text_of
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
        self._items: dict[str, list[tuple[FunctionNode, t.Expr, t.Bind]]] | None = None
        self._holders: dict[tuple[FunctionNode, t.Expr, tuple[int, int]], Type] = {}
        """Whose attributes are set, by the places that do."""

    def forget(self) -> None:
        """Forget whose attributes are set, as more has come to be known."""
        self._holders.clear()

    def may_give(self, name: str) -> bool:
        """Return whether an attribute of this name is set from outside, in few enough places."""
        return 0 < len(self._all().get(name, ())) <= MAX_SITES

    def given(self, types: "Types", owner: Type, name: str) -> Type | None:
        """Return what is put into an attribute of a module, a class, or an object, or None."""
        found = []
        for function, base, bind in self._all().get(name, ()):
            holders = options_of(self._holder(types, function, base, bind))
            if any(_is_same(types, owner, holder) for holder in holders):
                found.append(types.bound(function, bind))
        known = [item for item in found if not isinstance(item, Unknown) and item != NONE]
        return union(known) if known else None

    def _holder(self, types: "Types", function: FunctionNode, base: t.Expr, bind: t.Bind) -> Type:
        """Return whose attribute a place sets: an attribute of that name is asked of many."""
        at = (bind.sequence, bind.context)
        return types.kept(
            self._holders, (function, base, at), lambda: types.evaluate(function, base, at)
        )

    def put(self, types: "Types", owner: LibraryInstance, key: str) -> Type | None:
        """Return what is put under a key into an object of a library, or None."""
        found = []
        for function, base, bind in self._puts(types).get(key, ()):
            holders = options_of(types.evaluate(function, base, (bind.sequence, bind.context)))
            if any(_is_same(types, owner, holder) for holder in holders):
                found.append(types.bound(function, bind))
        known = [item for item in found if not isinstance(item, Unknown) and item != NONE]
        return union(known) if 0 < len(known) <= MAX_SITES else None

    def _all(self) -> dict[str, list[tuple[FunctionNode, t.Expr, t.Bind]]]:
        if self._places is None:
            self._places = {}
            for function in self._functions():
                for base, name, bind in attribute_stores(function):
                    if not _is_own(function, base) and (bind.annotation or bind.value):
                        self._places.setdefault(name, []).append((function, base, bind))
        return self._places

    def _puts(self, types: "Types") -> dict[str, list[tuple[FunctionNode, t.Expr, t.Bind]]]:
        """Return the places that set an item under a known text, by that."""
        if self._items is None:
            self._items = {}
            for function in self._functions():
                for bind in function.facts.binds:
                    target = bind.target
                    if isinstance(target, t.Item) and bind.value and _is_fixed(function, target):
                        at = (bind.sequence, bind.context)
                        text = text_of(types, function, target.key, at)
                        if text is not None:
                            self._items.setdefault(text, []).append((function, target.base, bind))
        return self._items

    def _functions(self) -> Iterator[FunctionNode]:
        for file in self._files:
            yield from file.functions


def _is_own(function: FunctionNode, base: t.Expr) -> bool:
    """Return whether a method sets an attribute of its own receiver: its class knows of that."""
    params = function.facts.params
    return function.owner is not None and bool(params) and base == t.Name(params[0].name)


def _is_fixed(function: FunctionNode, target: t.Item) -> bool:
    """Return whether a key is a text, or the name of one that the function does not bind."""
    key = target.key
    if isinstance(key, t.Const):
        return isinstance(key.value, str)
    while isinstance(key, t.Attr):
        key = key.base
    return isinstance(key, t.Name) and key.id not in {*function.binds, *function.params}


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
