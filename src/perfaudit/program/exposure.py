"""From where each function is reached: an endpoint, a task, a command, a script, or not known."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, Role
from perfaudit.facts import types as t
from perfaudit.program.conditions import MAX_BRANCHES, Standing, option_of, standing
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.implementers import standing_below
from perfaudit.program.infer import Types
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.request_methods import is_in_branch, methods_at, usual_of
from perfaudit.program.shown_rows import class_given
from perfaudit.program.sites import Edge
from perfaudit.program.switches import is_call_of_base, is_overridden

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
UNSEEN = frozenset({Role.TEST, Role.MIGRATION, Role.EXAMPLE})
"""Kinds of files whose queries are not those of a program that serves."""
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


_UNLED = {kind: Exposure(kind) for kind in (*BY_ROLE.values(), "unknown", "unreached")}
"""The exposure of what no entry point leads to, by its kind."""


class Exposures:
    """The exposure of every function; stronger kinds win, then surer ways, then shorter ones."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        edges_from: Callable[[FunctionNode], Iterable[Edge]],
        bodies: Iterable[FunctionNode],
        types: Types,
    ) -> None:
        self._kind: dict[FunctionNode, str] = {}
        self._origin: dict[FunctionNode, Endpoint] = {}
        self._edge: dict[FunctionNode, Edge] = {}
        self._routes: dict[FunctionNode, list[Endpoint]] = {}
        self._entering: dict[FunctionNode, list[Endpoint]] = {}
        self._known: dict[FunctionNode, Exposure] = {}
        self._kinds: dict[FunctionNode, str] = {}
        self._edges_from = edges_from
        self._types = types
        self._classes = types.classes
        set_off: list[Edge] = []
        for endpoint in endpoints:
            self._routes.setdefault(endpoint.handler, []).append(endpoint)
            for function in (endpoint.handler, *endpoint.dependencies):
                self._entering.setdefault(function, []).append(endpoint)
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
            origin = self._origin_of(edge) if edge.callee not in self._kind else None
            if origin is not None:
                self._kind[edge.callee] = kind
                self._origin[edge.callee] = origin
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
            function = waiting.popleft()
            postponed[Standing.STATE].extend(self._meant_by(function))
            for edge in self._edges_from(function):
                if kind != "task" and _is_task(kind, edge):
                    set_off.append(edge)
                elif edge.callee not in self._kind:
                    hangs_on = self._hangs_on(edge)
                    if hangs_on is Standing.ALWAYS:
                        waiting.extend(self._entered(kind, [edge]))
                    else:
                        postponed[hangs_on].append(edge)

    def _meant_by(self, function: FunctionNode) -> list[Edge]:
        """Return the edges to what stands for an abstract method, where it is reached by a call.

        Of few, the graph of calls knows them all; here are the many, one of which will run.
        """
        edge = self._edge.get(function)
        if edge is None or is_call_of_base(edge):
            return []
        return [
            changed(edge, callee=method, confidence=Confidence.MEDIUM)
            for method in standing_below(self._classes, function)
            if method not in self._kind
        ]

    def _hangs_on(self, edge: Edge) -> Standing:
        """Return how surely who comes to the caller of an edge takes it."""
        origin = self._origin_of(edge)
        view = None if origin is None else origin.view
        if view is not None and self._is_of_other_class(edge, view):
            return Standing.STATE
        return standing(edge.caller, edge.context, edge.sequence)

    def _origin_of(self, edge: Edge) -> Endpoint | None:
        """Return the entry point that an edge runs for, None where it gives its caller another."""
        # A function inside another one is reached as that.
        caller = self._reached(edge.caller)
        origin = None if caller is None else self._origin[caller]
        if origin is None or not self._is_of_other_given(edge, origin.view):
            return origin
        entering = self._entering.get(edge.caller, ())
        return next((it for it in entering if not self._is_of_other_given(edge, it.view)), None)

    def _is_of_other_given(self, edge: Edge, view: ClassNode | None) -> bool:
        """Return whether an edge runs a method of another class than a view's methods are given."""
        call, params = edge.call, edge.caller.facts.params
        if view is None or call is None or len(params) < 2 or edge.caller.owner is None:
            return False
        given, callee = params[1].name, call.callee
        if not isinstance(callee, t.Attr) or callee.base != t.Name(given):
            return False
        node = class_given(self._types, edge.caller, view)
        if node is None or given in edge.caller.binds:
            return False
        meant = (node, *self._classes.subclasses(node))
        return all(self._classes.method(one, callee.name) is not edge.callee for one in meant)

    def _is_of_other_class(self, edge: Edge, view: ClassNode) -> bool:
        """Return whether the class of a view has a method of its own in place of that of an edge.

        Its routes run the methods of its bases, but call those that it overrides.
        """
        owner = edge.caller.owner
        is_view = owner is not None and owner in self._classes.project_order(view)
        return is_view and is_overridden(self._classes, edge, view)

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
        known = self._known.get(function)
        if known is None:
            known = self._known[function] = self._found(function)
        return known

    def _found(self, function: FunctionNode) -> Exposure:
        node = self._reached(function)
        if node is None:
            return _UNLED[self.kind_of(function)]
        if node is not function:
            return self.of(node)
        return self._told(self._kind[node], node, self._way(node))

    def kind_of(self, function: FunctionNode) -> str:
        """Return the kind of how a function is reached."""
        known = self._kinds.get(function)
        if known is None:
            node = self._reached(function)
            known = self._elsewhere(function) if node is None else self._kind[node]
            self._kinds[function] = known
        return known

    def at(self, function: FunctionNode, context: int, sequence: int) -> Exposure:
        """Return how a place of a function is reached: only by requests of the method it asks."""
        node = self._reached(function)
        if node is None:
            return self.of(function)
        way = self._way(node)
        option = "" if way else option_of(function, context)
        if option and option not in self._origin[node].path:
            step = TraceStep(node.location, f"{label_of(self._origin[node])} may lead here")
            return Exposure(self._kind[node], "", node, (step,))
        asked = methods_at(function, context, sequence)
        if not asked and not way and is_in_branch(function, context):
            asked = self._answered(self._origin[node], node)
        return self._told(self._kind[node], node, way, asked) if asked else self.of(function)

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

    def _is_sure(self, way: list[Edge]) -> bool:
        """Return whether who enters a way takes it: as a rule, or for some of what is given."""
        if any(edge.confidence is not Confidence.HIGH for edge in way):
            return False
        stands = [self._hangs_on(edge) for edge in way]
        branches = sum(each is not Standing.ALWAYS for each in stands)
        return Standing.STATE not in stands and branches <= MAX_BRANCHES

    def _asked_of(
        self, endpoint: Endpoint, entry: FunctionNode, way: list[Edge], asked: frozenset[str]
    ) -> Endpoint | None:
        """Return the route of an entry with a method that a way asks for, None if it has none."""
        for edge in way:
            asked = asked or methods_at(edge.caller, edge.context, edge.sequence)
        answered = self._answered(endpoint, entry)
        if not asked and way and is_in_branch(entry, way[0].context):
            asked = answered
        if len(asked) > 1 and asked == answered:
            return replace(endpoint, method=", ".join(sorted(asked)))
        if not asked or endpoint.kind != "route" or endpoint.method in asked:
            return endpoint
        if not endpoint.method:
            return replace(endpoint, method=usual_of(asked))
        routes = self._routes.get(entry, ()) if entry is endpoint.handler else ()
        return next((route for route in routes if route.method in asked), None)

    def _answered(self, endpoint: Endpoint, entry: FunctionNode) -> frozenset[str]:
        """Return the methods that the handler of a route answers: a branch may be for any."""
        is_handler = endpoint.kind == "route" and entry is endpoint.handler
        routes = self._routes.get(entry, ()) if is_handler else ()
        return frozenset(route.method for route in routes if route.path == endpoint.path)

    def _told(
        self, kind: str, node: FunctionNode, way: list[Edge], asked: frozenset[str] = frozenset()
    ) -> Exposure:
        entry = way[0].caller if way else node
        endpoint = self._asked_of(self._origin[node], entry, way, asked)
        label = label_of(endpoint or self._origin[node])
        if endpoint is None or not self._is_sure(way):
            there = (way[-1].callee if way else node).facts.qualname
            step = TraceStep(entry.location, f"{label} may lead to {there}")
            return Exposure(kind, "", entry, (step,))
        steps = [TraceStep(entry.location, f"{label} enters {entry.facts.qualname}")]
        steps += [
            TraceStep(
                edge.location, f"{edge.caller.facts.qualname} calls {edge.callee.facts.qualname}"
            )
            for edge in way
        ]
        return Exposure(kind, label, entry, tuple(steps))


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
