"""The HTTP methods that a request must have for a place to run: ``if request.method == "POST"``."""

from perfaudit.facts import types as t
from perfaudit.program.conditions import BRANCHES, guards_before
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.questions import methods_asked

USUAL = ("GET", "POST")
"""The methods that pages are asked for with, where several would do."""


def methods_at(function: FunctionNode, context: int, sequence: int) -> frozenset[str]:
    """Return the methods that the tests around a place leave; empty where none asks for them."""
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    tests = [(contexts[step].subject, True) for step in chain if contexts[step].kind == "if"]
    tests += [(contexts[step].subject, False) for step in chain if contexts[step].kind == "else"]
    tests += [(guard.subject, False) for guard in guards_before(function, chain, sequence)]
    found: frozenset[str] = frozenset()
    for test, holds in tests:
        for part in _parts(test, holds=holds):
            asked = methods_asked(part, holds=holds)
            found = found & asked or asked or found
    return found


def is_in_branch(function: FunctionNode, context: int) -> bool:
    """Return whether a place stands in a branch, which some of the methods may never take."""
    contexts = function.facts.contexts
    return any(contexts[step].kind in BRANCHES for step in function.context_chain(context))


def usual_of(methods: frozenset[str]) -> str:
    """Return the method to name for some that a place may be asked with."""
    return next((method for method in USUAL if method in methods), min(methods, default=""))


def _parts(test: t.Expr | None, *, holds: bool) -> tuple[t.Expr, ...]:
    """Return the conditions that all hold, or all do not."""
    if isinstance(test, t.Either) and test.kind == ("and" if holds else "or"):
        return test.options
    return () if test is None else (test,)
