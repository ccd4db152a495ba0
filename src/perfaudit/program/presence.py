"""Is a number asked for only to know whether there is anything at all."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.result_roots import Root, roots_of

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


def only_asks_for_any(function: FunctionNode, number: t.Expr) -> bool:
    """Return whether a number is put under a name that is only ever asked for being zero."""
    binds = [bind for bind in function.facts.binds if bind.value == number]
    if len(binds) != 1 or not isinstance(binds[0].target, t.Name) or binds[0].kind != "assign":
        return False
    name = binds[0].target
    if function.kind != "function" or name.id in function.facts.outer_names:
        return False
    if len(function.binds.get(name.id, ())) != 1:
        return False
    found = [
        _asks(inner, root, name)
        for inner in (function, *inner_functions(function))
        for root in roots_of(inner)
        if name in parts(inner, root.value)
    ]
    return bool(found) and all(found)


def _asks(function: FunctionNode, root: Root, name: t.Name) -> bool:
    """Return whether an expression that stands by itself only tests a name for being zero."""
    value = root.value
    if root.role.kind == "test" and name in (value, value.value if isinstance(value, t.Not) else 0):
        return True
    held = [part for part in parts(function, value) if part == name]
    tests = [part for part in parts(function, value) if _tests_name(part, name)]
    if root.role.kind == "test" and isinstance(value, t.Either) and value.test is None:
        tests += [option for option in value.options if option == name]
    return len(held) == len(tests)


def _tests_name(part: t.Expr, name: t.Name) -> bool:
    match part:
        case t.Compare(left=left):
            # What a comparison begins with a constant may go on: facts keep its first two parts.
            return name == left and _is_none_or_some(part)
        case t.Not(value=inner):
            return inner == name
        case t.Either(test=test):
            return test == name
    return False


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
        for value in call.given:
            yield value, False
