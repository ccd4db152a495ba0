"""Find blocking calls in coroutines, written there or reached through plain functions."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Severity
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.blocking import (
    Blocking,
    blocking_at,
    is_one_message,
    places_of,
    severity_on_loop,
)
from perfaudit.program.exposure import SERVED, Exposure
from perfaudit.program.handles import handles_of
from perfaudit.program.hooks import is_shared_hook
from perfaudit.program.kept_for_all import runs_for_all
from perfaudit.program.makers import is_made_aside
from perfaudit.program.named_by_text import is_left_to_settings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.own_loops import is_in_job
from perfaudit.program.program import BLOCKING_KINDS, Program
from perfaudit.program.remedies import Remedies
from perfaudit.program.sites import Edge, Site

RULES = {
    "network": "blocking-call-in-async",
    "database": "sync-database-in-async",
    "sleep": "blocking-call-in-async",
    "file": "blocking-file-io-in-async",
    "cpu": "cpu-bound-in-async",
}
"""Kinds of blocking that are reported, the dearest first, and their rules."""

READS_CONSOLE = "reads-console"


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place of a coroutine that waits, and a match for each that makes the loop wait.

    A file that is opened and used in one coroutine is one place: where it is opened.
    """
    remedies = Remedies(program)
    for function in program.functions:
        if not function.is_async:
            continue
        exposure = program.exposure_of(function)
        waits = list(_waits(program, function))
        uses = _uses_of_files(function, [blocked for _, _, blocked in waits if blocked])
        used = {id(use) for each in uses.values() for use in each}
        for place, kind, blocked in waits:
            if id(blocked) in used:
                continue
            yield Opportunity(place.location, exposure.kind, rule=RULES[kind])
            if blocked is not None:
                reached = program.exposure_at(place)
                if READS_CONSOLE in blocked.sink.behaviour.flags and reached.kind not in SERVED:
                    continue
                alone = severity_on_loop(program, function, reached)
                severity = alone
                if alone is None and is_one_message(program, function, blocked):
                    severity = Severity.MEDIUM
                later = uses.get(id(blocked), [])
                if (
                    # Where the loop serves nobody else, it is not sure that anybody waits.
                    alone is not None
                    or _is_other_implementation(program, function, reached)
                    or program.once(is_in_job, function)
                    or program.once(runs_for_all, function)
                    or is_shared_hook(program, place, program.blocking_reach[kind])
                ):
                    blocked = blocked.less_sure()
                remedy = remedies.for_place(blocked)
                yield _match(function, blocked, later, reached, severity, remedy)


def _is_other_implementation(program: Program, function: FunctionNode, exposure: Exposure) -> bool:
    """Return whether it is not sure that what serves gets to a method: it uses other classes."""
    return (
        function.owner is not None
        and exposure.kind in SERVED
        and not exposure.endpoint
        and (
            is_made_aside(program, function.owner)
            or program.once(is_left_to_settings, function.owner)
        )
    )


def _waits(
    program: Program, function: FunctionNode
) -> Iterator[tuple[Site | Edge, str, Blocking | None]]:
    """Yield the places of a function that wait, their kinds, and how they block the loop if so."""
    seen: set[tuple[int, int]] = set()
    for place in places_of(program, function):
        key = (place.location.line, place.location.column)
        if key in seen:
            continue
        blocked = blocking_at(program, function, place, RULES)
        kind = blocked.kind if blocked is not None else _sound_kind(place)
        if kind is not None:
            seen.add(key)
            yield place, kind, blocked


def _uses_of_files(function: FunctionNode, found: list[Blocking]) -> dict[int, list[Blocking]]:
    """Return what is done later with the file that a place opens, by the opening's ``id``."""
    openings = [
        (blocked, handles_of(function, blocked.place.value))
        for blocked in found
        if isinstance(blocked.place, Site) and "opens" in blocked.place.behaviour.flags
    ]
    uses: dict[int, list[Blocking]] = {}
    for blocked in found:
        used = _names_used(blocked)
        before = [
            opening
            for opening, names in openings
            if names & used and opening.place.sequence < blocked.place.sequence
        ]
        if before:
            uses.setdefault(id(before[-1]), []).append(blocked)
    return uses


def _names_used(blocked: Blocking) -> set[str]:
    """Return the names that may be of the file which a place reads or writes."""
    call = blocked.place.call
    if blocked.kind != "file" or not isinstance(blocked.place, Site) or call is None:
        return set()
    values = [call.callee.base] if isinstance(call.callee, t.Attr) else []
    return {value.id for value in (*values, *call.arguments) if isinstance(value, t.Name)}


def _later(uses: int) -> str:
    """Return how a message tells of what is done later with a file."""
    if not uses:
        return ""
    return f", and {uses} later call{'s' if uses > 1 else ''} of the file"


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
    later: list[Blocking],
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
            "later": _later(len(later)),
        },
        trace=(*exposure.chain, *blocked.steps, *(step for use in later for step in use.steps)),
        confidence=blocked.confidence,
        severity=severity,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=remedy,
        rule=RULES[blocked.kind],
    )
