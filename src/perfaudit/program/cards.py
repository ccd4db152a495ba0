"""The cost card of each endpoint: what one request costs, and what is known of how it runs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.core.report import CostTerm, EndpointCard
from perfaudit.facts import types as t
from perfaudit.program.answer_costs import cost_of_response
from perfaudit.program.calls import Target
from perfaudit.program.costs import HTTP_REQUESTS, costs_of
from perfaudit.program.coverage import unresolved_calls
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.graph_costs import cost_below
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.page_costs import cost_of_pages, is_only_shown
from perfaudit.program.polynomial import ZERO, Cost, Lazy, Term, once, spelled
from perfaudit.program.program import BLOCKING_KINDS
from perfaudit.program.values import Awaitable, LibraryInstance, TupleType, Type, options_of
from perfaudit.program.view_costs import cost_before, cost_of_shown_here, cost_of_view

if TYPE_CHECKING:
    from perfaudit.program.program import Program

CARD_KINDS = frozenset({"route", "websocket", "graph-field"})
EVENT_LOOP = "event-loop"
BLOCKING_EFFECTS = frozenset().union(
    *(effects for kind, effects in BLOCKING_KINDS.items() if kind != "stat")
)
"""What delays other requests when it blocks the event loop: all but a look at a file's metadata."""

RUN_HOW = frozenset({"call", "thread", "task", "loop"})
ON_THE_LOOP = frozenset({"call", "task", "loop"})
PARTS_OF_AN_ANSWER = ("HOOK", "BEFORE")
"""How library files mark methods of a view class that are not the whole of an answer."""

CONTAINERS = frozenset({"builtins.dict", "builtins.list", "builtins.set", "builtins.tuple"})
MAX_DEPTH = 12
MAX_FUNCTIONS = 2000
MAX_BLOCKING = 8


def endpoint_cards(program: "Program", *, explained: bool = False) -> tuple[EndpointCard, ...]:
    """Return the card of each route and websocket, by path and method.

    ``explained``: with the terms of their costs. A thousand endpoints share what they call, so that
    all chains of all terms are many times as large as everything else that is known.
    """
    queries = program.once(costs_of, DATABASE_ROUND_TRIPS)
    requests = program.once(costs_of, HTTP_REQUESTS)
    counts: dict[FunctionNode, tuple[int, int]] = {}
    cards = [
        _card(program, endpoint, queries, requests, counts, explained=explained)
        for endpoint in program.endpoints
        if endpoint.kind in CARD_KINDS
    ]
    return tuple(
        sorted(cards, key=lambda card: (card.path, card.method, card.location, card.handler))
    )


def cost_of_endpoint(
    program: "Program", endpoint: Endpoint, costs: Mapping[FunctionNode, Cost]
) -> Cost:
    """Return what one request costs: the dependencies once each, then the handler."""
    total = ZERO
    for function in (*_passed(program, endpoint), *endpoint.entered):
        if function not in program.memoised:
            enters = f"{_called(endpoint)} enters {function.facts.qualname}"
            step = TraceStep(function.location, enters)
            total = total + costs.get(function, ZERO).resolved(_is_not_known).along(step)
    return total


def _passed(program: "Program", endpoint: Endpoint) -> list[FunctionNode]:
    """Return the middleware that a request goes through before it comes to the endpoint."""
    found = program.once(_middleware).get(endpoint.application, [])
    if endpoint.application is not None:
        return found
    return found if endpoint.framework in program.once(_with_middleware) else []


def _with_middleware(program: "Program") -> frozenset[str]:
    """Return the frameworks whose applications go through middleware."""
    frameworks = program.libraries.frameworks
    return frozenset(each.library for each in frameworks if each.settings or each.middleware)


def _middleware(program: "Program") -> dict[Location | None, list[FunctionNode]]:
    """Return the middleware of each application, and under None those that settings name."""
    found: dict[Location | None, list[FunctionNode]] = {}
    for endpoint in program.endpoints:
        if endpoint.kind == "middleware":
            found.setdefault(endpoint.application, []).append(endpoint.handler)
    return found


def _called(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}".strip()


def _is_not_known(_: Lazy) -> None:
    """Say that nobody knows what a framework's arguments have loaded."""


