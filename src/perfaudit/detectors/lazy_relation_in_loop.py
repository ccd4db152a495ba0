"""Find relations of a loop's items loaded one by one because the query did not load them."""

from collections.abc import Iterator
from dataclasses import replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.eager_words import eager_words
from perfaudit.program.loads import Load, root_of
from perfaudit.program.loops import (
    Walk,
    is_fallback,
    leaves_after,
    leaves_at_once,
    name_of_walked,
    target_names,
    walk_of,
    writes_per_item,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.result_shapes import BOUNDING
from perfaudit.program.row_costs import row_class
from perfaudit.program.rows import VIA_RELATION, Rows, rows_of
from perfaudit.program.sites import Edge, Site

WHOLE = frozenset(
    {"", "query", "select", "all", "scalars", "execute", "exec", "order_by", "options", "unique"}
    | {"fetchall", "distinct", "execution_options"}
)
"""Steps of a query that leave all objects of its class in the result."""
BOUNDED = BOUNDING | {"offset", "first", "one", "get", "yield_per", "partitions", VIA_RELATION}
RULES = {False: "lazy-relation-in-loop", True: "incomplete-prefetch"}
"""Whether the query of the rows loads some relations already, and the rule for it."""
CALMER = {
    "startup": Severity.MEDIUM,
    "command": Severity.MEDIUM,
    "script": Severity.MEDIUM,
}
"""Nobody waits for what these do."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each loop over rows of a known query, and a match per relation loaded per item."""
    if not program.schema.relation_names:
        return
    for function in program.functions:
        loads = program.loads.of(function)
        if not loads or not function.facts.contexts:
            continue
        seen: set[tuple[int, str, tuple[str, ...], str]] = set()
        told: dict[tuple[Location, str], Match] = {}
        for load in loads:
            read = load.through[0] if load.through else load.site
            for loop in function.loops(read.context):
                if load.root not in target_names(function.facts.contexts[loop].target):
                    continue
                key = (loop, load.root, load.path, load.relation.name)
                if key not in seen:
                    seen.add(key)
                    for found in _judge(program, function, load, loop):
                        if isinstance(found, Match):
                            place = (found.location, found.rule)
                            told[place] = _together(told[place], found) if place in told else found
                        else:
                            yield found
                break
        yield from told.values()


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
    program: Program, function: FunctionNode, load: Load, loop: int
) -> Iterator[Match | Opportunity]:
    context = function.facts.contexts[loop]
    place = load.through[0] if load.through else load.site
    if context.subject is None or walk_of(program, function, loop) in (
        Walk.FEW_ITEMS,
        Walk.CONDITION,
    ):
        return
    if leaves_at_once(function, loop) or is_fallback(function, loop, place.context):
        return
    if leaves_after(function, loop, place.context) or _is_set_before(function, load, place):
        return
    if _is_loaded_apart(program, function, context):
        return
    rows = rows_of(program, function, context.subject, (context.sequence, context.parent))
    if rows is None:
        return
    rule = RULES[bool(rows.loaded)]
    yield Opportunity(place.location, program.exposure_of(function).kind, rule=rule)
    if rows.covers((*load.path, load.relation.name)):
        return
    confidence = place.confidence
    if _keeps_objects(program, load):
        if _is_among_rows(program, load) and BOUNDED.isdisjoint(rows.steps):
            if rows.steps <= WHOLE:
                return
            confidence = weakest(confidence, Confidence.MEDIUM)
        if _is_read_before(program, function, load, loop):
            confidence = weakest(confidence, Confidence.MEDIUM)
    if writes_per_item(program, function, loop):
        confidence = weakest(confidence, Confidence.MEDIUM)
    yield _match(program, function, load, loop, rows, confidence)


def _is_loaded_apart(program: Program, function: FunctionNode, loop: t.Context) -> bool:
    """Return whether a call before a loop loads relations of the rows that it walks."""
    return any(
        site.call is not None
        and site.sequence < loop.sequence
        and "loads-into" in site.behaviour.flags
        and loop.subject in site.call.arguments[:1]
        for site in program.sites_of(function)
    )


def _keeps_objects(program: Program, load: Load) -> bool:
    """Return whether a session keeps the objects of the relation, and gives them by their key."""
    target = load.relation.target
    if target is None:
        return False
    bases = program.types.classes.library_bases(target)
    found = (program.libraries.queries(base) for base in bases)
    return any(queries is not None and queries.keeps_objects for queries in found)


def _is_among_rows(program: Program, load: Load) -> bool:
    """Return whether a row leads to one of its own kind, which may be among the rows."""
    relation = load.relation
    if load.path or relation.target is None or relation.kind != "many_to_one":
        return False
    return program.schema.relation(relation.target, relation.name) == relation


def _is_read_before(program: Program, function: FunctionNode, load: Load, loop: int) -> bool:
    """Return whether an earlier loop has read the relation of objects of the same class."""
    begun = function.facts.contexts[loop].sequence
    for other in program.loads.of(function):
        place = other.through[0] if other.through else other.site
        if other.relation == load.relation and place.sequence < begun:
            if function.loops(place.context):
                return True
    return False


def _is_set_before(function: FunctionNode, load: Load, place: Site | Edge) -> bool:
    """Return whether the relation was set on an object of the function before the place."""
    return any(
        isinstance(bind.target, t.Attr)
        and bind.target.name == load.relation.name
        and bind.sequence < place.sequence
        and root_of(function, bind.target.base) == (load.root, load.path)
        for bind in function.facts.binds
    )


def _match(
    program: Program,
    function: FunctionNode,
    load: Load,
    loop: int,
    rows: Rows,
    confidence: Confidence,
) -> Match:
    place = load.through[0] if load.through else load.site
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    context = function.facts.contexts[loop]
    trace = list(exposure.chain)
    trace.extend(
        TraceStep(query, "rows are queried without the relation") for query in rows.places[-1:]
    )
    trace.append(TraceStep(function.line(context.line), f"loop over {walked}"))
    trace.extend(load.steps)
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "relation": load.relation.name,
            "walked": walked,
            "path": "__".join((*load.path, load.relation.name)),
        },
        trace=tuple(trace),
        confidence=confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
        fix=_fix(program, function, load, loop, rows),
        rule=RULES[bool(rows.loaded)],
    )


def _fix(program: Program, function: FunctionNode, load: Load, loop: int, rows: Rows) -> str:
    """Return what loads the relation with the rows, and where it goes; nothing if not known."""
    context = function.facts.contexts[loop]
    at = (context.sequence + 1, loop)
    row = row_class(program, program.types.evaluate(function, t.Name(load.root), at))
    if row is None or not rows.places:
        return ""
    words = eager_words(program, row, (*load.path, load.relation.name))
    place = rows.places[-1]
    return f"Add {words} to the query at {place.path}:{place.line}." if words else ""
