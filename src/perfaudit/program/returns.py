"""What project functions return: as annotated, as their bodies say, as generators give it."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import annotations, members
from perfaudit.program.decorators import CONTEXT_MANAGERS, decorator_paths
from perfaudit.program.expressions import is_bound
from perfaudit.program.nodes import FunctionNode, remembered
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


@remembered
def passed_on(function: FunctionNode) -> tuple[str, ...]:
    """Return the parameters that a function may give back as they are, whatever they are.

    None of a function that says what it gives, or gives it later.
    """
    facts = function.facts
    if facts.returns is not None or facts.is_generator or facts.is_async:
        return ()
    given = {
        param.name
        for param in facts.params[1 if is_bound(function) else 0 :]
        if _is_as_given(function, param)
    }
    found = [item.value.id for item in facts.results if isinstance(item.value, t.Name)]
    return tuple(name for name in dict.fromkeys(found) if name in given)


def _is_as_given(function: FunctionNode, param: t.Param) -> bool:
    return (
        param.annotation is None
        and not param.kind.startswith("*")
        and param.name not in function.binds
    )


def returned_besides(types: "Types", function: FunctionNode, names: tuple[str, ...]) -> Type:
    """Return what a function gives but for some of its parameters."""
    return _inferred(types, function, frozenset(map(t.Name, names)))


def _inferred(
    types: "Types", function: FunctionNode, without: frozenset[t.Expr] = frozenset()
) -> Type:
    results = [
        item
        for item in function.facts.results
        if item.kind == "return" and item.value not in without
    ]
    if not results:
        return Unknown("what it is given") if without else NONE
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
