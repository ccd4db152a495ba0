"""Find plain functions that block although a framework or the event loop itself runs them on it."""

from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import BY_HAND, Exposure, label_of
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.occasions import begins_or_ends
from perfaudit.program.own_loops import starts_loop
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach, Step
from perfaudit.program.sites import Edge
from perfaudit.program.switches import is_switched_off

KINDS = ("network", "database", "sleep", "cpu", "file")
"""Kinds of blocking, the dearest first."""

CALMER = dict.fromkeys(BY_HAND, Severity.LOW)
"""Where nobody else waits for the loop, a blocked loop matters little."""

LESSER = frozenset({"cpu", "file"})
"""Kinds of blocking that are shorter as a rule."""

ENTERED = frozenset({"route", "websocket", "middleware", "error-handler", "consumer", "task"})
"""Kinds of entry points that run while others wait for the loop."""


class Run(NamedTuple):
    """A plain function that is run on the event loop: by whom, and how that is known."""

    function: FunctionNode
    runner: str
    step: TraceStep
    exposure: Exposure
    confidence: Confidence
    severity: Severity | None
    when_ready: bool = False
    """The loop runs it when a descriptor can be read or written: doing so takes no time then."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each plain function that is run on the loop, and a match for each that blocks it."""
    runs: dict[FunctionNode, Run] = {}
    for run in (*_handlers(program), *_callbacks(program)):
        if run.function not in runs and not _is_called_by_coroutine(program, run.function):
            runs[run.function] = run
    for run in runs.values():
        match = _judge(program, run, runs)
        place = match.location if match is not None else run.function.location
        yield Opportunity(place, run.exposure.kind)
        if match is not None:
            yield match


def _handlers(program: Program) -> Iterator[Run]:
    """Yield the plain handlers of frameworks that neither thread them nor demand coroutines."""
    for endpoint in program.endpoints:
        severity = None if endpoint.kind in ENTERED else Severity.LOW
        if endpoint.dispatch == "event-loop":
            yield from _handler(program, endpoint, endpoint.handler, severity)
        if _runs_hooks_on_loop(program, endpoint):
            for hook in endpoint.dependencies:
                yield from _handler(program, endpoint, hook, severity)


def _handler(
    program: Program, endpoint: Endpoint, function: FunctionNode, severity: Severity | None
) -> Iterator[Run]:
    if function.is_async or function.kind != "function":
        return
    exposure = program.exposure_of(function)
    runner = endpoint.framework.removeprefix("stdlib_")
    step = TraceStep(
        function.location,
        f"{label_of(endpoint)}: {runner} runs {function.facts.qualname} on the event loop",
    )
    yield Run(function, runner, step, exposure, Confidence.HIGH, severity)


def _runs_hooks_on_loop(program: Program, endpoint: Endpoint) -> bool:
    """Return whether the other methods of a view class run on the loop; injected ones may not."""
    return any(
        framework.library == endpoint.framework
        and framework.dispatch.get("sync") == "event-loop"
        and not framework.dependencies
        for framework in program.libraries.frameworks
    )


def _callbacks(program: Program) -> Iterator[Run]:
    """Yield the plain functions that calls hand to the loop."""
    for function in program.functions:
        for edge in program.edges_from(function):
            if edge.how != "loop" or edge.callee.is_async or _begins_loop(program, edge):
                continue
            exposure = program.exposure_of(edge.callee)
            step = TraceStep(
                edge.location,
                f"{edge.name} has the event loop run {edge.callee.facts.qualname}",
            )
            severity = CALMER.get(exposure.kind)
            when_ready = _has_flag(program, edge, "when-ready")
            yield Run(edge.callee, edge.name, step, exposure, edge.confidence, severity, when_ready)


def _begins_loop(program: Program, edge: Edge) -> bool:
    """Return whether the loop is there for this function alone, or runs it when all is over."""
    return _has_flag(program, edge, "on-signal") or any(
        starts_loop(program, edge.caller, index) for index in _calls_given(edge)
    )


def _has_flag(program: Program, edge: Edge, flag: str) -> bool:
    """Return whether the call that hands a function over does so in a way that a library names."""
    return any(
        program.types.call(edge.caller, index).has_flag(flag) for index in _calls_given(edge)
    )


def _calls_given(edge: Edge) -> Iterator[int]:
    """Yield the calls that hand a function over."""
    for index, call in enumerate(edge.caller.facts.calls):
        if call is edge.call or edge.value in call.arguments:
            yield index


def _is_called_by_coroutine(program: Program, function: FunctionNode) -> bool:
    """Return whether a coroutine calls a function: then that call is reported."""
    return any(edge.how == "call" and edge.caller.is_async for edge in program.edges_to(function))


def _judge(program: Program, run: Run, runs: dict[FunctionNode, Run]) -> Match | None:
    for kind in KINDS:
        reached = program.blocking_reach[kind]
        step = reached.step(run.function)
        if step is None or (kind == "file" and not _is_serving(run, step)):
            continue
        edge = step.edge
        if edge is not None and (edge.callee in runs or is_switched_off(program, edge, reached)):
            continue
        sink = reached.site(run.function)
        place = step.site or edge
        if sink is None or place is None or (run.when_ready and step.site is not None):
            continue
        through = "" if edge is None else f", through {sink.name} in {sink.function.facts.qualname}"
        return Match(
            place.location,
            {
                "call": expressions.spelled(run.function, place.value),
                "function": run.function.facts.qualname,
                "runner": run.runner,
                "through": through,
            },
            trace=(*_entrance(run), *reached.trace(run.function)),
            # How long a file takes hangs on where it lies: see the rule about files.
            confidence=weakest(
                run.confidence,
                step.confidence,
                Confidence.MEDIUM if kind == "file" or _is_once(run, reached) else Confidence.HIGH,
            ),
            severity=run.severity or (Severity.MEDIUM if kind in LESSER else None),
            function=run.function.qualname,
            endpoint=run.exposure.endpoint,
            exposure=run.exposure.kind,
            role=run.function.role,
        )
    return None


def _is_once(run: Run, reached: Reach) -> bool:
    """Return whether a way leads through what begins or ends something, once as a rule."""
    steps = reached.chain(run.function)
    return begins_or_ends(run.function) or any(
        step.edge is not None and begins_or_ends(step.edge.callee) for step in steps
    )


def _is_serving(run: Run, step: Step) -> bool:
    """Return whether a file is read or written while others wait, and not after an error only."""
    place = step.site or step.edge
    return (
        run.severity is None and place is not None and not is_handler(run.function, place.context)
    )


def _entrance(run: Run) -> tuple[TraceStep, ...]:
    """Return the steps from the entry point to the one that runs the function on the loop."""
    before = run.exposure.chain
    last = before[-1].location if before else None
    if last in (run.step.location, run.function.location):
        before = before[:-1]
    return (*before, run.step)
