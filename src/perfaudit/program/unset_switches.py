"""Ways that no call of a program takes: behind a parameter that none of them sets.

Templates and what shows rows call as well: they set nothing but what they are seen to give.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence, Role
from perfaudit.facts import types as t
from perfaudit.program.expressions import children, last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import leaves_off

if TYPE_CHECKING:
    from perfaudit.program.program import Program

PLAIN = frozenset({"staticmethod", "classmethod"})
"""The last names of decorators that give a function to nobody."""
SURE = Confidence.HIGH
MAX_CALLS = 4
"""How many calls in a row may only pass on what they are given."""


def is_never_run(program: "Program", place: Site | Edge) -> bool:
    """Return whether all calls of a place's function leave the place off, and all are seen.

    A function that nobody calls is there for others, who may set what they like.
    """
    if place.context < 0 or not place.function.params:
        return False
    return _is_left_off(program, place.function, place, [], MAX_CALLS)


def _is_left_off(
    program: "Program", function: FunctionNode, place: Site | Edge, way: list[Edge], steps: int
) -> bool:
    """Return whether no call of a function, which the calls of a way lead on from, runs a place."""
    edges = [edge for edge in program.edges_to(function) if edge.caller.role is not Role.EXAMPLE]
    return (
        steps > 0
        and bool(edges)
        and all(
            edge.via == "call"
            and (
                leaves_off(program, [edge, *way], place.context, place.sequence)
                or _is_left_off(program, edge.caller, place, [edge, *way], steps - 1)
            )
            for edge in edges
        )
        and _are_all(program, function, edges)
    )


def call_with(function: FunctionNode, given: Iterable[str]) -> Edge | None:
    """Return a call that sets some parameters and no other; None where that leaves nothing off."""
    names = frozenset(given)
    if all(param.name in names or param.default is None for param in function.facts.params):
        return None
    keywords = tuple((name, t.Opaque("given")) for name in sorted(names))
    callee = t.Name(function.name)
    line = function.facts.line
    call = t.Call(callee, (), keywords, -1, 0, line, 1, line, 1, False, False)
    body, place = function.file.body, function.location
    return Edge(
        body, function, "call", "call", False, place, -1, 0, call, callee, function.name, SURE
    )


def _are_all(program: "Program", function: FunctionNode, edges: list[Edge]) -> bool:
    """Return whether a function is run by some calls alone, as far as its name tells."""
    if program.is_entry(function) or function.name in function.file.facts.exported:
        return False
    if any(last_name(item) not in PLAIN for item in function.facts.decorators):
        return False
    known = {(edge.caller, edge.value.index) for edge in edges if isinstance(edge.value, t.CallRef)}
    if not program.once(_called).get(function.name, set()) <= known:
        return False
    return function.name not in program.once(_named)


def _called(program: "Program") -> dict[str, set[tuple[FunctionNode, int]]]:
    """Return the calls of the program by the last name of what they call."""
    found: dict[str, set[tuple[FunctionNode, int]]] = {}
    for function in program.functions:
        if function.role is not Role.EXAMPLE:
            for index, call in enumerate(function.facts.calls):
                if isinstance(call.callee, t.Name | t.Attr):
                    found.setdefault(last_name(call.callee), set()).add((function, index))
    return found


def _named(program: "Program") -> frozenset[str]:
    """Return the names of what the program gives on, keeps or asks for by a text."""
    found: set[str] = set()
    for function in program.functions:
        if function.role is not Role.EXAMPLE:
            _note_names(function, _held(function), found)
    return frozenset(found)


def _held(function: FunctionNode) -> list[t.Expr]:
    """Return what a function does not call there: values, and what has the methods it calls."""
    facts = function.facts
    held = [bind.value for bind in facts.binds] + [item.value for item in facts.results]
    held += [block.subject for block in facts.contexts] + [read.value for read in facts.reads]
    held += [param.default for param in facts.params]
    for call in facts.calls:
        held += call.given
        if isinstance(call.callee, t.Attr):
            held.append(call.callee.base)
    return [value for value in held if value is not None]


def _note_names(function: FunctionNode, waiting: list[t.Expr], found: set[str]) -> None:
    """Note the names and texts in values, but for their calls, which come by themselves."""
    while waiting:
        part = waiting.pop()
        if isinstance(part, t.Const):
            found.add(str(part.value))
        elif not isinstance(part, t.CallRef):
            found.add(last_name(part))
            waiting.extend(children(function, part))
