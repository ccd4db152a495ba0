"""Effect sites and call edges: the values, and those that have been found in one function."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.expressions import spelled
from perfaudit.program.forwarding import Forwards
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, Type

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

Fact = t.Call | t.Read | t.Bind | t.Return | t.Context
WITH_KINDS = frozenset({"with", "async with"})
LOCKS_ROWS = "locks-rows"
"""The flag of a call that makes a query lock the rows that it gives."""


class Site(Struct, frozen=True):
    """A place that costs something itself.

    ``kind``: call, iterate, len, bool, index, enter, exit, relation (an attribute that loads
    related rows). ``relation``: the relation whose rows it loads, if it may have been loaded with
    its object already; ``row``: that object, where the query only runs if it was not. ``sql`` is
    the text it runs, with ``{}`` for holes, if known. ``receiver`` is the object it is called on.
    ``call`` is the call, where it is one; ``value`` is the expression of the function whose
    evaluation costs.
    """

    function: FunctionNode
    kind: str
    name: str
    effects: tuple[str, ...]
    blocking: bool
    location: Location
    context: int
    sequence: int
    behaviour: Behaviour
    receiver: Type | None
    call: t.Call | None
    value: t.Expr
    sql: str | None
    confidence: Confidence
    relation: Relation | None = None
    row: t.Expr | None = None


COUNTS = "counts-rows"
"""The flag of calls that ask how many rows there are."""


class Edge(Struct, frozen=True):
    """A place that runs a project function.

    ``how``: call, thread, process, loop, task, worker, later. ``each``: once per item of an
    iterable. ``via``: call, property, iterate, enter, exit, callback. ``call`` is the call, where
    it is one; ``value`` is the expression of the caller whose evaluation runs it. ``after``: when
    the response is sent. What runs only when an iterator is stepped has its place where that is
    done; ``later`` where nobody does it here.
    """

    caller: FunctionNode
    callee: FunctionNode
    how: str
    via: str
    each: bool
    location: Location
    context: int
    sequence: int
    call: t.Call | None
    value: t.Expr
    name: str
    confidence: Confidence
    after: bool = False

    @property
    def function(self) -> FunctionNode:
        """Return the function in which it stands, as of a site."""
        return self.caller

    @property
    def is_step(self) -> bool:
        """Return whether it steps an iterator that the call has made before."""
        return self.via == "call" and self.call is not None and self.sequence > self.call.sequence


class Activity(Struct, frozen=True):
    """All sites and edges of one function, in order of running."""

    sites: tuple[Site, ...]
    edges: tuple[Edge, ...]


class Place(Struct, frozen=True):
    """Where in a function something runs: for a reader, in which block, and when."""

    location: Location
    context: int
    sequence: int


class Found:
    """What has been found so far in one function."""

    def __init__(self, types: "Types", function: FunctionNode, forwards: Forwards) -> None:
        self.types = types
        self.function = function
        self.forwards = forwards
        self.moved: dict[int, set[str]] = {}
        """Calls of coroutines and generators whose body runs elsewhere, and where."""
        self.lazy: dict[int, int] = {}
        """Calls that give what works when it is stepped, such as map, by their sequence."""
        self.sites: list[Site] = []
        self.edges: list[Edge] = []
        self.chains: list[tuple[t.Attr, Instance, t.Call | t.Read]] = []
        """Attributes that are named as a property or relation, read from an object of a class."""

    def place(self, fact: Fact) -> Place:
        """Return where a fact's expressions are worked out: a block's subject just outside it."""
        if type(fact) is t.Call or type(fact) is t.Read:
            location = self.function.place(fact)
        else:
            location = self.function.line(fact.line)
        context = fact.parent if isinstance(fact, t.Context) else fact.context
        return Place(location, context, fact.sequence)

    def add_site(
        self,
        kind: str,
        name: str,
        behaviour: Behaviour,
        value: t.Expr,
        place: Place,
        *,
        receiver: Type | None,
        effects: tuple[str, ...],
        blocking: bool,
        call: t.Call | None = None,
        sql: str | None = None,
        confidence: Confidence = Confidence.HIGH,
        relation: Relation | None = None,
    ) -> None:
        """Add a place that costs something itself."""
        self.sites.append(
            Site(
                function=self.function,
                kind=kind,
                name=name,
                effects=effects,
                blocking=blocking,
                location=place.location,
                context=place.context,
                sequence=place.sequence,
                behaviour=behaviour,
                receiver=receiver,
                call=call,
                value=value,
                sql=sql,
                confidence=confidence,
                relation=relation,
            )
        )

    def add_edge(
        self,
        callee: FunctionNode,
        via: str,
        value: t.Expr,
        place: Place,
        *,
        name: str | None = None,
        call: t.Call | None = None,
        how: str = "call",
        confidence: Confidence = Confidence.HIGH,
        each: bool = False,
        after: bool = False,
    ) -> None:
        """Add a place that runs a project function; its name is the value, if it has no other."""
        self.edges.append(
            Edge(
                caller=self.function,
                callee=callee,
                how=how,
                via=via,
                each=each,
                location=place.location,
                context=place.context,
                sequence=place.sequence,
                call=call,
                value=value,
                name=spelled(self.function, value) if name is None else name,
                confidence=confidence,
                after=after,
            )
        )
