"""What making an object runs besides its constructor: hooks and checks that a library calls."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.decorators import decorator_behaviours
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import LibrarySymbol

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

WHEN_MADE = "runs-when-made"
THEN = "then-"
"""Begins the flag of a decorator of classes that names the special method which runs then."""


def hooks(types: "Types", node: ClassNode) -> list[FunctionNode]:
    """Return the methods of a class that run for each object, but for its constructor."""
    return list(dict.fromkeys(_hooks(types, node)))


def _hooks(types: "Types", node: ClassNode) -> Iterator[FunctionNode]:
    bases = types.classes.library_bases(node)
    for owner in types.classes.project_order(node):
        for decorator in owner.facts.decorators:
            yield from _named(types, node, _decorator_flags(types, owner, decorator))
        for method in owner.methods.values():
            # Most are neither decorated nor below a library's class, and can be no hook.
            if not bases and not method.facts.decorators:
                continue
            if types.classes.method(node, method.name) is method and (
                _is_checker(types, method) or _stands_for_hook(types, bases, method.name)
            ):
                yield method


def _named(types: "Types", node: ClassNode, flags: tuple[str, ...]) -> Iterator[FunctionNode]:
    for flag in flags:
        name = flag.removeprefix(THEN).replace("-", "_")
        method = types.classes.method(node, f"__{name}__") if flag.startswith(THEN) else None
        if method is not None:
            yield method


def _decorator_flags(types: "Types", owner: ClassNode, decorator: t.Expr) -> tuple[str, ...]:
    if isinstance(decorator, t.CallRef):
        decorator = owner.parent.facts.calls[decorator.index].callee
    found = types.evaluate(owner.parent, decorator, AT_END)
    behaviour = types.libraries.function(found.path) if isinstance(found, LibrarySymbol) else None
    return () if behaviour is None else behaviour.flags


def _is_checker(types: "Types", method: FunctionNode) -> bool:
    return bool(method.facts.decorators) and any(
        WHEN_MADE in behaviour.flags for behaviour in decorator_behaviours(types, method)
    )


def _stands_for_hook(types: "Types", bases: Sequence[str], name: str) -> bool:
    """Return whether a method has the name of one that a library calls after making an object."""
    behaviours = (types.libraries.method(path, name) for path in bases)
    return any(found is not None and WHEN_MADE in found.flags for found in behaviours)
