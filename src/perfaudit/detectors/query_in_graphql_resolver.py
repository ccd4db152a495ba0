"""Find resolvers of graph nodes that query by their own parent: one query per node of a list."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.graph import GraphType
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.graph_loads import LazyField, lazy_field
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each resolver of a type that is given in lists, and a match for each that queries."""
    seen: set[FunctionNode] = set()
    for item in sorted(program.graph, key=lambda item: not item.listed):
        if item.is_root or not (item.listed or item.nested):
            continue
        for field in item.fields:
            if field.is_mutation or field.resolver in seen:
                continue
            seen.add(field.resolver)
            yield Opportunity(field.resolver.location, "endpoint")
            if not field.parent or not _reads(field.resolver, field.parent):
                continue
            if field.resolver in program.query_reach:
                yield _query(program, item, field)
            else:
                lazy = lazy_field(program, item, field)
                if lazy is not None:
                    yield _lazy(item, field, lazy)


def _reads(resolver: FunctionNode, parent: str) -> bool:
    """Return whether the resolver uses the node that it belongs to."""
    values = [read.value for read in resolver.facts.reads]
    values += [value for call in resolver.facts.calls for value in (call.callee, *call.arguments)]
    values += [value for call in resolver.facts.calls for _, value in call.keywords]
    return any(parent in expressions.names(resolver, value) for value in values)


def _query(program: Program, item: GraphType, field: GraphField) -> Match:
    reached = program.query_reach
    step = reached.step(field.resolver)
    sink = reached.site(field.resolver)
    return _match(
        item,
        field,
        sink.name if sink is not None else "a query",
        f"let a data loader, keyed by what it reads of `{field.parent}`, ask once for all",
        reached.trace(field.resolver),
        step.confidence if step is not None else Confidence.LOW,
    )


def _lazy(item: GraphType, field: GraphField, found: LazyField) -> Match:
    path = ".".join((*found.load.path, found.load.relation.name))
    steps = [TraceStep(query, f"rows are queried without `{path}`") for query in found.queries[-1:]]
    return _match(
        item,
        field,
        f"reading `{path}`",
        f"load `{path}` in the query of the list, or with a data loader",
        [*steps, *found.load.steps],
        found.confidence,
    )


def _match(
    item: GraphType,
    field: GraphField,
    sink: str,
    cure: str,
    steps: list[TraceStep],
    confidence: Confidence,
) -> Match:
    resolver = field.resolver
    place = resolver.location
    trace = [TraceStep(place, f"{item.name}.{field.name} is resolved for each node"), *steps]
    return Match(
        place,
        {"type": item.name, "field": field.name, "sink": sink, "cure": cure},
        trace=tuple(trace),
        confidence=weakest(Confidence.HIGH if item.listed else Confidence.MEDIUM, confidence),
        severity=None if item.listed else Severity.MEDIUM,
        function=resolver.qualname,
        endpoint=f"{item.name}.{field.name}",
        exposure="endpoint",
        cost=f"N({item.name})",
        role=resolver.role,
    )
