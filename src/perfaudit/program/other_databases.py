"""Does each turn of a loop ask over another connection, so that no statement can ask for all?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import target_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.shared_connections import is_connection
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import LibraryInstance

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach

MAX_STEPS = 8
"""How many names, calls and attributes are followed to where a connection comes from."""


def is_of_another_database(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    """Return whether a place asks over a connection that a loop walks, or makes for its item."""
    way = reached.way(place)
    sink = way[-1]
    if not isinstance(sink, Site) or not isinstance(sink.receiver, LibraryInstance):
        return False
    # What runs without being given a statement is one itself, and no connection.
    if sink.call is None or not sink.call.arguments:
        return False
    if not is_connection(program, sink.receiver.path):
        return False
    items = target_names(function.facts.contexts[loop].target)
    calls = [step for step in way if isinstance(step, Edge)]
    return any(
        scope is function and not expressions.names(scope, value).isdisjoint(items)
        for scope, value in _origins(program, sink, calls)
    )


def _origins(
    program: "Program", sink: Site, calls: list[Edge]
) -> Iterator[tuple[FunctionNode, t.Expr]]:
    """Yield the expressions that a connection comes from, back through the calls that hand it on.

    Of what a statement gives only its connection: the statement may well name the item.
    """
    scope = sink.function
    value: t.Expr | None = sink.call.callee if sink.call is not None else None
    for _ in range(MAX_STEPS):
        match value:
            case t.Name(id=name) if name in scope.params and name not in scope.binds:
                edge = calls.pop() if calls else None
                if edge is None or edge.callee is not scope or edge.call is None:
                    return
                value = expressions.argument_for(edge.call, scope, name)
                scope = edge.caller
            case t.Name(id=name):
                binds = scope.binds.get(name, ())
                value = binds[0].value if len(binds) == 1 else None
            case t.Attr(base=base):
                value = base
            case t.Item(base=base):
                yield scope, value
                value = base
            case t.Entered(value=inner) | t.Await(value=inner):
                value = inner
            case t.CallRef(index=index):
                if not _is_statement(program, scope, index):
                    yield scope, value
                value = scope.facts.calls[index].callee
            case t.Element():
                yield scope, value
                return
            case _:
                return
        if isinstance(value, t.Name):
            yield scope, value


def _is_statement(program: "Program", function: FunctionNode, index: int) -> bool:
    return any(
        target.behaviour is not None
        and not DATABASE_ROUND_TRIPS.isdisjoint(target.behaviour.effects)
        for target in program.types.call(function, index).targets
    )
