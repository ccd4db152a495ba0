"""Functions that many coroutines call, and that only some cases lead to what they cost."""

from typing import TYPE_CHECKING

from perfaudit.program.conditions import Standing, standing
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach

MANY = 4


def is_shared_hook(program: "Program", place: Site | Edge, reached: "Reach") -> bool:
    """Return whether a place is one of many that run a function, all of them in some cases only.

    Either each call stands in a branch, or the function has one itself. Then it is an option of
    the program, which is told of best once, and not surely on.
    """
    if isinstance(place, Site):
        return False
    callers = [
        edge
        for edge in program.edges_to(place.callee)
        if edge.how == "call" and edge.caller.is_async
    ]
    if len({edge.caller for edge in callers}) < MANY:
        return False
    step = reached.step(place.callee)
    if step is not None and _hangs_on_data(step.place):
        return True
    return len({edge.caller for edge in callers if _hangs_on_data(edge)}) >= MANY


def _hangs_on_data(place: Site | Edge) -> bool:
    function = place.function
    return standing(function, place.context, place.sequence) is Standing.DATA
