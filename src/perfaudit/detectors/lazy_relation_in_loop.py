"""Find relations of a loop's items loaded one by one because the query did not load them."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loads import Load, root_of
from perfaudit.program.loops import (
    Walk,
    is_fallback,
    leaves_after,
    leaves_at_once,
    name_of_walked,
    target_names,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.rows import Rows, rows_of
from perfaudit.program.sites import Edge, Site


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each loop over rows of a known query, and a match per relation loaded per item."""
    if not program.schema.relation_names:
        return
    for function in program.functions:
        loads = program.loads.of(function)
        if not loads or not function.facts.contexts:
            continue
        seen: set[tuple[int, str, tuple[str, ...], str]] = set()
        for load in loads:
            place = load.through[0] if load.through else load.site
            for loop in function.loops(place.context):
                if load.root not in target_names(function.facts.contexts[loop].target):
                    continue
                key = (loop, load.root, load.path, load.relation.name)
                if key not in seen:
                    seen.add(key)
                    yield from _judge(program, function, load, loop)
                break


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
    rows = rows_of(program, function, context.subject, (context.sequence, context.parent))
    if rows is None:
        return
    exposure = program.exposure_of(function)
    yield Opportunity(place.location, exposure.kind)
    if rows.has(load.relation.name) or any(rows.has(name) for name in load.path):
        return
    yield _match(program, function, load, loop, rows)


def _is_set_before(function: FunctionNode, load: Load, place: Site | Edge) -> bool:
    """Return whether the relation was set on an object of the function before the place."""
    return any(
        isinstance(bind.target, t.Attr)
        and bind.target.name == load.relation.name
        and bind.sequence < place.sequence
        and root_of(function, bind.target.base) == (load.root, load.path)
        for bind in function.facts.binds
    )


def _match(program: Program, function: FunctionNode, load: Load, loop: int, rows: Rows) -> Match:
    place = load.through[0] if load.through else load.site
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_of(function)
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
        confidence=place.confidence,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )
