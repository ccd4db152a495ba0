"""In which order a query gives its rows, and from which row on."""

from typing import TYPE_CHECKING, Any

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.projection import HOLE, parsed
from perfaudit.program.query_chains import Step
from perfaudit.program.relational import Query

if TYPE_CHECKING:
    from perfaudit.program.program import Program

RANDOM_CALLS = frozenset({"random", "rand", "newid", "dbms_random"})
RANDOM_MARK = "?"
"""What stands for a random order where orders are names of columns."""


def is_random(program: "Program", query: Query) -> bool:
    """Return whether the rows of a query come in a random order."""
    if query.way is None:
        return _is_random_sql(query.site.sql or "")
    orders = [step for step in query.way.steps if step.name == "order_by"]
    return bool(orders) and _orders_at_random(program, orders[-1])


def _is_random_sql(sql: str) -> bool:
    from sqlglot import exp

    tree = parsed(sql)
    order = tree.args.get("order") if tree is not None else None
    if order is None:
        return False
    return any(
        isinstance(item.this, exp.Rand)
        or isinstance(item.this, exp.Anonymous)
        and item.this.name.lower() in RANDOM_CALLS
        for item in order.expressions
    )


def _orders_at_random(program: "Program", step: Step) -> bool:
    if step.call is None or not step.call.arguments:
        return False
    first = step.call.arguments[0]
    if isinstance(first, t.Const):
        return first.value == RANDOM_MARK
    if not isinstance(first, t.CallRef):
        return False
    call = step.function.facts.calls[first.index]
    if call.arguments or last_name(call.callee).lower() not in RANDOM_CALLS:
        return False
    targets = program.types.call(step.function, first.index).targets
    return all(target.function is None for target in targets)


def skips_many(query: Query) -> bool:
    """Return whether a query skips a number of ordered rows that the code does not write out."""
    if query.way is None:
        return _skips_in_sql(query.site.sql or "")
    names = [step.name for step in query.way.steps]
    # Groups are made and ordered whole before any of them is skipped.
    if "order_by" not in names or "group_by" in names:
        return False
    return any(_skips(step) for step in query.way.steps)


def _skips_in_sql(sql: str) -> bool:
    from sqlglot import exp

    tree = parsed(sql)
    if tree is None or tree.args.get("order") is None or tree.args.get("offset") is None:
        return False
    if tree.args.get("group") is not None:
        return False
    skipped: Any = tree.args["offset"].expression
    if isinstance(skipped, exp.Column):
        return bool(skipped.name == HOLE)
    return skipped.find(exp.Parameter, exp.Placeholder) is not None


def _skips(step: Step) -> bool:
    if step.name == "offset" and step.call is not None:
        return bool(step.call.arguments) and _is_chosen(step.function, step.call.arguments[0])
    if step.name == "slice" and step.call is not None and len(step.call.arguments) > 1:
        return _is_chosen(step.function, step.call.arguments[0])
    if isinstance(step.key, t.Slice) and step.key.lower is not None:
        return _is_chosen(step.function, step.key.lower)
    return False


def _is_chosen(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a value is made of what a function is given, and is not written out."""
    match value:
        case t.Const():
            return False
        case t.Binary(left=left, right=right):
            return _is_chosen(function, left) or _is_chosen(function, right)
        case t.Name(id=name):
            return (
                not all(isinstance(bind.value, t.Const) for bind in function.binds.get(name, ()))
                or name in function.params
            )
    return True
