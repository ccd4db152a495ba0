"""What of a method runs for one action of a view: conditions on what the view does decide it."""

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.conditions import guards_before
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_spots import Doing

CHOOSING = frozenset({"if", "else", "match"})
"""Blocks that run only for some answers to a test."""


def is_for(
    method: FunctionNode, at: tuple[int, int], action: str, attribute: str = ""
) -> bool | None:
    """Return whether conditions choose a place for an action, or for others; None without.

    ``attribute``: only conditions on this attribute of the method's object count.
    """
    chain = tuple(method.context_chain(at[1]))
    blocks = [method.facts.contexts[step] for step in chain]
    tests = [(block.subject, block.kind != "else") for block in blocks if block.kind in CHOOSING]
    tests += [(guard.subject, False) for guard in guards_before(method, chain, at[0])]
    answers = {
        (action in texts) is (holds is not _is_denied(method, subject))
        for subject, holds in tests
        if subject is not None
        and _asks(method, subject, attribute)
        and (texts := _texts(method, subject))
    }
    return all(answers) if answers else None


def is_for_others(function: FunctionNode, at: tuple[int, int], doing: Doing | None) -> bool:
    """Return whether a place is only run where the view does something else."""
    if doing is None or not doing.attribute:
        return False
    return is_for(function, at, doing.action, doing.attribute) is False


def _asks(method: FunctionNode, subject: t.Expr, attribute: str) -> bool:
    """Return whether a condition asks an attribute of the object alone; each does without one."""
    if not attribute or not method.facts.params:
        return not attribute
    asked = t.Attr(t.Name(method.facts.params[0].name), attribute)
    parts = list(expressions.parts(method, subject))
    return asked in parts and not any(isinstance(part, t.Either | t.CallRef) for part in parts)


def _texts(method: FunctionNode, subject: t.Expr) -> set[str]:
    """Return the texts that a condition compares something with."""
    return {
        part.value
        for part in expressions.parts(method, subject)
        if isinstance(part, t.Const) and isinstance(part.value, str)
    }


def _is_denied(method: FunctionNode, subject: t.Expr) -> bool:
    """Return whether a condition holds for what is not one of its texts."""
    parts = list(expressions.parts(method, subject))
    denials = [
        part
        for part in parts
        if isinstance(part, t.Not)
        or (isinstance(part, t.Compare) and part.operator in ("NotEq", "NotIn"))
    ]
    if any(isinstance(part, t.Either) for part in parts):
        return bool(denials)
    return len(denials) % 2 == 1
