"""Tests of classes that what a call gives surely passes, and ways that are made sure by that."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.conditions import Standing, branches_at, is_often_taken, standing_where
from perfaudit.program.edge_values import passed_as
from perfaudit.program.questions import class_test
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    TupleType,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach


def sureness_of_way(program: "Program", edge: Edge, reached: "Reach") -> Confidence:
    """Return how sure the way from an edge is, where each call is known to pass the next test.

    A test of the class of what is given, which the call before passes with all that it may give,
    leaves nobody off.
    """
    steps = reached.chain(edge.callee)
    if not steps or steps[0].confidence is not Confidence.MEDIUM:
        return steps[0].confidence if steps else Confidence.LOW
    levels, branches = [], 0
    before = edge
    for step in steps:
        place = step.place
        passed = tuple(_passed(program, before, place))
        hangs_on = standing_where(place.function, place.context, place.sequence, passed)
        if hangs_on is Standing.STATE:
            return steps[0].confidence
        branches += branches_at(place.function, hangs_on, place.context)
        levels.append(place.confidence)
        before = step.edge or before
    return weakest(*levels, Confidence.HIGH if is_often_taken(branches) else Confidence.MEDIUM)


def _passed(program: "Program", edge: Edge, place: "Site | Edge") -> Iterator[t.Expr]:
    """Yield the tests of classes around a place of a callee that a call of it surely passes."""
    contexts = edge.callee.facts.contexts
    for step in edge.callee.context_chain(place.context):
        if contexts[step].kind not in ("if", "and"):
            continue
        for part in expressions.conjuncts(contexts[step].subject):
            if isinstance(part, t.CallRef) and _is_passed(program, edge, part):
                yield part


def _is_passed(program: "Program", edge: Edge, test: t.CallRef) -> bool:
    """Return whether all that a call may give is of a class, or one of several, asked for."""
    callee, call = edge.callee, edge.callee.facts.calls[test.index]
    asked = class_test(callee, test)
    given = None if asked is None else passed_as(edge, asked[0])
    if asked is None or given is None:
        return False
    tested = program.types.evaluate(callee, asked[1], (call.sequence, call.context))
    classes = tested.items if isinstance(tested, TupleType) else options_of(tested)
    values = options_of(program.types.evaluate(edge.caller, given, (edge.sequence, edge.context)))
    return all(any(_is_of(program, value, each) for each in classes) for value in values)


def _is_of(program: "Program", value: Type, tested: Type) -> bool:
    match value, tested:
        case Instance(node=node), ClassType(node=wanted):
            return wanted in program.types.classes.project_order(node)
        case LibraryInstance(path=path), LibrarySymbol(path=wanted_path):
            return path == wanted_path
    return False
