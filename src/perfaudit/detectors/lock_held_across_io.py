"""Find locks of the whole process that requests hold while they wait for a network or database."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.expressions import names, parts, spelled
from perfaudit.program.holds import Hold, locks
from perfaudit.program.locks import is_of_the_process, lock_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.outside import VERBS
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import LibraryInstance, options_of
from perfaudit.program.waited_for import (
    places,
    sink_of,
    steps_of,
    waited_reach,
)

WAITS = frozenset({"http.request", "db.query", "db.write", "process.spawn"})
MAX_STEPS = 5
"""What is reached by more calls is one way of many, which settings and states decide."""
KEEPS = frozenset({"cache.write"})
ASKED = {"db.query": "the database", "db.write": "the database", **VERBS}


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the locks of the process that requests take, and those held while waiting."""
    reached = waited_reach(program, _waits)
    for function in program.functions:
        if program.kind_of_exposure(function) != "endpoint":
            continue
        for hold in locks(program, function):
            lock = lock_of(program, function, hold.value, (hold.start, hold.context))
            if lock is None or not is_of_the_process(program, lock):
                continue
            found = [
                place
                for place in places(program, function, reached, _waits)
                if hold.covers(place)
                and len(reached.way(place)) <= MAX_STEPS
                and _confidence(place, reached) is Confidence.HIGH
                and not _is_meant(program, hold, place, reached)
            ]
            yield Opportunity(found[0].location if found else hold.location, "endpoint")
            if found:
                yield _match(program, hold, found[0], reached)


def _confidence(place: Site | Edge, reached: Reach) -> Confidence:
    """Return how surely a place waits: where one of several may be called, all may differ."""
    if isinstance(place, Site):
        return place.confidence
    step = reached.step(place.callee)
    return weakest(place.confidence, step.confidence) if step is not None else Confidence.LOW


def _waits(site: Site) -> bool:
    return not WAITS.isdisjoint(site.effects) and site.kind != "exit"


def _is_meant(program: Program, hold: Hold, place: Site | Edge, reached: Reach) -> bool:
    """Return whether the lock is there so that this place runs only once, or not twice at a time.

    It fills what others then find filled, or what it asks cannot be used by two.
    """
    if _keeps_answer(program, hold, place):
        return True
    for step in reached.way(place):
        function = step.function
        if step is not place and _stores_after(function, step.sequence, -1):
            return True
    sink = sink_of(place, reached)
    return sink is not None and _serves_one(program, sink)


def _keeps_answer(program: Program, hold: Hold, place: Site | Edge) -> bool:
    """Return whether the block looks for an answer first, and keeps the one that it gets."""
    function = hold.function
    looks = any(
        context.kind in ("if", "while")
        and hold.start < context.sequence < place.sequence
        and function.is_within(number, hold.context)
        for number, context in enumerate(function.facts.contexts)
    )
    if not looks:
        return False
    if _stores_after(function, hold.start, hold.context):
        return True
    kept = [site for site in program.sites_of(function) if not KEEPS.isdisjoint(site.effects)]
    return any(hold.covers(site) for site in kept)


def _stores_after(function: FunctionNode, sequence: int, context: int) -> bool:
    """Return whether a block stores something that outlives the function."""
    local = {
        name
        for name in function.binds
        if name not in function.facts.outer_names and function.kind != "module"
    }
    for bind in function.facts.binds:
        if bind.sequence < sequence or not function.is_within(bind.context, context):
            continue
        target = bind.target
        if isinstance(target, t.Name) and target.id in function.facts.outer_names:
            return True
        if isinstance(target, t.Attr | t.Item) and _root(target) not in local:
            return True
    return False


def _root(value: t.Expr) -> str:
    while isinstance(value, t.Attr | t.Item):
        value = value.base
    return value.id if isinstance(value, t.Name) else ""


def _serves_one(program: Program, sink: Site) -> bool:
    """Return whether what is asked is one connection, kept beyond the call: two cannot use it."""
    if {"db.query", "db.write"}.isdisjoint(sink.effects) or sink.call is None:
        return False
    at = (sink.sequence, sink.context)
    local = set(sink.function.binds) - set(sink.function.facts.outer_names)
    if names(sink.function, sink.call.callee) & local:
        return any(
            _is_one_connection(program, sink.function, bind.value)
            for name in names(sink.function, sink.call.callee) & local
            for bind in sink.function.binds[name]
            if bind.value is not None
        )
    for part in parts(sink.function, sink.call.callee):
        for option in options_of(program.types.evaluate(sink.function, part, at)):
            if isinstance(option, LibraryInstance) and _is_asked(program, option, sink):
                return True
    return False


def _is_asked(program: Program, option: LibraryInstance, sink: Site) -> bool:
    behaviour = program.libraries.method(option.path, "acquire")
    return behaviour is None and option == sink.receiver


def _is_one_connection(program: Program, function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a local name comes from what an object or module keeps, such as a cursor."""
    return any(
        isinstance(part, t.Attr) and isinstance(part.base, t.Name) and part.base.id == "self"
        for part in parts(function, value)
    )


def _match(program: Program, hold: Hold, place: Site | Edge, reached: Reach) -> Match:
    function = hold.function
    exposure = program.exposure_of(function)
    sink = sink_of(place, reached)
    if sink is None:
        raise ValueError("a place that waits has a site that it waits for")
    waited = next(ASKED[effect] for effect in sink.effects if effect in ASKED)
    return Match(
        place.location,
        {
            "call": spelled(function, place.value),
            "function": function.facts.qualname,
            "held": hold.name,
            "what": waited,
            "sink": sink.name,
        },
        trace=(
            *exposure.chain,
            TraceStep(hold.location, f"{function.facts.qualname} takes {hold.name}"),
            *steps_of(place, reached),
        ),
        confidence=weakest(Confidence.MEDIUM, hold.confidence),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )
