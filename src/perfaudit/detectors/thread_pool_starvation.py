"""Find applications whose plain endpoints wait long on the few threads of the framework."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Role, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.blocking import Blocking, blocking_places
from perfaudit.program.called import library_calls
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import label_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program

LONG = ("network", "database", "sleep")
"""Kinds of blocking that may last."""
FEWEST = 10
"""Below so many waiting endpoints the threads are not what to look at first."""
SHOWN = 5

Plain = dict[FunctionNode, Endpoint]


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each application with threaded endpoints, and those whose threads may run out."""
    threads = {
        framework.library: framework.threads
        for framework in program.libraries.frameworks
        if framework.threads is not None
    }
    applications: dict[Location, Plain] = {}
    for endpoint in program.endpoints:
        if endpoint.application is None or endpoint.framework not in threads:
            continue
        if endpoint.kind == "route" and endpoint.dispatch == "thread":
            plain = applications.setdefault(endpoint.application, {})
            plain.setdefault(endpoint.handler, endpoint)
    if not applications or _sets_limit(program):
        return
    for place, plain in sorted(applications.items(), key=lambda item: item[0]):
        yield Opportunity(place, "endpoint")
        waiting = _waiting(program, plain)
        if len(waiting) >= FEWEST and 2 * len(waiting) >= len(plain):
            yield _match(place, plain, waiting, threads[next(iter(plain.values())).framework])


def _sets_limit(program: Program) -> bool:
    """Return whether the project asks for the limit of the threads, as who sets it must."""
    return any(
        called.function.role is not Role.TEST
        for called in library_calls(program).with_flags("thread-limit")
    )


def _waiting(program: Program, plain: Plain) -> dict[FunctionNode, Blocking]:
    found = {}
    for handler in plain:
        blocked = next(blocking_places(program, handler, LONG), None)
        if blocked is not None:
            found[handler] = blocked
    return found


def _match(
    place: Location, plain: Plain, waiting: dict[FunctionNode, Blocking], threads: int | None
) -> Match:
    steps = [
        TraceStep(
            blocked.place.location, f"{label_of(plain[handler])} waits for {blocked.sink_name}"
        )
        for handler, blocked in list(waiting.items())[:SHOWN]
    ]
    return Match(
        place,
        {"waiting": str(len(waiting)), "plain": str(len(plain)), "threads": str(threads)},
        trace=tuple(steps),
        confidence=weakest(*(blocked.confidence for blocked in waiting.values())),
        exposure="endpoint",
    )
