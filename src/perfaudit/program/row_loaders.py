"""Calls that load relations of rows that are there already, also through helper functions."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.edge_values import given_for
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_types import is_page
from perfaudit.program.sizes import passes_items

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LOADS_INTO = "loads-into"
Given = list[tuple[int, t.Expr, t.Expr]]
"""What a function has loaded relations into, and when it does: as written, and what holds it."""
MAX_STEPS = 12
At = tuple[int, int]


def has_loaded(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> bool:
    """Return whether a function has relations of some rows loaded before a point."""
    before = [given for given in program.once(_loaded_into).get(function, ()) if given[0] < at[0]]
    if any(value == written for _, written, _ in before):
        return True
    held = _holder(program, function, value, at, MAX_STEPS) if before else value
    return any(held == holder for *_, holder in before)


def _holder(program: "Program", function: FunctionNode, value: t.Expr, at: At, left: int) -> t.Expr:
    """Return what holds the rows of a list: the page that it is the list of, the call that gave it.

    A list of a list has the same objects; so has the list that a page keeps.
    """
    types = program.types
    held: tuple[t.Expr, At] | None = None
    if isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        if len(call.arguments) == 1 and passes_items(types, function, value.index):
            held = call.arguments[0], (call.sequence, call.context)
    elif isinstance(value, t.Attr) and is_page(
        types, types.evaluate(function, value.base, at), types.evaluate(function, value, at)
    ):
        held = value.base, at
    elif isinstance(value, t.Name | t.Attr):
        held = _bound(function, value, at)
    return _holder(program, function, *held, left - 1) if held and left else value


def _bound(function: FunctionNode, value: t.Name | t.Attr, at: At) -> tuple[t.Expr, At] | None:
    """Return what a function has bound a name or an attribute to, if it is bound only once."""
    binds = [bind for bind in function.facts.binds if bind.target == value]
    if isinstance(value, t.Name):
        found = meanings(function, value.id, at)
        binds = [one.definition for one in found if isinstance(one.definition, t.Bind)]
        if len(binds) < len(found) or any(one.scope is not function for one in found):
            return None
    if len(binds) != 1 or binds[0].kind not in ("assign", "annotated"):
        return None
    bind = binds[0]
    if bind.value is None or bind.sequence >= at[0]:
        return None
    return bind.value, (bind.sequence, bind.context)


def _loaded_into(program: "Program") -> dict[FunctionNode, Given]:
    found: dict[FunctionNode, Given] = {}
    waiting: list[tuple[FunctionNode, str]] = []
    seen: set[tuple[FunctionNode, str]] = set()

    def note(function: FunctionNode, at: At, value: t.Expr) -> None:
        holder = _holder(program, function, value, at, MAX_STEPS)
        found.setdefault(function, []).append((at[0], value, holder))
        if isinstance(holder, t.Name) and holder.id in function.params:
            key = (function, holder.id)
            if key not in seen:
                seen.add(key)
                waiting.append(key)

    for function in program.functions:
        for site in program.sites_of(function):
            if LOADS_INTO in site.behaviour.flags and site.call is not None:
                for given in site.call.arguments[:1]:
                    note(function, (site.sequence, site.context), given)
    while waiting:
        function, name = waiting.pop()
        for edge in program.edges_to(function):
            value = given_for(edge, name)
            if value is not None:
                note(edge.caller, (edge.sequence, edge.context), value)
    return found
