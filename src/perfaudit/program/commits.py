"""Transactions that end once per item of a loop, though nothing in the loop asks for that."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import (
    Walk,
    item_names,
    runs_each_turn,
    walk_of,
    writes_per_item,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import LOCKS_ROWS, WITH_KINDS, Site
from perfaudit.program.values import Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

COMMITS = "commits"
SAVEPOINT = "savepoint"
ADDS = "adds-without-query"
TRANSACTION = "db.transaction"
ELSEWHERE = frozenset(
    {"http.request", "queue.send", "queue.wait", "process.spawn", "sleep", "file.write"}
    | {"thread.wait", "cpu", "cache.write", "offload", "spawn"}
)
"""What a rollback does not undo, or takes long: the state is saved before it, or after it."""


class Commit(Struct, frozen=True):
    """A place that ends a transaction in each turn of a loop. ``is_block``: by a ``with``."""

    site: Site
    loop: int
    is_block: bool


def commits_per_item(program: "Program", function: FunctionNode) -> list[Commit]:
    """Return the places of a function that commit once per item of a loop without need."""
    found = []
    for site in program.sites_of(function):
        if site.kind != "call" or TRANSACTION not in site.effects:
            continue
        is_block = COMMITS not in site.behaviour.flags
        loop = next(iter(function.loops(site.context)), None)
        if loop is None or (is_block and not _is_entered(function, site)):
            continue
        if _is_inside(program, function, loop) or _locks_rows(program, function, loop):
            continue
        if SAVEPOINT not in site.behaviour.flags and _is_needless(program, function, site, loop):
            found.append(Commit(site, loop, is_block))
    return found


def _is_entered(function: FunctionNode, site: Site) -> bool:
    """Return whether a ``with`` begins a transaction here and ends it behind its block."""
    return any(
        context.kind in WITH_KINDS and context.subject == site.value
        for context in function.facts.contexts
    )


def _is_inside(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether a transaction is under way around a loop, so that another only marks it."""
    contexts = function.facts.contexts
    around = [
        contexts[step].subject
        for step in function.context_chain(loop)
        if contexts[step].kind in WITH_KINDS
    ]
    return any(
        TRANSACTION in site.effects and site.value in around for site in program.sites_of(function)
    )


def _locks_rows(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether a turn of a loop locks rows, which others wait for until it is committed."""
    return any(
        target.behaviour is not None and LOCKS_ROWS in target.behaviour.flags
        for index, call in enumerate(function.facts.calls)
        if function.is_within(call.context, loop)
        for target in program.types.call(function, index).targets
    )


def _is_needless(program: "Program", function: FunctionNode, site: Site, loop: int) -> bool:
    if walk_of(program, function, loop) is not Walk.DATA or _is_isolated(function, loop):
        return False
    if not runs_each_turn(function, loop, site.context, site.value):
        return False
    if _is_in_worker(function, loop) or _is_of_item(function, loop, site):
        return False
    return _changes_rows(program, function, loop) and not _works_elsewhere(program, function, loop)


def _is_isolated(function: FunctionNode, loop: int) -> bool:
    """Return whether an item that fails does not end the loop: it is tried, and given up."""
    contexts = function.facts.contexts
    return any(
        context.kind in ("except", "finally") and function.is_within(number, loop)
        for number, context in enumerate(contexts)
    )


def _is_in_worker(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop is run again and again, by a ``while`` around it."""
    contexts = function.facts.contexts
    return any(contexts[step].kind == "while" for step in function.context_chain(loop))


def _is_of_item(function: FunctionNode, loop: int, site: Site) -> bool:
    """Return whether what is committed is the item, or is opened for each item."""
    if site.call is None or not isinstance(site.call.callee, t.Attr):
        return False
    base = site.call.callee.base
    if expressions.names(function, base) & item_names(function, loop):
        return True
    return any(
        isinstance(bind.target, t.Name)
        and bind.target.id in expressions.names(function, base)
        and function.is_within(bind.context, loop)
        for bind in function.facts.binds
    )


def _changes_rows(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether a loop writes, adds objects that are to be written, or changes rows."""
    if writes_per_item(program, function, loop):
        return True
    for index, call in enumerate(function.facts.calls):
        if function.is_within(call.context, loop):
            for target in program.types.call(function, index).targets:
                if target.behaviour is not None and ADDS in target.behaviour.flags:
                    return True
    return any(
        isinstance(bind.target, t.Attr)
        and function.is_within(bind.context, loop)
        and _is_row(program, function, bind.target.base, (bind.sequence, bind.context))
        for bind in function.facts.binds
    )


def _is_row(program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    return any(
        isinstance(option, Instance) and program.schema.table_of(option.node) is not None
        for option in options_of(program.types.evaluate(function, value, at))
    )


def _works_elsewhere(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether a turn of a loop does what a rollback does not undo, or waits for long."""
    for site in program.sites_of(function):
        if function.is_within(site.context, loop) and not ELSEWHERE.isdisjoint(site.effects):
            return True
    reached = program.reach_of(ELSEWHERE)
    return any(
        edge.callee in reached and function.is_within(edge.context, loop)
        for edge in program.edges_from(function)
    )
