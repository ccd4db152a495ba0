"""Does a place in a loop ask or change the database once for each item of it?"""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.detours import is_paced
from perfaudit.program.groups import takes_group
from perfaudit.program.invariants import asks_nothing_of_item, is_invariant
from perfaudit.program.loops import (
    Walk,
    decides_exit,
    fills_mapping,
    is_fallback,
    is_periodic,
    is_search,
    item_names,
    leaves_after,
    target_names,
    walk_of,
)
from perfaudit.program.misses import is_upsert
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.one_path import disturbs_within
from perfaudit.program.other_databases import is_of_another_database
from perfaudit.program.other_tables import is_of_another_table
from perfaudit.program.program import is_usual
from perfaudit.program.sites import Edge, Site
from perfaudit.program.unset_switches import is_never_run

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach


def is_per_item(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    """Return whether a place runs once for each item of a loop, and has to do with it."""
    if walk_of(program, function, loop) is not Walk.DATA or _is_exempt(
        program, function, place, loop, reached
    ):
        return False
    if is_handler(function, place.context):
        return False
    if is_fallback(function, loop, place.context) and not (
        is_upsert(program, function, place) or _adds_what_is_missing(program, place, loop, reached)
    ):
        return False
    return _uses(program, function, place, loop, reached) and not is_paced(
        program, place, loop, reached
    )


def _adds_what_is_missing(
    program: "Program", place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    """Return whether a loop writes what is not there yet, and keeps nothing of what that gives."""
    function = place.function
    return (
        reached is program.write_reach
        and place.call is not None
        and place.call.discarded
        and not fills_mapping(function, loop)
    )


def is_same_in_each(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    """Return whether a query in a loop over data asks the same for each item."""
    items = item_names(function, loop)
    if isinstance(place, Site) and expressions.names(function, place.value) & items:
        return False
    if walk_of(program, function, loop) is not Walk.DATA or _is_exempt(
        program, function, place, loop, reached
    ):
        return False
    if is_fallback(function, loop, place.context) or not is_usual(function, place.context):
        return False
    if is_paced(program, place, loop, reached):
        return False
    if is_invariant(program, function, place, loop):
        return True
    if isinstance(place, Site) or place.callee in program.write_reach:
        return False
    sink = reached.site(place.callee)
    return (
        sink is not None
        and sink.function is place.callee
        and asks_nothing_of_item(program, place, loop, sink)
        and _uses(program, function, place, loop, reached)
        and not disturbs_within(program, function, loop)
    )


def _is_exempt(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    """Return whether a place runs never or after an error, ends the loop, or is meant so."""
    return (
        is_handler(function, loop)
        or is_search(function, loop)
        or decides_exit(function, loop, place.value, but_for_guards=True)
        or is_periodic(function, loop, place.context)
        or leaves_after(function, loop, place.context)
        or _claims_row(function, place)
        or _runs_item(function, place, loop)
        or _is_for_one_key(function, loop, place.context)
        or is_never_run(program, place)
        or is_of_another_table(program, function, place, loop)
        or is_of_another_database(program, function, place, loop, reached)
    )


def _is_for_one_key(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether a place is for one entry of a mapping: ``for key, value in given.items()``."""
    walked, target = function.facts.contexts[loop].subject, function.facts.contexts[loop].target
    callee = function.facts.calls[walked.index].callee if isinstance(walked, t.CallRef) else None
    if not isinstance(callee, t.Attr) or callee.name not in ("items", "iteritems", "keys"):
        return False
    key = target.items[0] if isinstance(target, t.Seq) and target.items else target
    for step in function.context_chain(context):
        if step == loop:
            return False
        here = function.facts.contexts[step]
        match here.subject:
            case t.Compare(operator="Eq", left=asked, right=t.Const()) if here.kind == "if":
                if asked == key:
                    return True
    return False


def _runs_item(function: FunctionNode, place: Site | Edge, loop: int) -> bool:
    """Return whether the items are statements themselves, of which each is run."""
    if isinstance(place, Edge) or place.behaviour.sql is None or place.call is None:
        return False
    items = {t.Name(name) for name in target_names(function.facts.contexts[loop].target)}
    return bool(place.call.arguments) and place.call.arguments[0] in items


def _claims_row(function: FunctionNode, place: Site | Edge) -> bool:
    """Return whether a query locks one row that others skip: a job queue goes one by one."""
    return any(
        isinstance(part, t.CallRef)
        and any(name == "skip_locked" for name, _ in function.facts.calls[part.index].keywords)
        for part in expressions.parts(function, place.value)
    )


def _uses(
    program: "Program", function: FunctionNode, place: Site | Edge, loop: int, reached: "Reach"
) -> bool:
    items = item_names(function, loop)
    if (
        isinstance(place, Site)
        and "flushes" in place.behaviour.flags
        and place.receiver is not None
    ):
        return _adds_item(function, place, items)
    if not expressions.names(function, place.value) & items:
        return False
    return not takes_group(program, function, loop, place, reached)


def _adds_item(function: FunctionNode, place: Site, items: set[str]) -> bool:
    """Return whether the same block adds something of the item before it is flushed."""
    for call in function.facts.calls:
        callee = call.callee
        if not isinstance(callee, t.Attr) or callee.name not in ("add", "add_all", "delete"):
            continue
        if call.sequence < place.sequence and function.is_within(place.context, call.context):
            if any(expressions.names(function, value) & items for value in call.arguments):
                return True
    return False