def cost_of_answer(
    program: "Program", endpoint: Endpoint, costs: Mapping[FunctionNode, Cost]
) -> Cost:
    """Return what one request costs in the database, with what is paid to make the answer."""
    cost = cost_of_endpoint(program, endpoint, costs) + cost_before(program, costs, endpoint)
    answered = cost_of_view(program, costs, endpoint)
    if answered is not None:
        return cost + answered
    pages = cost_of_pages(program, endpoint, endpoint.entered)
    cost = cost + (cost_of_lazy_answers(program, endpoint) if pages is None else pages)
    if pages is not None and is_only_shown(program, endpoint):
        return cost
    cost = cost + cost_of_response(program, costs, endpoint)
    cost = cost + cost_below(program, costs, endpoint)
    for function in endpoint.entered:
        cost = cost + cost_of_shown_here(program, costs, function)
    return cost.at_least() if library_answers(program, endpoint) else cost


def cost_of_lazy_answers(program: "Program", endpoint: Endpoint) -> Cost:
    """Return what is paid after the handler: lazy results that it returns or hands to a template.

    Each is one query or more, since what is read of the rows is not seen here.
    """
    types = program.types
    lazy = 0
    for function in endpoint.entered:
        returned = types.returned(function) if function.kind == "function" else None
        lazy += returned is not None and is_lazy(program, returned)
        for index, call in enumerate(function.facts.calls):
            if any(_renders(target) for target in types.call(function, index).targets):
                lazy += any(is_lazy(program, given) for given in _given(program, function, call))
    return once("db.query").times(lazy).at_least() if lazy else ZERO


def _given(program: "Program", function: FunctionNode, call: t.Call) -> Iterator[Type]:
    for value in call.given:
        yield program.types.evaluate(function, value, (call.sequence, call.context))


def library_answers(program: "Program", endpoint: Endpoint) -> bool:
    """Return whether a library answers, with project code as a part, so that not all is seen."""
    handler = endpoint.handler
    if handler.kind == "class":
        return True
    if handler.owner is None:
        return False
    for path in program.types.classes.library_bases(handler.owner):
        view = program.libraries.view_class(path)
        if view is not None and handler.name in view.methods:
            return view.methods[handler.name].startswith(PARTS_OF_AN_ANSWER)
    return False


def is_lazy(program: "Program", value: Type, nesting: int = 3) -> bool:
    """Return whether a value, or something in it, asks the database when it is iterated."""
    if nesting == 0:
        return False
    for option in options_of(value):
        match option:
            case Awaitable(result=inner):
                parts: tuple[Type, ...] = (inner,)
            case TupleType(items=items):
                parts = items
            case LibraryInstance(path=path, arguments=arguments):
                behaviour = program.libraries.on(path, "iterate")
                if behaviour is not None and not DATABASE_ROUND_TRIPS.isdisjoint(behaviour.effects):
                    return True
                parts = arguments if path in CONTAINERS else ()
            case _:
                continue
        if any(is_lazy(program, part, nesting - 1) for part in parts):
            return True
    return False


def _renders(target: Target) -> bool:
    return target.behaviour is not None and "renders-template" in target.behaviour.flags


def is_cached(program: "Program", endpoint: Endpoint) -> bool:
    """Return whether a decorator keeps answers, or some function on the way asks a cache first."""
    if endpoint.handler in program.memoised or any(
        program.once(_memoises, path) for path in endpoint.decorators
    ):
        return True
    asking = program.once(_asking_cache_first)
    return bool(asking) and not asking.isdisjoint(_reached(program, (endpoint.handler,), RUN_HOW))


def _asking_cache_first(program: "Program") -> frozenset[FunctionNode]:
    return frozenset(
        function
        for function in program.costly_or_calling(program.cache_reach)
        if asks_cache_first(program, function)
    )


def asks_cache_first(program: "Program", function: FunctionNode) -> bool:
    """Return whether a function reads a cache, and after that asks the database only at need."""
    cached_at: int | None = None
    for sequence, context, event in _events(program, function):
        if event == "cache":
            cached_at = sequence if cached_at is None else cached_at
        elif cached_at is not None and _is_conditional(function, cached_at, sequence, context):
            return True
    return False


def _card(
    program: "Program",
    endpoint: Endpoint,
    queries: Mapping[FunctionNode, Cost],
    requests: Mapping[FunctionNode, Cost],
    counts: dict[FunctionNode, tuple[int, int]],
    *,
    explained: bool,
) -> EndpointCard:
    cost = cost_of_answer(program, endpoint, queries)
    return EndpointCard(
        method=endpoint.method or ("WEBSOCKET" if endpoint.kind == "websocket" else ""),
        path=endpoint.path,
        handler=endpoint.handler.qualname,
        location=endpoint.location,
        queries=str(cost),
        degree=cost.degree,
        http_calls=str(cost_of_endpoint(program, endpoint, requests)),
        blocking=_blocking(program, endpoint),
        cached=is_cached(program, endpoint),
        dispatch=endpoint.dispatch,
        resolved=_resolved_share(program, endpoint, counts),
        reads=str(cost.of("db.query")),
        writes=str(cost.of("db.write")),
        terms=tuple(_term(term) for term in cost.terms) if explained else (),
    )


