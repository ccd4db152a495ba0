"""What a function holds, and where: transactions, pooled connections and locks."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.decorators import decorator_behaviours
from perfaudit.program.expressions import names, spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import WITH_KINDS, Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

RETURNS = "returns-connection"
"""The flag of a call after which its receiver, or its argument, holds no connection any more."""
LAZY = "begins-lazily"
"""The flag of a transaction that has a connection only from its first query on."""
LAST = 1 << 60


class Hold(Struct, frozen=True):
    """A part of a function that holds something: a block, or what lies between two places.

    ``kind``: transaction, connection, lock. ``value`` is the expression that is held, ``names`` the
    local names of what was acquired. ``is_lazy``: held only once something has been asked of it.
    """

    kind: str
    function: FunctionNode
    value: t.Expr
    name: str
    names: frozenset[str]
    location: Location
    context: int
    start: int
    end: int
    is_lazy: bool
    confidence: Confidence

    def covers(self, place: Site | Edge) -> bool:
        """Return whether a place of the same function runs while it is held."""
        return self.start < place.sequence < self.end and self.function.is_within(
            place.context, self.context
        )


def transactions(program: "Program", function: FunctionNode) -> Iterator[Hold]:
    """Yield the explicit transactions of a function: blocks and decorators."""
    yield from _blocks("transaction", program, function, _begins)
    if function.kind == "function" and function.facts.decorators:
        for behaviour in decorator_behaviours(program.types, function):
            if "db.transaction" in behaviour.effects:
                yield Hold(
                    "transaction", function, t.Opaque("decorator"), behaviour.path, frozenset(),
                    function.location, -1, -1, LAST, LAZY in behaviour.flags, Confidence.HIGH,
                )  # fmt: skip


def connections(program: "Program", function: FunctionNode) -> Iterator[Hold]:
    """Yield the parts of a function that hold a connection of a pool."""
    blocks = list(_blocks("connection", program, function, _acquires))
    yield from blocks
    in_blocks = {hold.value for hold in blocks}
    for site in program.sites_of(function):
        if _acquires(site) and site.kind == "call" and site.value not in in_blocks:
            held = _bound_names(function, site.value)
            end = _given_back(program, function, site, held)
            if held and end is not None:
                yield _span("connection", function, site, site.value, held, end)


def locks(program: "Program", function: FunctionNode) -> Iterator[Hold]:
    """Yield the parts of a function that hold a lock of threads or tasks."""
    yield from _blocks("lock", program, function, _locks)
    for site in program.sites_of(function):
        if not _locks(site) or site.kind != "call" or site.call is None:
            continue
        callee = site.call.callee
        if isinstance(callee, t.Attr) and callee.name == "acquire":
            end = _released(function, callee.base, site.sequence)
            if end is not None:
                yield _span("lock", function, site, callee.base, frozenset(), end)


def _begins(site: Site) -> bool:
    return "db.transaction" in site.effects and RETURNS not in site.behaviour.flags


def _acquires(site: Site) -> bool:
    return "pool.acquire" in site.effects and "db.transaction" not in site.effects


def _locks(site: Site) -> bool:
    return "lock" in site.effects


def _blocks(
    kind: str, program: "Program", function: FunctionNode, opens: Callable[[Site], bool]
) -> Iterator[Hold]:
    """Yield the ``with`` blocks that open something: written there, or in a project function.

    Such a function is a generator made into a context manager that yields while it holds.
    """
    contexts = function.facts.contexts
    if not any(context.kind in WITH_KINDS for context in contexts):
        return
    sites = [site for site in program.sites_of(function) if opens(site)]
    for number, context in enumerate(contexts):
        if context.kind not in WITH_KINDS or context.subject is None:
            continue
        subject = context.subject
        subject = subject.value if isinstance(subject, t.Await) else subject
        for site in sites:
            entered = site.kind == "enter" and site.sequence == context.sequence
            if entered or (site.kind == "call" and site.value == subject):
                yield _block(kind, function, number, site.behaviour, site.confidence)
                break
        else:
            yield from _managed(kind, program, function, number, subject, opens)


def _managed(
    kind: str,
    program: "Program",
    function: FunctionNode,
    number: int,
    subject: t.Expr,
    opens: Callable[[Site], bool],
) -> Iterator[Hold]:
    for edge in program.edges_from(function):
        if edge.value != subject or not edge.callee.facts.is_generator or edge.callee is function:
            continue
        yields = [item for item in edge.callee.facts.results if item.kind == "yield"]
        for hold in _blocks(kind, program, edge.callee, opens):
            if yields and all(edge.callee.is_within(item.context, hold.context) for item in yields):
                confidence = weakest(edge.confidence, hold.confidence)
                behaviour = Behaviour(hold.name, flags=(LAZY,) if hold.is_lazy else ())
                yield _block(kind, function, number, behaviour, confidence)
                return


def _block(
    kind: str, function: FunctionNode, number: int, behaviour: Behaviour, confidence: Confidence
) -> Hold:
    context = function.facts.contexts[number]
    target = context.target
    held = frozenset({target.id}) if isinstance(target, t.Name) else frozenset[str]()
    value: t.Expr = context.subject or t.Opaque("with")
    value = value.value if isinstance(value, t.Await) else value
    place = function.line(context.line)
    if isinstance(value, t.CallRef):
        place = function.place(function.facts.calls[value.index])
    return Hold(
        kind, function, value, spelled(function, value), held, place, number, context.sequence,
        LAST, LAZY in behaviour.flags, confidence,
    )  # fmt: skip


def _span(
    kind: str, function: FunctionNode, site: Site, value: t.Expr, held: frozenset[str], end: int
) -> Hold:
    return Hold(
        kind, function, value, spelled(function, value), held, site.location,
        _outer(function, site.context), site.sequence, end, False, site.confidence,
    )  # fmt: skip


def _outer(function: FunctionNode, context: int) -> int:
    """Return the block whose rest runs after a place: ``try`` is left behind, branches are not."""
    contexts = function.facts.contexts
    while context >= 0 and contexts[context].kind == "try":
        context = contexts[context].parent
    return context


def _bound_names(function: FunctionNode, value: t.Expr) -> frozenset[str]:
    """Return the local names that are bound to the result of a call, awaited or not."""
    found = set()
    for bind in function.facts.binds:
        given = bind.value.value if isinstance(bind.value, t.Await) else bind.value
        if given == value and isinstance(bind.target, t.Name):
            found.add(bind.target.id)
    return frozenset(found)


def _given_back(
    program: "Program", function: FunctionNode, site: Site, held: frozenset[str]
) -> int | None:
    """Return where a connection first goes back to its pool."""
    for index, call in enumerate(function.facts.calls):
        if call.sequence <= site.sequence:
            continue
        given = {part for value in call.arguments for part in names(function, value)}
        if isinstance(call.callee, t.Attr):
            given |= names(function, call.callee.base)
        if given & held and returns_connection(program, function, index):
            return call.sequence
    return None


def returns_connection(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether a call gives a connection back: commit, rollback, close, release."""
    return program.types.call(function, index).has_flag(RETURNS)


def _released(function: FunctionNode, lock: t.Expr, after: int) -> int | None:
    """Return where a lock is released last."""
    found = [
        call.sequence
        for call in function.facts.calls
        if call.sequence > after
        and isinstance(call.callee, t.Attr)
        and call.callee.name == "release"
        and call.callee.base == lock
    ]
    return max(found, default=None)
