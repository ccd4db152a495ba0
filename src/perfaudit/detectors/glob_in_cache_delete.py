"""Find keys with a ``*`` that are given to a call that deletes exactly the keys it is given."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, parts
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sql_text import text_of

TAKEN_LITERALLY = "patterns-in-key"
SEARCHES = "keyspace-scan"
WILDCARD = "*"
MAX_WRAPPERS = 3
WORDS_OF_A_SEARCH = frozenset({"keys", "scan", "scan_iter", "delete_pattern", "iter_keys"})


class Deleter(NamedTuple):
    """A project function that hands one of its parameters to a deleting call."""

    function: FunctionNode
    parameter: str
    site: Site
    steps: int


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each deleting call that was judged, and those that are given a pattern."""
    literal = _stored_keys(program)
    waiting: list[Deleter] = []
    for site in program.sites():
        if site.call is None or TAKEN_LITERALLY not in site.behaviour.flags:
            continue
        exposure = program.exposure_of(site.function)
        yield Opportunity(site.location, exposure.kind)
        given = site.call.given
        at = (site.call.sequence, site.call.context)
        for key in _keys(program, site.function, given, at):
            if key not in literal:
                yield _match(program, site.function, site, site, key)
                break
        waiting.extend(_deleters(site.function, given, site, 1))
    yield from _through_wrappers(program, waiting, literal)


def _through_wrappers(
    program: Program, waiting: list[Deleter], literal: frozenset[str]
) -> Iterator[Match | Opportunity]:
    """Yield the calls of project functions that delete the keys they are given."""
    seen: set[tuple[FunctionNode, str]] = set()
    while waiting:
        deleter = waiting.pop(0)
        if (deleter.function, deleter.parameter) in seen or _searches(deleter.function):
            continue
        seen.add((deleter.function, deleter.parameter))
        for edge in program.edges_to(deleter.function):
            if edge.call is None or edge.via != "call":
                continue
            given = _given(edge, edge.call, deleter.parameter)
            at = (edge.call.sequence, edge.call.context)
            for key in _keys(program, edge.caller, given, at):
                if key not in literal:
                    yield _match(program, edge.caller, edge, deleter.site, key)
                    break
            if deleter.steps < MAX_WRAPPERS:
                waiting.extend(_deleters(edge.caller, given, deleter.site, deleter.steps + 1))


def _match(
    program: Program, function: FunctionNode, place: Site | Edge, site: Site, key: str
) -> Match:
    exposure = program.exposure_of(function)
    steps = [*exposure.chain]
    if place is not site:
        steps.append(TraceStep(place.location, f"{place.name} is given {key!r}"))
    return Match(
        location=place.location,
        words={"call": place.name, "key": key},
        trace=(*steps, site_step(site)),
        confidence=max(Confidence.HIGH, place.confidence, site.confidence, key=lambda x: x.rank),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def _keys(
    program: Program, function: FunctionNode, given: Sequence[t.Expr], at: tuple[int, int]
) -> Iterator[str]:
    """Yield the known texts among the keys that hold a wildcard."""
    for value in given:
        for item, point in _items(function, value, at):
            text = text_of(program.types, function, item, point)
            if text is not None and WILDCARD in text:
                yield text


def _items(
    function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int = 4
) -> Iterator[tuple[t.Expr, tuple[int, int]]]:
    """Yield the single keys of what may be a list of them, each with the point where it is made."""
    match value:
        case t.Star(value=inner) | t.Element(iterable=inner):
            yield from _items(function, inner, at, steps)
        case t.Seq(items=items):
            for item in items:
                yield from _items(function, item, at, steps)
        case t.Comp(element=element, context=context):
            yield from _items(function, element, (at[0], context), steps)
        case t.Name(id=name) if steps:
            yield value, at
            for scope, definition in meanings(function, name, at):
                if (
                    scope is function
                    and isinstance(definition, t.Bind)
                    and isinstance(definition.value, t.Seq | t.Comp | t.Element)
                ):
                    point = (definition.sequence, definition.context)
                    yield from _items(function, definition.value, point, steps - 1)
        case _:
            yield value, at


def _deleters(
    function: FunctionNode, given: Sequence[t.Expr], site: Site, steps: int
) -> Iterator[Deleter]:
    """Yield the parameters of the function that are deleted as they come."""
    for value in given:
        inner = value.value if isinstance(value, t.Star) else value
        if not isinstance(inner, t.Name) or inner.id in function.binds:
            continue
        if inner.id in function.params:
            yield Deleter(function, inner.id, site, steps)


def _given(edge: Edge, call: t.Call, parameter: str) -> list[t.Expr]:
    """Return the arguments of a call that its callee gets as this parameter."""
    callee = edge.callee
    positional = [param.name for param in callee.facts.params if param.kind == "positional"]
    if callee.owner is not None and positional and positional[0] in ("self", "cls"):
        positional = positional[1:]
    if callee.params[parameter].kind == "*args":
        return list(call.arguments[len(positional) :])
    spec = parameter
    if parameter in positional:
        spec = f"{positional.index(parameter)}|{parameter}"
    found = argument(call, spec)
    return [] if found is None else [found]


def _searches(function: FunctionNode) -> bool:
    """Return whether a function looks at patterns itself: it may delete what matches them."""
    for call in function.facts.calls:
        if isinstance(call.callee, t.Attr) and call.callee.name in WORDS_OF_A_SEARCH:
            return True
    for context in function.facts.contexts:
        if context.subject is None:
            continue
        for part in parts(function, context.subject):
            if isinstance(part, t.Const) and isinstance(part.value, str) and WILDCARD in part.value:
                return True
    return False


def _stored_keys(program: Program) -> frozenset[str]:
    """Return the texts with a wildcard that are read or written as they are: whole keys."""
    found: set[str] = set()
    for site in program.sites():
        flags = site.behaviour.flags
        if site.call is None or TAKEN_LITERALLY in flags or SEARCHES in flags:
            continue
        if not {"cache.read", "cache.write"}.intersection(site.effects) or not site.call.arguments:
            continue
        name = site.name.rpartition(".")[2]
        if name in WORDS_OF_A_SEARCH or "scan" in name:
            continue
        at = (site.call.sequence, site.call.context)
        found.update(_keys(program, site.function, [site.call.arguments[0]], at))
    return frozenset(found)
