"""What a function waits for: the calls that must be done before it goes on."""

from collections.abc import Callable, Iterator

from perfaudit.core.finding import TraceStep
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode
from perfaudit.program.program import Program, is_usual
from perfaudit.program.reach import Reach, reach, site_step
from perfaudit.program.sites import WITH_KINDS, Edge, Site
from perfaudit.program.switches import has_open_way

THREADS = frozenset({"thread", "process", "loop"})


def is_waited_for(edge: Edge) -> bool:
    """Return whether the caller goes on only when what an edge runs is done.

    Not where a coroutine becomes a task that nobody awaits, nor where a thread is only started.
    """
    if edge.how in THREADS:
        return edge.call is not None and (edge.call.awaited or _is_awaited(edge))
    if edge.how != "call":
        return False
    if edge.via != "call" or not (edge.callee.is_async or edge.callee.facts.is_generator):
        return edge.via != "exit"
    if edge.callee.facts.is_generator:
        return _is_walked(edge.caller, edge.value) or _is_returned(edge)
    return _is_awaited(edge) or _is_returned(edge)


def _is_awaited(edge: Edge) -> bool:
    if edge.call is not None and edge.call.awaited:
        return True
    awaited = _awaited(edge.caller)
    if edge.value in awaited:
        return True
    return any(
        bind.target in awaited and edge.value in expressions.parts(edge.caller, bind.value)
        for bind in edge.caller.facts.binds
        if isinstance(bind.target, t.Name) and bind.value is not None
    )


def _awaited(function: FunctionNode) -> set[t.Expr]:
    """Return the expressions that stand under some ``await``, also as arguments of what does."""
    facts = function.facts
    roots: list[t.Expr] = []
    for call in facts.calls:
        if call.awaited:
            roots += call.given
    values = [bind.value for bind in facts.binds] + [item.value for item in facts.results]
    for value in values:
        if value is not None:
            parts = expressions.parts(function, value)
            roots += (part.value for part in parts if isinstance(part, t.Await))
    return {part for root in roots for part in expressions.parts(function, root)}


def _is_returned(edge: Edge) -> bool:
    """Return whether a plain function hands on a coroutine or generator: its caller waits for it.

    What a coroutine returns is not awaited by awaiting it.
    """
    return any(
        item.value is not None and edge.value == item.value for item in edge.caller.facts.results
    ) and not (edge.caller.is_async and edge.callee.is_async)


def _is_walked(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a loop walks what a generator gives, or a ``with`` enters it."""
    return any(
        context.subject == value and (context.kind in LOOP_KINDS or context.kind in WITH_KINDS)
        for context in function.facts.contexts
    )


def waited_reach(
    program: Program,
    counts: Callable[[Site], bool],
    follows: Callable[[Edge], bool] = is_waited_for,
) -> Reach:
    """Return which functions reach a site that counts before they return, as a rule.

    What runs only after an exception, or only where a kept answer is missing, is left out.
    """
    return program.once(_waited_reach, counts, follows)


def _waited_reach(
    program: Program, counts: Callable[[Site], bool], follows: Callable[[Edge], bool]
) -> Reach:
    memoised = program.memoised
    return reach(
        program.costly,
        program.sites_of,
        program.edges_to,
        counts=lambda site: (
            site.relation is None and counts(site) and is_usual(site.function, site.context)
        ),
        follows=lambda edge: (
            follows(edge) and edge.callee not in memoised and is_usual(edge.caller, edge.context)
        ),
    )


def places(
    program: Program, function: FunctionNode, reached: Reach, counts: Callable[[Site], bool]
) -> Iterator[Site | Edge]:
    """Yield the places of a function that wait for a site that counts, in order of running.

    A call that leaves off what its way to the site needs is none of them.
    """

    def ways_on(callee: FunctionNode) -> list[Site | Edge]:
        return _waiting(program, callee, reached, counts)

    found = [
        place
        for place in ways_on(function)
        if isinstance(place, Site) or has_open_way(program, place, reached, ways_on)
    ]
    found.sort(key=lambda place: place.sequence)
    yield from found


def _waiting(
    program: Program, function: FunctionNode, reached: Reach, counts: Callable[[Site], bool]
) -> list[Site | Edge]:
    """Return the sites of a function that count, and what leads to others, as a rule."""
    found: list[Site | Edge] = [
        site
        for site in program.sites_of(function)
        if site.relation is None and counts(site) and is_usual(function, site.context)
    ]
    found += [
        edge
        for edge in program.edges_from(function)
        if edge.callee in reached
        and edge.callee not in program.memoised
        and is_waited_for(edge)
        and is_usual(function, edge.context)
    ]
    return found


def sink_of(place: Site | Edge, reached: Reach) -> Site | None:
    """Return the site at the end of a place's chain: the place itself, or what it reaches."""
    return place if isinstance(place, Site) else reached.site(place.callee)


def steps_of(place: Site | Edge, reached: Reach) -> tuple[TraceStep, ...]:
    """Return the steps of a report from a place to the site that it reaches."""
    if isinstance(place, Site):
        return (site_step(place),)
    names = place.caller.facts.qualname, place.callee.facts.qualname
    first = TraceStep(place.location, f"{names[0]} calls {names[1]}")
    return (first, *reached.trace(place.callee))
