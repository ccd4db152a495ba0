"""Loops in loops: does what is done for each item of a loop happen for each item of another?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.loops import (
    Walk,
    absent_subject,
    name_of_walked,
    runs_each_turn,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

RULE = "nested-io-loops"
MAX_CALLERS = 12


class Nest(Struct, frozen=True):
    """A loop over data around another one: what it walks, and the way from it to the inner one."""

    walked: str
    steps: tuple[TraceStep, ...]
    confidence: Confidence


def loop_around(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int
) -> Nest | None:
    """Return another loop over data that runs the loop of a place again, here or in a caller."""
    for other in function.loops(place.context):
        if other == loop or _is_first_only(function, other, place.context):
            continue
        if _repeats(program, function, other, place.context, place.value):
            return Nest(
                name_of_walked(program, function, other),
                (_begun(program, function, other),),
                Confidence.HIGH,
            )
    return next(_in_callers(program, function), None)


def as_nested(match: Match, nest: Nest) -> Match:
    """Return a match for a loop as one for two loops."""
    return replace(
        match,
        words={**match.words, "outer": nest.walked},
        trace=(*nest.steps, *match.trace),
        confidence=weakest(match.confidence, nest.confidence),
        cost=f"N({nest.walked})*{match.cost.replace('N(', 'M(', 1)}",
        fix="",
        rule=RULE,
    )


def _in_callers(program: "Program", function: FunctionNode) -> Iterator[Nest]:
    """Yield the loops of callers in which a function is called for each item."""
    edges = program.edges_to(function)
    if len(edges) > MAX_CALLERS or function in program.memoised:
        return
    for edge in edges:
        if edge.how != "call" or edge.via != "call":
            continue
        if standing(edge.caller, edge.context, edge.sequence) is Standing.STATE:
            continue
        step = TraceStep(edge.location, f"calls {function.facts.qualname} for each item")
        for loop in edge.caller.loops(edge.context):
            if _repeats(program, edge.caller, loop, edge.context, edge.value):
                yield Nest(
                    name_of_walked(program, edge.caller, loop),
                    (_begun(program, edge.caller, loop), step),
                    Confidence.MEDIUM,
                )


def _begun(program: "Program", function: FunctionNode, loop: int) -> TraceStep:
    walked = name_of_walked(program, function, loop)
    return TraceStep(function.line(function.facts.contexts[loop].line), f"loop over {walked}")


def _is_first_only(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether a place runs in one turn of a loop only: ``if not done: done = True``."""
    for step in function.context_chain(context):
        if step == loop:
            return False
        here = function.facts.contexts[step]
        flag = absent_subject(here.subject) if here.kind == "if" and here.subject else None
        if isinstance(flag, t.Name) and any(
            function.is_within(bind.context, step) for bind in function.binds.get(flag.id, ())
        ):
            return True
    return False


def _repeats(
    program: "Program", function: FunctionNode, loop: int, context: int, value: t.Expr
) -> bool:
    """Return whether a place runs in each turn of a loop over data."""
    return walk_of(program, function, loop) is Walk.DATA and runs_each_turn(
        function, loop, context, value
    )
