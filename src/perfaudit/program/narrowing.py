"""What tests say of a value: ``isinstance``, ``assert`` and the patterns of ``match``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.classes import instance_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.questions import ISINSTANCE, class_test
from perfaudit.program.values import (
    ClassType,
    External,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


class Test(NamedTuple):
    """A value is, or is not, of some classes inside a context, or from its end on."""

    classes: t.Expr
    context: int
    is_instance: bool
    is_lasting: bool


def narrowed(
    types: "Types", function: FunctionNode, value: t.Name | t.Attr, at: tuple[int, int], found: Type
) -> Type:
    """Return what a value can be at a point where it passed the tests around and before it."""
    known = function.tests
    if known is None:
        known = tests_of(function)
    if not known or value not in known:
        return found
    chain = list(function.context_chain(at[1]))
    for test in known[value]:
        if _holds(function, value, test, at, chain):
            context = function.facts.contexts[test.context]
            classes = types.evaluate(function, test.classes, (context.sequence, context.parent))
            found = _filtered(types, found, classes, is_instance=test.is_instance)
    return found


def tests_of(function: FunctionNode) -> dict[t.Expr, list[Test]]:
    """Return the tests of a function by the value that they test."""
    if function.tests is None:
        function.tests = {}
        for value, test in _tests(function):
            if isinstance(value, t.Name | t.Attr):
                function.tests.setdefault(value, []).append(test)
    return function.tests


def _tests(function: FunctionNode) -> Iterator[tuple[t.Expr, Test]]:
    facts = function.facts
    asked = any(call.callee == ISINSTANCE for call in facts.calls)
    left = {item.context for item in facts.exits}
    for number, context in enumerate(facts.contexts):
        subject = context.subject
        if subject is None:
            continue
        if context.kind == "match":
            if context.target is not None:
                yield subject, Test(context.target, number, True, False)
        elif not asked:
            continue
        elif context.kind in ("if", "and", "while", "assert"):
            for value, classes, positive in _said(function, subject, holds=True):
                yield value, Test(classes, number, positive, context.kind == "assert")
            if context.kind == "if" and number in left:
                for value, classes, positive in _said(function, subject, holds=False):
                    yield value, Test(classes, number, positive, True)
        elif context.kind in ("else", "or"):
            for value, classes, positive in _said(function, subject, holds=False):
                yield value, Test(classes, number, positive, False)


def _said(
    function: FunctionNode, test: t.Expr, *, holds: bool
) -> Iterator[tuple[t.Expr, t.Expr, bool]]:
    """Yield each value, classes and answer that a test says when it holds, or does not."""
    match test:
        case t.CallRef():
            asked = class_test(function, test)
            if asked is not None:
                yield (*asked, holds)
        case t.Not(value=inner):
            yield from _said(function, inner, holds=not holds)
        case t.Either(kind=kind, options=options) if kind == ("and" if holds else "or"):
            for option in options:
                yield from _said(function, option, holds=holds)


def _holds(
    function: FunctionNode, value: t.Expr, test: Test, at: tuple[int, int], chain: list[int]
) -> bool:
    """Return whether a test was passed before a point, and the value is still the same there."""
    context = function.facts.contexts[test.context]
    if at[0] <= context.sequence:
        return False
    inside = test.context in chain
    if test.is_lasting == inside or (test.is_lasting and not _is_in(context.parent, chain)):
        return False
    name = value
    while isinstance(name, t.Attr):
        name = name.base
    return not any(
        context.sequence < bind.sequence < at[0] and bind.target in (value, name)
        for bind in function.facts.binds
    )


def _is_in(context: int, chain: list[int]) -> bool:
    return context < 0 or context in chain


def _filtered(types: "Types", found: Type, classes: Type, *, is_instance: bool) -> Type:
    options = options_of(found)
    tested = [
        part
        for option in options_of(classes)
        for part in (option.items if isinstance(option, TupleType) else (option,))
    ]
    if not is_instance:
        left = [
            option for option in options if not any(_is_a(types, option, part) for part in tested)
        ]
        return union(left) if left else found
    kept: list[Type] = []
    for part in tested:
        made = instance_of(part)
        if isinstance(made, Unknown | External):
            return found
        matching = [option for option in options if _is_a(types, option, part)]
        kept.extend(matching or [made])
    return union(kept) if kept else found


def _is_a(types: "Types", option: Type, tested: Type) -> bool:
    """Return whether an object is surely one of a class."""
    if isinstance(option, TypeVariable) and option.bound is not None:
        option = option.bound
    if isinstance(option, Instance):
        if isinstance(tested, ClassType):
            return tested.node in types.classes.project_order(option.node)
        return isinstance(tested, LibrarySymbol) and (
            types.libraries.canonical(tested.path) in types.classes.ancestors(option.node)
        )
    if isinstance(option, LibraryInstance) and isinstance(tested, LibrarySymbol):
        path = types.libraries.canonical(tested.path)
        return option.path == path or types.libraries.is_subtype(option.path, path)
    if isinstance(option, TupleType):
        return isinstance(tested, LibrarySymbol) and tested.path == "builtins.tuple"
    return False
