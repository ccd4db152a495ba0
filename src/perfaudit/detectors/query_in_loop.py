"""Find reads and writes of a database that run once per item of a loop, here or through calls."""

from collections.abc import Iterator
from dataclasses import replace

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions, nesting
from perfaudit.program.applied import applied_by
from perfaudit.program.asked_anew import asked_anew
from perfaudit.program.defeats import is_defeat
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.handed_relations import asks_handed_only, handed_unknown
from perfaudit.program.library_rows import may_be_loaded_with_rows
from perfaudit.program.loop_sureness import sureness
from perfaudit.program.loops import gives_rows, item_names, name_of_walked
from perfaudit.program.misses import writes_on_miss
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.per_item import is_per_item, is_same_in_each
from perfaudit.program.plurals import can_be_plural, is_of_new_row
from perfaudit.program.program import SCHEMA, Program
from perfaudit.program.reach import Reach, hops, steps_per_item
from perfaudit.program.read_again import read_again
from perfaudit.program.row_types import is_query
from perfaudit.program.sameness import form_of, form_of_call
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off
from perfaudit.program.unawaited import is_never_awaited
from perfaudit.program.values import ClassType, FunctionType, options_of

RULES = {"db.query": "query-in-loop", "db.write": "write-in-loop"}
INVARIANT = "loop-invariant-query"
LOOP = "loop over "
CALMER = dict.fromkeys(BY_HAND, Severity.MEDIUM)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that queries, and a match for each that does so once per item."""
    yield from (item for item in program.once(judged) if item.rule != nesting.RULE)


def judged(program: Program) -> tuple[Match | Opportunity, ...]:
    """Return what is found, loops in loops too, for the detectors that tell nothing twice."""
    return tuple(_found(program))


def _found(program: Program) -> Iterator[Match | Opportunity]:
    for function in program.costly_or_calling(program.query_reach, program.write_reach):
        if function.kind == "class":
            continue
        seen: set[tuple[int, int]] = set()
        nested: set[int] = set()
        told: dict[object, list[Match]] = {}
        for place in _places(program, function):
            if isinstance(place, Edge) and place.each and place.via == "callback":
                yield from _judge_applied(program, place)
            key = (place.location.line, place.location.column)
            if key in seen:
                continue
            seen.add(key)
            items = list(_judge(program, function, place, nested))
            cause = _cause(program, place, items)
            for item in items:
                # The places of one cause are one finding, and were one thing to do well.
                if cause is None or item.rule != RULES["db.query"]:
                    yield item
                elif isinstance(item, Match):
                    told.setdefault(cause, []).append(item)
                elif cause not in told:
                    yield item
        yield from (_as_one(found) for found in told.values())
        for site in program.sites_of(function):
            asked = asked_anew(program, function, site)
            if asked is not None:
                yield from _judge_asked(program, function, asked)


def _cause(program: Program, place: Site | Edge, items: list[Match | Opportunity]) -> object:
    """Return what tells the query of a place in a loop from others there; None where none runs.

    Calls of one function have it in common, where they give it the same constants, and so have
    places that ask the same.
    """
    found = [item for item in items if isinstance(item, Match) and item.rule == RULES["db.query"]]
    if not found:
        return None
    loop = next((step for step in found[0].trace if step.message.startswith(LOOP)), None)
    if isinstance(place, Edge):
        if _is_told_what_to_ask(program, place):
            return loop, place.location
        return loop, place.callee, found[0].trace[-1].location, _constants_given(place)
    at = (place.sequence, place.context)
    if place.call is not None:
        return loop, form_of_call(program, place.function, place.call)
    return loop, place.kind, form_of(program, place.function, place.value, at)


def _constants_given(place: Edge) -> frozenset[tuple[str, t.Const]]:
    """Return the constants that a call gives, by parameter: one of them may choose the query."""
    call = place.call
    if call is None:
        return frozenset()
    given = [
        (param.name, expressions.argument_for(call, place.callee, param.name))
        for param in place.callee.facts.params
    ]
    return frozenset((name, value) for name, value in given if isinstance(value, t.Const))


def _is_told_what_to_ask(program: Program, place: Edge) -> bool:
    """Return whether a call gives a query or a class: each of them asks for something else."""
    at = (place.sequence, place.context)
    given = [] if place.call is None else list(place.call.given)
    values = [program.types.evaluate(place.caller, value, at) for value in given]
    return any(
        is_query(program.types, value) or any(isinstance(it, ClassType) for it in options_of(value))
        for value in values
    )


def _as_one(found: list[Match]) -> Match:
    """Return the match of the places of one loop that run one query: at the surest of them."""
    first = min(found, key=lambda match: match.confidence.rank)
    others = [
        TraceStep(match.location, f"{match.words['call']} asks as well")
        for match in found
        if match is not first
    ]
    end = len(first.trace) - 1
    return replace(first, trace=(*first.trace[:end], *others, *first.trace[end:]))


def _places(program: Program, function: FunctionNode) -> Iterator[Site | Edge]:
    for site in program.sites_of(function):
        if site.relation is None and not DATABASE_ROUND_TRIPS.isdisjoint(site.effects):
            if SCHEMA not in site.behaviour.flags:
                yield site
    for edge in program.edges_from(function):
        asks = edge.callee in program.query_reach or edge.callee in program.write_reach
        if asks and edge.how in ("call", "task", "loop", "thread"):
            kept = edge.callee in program.memoised or edge.via == "exit"
            if not kept and not is_never_awaited(edge):
                yield edge


def _judge(
    program: Program, function: FunctionNode, place: Site | Edge, nested: set[int]
) -> Iterator[Match | Opportunity]:
    loops = function.loops(place.context)
    if isinstance(place, Edge) and not loops:
        if place.each:
            yield from _judge_each(program, function, place)
        return
    ways = _ways(program, place)
    found = _per_item(program, function, place, ways, nested)
    is_read = ways[0][0] == "db.query"
    sound = nesting.RULE if is_read and len(loops) > 1 else RULES[ways[0][0]]
    exposure = program.exposure_of(function).kind
    if is_read and loops:
        yield Opportunity(place.location, exposure, rule=INVARIANT)
    told = sound if found is None or found.rule == INVARIANT else found.rule
    yield Opportunity(place.location, exposure, rule=told)
    if found is not None:
        yield found


def _judge_asked(
    program: Program, function: FunctionNode, place: Site
) -> Iterator[Match | Opportunity]:
    """Yield what is found of a relation of one object whose rows each turn of a loop asks for."""
    yield Opportunity(place.location, program.exposure_of(function).kind, rule=INVARIANT)
    for loop in function.loops(place.context):
        if is_same_in_each(program, function, place, loop, program.query_reach):
            yield _match(program, function, place, loop, INVARIANT, program.query_reach)
            return


def _per_item(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    ways: list[tuple[str, Reach]],
    nested: set[int],
) -> Match | None:
    """Return the match of a place that runs once per item of a loop, or of two.

    Two loops are told once, by the first place in them; ``nested`` are the inner ones so far.
    """
    open_ways = [
        way
        for way in ways
        if isinstance(place, Site) or not is_switched_off(program, place, way[1])
    ]
    loops = function.loops(place.context)
    if not open_ways or not loops:
        return None
    effect, reached = open_ways[0]
    sink = place if isinstance(place, Site) else reached.site(place.callee)
    if is_defeat(program, function, place, sink):
        return None
    if effect == "db.query" and asks_handed_only(program, place):
        # Relations that the rows may have, told as such where they do not.
        return None
    for loop in loops:
        if effect == "db.query" and is_same_in_each(program, function, place, loop, reached):
            return _match(program, function, place, loop, INVARIANT, reached)
        if not is_per_item(program, function, place, loop, reached):
            continue
        if _may_be_loaded(program, function, place, loop, sink):
            continue
        match = _match(program, function, place, loop, RULES[effect], reached)
        # What is written is as many rows as it is: one statement takes them from both loops.
        if effect == "db.write" or loop in nested:
            return match
        nest = nesting.loop_around(program, function, place, loop)
        if nest is None:
            return match
        nested.add(loop)
        return nesting.as_nested(match, nest)
    return None


def _may_be_loaded(
    program: Program, function: FunctionNode, place: Site | Edge, loop: int, sink: Site | None
) -> bool:
    """Return whether what is asked, or handed on for it, may be a relation that items have."""
    if sink is not None and may_be_loaded_with_rows(program.types, function, loop, sink):
        return True
    if isinstance(place, Site) or sink is None:
        return False
    given = handed_unknown(program, place, sink)
    return isinstance(given, t.CallRef | t.Attr) and not item_names(function, loop).isdisjoint(
        expressions.names(function, given)
    )


def _judge_each(
    program: Program, function: FunctionNode, place: Edge
) -> Iterator[Match | Opportunity]:
    """Yield what is found of a function that a call runs for each item, as ``map`` does."""
    items = _items_given(program, function, place)
    if items is None or place.call is None or not place.callee.facts.params:
        return
    effect, reached = _ways(program, place)[0]
    yield Opportunity(place.location, program.exposure_of(function).kind, rule=RULES[effect])
    at = (place.sequence, place.context)
    if is_handler(function, place.context) or not gives_rows(program, function, items, at):
        return
    if place.callee in program.job_reach or place.callee in program.cache_reach:
        return
    step = reached.step(place.callee)
    sink = reached.site(place.callee)
    if step is None or sink is None:
        return
    walked = expressions.spelled(function, items)
    exposure = program.exposure_at(place)
    each = TraceStep(place.location, f"runs {place.callee.facts.qualname} for each of {walked}")
    yield Match(
        place.location,
        {
            "call": f"{place.callee.name}()" if place.callee.kind == "function" else "lambda",
            "walked": walked,
            "sink": sink.name if sink.kind == "call" else f"{sink.kind} of {sink.name}",
            "hops": hops(len(reached.chain(place.callee))),
            "plural": _plural(program, place, sink, RULES[effect], reached),
        },
        trace=(*exposure.chain, each, *reached.trace(place.callee)),
        confidence=weakest(Confidence.MEDIUM, place.confidence, step.confidence),
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
        rule=RULES[effect],
    )


def _judge_applied(program: Program, place: Edge) -> Iterator[Match]:
    """Yield what is found of a callable that a helper of the project runs for each row it walks.

    The call that gives the callable is the place: the helper serves others too.
    """
    for applied in applied_by(program, place):
        inner, loop = applied.inner, applied.loop
        helper = inner.caller
        found = _per_item(program, helper, inner, _ways(program, inner), set())
        if found is None or found.rule not in RULES.values():
            continue
        if any(edge.callee is inner.callee for edge in program.edges_from(helper)):
            # The loop of the helper itself is reported.
            continue
        exposure = program.exposure_at(place)
        walked = name_of_walked(program, helper, loop)
        line = helper.line(helper.facts.contexts[loop].line)
        given = f"gives {inner.callee.name} to {helper.name}"
        yield replace(
            found,
            location=place.location,
            words={**found.words, "call": f"{inner.callee.name}()"},
            trace=(
                *exposure.chain,
                TraceStep(place.location, given),
                TraceStep(line, f"loop over {walked}"),
                *steps_per_item(inner, _ways(program, inner)[0][1]),
            ),
            function=place.caller.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            severity=CALMER.get(exposure.kind),
            role=place.caller.role,
        )
        return


def _items_given(program: Program, function: FunctionNode, place: Edge) -> t.Expr | None:
    """Return the items of a call that runs a function for each: the argument beside it, if one.

    A method without another argument, such as ``sort``, walks its own object.
    """
    call = place.call
    if call is None:
        return None
    at = (place.sequence, place.context)
    others = [
        value
        for value in call.arguments
        if not isinstance(value, t.Lambda)
        and not isinstance(program.types.evaluate(function, value, at), FunctionType)
    ]
    if others:
        return others[0]
    return call.callee.base if isinstance(call.callee, t.Attr) and not call.arguments else None


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
    ordered = [(effect, reached) for _, effect, reached in sorted(known, key=lambda way: way[0])]
    if len(ordered) > 1 and program.once(writes_on_miss, place.callee):
        return [way for way in ordered if way[0] == "db.query"]
    return ordered


def _match(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    loop: int,
    rule: str,
    reached: Reach,
) -> Match:
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    context = function.facts.contexts[loop]
    name = expressions.spelled(function, place.value)
    trace = list(exposure.chain)
    trace.append(TraceStep(function.line(context.line), f"{LOOP}{walked}"))
    trace.extend(steps_per_item(place, reached))
    if isinstance(place, Site):
        sink = place
        distance = 0
    else:
        found = reached.site(place.callee)
        sink = found if found is not None else program.sites_of(place.callee)[0]
        distance = len(reached.chain(place.callee))
    again = read_again(program, reached.way(place), sink)
    return Match(
        place.location,
        {
            "call": name,
            "walked": walked,
            "sink": sink.name if sink.kind == "call" else f"{sink.kind} of {sink.name}",
            "hops": hops(distance),
            "plural": _many_at_once(function, place, loop)
            or _plural(program, place, sink, rule, reached),
        },
        trace=tuple(trace),
        confidence=sureness(program, place, loop, reached, sink),
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
        rule=rule,
        fix=f"Hand on the row itself in place of its `{again}`: the caller of the query holds it."
        if again and rule == RULES["db.query"]
        else "",
    )


def _many_at_once(function: FunctionNode, place: Site | Edge, loop: int) -> str:
    """Return a sentence for a call that takes many items, on what is the same for all of them."""
    if isinstance(place, Edge) or "takes-many" not in place.behaviour.flags or place.call is None:
        return ""
    callee = place.call.callee
    if len(place.call.arguments) != 1 or expressions.names(function, callee) & item_names(
        function, loop
    ):
        return ""
    return f"; `{expressions.spelled(function, callee)}(*...)` takes them all at once"


def _plural(program: Program, place: Site | Edge, sink: Site, rule: str, reached: Reach) -> str:
    """Return a sentence that names the plural twin, where there is one."""
    if isinstance(place, Edge):
        twin = _project_twin(program, place.callee)
        if twin:
            return f"; `{twin}` takes them all at once"
    if (
        isinstance(place, Edge)
        and rule == RULES["db.query"]
        and place.callee in program.write_reach
    ):
        # What it writes on the way is more than the twin of the look-up does.
        return ""
    if can_be_plural(program, sink) and not is_of_new_row(program, reached.way(place)):
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
