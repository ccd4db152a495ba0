"""Places that wait for something outside the database: remote calls, processes, queues, sleeps."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.routes_origins import Origins, sources
from perfaudit.program.sites import Site

if TYPE_CHECKING:
    from perfaudit.program.nodes import FunctionNode
    from perfaudit.program.program import Program

OUTSIDE = frozenset({"http.request", "process.spawn", "queue.wait", "sleep"})
NEAR = "name-look-up"
"""The flag of a call that asks for an address that is kept near by."""
SHORT_SECONDS = 0.1
"""A shorter sleep gives way to others, it does not wait for anything."""
MAX_STEPS = 5
VERBS = {
    "http.request": "a remote call",
    "process.spawn": "another program",
    "queue.wait": "a queue",
    "queue.send": "a message broker",
    "sleep": "a sleep",
}


def waits_outside(site: Site) -> bool:
    """Return whether a site waits for something else than the database: not for a bound only."""
    if site.kind == "exit" or OUTSIDE.isdisjoint(site.effects) or NEAR in site.behaviour.flags:
        return False
    if site.effects == ("sleep",):
        return not _is_short(site) and not _paces_a_loop(site)
    if site.effects == ("queue.wait",):
        return site.kind == "call" and site.name.rpartition(".")[2] != "acquire"
    return True


def what_is_waited_for(site: Site) -> str:
    """Return how a message names what a site waits for."""
    return next((VERBS[effect] for effect in site.effects if effect in VERBS), "something else")


def _paces_a_loop(site: Site) -> bool:
    """Return whether a sleep only paces a loop that waits for something, or tries again."""
    function = site.function
    return any(
        function.facts.contexts[loop].kind == "while"
        or any(
            leave.kind in ("break", "return") and function.is_within(leave.context, loop)
            for leave in function.facts.exits
        )
        for loop in function.loops(site.context)
    )


def _is_short(site: Site) -> bool:
    """Return whether a sleep is written as a number of almost no seconds."""
    given = argument(site.call, "0|delay|seconds|secs") if site.call is not None else None
    return (
        isinstance(given, t.Const)
        and isinstance(given.value, int | float)
        and given.value < SHORT_SECONDS
    )


def seconds_of(program: "Program", site: Site) -> float | None:
    """Return how long a sleep takes, where that is written, here or as a constant elsewhere."""
    given = argument(site.call, "0|delay|seconds|secs") if site.call is not None else None
    if site.call is None or given is None:
        return None
    at = (site.call.sequence, site.call.context)
    return _number(program, site.function, given, at, MAX_STEPS)


def _number(
    program: "Program", function: "FunctionNode", value: t.Expr, at: tuple[int, int], steps: int
) -> float | None:
    if steps == 0:
        return None
    match value:
        case t.Const(value=bool()):
            return None
        case t.Const(value=int() | float() as number):
            return float(number)
        case t.Binary(operator="Mult" | "Div" as operator, left=left, right=right):
            first = _number(program, function, left, at, steps - 1)
            second = _number(program, function, right, at, steps - 1)
            if first is None or second is None:
                return None
            return first * second if operator == "Mult" else first / second if second else None
        case t.Name() | t.Attr():
            found = {
                _number(program, source.function, source.value, AT_END, steps - 1)
                if isinstance(source.value, t.Const | t.Binary)
                else None
                for source in sources(Origins(program.types), function, value, at)
            }
            return found.pop() if len(found) == 1 else None
    return None
