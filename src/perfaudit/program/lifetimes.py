"""How long what a call makes is kept, and which functions run again and again."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Role, weakest
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.exposure import BY_HAND, label_of
from perfaudit.program.loops import Walk, walk_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode, remembered
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_overridden, receiver_of
from perfaudit.program.values import LibraryInstance, options_of

ENTRY_KINDS = (
    ("request", frozenset({"route", "websocket", "middleware"})),
    ("task", frozenset({"task", "consumer"})),
)
WALKS_OVER_DATA = frozenset({Walk.DATA, Walk.CHUNKS, Walk.MESSAGES})
"""What a loop walks that has many items; one that only counts is more often a retry."""
OFTEN = {
    "request": "each request",
    "task": "each task",
    "item": "each item of a loop",
    "call": "each call",
}


class Repetition(Struct, frozen=True):
    """Why a function runs again and again: ``often`` is request, task, item or call.

    ``chain`` leads from the entry point, or from the loop, to the function.
    """

    often: str
    endpoint: str
    chain: tuple[TraceStep, ...]
    confidence: Confidence


class _Origin(Struct, frozen=True):
    """The first reason, and the edge that carried it here; no edge at an entry point.

    ``before``: the origin of the function that the edge leaves. ``receiver``: the class of the
    object that the function is run of, where that is known.
    """

    often: str
    endpoint: str
    edge: Edge | None
    confidence: Confidence
    before: "_Origin | None" = None
    receiver: ClassNode | None = None


class Repetitions:
    """The functions that run per request, per task or per item of a loop, by shortest chains."""

    def __init__(self, origins: Mapping[FunctionNode, _Origin]) -> None:
        self._origins = origins

    def of(self, function: FunctionNode) -> Repetition | None:
        """Return why a function runs again and again, or None where that is not known.

        A nested function or lambda that nothing calls by name counts as the one around it.
        """
        node: FunctionNode | None = function
        while node is not None and node not in self._origins:
            node = node.parent if node.kind in ("function", "lambda") else None
        if node is None:
            return None
        origin = self._origins[node]
        return Repetition(
            origin.often, origin.endpoint, tuple(self._chain(node)), origin.confidence
        )

    def _chain(self, node: FunctionNode) -> list[TraceStep]:
        steps: list[TraceStep] = []
        seen = {node}
        origin = self._origins[node]
        while origin.edge is not None:
            edge = origin.edge
            callee, caller = edge.callee.facts.qualname, edge.caller.facts.qualname
            steps.append(TraceStep(edge.location, f"{caller} calls {callee}"))
            above = origin.before or self._origins.get(edge.caller)
            if above is None or above.often != origin.often or edge.caller in seen:
                return steps[::-1]
            seen.add(edge.caller)
            node, origin = edge.caller, above
        steps.append(TraceStep(node.location, f"{origin.endpoint} enters {node.facts.qualname}"))
        return steps[::-1]


def repetitions(program: Program) -> Repetitions:
    """Return the functions that run again and again.

    What a decorator memoises, and what is only called to be kept, is not followed.
    """
    origins: dict[FunctionNode, _Origin] = {}
    for often, kinds in ENTRY_KINDS:
        entered = [
            (function, _Origin(often, label_of(endpoint), None, Confidence.HIGH))
            for endpoint in program.endpoints
            if endpoint.kind in kinds
            for function in (endpoint.handler, *endpoint.dependencies)
            if not is_memoised(program, function)
        ]
        _spread(program, origins, entered)
    _spread(program, origins, list(_walked(program, origins)))
    return Repetitions(origins)


def is_memoised(program: Program, function: FunctionNode) -> bool:
    """Return whether a function's results are kept, or it does nothing for what it did before."""
    return function in program.memoised or _remembers(function)


@remembered
def _remembers(function: FunctionNode) -> bool:
    """Return whether a function leaves at once for what it has put into a collection outside."""
    facts = function.facts
    tests = [
        facts.contexts[leave.context].subject
        for leave in facts.exits
        if leave.kind == "return" and leave.context >= 0 and not function.loops(leave.context)
    ]
    kept = {
        test.right.id
        for test in tests
        if isinstance(test, t.Compare) and test.operator == "In" and isinstance(test.right, t.Name)
    } - (function.binds.keys() | function.params.keys())
    added = [
        call.callee.base
        for call in facts.calls
        if isinstance(call.callee, t.Attr) and call.callee.name in ("add", "append")
    ]
    added += [bind.target.base for bind in facts.binds if isinstance(bind.target, t.Item)]
    return any(isinstance(base, t.Name) and base.id in kept for base in added)


def _spread(
    program: Program,
    origins: dict[FunctionNode, _Origin],
    entered: Iterable[tuple[FunctionNode, _Origin]],
) -> None:
    waiting: deque[tuple[FunctionNode, _Origin]] = deque()
    for function, origin in entered:
        if origins.setdefault(function, origin) is origin:
            waiting.append((function, origin))
    known = origins.keys() - {function for function, _ in waiting}
    seen = {(function, origin.receiver) for function, origin in waiting}
    while waiting:
        function, here = waiting.popleft()
        for edge in program.edges_from(function):
            if edge.callee in known or not _is_followed(program, edge):
                continue
            if here.receiver is not None:
                if is_overridden(program.types.classes, edge, here.receiver):
                    continue
            receiver = receiver_of(program, edge, here.receiver)
            if (edge.callee, receiver) in seen:
                continue
            seen.add((edge.callee, receiver))
            often = "task" if edge.how == "worker" else here.often
            confidence = weakest(here.confidence, edge.confidence)
            found = _Origin(often, here.endpoint, edge, confidence, here, receiver)
            origins.setdefault(edge.callee, found)
            waiting.append((edge.callee, found))


def _is_followed(program: Program, edge: Edge) -> bool:
    if is_memoised(program, edge.callee):
        return False
    if edge.caller.name == "__init__" or edge.via != "call":
        return True
    return not is_kept(program, edge.caller, edge.value)


def _walked(
    program: Program, origins: Mapping[FunctionNode, _Origin]
) -> Iterator[tuple[FunctionNode, _Origin]]:
    """Yield the functions that loops over data call, in code that nobody starts by hand.

    Each of them once, and none that has an origin.
    """
    found = set(origins)
    for function in program.functions:
        if function in origins or function.role is not Role.PRODUCTION:
            continue
        edges = [
            edge
            for edge in program.edges_from(function)
            if (edge.each or (edge.context >= 0 and function.loops(edge.context)))
            and edge.callee not in found
            and _is_followed(program, edge)
        ]
        if not edges or is_run_by_hand(program, function):
            continue
        for edge in edges:
            if edge.callee in found:
                continue
            if edge.each or is_per_item(program, function, edge.context):
                found.add(edge.callee)
                confidence = weakest(Confidence.MEDIUM, edge.confidence)
                receiver = receiver_of(program, edge, None)
                yield edge.callee, _Origin("item", "", edge, confidence, receiver=receiver)


def rebuilt(program: Program, repeated: Repetitions, site: Site) -> Repetition | None:
    """Return why what a call makes is made again and again, or None where that is not known.

    What is stored is made once, unless the object that holds it is itself made again and again.
    """
    function = site.function
    if function.kind in ("module", "class") or is_memoised(program, function):
        return None
    found = repeated.of(function)
    if is_kept(program, function, site.value):
        if found is None or function.name != "__init__":
            return None
        return Repetition(found.often, found.endpoint, found.chain, Confidence.MEDIUM)
    if found is not None:
        return found
    if is_per_item(program, function, site.context) and not is_run_by_hand(program, function):
        return Repetition("item", "", (), Confidence.MEDIUM)
    return None


