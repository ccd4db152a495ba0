"""Is a number asked for only to know whether there is anything at all."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.nodes import FunctionNode

ORDERED = frozenset({"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"})


def asks_for_any(function: FunctionNode, number: t.Expr) -> bool:
    """Return whether a number is only asked for being zero, at the place where it is worked out."""
    for value, is_test in _tests(function):
        if is_test and number in (value, value.value if isinstance(value, t.Not) else None):
            return True
        for part in parts(function, value):
            if isinstance(part, t.Compare) and number in (part.left, part.right):
                if _is_none_or_some(part):
                    return True
            if isinstance(part, t.Not) and part.value == number:
                return True
            if isinstance(part, t.Either) and part.test == number:
                return True
    return any(
        isinstance(call.callee, t.Name) and call.callee.id == "bool" and number in call.arguments
        for call in function.facts.calls
    )


def matters_besides(function: FunctionNode, number: t.Expr) -> bool:
    """Return whether a number is kept in a name, or may be compared with more than none.

    Facts keep the first two parts of ``0 < number < 5``, so what a comparison begins with a
    constant may tell a few from many.
    """
    return any(bind.value == number for bind in function.facts.binds) or tells_many(
        function, number
    )


def tells_many(function: FunctionNode, number: t.Expr) -> bool:
    """Return whether a number may be compared with more than none."""
    return any(
        isinstance(part, t.Compare)
        and (number == part.right or (number == part.left and not _is_none_or_some(part)))
        for value, _ in _tests(function)
        for part in parts(function, value)
    )


def _is_none_or_some(compared: t.Compare) -> bool:
    """Return whether a comparison with 0 or 1 separates none from some."""
    on_right = isinstance(compared.right, t.Const)
    other = compared.right if on_right else compared.left
    if not isinstance(other, t.Const) or compared.operator not in ORDERED:
        return False
    if other.value == 0 and other.kind == "int":
        return True
    return other.value == 1 and on_right and compared.operator in ("Lt", "GtE")


def _tests(function: FunctionNode) -> Iterator[tuple[t.Expr, bool]]:
    facts = function.facts
    for context in facts.contexts:
        if context.subject is not None and context.kind in ("if", "while"):
            yield context.subject, True
    for bind in facts.binds:
        if bind.value is not None:
            yield bind.value, False
    for item in facts.results:
        if item.value is not None:
            yield item.value, False
    for call in facts.calls:
        for value in (*call.arguments, *(value for _, value in call.keywords)):
            yield value, False
