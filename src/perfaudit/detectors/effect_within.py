"""Find effects in a context where they do not belong: the rules that data alone can say."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from perfaudit.core.effect import BLOCKING
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.reach import Reach, reach, site_step
from perfaudit.program.sites import WITH_KINDS, Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

WAITED_FOR = frozenset({"call", "task", "loop", "thread"})


def detect(program: "Program", options: Mapping[str, object]) -> Iterator[Match | Opportunity]:
    """Yield the places with one of the effects, written there or reached by calls, that stand
    ``within`` the context and in none of the ``unless`` contexts.

    Words: ``call``, ``function``, ``effect``, and ``sink``, the call that costs at the end.
    """
    effects = _texts(options["effect"])
    within, unless = str(options["within"]), _texts(options.get("unless", ()))
    reached = _reach(program, effects, within)
    for function in program.costly_or_calling(reached):
        for site in program.sites_of(function):
            if not _is_meant(site, effects):
                continue
            yield Opportunity(site.location, program.exposure_of(function).kind)
            if _is_wrong(program, site, within, unless):
                yield _match(program, site, site, effects, (site_step(site),))
        for edge in program.edges_from(function):
            sink = reached.site(edge.callee) if _follows(program, edge, within) else None
            if sink is not None and _is_wrong(program, edge, within, unless):
                yield Opportunity(edge.location, program.exposure_of(function).kind)
                yield _match(program, edge, sink, effects, _steps(edge, reached))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, Collection) else ()


def _is_meant(site: Site, effects: Collection[str]) -> bool:
    return (site.blocking and BLOCKING in effects) or not set(effects).isdisjoint(site.effects)


def _reach(program: "Program", effects: Collection[str], within: str) -> Reach:
    return reach(
        program.costly,
        program.sites_of,
        program.edges_to,
        counts=lambda site: _is_meant(site, effects),
        follows=lambda edge: _follows(program, edge, within),
    )


def _follows(program: "Program", edge: Edge, within: str) -> bool:
    if within == "endpoint" or edge.callee in program.memoised:
        # Whatever an endpoint reaches is reported where it is written.
        return False
    if within == "async_function":
        # A coroutine that is called has its own report; a thread does not hold the loop.
        return edge.how == "call" and not edge.callee.is_async
    return edge.how in WAITED_FOR


def _is_wrong(program: "Program", place: Site | Edge, within: str, unless: Collection[str]) -> bool:
    return _stands_in(program, place, within) and not any(
        _stands_in(program, place, context) for context in unless
    )


def _stands_in(program: "Program", place: Site | Edge, context: str) -> bool:
    function = place.function
    match context:
        case "async_function":
            return function.is_async
        case "endpoint":
            return program.exposure_of(function).kind == "endpoint"
        case "loop":
            is_repeated = isinstance(place, Edge) and place.each
            return is_repeated or bool(function.loops(place.context))
    return any(_is_transaction(program, function, n) for n in function.context_chain(place.context))


def _is_transaction(program: "Program", function: FunctionNode, number: int) -> bool:
    """Return whether a context is a ``with`` whose subject opens a transaction."""
    context = function.facts.contexts[number]
    if context.kind not in WITH_KINDS:
        return False
    subject = context.subject.value if isinstance(context.subject, t.Await) else context.subject
    return any(
        "db.transaction" in site.effects
        and (
            (site.kind == "enter" and site.sequence == context.sequence)
            or (site.kind == "call" and site.value == subject)
        )
        for site in program.sites_of(function)
    )


def _steps(edge: Edge, reached: Reach) -> tuple[TraceStep, ...]:
    caller, callee = edge.caller.facts.qualname, edge.callee.facts.qualname
    return (TraceStep(edge.location, f"{caller} calls {callee}"), *reached.trace(edge.callee))


def _match(
    program: "Program",
    place: Site | Edge,
    sink: Site,
    effects: Collection[str],
    steps: tuple[TraceStep, ...],
) -> Match:
    function = place.function
    exposure = program.exposure_of(function)
    named = [effect for effect in sink.effects if effect in effects] or sink.effects
    return Match(
        place.location,
        {
            "call": place.name,
            "function": function.facts.qualname,
            "effect": named[0],
            "sink": sink.name,
        },
        trace=(*exposure.chain, *steps),
        confidence=weakest(place.confidence, sink.confidence),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )
