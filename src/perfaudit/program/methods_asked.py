"""Which methods of HTTP come to a place of a handler that answers several."""

from collections.abc import Sequence

from perfaudit.facts import types as t
from perfaudit.program.conditions import BRANCHES, guards_before
from perfaudit.program.nodes import FunctionNode


def methods_at(
    methods: Sequence[str], handler: FunctionNode, context: int, sequence: int
) -> list[str]:
    """Return the methods, of those that a handler answers, that may come to a place of it.

    What stands in no branch runs for all of them, so that one is enough to be named.
    """
    contexts = handler.facts.contexts
    chain = list(handler.context_chain(context))
    left = list(methods)
    is_in_branch = False
    for step in chain:
        kind = contexts[step].kind
        is_in_branch = is_in_branch or kind in BRANCHES
        if kind in ("if", "else"):
            left = _left(left, contexts[step].subject, holds=kind == "if")
    for guard in guards_before(handler, chain, sequence):
        left = _left(left, guard.subject, holds=False)
    if not left:
        return list(methods)
    return left if is_in_branch else left[:1]


def _left(methods: list[str], test: t.Expr | None, *, holds: bool) -> list[str]:
    """Return the methods for which a test of the request's method holds, or does not."""
    if isinstance(test, t.Either) and test.kind == "and" and holds:
        for option in test.options:
            methods = _left(methods, option, holds=True)
        return methods
    match test:
        case t.Not(value=inner):
            return _left(methods, inner, holds=not holds)
        case t.Compare(left=t.Attr(name="method"), right=right, operator=operator):
            named = _named(right)
            if named is None or operator not in ("Eq", "NotEq", "In", "NotIn"):
                return methods
            wanted = holds is (operator in ("Eq", "In"))
            return [method for method in methods if (method in named) is wanted]
    return methods


def _named(value: t.Expr) -> set[str] | None:
    items = value.items if isinstance(value, t.Seq) else (value,)
    names = {item.value for item in items if isinstance(item, t.Const)}
    found = {name for name in names if isinstance(name, str)}
    return found if len(found) == len(items) else None
