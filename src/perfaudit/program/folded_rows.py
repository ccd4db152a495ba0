"""Rows that are loaded to be added up, compared or filtered, which the database could do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.listed_queries import Listed, is_used_once, listed_query, sole_bind
from perfaudit.program.loops import target_names
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program

FOLDS = frozenset({"sum", "max", "min", "len"})
COMPREHENSIONS = frozenset({"comprehension", "async comprehension"})
ADDED = frozenset({"integer", "number"})
COMPARED = ADDED | {"time"}


class Fold(NamedTuple):
    """A call that makes one value of the rows of a query, and uses nothing else of them.

    ``name``: what it does; ``columns``: those that it reads.
    """

    function: FunctionNode
    call: t.Call
    name: str
    listed: Listed
    columns: tuple[str, ...]


def folds_of(program: "Program", function: FunctionNode) -> Iterator[Fold]:
    """Yield the calls of a function that fold rows which nothing else reads."""
    for call in function.facts.calls:
        if not isinstance(call.callee, t.Name) or call.callee.id not in FOLDS:
            continue
        if not call.arguments or not isinstance(call.arguments[0], t.Comp):
            continue
        if len(call.arguments) > 1 or meanings(function, call.callee.id, (call.sequence, -1)):
            continue
        found = _fold(program, function, call, call.arguments[0], call.callee.id)
        if found is not None:
            yield found


def _fold(
    program: "Program", function: FunctionNode, call: t.Call, folded: t.Comp, name: str
) -> Fold | None:
    contexts = function.facts.contexts
    walked = contexts[folded.context]
    if walked.kind not in COMPREHENSIONS or walked.subject is None or folded.kind == "set":
        return None
    if walked.parent >= 0 and contexts[walked.parent].kind in COMPREHENSIONS:
        return None
    items = target_names(walked.target)
    if len(items) != 1:
        return None
    (item,) = items
    at = (walked.sequence, walked.parent)
    if isinstance(walked.subject, t.Name):
        if sole_bind(function, walked.subject, at) is None:
            return None
        if not is_used_once(function, walked.subject):
            return None
    listed = listed_query(program, function, walked.subject, at)
    table = listed.query.table if listed is not None else None
    if listed is None or table is None:
        return None
    tests = [
        other.subject
        for other in contexts
        if other.kind == "assert" and other.parent == folded.context and other.subject is not None
    ]
    columns: set[str] = set()
    for value in (folded.element, *tests):
        read = _columns_read(function, value, item, frozenset(table.columns))
        if read is None:
            return None
        columns |= read
    if name == "len":
        return Fold(function, call, name, listed, tuple(sorted(columns))) if tests else None
    if not _gives_column(folded.element, item) and not (
        name == "sum" and isinstance(folded.element, t.Const) and tests
    ):
        return None
    types = ADDED if name == "sum" else COMPARED
    added = _columns_read(function, folded.element, item, frozenset(table.columns)) or set()
    if any(table.columns[column].type not in types for column in added):
        return None
    return Fold(function, call, name, listed, tuple(sorted(columns)))


def _gives_column(value: t.Expr, item: str) -> bool:
    """Return whether an expression is a column of the item, or that or a constant."""
    if isinstance(value, t.Either) and value.kind == "or" and len(value.options) == 2:
        return _gives_column(value.options[0], item) and isinstance(value.options[1], t.Const)
    return isinstance(value, t.Attr) and value.base == t.Name(item)


def _columns_read(
    function: FunctionNode, value: t.Expr, item: str, known: frozenset[str]
) -> set[str] | None:
    """Return the columns of the item that an expression reads; None where it does more with it."""
    if value == t.Name(item):
        return set()
    columns: set[str] = set()
    held = 0
    for part in expressions.parts(function, value):
        if isinstance(part, t.CallRef | t.Comp | t.Lambda | t.Opaque | t.Text | t.Item):
            if item in expressions.names(function, part) or isinstance(part, t.Lambda | t.Opaque):
                return None
        elif isinstance(part, t.Attr) and part.base == t.Name(item):
            if part.name not in known:
                return None
            columns.add(part.name)
            held -= 1
        held += part == t.Name(item)
    return columns if held == 0 else None
