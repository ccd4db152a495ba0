"""What runs only where a look-up has found nothing, or something: misses, updates or inserts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import absent_subject
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach


FIRST = t.Const(0, "int")


def writes_on_miss(program: "Program", callee: FunctionNode) -> bool:
    """Return whether a function writes only what it has looked for and not found."""
    for step in program.write_reach.chain(callee):
        owner = step.place.function
        looked_up = list(_places(program, owner, program.query_reach, "db.query"))
        if looked_up and _all_on_miss(program, owner, looked_up):
            return True
    return False


def is_upsert(program: "Program", function: FunctionNode, place: Site | Edge) -> bool:
    """Return whether a place writes in one arm of an ``if`` whose other arm writes as well.

    One of the two runs for each item, so neither is a rare way.
    """
    writes = list(_places(program, function, program.write_reach, "db.write"))
    if place not in writes:
        return False
    contexts = function.facts.contexts
    for step in function.context_chain(place.context):
        here = contexts[step]
        if here.kind not in ("if", "else"):
            continue
        arms = {
            number
            for number, other in enumerate(contexts)
            if other.kind in ("if", "else")
            and other.kind != here.kind
            and other.parent == here.parent
            and other.subject == here.subject
        }
        if any(
            not arms.isdisjoint(function.context_chain(other.context))
            for other in writes
            if other is not place
        ):
            return True
    return False


def _places(
    program: "Program", function: FunctionNode, reached: "Reach", effect: str
) -> Iterator[Site | Edge]:
    for site in program.sites_of(function):
        if effect in site.effects:
            yield site
    for edge in program.edges_from(function):
        if edge.callee in reached and edge.how in ("call", "task", "loop", "thread"):
            yield edge


def _all_on_miss(program: "Program", function: FunctionNode, looked_up: list[Site | Edge]) -> bool:
    writes = list(_places(program, function, program.write_reach, "db.write"))
    found = [place for place in looked_up if place not in writes]
    if not any(_gives_found(function, result, found) for result in function.facts.results):
        return False
    return all(_is_on_miss(function, place, found) for place in writes)


def _is_on_miss(function: FunctionNode, place: Site | Edge, looked_up: list[Site | Edge]) -> bool:
    before = [item for item in looked_up if item.sequence < place.sequence]
    contexts = function.facts.contexts
    chain = list(function.context_chain(place.context))
    for step in chain:
        here = contexts[step]
        if here.kind == "except" and any(_is_tried(function, item, here.parent) for item in before):
            return True
        subject = absent_subject(here.subject) if here.kind == "if" and here.subject else None
        if subject is not None and _is_found(function, subject, before):
            return True
        if here.kind in ("else", "or") and _tests_found(function, here.subject, before):
            return True
    return any(
        _tests_found(function, contexts[exit_.context].subject, before)
        for exit_ in function.facts.exits
        if exit_.kind == "return"
        and exit_.sequence < place.sequence
        and exit_.context >= 0
        and contexts[exit_.context].kind == "if"
        and contexts[exit_.context].parent in (-1, *chain)
    )


def _gives_found(function: FunctionNode, result: t.Return, looked_up: list[Site | Edge]) -> bool:
    """Return whether a function returns what a look-up has found."""
    value = result.value
    if value is None or isinstance(value, t.Const):
        return False
    return any(_is_found(function, part, looked_up) for part in expressions.parts(function, value))


def _is_tried(function: FunctionNode, place: Site | Edge, outer: int) -> bool:
    """Return whether a place stands in a ``try`` of a block."""
    contexts = function.facts.contexts
    return any(
        contexts[step].kind == "try" and contexts[step].parent == outer
        for step in function.context_chain(place.context)
    )


def _tests_found(function: FunctionNode, test: t.Expr | None, looked_up: list[Site | Edge]) -> bool:
    """Return whether a test holds where a look-up has found something."""
    if isinstance(test, t.Compare) and test.operator in ("IsNot", "NotEq"):
        is_none = isinstance(test.right, t.Const) and test.right.kind == "NoneType"
        return is_none and _is_found(function, test.left, looked_up)
    return test is not None and _is_found(function, test, looked_up)


def _is_found(function: FunctionNode, subject: t.Expr, looked_up: list[Site | Edge]) -> bool:
    """Return whether an expression is what a look-up has given, or holds it."""
    if isinstance(subject, t.Await):
        return _is_found(function, subject.value, looked_up)
    if isinstance(subject, t.Name):
        return any(
            bind.value is not None and _has(function, bind.value, looked_up)
            for bind in function.binds.get(subject.id, ())
        )
    return any(subject == place.value for place in looked_up)


def _has(function: FunctionNode, value: t.Expr, looked_up: list[Site | Edge]) -> bool:
    if isinstance(value, t.Item) and value.key != FIRST:
        # What comes with a row, such as whether it was made just now, is no row.
        return False
    values = [place.value for place in looked_up]
    return any(part in values for part in expressions.parts(function, value))
