"""What the awaits of a coroutine wait for."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import expressions
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import is_usual
from perfaudit.program.reach import Reach, reach
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off
from perfaudit.program.values import (
    LibraryMethod,
    LibrarySymbol,
    Type,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

HTTP = frozenset({"http.request"})
HOLDING = frozenset({"lock", "queue.wait", "thread.wait"})
ORDERED = frozenset({"db.write", "cache.write", "queue.send", "file.write", "process.spawn"})
"""Effects that others may see: what comes after may rely on them."""
ELSEWHERE = frozenset({"thread", "process"})


class Wait(Struct, frozen=True):
    """A call that a coroutine awaits, and the places that it runs.

    ``call`` is the call that does the work, ``outer`` the one under ``await``: they differ in
    ``await wait_for(work(), 5)``. ``entered``: it is the subject of an ``async with``.
    """

    function: FunctionNode
    call: int
    outer: int
    entered: bool
    places: tuple[Site | Edge, ...]
    location: Location
    context: int
    sequence: int

    @property
    def value(self) -> t.Expr:
        """Return the awaited expression."""
        return t.CallRef(self.outer)


def waits_of(program: "Program", function: FunctionNode) -> list[Wait]:
    """Return the awaited calls of a coroutine that cost something or run project code, in order."""
    if not function.is_async:
        return []
    awaited = _awaited_calls(program, function)
    entered = _entered_calls(function)
    found: dict[int, list[Site | Edge]] = {}
    places: list[Site | Edge] = [*program.sites_of(function), *program.edges_from(function)]
    for place in places:
        value = place.value
        if isinstance(value, t.CallRef) and _waits(program, place, value.index, awaited, entered):
            found.setdefault(value.index, []).append(place)
    for site in _handed_over(program, function, awaited):
        if isinstance(site.value, t.CallRef):
            found.setdefault(site.value.index, []).append(site)
    return [
        _wait(function, index, awaited.get(index), places)
        for index, places in sorted(found.items())
    ]


def _wait(function: FunctionNode, index: int, outer: int | None, places: list[Site | Edge]) -> Wait:
    call = function.facts.calls[index]
    return Wait(
        function=function,
        call=index,
        outer=index if outer is None else outer,
        entered=outer is None,
        places=tuple(places),
        location=function.place(call),
        context=call.context,
        sequence=call.sequence,
    )


def _awaited_calls(program: "Program", function: FunctionNode) -> Mapping[int, int]:
    """Return the calls whose work is awaited, each with the call under ``await``."""
    found: dict[int, int] = {}
    for index, call in enumerate(function.facts.calls):
        if not call.awaited:
            continue
        found[index] = index
        for target in program.types.call(function, index).targets:
            for callback in target.behaviour.runs if target.behaviour is not None else ():
                given = expressions.argument(call, callback.argument)
                if callback.where == "loop" and isinstance(given, t.CallRef):
                    found[given.index] = index
    return found


def _handed_over(
    program: "Program", function: FunctionNode, awaited: Mapping[int, int]
) -> Iterator[Site]:
    """Yield what awaited calls cost that hand a function of a library to a thread."""
    for index in awaited:
        call = function.facts.calls[index]
        for target in program.types.call(function, index).targets:
            for callback in target.behaviour.runs if target.behaviour is not None else ():
                given = expressions.argument(call, callback.argument)
                if callback.where not in ELSEWHERE or given is None:
                    continue
                handed = program.types.evaluate(function, given, (call.sequence, call.context))
                behaviour = _behaviour_of(program, handed)
                if behaviour is not None and behaviour.effects:
                    yield _site_elsewhere(function, index, handed, behaviour)


def _behaviour_of(program: "Program", value: Type) -> Behaviour | None:
    match value:
        case LibraryMethod(behaviour=behaviour):
            return behaviour
        case LibrarySymbol(path=path):
            return program.libraries.function(path)
    return None


def _site_elsewhere(function: FunctionNode, index: int, handed: Type, behaviour: Behaviour) -> Site:
    call = function.facts.calls[index]
    return Site(
        function=function,
        kind="call",
        name=behaviour.path,
        effects=behaviour.effects,
        blocking=False,
        location=function.place(call),
        context=call.context,
        sequence=call.sequence,
        behaviour=behaviour,
        receiver=handed.receiver if isinstance(handed, LibraryMethod) else None,
        call=call,
        value=t.CallRef(index),
        sql=None,
        confidence=Confidence.HIGH,
    )


def _entered_calls(function: FunctionNode) -> frozenset[int]:
    return frozenset(
        context.subject.index
        for context in function.facts.contexts
        if context.kind == "async with" and isinstance(context.subject, t.CallRef)
    )


def _waits(
    program: "Program",
    place: Site | Edge,
    index: int,
    awaited: Mapping[int, int],
    entered: frozenset[int],
) -> bool:
    if isinstance(place, Site):
        return (
            place.kind == "call"
            and not place.blocking
            and place.relation is None
            and (index in awaited or index in entered)
        )
    return (
        index in awaited
        and place.via in ("call", "callback")
        and place.how in ("call", "thread", "process", "loop")
        and place.callee not in program.memoised
    )


def place_reaching(program: "Program", wait: Wait, effects: frozenset[str]) -> Site | Edge | None:
    """Return the place of an await that reaches one of some effects, the nearest, or None."""
    best: Site | Edge | None = None
    distance = -1
    for place in wait.places:
        if isinstance(place, Site):
            if not effects.isdisjoint(place.effects):
                return place
            continue
        reached = program.reach_of(effects)
        step = reached.step(place.callee)
        if step is None or is_switched_off(program, place, reached):
            continue
        if best is None or step.distance < distance:
            best, distance = place, step.distance
    return best


def sink_of(program: "Program", place: Site | Edge, effects: frozenset[str]) -> Site:
    """Return the site that costs at the end of the chain from a place."""
    if isinstance(place, Site):
        return place
    found = program.reach_of(effects).site(place.callee)
    if found is None:
        raise ValueError("a place that reaches an effect has a chain to it")
    return found


def chain_of(program: "Program", place: Site | Edge, effects: frozenset[str]) -> list[Edge]:
    """Return the edges from a place to the site that costs, the place's own first."""
    if isinstance(place, Site):
        return []
    steps = program.reach_of(effects).chain(place.callee)
    return [place, *(step.edge for step in steps if step.edge is not None)]


