"""Find sleeps that a request waits for."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import label_of
from perfaudit.program.expressions import parts, spelled
from perfaudit.program.loops import Walk, walk_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.outside import SHORT_SECONDS, seconds_of
from perfaudit.program.program import Program, is_usual
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.waited_for import is_waited_for

ENTERED = frozenset({"route", "middleware"})
OVER_DATA = frozenset({Walk.DATA, Walk.CHUNKS, Walk.INFRASTRUCTURE, Walk.FEW_ITEMS})
STAND_IN = re.compile(
    r"debug|\bdev|test|demo|mock|fake|dummy|simulat|local|stub|dry_?run|sandbox|sqlite|win32|windows"
)
"""Words of a test, or of a function, that stands in for something in development."""
PACING = re.compile(
    r"retry|retries|backoff|attempt|throttl|rate_?limit|too_many|poll|jitter|cooldown|delay"
    r"|\b(?:429|502|503|504)\b"
)
"""Words of what is asked again later."""
FIRST_USE = re.compile(r"running|started|initiali[sz]ed|ready|connected|loaded|alive|exists")
"""Words of a test whose denial is made good once."""


class Way(NamedTuple):
    """How a request comes to a function: its endpoint, and the last call."""

    endpoint: Endpoint
    edge: Edge | None
    confidence: Confidence


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the sleeps on the paths of requests, and a match for each that makes one wait."""
    ways = _ways(program)
    for function in program.costly:
        for site in program.sites_of(function):
            if "sleep" not in site.effects or function not in ways or site.kind != "call":
                continue
            yield Opportunity(site.location, "endpoint")
            seconds = seconds_of(program, site)
            if seconds is not None and seconds >= SHORT_SECONDS and not _is_meant(program, site):
                yield _match(site, seconds, ways)


def _ways(program: Program) -> dict[FunctionNode, Way]:
    """Return the functions that requests wait for, by the shortest chains."""
    found: dict[FunctionNode, Way] = {}
    waiting: deque[FunctionNode] = deque()
    for endpoint in program.endpoints:
        if endpoint.kind not in ENTERED:
            continue
        for function in (endpoint.handler, *endpoint.dependencies):
            if function not in found and _is_followed(program, function):
                found[function] = Way(endpoint, None, Confidence.HIGH)
                waiting.append(function)
    while waiting:
        function = waiting.popleft()
        here = found[function]
        for edge in program.edges_from(function):
            if edge.callee in found or not _is_followed(program, edge.callee):
                continue
            if is_waited_for(edge) and _is_serious(program, function, edge.context):
                confidence = weakest(here.confidence, edge.confidence)
                found[edge.callee] = Way(here.endpoint, edge, confidence)
                waiting.append(edge.callee)
    return found


def _is_followed(program: Program, function: FunctionNode) -> bool:
    """Return whether a function answers at once: a generator streams, and may take its time."""
    if function.facts.is_generator or function in program.memoised:
        return False
    return not STAND_IN.search(function.name.lower())


def _is_serious(program: Program, function: FunctionNode, context: int) -> bool:
    """Return whether a place runs as a rule: not after an error, nor in development alone."""
    if not is_usual(function, context):
        return False
    return not any(
        STAND_IN.search(_words(function, subject))
        for step in function.context_chain(context)
        if (subject := function.facts.contexts[step].subject) is not None
        and function.facts.contexts[step].kind in ("if", "else", "match")
    )


def _words(function: FunctionNode, value: t.Expr) -> str:
    found = []
    for part in parts(function, value):
        if isinstance(part, t.Name):
            found.append(part.id)
        elif isinstance(part, t.Attr):
            found.append(part.name)
        elif isinstance(part, t.Const):
            found.append(str(part.value))
    return " ".join(found).lower()


def _is_meant(program: Program, site: Site) -> bool:
    """Return whether a sleep waits for something, slows down guesses, or is not the rule."""
    function = site.function
    if not _is_serious(program, function, site.context) or PACING.search(function.name.lower()):
        return True
    given = site.call.arguments if site.call is not None else ()
    if any(PACING.search(_words(function, value)) for value in given):
        return True
    return (
        any(_asks_again(program, function, loop) for loop in function.loops(site.context))
        or any(_is_exception(function, step) for step in function.context_chain(site.context))
        or _is_refused(function, site)
        or _is_last(function, site)
    )


def _asks_again(program: Program, function: FunctionNode, loop: int) -> bool:
    """Return whether a loop waits until something is there, or tries until it works."""
    if walk_of(program, function, loop) not in OVER_DATA:
        return True
    return any(
        leave.kind in ("break", "return") and function.is_within(leave.context, loop)
        for leave in function.facts.exits
    )


def _is_exception(function: FunctionNode, step: int) -> bool:
    """Return whether a block runs when others are busy, or when something was not started yet."""
    context = function.facts.contexts[step]
    if context.kind not in ("if", "else", "match") or context.subject is None:
        return False
    words = _words(function, context.subject)
    if PACING.search(words):
        return True
    denied = any(isinstance(part, t.Not) for part in parts(function, context.subject))
    return denied and FIRST_USE.search(words) is not None


def _is_refused(function: FunctionNode, site: Site) -> bool:
    """Return whether the block of a sleep ends in an error: it slows down who may not pass."""
    contexts = function.facts.contexts
    for step in function.context_chain(site.context):
        if contexts[step].kind not in ("if", "else", "match"):
            continue
        for leave in function.facts.exits:
            if leave.context == step and leave.kind in ("raise", "continue", "return"):
                return True
    return False


def _is_last(function: FunctionNode, site: Site) -> bool:
    """Return whether a process ends after a sleep, so that its answer can leave before."""
    return any(
        call.sequence > site.sequence
        and isinstance(call.callee, t.Attr)
        and call.callee.name in ("_exit", "exit", "kill", "execv", "execl", "raise_signal")
        for call in function.facts.calls
    )


def _match(site: Site, seconds: float, ways: dict[FunctionNode, Way]) -> Match:
    function = site.function
    way = ways[function]
    label = label_of(way.endpoint)
    return Match(
        site.location,
        {
            "call": spelled(function, site.value),
            "function": function.facts.qualname,
            "seconds": f"{seconds:g}",
            "endpoint": label,
        },
        trace=(*_chain(function, ways), site_step(site)),
        confidence=weakest(way.confidence, site.confidence),
        function=function.qualname,
        endpoint=label,
        exposure="endpoint",
        role=function.role,
    )


def _chain(function: FunctionNode, ways: dict[FunctionNode, Way]) -> list[TraceStep]:
    steps: list[TraceStep] = []
    way = ways[function]
    while way.edge is not None:
        names = way.edge.caller.facts.qualname, way.edge.callee.facts.qualname
        steps.append(TraceStep(way.edge.location, f"{names[0]} calls {names[1]}"))
        function = way.edge.caller
        way = ways[function]
    entered = f"{label_of(way.endpoint)} enters {function.facts.qualname}"
    steps.append(TraceStep(function.location, entered))
    return steps[::-1]
