"""From where each function is reached: an endpoint, a task, a command, a script, or not known."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, Role
from perfaudit.program.conditions import MAX_BRANCHES, Standing, standing
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.methods_asked import methods_at
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge

KINDS = (
    ("endpoint", frozenset({"route", "websocket", "middleware", "graph-field", "resolver"})),
    ("task", frozenset({"task", "consumer"})),
    ("startup", frozenset({"lifespan"})),
    ("command", frozenset({"command"})),
)
"""Kinds of exposure, the strongest first, and the kinds of entry points that give them."""

BY_ROLE = {Role.COMMAND: "command", Role.SCRIPT: "script", Role.MIGRATION: "script"}
SERVED = frozenset({"endpoint", "task"})
"""Kinds of exposure of what runs again and again, for others."""
BY_HAND = frozenset({"command", "script", "startup"})
"""Kinds of exposure of what runs once, or when somebody starts it: nobody waits for it."""
NOT_SERVED = frozenset({"unknown", "unreached"})
"""Kinds of exposure of what no entry point is seen to lead to."""
SERVING = frozenset({"route", "websocket", "task", "consumer", "graph-field"})
"""Kinds of entry points that show that the program serves others."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a function is reached.

    ``kind`` is endpoint, task, startup, command, script, unknown, or unreached: the program serves
    others, and neither its entry points nor the code of a module is seen to lead here. Then the
    label of the nearest entry point, and the steps from there to the function. Where that way
    hangs on settings, on kinds of values, on many branches or on which implementation there is, it
    is not sure that this entry point takes it: then there is no label, and one step says from
    where the function may be reached.
    """

    kind: str
    endpoint: str = ""
    entry: FunctionNode | None = None
    chain: tuple[TraceStep, ...] = ()


class Exposures:
    """The exposure of every function; stronger kinds win, then surer ways, then shorter ones."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        edges_from: Callable[[FunctionNode], Iterable[Edge]],
        bodies: Iterable[FunctionNode],
    ) -> None:
        self._kind: dict[FunctionNode, str] = {}
        self._origin: dict[FunctionNode, Endpoint] = {}
        self._edge: dict[FunctionNode, Edge] = {}
        self._known: dict[FunctionNode, Exposure] = {}
        self._edges_from = edges_from
        self._answering: dict[tuple[FunctionNode, str], list[str]] = {}
        for endpoint in endpoints:
            methods = self._answering.setdefault((endpoint.handler, endpoint.path), [])
            methods.append(endpoint.method)
        set_off: list[Edge] = []
        for kind, entry_kinds in KINDS:
            waiting = self._entered(kind, set_off if kind == "task" else ())
            for endpoint in endpoints:
                if endpoint.kind in entry_kinds:
                    waiting.extend(self._entries(kind, endpoint))
            set_off = self._spread(kind, waiting)
            if kind != "endpoint":
                self._spread("task", self._entered("task", set_off))
        is_served = any(endpoint.kind in SERVING for endpoint in endpoints)
        self._loaded = self._run_by(bodies) if is_served else None

    def _entries(self, kind: str, endpoint: Endpoint) -> Iterator[FunctionNode]:
        for function in (endpoint.handler, *endpoint.dependencies):
            if function not in self._kind:
                self._kind[function] = kind
                self._origin[function] = endpoint
                yield function

    def _entered(self, kind: str, edges: Iterable[Edge]) -> deque[FunctionNode]:
        """Return the functions that some edges reach first, with their kind."""
        waiting: deque[FunctionNode] = deque()
        for edge in edges:
            if edge.callee not in self._kind:
                self._kind[edge.callee] = kind
                self._origin[edge.callee] = self._origin[edge.caller]
                self._edge[edge.callee] = edge
                waiting.append(edge.callee)
        return waiting

    def _spread(self, kind: str, waiting: deque[FunctionNode]) -> list[Edge]:
        """Give the kind to all that some functions run, and return the tasks that they set off.

        Ways without branches come first, then what special cases leave, then those that hang on
        data, then those on state.
        """
        set_off: list[Edge] = []
        postponed = {each: deque[Edge]() for each in Standing}
        while True:
            if not waiting:
                later = next((edges for edges in postponed.values() if edges), None)
                if later is None:
                    return set_off
                waiting.extend(self._entered(kind, [later.popleft()]))
                continue
            for edge in self._edges_from(waiting.popleft()):
                if kind != "task" and _is_task(kind, edge):
                    set_off.append(edge)
                elif edge.callee not in self._kind:
                    hangs_on = standing(edge.caller, edge.context, edge.sequence)
                    if hangs_on is Standing.ALWAYS:
                        waiting.extend(self._entered(kind, [edge]))
                    else:
                        postponed[hangs_on].append(edge)

    def _run_by(self, bodies: Iterable[FunctionNode]) -> set[FunctionNode]:
        """Return what the code of modules runs: when they are imported, or as programs."""
        found = set(bodies)
        waiting = list(found)
        while waiting:
            for edge in self._edges_from(waiting.pop()):
                if edge.callee not in found:
                    found.add(edge.callee)
                    waiting.append(edge.callee)
        return found

    def _elsewhere(self, function: FunctionNode) -> str:
        """Return the kind of what no entry point leads to."""
        if function.role in BY_ROLE:
            return BY_ROLE[function.role]
        is_run = self._loaded is None or function in self._loaded
        return "unknown" if is_run or function.kind != "function" else "unreached"

    def of(self, function: FunctionNode) -> Exposure:
        """Return how a function is reached.

        A lambda or a nested function not called by name counts as its parent.
        """
        node = self._reached(function)
        if node is None:
            return Exposure(self._elsewhere(function))
        if node not in self._known:
            self._known[node] = self._told(self._kind[node], node, self._way(node))
        return self._known[node]

    def way_to(self, function: FunctionNode) -> list[Edge] | None:
        """Return the calls from the entry point to a function, or None where none leads there."""
        node = self._reached(function)
        return None if node is None else self._way(node)

    def by_way_of(self, edge: Edge) -> Exposure:
        """Return how a function is reached by one of its calls, whose caller is reached."""
        node = self._reached(edge.caller)
        if node is None:
            return Exposure("unreached")
        kind = "task" if _is_task(self._kind[node], edge) else self._kind[node]
        return self._told(kind, node, [*self._way(node), edge])

    def at(self, handler: FunctionNode, context: int, sequence: int) -> Exposure:
        """Return how a place of a handler is reached: by the methods that come to it."""
        found = self.of(handler)
        label = self._label(self._origin[handler], handler, context, sequence)
        if label == found.endpoint:
            return found
        first = TraceStep(handler.location, f"{label} enters {handler.facts.qualname}")
        return replace(found, endpoint=label, chain=(first, *found.chain[1:]))

    def _label(
        self, endpoint: Endpoint, function: FunctionNode, context: int, sequence: int
    ) -> str:
        """Return the label of an endpoint for a place of its handler, or of a dependency."""
        methods = self._answering[endpoint.handler, endpoint.path]
        if len(methods) < 2 or endpoint.kind != "route" or function is not endpoint.handler:
            return label_of(endpoint)
        found = methods_at(methods, endpoint.handler, context, sequence)
        return f"{', '.join(found)} {endpoint.path}".strip()

    def _reached(self, function: FunctionNode) -> FunctionNode | None:
        node: FunctionNode | None = function
        while node is not None and node not in self._kind:
            node = node.parent if node.kind in ("function", "lambda") else None
        return None if node is None or node.kind == "module" else node

    def _way(self, node: FunctionNode) -> list[Edge]:
        edges = []
        while node in self._edge:
            edges.append(self._edge[node])
            node = edges[-1].caller
        return edges[::-1]

    def _told(self, kind: str, node: FunctionNode, way: list[Edge]) -> Exposure:
        endpoint = self._origin[node]
        entry = way[0].caller if way else node
        label = label_of(endpoint)
        if way:
            label = self._label(endpoint, entry, way[0].context, way[0].sequence)
        if not _is_sure(way):
            step = TraceStep(entry.location, f"{label} may lead to {way[-1].callee.facts.qualname}")
            return Exposure(kind, "", entry, (step,))
        steps = [TraceStep(entry.location, f"{label} enters {entry.facts.qualname}")]
        steps += [
            TraceStep(
                edge.location, f"{edge.caller.facts.qualname} calls {edge.callee.facts.qualname}"
            )
            for edge in way
        ]
        return Exposure(kind, label, entry, tuple(steps))


def _is_sure(way: list[Edge]) -> bool:
    """Return whether who enters a way takes it: as a rule, or for some of what is given."""
    if any(edge.confidence is not Confidence.HIGH for edge in way):
        return False
    stands = [standing(edge.caller, edge.context, edge.sequence) for edge in way]
    branches = sum(each is not Standing.ALWAYS for each in stands)
    return Standing.STATE not in stands and branches <= MAX_BRANCHES


def _is_task(kind: str, edge: Edge) -> bool:
    """Return whether an edge leads to a job of its own, for which what set it off does not wait."""
    if edge.how in ("worker", "process") or edge.after:
        return True
    return kind == "startup" and edge.how in ("task", "loop")


def label_of(endpoint: Endpoint) -> str:
    """Return how reports name an entry point: ``GET /agents``, or its kind and the function."""
    if endpoint.path or endpoint.method:
        return f"{endpoint.method} {endpoint.path}".strip()
    return f"{endpoint.kind} {endpoint.handler.facts.qualname}"
