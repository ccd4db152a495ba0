"""Queries that ask the same for each item of a loop."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.edge_values import passed_as
from perfaudit.program.loops import item_names
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import disturbs_within
from perfaudit.program.plain_reads import is_plain_read, only_reads
from perfaudit.program.sameness import is_query, is_steady, may_change
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import LibraryInstance

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 8


def is_invariant(program: "Program", function: FunctionNode, place: Site | Edge, loop: int) -> bool:
    """Return whether a place in a loop asks the database the same in each turn of it.

    Nothing that it is made of is bound or changed in the loop, and the loop neither writes nor
    waits for others.
    """
    if not _reads(program, place) or not isinstance(place.value, t.CallRef):
        return False
    top = function.facts.calls[place.value.index]
    if not function.is_within(top.context, loop):
        return False
    used = [top.callee, *top.given]
    return all(
        _is_settled(program, function, value, loop, MAX_STEPS) for value in used
    ) and not disturbs_within(program, function, loop)


def asks_nothing_of_item(program: "Program", edge: Edge, loop: int, sink: Site) -> bool:
    """Return whether a query of a function asks the same in each turn of a loop that calls it.

    It hangs on nothing that its function makes, or that the call gives it anew.
    """
    function = sink.function
    if not isinstance(sink.value, t.CallRef) or not is_plain_read(program, sink):
        return False
    if function.loops(sink.context):
        return False
    at = (sink.sequence, sink.context)
    return all(
        _is_of_module(program, function, part, at) or _is_given_same(program, edge, loop, part)
        for part in expressions.parts(function, sink.value)
        if part != sink.value
    )


def _is_given_same(program: "Program", edge: Edge, loop: int, part: t.Expr) -> bool:
    """Return whether a part of a query is a parameter that each call in a loop gives the same."""
    given = passed_as(edge, part)
    return given is not None and _is_settled(program, edge.caller, given, loop, MAX_STEPS)


def _reads(program: "Program", place: Site | Edge) -> bool:
    if isinstance(place, Site):
        return is_plain_read(program, place)
    return place.how == "call" and place.via == "call" and only_reads(program, place)


def _is_settled(
    program: "Program", function: FunctionNode, value: t.Expr, loop: int, steps: int
) -> bool:
    """Return whether an expression in a loop has the same value in each turn."""
    if steps == 0:
        return False
    for part in expressions.parts(function, value):
        match part:
            case t.Name(id=name):
                if not _is_settled_name(program, function, name, loop, steps):
                    return False
            case t.CallRef(index=index):
                call = function.facts.calls[index]
                if function.is_within(call.context, loop):
                    if not is_steady(program, function, index):
                        return False
            case t.Lambda() | t.Comp() | t.Opaque() | t.Element() | t.Entered():
                return False
    return True


def _is_settled_name(
    program: "Program", function: FunctionNode, name: str, loop: int, steps: int
) -> bool:
    if name in item_names(function, loop) or name in function.facts.outer_names:
        return False
    facts = function.facts
    for bind in facts.binds:
        if not function.is_within(bind.context, loop):
            continue
        target: t.Expr = bind.target
        if target == t.Name(name):
            if bind.kind not in ("assign", "annotated") or bind.value is None:
                return False
            if not _is_settled(program, function, bind.value, loop, steps - 1):
                return False
        while isinstance(target, t.Attr | t.Item):
            target = target.base
            if target == t.Name(name):
                return False
    return not any(
        call.discarded
        and function.is_within(call.context, loop)
        and may_change(program, function, index, call, name)
        for index, call in enumerate(facts.calls)
    )


def _is_of_module(
    program: "Program", function: FunctionNode, part: t.Expr, at: tuple[int, int]
) -> bool:
    match part:
        case t.Name(id=name):
            found = meanings(function, name, at)
            if found and all(meaning.scope.kind == "module" for meaning in found):
                return not any(
                    isinstance(meaning.definition, t.Bind)
                    and len(meaning.scope.binds.get(name, ())) > 1
                    for meaning in found
                )
            if not found or any(not isinstance(each.definition, t.Param) for each in found):
                return False
            # A session or connection that is handed on is the same for all.
            known = program.types.evaluate(function, part, at)
            if is_query(program, known) or not isinstance(known, LibraryInstance):
                return False
            return program.libraries.has_queries(known.path)
        case t.CallRef(index=index):
            return is_steady(program, function, index)
        case t.Lambda() | t.Comp() | t.Opaque() | t.Element() | t.Entered():
            return False
    return True
