"""Which effects a function can reach, by the shortest chain of calls."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.program.conditions import Standing, branches_at, is_often_taken, standing
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site

CONFIDENCES = {
    Standing.ALWAYS: Confidence.HIGH,
    Standing.REST: Confidence.HIGH,
    Standing.DATA: Confidence.HIGH,
    Standing.STATE: Confidence.MEDIUM,
}


class Step(Struct, frozen=True):
    """The first step from a function towards an effect: the site itself, or the edge that leads on.

    ``distance`` is the number of calls to the site, ``branches`` in how many branches they stand,
    the site included. ``confidence`` is that of the weakest step.
    """

    distance: int
    place: Site | Edge
    confidence: Confidence
    branches: int = 0

    @property
    def site(self) -> Site | None:
        """The site, where the step is the last one."""
        return self.place if isinstance(self.place, Site) else None

    @property
    def edge(self) -> Edge | None:
        """The edge that leads on, where it is not."""
        return self.place if isinstance(self.place, Edge) else None


class Reach:
    """The functions that reach some kind of site, each with its first step."""

    def __init__(self, steps: Mapping[FunctionNode, Step]) -> None:
        self._steps = steps

    def __contains__(self, function: FunctionNode) -> bool:
        return function in self._steps

    def __iter__(self) -> Iterator[FunctionNode]:
        return iter(self._steps)

    def step(self, function: FunctionNode) -> Step | None:
        """Return the first step from the function, or None where it reaches nothing."""
        return self._steps.get(function)

    def chain(self, function: FunctionNode) -> list[Step]:
        """Return the steps from the function to the site, in order."""
        found = []
        step = self._steps.get(function)
        while step is not None:
            found.append(step)
            step = self._steps.get(step.edge.callee) if step.edge is not None else None
        return found

    def way(self, place: Site | Edge) -> list[Site | Edge]:
        """Return a place and those that follow it, down to the site that it reaches."""
        if isinstance(place, Site):
            return [place]
        return [place, *(step.place for step in self.chain(place.callee))]

    def site(self, function: FunctionNode) -> Site | None:
        """Return the site at the end of the chain."""
        steps = self.chain(function)
        return steps[-1].site if steps else None

    def trace(self, function: FunctionNode) -> list[TraceStep]:
        """Return the chain as the steps of a report."""
        step = self._steps.get(function)
        return [] if step is None else self.trace_from(step.place)

    def trace_from(self, place: Site | Edge) -> list[TraceStep]:
        """Return the chain that begins with a place, as the steps of a report."""
        if isinstance(place, Site):
            return [site_step(place)]
        return [_edge_step(place), *self.trace(place.callee)]

    def sureness(self, place: Site | Edge) -> Confidence:
        """Return how surely a place is run, and reaches what is at the end of the chain."""
        own = CONFIDENCES[standing(place.function, place.context, place.sequence)]
        here = None if isinstance(place, Site) else self._steps.get(place.callee)
        return weakest(own, place.confidence, Confidence.HIGH if here is None else here.confidence)


def _edge_step(edge: Edge) -> TraceStep:
    verb = {
        "property": "reads",
        "iterate": "iterates",
        "enter": "enters",
        "exit": "leaves",
    }.get(edge.via, "calls")
    if edge.via == "callback":
        verb = "runs"
    if edge.is_step:
        verb = "steps"
    return TraceStep(
        edge.location, f"{edge.caller.facts.qualname} {verb} {edge.callee.facts.qualname}"
    )


def site_step(site: Site) -> TraceStep:
    """Return the last step of a trace: the place that costs."""
    words = ", ".join(site.effects)
    name = site.name if site.kind == "call" else f"{site.kind} {site.name}"
    return TraceStep(site.location, f"{name} ({words})")


def steps_per_item(place: Site | Edge, reached: Reach, verb: str = "calls") -> list[TraceStep]:
    """Return the steps from a place in a loop to its effect; the verb says how it is reached."""
    if isinstance(place, Site):
        return [site_step(place)]
    each = TraceStep(place.location, f"{verb} {place.callee.facts.qualname} for each item")
    return [each, *reached.trace(place.callee)]


def hops(distance: int) -> str:
    """Return how many calls away something is, as messages add it: ``, 2 calls away``."""
    if distance == 0:
        return ""
    return ", 1 call away" if distance == 1 else f", {distance} calls away"


def reach(
    functions: Iterable[FunctionNode],
    sites_of: Callable[[FunctionNode], Iterable[Site]],
    edges_to: Callable[[FunctionNode], Iterable[Edge]],
    *,
    counts: Callable[[Site], bool],
    follows: Callable[[Edge], bool],
) -> Reach:
    """Return which functions reach a site that counts, over edges that are followed.

    Chains without branches win, then those that run where special cases have left, then those whose
    branches hang on data, then shorter ones; among
    equals the one found first in file order. A chain that hangs on the state of the process, or on
    many branches, is no more than medium in confidence.
    """
    starts = _starts(functions, sites_of, counts)
    steps: dict[FunctionNode, Step] = {}
    postponed: dict[Standing, list[Edge]] = {each: [] for each in Standing}
    for worst in Standing:
        waiting: deque[Iterable[Edge]] = deque([postponed[worst]])
        for function, site in starts[worst]:
            if function not in steps:
                branches = branches_at(function, worst, site.context)
                sure = weakest(site.confidence, CONFIDENCES[worst], _taken(branches))
                steps[function] = Step(0, site, sure, branches)
                waiting.append(edges_to(function))
        while waiting:
            for edge in waiting.popleft():
                if edge.caller in steps or not follows(edge):
                    continue
                hangs_on = standing(edge.caller, edge.context, edge.sequence)
                if hangs_on > worst:
                    postponed[hangs_on].append(edge)
                    continue
                here = steps[edge.callee]
                branches = here.branches + branches_at(edge.caller, hangs_on, edge.context)
                sure = weakest(
                    here.confidence, edge.confidence, CONFIDENCES[worst], _taken(branches)
                )
                steps[edge.caller] = Step(here.distance + 1, edge, sure, branches)
                waiting.append(edges_to(edge.caller))
    return Reach(steps)


def _taken(branches: int) -> Confidence:
    return Confidence.HIGH if is_often_taken(branches) else Confidence.MEDIUM


def _starts(
    functions: Iterable[FunctionNode],
    sites_of: Callable[[FunctionNode], Iterable[Site]],
    counts: Callable[[Site], bool],
) -> dict[Standing, list[tuple[FunctionNode, Site]]]:
    """Return the functions that have a site that counts, with their best, by what it hangs on."""
    found: dict[Standing, list[tuple[FunctionNode, Site]]] = {each: [] for each in Standing}
    for function in functions:
        counted = [
            (standing(function, site.context, site.sequence), site.confidence.rank, site)
            for site in sites_of(function)
            if counts(site)
        ]
        if counted:
            hangs_on, _, site = min(counted, key=lambda each: each[:2])
            found[hangs_on].append((function, site))
    return found
