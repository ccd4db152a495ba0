"""Find resolvers of graph nodes that query by their own parent: one query per node of a list."""

from collections.abc import Iterator, Sequence

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program.graph import GraphType
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.graph_loads import LazyField, lazy_field
from perfaudit.program.graph_queries import NodeQuery, is_paged, node_query
from perfaudit.program.graph_relations import BareList, bare_lists
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each resolver of a type that is given in lists, and a match for each that queries."""
    for item, field in _resolved_in_lists(program.graph):
        yield Opportunity(field.resolver.location, "endpoint")
        if not field.parent:
            continue
        query = node_query(program, item, field)
        if query is not None:
            yield _query(item, field, query)
            continue
        lazy = lazy_field(program, item, field)
        if lazy is not None:
            yield _lazy(item, field, lazy)
    for bare in bare_lists(program):
        yield _bare(bare)


def _resolved_in_lists(graph: Sequence[GraphType]) -> list[tuple[GraphType, GraphField]]:
    """Return each resolver of types in lists once, with its own class where that is one of them."""
    found: dict[FunctionNode, tuple[GraphType, GraphField]] = {}
    for item in sorted(graph, key=lambda item: not item.listed):
        if item.is_root or not (item.listed or item.nested):
            continue
        for field in item.fields:
            if field.is_mutation:
                continue
            known = found.get(field.resolver)
            is_own = item.node is not None and field.resolver.owner is item.node
            if known is None or (is_own and item.listed == known[0].listed):
                found[field.resolver] = (item, field)
    return list(found.values())


def _query(item: GraphType, field: GraphField, found: NodeQuery) -> Match:
    return _match(
        item,
        field,
        found.sink,
        f"let a data loader, keyed by what it reads of `{field.parent}`, ask once for all",
        found.steps,
        found.confidence,
        Severity.MEDIUM if is_paged(field) or not item.listed else None,
    )


def _lazy(item: GraphType, field: GraphField, found: LazyField) -> Match:
    path = ".".join((*found.load.path, found.load.relation.name))
    steps = [TraceStep(query, f"rows are queried without `{path}`") for query in found.queries[-1:]]
    return _match(
        item,
        field,
        f"reading `{path}`",
        f"load `{path}` in the query of the list, or with a data loader",
        (*steps, *found.load.steps),
        found.confidence,
        None if item.listed else Severity.MEDIUM,
    )


def _bare(found: BareList) -> Match:
    names = ", ".join(f"`{name}`" for name in found.relations)
    resolver = found.field.resolver
    steps = [TraceStep(resolver.location, f"{resolver.facts.qualname} gives a list")]
    if found.query is not None:
        steps.append(TraceStep(found.query, f"rows are queried without {names}"))
    return Match(
        resolver.location,
        {
            "type": found.item.name,
            "field": found.relations[0],
            "sink": f"the query of `{found.field.name}` does not load it",
            "cure": f"load {names} with the rows, where clients ask for them",
        },
        trace=tuple(steps),
        confidence=Confidence.MEDIUM,
        function=resolver.qualname,
        endpoint=f"{found.item.name}.{found.relations[0]}",
        exposure="endpoint",
        cost=f"N({found.item.name})",
        role=resolver.role,
    )


def _match(
    item: GraphType,
    field: GraphField,
    sink: str,
    cure: str,
    steps: Sequence[TraceStep],
    confidence: Confidence,
    severity: Severity | None,
) -> Match:
    resolver = field.resolver
    place = resolver.location
    listed = [item.lister] if item.lister is not None else []
    each = TraceStep(place, f"{item.name}.{field.name} is resolved for each node")
    return Match(
        place,
        {"type": item.name, "field": field.name, "sink": sink, "cure": cure},
        trace=(*listed, each, *steps),
        confidence=weakest(Confidence.HIGH if item.listed else Confidence.MEDIUM, confidence),
        severity=severity,
        function=resolver.qualname,
        endpoint=f"{item.name}.{field.name}",
        exposure="endpoint",
        cost=f"N({item.name})",
        role=resolver.role,
    )