def match_of(
    program: Program, site: Site, found: Repetition, confidence: Confidence, **words: str
) -> Match:
    """Return the match of a call whose result is made again and again."""
    function = site.function
    exposure = program.exposure_of(function)
    return Match(
        site.location,
        {
            "call": site.name,
            **words,
            "function": function.facts.qualname,
            "often": OFTEN[found.often],
        },
        trace=(*found.chain, site_step(site)),
        confidence=weakest(found.confidence, site.confidence, confidence),
        function=function.qualname,
        endpoint=found.endpoint or exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def depends_on_parameters(function: FunctionNode, values: Iterable[t.Expr]) -> bool:
    """Return whether some value is made from parameters of the function besides its receiver."""
    own = function.facts.params[:1] if function.owner is not None else ()
    tainted = {param.name for param in function.facts.params} - {param.name for param in own}
    if not tainted:
        return False
    for bind in function.facts.binds:
        if not isinstance(bind.target, t.Name) or bind.value is None:
            continue
        if expressions.names(function, bind.value) & tainted:
            tainted.add(bind.target.id)
    return any(expressions.names(function, value) & tainted for value in values)


def is_per_item(program: Program, function: FunctionNode, context: int) -> bool:
    """Return whether a place stands in a loop over data."""
    return any(
        program.once(walk_of, function, loop) in WALKS_OVER_DATA for loop in function.loops(context)
    )


def is_run_by_hand(program: Program, function: FunctionNode) -> bool:
    """Return whether only start-up code, scripts, commands or module bodies lead to a function.

    False where nothing is seen to lead to it.
    """
    seen = {function}
    waiting = [function]
    by_hand = False
    while waiting:
        node = waiting.pop()
        if node.kind == "module" or program.kind_of_exposure(node) in BY_HAND:
            by_hand = True
            continue
        callers = {edge.caller for edge in program.edges_to(node)}
        if not callers and node is not function and node.role is Role.PRODUCTION:
            return False
        waiting.extend(callers - seen)
        seen |= callers
    return by_hand


def is_kept(program: Program, function: FunctionNode, made: t.Expr) -> bool:
    """Return whether the result of a call is stored where it outlives the function."""
    return any(_is_lasting(program, function, bind.target) for bind in stores_of(function, made))


def stores_of(function: FunctionNode, made: t.Expr) -> list[t.Bind]:
    """Return the binds that hold the result of a call, directly or through a local name."""
    found = [bind for bind, held in _held_by_binds(function) if made in held]
    names = {bind.target.id for bind in found if isinstance(bind.target, t.Name)}
    for bind in function.facts.binds:
        value = _unwrapped(bind.value)
        if isinstance(value, t.Name) and value.id in names:
            found.append(bind)
    return found


def names_of(function: FunctionNode, made: t.Expr) -> set[str]:
    """Return the local names that hold the result of a call."""
    return {bind.target.id for bind in stores_of(function, made) if isinstance(bind.target, t.Name)}


def is_returned(function: FunctionNode, made: t.Expr) -> bool:
    """Return whether a function hands the result of a call to its caller."""
    names = names_of(function, made)
    return any(
        made in _held(function, result.value)
        or any(
            isinstance(part, t.Name) and part.id in names for part in _alternatives(result.value)
        )
        for result in function.facts.results
    )


@remembered
def _held_by_binds(function: FunctionNode) -> list[tuple[t.Bind, list[t.Expr]]]:
    """Return the binds of a function, each with what it holds."""
    return [(bind, _held(function, bind.value)) for bind in function.facts.binds]


def _held(function: FunctionNode, value: t.Expr | None) -> list[t.Expr]:
    """Return what an expression is, or may be, and what it wraps: ``y or Z(await x())``."""
    if value is None:
        return []
    if isinstance(value, t.Name | t.Attr | t.Const):
        return [value]
    found = []
    for part in _alternatives(value):
        found.append(part)
        if isinstance(part, t.CallRef):
            for item in function.facts.calls[part.index].given:
                found += _held(function, item)
    return found


def _alternatives(value: t.Expr | None) -> Iterator[t.Expr]:
    value = _unwrapped(value)
    if isinstance(value, t.Either):
        for option in value.options:
            yield from _alternatives(option)
    elif isinstance(value, t.Seq):
        for item in value.items:
            yield from _alternatives(item)
    elif value is not None:
        yield value


def _unwrapped(value: t.Expr | None) -> t.Expr | None:
    while isinstance(value, t.Await | t.Entered | t.Star):
        value = value.value
    return value


def _is_lasting(program: Program, function: FunctionNode, target: t.Expr) -> bool:
    match target:
        case t.Name(id=name):
            return name in function.facts.outer_names or function.kind in ("module", "class")
        case t.Attr(base=base) | t.Item(base=base):
            return not _is_per_request(program, function, base)
    return False


def _is_per_request(program: Program, function: FunctionNode, base: t.Expr) -> bool:
    """Return whether an object lives for one request, or only as long as the function."""
    libraries = program.libraries
    return any(
        isinstance(option, LibraryInstance)
        and any(libraries.is_subtype(option.path, kind) for kind in libraries.request_objects)
        for part in expressions.parts(function, base)
        for option in options_of(program.types.evaluate(function, part, AT_END))
    )
