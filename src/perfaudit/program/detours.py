"""Ways from a loop to what it costs that most items, or most passes, do not take."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.groups import made_from
from perfaudit.program.loops import is_kept, item_names
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach

CONDITIONS = frozenset({"if", "else", "and", "or", "match", "except"})
EXCEPTIONAL = 2
"""So many conditions that have nothing to do with the item are an exception, not the rule."""
MANY = 4
"""So many conditions, whatever they ask for, are met by few items."""
WAITS = frozenset({"thread.wait"})


def is_detour(program: "Program", place: Site | Edge, loop: int, reached: "Reach") -> bool:
    """Return whether conditions lead from a loop to what costs that few of the items meet.

    Some that the items do not decide, or many of whatever kind.
    """
    conditions = every = 0
    for function, here, items in _way(place, loop, reached):
        inside = loop if here is place else -1
        for step in function.context_chain(here.context):
            if step == inside:
                break
            context = function.facts.contexts[step]
            if context.kind not in CONDITIONS:
                continue
            every += 1
            conditions += not _is_of(function, context.subject, items)
        if here is not place and _is_after_kept(function, here):
            return True
    return conditions >= EXCEPTIONAL or every >= MANY


def _way(
    place: Site | Edge, loop: int, reached: "Reach"
) -> Iterator[tuple[FunctionNode, Site | Edge, set[str]]]:
    """Yield the places of a way, each with its function and the names there that hold the item."""
    here: Site | Edge | None = place
    items: set[str] = set()
    while here is not None:
        function = here.function
        if here is place:
            items = item_names(function, loop)
        else:
            items = made_from(function, frozenset(items))
        yield function, here, items
        if isinstance(here, Site):
            return
        items = _handed(here, items)
        step = reached.step(here.callee)
        here = None if step is None else step.place


def _handed(edge: Edge, items: set[str]) -> set[str]:
    """Return the parameters of a callee that are given an item, or what is made from it."""
    caller, callee = edge.caller, edge.callee
    params = callee.facts.params
    if edge.call is None or edge.via != "call":
        held = expressions.names(caller, edge.value) & items
        return {params[0].name} if held and params else set()
    found = set()
    for param in params:
        given = expressions.argument_for(edge.call, callee, param.name)
        if given is not None and expressions.names(caller, given) & items:
            found.add(param.name)
    return found


def _is_of(function: FunctionNode, test: t.Expr | None, items: set[str]) -> bool:
    return test is not None and bool(expressions.names(function, test) & items)


def _is_after_kept(function: FunctionNode, place: Site | Edge) -> bool:
    """Return whether a place runs only where no answer has been kept: ``if kept: return kept``."""
    contexts = function.facts.contexts
    for exit_ in function.facts.exits:
        if exit_.kind != "return" or exit_.context < 0 or exit_.sequence > place.sequence:
            continue
        guard = contexts[exit_.context]
        if guard.kind != "if" or guard.parent not in (-1, *function.context_chain(place.context)):
            continue
        for result in function.facts.results:
            if result.context == exit_.context and isinstance(result.value, t.Name):
                if is_kept(function, result.value.id) and _tests(function, guard, result.value):
                    return True
    return False


def _tests(function: FunctionNode, guard: t.Context, name: t.Name) -> bool:
    """Return whether a guard asks for a name, or for what was just put under it."""
    test = guard.subject
    if test is None:
        return False
    if name in expressions.parts(function, test):
        return not isinstance(test, t.Not)
    return any(bind.value == test for bind in function.binds.get(name.id, ()))


def is_paced(program: "Program", place: Site | Edge, loop: int, reached: "Reach") -> bool:
    """Return whether a clock says how often a place runs: in a ``while`` that waits, and can end.

    A sign of life is sent as long as the work of an item takes, not once per item.
    """
    for function, here, _ in _way(place, loop, reached):
        inside = loop if here is place else -1
        for step in function.context_chain(here.context):
            if step == inside:
                break
            if function.facts.contexts[step].kind == "while" and _is_beat(
                program, function, step, here
            ):
                return True
    return False


def _is_beat(program: "Program", function: FunctionNode, loop: int, place: Site | Edge) -> bool:
    """Return whether a loop asks whether to end before a place, and waits in each pass."""
    ends = any(
        exit_.kind in ("return", "break")
        and exit_.sequence < place.sequence
        and function.is_within(exit_.context, loop)
        and exit_.context != loop
        and not is_handler(function, exit_.context)
        for exit_ in function.facts.exits
    )
    if not ends or is_handler(function, place.context):
        return False
    return any(
        function.is_within(site.context, loop)
        and not is_handler(function, site.context)
        and ("sleep" in site.effects or _is_timed_wait(site))
        for site in program.sites_of(function)
    )


def _is_timed_wait(site: Site) -> bool:
    if WAITS.isdisjoint(site.effects) or site.call is None:
        return False
    return bool(site.call.arguments) or any(name == "timeout" for name, _ in site.call.keywords)
