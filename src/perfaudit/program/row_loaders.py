"""Calls that load relations of rows that are there already, also through helper functions."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.edge_values import given_for
from perfaudit.program.nodes import FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LOADS_INTO = "loads-into"
Given = list[tuple[int, t.Expr]]
"""What a function has loaded relations into, and when it does."""


def has_loaded(program: "Program", function: FunctionNode, value: t.Expr, before: int) -> bool:
    """Return whether a function has relations of some rows loaded before a point."""
    return any(
        sequence < before and given == value
        for sequence, given in program.once(_loaded_into).get(function, ())
    )


def _loaded_into(program: "Program") -> dict[FunctionNode, Given]:
    found: dict[FunctionNode, Given] = {}
    waiting: list[tuple[FunctionNode, str]] = []
    seen: set[tuple[FunctionNode, str]] = set()

    def note(function: FunctionNode, sequence: int, value: t.Expr) -> None:
        found.setdefault(function, []).append((sequence, value))
        if isinstance(value, t.Name) and value.id in function.params:
            key = (function, value.id)
            if key not in seen:
                seen.add(key)
                waiting.append(key)

    for function in program.functions:
        for site in program.sites_of(function):
            if LOADS_INTO in site.behaviour.flags and site.call is not None:
                for given in site.call.arguments[:1]:
                    note(function, site.sequence, given)
    while waiting:
        function, name = waiting.pop()
        for edge in program.edges_to(function):
            value = given_for(edge, name)
            if value is not None:
                note(edge.caller, edge.sequence, value)
    return found
