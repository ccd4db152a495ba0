"""Find loops over data that start a task for each item, where nothing bounds how many run."""

from collections.abc import Iterator

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import awaits, expressions
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.loops import (
    Walk,
    item_names,
    name_of_walked,
    unwrapped,
    walk_of,
)
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import Program
from perfaudit.program.reach import steps_per_item
from perfaudit.program.shared_connections import shares_connection
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import External, LibraryInstance, Unknown, options_of

EFFECTS = (awaits.HTTP, frozenset({"process.spawn"}), DATABASE_ROUND_TRIPS)
"""What a task may wait for that others have to serve; the dearer first."""
CALMER = dict.fromkeys(BY_HAND, Severity.LOW)
LIMITS = frozenset(
    {"limit", "page_size", "per_page", "top_k", "k", "n", "n_results", "size", "count"}
)
"""Keywords by which a call says how many it gives at most."""
ONE_AT_A_TIME = "one-at-a-time"
"""The flag of calls that wait for one another: those of one thread that all of them use."""
FAR = 5
"""So many calls away, it is no longer seen what bounds the calls between."""
MAX_STEPS = 4


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each loop that starts tasks which wait for others, and a match for each unbounded."""
    for function in program.functions:
        if not function.is_async or not function.facts.contexts:
            continue
        gathered = awaits.gathers(program, function)
        judged: set[int] = set()
        for place in _started(program, function, gathered=gathered):
            loop = function.loops(place.context)[0]
            effects = _effects(program, place)
            if effects is None or loop in judged:
                continue
            judged.add(loop)
            yield Opportunity(place.location, program.exposure_of(function).kind)
            if not expressions.names(function, place.value) & item_names(function, loop):
                continue
            if _grows(program, function, loop) and not _is_bounded(program, place, effects):
                yield _match(program, function, place, loop, effects)


def _started(program: Program, function: FunctionNode, *, gathered: bool) -> Iterator[Site | Edge]:
    """Yield the places in loops that make a coroutine and start it without waiting for it."""
    for edge in program.edges_from(function):
        if not edge.callee.is_async or edge.callee.facts.is_generator:
            continue
        if not _is_in_loop(function, edge.context) or is_handler(function, edge.context):
            continue
        if edge.how == "task" or (gathered and edge.how == "call" and _is_put_off(edge)):
            yield edge
    for site in program.sites_of(function):
        if site.kind != "call" or not site.behaviour.awaitable or site.call is None:
            continue
        if site.call.awaited or not _is_in_loop(function, site.context):
            continue
        if gathered and not _is_entered(function, site):
            yield site


def _is_in_loop(function: FunctionNode, context: int) -> bool:
    loops = function.loops(context)
    return bool(loops) and function.facts.contexts[loops[0]].kind in ("for", "comprehension")


def _is_put_off(edge: Edge) -> bool:
    return edge.via == "call" and edge.call is not None and not edge.call.awaited


def _is_entered(function: FunctionNode, site: Site) -> bool:
    return any(context.subject == site.value for context in function.facts.contexts)


def _effects(program: Program, place: Site | Edge) -> frozenset[str] | None:
    """Return what a started task waits for, or None where it is nothing that others serve."""
    for effects in EFFECTS:
        if isinstance(place, Site):
            if effects.isdisjoint(place.effects):
                continue
        elif place.callee not in program.reach_of(effects) or place.callee in program.memoised:
            continue
        if not awaits.is_look_up(awaits.sink_of(program, place, effects)):
            return effects
    return None


def _grows(program: Program, function: FunctionNode, loop: int) -> bool:
    """Return whether a loop walks data of which there may be any number."""
    context = function.facts.contexts[loop]
    if context.subject is None or walk_of(program, function, loop) is not Walk.DATA:
        return False
    outer = function.loops(context.parent)
    if any(function.facts.contexts[step].kind == "while" for step in outer):
        return False
    subject = unwrapped(program, function, context.subject)
    names = expressions.names(function, subject)
    if any(names & item_names(function, step) for step in outer):
        return False
    return _is_data(function, subject, MAX_STEPS)


def _is_data(function: FunctionNode, subject: t.Expr, steps: int) -> bool:
    """Return whether a value comes from a caller or a call, uncut, and not from settings."""
    if steps == 0:
        return False
    match subject:
        case t.Await(value=inner) | t.Star(value=inner):
            return _is_data(function, inner, steps)
        case t.Item(key=t.Slice()):
            return False
        case t.Name(id=name):
            binds = function.binds.get(name, [])
            if not binds:
                return name in function.params
            values = [bind.value for bind in binds if bind.value is not None]
            return bool(values) and all(_is_data(function, v, steps - 1) for v in values)
        case t.Attr(base=base) | t.Item(base=base):
            root = awaits.root_of(function, base)
            return root is not None and root in function.params and not _is_receiver(function, root)
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            return not any(name in LIMITS for name, _ in call.keywords)
        case t.Comp(context=inner_loop):
            source = function.facts.contexts[inner_loop].subject
            return source is not None and _is_data(function, source, steps - 1)
        case t.Seq(items=items):
            return not items
    return False


def _is_receiver(function: FunctionNode, name: str) -> bool:
    return function.owner is not None and function.facts.params[0].name == name


def _is_bounded(program: Program, place: Site | Edge, effects: frozenset[str]) -> bool:
    """Return whether something on the way lets only so many through at a time."""
    chain = awaits.chain_of(program, place, effects)
    if len(chain) >= FAR or any(edge.how in ("thread", "process", "worker") for edge in chain):
        return True
    sink = awaits.sink_of(program, place, effects)
    ways = [(edge.caller, edge.context) for edge in chain[1:]]
    ways.append((sink.function, sink.context))
    if any(_is_limited(program, function, context) for function, context in ways):
        return True
    if effects is awaits.HTTP:
        return sink.blocking or _is_pooled(program, sink, [function for function, _ in ways[1:]])
    if effects is DATABASE_ROUND_TRIPS:
        return (
            sink.blocking
            or ONE_AT_A_TIME in sink.behaviour.flags
            or "pool.acquire" in sink.effects
            or shares_connection(program, place)
        )
    return False


def _is_limited(program: Program, function: FunctionNode, context: int) -> bool:
    """Return whether a place stands behind a semaphore or limiter, or what may be one."""
    if any(not awaits.HOLDING.isdisjoint(site.effects) for site in program.sites_of(function)):
        return True
    for step in function.context_chain(context):
        here = function.facts.contexts[step]
        if here.kind in ("with", "async with") and here.subject is not None and not here.target:
            entered = program.types.evaluate(function, here.subject, (here.sequence, here.parent))
            if any(isinstance(option, Unknown | External) for option in options_of(entered)):
                return True
    return False


def _is_pooled(program: Program, sink: Site, functions: list[FunctionNode]) -> bool:
    """Return whether all tasks share one client that opens only so many connections."""
    receiver = sink.receiver
    if not isinstance(receiver, LibraryInstance):
        return False
    made = program.libraries.constructor(receiver.path)
    if made is None or "bounds-connections" not in made.flags:
        return False
    return not any(
        "http.client" in site.effects
        for function in {*functions, sink.function}
        for site in program.sites_of(function)
    )


def _match(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    loop: int,
    effects: frozenset[str],
) -> Match:
    walked = name_of_walked(program, function, loop)
    exposure = program.exposure_at(place)
    sink = awaits.sink_of(program, place, effects)
    begun = TraceStep(function.line(function.facts.contexts[loop].line), f"loop over {walked}")
    steps = steps_per_item(place, program.reach_of(effects), "starts")
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "walked": walked,
            "sink": sink.name,
        },
        trace=(*exposure.chain, begun, *steps),
        confidence=weakest(Confidence.MEDIUM, awaits.confidence_of(program, place, effects)),
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )
