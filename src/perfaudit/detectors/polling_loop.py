"""Find what asks again and again whether there is news: endless loops and timers of pages."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Role, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.exposure import label_of
from perfaudit.program.expressions import argument, parts
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import Reach, reach, site_step
from perfaudit.program.routes_origins import Origins, sources
from perfaudit.program.sites import Edge, Site
from perfaudit.program.timers import Timer, timers
from perfaudit.sources import Document, role_of

AUDITED = frozenset({Role.PRODUCTION, Role.COMMAND})
RARE_SECONDS = 60
"""A loop that runs no more often than this looks after the house: it does not wait for anything."""
RARE_PAGE_SECONDS = 300
CALM_SECONDS = 60
MAX_STEPS = 5
STOPPING = re.compile(
    r"stop|shut|running|alive|cancel|clos|exit|term|quit|disconnect|kill|finish_event|enabled|active|should"
)
SENDING = re.compile(r"^(?:post|put|patch|delete|push|send|publish|report|notify|upload)")
LISTENING = re.compile(r"stream|ws_connect|websocket|listen|subscribe")
ORDERED = frozenset({"Lt", "LtE", "Gt", "GtE"})
CONDITIONS = frozenset({"if", "else", "match"})
RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)
FOLLOWED = frozenset({"call", "loop", "thread", "task"})
WAITING = frozenset({"queue.wait", "thread.wait"})
PAGE_KINDS = frozenset({"template", "script"})
OTHERS_CODE = frozenset(
    {
        "vendor",
        "vendors",
        "node_modules",
        "dist",
        "third_party",
        "bower_components",
        "plugins",
        "lib",
        "libs",
    }
)


class Poll(NamedTuple):
    """An endless loop, its sleep, and the place in it that asks."""

    function: FunctionNode
    sleep: Site
    asks: Site | Edge
    seconds: float | None


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each polling loop and timer that was judged, and those that ask often."""
    asking = _reach(program, _asks)
    waiting = _reach(program, _waits)
    for function in program.functions:
        if function.role in AUDITED:
            for poll in _polls(program, function, asking, waiting):
                yield from _judge(program, poll, asking)
    for document in program.documents:
        if document.kind in PAGE_KINDS and not OTHERS_CODE.intersection(document.path.split("/")):
            yield from _pages(program, document)


def _reach(program: Program, counts: Callable[[Site], bool]) -> Reach:
    def follows(edge: Edge) -> bool:
        return edge.how in FOLLOWED and edge.callee not in program.memoised

    return reach(program.costly, program.sites_of, program.edges_to, counts=counts, follows=follows)


def _asks(site: Site) -> bool:
    """Return whether a site asks for something that may be new."""
    if "db.query" in site.effects:
        return True
    if "db.write" in site.effects:
        return site.sql is not None and RETURNING.search(site.sql) is not None
    return "http.request" in site.effects and not SENDING.match(site.name.rpartition(".")[2])


def _waits(site: Site) -> bool:
    """Return whether a site waits until something comes."""
    if not WAITING.isdisjoint(site.effects):
        return True
    name = site.name.rpartition(".")[2]
    return "http.request" in site.effects and LISTENING.search(name) is not None


def _polls(
    program: Program, function: FunctionNode, asking: Reach, waiting: Reach
) -> Iterator[Poll]:
    """Yield the endless loops of a function that sleep and ask in each turn."""
    for number, context in enumerate(function.facts.contexts):
        if context.kind != "while" or not _is_endless(function, number):
            continue
        sites = [site for site in program.sites_of(function) if _is_in(function, site, number)]
        edges = [edge for edge in program.edges_from(function) if _is_in(function, edge, number)]
        if any(_waits(site) for site in sites):
            continue
        if any(edge.callee in waiting and edge.how in FOLLOWED for edge in edges):
            continue
        if _leaves_by_result(function, number):
            continue
        sleep = _sleep(function, number, sites)
        asked: list[Site | Edge] = [site for site in sites if _asks(site)]
        asked += [edge for edge in edges if edge.how in FOLLOWED and edge.callee in asking]
        asked = [
            place
            for place in asked
            if _is_sure(program, function, place, number, asking, MAX_STEPS)
        ]
        if sleep is None or not asked:
            continue
        first = min(asked, key=lambda place: place.sequence)
        yield Poll(function, sleep, first, _interval(program, function, sleep))


def _is_in(function: FunctionNode, place: Site | Edge, loop: int) -> bool:
    return function.is_within(place.context, loop)


def _is_endless(function: FunctionNode, loop: int) -> bool:
    """Return whether only the end of the process, or a wish to stop, ends a ``while``."""
    test = function.facts.contexts[loop].subject
    if isinstance(test, t.Const):
        return bool(test.value)
    if test is None or not STOPPING.search(_words(function, test)):
        return False
    return not any(_ends_by_itself(function, part, loop) for part in _conditions(test))


def _conditions(test: t.Expr) -> tuple[t.Expr, ...]:
    """Return the conditions that must all hold."""
    return test.options if isinstance(test, t.Either) and test.kind == "and" else (test,)


def _ends_by_itself(function: FunctionNode, condition: t.Expr, loop: int) -> bool:
    """Return whether a condition has a bound, or is about what the loop itself finds out."""
    if isinstance(condition, t.Compare) and condition.operator in ORDERED:
        return True
    asked = {part for part in parts(function, condition) if isinstance(part, t.Name | t.Attr)}
    return any(
        bind.target in asked
        and function.is_within(bind.context, loop)
        and _is_found_out(function, bind.context, loop)
        for bind in function.facts.binds
    )


def _words(function: FunctionNode, value: t.Expr) -> str:
    names = []
    for part in parts(function, value):
        if isinstance(part, t.Name):
            names.append(part.id)
        elif isinstance(part, t.Attr):
            names.append(part.name)
    return " ".join(names).lower()


def _leaves_by_result(function: FunctionNode, loop: int) -> bool:
    """Return whether something else than a wish to stop, or an error, ends the loop."""
    for leave in function.facts.exits:
        if leave.kind == "continue" or not function.is_within(leave.context, loop):
            continue
        if leave.kind == "break" and (function.loops(leave.context) or [-1])[0] != loop:
            continue
        if _is_found_out(function, leave.context, loop):
            return True
    return False


def _is_found_out(function: FunctionNode, place: int, loop: int) -> bool:
    """Return whether a place of the loop is reached without an error or a wish to stop."""
    inside = []
    for number in function.context_chain(place):
        if number == loop:
            break
        inside.append(function.facts.contexts[number])
    if any(context.kind == "except" for context in inside):
        return False
    tests = [context.subject for context in inside if context.subject is not None]
    return not any(STOPPING.search(_words(function, test)) for test in tests)


def _sleep(function: FunctionNode, loop: int, sites: list[Site]) -> Site | None:
    """Return the sleep of each turn: not one after an error, and not one of a loop inside."""
    for site in reversed(sites):
        if "sleep" not in site.effects or (function.loops(site.context) or [-1])[0] != loop:
            continue
        if not _is_aside(function, site.context, loop):
            return site
    return None


def _is_aside(function: FunctionNode, context: int, loop: int) -> bool:
    """Return whether a place of the loop runs only after an error."""
    for number in function.context_chain(context):
        if number == loop:
            return False
        if function.facts.contexts[number].kind == "except":
            return True
    return False


def _is_sure(
    program: Program,
    function: FunctionNode,
    place: Site | Edge,
    loop: int,
    asking: Reach,
    steps: int,
) -> bool:
    """Return whether a place asks in each turn: nothing that the process knows itself decides."""
    for number in function.context_chain(place.context):
        if number == loop:
            break
        if function.facts.contexts[number].kind in (*CONDITIONS, "except"):
            return False
    if place.value in _sometimes(function):
        return False
    for leave in function.facts.exits:
        if leave.kind == "raise" or leave.sequence >= place.sequence:
            continue
        if loop < 0 or function.is_within(leave.context, loop):
            return False
    if isinstance(place, Site):
        return True
    if steps == 0:
        return False
    inner: list[Site | Edge] = [site for site in program.sites_of(place.callee) if _asks(site)]
    inner += [
        edge
        for edge in program.edges_from(place.callee)
        if edge.how in FOLLOWED and edge.callee in asking
    ]
    return any(_is_sure(program, place.callee, item, -1, asking, steps - 1) for item in inner)


def _sometimes(function: FunctionNode) -> set[t.Expr]:
    """Return the calls of a function that an operand before them decides on."""
    facts = function.facts
    roots = [context.subject for context in facts.contexts]
    roots += [bind.value for bind in facts.binds]
    roots += [result.value for result in facts.results]
    roots += [given for call in facts.calls for given in call.arguments]
    return {
        part
        for root in roots
        if root is not None
        for choice in parts(function, root)
        if isinstance(choice, t.Either) and choice.kind in ("and", "or")
        for option in choice.options[1:]
        for part in parts(function, option)
        if isinstance(part, t.CallRef)
    }


def _interval(program: Program, function: FunctionNode, sleep: Site) -> float | None:
    if sleep.call is None:
        return None
    given = argument(sleep.call, "0|delay|seconds|secs")
    if given is None:
        return None
    at = (sleep.call.sequence, sleep.call.context)
    return _number(program, function, given, at, MAX_STEPS)


