"""Whether a test can ask for what was loaded at all: most have none of the words for it."""

import ast
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode, remembered
from perfaudit.program.questions import GETATTR

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

ALL = t.Name("all")
MAX_NAMES = 4
"""How many names may stand for each other."""
MEMBERSHIP = frozenset({"In", "NotIn"})


class _Words(NamedTuple):
    """The last names of what such tests look into, and of what they call; None for any."""

    held: frozenset[str] | None
    called: frozenset[str] | None


def may_ask(types: "Types", function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test of a function may ask for what was loaded, itself or by a helper."""
    words = _words_of(tuple(text for text, _, _ in types.libraries.loaded_tests))
    return any(
        _has_word(function, part, words)
        or (isinstance(part, t.CallRef) and _asks_helper(types, function, part, words))
        for part in _parts(function, test)
    )


def resolved(function: FunctionNode, value: t.Expr) -> t.Expr:
    """Return what a name of a function always stands for, through a few names; else the value."""
    for _ in range(MAX_NAMES):
        bound = function.only_value(value.id) if isinstance(value, t.Name) else None
        if bound is None:
            return value
        value = bound
    return value


def _asks_helper(types: "Types", function: FunctionNode, value: t.CallRef, words: _Words) -> bool:
    targets = types.call(function, value.index).targets
    helper = targets[0].function if len(targets) == 1 else None
    return helper is not None and _may_answer(helper, words)


@remembered
def _may_answer(helper: FunctionNode, words: _Words) -> bool:
    """Return whether what a function gives, or tests before, may ask for what was loaded."""
    facts = helper.facts
    values = [item.value for item in facts.results]
    values += [block.subject for block in facts.contexts if block.kind == "if"]
    return any(
        _has_word(helper, part, words)
        for value in values
        if value is not None
        for part in _parts(helper, value)
    )


def _parts(function: FunctionNode, test: t.Expr) -> Iterator[t.Expr]:
    """Yield the tests that a test is put together from, also what it asks of each item."""
    match test:
        case t.Not(value=inner):
            yield from _parts(function, inner)
        case t.Either(options=options):
            for option in options:
                yield from _parts(function, option)
        case t.CallRef(index=index):
            yield test
            call = function.facts.calls[index]
            if call.callee == ALL and call.arguments and isinstance(call.arguments[0], t.Comp):
                yield from _parts(function, call.arguments[0].element)
        case _:
            yield test


def _has_word(function: FunctionNode, test: t.Expr, words: _Words) -> bool:
    if isinstance(test, t.Compare):
        return test.operator in MEMBERSHIP and _ends_in(function, test.right, words.held)
    value = resolved(function, test)
    if not isinstance(value, t.CallRef):
        return False
    return _ends_in(function, function.facts.calls[value.index].callee, words.called)


def _ends_in(function: FunctionNode, value: t.Expr, names: frozenset[str] | None) -> bool:
    """Return whether an expression is an attribute of such a name, written with a dot or asked."""
    if names is None:
        return True
    value = resolved(function, value)
    if isinstance(value, t.Attr):
        return value.name in names
    call = function.facts.calls[value.index] if isinstance(value, t.CallRef) else None
    if call is None or call.callee != GETATTR or len(call.arguments) < 2:
        return False
    name = call.arguments[1]
    return isinstance(name, t.Const) and name.value in names


@cache
def _words_of(patterns: tuple[str, ...]) -> _Words:
    written = [ast.parse(pattern, mode="eval").body for pattern in patterns]
    held = [each.comparators[0] for each in written if isinstance(each, ast.Compare)]
    called = [each.func for each in written if isinstance(each, ast.Call)]
    return _Words(_last_names(held), _last_names(called))


def _last_names(values: list[ast.expr]) -> frozenset[str] | None:
    """Return the names of attributes of what a pattern leaves open; None where not all are that."""
    names = [each.attr for each in values if isinstance(each, ast.Attribute) and _is_open(each)]
    return frozenset(names) if len(names) == len(values) else None


def _is_open(value: ast.expr) -> bool:
    return any(isinstance(part, ast.Set) for part in ast.walk(value))
