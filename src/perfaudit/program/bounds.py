"""How long a list can be at most, where a slice, a limit or a page says it."""

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.infer import Types
from perfaudit.program.names import Meaning, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sizes import Size, iterable_size, passes_items

LIMITS = frozenset({"limit"})
"""Methods of queries whose argument is how many rows they give at most."""
MAX_STEPS = 10
SHORT = 5
"""So many items at most are no loop over data."""
At = tuple[int, int]


def bounded_size(
    types: Types, function: FunctionNode, value: t.Expr, loop: t.Context | None
) -> Size:
    """Return how many items an iterable has, with the bound that the code sets, if any."""
    size = iterable_size(types, function, value, loop)
    if isinstance(size, int):
        return size
    at = (loop.sequence, loop.parent) if loop is not None else (1 << 60, -1)
    bound = _bound(types, function, value, at, MAX_STEPS)
    return size if bound is None else at_most(size, bound)


def is_short(types: Types, function: FunctionNode, value: t.Expr | None, at: At) -> bool:
    """Return whether the code itself says that an iterable has few items: ``rows[:3]``."""
    bound = None if value is None else _bound(types, function, value, at, MAX_STEPS)
    return bound is not None and bound <= SHORT


def at_most(size: Size, bound: int) -> Size:
    """Return a size that is no greater than a number."""
    return min(size, bound) if isinstance(size, int) else f"{size}<={bound}"


def _bound_of_name(types: Types, meaning: Meaning, steps: int) -> int | None:
    bind = meaning.definition
    if not isinstance(bind, t.Bind) or bind.kind not in ("assign", "annotated"):
        return None
    if bind.value is None:
        return None
    where = (bind.sequence, bind.context)
    return _bound(types, meaning.scope, bind.value, where, steps)


def _bound(types: Types, function: FunctionNode, value: t.Expr, at: At, steps: int) -> int | None:
    if steps == 0:
        return None
    match value:
        case t.Item(key=t.Slice(lower=lower, upper=upper)):
            first = 0 if lower is None else _number(types, function, lower, at)
            last = None if upper is None else _number(types, function, upper, at)
            if first is None or last is None or last < first or first < 0:
                return None
            return last - first
        case t.Await(value=inner) | t.Star(value=inner):
            return _bound(types, function, inner, at, steps - 1)
        case t.Name(id=name):
            bounds = [
                _bound_of_name(types, meaning, steps - 1)
                for meaning in meanings(function, name, at)
            ]
            known = [bound for bound in bounds if bound is not None]
            return max(known) if known and len(known) == len(bounds) else None
        case t.Seq(items=()):
            return 0
        case t.Comp(context=context):
            loop = function.facts.contexts[context]
            if loop.subject is None:
                return None
            return _bound(types, function, loop.subject, (loop.sequence, loop.parent), steps - 1)
        case t.CallRef(index=index):
            return _bound_of_call(types, function, index, at, steps - 1)
    return None


def _bound_of_call(
    types: Types, function: FunctionNode, index: int, at: At, steps: int
) -> int | None:
    call = function.facts.calls[index]
    callee = call.callee
    if isinstance(callee, t.Attr) and callee.name in LIMITS:
        given = argument(call, "0")
        return None if given is None else _number(types, function, given, at)
    if passes_items(types, function, index) and call.arguments:
        return _bound(types, function, call.arguments[0], at, steps)
    if not isinstance(callee, t.Attr) or not _is_of_library(types, function, index):
        return None
    # What a statement or a query set says holds for what is made from it, and for its rows.
    candidates = [callee.base, *call.arguments[:1]]
    found = [_bound(types, function, each, at, steps) for each in candidates]
    return next((bound for bound in found if bound is not None), None)


def _is_of_library(types: Types, function: FunctionNode, index: int) -> bool:
    return any(target.behaviour is not None for target in types.call(function, index).targets)


def _number(types: Types, function: FunctionNode, value: t.Expr, at: At) -> int | None:
    """Return a number that is written out, or that a name stands for."""
    if isinstance(value, t.Const):
        return value.value if type(value.value) is int else None
    if not isinstance(value, t.Name):
        return None
    found = meanings(function, value.id, at)
    if len(found) != 1 or not isinstance(found[0].definition, t.Bind):
        return None
    bound = found[0].definition.value
    return bound.value if isinstance(bound, t.Const) and type(bound.value) is int else None
