"""What project functions return: as annotated, as their bodies say, as generators give it."""

from typing import TYPE_CHECKING

from perfaudit.program import annotations, members
from perfaudit.program.decorators import CONTEXT_MANAGERS, decorator_paths
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import (
    MANAGED,
    NONE,
    Awaitable,
    LibraryInstance,
    Type,
    Unknown,
    refined,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def returned(types: "Types", function: FunctionNode) -> Type:
    """Return what calling a project function gives.

    This is an awaitable, an iterator or a context manager where it is one.
    """
    facts = function.facts
    declared: Type = Unknown("no annotation")
    if facts.returns is not None and function.parent is not None:
        declared = annotations.annotated(types, function.parent, facts.returns)
    manager = bool(facts.is_generator) and any(
        path in CONTEXT_MANAGERS for path in decorator_paths(types, function)
    )
    if facts.is_generator:
        given = members.element(types, declared) if not isinstance(declared, Unknown) else declared
        if isinstance(given, Unknown):
            given = _yielded(types, function)
        return LibraryInstance(MANAGED if manager else "builtins.iterator", (given,))
    result = declared
    if annotations.is_weak(types, result):
        result = refined(result, _inferred(types, function))
    return Awaitable(result) if facts.is_async else result


def _inferred(types: "Types", function: FunctionNode) -> Type:
    results = [item for item in function.facts.results if item.kind == "return"]
    if not results:
        return NONE
    found: list[Type] = []
    for item in results[:12]:
        if item.value is None:
            found.append(NONE)
        else:
            found.append(types.evaluate(function, item.value, (item.sequence, item.context)))
    return union(found)


def _yielded(types: "Types", function: FunctionNode) -> Type:
    found = []
    for item in function.facts.results:
        if item.value is None or item.kind == "return":
            continue
        value = types.evaluate(function, item.value, (item.sequence, item.context))
        found.append(members.element(types, value) if item.kind == "yield from" else value)
    return union(found) if found else Unknown("yields nothing known")