def confidence_of(program: "Program", place: Site | Edge, effects: frozenset[str]) -> Confidence:
    """Return how surely a place reaches an effect."""
    if isinstance(place, Site):
        return place.confidence
    step = program.reach_of(effects).step(place.callee)
    return Confidence.LOW if step is None else weakest(place.confidence, step.confidence)


def blocks(program: "Program", place: Site | Edge, effects: frozenset[str]) -> bool:
    """Return whether the thread of the caller stands still while a place waits for an effect."""
    if any(edge.how in ELSEWHERE for edge in chain_of(program, place, effects)):
        return False
    return sink_of(program, place, effects).blocking


def is_waited_for(program: "Program", place: Site | Edge, effects: frozenset[str]) -> bool:
    """Return whether nothing on the way to an effect goes off as a task that nobody gathers."""
    return not any(
        edge.how == "task" and not gathers(program, edge.caller)
        for edge in chain_of(program, place, effects)[1:]
    )


def gathers(program: "Program", function: FunctionNode) -> bool:
    """Return whether a function waits for several tasks or coroutines at a time."""
    return any(
        target.behaviour is not None and "gathers" in target.behaviour.flags
        for index in range(len(function.facts.calls))
        for target in program.types.call(function, index).targets
    )


def ordered_reach(program: "Program") -> Reach:
    """Return which functions reach something whose order may matter to others.

    That is a write, a message, or a request that is not known to leave the server as it was.
    """

    def counts(site: Site) -> bool:
        return is_ordered(site) and is_usual(site.function, site.context)

    def follows(edge: Edge) -> bool:
        return edge.how in ("call", "task", "loop", "thread") and is_usual(
            edge.caller, edge.context
        )

    return reach(program.costly, program.sites_of, program.edges_to, counts=counts, follows=follows)


def is_ordered(site: Site) -> bool:
    """Return whether others may see that a site has run: see ``ordered_reach``."""
    if not ORDERED.isdisjoint(site.effects):
        return True
    return "http.request" in site.effects and not is_order_free(site)


def is_order_free(site: Site) -> bool:
    """Return whether a remote call is known to leave the server as it was."""
    if "order-free" in site.behaviour.flags:
        return True
    if "method-argument" not in site.behaviour.flags or site.call is None:
        return False
    given = expressions.argument(site.call, "0|method")
    return isinstance(given, t.Const) and str(given.value).upper() in ("GET", "HEAD", "OPTIONS")


def entered_around(program: "Program", function: FunctionNode, context: int) -> Iterator[Site]:
    """Yield what entering the ``with`` blocks around a place costs, the innermost first."""
    contexts = function.facts.contexts
    for step in function.context_chain(context):
        if contexts[step].kind not in ("with", "async with"):
            continue
        for site in program.sites_of(function):
            if site.kind in ("enter", "call") and _enters(site, contexts[step]):
                yield site


def _enters(site: Site, context: t.Context) -> bool:
    if site.kind == "enter":
        return site.sequence == context.sequence
    return site.value == context.subject


def holds_lock(program: "Program", place: Site | Edge, effects: frozenset[str]) -> bool:
    """Return whether the way from a place to an effect holds a lock: one at a time goes through."""
    for edge in chain_of(program, place, effects)[1:]:
        if any(
            "lock" in site.effects for site in entered_around(program, edge.caller, edge.context)
        ):
            return True
    sink = sink_of(program, place, effects)
    return place is not sink and any(
        "lock" in site.effects for site in entered_around(program, sink.function, sink.context)
    )


def root_of(function: FunctionNode, value: t.Expr) -> str | None:
    """Return the bare name that an access path begins with, or None."""
    while True:
        match value:
            case t.Name(id=name):
                return name
            case t.Attr(base=base) | t.Item(base=base):
                value = base
            case t.CallRef(index=index):
                value = function.facts.calls[index].callee
            case t.Await(value=inner) | t.Entered(value=inner) | t.Star(value=inner):
                value = inner
            case _:
                return None


def is_look_up(site: Site) -> bool:
    """Return whether a site only asks for the address of a name: the answer is kept near by."""
    return "name-look-up" in site.behaviour.flags


def sleeps_within(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether each pass of a loop pauses, so that it does not go too fast."""
    sleeping = frozenset({"sleep"})
    reached = program.reach_of(sleeping)
    for site in program.sites_of(function):
        if "sleep" in site.effects and function.is_within(site.context, loop):
            return True
    return any(
        function.is_within(edge.context, loop)
        and edge.callee in reached
        and _always_pauses(reached, edge.callee)
        for edge in program.edges_from(function)
    )


def _always_pauses(reached: Reach, callee: FunctionNode) -> bool:
    """Return whether a function pauses once on each run: neither a retry nor a wait for a job."""
    for step in reached.chain(callee):
        here = step.place
        if here.function.loops(here.context):
            return False
        if standing(here.function, here.context, here.sequence) is not Standing.ALWAYS:
            return False
    return True
