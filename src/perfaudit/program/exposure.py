"""From where each function is reached: an endpoint, a task, a command, a script, or not known."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Role
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge

KINDS = (
    ("endpoint", frozenset({"route", "websocket", "middleware"})),
    ("task", frozenset({"task", "consumer"})),
    ("startup", frozenset({"lifespan"})),
    ("command", frozenset({"command"})),
)
"""Kinds of exposure, the strongest first, and the kinds of entry points that give them."""

UNREACHED = {Role.COMMAND: "command", Role.SCRIPT: "script", Role.MIGRATION: "script"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a function is reached.

    ``kind`` is endpoint, task, startup, command, script or unknown; then the label of the nearest
    entry point, and the steps from there to the function.
    """

    kind: str
    endpoint: str = ""
    entry: FunctionNode | None = None
    chain: tuple[TraceStep, ...] = ()


class Exposures:
    """The exposure of every function, by shortest chains; stronger kinds win."""

    def __init__(
        self, endpoints: Sequence[Endpoint], edges_from: Callable[[FunctionNode], Iterable[Edge]]
    ) -> None:
        self._kind: dict[FunctionNode, str] = {}
        self._origin: dict[FunctionNode, Endpoint] = {}
        self._edge: dict[FunctionNode, Edge] = {}
        for kind, entry_kinds in KINDS:
            self._spread(kind, [item for item in endpoints if item.kind in entry_kinds], edges_from)

    def _spread(
        self,
        kind: str,
        endpoints: Sequence[Endpoint],
        edges_from: Callable[[FunctionNode], Iterable[Edge]],
    ) -> None:
        waiting: deque[FunctionNode] = deque()
        for endpoint in endpoints:
            for function in (endpoint.handler, *endpoint.dependencies):
                if function not in self._kind:
                    self._kind[function] = kind
                    self._origin[function] = endpoint
                    waiting.append(function)
        while waiting:
            function = waiting.popleft()
            for edge in edges_from(function):
                if edge.callee in self._kind:
                    continue
                self._kind[edge.callee] = "task" if edge.how == "worker" else kind
                self._origin[edge.callee] = self._origin[function]
                self._edge[edge.callee] = edge
                waiting.append(edge.callee)

    def of(self, function: FunctionNode) -> Exposure:
        """Return how a function is reached.

        A lambda or a nested function not called by name counts as its parent.
        """
        node: FunctionNode | None = function
        while node is not None and node not in self._kind:
            node = node.parent if node.kind in ("function", "lambda") else None
        if node is None or node.kind == "module":
            return Exposure(UNREACHED.get(function.role, "unknown"))
        endpoint = self._origin[node]
        steps: list[TraceStep] = []
        here = node
        while here in self._edge:
            edge = self._edge[here]
            steps.append(
                TraceStep(
                    edge.location,
                    f"{edge.caller.facts.qualname} calls {edge.callee.facts.qualname}",
                )
            )
            here = edge.caller
        label = label_of(endpoint)
        steps.append(TraceStep(here.location, f"{label} enters {here.facts.qualname}"))
        return Exposure(self._kind[node], label, here, tuple(reversed(steps)))


def label_of(endpoint: Endpoint) -> str:
    """Return how reports name an entry point: ``GET /agents``, or its kind and the function."""
    if endpoint.path or endpoint.method:
        return f"{endpoint.method} {endpoint.path}".strip()
    return f"{endpoint.kind} {endpoint.handler.facts.qualname}"
