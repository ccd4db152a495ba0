"""Whether what runs at the same time would use one connection of a database."""

from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.awaits import chain_of, root_of, sink_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import ClassType, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

STATEMENTS = ("execute", "fetch", "query", "scalars")
"""Methods of which each session or connection has one at least."""
MAX_STEPS = 6


def shares_connection(program: "Program", place: Site | Edge) -> bool:
    """Return whether a place uses a database over what it does not surely take for itself.

    Such a session, connection or transaction carries one statement at a time.
    """
    if isinstance(place, Site):
        uses = not DATABASE_ROUND_TRIPS.isdisjoint(place.effects)
        return uses and not _takes_own(program, place, [])
    if place.callee not in program.database_reach:
        return False
    if _is_given_connection(program, place):
        return True
    sink = sink_of(program, place, DATABASE_ROUND_TRIPS)
    return not _takes_own(program, sink, chain_of(program, place, DATABASE_ROUND_TRIPS))


def _is_given_connection(program: "Program", edge: Edge) -> bool:
    """Return whether a call passes on a session or connection of its caller."""
    if edge.call is None:
        return False
    at = (edge.sequence, edge.context)
    given = edge.call.given
    return any(
        isinstance(option, LibraryInstance) and is_connection(program, option.path)
        for value in given
        if isinstance(value, t.Name | t.Attr)
        for option in options_of(program.types.evaluate(edge.caller, value, at))
    )


def is_connection(program: "Program", path: str) -> bool:
    """Return whether a library type runs statements, and does not take a connection for each."""
    behaviours = [program.libraries.method(path, name) for name in STATEMENTS]
    return any(
        behaviour is not None
        and not DATABASE_ROUND_TRIPS.isdisjoint(behaviour.effects)
        and "pool.acquire" not in behaviour.effects
        for behaviour in behaviours
    )


def _takes_own(program: "Program", sink: Site, way: list[Edge]) -> bool:
    if "pool.acquire" in sink.effects:
        return True
    if sink.call is None or not isinstance(sink.call.callee, t.Attr):
        return False
    return _is_own(program, sink.function, sink.call.callee.base, way, MAX_STEPS)


def _is_own(
    program: "Program", function: FunctionNode, value: t.Expr, way: list[Edge], steps: int
) -> bool:
    """Return whether the object of a query is new on each way to it.

    That is: entered by a ``with`` on the way, or a class, whose manager finds a connection itself.
    """
    root = root_of(function, value)
    if root is None or steps == 0:
        return False
    if root in function.params and root not in function.binds:
        edge = way[-1] if way else None
        if edge is not None and edge.callee is function and edge.call is not None and way[1:]:
            given = expressions.argument_for(edge.call, function, root)
            if given is not None:
                return _is_own(program, edge.caller, given, way[:-1], steps - 1)
        return _is_class(program, function, root)
    binds = function.binds.get(root, [])
    if not binds:
        return _is_class(program, function, root)
    return all(
        bool(way)
        if isinstance(bind.value, t.Entered)
        else bind.value is not None and _is_own(program, function, bind.value, way, steps - 1)
        for bind in binds
    )


def _is_class(program: "Program", function: FunctionNode, name: str) -> bool:
    found = program.types.evaluate(function, t.Name(name), AT_END)
    return isinstance(found, ClassType)
