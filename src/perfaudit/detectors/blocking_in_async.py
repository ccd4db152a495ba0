"""Find blocking calls in coroutines, written there or reached through plain functions."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.exposure import Exposure
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.program import BLOCKING_KINDS, Program
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off

RULES = {
    "network": "blocking-call-in-async",
    "database": "sync-database-in-async",
    "file": "blocking-file-io-in-async",
    "cpu": "cpu-bound-in-async",
}
"""Kinds of blocking that are reported, the dearest first, and their rules."""

CALMER = {"startup": Severity.LOW, "command": Severity.LOW, "script": Severity.LOW}
"""Where nobody else waits for the loop, a blocked loop matters little."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place of a coroutine that waits, and a match for each that makes the loop wait."""
    for function in program.functions:
        if not function.is_async:
            continue
        exposure = program.exposure_of(function)
        seen: set[tuple[int, int]] = set()
        places: list[Site | Edge] = [*program.sites_of(function), *program.edges_from(function)]
        for place in places:
            kind = _kind(program, function, place)
            key = (place.location.line, place.location.column)
            if key in seen:
                continue
            if kind is not None:
                seen.add(key)
                yield Opportunity(place.location, exposure.kind, rule=RULES[kind])
                yield _match(program, function, place, kind, exposure)
                continue
            sound = _sound_kind(place)
            if sound is not None:
                seen.add(key)
                yield Opportunity(place.location, exposure.kind, rule=RULES[sound])


def _kind(program: Program, function: FunctionNode, place: Site | Edge) -> str | None:
    """Return the kind of blocking that a place of a coroutine causes, or None."""
    for kind in RULES:
        if kind == "file" and is_handler(function, place.context):
            # A file that is put away after an error does not belong to each request.
            continue
        if isinstance(place, Site):
            if (
                place.blocking
                and place.relation is None
                and not BLOCKING_KINDS[kind].isdisjoint(place.effects)
            ):
                return kind
        elif _runs_here(program, place) and place.callee in program.blocking_reach[kind]:
            if not is_switched_off(program, place, program.blocking_reach[kind]):
                return kind
    return None


def _runs_here(program: Program, edge: Edge) -> bool:
    """Return whether an edge runs a plain function on the thread of the loop."""
    return (
        edge.how == "call"
        and not edge.callee.is_async
        and edge.callee not in program.memoised
        and edge.via != "exit"
        and not _gives_twin(edge)
    )


def _gives_twin(edge: Edge) -> bool:
    """Return whether what a decorated plain function gives is awaited: its body does not run."""
    if edge.call is None or not edge.callee.facts.decorators:
        return False
    facts = edge.caller.facts
    held = {
        bind.target
        for bind in facts.binds
        if bind.value == edge.value and isinstance(bind.target, t.Name)
    }
    values = [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    awaited = {
        part.value
        for value in values
        for part in expressions.parts(edge.caller, value)
        if isinstance(part, t.Await)
    }
    return edge.call.awaited or bool(held & awaited)


def _sound_kind(place: Site | Edge) -> str | None:
    """Return how a place waits without blocking, or None where it does not wait."""
    if not isinstance(place, Site) or place.blocking:
        return None
    for kind in RULES:
        if not BLOCKING_KINDS[kind].isdisjoint(place.effects):
            return kind
    return None


def _match(
    program: Program, function: FunctionNode, place: Site | Edge, kind: str, exposure: Exposure
) -> Match:
    trace = list(exposure.chain)
    if isinstance(place, Site):
        sink = place
        confidence = place.confidence
        trace.append(site_step(place))
    else:
        reached = program.blocking_reach[kind]
        found = reached.site(place.callee)
        step = reached.step(place.callee)
        if found is None or step is None:
            raise ValueError("a function that reaches a site has a chain to it")
        sink = found
        confidence = weakest(place.confidence, step.confidence)
        trace.append(
            TraceStep(
                place.location, f"{function.facts.qualname} calls {place.callee.facts.qualname}"
            )
        )
        trace.extend(reached.trace(place.callee))
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "function": function.facts.qualname,
            "sink": sink.name if sink.kind == "call" else f"{sink.kind} of {sink.name}",
            "through": _through(place, sink),
        },
        trace=tuple(trace),
        confidence=confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        rule=RULES[kind],
    )


def _through(place: Site | Edge, sink: Site) -> str:
    """Return how the call leads to what blocks, or nothing where it is the same."""
    if isinstance(place, Site):
        return ""
    return f", through {sink.name} in {sink.function.facts.qualname}"
