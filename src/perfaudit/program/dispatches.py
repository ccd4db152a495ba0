"""Messages that have a worker run a task, and what leads to them."""

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import item_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program, is_usual
from perfaudit.program.reach import Reach, reach
from perfaudit.program.sites import Edge, Site

SENDS_TASK = "sends-task"
AT = "at-"
"""Before the name of the argument that says when a task is to run."""
TASK = "task"
JOBS = frozenset(
    {"http.request", "process.spawn", "file.read", "file.write", "cpu", "sleep", "thread.wait"}
)
"""What takes so long that a message for it is cheap, and that should fail and be retried alone."""
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

    return reach(program.costly, program.sites_of, program.edges_to, counts=counts, follows=follows)


def is_staggered(function: FunctionNode, loop: int, place: Site | Edge) -> bool:
    """Return whether a time is worked out for each item, as ``countdown=number * 5`` does."""
    if place.call is None:
        return False
    items = item_names(function, loop)
    # A time that grows from turn to turn is worked out for each item too.
    own = items | {
        bind.target.id
        for bind in function.facts.binds
        if isinstance(bind.target, t.Name) and function.is_within(bind.context, loop)
    }
    flags = place.behaviour.flags if isinstance(place, Site) else ()
    return any(
        expressions.names(function, value) & (own if AT + name in flags else items)
        and (AT + name in flags or isinstance(value, t.Binary))
        for name, value in place.call.keywords
    )


def has_long_task(program: Program, site: Site) -> bool | None:
    """Return whether a place may send a task that takes long; None where its task is not known."""
    callee = site.call.callee if site.call is not None else None
    sent = callee.base if isinstance(callee, t.Attr) else None
    name = sent.id if isinstance(sent, t.Name) else sent.name if isinstance(sent, t.Attr) else ""
    tasks = [
        *program.once(_tasks_by_name).get(name, ()),
        *(
            edge.callee
            for edge in program.edges_from(site.function)
            if edge.how == "worker" and edge.call == site.call
        ),
    ]
    reached = program.reach_of(JOBS)
    return any(task in reached for task in tasks) if tasks else None


def _tasks_by_name(program: Program) -> dict[str, list[FunctionNode]]:
    found: dict[str, list[FunctionNode]] = {}
    for endpoint in program.endpoints:
        if endpoint.kind == TASK:
            found.setdefault(endpoint.handler.name, []).append(endpoint.handler)
    return found