def _term(term: Term) -> CostTerm:
    effect = "write" if term.effect == "db.write" else "read"
    traces = tuple(tuple(chain.steps()) for chain in term.chains)
    return CostTerm(spelled(term.sizes, term.count), effect, traces)


def _blocking(program: "Program", endpoint: Endpoint) -> tuple[str, ...]:
    """Return the names of what blocks the event loop during a request."""
    entered = [function for function in endpoint.dependencies if function.is_async]
    if endpoint.dispatch == EVENT_LOOP:
        entered.append(endpoint.handler)
    blocking = program.once(_names_of_blocking)
    names = {
        name
        for function in blocking.keys() & _reached(program, tuple(entered), ON_THE_LOOP)
        for name in blocking[function]
    }
    return tuple(sorted(names)[:MAX_BLOCKING])


def _names_of_blocking(program: "Program") -> dict[FunctionNode, list[str]]:
    """Return the names of what blocks in each function itself, where something does."""
    found: dict[FunctionNode, list[str]] = {}
    for site in program.sites():
        if site.blocking and not BLOCKING_EFFECTS.isdisjoint(site.effects):
            found.setdefault(site.function, []).append(site.name)
    return found


def _memoises(program: "Program", path: str) -> bool:
    behaviour = program.libraries.function(path) or program.libraries.constructor(path)
    return behaviour is not None and behaviour.memoises


def _reached(
    program: "Program", functions: tuple[FunctionNode, ...], how: frozenset[str]
) -> set[FunctionNode]:
    """Return the functions and what they run, but not what memoised ones run."""
    run = program.once(_run_by, how)
    found = set(functions)
    layer = found
    for _ in range(MAX_DEPTH):
        layer = set().union(*[run[function] for function in layer if function in run]) - found
        found = found | layer
        if not layer or len(found) > MAX_FUNCTIONS:
            break
    return found


def _run_by(program: "Program", how: frozenset[str]) -> dict[FunctionNode, frozenset[FunctionNode]]:
    """Return what each function runs itself, without what is memoised."""
    found: dict[FunctionNode, frozenset[FunctionNode]] = {}
    for function in program.functions:
        callees = frozenset(edge.callee for edge in program.edges_from(function) if edge.how in how)
        if callees:
            found[function] = callees - program.memoised
    return found


def _resolved_share(
    program: "Program", endpoint: Endpoint, counts: dict[FunctionNode, tuple[int, int]]
) -> float:
    """Return the share of resolved calls; ``counts`` keeps how many there are, and unresolved."""
    calls = 0
    missing = 0
    for function in _reached(program, endpoint.entered, RUN_HOW):
        counted = counts.get(function)
        if counted is None:
            unresolved = unresolved_calls(program, function)
            counted = counts[function] = (len(function.facts.calls), unresolved)
        calls += counted[0]
        missing += counted[1]
    return round(1 - missing / calls, 2) if calls else 1.0


def _events(program: "Program", function: FunctionNode) -> Iterator[tuple[int, int, str]]:
    """Yield sequence, context and kind of the places that ask a cache or the database, in order."""
    found: list[tuple[int, int, str]] = []
    for site in program.sites_of(function):
        if "cache.read" in site.effects:
            found.append((site.sequence, site.context, "cache"))
        elif not DATABASE_ROUND_TRIPS.isdisjoint(site.effects):
            found.append((site.sequence, site.context, "database"))
    for edge in program.edges_from(function):
        if edge.how not in RUN_HOW or edge.callee in program.memoised:
            continue
        if edge.callee in program.database_reach:
            found.append((edge.sequence, edge.context, "database"))
        elif edge.callee in program.cache_reach:
            found.append((edge.sequence, edge.context, "cache"))
    yield from sorted(found, key=lambda event: event[:2])


def _is_conditional(function: FunctionNode, after: int, sequence: int, context: int) -> bool:
    """Return whether a place runs only if a test that follows the cache's answer says so."""
    contexts = function.facts.contexts
    if any(
        contexts[step].kind in ("if", "else", "except", "match") and contexts[step].sequence > after
        for step in function.context_chain(context)
    ):
        return True
    return any(
        leave.kind == "return" and after < leave.sequence < sequence and leave.context >= 0
        for leave in function.facts.exits
    )
