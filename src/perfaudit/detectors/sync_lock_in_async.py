"""Find locks, queues and results of threads that a coroutine waits for on the event loop."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.blocking import Blocking, blocking_at, places_of, runs_here, severity_on_loop
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.expressions import argument, spelled
from perfaudit.program.holds import Hold, locks
from perfaudit.program.locks import LockName, lock_of
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode, is_handler
from perfaudit.program.outside import SHORT_SECONDS
from perfaudit.program.program import Program, is_usual
from perfaudit.program.reach import Reach, reach, site_step
from perfaudit.program.remedies import Remedies
from perfaudit.program.sites import Edge, Site
from perfaudit.program.waited_for import (
    is_waited_for,
    places,
    sink_of,
    waited_reach,
)

KINDS = ("thread",)
ASKS = "asks-for-loop"
"""The flag of a call that says whether an event loop runs on this thread."""
REENTRANT = "reentrant"
"""The flag of a lock that its own thread may take again."""
SLOW = frozenset(
    {"http.request", "db.query", "db.write", "db.connect", "process.spawn", "sleep", "thread.wait"}
)
OFF_THE_LOOP = frozenset({"thread", "process", "worker"})
ASKING = frozenset({"done", "empty", "poll", "is_alive", "is_set", "ready", "qsize"})
"""Methods that say whether there is anything to wait for."""
ONCE = re.compile(
    r"stop|shut|close|cancel|exit|terminate|cleanup|teardown|disconnect|kill|retire"
    r"|^_*(?:init|start|setup|launch|ensure|warm)|get_or_|once|drain"
)
"""Names of what runs at the begin or end of something, not again and again."""
MAX_STEPS = 5


class Contended(NamedTuple):
    """A lock that some function off the loop holds while it waits for something."""

    hold: Hold
    steps: tuple[TraceStep, ...]


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield what coroutines wait for of threads, and each wait that stops the event loop."""
    contended = _contended(program)
    taken = _taken(program, contended)
    remedies = Remedies(program)
    for function in program.functions:
        if not function.is_async:
            continue
        seen: set[tuple[int, int]] = set()
        for item in _of_function(program, function, contended, taken, remedies):
            key = (item.location.line, item.location.column)
            if key not in seen:
                seen.add(key)
                yield Opportunity(item.location, program.exposure_of(function).kind)
                yield item
        for site in program.sites_of(function):
            place = (site.location.line, site.location.column)
            if "lock" in site.effects and place not in seen:
                yield Opportunity(site.location, program.exposure_of(function).kind)


def _of_function(
    program: Program,
    function: FunctionNode,
    contended: dict[LockName, Contended],
    taken: Reach,
    remedies: Remedies,
) -> Iterator[Match]:
    yield from _held_over_await(program, function)
    for place in places_of(program, function):
        blocked = blocking_at(program, function, place, KINDS)
        if blocked is not None and not _is_harmless(program, blocked):
            yield _waiting(program, function, blocked, remedies.for_place(blocked))
        elif contended:
            remedy = remedies.on_thread(function, place)
            yield from _taking(program, function, place, contended, taken, remedy)


def _held_over_await(program: Program, function: FunctionNode) -> Iterator[Match]:
    """Yield the locks of threads that a coroutine holds while others may run on its loop."""
    for hold in locks(program, function):
        site = next(
            (
                site
                for site in program.sites_of(function)
                if "lock" in site.effects and site.blocking and site.sequence == hold.start
            ),
            None,
        )
        if site is None or REENTRANT in site.behaviour.flags:
            continue
        line = _first_await(function, hold)
        if line is not None:
            awaits = TraceStep(function.line(line), f"{function.facts.qualname} awaits")
            yield _match(
                program,
                function,
                hold.location,
                f"`{hold.name}` is a lock of threads, held over an await",
                "",
                (site_step(site), awaits),
                site.confidence,
                "Use a lock of the event loop in its place, or leave its block before the await.",
            )


def _first_await(function: FunctionNode, hold: Hold) -> int | None:
    facts = function.facts
    found = [
        (call.sequence, call.line)
        for call in facts.calls
        if call.awaited
        and hold.start < call.sequence < hold.end
        and function.is_within(call.context, hold.context)
    ]
    found += [
        (context.sequence, context.line)
        for context in facts.contexts
        if context.kind.startswith("async ")
        and hold.start < context.sequence < hold.end
        and function.is_within(context.parent, hold.context)
    ]
    return min(found)[1] if found else None


