"""Blocks of a function that exclude each other: ``if kind == "a"`` and ``if kind == "b"``."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode

Asked = tuple[t.Name, t.Const, bool]
"""A name, what it is compared with, and whether they are the same where a block runs."""


def exclude_each_other(function: FunctionNode, context: int, other: int) -> bool:
    """Return whether no call of a function runs both of two blocks."""
    if context < 0 or other < 0:
        return False
    for name, wanted, is_same in _asked(function, context):
        for again, given, holds in _asked(function, other):
            if name != again or not _stays(function, name.id):
                continue
            if wanted == given and is_same is not holds:
                return True
            if wanted != given and is_same and holds:
                return True
    return False


def _stays(function: FunctionNode, name: str) -> bool:
    """Return whether a name stands for one value from the beginning."""
    return len(function.binds.get(name, ())) <= (name not in function.params)


def _asked(function: FunctionNode, context: int) -> Iterator[Asked]:
    for step in function.context_chain(context):
        here = function.facts.contexts[step]
        if here.kind not in ("if", "else"):
            continue
        match here.subject:
            case t.Compare(operator="Eq" | "NotEq" as operator, left=t.Name() as name, right=right):
                if isinstance(right, t.Const):
                    yield name, right, (operator == "Eq") is (here.kind == "if")
