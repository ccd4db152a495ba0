"""Relations that a function loads from what it is given: lazy reads that make N + 1 queries."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.finding import TraceStep
from perfaudit.facts import types as t
from perfaudit.program.asked_parameters import AskedParameters
from perfaudit.program.asked_relations import asked_of, asked_relation, is_in_needed_order
from perfaudit.program.edge_values import given_for
from perfaudit.program.expressions import unless_nothing
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.reach import site_step
from perfaudit.program.sites import COUNTS, Edge, Site
from perfaudit.program.switches import is_left_off
from perfaudit.program.tables import Relation

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DISTANCE = 4
MAX_LOADS = 40
MAX_LINKS = 24


class Load(Struct, frozen=True):
    """A lazy relation of an object held in the name ``root``, read here or in what is called.

    ``path`` are the attributes between the root and the object whose relation is read.
    """

    root: str
    path: tuple[str, ...]
    relation: Relation
    site: Site
    through: tuple[Edge, ...]

    @property
    def place(self) -> Site | Edge:
        """Return where the function that loads it reads it, or calls who does."""
        return self.through[0] if self.through else self.site

    @property
    def is_handed(self) -> bool:
        """Return whether the relation is handed on as a query, which what is called asks."""
        return self.site.relation is None

    @property
    def is_number(self) -> bool:
        """Return whether it is only asked how many rows the relation leads to."""
        is_asked = self.site.kind == "len" or COUNTS in self.site.behaviour.flags
        return is_asked and self.relation.many and self.site.row is None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names from the root to the relation that is loaded, that one included."""
        return (*self.path, self.relation.name)

    @property
    def steps(self) -> list[TraceStep]:
        """Return the calls and the read, as the steps of a report."""
        found = [
            TraceStep(edge.location, f"calls {edge.callee.facts.qualname}") for edge in self.through
        ]
        if self.site.relation is not None and self.site.relation != self.relation:
            return [*found, TraceStep(self.site.location, f"relation {self.relation.name}")]
        return [*found, site_step(self.site)]

    def of_relation(self, relation: Relation) -> "Load":
        """Return the same read as one of another relation with the same name."""
        return replace(self, relation=relation)

    def along(self, path: tuple[str, ...]) -> "Load":
        """Return the same read, with only some of the attributes that lead to its object."""
        return self if path == self.path else replace(self, path=path)


Asked = Callable[["Program", FunctionNode, Site], tuple[t.Expr, Relation] | None]
"""What a site asks for: the row, and the relation of it; None where it asks for no rows."""


def may_be_loaded(
    program: "Program", function: FunctionNode, site: Site
) -> tuple[t.Expr, Relation] | None:
    """Return the row and the relation that a site reads, which may have been loaded before."""
    if site.relation is None or is_assigned(function, site):
        return None
    return relation_base(function, site), site.relation


def asks_for_rows(site: Site) -> bool:
    """Return whether a site asks for rows: of a relation, or by a query."""
    return site.relation is not None or "db.query" in site.effects