def _number(
    program: Program, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> float | None:
    """Return the number that an expression gives, followed to settings and to callers."""
    if steps == 0:
        return None
    match value:
        case t.Const(value=int() | float() as number):
            return float(number)
        case t.Binary(operator="Mult", left=left, right=right):
            first = _number(program, function, left, at, steps - 1)
            second = _number(program, function, right, at, steps - 1)
            return None if first is None or second is None else first * second
        case t.Name() | t.Attr():
            for source in sources(Origins(program.types), function, value, at):
                if isinstance(source.value, t.Const | t.Binary):
                    found = _number(program, source.function, source.value, AT_END, steps - 1)
                    if found is not None:
                        return found
            if isinstance(value, t.Name) and value.id in function.params:
                return _number_of_param(program, function, value.id, steps)
    return None


def _number_of_param(
    program: Program, function: FunctionNode, name: str, steps: int
) -> float | None:
    positional = [param.name for param in function.facts.params if param.kind == "positional"]
    if positional and positional[0] in ("self", "cls"):
        positional = positional[1:]
    spec = f"{positional.index(name)}|{name}" if name in positional else name
    found = set()
    for edge in program.edges_to(function):
        given = argument(edge.call, spec) if edge.call is not None and edge.via == "call" else None
        if edge.call is not None and given is not None:
            at = (edge.call.sequence, edge.call.context)
            found.add(_number(program, edge.caller, given, at, steps - 1))
    return found.pop() if len(found) == 1 else None


def _judge(program: Program, poll: Poll, asking: Reach) -> Iterator[Match | Opportunity]:
    function, asks = poll.function, poll.asks
    exposure = program.exposure_of(function)
    place = poll.sleep.location
    yield Opportunity(place, exposure.kind)
    if poll.seconds is not None and (poll.seconds >= RARE_SECONDS or poll.seconds <= 0):
        return
    if isinstance(asks, Site):
        site, steps = asks, [site_step(asks)]
    else:
        step = f"{function.facts.qualname} calls {asks.callee.facts.qualname}"
        first = TraceStep(asks.location, step)
        found = asking.site(asks.callee)
        if found is None:
            return
        site, steps = found, [first, *asking.trace(asks.callee)]
    sleeps = TraceStep(place, f"then sleeps {_shown(poll.seconds)}".rstrip())
    is_remote = "http.request" in site.effects
    yield Match(
        place,
        {
            "who": f"The loop in {function.name}",
            "what": asks.name,
            "interval": _shown(poll.seconds),
        },
        trace=(*exposure.chain, sleeps, *steps),
        confidence=weakest(asks.confidence, site.confidence),
        severity=Severity.LOW if is_remote else None,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def _shown(seconds: float | None) -> str:
    if seconds is None:
        return "again and again"
    return f"every {seconds:g} s"


def _pages(program: Program, document: Document) -> Iterator[Match | Opportunity]:
    role = role_of(document.path)
    if role not in AUDITED:
        return
    for timer in timers(document.text, is_template=document.kind == "template"):
        end = timer.column + len(timer.call)
        place = Location(document.path, timer.line, timer.column, timer.line, end)
        yield Opportunity(place, "endpoint")
        if timer.seconds is not None and timer.seconds > RARE_PAGE_SECONDS:
            continue
        steps = [TraceStep(place, f"{timer.call} {_shown(timer.seconds)}".strip())]
        label, answering = _answering(program, timer)
        yield Match(
            place,
            {
                "who": "The page",
                "what": timer.address or "the server",
                "interval": _shown(timer.seconds),
            },
            trace=(*steps, *answering),
            confidence=Confidence.MEDIUM,
            severity=Severity.LOW if _is_calm(timer) else None,
            endpoint=label,
            exposure="endpoint",
            role=role,
        )


def _is_calm(timer: Timer) -> bool:
    return timer.ends or (timer.seconds or 0) >= CALM_SECONDS


def _answering(program: Program, timer: Timer) -> tuple[str, list[TraceStep]]:
    """Return the endpoint that a page's timer asks, and the chain from there to its query."""
    address = timer.address.partition("?")[0]
    for endpoint in program.endpoints:
        is_route = endpoint.kind == "route" and endpoint.method in ("GET", "")
        if is_route and address and endpoint.path == address:
            label = label_of(endpoint)
            entered = TraceStep(
                endpoint.location, f"{label} enters {endpoint.handler.facts.qualname}"
            )
            return label, [entered, *program.query_reach.trace(endpoint.handler)]
    return "", []