def _is_harmless(program: Program, blocked: Blocking) -> bool:
    """Return whether a wait is over at once, or belongs to the begin or end of something."""
    sink = blocked.sink
    if _is_bounded(sink) or _has_asked(sink) or _only_makes_coroutines(program, sink):
        return True
    way: list[Site | Edge] = [blocked.place]
    if isinstance(blocked.place, Edge):
        way = program.blocking_reach["thread"].way(blocked.place)
    if len(way) > MAX_STEPS or any(isinstance(p, Edge) and p.via == "callback" for p in way):
        return True
    return any(_is_aside(program, place) for place in way)


def _is_aside(program: Program, place: Site | Edge) -> bool:
    """Return whether a step of a way runs once, after an error, or where no loop runs."""
    function = place.function
    if ONCE.search(function.name.lower()) or is_handler(function, place.context):
        return True
    asked = [
        call.sequence
        for index, call in enumerate(function.facts.calls)
        if call.sequence < place.sequence and _asks_for_loop(program, function, index)
    ]
    return bool(asked) and any(
        leave.kind in ("return", "raise") and min(asked) < leave.sequence < place.sequence
        for leave in function.facts.exits
    )


def _asks_for_loop(program: Program, function: FunctionNode, index: int) -> bool:
    """Return whether a call, or the project function that it runs, asks for the running loop."""
    for target in program.types.call(function, index).targets:
        if target.behaviour is not None and ASKS in target.behaviour.flags:
            return True
        inner = target.function
        if inner is not None and any(
            found.behaviour is not None and ASKS in found.behaviour.flags
            for number in range(len(inner.facts.calls))
            for found in program.types.call(inner, number).targets
        ):
            return True
    return False


def _is_bounded(site: Site) -> bool:
    timeout = site.behaviour.timeout
    if timeout is None or site.call is None:
        return False
    spec = timeout.keyword or ""
    if timeout.position is not None:
        spec = f"{timeout.position}|{spec}"
    given = argument(site.call, spec)
    return (
        isinstance(given, t.Const)
        and isinstance(given.value, int | float)
        and given.value <= SHORT_SECONDS
    )


def _only_makes_coroutines(program: Program, site: Site) -> bool:
    """Return whether threads were given coroutine functions only: these run on the loop, later."""
    handed = {
        other.call
        for other in program.sites_of(site.function)
        if "offload" in other.effects and other.call is not None
    }
    given = [
        edge.callee.is_async
        for edge in program.edges_from(site.function)
        if edge.via == "callback" and edge.call in handed
    ]
    return bool(given) and all(given)


def _has_asked(site: Site) -> bool:
    """Return whether the code has asked before whether there is anything to wait for."""
    function = site.function
    callee = site.call.callee if site.call is not None else None
    base = callee.base if isinstance(callee, t.Attr) else None
    if base is None:
        return False
    walked = any(
        context.kind in LOOP_KINDS and context.target == base for context in function.facts.contexts
    )
    if walked:
        # The loop that gives futures one by one has waited for them.
        return True
    return any(
        isinstance(call.callee, t.Attr)
        and call.callee.name in ASKING
        and call.callee.base == base
        and call.sequence < site.sequence
        for call in function.facts.calls
    )


def _contended(program: Program) -> dict[LockName, Contended]:
    """Return the locks that are held, off the loop, while something is waited for."""
    takers = [
        function
        for function in program.functions
        if any("lock" in site.effects and site.blocking for site in program.sites_of(function))
    ]
    found: dict[LockName, Contended] = {}
    if not takers:
        return found
    off = _off_the_loop(program)
    reached = waited_reach(program, _is_slow)
    for function in takers:
        if function.is_async or function not in off:
            continue
        for hold in locks(program, function):
            lock = lock_of(program, function, hold.value, (hold.start, hold.context))
            slow = [
                place
                for place in places(program, function, reached, _is_slow)
                if hold.covers(place) and _is_each_time(hold, place)
            ]
            if lock is None or not slow or lock in found:
                continue
            sink, way = sink_of(slow[0], reached), reached.way(slow[0])
            if (
                sink is not None
                and len(way) <= MAX_STEPS
                and not any(_is_aside(program, place) for place in way)
            ):
                held = f"{function.facts.qualname} holds {hold.name} meanwhile"
                found[lock] = Contended(hold, (TraceStep(hold.location, held), site_step(sink)))
    return found