class Loads:
    """The loads of every function, worked out when asked."""

    def __init__(
        self,
        program: "Program",
        asked: Asked = may_be_loaded,
        handed: AskedParameters | None = None,
    ) -> None:
        self._program = program
        self._asked = asked
        self._handed = handed
        self._own_loads: dict[FunctionNode, list[Load]] = {}
        self._known: dict[tuple[FunctionNode, int], tuple[Load, ...]] = {}

    def __iter__(self) -> Iterator[FunctionNode]:
        """Yield the functions that may load something; all others load nothing."""
        return iter(self._asking)

    def of(self, function: FunctionNode, calls: int = MAX_DISTANCE) -> tuple[Load, ...]:
        """Return what a function loads from its names, its own reads first.

        ``calls``: through how many calls its names are followed.
        """
        if function not in self._asking:
            return ()
        key = (function, calls)
        known = self._known.get(key)
        if known is None:
            found = [*self._own(function), *(self._called(function, calls - 1) if calls else ())]
            known = self._known[key] = tuple(found[:MAX_LOADS])
        return known

    @cached_property
    def _asking(self) -> set[FunctionNode]:
        """Return the functions that ask for rows, and those that call one: no other loads any."""
        found = {
            function
            for function in self._program.costly
            if any(asks_for_rows(site) for site in self._program.sites_of(function))
        }
        waiting = list(found)
        while waiting:
            for edge in self._program.edges_to(waiting.pop()):
                if edge.how == "call" and edge.caller not in found:
                    found.add(edge.caller)
                    waiting.append(edge.caller)
        return found

    def _own(self, function: FunctionNode) -> list[Load]:
        """Return what a function reads itself."""
        found = self._own_loads.get(function)
        if found is not None:
            return found
        found = self._own_loads[function] = []
        for site in self._program.sites_of(function):
            asked = self._asked(self._program, function, site)
            if asked is None or is_handler(function, site.context):
                continue
            rooted = root_of(function, asked[0])
            if rooted is not None:
                found.append(Load(rooted[0], rooted[1], asked[1], site, ()))
        return found

    def _called(self, function: FunctionNode, calls: int) -> list[Load]:
        found = []
        for edge in self._program.edges_from(function):
            if edge.how != "call" or edge.each or edge.callee in self._program.memoised:
                continue
            if is_handler(function, edge.context):
                continue
            for load in (*self._of_given(edge, calls), *self._of_handed(edge)):
                if len(load.through) > MAX_DISTANCE:
                    continue
                if self._program.has_loaded(edge, load.root, load.names):
                    continue
                site = load.site
                if not is_left_off(self._program, list(load.through), site.context, site.sequence):
                    found.append(load)
        return found

    def _of_given(self, edge: Edge, calls: int) -> Iterator[Load]:
        """Yield what a callee loads from what it is given, as loads of the caller."""
        for load in self.of(edge.callee, calls):
            given = given_for(edge, load.root)
            rooted = None if given is None else root_of(edge.caller, given)
            if rooted is not None:
                root, path = rooted
                through = (edge, *load.through)
                yield Load(root, (*path, *load.path), load.relation, load.site, through)

    def _of_handed(self, edge: Edge) -> Iterator[Load]:
        """Yield the relations of rows that a call hands on as queries, and the callee asks."""
        types, caller, at = self._program.types, edge.caller, (edge.sequence, edge.context)
        for asked in () if self._handed is None else self._handed.of(edge.callee):
            given = given_for(edge, asked.name)
            query = None if given is None else asked_of(types, caller, given, at)
            if query is None or not isinstance(query[0], t.Attr):
                continue
            relation = asked_relation(types, self._program.schema, caller, *query)
            rooted = root_of(caller, query[0].base)
            if relation and rooted and is_in_needed_order(types, asked.site, relation):
                yield Load(*rooted, relation, asked.site, (edge, *asked.through))


def relation_base(function: FunctionNode, site: Site) -> t.Expr:
    """Return the object whose relation a site reads."""
    if site.row is not None:
        return site.row
    value = site.value
    if site.kind == "call" and site.call is not None and isinstance(site.call.callee, t.Attr):
        value = site.call.callee.base
    for _ in range(MAX_LINKS):
        if isinstance(value, t.CallRef):
            callee = function.facts.calls[value.index].callee
            if not isinstance(callee, t.Attr):
                return value
            value = callee.base
        elif isinstance(value, t.Item):
            value = value.base
        elif isinstance(value, t.Name) and _stands_for_call(function, value):
            value = unless_nothing(function.only_value(value.id)) or value
        else:
            break
    return value.base if isinstance(value, t.Attr) else value


def _stands_for_call(function: FunctionNode, name: t.Name) -> bool:
    """Return whether a name stands for what one call gives, that asks a relation for its rows."""
    return isinstance(unless_nothing(function.only_value(name.id)), t.CallRef)


def root_of(function: FunctionNode, value: t.Expr) -> tuple[str, tuple[str, ...]] | None:
    """Return the name that a chain of attributes starts from, and its attributes.

    Single assignments are followed.
    """
    path: list[str] = []
    for _ in range(12):
        if isinstance(value, t.Attr):
            path.append(value.name)
            value = value.base
        elif isinstance(value, t.Name):
            binds = function.binds.get(value.id, [])
            if (
                value.id in function.params
                or len(binds) != 1
                or not isinstance(binds[0].value, t.Attr | t.Name)
            ):
                return value.id, tuple(reversed(path))
            value = binds[0].value
        else:
            return None
    return None


def is_assigned(function: FunctionNode, site: Site) -> bool:
    """Return whether the function itself has set the attribute that is read."""
    if site.kind != "relation" or not isinstance(site.value, t.Attr):
        return False
    return any(
        bind.target == site.value and bind.sequence < site.sequence for bind in function.facts.binds
    )
