"""Messages that have a worker run a task, and what leads to them."""

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import item_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program, is_usual
from perfaudit.program.reach import Reach, reach
from perfaudit.program.sites import Edge, Site

SENDS_TASK = "sends-task"
WAITED_FOR = frozenset({"call", "task", "loop", "thread"})


def sends_task(site: Site) -> bool:
    """Return whether a place sends one message that has one task run."""
    return SENDS_TASK in site.behaviour.flags


def dispatch_reach(program: Program) -> Reach:
    """Return which functions reach a place that sends a task to a worker."""

    def counts(site: Site) -> bool:
        return sends_task(site) and is_usual(site.function, site.context)

    def follows(edge: Edge) -> bool:
        return (
            edge.how in WAITED_FOR
            and edge.callee not in program.memoised
            and is_usual(edge.caller, edge.context)
        )

    return reach(
        program.functions, program.sites_of, program.edges_to, counts=counts, follows=follows
    )


def is_staggered(function: FunctionNode, loop: int, place: Site | Edge) -> bool:
    """Return whether a time is worked out for each item, as ``countdown=number * 5`` does."""
    if place.call is None:
        return False
    items = item_names(function, loop)
    return any(
        isinstance(value, t.Binary) and expressions.names(function, value) & items
        for _, value in place.call.keywords
    )
