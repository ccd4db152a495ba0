"""The whole audited program, linked: read-only, and asked by detectors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.facts.later import LaterFacts
from perfaudit.libraries import Libraries
from perfaudit.program.activity import activity
from perfaudit.program.asked_parameters import AskedParameters
from perfaudit.program.attributes import is_of_new_object, property_names_of
from perfaudit.program.conditions import is_on_way_to_error
from perfaudit.program.decorators import CONTEXT_MANAGERS, decorator_paths
from perfaudit.program.endpoints import Endpoint, find_endpoints
from perfaudit.program.exposure import Exposure, Exposures
from perfaudit.program.forwarding import Forwards
from perfaudit.program.graph import GraphType, find_graph
from perfaudit.program.handed import handed_parameters
from perfaudit.program.infer import Types
from perfaudit.program.kept_results import is_memoised, keeps_by_name, keeps_in_global
from perfaudit.program.loaded_anew import LoadedAnew
from perfaudit.program.loads import Loads
from perfaudit.program.loops import fills_gap, fills_object, is_periodic, is_rare
from perfaudit.program.modules import Modules
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode, is_handler, remembered
from perfaudit.program.reach import Reach, reach
from perfaudit.program.record_lists import ListClass, list_classes, row_parameters
from perfaudit.program.rows import Path
from perfaudit.program.schema import Schema, build_schema
from perfaudit.program.second_opinion import Opinions
from perfaudit.program.sites import Activity, Edge, Site
from perfaudit.program.sql_named import named_statements
from perfaudit.program.switches import is_left_off
from perfaudit.sources import Document

P = ParamSpec("P")
V = TypeVar("V")
SCHEMA = "changes-schema"
"""The flag of what makes or drops tables, and writes no row."""
MAX_MAKERS = 3
"""How many calls may lie between what is made once and its constructor."""

BLOCKING_KINDS: dict[str, frozenset[str]] = {
    "database": frozenset({"db.query", "db.write", "db.connect", "db.transaction", "pool.acquire"}),
    "network": frozenset(
        {
            "http.request",
            "cache.read",
            "cache.write",
            "queue.send",
            "queue.wait",
            "process.spawn",
        }
    ),
    "sleep": frozenset({"sleep"}),
    "file": frozenset({"file.read", "file.write"}),
    "cpu": frozenset({"cpu"}),
    "thread": frozenset({"thread.wait"}),
    "stat": frozenset({"file.stat"}),
}
"""Kinds of blocking that are reported apart, and their effects."""


class Program:
    """All facts linked with the libraries.

    Nothing here changes once built; answers are computed when asked.
    """

    def __init__(
        self,
        types: Types,
        schema: Schema,
        documents: Sequence[Document],
        endpoints: tuple[Endpoint, ...],
        list_classes: tuple[ListClass, ...] = (),
        graph: tuple[GraphType, ...] = (),
        dialect: str = "",
    ) -> None:
        self.types = types
        self.libraries: Libraries = types.libraries
        self.files = types.modules.files
        self.roles = {file.path: file.role for file in (*self.files, *types.modules.unseen)}
        self.schema = schema
        self.documents = tuple(documents)
        self.endpoints = endpoints
        self.list_classes = list_classes
        self.graph = graph
        self.dialect = dialect
        self.functions = [function for file in self.files for function in file.functions]
        names = property_names_of(types, self.functions)
        chained = names | schema.relation_names
        forwards = Forwards(types)
        self._activities: dict[FunctionNode, Activity] = {
            function: activity(types, schema, function, names, chained, forwards)
            for function in self.functions
        }
        self._reaches: dict[frozenset[str], Reach] = {}
        self._answers: dict[object, Any] = {}
        self._callers: dict[FunctionNode, list[Edge]] = {}
        for function in self.functions:
            for edge in self._activities[function].edges:
                self._callers.setdefault(edge.callee, []).append(edge)

    def once(
        self, question: Callable[Concatenate["Program", P], V], *given: P.args, **named: P.kwargs
    ) -> V:
        """Return what a function answers about this program, worked out the first time only.

        What is given must be hashable, and the answer must not be changed.
        """
        key = (question, given, *named.items())
        try:
            found: V = self._answers[key]
        except KeyError:
            found = self._answers[key] = question(self, *given, **named)
        return found

    def sites_of(self, function: FunctionNode) -> tuple[Site, ...]:
        """Return the places of a function that cost something themselves, in order of running."""
        found = self._activities.get(function)
        return found.sites if found is not None else ()

    def edges_from(self, function: FunctionNode) -> tuple[Edge, ...]:
        """Return the places of a function that run project functions, in order of running."""
        found = self._activities.get(function)
        return found.edges if found is not None else ()

    def has_loaded(self, edge: Edge, root: str, names: Path) -> bool:
        """Return whether a caller has loaded relations of an object before it hands it on."""
        return self.once(_loaded_anew, edge.caller).has(edge, root, names)

    def edges_to(self, function: FunctionNode) -> Sequence[Edge]:
        """Return the places that run a function, in file order."""
        return self._callers.get(function, ())

    def sites(self) -> Iterable[Site]:
        """Yield all sites of the program, in file order."""
        for function in self.costly:
            yield from self._activities[function].sites

    @cached_property
    def costly(self) -> list[FunctionNode]:
        """Return the functions that have a site, in file order."""
        return [function for function in self.functions if self._activities[function].sites]

    def costly_or_calling(self, *groups: Iterable[FunctionNode]) -> list[FunctionNode]:
        """Return the functions that have a site, or run one of some functions, in file order.

        Of those that reach something: all others have no place for it, and none that leads to one.
        """
        found = set(self.costly)
        for group in groups:
            for callee in group:
                found.update(edge.caller for edge in self.edges_to(callee))
        return [function for function in self.functions if function in found]

    def exposure_of(self, function: FunctionNode) -> Exposure:
        """Return from where a function is reached."""
        return self._exposures.of(function)

    def kind_of_exposure(self, function: FunctionNode) -> str:
        """Return the kind of how a function is reached, which is known without the way there."""
        return self._exposures.kind_of(function)

    def way_to(self, function: FunctionNode) -> list[Edge] | None:
        """Return the calls from the entry point to a function, or None where none leads there."""
        return self._exposures.way_to(function)

    def is_entry(self, function: FunctionNode) -> bool:
        """Return whether a function is what an entry point enters."""
        return function in self._entered

    @cached_property
    def _entered(self) -> frozenset[FunctionNode]:
        return frozenset(endpoint.handler for endpoint in self.endpoints)

    def exposure_at(self, place: Site | Edge) -> Exposure:
        """Return from where a place is reached, by calls that do not leave it off."""
        return self.exposure_within(place.function, (place.sequence, place.context))

    def exposure_within(self, function: FunctionNode, *points: tuple[int, int]) -> Exposure:
        """Return from where points of a function are reached, by calls that leave none of them off.

        Where it is reached, but not by such a call, they are unreached.
        """
        sequence, context = points[0]
        way = self._exposures.way_to(function)
        if way and way[-1].callee is not function:
            # A function inside another one counts as that, whose calls do not give it anything.
            return self.exposure_of(function)
        if way is None or not self._is_left_off(way, points):
            return self._exposures.at(function, context, sequence)
        for edge in self.edges_to(function):
            before = self._exposures.way_to(edge.caller)
            if before is not None and not self._is_left_off([*before, edge], points):
                return self._exposures.by_way_of(edge)
        return Exposure("unreached")

    def _is_left_off(self, way: list[Edge], points: Iterable[tuple[int, int]]) -> bool:
        # The end is no place that must be come to: a function may return before.
        return any(is_left_off(self, way, at[1], at[0]) for at in points if at != AT_END)

    @cached_property
    def _exposures(self) -> Exposures:
        bodies = [file.body for file in self.files]
        return Exposures(self.endpoints, self.edges_from, bodies, self.types)

    @cached_property
    def memoised(self) -> frozenset[FunctionNode]:
        """Return the functions whose results are kept by a decorator."""
        return frozenset(
            function
            for function in self.functions
            if (
                function.facts.decorators
                and (is_memoised(self.types, function) or keeps_by_name(function))
            )
            or keeps_in_global(function)
        )

    def is_kept(self, edge: Edge) -> bool:
        """Return whether what an edge runs is kept by a decorator, and has run before as a rule."""
        callee = edge.callee
        return callee in self.memoised and (
            callee.owner in self.process_wide or not is_of_new_object(self.types, edge)
        )

    @cached_property
    def database_reach(self) -> Reach:
        """Return which functions reach a query or write of a database, on whatever thread."""
        return self.reach_of(DATABASE_ROUND_TRIPS)

    @cached_property
    def query_reach(self) -> Reach:
        """Return which functions reach a query that reads."""
        return self.reach_of(frozenset({"db.query"}))

    @cached_property
    def write_reach(self) -> Reach:
        """Return which functions reach a write of rows."""
        return self.reach_of(frozenset({"db.write"}))

    @cached_property
    def asked_parameters(self) -> AskedParameters:
        """Return which parameters functions ask for the rows of the query that they hold."""
        return AskedParameters(self)

    @cached_property
    def loads(self) -> Loads:
        """Return the lazy relations that functions read from what they are given."""
        return Loads(self, handed=self.asked_parameters)

    @cached_property
    def job_reach(self) -> Reach:
        """Return which functions reach another service or program: a job, not a look-up."""
        return self.reach_of(frozenset({"http.request", "process.spawn"}))

    @cached_property
    def cache_reach(self) -> Reach:
        """Return which functions reach a cache."""
        return self.reach_of(frozenset({"cache.read"}))

    def reach_of(self, effects: frozenset[str]) -> Reach:
        """Return which functions reach one of some effects, on whatever thread, as a rule."""
        found = self._reaches.get(effects)
        if found is None:
            found = self._reaches[effects] = self._reach(effects)
        return found

    def _reach(self, effects: frozenset[str]) -> Reach:
        def counts(site: Site) -> bool:
            # What may have been loaded with its object is not surely a round trip: see
            # program.loads.
            if site.relation is not None:
                return False
            if SCHEMA in site.behaviour.flags and effects == {"db.write"}:
                return False
            return not effects.isdisjoint(site.effects) and is_usual(site.function, site.context)

        return reach(
            self.costly, self.sites_of, self.edges_to, counts=counts, follows=self._is_followed
        )

    def _is_followed(self, edge: Edge) -> bool:
        """Return whether what an edge runs is reached from its caller, as a rule."""
        return (
            edge.how in ("call", "task", "loop", "thread")
            and edge.callee not in self.memoised
            and is_usual(edge.caller, edge.context)
        )

    def reading(self, function: FunctionNode) -> Iterator[Site | Edge]:
        """Yield the places of a function that ask the database, or lead to what does.

        Without relations that may have been loaded: see ``loads``.
        """
        for site in self.sites_of(function):
            if site.relation is None and "db.query" in site.effects:
                if is_usual(function, site.context):
                    yield site
        for edge in self.edges_from(function):
            if edge.callee in self.query_reach and self._is_followed(edge):
                yield edge

    @cached_property
    def process_wide(self) -> frozenset[ClassNode]:
        """Return the classes made once per process.

        At import, at start-up, by what keeps its result, or with an object that is.
        """
        makers: dict[ClassNode, Sequence[FunctionNode]] = {}
        found: set[ClassNode] = set()
        for node in (node for file in self.files for node in file.classes):
            places = self.types.callers.constructions(self.types, node)
            if places:
                makers[node] = places
            if "__new__" in node.methods and keeps_itself(node.methods["__new__"]):
                found.add(node)
        grew = True
        while grew:
            more = {
                node
                for node, places in makers.items()
                if node not in found and all(self._is_made_once(maker, found) for maker in places)
            }
            found |= more
            grew = bool(more)
        return frozenset(found)

    def _is_made_once(
        self, maker: FunctionNode, once: set[ClassNode], depth: int = MAX_MAKERS
    ) -> bool:
        """Return whether what a function makes is made once, given the classes known to be."""
        if maker.kind == "module" or maker in self.memoised:
            return True
        if maker.name == "__init__":
            return maker.owner in once
        if self.kind_of_exposure(maker) == "startup":
            return True
        callers = self.edges_to(maker)
        return bool(depth and callers) and all(
            self._is_made_once(edge.caller, once, depth - 1) for edge in callers
        )

    def _runs_once(self, function: FunctionNode, context: int) -> bool:
        """Return whether a place runs once per process, or too rarely for requests to wait."""
        if is_rare(function, context):
            return True
        return function.owner in self.process_wide and fills_object(function, context)

    def _runs_on_leaving(self, function: FunctionNode, sequence: int) -> bool:
        """Return whether a place of a generator context manager runs on leaving, not entering."""
        facts = function.facts
        if not facts.is_generator or not facts.decorators:
            return False
        if not any(path in CONTEXT_MANAGERS for path in decorator_paths(self.types, function)):
            return False
        return all(sequence > item.sequence for item in facts.results if item.kind == "yield")

    @cached_property
    def blocking_reach(self) -> dict[str, Reach]:
        """Return, per kind of blocking, which functions block their caller, over plain calls."""
        return {kind: self._blocking(effects) for kind, effects in BLOCKING_KINDS.items()}

    def _blocking(self, effects: frozenset[str]) -> Reach:
        def counts(site: Site) -> bool:
            return (
                site.blocking
                and site.relation is None
                and not effects.isdisjoint(site.effects)
                and (
                    site.function.is_async
                    or not (
                        self._runs_once(site.function, site.context)
                        or is_on_way_to_error(site.function, site.context, site.sequence)
                    )
                )
                and not self._runs_on_leaving(site.function, site.sequence)
            )

        def follows(edge: Edge) -> bool:
            return (
                edge.how == "call"
                and not edge.callee.is_async
                and not self.is_kept(edge)
                and not self._runs_once(edge.caller, edge.context)
                and not is_on_way_to_error(edge.caller, edge.context, edge.sequence)
                and not self._runs_on_leaving(edge.caller, edge.sequence)
            )

        return reach(self.costly, self.sites_of, self.edges_to, counts=counts, follows=follows)


@remembered
def is_usual(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs as a rule.

    Not only after an exception, nor only where a kept answer is missing.
    """
    return not (
        is_handler(function, context)
        or fills_gap(function, context)
        or is_periodic(function, -1, context)
        or is_rare(function, context)
    )


