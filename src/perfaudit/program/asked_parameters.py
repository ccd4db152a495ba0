"""Parameters that hold a query, and that a function asks for the rows: ``if not photos:``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.asked_relations import asked_of, query_run
from perfaudit.program.edge_values import given_for
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_CALLS = 3
MAX_ASKED = 20


class Asked(Struct, frozen=True):
    """A parameter whose rows are asked for, here or in what it is handed on to.

    Rows that were loaded with their parent would answer, if it is a relation of that.
    """

    name: str
    site: Site
    through: tuple[Edge, ...]


class AskedParameters:
    """The parameters that functions ask for rows, worked out when asked."""

    def __init__(self, program: "Program") -> None:
        self._program = program
        self._known: dict[tuple[FunctionNode, int], tuple[Asked, ...]] = {}

    def of(self, function: FunctionNode, calls: int = MAX_CALLS) -> tuple[Asked, ...]:
        """Return what a function asks of its parameters, its own places first.

        ``calls``: through how many calls the parameters are followed.
        """
        key = (function, calls)
        known = self._known.get(key)
        if known is None:
            found = [*self._own(function), *(self._called(function, calls - 1) if calls else ())]
            known = self._known[key] = tuple(found[:MAX_ASKED])
        return known

    def _own(self, function: FunctionNode) -> Iterator[Asked]:
        for site in self._program.sites_of(function):
            if site.relation is not None or "db.query" not in site.effects:
                continue
            query = query_run(site)
            at = (site.sequence, site.context)
            name = "" if query is None else self._parameter(function, query, at)
            if name and not is_handler(function, site.context):
                yield Asked(name, site, ())

    def _called(self, function: FunctionNode, calls: int) -> Iterator[Asked]:
        for edge in self._program.edges_from(function):
            if edge.how != "call" or edge.each or edge.callee in self._program.memoised:
                continue
            if edge.callee not in self._program.query_reach or is_handler(function, edge.context):
                continue
            for asked in self.of(edge.callee, calls):
                given = given_for(edge, asked.name)
                at = (edge.sequence, edge.context)
                name = "" if given is None else self._parameter(function, given, at)
                if name:
                    yield Asked(name, asked.site, (edge, *asked.through))

    def _parameter(self, function: FunctionNode, query: t.Expr, at: tuple[int, int]) -> str:
        """Return the parameter that a query asks, never bound anew; empty for anything else."""
        asked = asked_of(self._program.types, function, query, at)
        if asked is None or not isinstance(asked[0], t.Name):
            return ""
        name = asked[0].id
        return name if name in function.params and name not in function.binds else ""
