"""Groups: whether one call takes a list of a loop's pass at once, here or further down."""

from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import Walk, item_names, unwrapped, walk_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import External, LibraryInstance, Type, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach

COLLECTIONS = ("builtins.list", "builtins.set")
FILLING = frozenset({"add", "append", "extend", "update"})
"""Methods that put something into a list or a set."""
TESTS = "tests-membership"
MAX_STEPS = 6


def takes_group(
    program: "Program",
    function: FunctionNode,
    loop: int,
    place: Site | Edge,
    reached: "Reach",
) -> bool:
    """Return whether a place of a loop takes a list that hangs on the item: a group, not a row.

    Through calls, the list has to arrive at what costs at the end of the chain.
    """
    items = item_names(function, loop)
    if place.call is None:
        return False
    if isinstance(place, Site):
        return _hands_group(program, function, place.call, items, frozenset(), MAX_STEPS)
    return _arrives(program, place, items, reached)


def _arrives(program: "Program", edge: Edge, items: set[str], reached: "Reach") -> bool:
    groups = _handed_groups(program, edge, items, frozenset())
    for step in reached.chain(edge.callee):
        if not groups:
            return False
        if step.edge is not None:
            hanging = made_from(step.edge.caller, groups)
            groups = _handed_groups(program, step.edge, hanging, groups)
        elif step.site is not None and step.site.kind != "call":
            # A list that is there is walked or counted without a query.
            return bool(expressions.names(step.site.function, step.site.value) & groups)
        elif step.site is not None and step.site.call is not None:
            owner = step.site.function
            hanging = made_from(owner, groups)
            return _hands_group(program, owner, step.site.call, hanging, groups, MAX_STEPS)
    return False


def _handed_groups(
    program: "Program", edge: Edge, items: set[str], groups: frozenset[str]
) -> frozenset[str]:
    """Return the parameters of the callee that are given a group."""
    if edge.call is None:
        return frozenset()
    found = set()
    for param in edge.callee.facts.params:
        given = expressions.argument_for(edge.call, edge.callee, param.name)
        if given is not None and _is_group(program, edge.caller, given, edge.call, items, groups):
            found.add(param.name)
    return frozenset(found)


def made_from(function: FunctionNode, names: frozenset[str]) -> set[str]:
    """Return some names of a function, with those that are made from them, or filled with that."""
    found = set(names)
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Name) and bind.value is not None:
            if expressions.names(function, bind.value) & found:
                found.add(bind.target.id)
    for call in function.facts.calls:
        match call.callee:
            case t.Attr(base=t.Name(id=filled), name=method) if method in FILLING:
                if any(expressions.names(function, given) & found for given in call.arguments):
                    found.add(filled)
    return found


def _hands_group(
    program: "Program",
    function: FunctionNode,
    call: t.Call,
    items: set[str],
    groups: frozenset[str],
    steps: int,
) -> bool:
    """Return whether a call, or one that it is chained to, or its statement, takes a group."""
    if steps == 0:
        return False
    given = call.given
    for value in given:
        parts = value.values if isinstance(value, t.Mapping) else (value,)
        if any(_is_group(program, function, part, call, items, groups) for part in parts):
            return True
    if any(_asks_for_any_of(program, function, value, items) for value in given):
        return True
    told = [_told(program, function, value) for value in given]
    chained = [value for value in told if _is_statement(program, function, value)]
    if isinstance(call.callee, t.Attr):
        chained.append(_told(program, function, call.callee.base))
    return any(
        _hands_group(program, function, inner, items, groups, steps - 1)
        for value in chained
        for inner in _calls_along(function, value)
    )


def _told(program: "Program", function: FunctionNode, value: t.Expr) -> t.Expr:
    """Return the statement that a name was put under once, and anything else as it is."""
    found = function.binds.get(value.id, ()) if isinstance(value, t.Name) else ()
    if len(found) != 1 or found[0].kind not in ("assign", "annotated"):
        return value
    held = found[0].value
    if held is None or held in _queried(program, function):
        return value
    return held if _is_statement(program, function, held) else value


def _asks_for_any_of(
    program: "Program", function: FunctionNode, condition: t.Expr, items: set[str]
) -> bool:
    """Return whether a condition asks for any of an item's values: the item is a list then."""
    if not isinstance(condition, t.CallRef):
        return False
    call = function.facts.calls[condition.index]
    given = call.arguments[0] if call.arguments else None
    if not isinstance(given, t.Name) or given.id not in items:
        return False
    if _is_queried(program, function, given.id):
        return False
    return program.types.call(function, condition.index).has_flag(TESTS)


def _calls_along(function: FunctionNode, value: t.Expr) -> list[t.Call]:
    while isinstance(value, t.Attr):
        value = value.base
    return [function.facts.calls[value.index]] if isinstance(value, t.CallRef) else []


def _is_statement(program: "Program", function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a call makes something of a library that is handed over: a query, a filter."""
    if not isinstance(value, t.CallRef):
        return False
    called = program.types.call(function, value.index)
    if isinstance(called.result, LibraryInstance):
        return not called.result.path.startswith("builtins.")
    return isinstance(called.result, Unknown | External) and any(
        target.kind in ("library", "external") and not target.name.startswith("builtins.")
        for target in called.targets
    )


def _is_group(
    program: "Program",
    function: FunctionNode,
    value: t.Expr,
    call: t.Call,
    items: set[str],
    groups: frozenset[str],
) -> bool:
    at = (call.sequence, call.context)
    match value:
        case t.Name(id=name) if name in groups:
            return True
        case t.Name() | t.Attr():
            if not expressions.names(function, value) & items:
                return False
            if isinstance(value, t.Name) and _is_queried(program, function, value.id):
                return False
            if isinstance(value, t.Name) and _is_filled_group(function, value.id):
                return True
            if isinstance(value, t.Name) and _is_chunk(program, function, value.id, items):
                return True
            return is_collection(program.types.evaluate(function, value, at))
        case t.Comp(kind="list" | "set", context=context):
            walked = function.facts.contexts[context].subject
            if walked is None:
                return False
            walked = unwrapped(program, function, walked)
            return isinstance(walked, t.Name) and walked.id in items
    return False


def _is_chunk(program: "Program", function: FunctionNode, name: str, items: set[str]) -> bool:
    """Return whether a loop binds a name to one part after the other of what hangs on the item."""
    return any(
        bind.kind == "for"
        and (subject := function.facts.contexts[bind.context].subject) is not None
        and bool(expressions.names(function, subject) & items)
        and walk_of(program, function, bind.context) is Walk.CHUNKS
        for bind in function.binds.get(name, ())
    )


def _is_filled_group(function: FunctionNode, name: str) -> bool:
    """Return whether a loop walks the lists of a mapping, which the function fills by key.

    ``groups[key].append(row)``, ``groups.setdefault(key, []).append(row)``.
    """
    return any(
        bind.kind == "for" and _fills_lists_of(function, _mapping_of(function, bind, name))
        for bind in function.binds.get(name, ())
    )


def _mapping_of(function: FunctionNode, bind: t.Bind, name: str) -> t.Expr | None:
    """Return the mapping of whose values a loop binds one to a name."""
    context = function.facts.contexts[bind.context]
    subject, target = context.subject, context.target
    if not isinstance(subject, t.CallRef):
        return None
    callee = function.facts.calls[subject.index].callee
    if not isinstance(callee, t.Attr) or callee.name not in ("values", "items"):
        return None
    is_value = callee.name == "values" or (
        isinstance(target, t.Seq) and target.items[-1:] == (t.Name(name),)
    )
    return callee.base if is_value else None


def _fills_lists_of(function: FunctionNode, mapping: t.Expr | None) -> bool:
    if mapping is None:
        return False
    for call in function.facts.calls:
        if not isinstance(call.callee, t.Attr) or call.callee.name not in FILLING:
            continue
        filled = call.callee.base
        if isinstance(filled, t.CallRef):
            inner = function.facts.calls[filled.index].callee
            if isinstance(inner, t.Attr) and inner.name == "setdefault" and inner.base == mapping:
                return True
        if isinstance(filled, t.Item) and filled.base == mapping:
            return True
    return False


def _is_queried(program: "Program", function: FunctionNode, name: str) -> bool:
    """Return whether a list was just asked for: then it costs a query per item all the same."""
    queried = _queried(program, function)
    return any(
        part in queried
        for bind in function.binds.get(name, ())
        if bind.value is not None and bind.kind != "for"
        for part in expressions.parts(function, bind.value)
    )


def _queried(program: "Program", function: FunctionNode) -> list[t.Expr]:
    """Return what asks the database in a function."""
    return [
        site.value
        for site in program.sites_of(function)
        if not DATABASE_ROUND_TRIPS.isdisjoint(site.effects)
    ]


def is_collection(value: Type) -> bool:
    """Return whether a value is a list or a set."""
    return isinstance(value, LibraryInstance) and value.path in COLLECTIONS
