"""Whether one place of a function runs before another, with nothing between that changes rows."""

from typing import TYPE_CHECKING, Protocol

from perfaudit.facts import types as t
from perfaudit.program.names import PLAIN_BLOCKS
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DISTURBING = frozenset(
    {
        "db.write",
        "db.transaction",
        "http.request",
        "process.spawn",
        "queue.send",
        "queue.wait",
        "sleep",
        "thread.wait",
    }
)
"""Effects after which the database may hold something else: own writes, and waiting for others."""

MAY_WRITE = "may-write"
"""The flag of calls that write, but not always."""
WAITS_BETWEEN = frozenset({"with", "async with"})


def is_undisturbed(program: "Program", first: Site | Edge, second: Site | Edge) -> bool:
    """Return whether a place of a function has surely run when another runs, and rows are the same.

    Both run as often, and nothing between them writes, waits for others, or is unknown and run for
    what it does.
    """
    function = first.function if isinstance(first, Site) else first.caller
    return runs_before(function, first, second) and not _is_disturbed(
        program, function, first.sequence, second.sequence
    )


def always_follows(first: Site, second: Site) -> bool:
    """Return whether a later place of a function runs whenever an earlier has, errors aside."""
    function = first.function
    around = set(function.context_chain(first.context))
    contexts = function.facts.contexts
    if any(
        step not in around and contexts[step].kind not in PLAIN_BLOCKS
        for step in function.context_chain(second.context)
    ):
        return False
    return not any(
        exit_.kind != "raise" and first.sequence < exit_.sequence < second.sequence
        for exit_ in function.facts.exits
    )


def runs_before(function: FunctionNode, first: Site | Edge, second: Site | Edge) -> bool:
    """Return whether a place of a function has surely run when another runs, and as often.

    What is asked for again under a lock, or in a transaction, may have changed meanwhile.
    """
    if not has_run_before(function, first, second):
        return False
    if function.loops(first.context) != function.loops(second.context):
        return False
    contexts = function.facts.contexts
    entered = {
        step
        for step in function.context_chain(second.context)
        if contexts[step].kind in WAITS_BETWEEN
    }
    return entered <= set(function.context_chain(first.context))


class Placed(Protocol):
    """What runs at a point of a function, in one of its blocks."""

    @property
    def context(self) -> int: ...
    @property
    def sequence(self) -> int: ...


def has_run_before(function: FunctionNode, first: Placed, second: Placed) -> bool:
    """Return whether a place of a function has surely run when another runs, however often."""
    if first.sequence >= second.sequence:
        return False
    contexts = function.facts.contexts
    outer = first.context
    while outer >= 0 and contexts[outer].kind in PLAIN_BLOCKS:
        outer = contexts[outer].parent
    return function.is_within(second.context, outer) and not is_handler(function, second.context)


def _is_disturbed(program: "Program", function: FunctionNode, start: int, end: int) -> bool:
    for site in program.sites_of(function):
        if start < site.sequence < end and not DISTURBING.isdisjoint(site.effects):
            return True
    disturbing = program.reach_of(DISTURBING)
    for edge in program.edges_from(function):
        if start < edge.sequence < end and (
            edge.callee in disturbing or program.once(_does_unknown, edge.callee)
        ):
            return True
    if any(
        item.kind != "return" and start < item.sequence < end for item in function.facts.results
    ):
        return True
    return any(
        start < call.sequence < end and _may_change(program, function, index)
        for index, call in enumerate(function.facts.calls)
    )


def disturbs_within(program: "Program", function: FunctionNode, context: int) -> bool:
    """Return whether something in a block writes, waits for others, or is unknown and only run."""
    if any(
        not DISTURBING.isdisjoint(site.effects) and function.is_within(site.context, context)
        for site in program.sites_of(function)
    ):
        return True
    disturbing = program.reach_of(DISTURBING)
    if any(
        edge.callee in disturbing and function.is_within(edge.context, context)
        for edge in program.edges_from(function)
    ):
        return True
    return any(
        function.is_within(call.context, context) and _may_change(program, function, index)
        for index, call in enumerate(function.facts.calls)
    )


def _does_unknown(program: "Program", function: FunctionNode) -> bool:
    """Return whether a function runs what nobody knows, for what it does."""
    return any(_may_change(program, function, index) for index in range(len(function.facts.calls)))


def _may_change(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether a call may write: at times, or as it is unknown and run for what it does."""
    call = function.facts.calls[index]
    if program.types.call(function, index).has_flag(MAY_WRITE):
        return True
    is_run = call.discarded or call.awaited
    return is_run and _is_unknown(program, function, index) and not _is_plain(call.callee)


def _is_unknown(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether nobody says what a call does."""
    return not any(
        target.function is not None or target.behaviour is not None
        for target in program.types.call(function, index).targets
    )


def _is_plain(callee: t.Expr) -> bool:
    """Return whether what nobody knows is only told something: a log, a list."""
    return isinstance(callee, t.Attr) and callee.name in PLAIN_METHODS


PLAIN_METHODS = frozenset(
    {"append", "debug", "error", "exception", "extend", "info", "setdefault", "warning"}
)
