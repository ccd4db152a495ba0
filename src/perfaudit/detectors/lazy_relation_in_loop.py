"""Find relations of a loop's items loaded one by one because the query did not load them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.applied import Applied, applied_by, is_of_helper
from perfaudit.program.commits import COMMITS
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.eager_options import flags_of
from perfaudit.program.eager_words import (
    eager_words_of_all,
    joined_words,
    only_numbers,
    whole,
    words_for,
    words_on_columns,
    words_on_expiry,
    words_on_new_rows,
)
from perfaudit.program.edge_values import item_param, walked_by
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.kept_objects import times_asked
from perfaudit.program.load_sureness import DYNAMIC, is_for_some, load_sureness
from perfaudit.program.loads import Load, root_of
from perfaudit.program.loops import (
    Walk,
    gives_rows,
    is_fallback,
    leaves_after,
    leaves_at_once,
    name_of_walked,
    target_names,
    walk_of,
)
from perfaudit.program.nodes import ClassNode, FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.row_costs import row_class
from perfaudit.program.row_queries import KEEPS_PREFETCH, rows_at, rows_of
from perfaudit.program.row_types import can_be, relation_at, relations_along
from perfaudit.program.rows import Rows
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sizes import iterable_size
from perfaudit.program.switches import is_left_off
from perfaudit.program.unset_switches import is_never_run

RULES = {False: "lazy-relation-in-loop", True: "incomplete-prefetch"}
"""Whether the query of the rows loads some relations already, and the rule for it."""
JOINS = frozenset({"join", "outerjoin"})
CALMER = dict.fromkeys(BY_HAND, Severity.MEDIUM)


@dataclass(frozen=True, slots=True)
class _Walk:
    """What is walked: by a loop, or by a call that runs a function for each item.

    ``place``: what loads the relation of an item. ``items``: the items, or the one that a loop is
    at. ``subject``: what is walked, as it is written. ``loop``: the loop, -1 where a call walks.
    """

    function: FunctionNode
    load: Load
    place: Site | Edge
    items: t.Expr
    at: tuple[int, int]
    subject: t.Expr | None
    loop: int
    location: Location
    name: str
    applied: Applied | None = None
    """The loop of the helper that is called to walk, which is in another function."""


@dataclass(frozen=True, slots=True)
class _Outer:
    """The rows of a loop around a walk, and by which relations of each the walk gets its rows.

    ``path`` is empty where a query of its own gives them, which no cure of the outer rows spares.
    """

    rows: Rows
    row: ClassNode | None
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A relation that a walk loads for each row: of which rows, of which class, and how surely."""

    walk: _Walk
    rows: Rows
    row: ClassNode | None
    confidence: Confidence
    outer: _Outer | None


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each loop over rows of a known query, and a match per relation loaded per item."""
    if not program.schema.relation_names:
        return
    for function in program.costly_or_calling(program.loads):
        told: dict[tuple[object, ...], list[_Lazy]] = {}
        loaded: set[tuple[object, ...]] = set()
        walks = [
            *_loops(program, function),
            *_calls(program, function),
            *_helped(program, function),
        ]
        for walk in sorted(walks, key=lambda walk: walk.place.sequence):
            for found in _judge(program, walk, loaded):
                if isinstance(found, _Lazy):
                    told.setdefault(_query_of(found), []).append(found)
                else:
                    yield found
        yield from _told_once(_match(program, found) for found in told.values())


def _query_of(found: _Lazy) -> tuple[object, ...]:
    """Return what relations share that one change of one query loads, in one loop."""
    own = () if found.rows.places else (found.walk.place.location,)
    return (found.walk.location, found.walk.name, found.rows.places, found.row, own)


def _told_once(matches: Iterable[Match]) -> Iterable[Match]:
    """Return one match for each place, also where it loads relations of several rows."""
    told: dict[tuple[Location, str], Match] = {}
    for found in matches:
        place = (found.location, found.rule)
        told[place] = _together(told[place], found) if place in told else found
    return told.values()


def _loops(program: Program, function: FunctionNode) -> Iterator[_Walk]:
    """Yield the loops in which a relation of the item is loaded, each relation once."""
    seen: set[tuple[int, str, tuple[str, ...], Location]] = set()
    loads = program.loads.of(function) if function.facts.contexts else ()
    for load in sorted(loads, key=_when_read):
        place = load.place
        for loop in function.loops(place.context):
            context = function.facts.contexts[loop]
            if load.root not in target_names(context.target):
                continue
            key = (loop, load.root, load.path, load.relation.location)
            item = _item_of(function, load.root, loop)
            if key not in seen and item is not None:
                seen.add(key)
                yield _Walk(
                    function,
                    load,
                    place,
                    item[0],
                    (item[1], context.parent),
                    context.subject,
                    loop,
                    function.line(context.line),
                    name_of_walked(program, function, loop),
                )
            break


def _when_read(load: Load) -> tuple[bool, Standing, int]:
    """Return what comes first of the reads of a relation that surely happen: it loads it."""
    place = load.place
    hangs_on = standing(place.function, place.context, place.sequence)
    return (is_for_some(load), hangs_on, place.sequence)


def _item_of(function: FunctionNode, name: str, loop: int) -> tuple[t.Expr, int] | None:
    """Return what a loop binds a name to, and when."""
    for bind in function.binds.get(name, ()):
        if bind.context == loop and bind.kind == "for" and bind.value is not None:
            return bind.value, bind.sequence
    return None


def _calls(program: Program, function: FunctionNode) -> Iterator[_Walk]:
    """Yield the calls that run a function for each item, which loads relations of it."""
    for edge in program.edges_from(function):
        items = walked_by(edge) if edge.each and edge.how == "call" else None
        if items is None or edge.call is None or is_of_helper(program, edge):
            continue
        item = item_param(edge)
        seen: set[tuple[tuple[str, ...], str]] = set()
        for load in program.loads.of(edge.callee):
            key = (load.path, load.relation.name)
            if load.root == item and key not in seen:
                seen.add(key)
                at = (edge.call.sequence, edge.call.context)
                name = str(iterable_size(program.types, function, items, None))
                yield _Walk(function, load, edge, items, at, items, -1, edge.location, name)


def _helped(program: Program, function: FunctionNode) -> Iterator[_Walk]:
    """Yield the calls of a helper that runs what it is given for each row of what it walks."""
    seen: set[tuple[Location, Location, tuple[str, ...], str]] = set()
    for edge in program.edges_from(function):
        loads = program.loads.of(edge.callee) if edge.via == "callback" else ()
        for applied in applied_by(program, edge) if loads else ():
            helper, loop = applied.spot.function, applied.loop
            for load in loads:
                key = (edge.location, applied.inner.location, load.path, load.relation.name)
                way = [applied.inner, *load.through]
                if load.root != applied.item or key in seen:
                    continue
                if is_left_off(program, way, load.site.context, load.site.sequence):
                    continue
                seen.add(key)
                yield _Walk(
                    function,
                    load,
                    edge,
                    applied.items,
                    applied.spot.at,
                    None,
                    -1,
                    helper.line(helper.facts.contexts[loop].line),
                    name_of_walked(program, helper, loop),
                    applied,
                )


def _together(first: Match, more: Match) -> Match:
    """Return one match for a place that loads several relations, with the reads of each."""
    words = dict(first.words)
    for name in ("relation", "path"):
        words[name] = f"{words[name]}`, `{more.words[name]}"
    return replace(
        first,
        words=words,
        trace=(*first.trace, *(step for step in more.trace if step not in first.trace)),
        fix="\n".join(dict.fromkeys(text for text in (first.fix, more.fix) if text)),
    )


def _judge(
    program: Program, walk: _Walk, loaded: set[tuple[object, ...]]
) -> Iterator[_Lazy | Opportunity]:
    """Yield what is found of a walk; ``loaded`` are relations that earlier ones have read."""
    function, load, place = walk.function, walk.load, walk.place
    if not _walks_data(program, walk) or _is_set_before(function, load, place):
        return
    if is_never_run(program, place):
        return
    rows = _rows_of(program, walk)
    row = _row_of(program, walk)
    if row is None and rows is not None:
        row = _row_with(program, walk.load, rows)
    if rows is None or (row is not None and not can_be(program.types, rows, row)):
        return
    if row is None and walk.applied is not None:
        return
    read = len(load.names)
    if row is not None:
        along = relations_along(program, row, load.path)
        if along is None:
            return
        load = load.along(along)
        walk = replace(walk, load=load)
    own = None if row is None else relation_at(program, row, load.names)
    if own is not None and own != load.relation:
        # What is given may be of several classes; these rows have a relation of their own.
        load = load.of_relation(own)
        walk = replace(walk, load=load)
    if row is not None and own is None and not _may_have(program, row, load):
        return
    rule = RULES[bool(rows.loaded)]
    yield Opportunity(place.location, program.exposure_of(function).kind, rule=rule)
    # What the row itself is asked for by another of its attributes may be loaded then.
    is_asked_later = row is not None and len(load.names) < read
    if rows.brings(load.names) is not False if is_asked_later else rows.covers(load.names):
        return
    # The same objects have it once an earlier walk over their list has read it.
    key = (walk.subject, load.path, load.relation.name, rows.places)
    if key in loaded:
        return
    if isinstance(walk.subject, t.Name):
        loaded.add(key)
    confidence = load_sureness(program, load, place, function, walk.loop, rows)
    if confidence is not None:
        outer = _outer_of(program, walk, rows)
        if rows.made or rows.is_of_relation or (outer is not None and not outer.path):
            confidence = weakest(confidence, Confidence.MEDIUM)
        yield _Lazy(walk, rows, row, confidence, outer)


def _outer_of(program: Program, walk: _Walk, rows: Rows) -> _Outer | None:
    """Return the rows of a loop around, each of which has a query of its own for those walked."""
    function = walk.function
    if walk.loop < 0 or not rows.places:
        return None
    place = rows.places[-1]
    found: _Outer | None = None
    root, path = _root_and_path(program, function, walk.subject)
    for loop in function.loops(function.facts.contexts[walk.loop].parent):
        context = function.facts.contexts[loop]
        is_inside = place.path == walk.location.path and context.line <= place.line
        if not is_inside or place.line > walk.location.line or context.subject is None:
            continue
        at = (context.sequence, context.parent)
        outer = rows_of(program, function, context.subject, at)
        row = row_class(program, program.types.evaluate(function, t.Name(root), walk.at))
        if outer is None or not outer.places:
            continue
        if root not in target_names(context.target):
            found = found or _Outer(outer, None, ())
        elif row is not None and relation_at(program, row, path) is not None:
            return _Outer(outer, row, path)
        else:
            found = _Outer(outer, None, ())
    return found


def _root_and_path(
    program: Program, function: FunctionNode, value: t.Expr | None
) -> tuple[str, tuple[str, ...]]:
    """Return the name and the attributes that lead to rows, if a relation gives all of them."""
    while isinstance(value, t.CallRef):
        callee = function.facts.calls[value.index].callee
        if KEEPS_PREFETCH not in flags_of(program, function, value.index):
            return "", ()
        value = callee.base if isinstance(callee, t.Attr) else None
    return (value and root_of(function, value)) or ("", ())


def _walks_data(program: Program, walk: _Walk) -> bool:
    """Return whether a place runs for each of many rows, and not for the one that is looked for."""
    function, loop, context = walk.function, walk.loop, walk.place.context
    if walk.applied is not None:
        if is_handler(function, context):
            return False
        function, loop = walk.applied.spot.function, walk.applied.loop
        context = walk.applied.inner.context
    if loop < 0:
        return not is_handler(function, context) and gives_rows(
            program, function, walk.items, walk.at
        )
    if walk_of(program, function, loop) in (Walk.FEW_ITEMS, Walk.CONDITION):
        return False
    return not (
        leaves_at_once(function, loop)
        or is_fallback(function, loop, context)
        or leaves_after(function, loop, context)
    )


def _rows_of(program: Program, walk: _Walk) -> Rows | None:
    """Return the rows that are walked; of a helper those that its call gives it."""
    if walk.applied is None:
        return rows_of(program, walk.function, walk.items, walk.at)
    return rows_at(program, walk.applied.spot, walk.items)


def _row_of(program: Program, walk: _Walk) -> ClassNode | None:
    """Return the class of the items whose relation is loaded, if known."""
    types = program.types
    if walk.applied is not None:
        return None
    if walk.loop >= 0:
        at = (walk.at[0] + 1, walk.loop)
        return row_class(program, types.evaluate(walk.function, t.Name(walk.load.root), at))
    return row_class(program, types.evaluate(walk.function, t.Element(walk.items, False), walk.at))


def _row_with(program: Program, load: Load, rows: Rows) -> ClassNode | None:
    """Return the class of rows from which a relation is loaded.

    A helper has rows of several classes, each with a callable of its own; the page that it gives
    may be annotated as a dictionary of anything.
    """
    for node in sorted(rows.of, key=lambda node: node.qualname):
        if relation_at(program, node, load.names) == load.relation:
            return node
    return None


def _is_set_before(function: FunctionNode, load: Load, place: Site | Edge) -> bool:
    """Return whether the relation, or one on the way to it, was set on an object before."""
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Attr) and bind.sequence < place.sequence:
            rooted = root_of(function, bind.target.base)
            if rooted is not None and rooted[0] == load.root:
                way = (*rooted[1], bind.target.name)
                if load.names[: len(way)] == way:
                    return True
    return False


def _may_have(program: Program, row: ClassNode, load: Load) -> bool:
    """Return whether rows of a class may have a relation that what they are given to reads."""
    owner: ClassNode | None = row
    if load.path:
        last = relation_at(program, row, load.path)
        owner = None if last is None else last.target
    return owner is None or any(
        program.schema.relation(node, load.relation.name) is not None
        for node in (owner, *program.types.classes.subclasses(owner))
    )


def _match(program: Program, found: Sequence[_Lazy]) -> Match:
    """Return the match of the relations that one loop loads of the rows of one query.

    It stands where the first of those is loaded that are most surely dear.
    """
    surest = min(found, key=lambda lazy: lazy.confidence.rank)
    walk, rows = surest.walk, surest.rows
    function, place = walk.function, walk.place
    loads = list({lazy.walk.load.names: lazy.walk.load for lazy in (surest, *found)}.values())
    exposure = program.exposure_at(place)
    trace = list(exposure.chain)
    if rows.query is not None:
        trace.append(TraceStep(rows.query, "rows are queried without the relation"))
    trace.extend(TraceStep(place, "others are loaded here") for place in rows.extended)
    if walk.loop >= 0:
        trace.append(TraceStep(walk.location, f"loop over {walk.name}"))
    else:
        callee = place.name if isinstance(place, Site) else place.callee.facts.qualname
        trace.append(TraceStep(walk.location, f"runs {callee} for each of {walk.name}"))
    for each in loads:
        trace.extend(step for step in each.steps if step not in trace)
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "relation": "`, `".join(dict.fromkeys(each.relation.name for each in loads)),
            "often": _how_often(program, surest, loads),
            "path": "`, `".join("__".join(each.names) for each in loads),
        },
        trace=tuple(trace),
        confidence=surest.confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walk.name})",
        role=function.role,
        fix=_outer_fix(program, loads, surest.outer)
        or _fix(program, walk, rows, surest.row, loads),
        rule=RULES[bool(rows.loaded)],
    )


def _how_often(program: Program, lazy: _Lazy, loads: Sequence[Load]) -> str:
    """Return how often relations are loaded: for each item, or each object that they lead to."""
    walked = lazy.walk.name
    paths = [load.names for load in loads]
    often = times_asked(program, lazy.row, paths, "once per item")
    return f"{often} of `{walked}`"


def _outer_fix(program: Program, loads: Sequence[Load], outer: _Outer | None) -> str:
    """Return what loads relations of rows with the rows around them; empty where nothing does."""
    if outer is None or outer.row is None:
        return ""
    if any(load.relation.lazy == DYNAMIC for load in loads):
        return ""
    paths = [(*outer.path, *path) for path in whole([load.names for load in loads])]
    words = eager_words_of_all(program, outer.row, paths, apart=outer.rows.is_apart)
    place = outer.rows.places[-1]
    return f"Add {words} to the query at {place.path}:{place.line}." if words else ""


def _fix(
    program: Program, walk: _Walk, rows: Rows, row: ClassNode | None, loads: Sequence[Load]
) -> str:
    """Return what loads the relations with the rows, and where it goes; nothing if not known."""
    if row is None or not rows.places:
        return ""
    place = rows.places[-1]
    if rows.made:
        return _fix_of_new_rows(program, row, loads, place)
    found = [_of_dynamic(load, place) for load in loads if load.relation.lazy == DYNAMIC]
    paths = whole([load.names for load in loads if load.relation.lazy != DYNAMIC])
    numbers = _numbers_read(program, walk)
    words = words_for(program, row, rows, paths, numbers)
    if not words:
        return " ".join(found)
    if rows.query is None:
        found.append(
            f"Where the relation at {place.path}:{place.line} is loaded, add {words} for its rows."
        )
        return " ".join(found)
    found.append(f"Add {words} to the query at {rows.query.path}:{rows.query.line}.")
    found.extend(
        named for path in paths if (named := words_on_columns(program, row, path, rows.only))
    )
    joined = [joined_words(program, row, path) for path in paths if not rows.is_apart(path)]
    if any(joined) and not JOINS.isdisjoint(rows.steps):
        taken = " or ".join(filter(None, joined))
        found.append(f"Where it joins the relation already, {taken} takes it from there.")
    expiry = words_on_expiry(program, row)
    if expiry and _commits(program, walk):
        found.append(expiry)
    return " ".join(found)


def _numbers_read(program: Program, walk: _Walk) -> frozenset[tuple[str, ...]]:
    """Return the relations of which a walk reads nothing but the number of their rows."""
    function, place = walk.function, walk.place
    if walk.loop < 0 and isinstance(place, Edge):
        function = place.callee
    loads = [load for load in program.loads.of(function) if load.root == walk.load.root]
    return only_numbers((load.names, load.is_number) for load in loads)


def _fix_of_new_rows(
    program: Program, row: ClassNode, loads: Sequence[Load], place: Location
) -> str:
    """Return what loads relations of rows that have just been written: no query gives them."""
    listed = [words_on_new_rows(program, row, path) for path in whole([it.names for it in loads])]
    words = " and ".join(filter(None, listed))
    return (
        f"After the rows are written at {place.path}:{place.line}, call {words}." if words else ""
    )


def _of_dynamic(load: Load, place: Location) -> str:
    return (
        f"No query loads the dynamic relation `{load.relation.name}` with its rows: after "
        f"the query at {place.path}:{place.line}, ask for it once, by the keys of all rows."
    )


def _commits(program: Program, walk: _Walk) -> bool:
    """Return whether a loop ends the transaction in which its rows were loaded."""
    function = walk.function
    return walk.loop >= 0 and any(
        COMMITS in site.behaviour.flags and function.is_within(site.context, walk.loop)
        for site in program.sites_of(function)
    )
