"""Find reads and writes of a database that run once per item of a loop, here or through calls."""

from collections.abc import Iterator

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import (
    Walk,
    decides_exit,
    is_fallback,
    is_periodic,
    item_names,
    leaves_after,
    name_of_walked,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach, site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off
from perfaudit.program.values import LibraryInstance

RULES = {"db.query": "query-in-loop", "db.write": "write-in-loop"}
FAR = 4
"""So many calls away, what a loop does per item is more often a job than a forgotten query."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that queries, and a match for each that does so once per item."""
    for function in program.functions:
        if function.kind == "class":
            continue
        seen: set[tuple[int, int]] = set()
        for place in _places(program, function):
            key = (place.location.line, place.location.column)
            if key in seen:
                continue
            seen.add(key)
            yield from _judge(program, function, place)


def _places(program: Program, function: FunctionNode) -> Iterator[Site | Edge]:
    for site in program.sites_of(function):
        if site.relation is None and not DATABASE_ROUND_TRIPS.isdisjoint(site.effects):
            yield site
    for edge in program.edges_from(function):
        if edge.how in ("call", "task", "loop", "thread") and edge.callee in program.database_reach:
            if edge.callee not in program.memoised and edge.via != "exit":
                yield edge


def _judge(
    program: Program, function: FunctionNode, place: Site | Edge
) -> Iterator[Match | Opportunity]:
    loops = function.loops(place.context)
    ways = _ways(program, place)
    if isinstance(place, Site) or loops:
        exposure = program.exposure_of(function)
        yield Opportunity(place.location, exposure.kind, rule=RULES[ways[0][0]])
    if not loops:
        return
    open_ways = [
        way
        for way in ways
        if isinstance(place, Site) or not is_switched_off(program, place, way[1])
    ]
    if not open_ways:
        return
    effect, reached = open_ways[0]
    rule = RULES[effect]
    for loop in loops:
        if not _is_per_item(program, function, place, loop):
            continue
        yield _match(program, function, place, loop, rule, reached)
        return


def _ways(program: Program, place: Site | Edge) -> list[tuple[str, Reach]]:
    """Return the effects that a place leads to, each with its reach; the dearer first."""
    if isinstance(place, Site):
        if "db.write" in place.effects:
            return [("db.write", program.write_reach)]
        return [("db.query", program.query_reach)]
    ways = [("db.write", program.write_reach), ("db.query", program.query_reach)]
    found = [(effect, reached, reached.step(place.callee)) for effect, reached in ways]
    known = [
        (step.distance, effect, reached) for effect, reached, step in found if step is not None
    ]
    # Of two ways of one length the writing one, which comes first, is the dearer.
    return [(effect, reached) for _, effect, reached in sorted(known, key=lambda way: way[0])]


def _is_per_item(program: Program, function: FunctionNode, place: Site | Edge, loop: int) -> bool:
    if walk_of(program, function, loop) is not Walk.DATA or is_handler(function, loop):
        return False
    if not _uses(program, function, place, item_names(function, loop)):
        return False
    if is_fallback(function, loop, place.context) or decides_exit(function, loop, place.value):
        return False
    if is_periodic(function, loop, place.context) or leaves_after(function, loop, place.context):
        return False
    return not _claims_row(function, place)


def _claims_row(function: FunctionNode, place: Site | Edge) -> bool:
    """Return whether a query locks one row that others skip: a job queue goes one by one."""
    return any(
        isinstance(part, t.CallRef)
        and any(name == "skip_locked" for name, _ in function.facts.calls[part.index].keywords)
        for part in expressions.parts(function, place.value)
    )


def _uses(program: Program, function: FunctionNode, place: Site | Edge, items: set[str]) -> bool:
    if (
        isinstance(place, Site)
        and "flushes" in place.behaviour.flags
        and place.receiver is not None
    ):
        return _adds_item(function, place, items)
    if not expressions.names(function, place.value) & items:
        return False
    return isinstance(place, Edge) or not _takes_group(program, function, place, items)


def _takes_group(program: Program, function: FunctionNode, place: Site, items: set[str]) -> bool:
    """Return whether a statement takes a list that hangs on the item: a group, not a row."""
    if place.call is None:
        return False
    at = (place.sequence, place.context)
    values = [*place.call.arguments, *(value for _, value in place.call.keywords)]
    for value in values:
        parts = value.values if isinstance(value, t.Mapping) else (value,)
        for part in parts:
            if isinstance(part, t.Name | t.Attr) and expressions.names(function, part) & items:
                found = program.types.evaluate(function, part, at)
                if isinstance(found, LibraryInstance) and found.path in (
                    "builtins.list",
                    "builtins.set",
                ):
                    return True
    return False


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


def _match(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    loop: int,
    rule: str,
    reached: Reach,
) -> Match:
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_of(function)
    context = function.facts.contexts[loop]
    name = expressions.spelled(function, place.value)
    trace = list(exposure.chain)
    trace.append(TraceStep(function.line(context.line), f"loop over {walked}"))
    if isinstance(place, Site):
        trace.append(site_step(place))
        sink = place
        distance = 0
    else:
        trace.append(
            TraceStep(place.location, f"calls {place.callee.facts.qualname} for each item")
        )
        trace.extend(reached.trace(place.callee))
        found = reached.site(place.callee)
        sink = found if found is not None else program.sites_of(place.callee)[0]
        distance = len(reached.chain(place.callee))
    return Match(
        place.location,
        {
            "call": name,
            "walked": walked,
            "sink": sink.name if sink.kind == "call" else f"{sink.kind} of {sink.name}",
            "hops": _hops(distance),
            "plural": _plural(program, place, sink),
        },
        trace=tuple(trace),
        confidence=_confidence(program, place, reached, distance),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
        rule=rule,
    )


def _hops(distance: int) -> str:
    if distance == 0:
        return ""
    return ", 1 call away" if distance == 1 else f", {distance} calls away"


def _plural(program: Program, place: Site | Edge, sink: Site) -> str:
    """Return a sentence that names the plural twin, where there is one."""
    if isinstance(place, Edge):
        twin = _project_twin(program, place.callee)
        if twin:
            return f"; `{twin}` takes them all at once"
    if sink.behaviour.batch:
        return f"; `{sink.behaviour.batch}` does it in one round trip"
    return ""


def _project_twin(program: Program, callee: FunctionNode) -> str:
    """Return a function's sibling that does the same for many: get_users for get_user."""
    siblings = callee.parent.inner if callee.parent is not None else {}
    name = callee.name
    verb, _, rest = name.partition("_")
    candidates = (
        f"{name}s",
        f"{name}_many",
        f"{name}_bulk",
        f"bulk_{name}",
        f"{name}_by_ids",
        f"{name}_batch",
        f"{verb}_many",
        f"{verb}_many_{rest}",
        f"{verb}_bulk_{rest}",
        f"{verb}_{rest}_by_ids",
    )
    for candidate in candidates:
        twins = siblings.get(candidate, [])
        if twins and candidate != name and not _runs(program, twins[-1], callee):
            return candidate
    return ""


def _runs(program: Program, function: FunctionNode, callee: FunctionNode) -> bool:
    """Return whether a function is itself made of calls of the other."""
    return any(edge.callee is callee for edge in program.edges_from(function))


def _confidence(program: Program, place: Site | Edge, reached: Reach, distance: int) -> Confidence:
    if isinstance(place, Site):
        return place.confidence
    step = reached.step(place.callee)
    levels = [place.confidence, step.confidence if step is not None else Confidence.LOW]
    if distance >= FAR:
        levels.append(Confidence.MEDIUM)
    if place.callee in program.job_reach or place.callee in program.cache_reach:
        levels.append(Confidence.LOW)
    return weakest(*levels)
