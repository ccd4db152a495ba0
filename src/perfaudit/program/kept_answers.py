"""Answers that a cache keeps: what they cost is paid where it does not have them, not each time."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.kept_results import is_class_kept
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge

if TYPE_CHECKING:
    from perfaudit.program.program import Program

CACHE = "cache."
"""How the effects begin of what asks a cache."""
MAX_CALLS = 3
"""How many calls may lie between what a cache keeps and who is asked for a part of it."""


def is_kept_answer(program: "Program", function: FunctionNode, steps: int = MAX_CALLS) -> bool:
    """Return whether what a function is for is kept for those who ask again.

    A decorator keeps what it, the entry point or the way to it gives; or all who run it have it run
    by a cache that has no answer.
    """
    if function in program.memoised or program.exposure_of(function).entry in program.memoised:
        return True
    if any(edge.callee in program.memoised for edge in program.way_to(function) or ()):
        return True
    if function.owner is not None and is_class_kept(program.types, function.owner):
        return True
    edges = program.edges_to(function)
    return (
        bool(edges)
        and not program.is_entry(function)
        and all(
            _is_run_by_cache(program, edge)
            or (steps > 0 and is_kept_answer(program, edge.caller, steps - 1))
            for edge in edges
        )
    )


def _is_run_by_cache(program: "Program", edge: Edge) -> bool:
    """Return whether a call runs what it is given where a cache does not have the answer."""
    if edge.via != "callback" or not isinstance(edge.value, t.CallRef):
        return False
    targets = program.types.call(edge.caller, edge.value.index).targets
    return any(
        target.behaviour is not None
        and any(effect.startswith(CACHE) for effect in target.behaviour.effects)
        for target in targets
    )