def _is_each_time(hold: Hold, place: Site | Edge) -> bool:
    """Return whether a place under a lock keeps it: not only the first time, nor by letting it go.

    A condition gives up its lock while it waits.
    """
    if isinstance(place, Site) and place.call is not None:
        callee = place.call.callee
        if isinstance(callee, t.Attr) and callee.base == hold.value:
            return False
    return standing(hold.function, place.context, place.sequence) is not Standing.STATE


def _is_slow(site: Site) -> bool:
    return site.blocking and site.kind != "exit" and not SLOW.isdisjoint(site.effects)


def _off_the_loop(program: Program) -> set[FunctionNode]:
    """Return the plain functions that run in threads: handed to one, or so dispatched."""
    found = {
        edge.callee
        for function in program.functions
        for edge in program.edges_from(function)
        if edge.how in OFF_THE_LOOP and not edge.callee.is_async
    }
    found |= {
        item.handler
        for item in program.endpoints
        if item.dispatch == "thread" and not item.handler.is_async
    }
    waiting = list(found)
    while waiting:
        for edge in program.edges_from(waiting.pop()):
            if edge.how == "call" and not edge.callee.is_async and edge.callee not in found:
                found.add(edge.callee)
                waiting.append(edge.callee)
    return found


def _taken(program: Program, contended: dict[LockName, Contended]) -> Reach:
    """Return which functions take a contended lock on the thread that they run on."""
    return reach(
        program.costly if contended else (),
        program.sites_of,
        program.edges_to,
        counts=lambda site: (
            _lock_at(program, site) in contended and is_usual(site.function, site.context)
        ),
        follows=lambda edge: (
            runs_here(program, edge) and is_waited_for(edge) and is_usual(edge.caller, edge.context)
        ),
    )


def _lock_at(program: Program, site: Site) -> LockName | None:
    if "lock" not in site.effects or not site.blocking:
        return None
    value = site.value
    if site.call is not None and isinstance(site.call.callee, t.Attr):
        value = site.call.callee.base
    return lock_of(program, site.function, value, (site.sequence, site.context))


def _taking(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    contended: dict[LockName, Contended],
    taken: Reach,
    remedy: str,
) -> Iterator[Match]:
    if isinstance(place, Edge):
        if place.callee not in taken or not runs_here(program, place):
            return
        sink = taken.site(place.callee)
        called = f"{function.facts.qualname} calls {place.callee.facts.qualname}"
        steps = (TraceStep(place.location, called), *taken.trace(place.callee))
    else:
        sink, steps = place, (site_step(place),)
    lock = _lock_at(program, sink) if sink is not None else None
    if sink is None or lock is None or lock not in contended:
        return
    holder = contended[lock]
    if holder.hold.function is sink.function:
        # That function blocks for longer than its lock: what it does is another finding.
        return
    name = holder.hold.function.facts.qualname
    yield _match(
        program,
        function,
        place.location,
        f"`{spelled(function, place.value)}` waits for a lock that {name} holds while it waits",
        "",
        (*steps, *holder.steps),
        weakest(Confidence.MEDIUM, place.confidence),
        remedy,
    )


def _waiting(program: Program, function: FunctionNode, blocked: Blocking, remedy: str) -> Match:
    sure = Confidence.MEDIUM if _waits_at_need(blocked.sink) else Confidence.HIGH
    return _match(
        program,
        function,
        blocked.place.location,
        f"`{spelled(function, blocked.place.value)}` waits for another thread",
        blocked.through,
        blocked.steps,
        weakest(blocked.confidence, sure),
        remedy,
    )


def _waits_at_need(sink: Site) -> bool:
    """Return whether a wait is the body of a ``while`` whose test may well not hold at all."""
    contexts = sink.function.facts.contexts
    return any(
        contexts[step].kind == "while" and not isinstance(contexts[step].subject, t.Const)
        for step in sink.function.context_chain(sink.context)
    )


def _match(
    program: Program,
    function: FunctionNode,
    location: Location,
    what: str,
    through: str,
    steps: tuple[TraceStep, ...],
    confidence: Confidence,
    remedy: str,
) -> Match:
    exposure = program.exposure_of(function)
    return Match(
        location,
        {"what": what, "function": function.facts.qualname, "through": through},
        trace=(*exposure.chain, *steps),
        confidence=confidence,
        severity=severity_on_loop(program, function, exposure),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=remedy,
    )
