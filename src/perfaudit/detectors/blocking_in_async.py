"""Find blocking calls in coroutines, written there or reached through plain functions."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Severity
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.blocking import Blocking, blocking_at, is_main, places_of
from perfaudit.program.exposure import Exposure
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import BLOCKING_KINDS, Program
from perfaudit.program.remedies import Remedies
from perfaudit.program.sites import Edge, Site

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
    remedies = Remedies(program)
    for function in program.functions:
        if not function.is_async:
            continue
        exposure = program.exposure_of(function)
        seen: set[tuple[int, int]] = set()
        for place in places_of(program, function):
            key = (place.location.line, place.location.column)
            if key in seen:
                continue
            blocked = blocking_at(program, function, place, RULES)
            kind = blocked.kind if blocked is not None else _sound_kind(place)
            if kind is not None:
                seen.add(key)
                yield Opportunity(place.location, exposure.kind, rule=RULES[kind])
            if blocked is not None:
                severity = _severity(program, function, exposure)
                yield _match(function, blocked, exposure, severity, remedies.for_place(blocked))


def _severity(program: Program, function: FunctionNode, exposure: Exposure) -> Severity | None:
    if exposure.kind == "unknown" and is_main(program, function):
        return Severity.LOW
    return CALMER.get(exposure.kind)


def _sound_kind(place: Site | Edge) -> str | None:
    """Return how a place waits without blocking, or None where it does not wait."""
    if not isinstance(place, Site) or place.blocking:
        return None
    for kind in RULES:
        if not BLOCKING_KINDS[kind].isdisjoint(place.effects):
            return kind
    return None


def _match(
    function: FunctionNode,
    blocked: Blocking,
    exposure: Exposure,
    severity: Severity | None,
    remedy: str,
) -> Match:
    return Match(
        blocked.place.location,
        {
            "call": expressions.spelled(function, blocked.place.value),
            "function": function.facts.qualname,
            "sink": blocked.sink_name,
            "through": blocked.through,
        },
        trace=(*exposure.chain, *blocked.steps),
        confidence=blocked.confidence,
        severity=severity,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=remedy,
        rule=RULES[blocked.kind],
    )
