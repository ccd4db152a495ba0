"""Lists of rows of which only the first, or the last, is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.listed_queries import Listed, listed_query, sole_bind
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.projection import may_give_many
from perfaudit.program.result_roots import roots_of
from perfaudit.program.row_sources import ROWS_CALLS
from perfaudit.program.sites import Site
from perfaudit.program.sql_dialects import dialect_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Point = tuple[int, int]
ENDS = (t.Const(0, "int"), t.Const(-1, "int"))
CONDITIONS = frozenset({"filter", "filter_by", "where", "get"})
ORDERS = frozenset({"order_by", "sort"})


class FirstRow(NamedTuple):
    """A list of rows that is loaded for one of them.

    ``call``: what loads it, and its ``number`` in the function. ``name``: the query. ``last``: the
    last one is meant.
    """

    function: FunctionNode
    call: t.Call
    number: int
    name: str
    last: bool
    confidence: Confidence


def first_rows(program: "Program", function: FunctionNode) -> Iterator[FirstRow]:
    """Yield the lists of rows in a function of which one end is used, and nothing else."""
    if not program.sites_of(function) or not _asks_for_ends(function):
        return
    seen: set[int] = set()
    for value, at in _expressions(function):
        if isinstance(value, t.Name | t.Const):
            continue
        for part in expressions.parts(function, value):
            if not isinstance(part, t.Item) or part.key not in ENDS:
                continue
            loaded = _loaded(program, function, part.base, at)
            if loaded is None or loaded in seen:
                continue
            seen.add(loaded)
            judged = _judged(program, function, loaded)
            if judged is not None:
                name, confidence = judged
                call = function.facts.calls[loaded]
                yield FirstRow(function, call, loaded, name, part.key == ENDS[1], confidence)


def _asks_for_ends(function: FunctionNode) -> bool:
    """Return whether an end of anything is asked for; what calls are given stands for itself."""
    return any(
        isinstance(part, t.Item) and part.key in ENDS
        for value, _ in _expressions(function)
        for part in expressions.own_parts(function, value)
    )


def _expressions(function: FunctionNode) -> Iterator[tuple[t.Expr, Point]]:
    for root in roots_of(function):
        yield root.value, root.at
    for read in function.facts.reads:
        yield read.value, (read.sequence, read.context)


def _loaded(program: "Program", function: FunctionNode, base: t.Expr, at: Point) -> int | None:
    """Return the call that gives the whole list that an expression is, if nothing else reads it."""
    while isinstance(base, t.Await):
        base = base.value
    if isinstance(base, t.Name):
        bind = sole_bind(function, base, at)
        if bind is None or bind.value is None or not _only_ends(function, base):
            return None
        base = bind.value.value if isinstance(bind.value, t.Await) else bind.value
    return base.index if isinstance(base, t.CallRef) else None


def _only_ends(function: FunctionNode, name: t.Name) -> bool:
    """Return whether a name is only asked for one end of its list, or whether there is any."""
    keys: set[t.Expr] = set()
    for inner in (function, *inner_functions(function)):
        for value, is_test in _rooted(inner):
            held = 0
            for part in expressions.parts(inner, value):
                held += part == name
                if isinstance(part, t.Item) and part.base == name:
                    if part.key not in ENDS:
                        return False
                    keys.add(part.key)
                    held -= 1
                elif isinstance(part, t.Not):
                    held -= part.value == name
                elif isinstance(part, t.Either):
                    held -= part.test == name
                elif isinstance(part, t.CallRef):
                    call = inner.facts.calls[part.index]
                    held -= call.callee == t.Name("len") and call.arguments == (name,)
            if held > (is_test and value == name):
                return False
    return len(keys) == 1


def _rooted(function: FunctionNode) -> Iterator[tuple[t.Expr, bool]]:
    for root in roots_of(function):
        is_len = root.role.kind == "argument" and function.facts.calls[
            root.role.call
        ].callee == t.Name("len")
        yield root.value, root.role.kind == "test" or is_len
    for read in function.facts.reads:
        yield read.value, False


def _judged(
    program: "Program", function: FunctionNode, index: int
) -> tuple[str, Confidence] | None:
    """Return the name of what a call loads many rows of, where it surely may."""
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    listed = listed_query(program, function, t.CallRef(index), at)
    if listed is not None:
        if not _is_list(program, function, index) or _is_unique(program, function, listed):
            return None
        sure = _is_ordered(listed) or not _conditions(listed)
        return listed.query.name, Confidence.HIGH if sure else Confidence.MEDIUM
    site = _statement(program, function, index)
    if site is None or site.sql is None or not may_give_many(site.sql, dialect_of(program, site)):
        return None
    return site.name, Confidence.HIGH


def _is_list(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether a call has loaded all rows; an item of a query that has not run is cheap."""
    call = function.facts.calls[index]
    if call.callee in (t.Name("list"), t.Name("tuple")):
        return True
    return program.types.call(function, index).has_flag("loads-all")


def _conditions(listed: Listed) -> list[t.Call]:
    return [
        call
        for call in listed.calls
        if isinstance(call.callee, t.Attr) and call.callee.name in CONDITIONS
    ]


def _is_ordered(listed: Listed) -> bool:
    return any(
        isinstance(call.callee, t.Attr) and call.callee.name in ORDERS for call in listed.calls
    )


def _is_unique(program: "Program", function: FunctionNode, listed: Listed) -> bool:
    """Return whether a condition of a query is on a column that has each value once."""
    table = listed.query.table
    if table is None:
        return True
    unique = {"pk"} | {
        name for name, column in table.columns.items() if column.primary or column.unique
    }
    for call in listed.calls:
        for given in call.arguments:
            for part in expressions.parts(function, given):
                if isinstance(part, t.Attr) and part.name in unique:
                    return True
                if isinstance(part, t.CallRef):
                    inner = function.facts.calls[part.index]
                    if any(name in unique for name, _ in inner.keywords):
                        return True
        if any(name in unique for name, _ in call.keywords):
            return True
    return False


def _statement(program: "Program", function: FunctionNode, index: int) -> Site | None:
    """Return the raw statement whose rows a call gives: its own, or the last of its cursor."""
    call = function.facts.calls[index]
    name = call.callee.name if isinstance(call.callee, t.Attr) else ""
    if name not in ROWS_CALLS or not isinstance(call.callee, t.Attr):
        return None
    before: Site | None = None
    for site in program.sites_of(function):
        if site.kind != "call" or site.behaviour.sql is None or site.call is None:
            continue
        if site.call is call:
            return site
        if site.sequence < call.sequence and isinstance(site.call.callee, t.Attr):
            if call.callee.base in (site.call.callee.base, site.value):
                before = site
    return before