def keeps_itself(maker: FunctionNode) -> bool:
    """Return whether ``__new__`` keeps its object on the class, and so gives the same one again."""
    if not maker.facts.params:
        return False
    owner = t.Name(maker.facts.params[0].name)
    for bind in maker.facts.binds:
        target = bind.target.base if isinstance(bind.target, t.Item) else bind.target
        if isinstance(target, t.Attr) and target.base == owner:
            return True
    return False


def link(
    facts: Sequence[t.FileFacts | LaterFacts],
    roles: dict[str, Role],
    libraries: Libraries,
    documents: Sequence[Document] = (),
    opinions: Opinions | None = None,
    *,
    dialect: str = "",
) -> Program:
    """Return the linked program. Pure: the order of the facts does not matter.

    ``opinions`` are those of ``second_opinion`` on an earlier link of the same facts. ``dialect``
    is that of SQL whose driver does not say it, where somebody said so.
    """
    ordered = _importable(sorted(facts, key=lambda file: file.path))
    modules = Modules(ordered, roles, frozenset(libraries.packages))
    types = Types(modules, libraries, opinions)
    sql = [(document.path, document.text) for document in documents if document.kind == "sql"]
    types.sql_files = dict(sql)
    types.named_sql = named_statements(types.sql_files.values())
    schema = build_schema(types, sql)
    types.learn_swapped(schema.swapped)
    shown = list_classes(types, schema)
    types.told.update(row_parameters(shown))
    graph = find_graph(types)
    endpoints = find_endpoints(types, graph)
    types.learn_told(handed_parameters(types, endpoints))
    return Program(types, schema, documents, endpoints, shown, graph, dialect)


def _importable(files: list[t.FileFacts | LaterFacts]) -> list[t.FileFacts | LaterFacts]:
    """Return the files without the modules that a package of the same name beside them hides."""
    packages = {
        file.path.removesuffix("/__init__.py")
        for file in files
        if file.path.endswith("/__init__.py")
    }
    return [file for file in files if file.path.removesuffix(".py") not in packages]


def _loaded_anew(program: Program, function: FunctionNode) -> LoadedAnew:
    return LoadedAnew(program.types, function)
