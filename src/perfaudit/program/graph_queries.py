"""Queries that a resolver makes by its node: its own, those of what it calls or gives."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.graph import GraphType
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.graph_loads import how_loaded
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import is_usual
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

PAGED = frozenset({"first", "last", "before", "after", "limit", "offset", "page"})
"""Arguments by which a client asks for a page of its own of each node."""


class NodeQuery(Struct, frozen=True):
    """A query by a node. ``sink``: what runs it, in words."""

    sink: str
    steps: tuple[TraceStep, ...]
    confidence: Confidence


def node_query(program: "Program", item: GraphType, field: GraphField) -> NodeQuery | None:
    """Return the first query of a resolver that hangs on the object it gets, or None."""
    resolver = field.resolver
    if not _mentions(resolver, field.parent):
        return None
    reached = program.query_reach
    if resolver in reached:
        for site in program.sites_of(resolver):
            if (
                "db.query" in site.effects
                and site.relation is None
                and is_usual(resolver, site.context)
                and field.parent in named_by(resolver, site.value)
                and not is_held_by(resolver, field.parent, site.context, site.sequence)
            ):
                return NodeQuery(_words(site), (site_step(site),), site.confidence)
        for edge in program.edges_from(resolver):
            if (
                edge.how in ("call", "task", "loop", "thread")
                and edge.callee in reached
                and edge.callee not in program.memoised
                and is_usual(resolver, edge.context)
                and field.parent in _given(edge)
                and not is_held_by(resolver, field.parent, edge.context, edge.sequence)
                and not _asks_only_what_is_missing(program, edge)
            ):
                return _through(program, edge)
    return _given_query(program, item, field)


def _through(program: "Program", edge: Edge) -> NodeQuery:
    reached = program.query_reach
    step = reached.step(edge.callee)
    sink = reached.site(edge.callee)
    caller = edge.caller.facts.qualname
    first = TraceStep(edge.location, f"{caller} calls {edge.callee.facts.qualname}")
    return NodeQuery(
        _words(sink) if sink is not None else "a query",
        (first, *reached.trace(edge.callee)),
        weakest(edge.confidence, step.confidence if step is not None else Confidence.LOW),
    )


def _asks_only_what_is_missing(program: "Program", edge: Edge) -> bool:
    """Return whether a method of the node gives what the node holds, where it holds that."""
    callee = edge.callee
    step = program.query_reach.step(callee)
    if step is None or callee.owner is None or not callee.facts.params:
        return False
    place = step.site or step.edge
    if place is None:
        return False
    return is_held_by(callee, callee.facts.params[0].name, place.context, place.sequence)


def is_held_by(function: FunctionNode, node: str, context: int, sequence: int) -> bool:
    """Return whether a place runs only where the node does not hold what is asked for.

    It stands in the other arm of a test whether the node has an attribute, or behind an arm that
    returns what is made from it.
    """
    contexts = function.facts.contexts
    for step in function.context_chain(context):
        if contexts[step].kind == "else" and _asks_whether_held(contexts[step].subject, node):
            return True
    return any(
        exit_.kind == "return"
        and exit_.sequence < sequence
        and exit_.context >= 0
        and contexts[exit_.context].kind == "if"
        and _asks_whether_held(contexts[exit_.context].subject, node)
        and _uses_in(function, exit_.context, _tested(contexts[exit_.context].subject))
        for exit_ in function.facts.exits
    )


def _uses_in(function: FunctionNode, block: int, held: t.Expr | None) -> bool:
    """Return whether a block returns, or binds to a name, something made from what is held."""
    facts = function.facts
    made = [(bind.context, bind.value) for bind in facts.binds]
    made += [(result.context, result.value) for result in facts.results]
    return any(
        value is not None
        and function.is_within(context, block)
        and any(part == held for part in expressions.parts(function, value))
        for context, value in made
    )


def _asks_whether_held(test: t.Expr | None, node: str) -> bool:
    held = _tested(test)
    return isinstance(held, t.Attr) and held.base == t.Name(node)


def _tested(test: t.Expr | None) -> t.Expr | None:
    """Return what ``x`` or ``x is not None`` tests."""
    if isinstance(test, t.Compare) and test.operator == "IsNot":
        return test.left
    return test


def _given(edge: Edge) -> set[str]:
    """Return the names that what an edge runs gets, or reads of the function around it."""
    found = named_by(edge.caller, edge.value)
    if edge.callee.parent is edge.caller:
        for value in _values(edge.callee):
            found |= named_by(edge.caller, *_outer_names(edge.callee, value))
    return found


def _outer_names(inner: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    for name in expressions.names(inner, value):
        if name not in inner.params and name not in inner.binds:
            yield t.Name(name)


def _words(site: Site) -> str:
    return site.name if site.kind == "call" else f"{site.kind} of `{site.name}`"


def _given_query(program: "Program", item: GraphType, field: GraphField) -> NodeQuery | None:
    """Return the query that a resolver gives to the library, which runs it."""
    resolver = field.resolver
    for result in resolver.facts.results:
        if result.value is None or not isinstance(result.value, t.CallRef | t.Name):
            continue
        at = (result.sequence, result.context)
        value = program.types.evaluate(resolver, result.value, at)
        if not _is_run_when_read(program, value) or not is_usual(resolver, result.context):
            continue
        if field.parent not in named_by(resolver, result.value):
            continue
        confidence = Confidence.HIGH
        relation = _relation_in(program, resolver, result.value)
        if relation is not None:
            loaded = how_loaded(program, item, field, (relation,))
            if loaded is None:
                continue
            confidence = loaded.confidence
        text = expressions.spelled(resolver, result.value)
        step = TraceStep(resolver.line(result.line), f"gives the query {text} (db.query)")
        return NodeQuery(f"the query `{text}`", (step,), confidence)
    return None


def _relation_in(program: "Program", resolver: FunctionNode, value: t.Expr) -> str | None:
    """Return the relation that a query gives as it may have been loaded with its object."""
    if isinstance(value, t.Name):
        binds = resolver.binds.get(value.id, ())
        value = binds[0].value or value if len(binds) == 1 else value
    if not isinstance(value, t.CallRef):
        return None
    call = resolver.facts.calls[value.index]
    if not isinstance(call.callee, t.Attr) or not isinstance(call.callee.base, t.Attr):
        return None
    keeps = program.types.call(resolver, value.index).has_flag("keeps-prefetch")
    return call.callee.base.name if keeps else None


def _is_run_when_read(program: "Program", value: Type) -> bool:
    options = options_of(value)
    for option in options:
        if isinstance(option, LibraryInstance):
            paths: Sequence[str] = [option.path]
        elif isinstance(option, Instance):
            paths = program.types.classes.library_bases(option.node)
        else:
            return False
        found = (program.libraries.on(path, "iterate") for path in paths)
        if not any(event is not None and "db.query" in event.effects for event in found):
            return False
    return bool(options)


def is_paged(field: GraphField) -> bool:
    """Return whether the client can ask for a page, or for one item, of each node by itself."""
    resolver = field.resolver
    for param in resolver.facts.params:
        if param.name == field.parent:
            continue
        if param.kind == "**kwargs":
            if _mentions(resolver, param.name):
                return True
        elif param.name in PAGED or param.name.removesuffix("_") == "id":
            return True
    return False


def _values(function: FunctionNode) -> Iterator[t.Expr]:
    for read in function.facts.reads:
        yield read.value
    for call in function.facts.calls:
        yield call.callee
        yield from call.arguments
        for _, value in call.keywords:
            yield value


def _mentions(resolver: FunctionNode, parent: str) -> bool:
    return any(parent in expressions.names(resolver, value) for value in _values(resolver)) or any(
        parent in expressions.names(inner, value)
        for functions in resolver.inner.values()
        for inner in functions
        for value in _values(inner)
    )


def named_by(function: FunctionNode, *values: t.Expr) -> set[str]:
    """Return the names that values are made of, through the local names between.

    What is put into a local by a method of it counts as well.
    """
    found: set[str] = set()
    waiting: list[t.Expr] = list(values)
    while waiting:
        for name in sorted(expressions.names(function, waiting.pop())):
            if name in found:
                continue
            found.add(name)
            waiting.extend(
                bind.value for bind in function.binds.get(name, ()) if bind.value is not None
            )
            if name not in function.params:
                for call in function.facts.calls:
                    if isinstance(call.callee, t.Attr) and call.callee.base == t.Name(name):
                        waiting.extend(call.arguments)
    return found
