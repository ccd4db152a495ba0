"""Sessions that take a connection with their first query and keep it until commit or close."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program.expressions import argument_for, parts
from perfaudit.program.holds import LAST, RETURNS, returns_connection
from perfaudit.program.names import meanings
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode, is_handler
from perfaudit.program.reach import Reach, site_step
from perfaudit.program.sites import LOCKS_ROWS, WITH_KINDS, Edge, Site
from perfaudit.program.values import LibraryInstance, Type, options_of
from perfaudit.program.waited_for import is_waited_for, waited_reach

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DEPTH = 5
MAX_LINKS = 12
USES = DATABASE_ROUND_TRIPS | {"pool.acquire"}
PLAIN = frozenset({"try", "finally"}) | WITH_KINDS
Session = t.Name | t.Attr


class Use(Struct, frozen=True):
    """A query that made a session take its connection, and the steps to it."""

    session: Session
    place: Site | Edge
    steps: tuple[TraceStep, ...]
    confidence: Confidence
    locks_rows: bool


class Summary(Struct, frozen=True):
    """What a call does with a session that it is given: ends its hold, begins one."""

    ends: bool
    use: Use | None


NOTHING = Summary(False, None)


class Sessions:
    """The state of sessions at places of functions.

    What functions do with the sessions they are given is remembered.
    """

    def __init__(self, program: "Program") -> None:
        self._program = program
        self._summaries: dict[tuple[FunctionNode, str], Summary] = {}
        self._ending: Reach = waited_reach(program, lambda site: RETURNS in site.behaviour.flags)

    def held_at(self, place: Site | Edge, reached: Reach) -> list[Use]:
        """Return the sessions that hold a connection while a place, and what it reaches, runs."""
        function = place.function
        if not self._may_ask(function, place.sequence):
            return []
        held = self._state(function, place.sequence, place.context, 0)
        found = [use for session, use in held.items() if self._lasts(function, session, use, place)]
        if found and self._ends_on_the_way(reached.way(place)[1:]):
            return []
        return found

    def left_by(self, function: FunctionNode, param: str) -> Use | None:
        """Return the query with which a function leaves a session that it was given holding."""
        return self._summary(function, param, 0).use

    def ends_before(self, place: Site | Edge, reached: Reach) -> bool:
        """Return whether some session is ended before what a place reaches: by its function too."""
        return self._ends_on_the_way(reached.way(place))

    def _may_ask(self, function: FunctionNode, until: int) -> bool:
        """Return whether some database may be asked before a point: the cheap question."""
        asking = self._program.database_reach
        return any(
            site.sequence < until and not USES.isdisjoint(site.effects)
            for site in self._program.sites_of(function)
        ) or any(
            edge.sequence < until and edge.callee in asking
            for edge in self._program.edges_from(function)
        )

    def _state(
        self, function: FunctionNode, until: int, context: int, depth: int
    ) -> dict[Session, Use]:
        held: dict[Session, Use] = {}
        for place in self._events(function, until):
            if isinstance(place, tuple):
                index, session = place
                call = function.facts.calls[index]
                if not _is_left(function, call.context, context):
                    held.pop(session, None)
            elif isinstance(place, Site):
                use = self._use(place)
                if use is not None and _runs_before(function, place.context, context):
                    held[use.session] = use
            else:
                self._apply(function, place, context, held, depth)
        return held

    def _apply(
        self,
        function: FunctionNode,
        edge: Edge,
        context: int,
        held: dict[Session, Use],
        depth: int,
    ) -> None:
        given = list(self._given(edge))
        if not given:
            if (
                held
                and edge.callee in self._ending
                and not _is_left(function, edge.context, context)
            ):
                held.clear()
            return
        for session, param in given:
            summary = self._summary(edge.callee, param, depth + 1)
            if summary.ends and not _is_left(function, edge.context, context):
                held.pop(session, None)
            if summary.use is not None and _runs_before(function, edge.context, context):
                names = function.facts.qualname, edge.callee.facts.qualname
                first = TraceStep(edge.location, f"{names[0]} calls {names[1]}")
                held[session] = Use(
                    session,
                    edge,
                    (first, *summary.use.steps),
                    weakest(edge.confidence, summary.use.confidence),
                    summary.use.locks_rows,
                )

    def _summary(self, function: FunctionNode, param: str, depth: int) -> Summary:
        key = (function, param)
        if key not in self._summaries:
            self._summaries[key] = NOTHING
            if depth <= MAX_DEPTH and not function.facts.is_generator:
                held = self._state(function, LAST, -1, depth)
                ends = function in self._ending or any(
                    isinstance(place, tuple) and place[1] == t.Name(param)
                    for place in self._events(function, LAST)
                )
                # A name that is bound anew may be another session than the one that was given.
                use = None if param in function.binds else held.get(t.Name(param))
                self._summaries[key] = Summary(ends, use)
        return self._summaries[key]

    def _events(
        self, function: FunctionNode, until: int
    ) -> list["Site | Edge | tuple[int, Session]"]:
        """Return the uses, calls and ends of sessions before a point, in order of running."""
        program = self._program
        found: list[tuple[int, Site | Edge | tuple[int, Session]]] = []
        for index, call in enumerate(function.facts.calls):
            if call.sequence < until and isinstance(call.callee, t.Attr):
                base = call.callee.base
                if isinstance(base, t.Name | t.Attr) and returns_connection(
                    program, function, index
                ):
                    found.append((call.sequence, (index, base)))
        for site in program.sites_of(function):
            ends = RETURNS in site.behaviour.flags
            if site.sequence < until and not ends and not USES.isdisjoint(site.effects):
                found.append((site.sequence, site))
        for edge in program.edges_from(function):
            if edge.sequence < until and is_waited_for(edge):
                found.append((edge.sequence, edge))
        found.sort(key=lambda item: item[0])
        return [item for _, item in found]

    def _use(self, site: Site) -> Use | None:
        session = self._asked(site)
        if session is None or site.relation is not None:
            return None
        locks_rows = locks_rows_in(self._program, site.function, site.value)
        return Use(session, site, (site_step(site),), site.confidence, locks_rows)

    def _asked(self, site: Site) -> Session | None:
        """Return the session that a site asks, also behind a query that was built from it."""
        function = site.function
        at = (site.sequence, site.context)
        value: t.Expr = site.value
        for _ in range(MAX_LINKS):
            if isinstance(value, t.CallRef):
                value = function.facts.calls[value.index].callee
            elif isinstance(value, t.Await):
                value = value.value
            elif not isinstance(value, t.Attr | t.Name):
                return None
            elif self.is_session(self._program.types.evaluate(function, value, at)):
                return value
            elif isinstance(value, t.Attr):
                value = value.base
            else:
                made = [item.value for item in function.binds.get(value.id, ())]
                if len(made) != 1 or made[0] is None:
                    return None
                value = made[0]
        return None

    def is_session(self, value: Type) -> bool:
        """Return whether a type takes a connection when it is asked, and gives it back."""
        libraries = self._program.libraries
        for option in options_of(value):
            if isinstance(option, LibraryInstance) and not option.path.startswith("builtins."):
                close = libraries.method(option.path, "close")
                commit = libraries.method(option.path, "commit")
                if close is not None and commit is not None and RETURNS in commit.flags:
                    return True
        return False

    def _given(self, edge: Edge) -> Iterator[tuple[Session, str]]:
        """Yield the sessions that a call passes, and the parameters that take them."""
        call = edge.call
        if call is None or edge.via != "call":
            return
        if edge.callee not in self._program.database_reach and edge.callee not in self._ending:
            return
        passed = call.given
        at = (call.sequence, call.context)
        for value in passed:
            if not isinstance(value, t.Name | t.Attr):
                continue
            if not self.is_session(self._program.types.evaluate(edge.caller, value, at)):
                continue
            for param in edge.callee.facts.params:
                if argument_for(call, edge.callee, param.name) == value:
                    yield value, param.name

    def _lasts(
        self, function: FunctionNode, session: Session, use: Use, place: Site | Edge
    ) -> bool:
        """Return whether the name of a session still means the one that was used."""
        root: t.Expr = session
        while isinstance(root, t.Attr):
            root = root.base
        if not isinstance(root, t.Name):
            return False
        then = meanings(function, root.id, (use.place.sequence, use.place.context))
        now = meanings(function, root.id, (place.sequence, place.context))
        if then != now:
            return False
        for meaning in now:
            bind = meaning.definition
            if isinstance(bind, t.Bind) and bind.kind == "with" and meaning.scope is function:
                if not function.is_within(place.context, bind.context):
                    return False
            if isinstance(bind, t.Bind) and bind.kind == "for":
                return False
        return True

    def _ends_on_the_way(self, way: list[Site | Edge]) -> bool:
        """Return whether a function between the caller and what costs ends some session before."""
        for place in way:
            function = place.function
            for event in self._events(function, place.sequence):
                if isinstance(event, tuple):
                    return True
                if isinstance(event, Edge) and event.callee in self._ending:
                    return True
        return False


def _runs_before(function: FunctionNode, context: int, later: int) -> bool:
    """Return whether a place has surely run when a later one runs: no branch of its own."""
    contexts = function.facts.contexts
    around = set(function.context_chain(later))
    for step in function.context_chain(context):
        if step in around:
            return True
        if contexts[step].kind not in PLAIN and contexts[step].kind not in LOOP_KINDS:
            return False
    return True


def _is_left(function: FunctionNode, context: int, later: int) -> bool:
    """Return whether the block of a place is left before a later place, or only handles errors."""
    around = set(function.context_chain(later))
    if is_handler(function, context) and not any(
        function.facts.contexts[step].kind == "except" for step in around
    ):
        return True
    for step in function.context_chain(context):
        if step in around:
            return False
        for leave in function.facts.exits:
            if leave.context == step and leave.kind in ("raise", "return", "continue", "break"):
                return True
    return False


def locks_rows_in(program: "Program", function: FunctionNode, value: t.Expr) -> bool:
    """Return whether an expression asks for rows and locks them, or runs a statement that does."""
    found = list(parts(function, value))
    for name in {part.id for part in found if isinstance(part, t.Name)}:
        for bind in function.binds.get(name, ()):
            if bind.kind == "assign" and bind.value is not None:
                found.extend(parts(function, bind.value))
    return any(
        target.behaviour is not None and LOCKS_ROWS in target.behaviour.flags
        for part in found
        if isinstance(part, t.CallRef)
        for target in program.types.call(function, part.index).targets
    )
