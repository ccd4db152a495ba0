"""Find resolvers of graph nodes that query by their own parent: one query per node of a list."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.decorators import decorator_behaviours
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.values import (
    Awaitable,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    options_of,
)

NODE_FLAG = "graph-type"
RESOLVER_FLAG = "resolver"
NODE_ATTRIBUTE = "_id"
"""The attribute by which a library file says that objects of a type have a global identity."""
END = (1 << 60, -1)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each resolver of a type that is given in lists, and a match for each that queries."""
    types = [
        node for file in program.files for node in file.classes if _is_graph_type(program, node)
    ]
    if not types:
        return
    listed = _listed(program, types)
    for node in types:
        if node not in listed and not _is_refetchable(program, node):
            continue
        for method in node.methods.values():
            if not _is_resolver(program, method):
                continue
            yield Opportunity(method.location, "endpoint")
            if method in program.query_reach and _reads_parent(method):
                yield _match(program, node, method, surely_many=node in listed)


def _is_graph_type(program: Program, node: ClassNode) -> bool:
    for decorator in node.facts.decorators:
        called = isinstance(decorator, t.CallRef)
        found = (
            program.types.call(node.parent, decorator.index).callee
            if isinstance(decorator, t.CallRef) and called
            else program.types.evaluate(node.parent, decorator, END)
        )
        if isinstance(found, LibrarySymbol):
            behaviour = program.libraries.function(found.path)
            if behaviour is not None and NODE_FLAG in behaviour.flags:
                return True
    return False


def _is_resolver(program: Program, method: FunctionNode) -> bool:
    return any(
        RESOLVER_FLAG in behaviour.flags
        for behaviour in decorator_behaviours(program.types, method)
    )


def _is_refetchable(program: Program, node: ClassNode) -> bool:
    """Return whether a type has an identity of its own in the graph, as what lists are
    made of has.
    """
    for path in program.types.classes.ancestors(node):
        described = program.libraries.type(path)
        if described is not None and NODE_ATTRIBUTE in described.attributes:
            return True
    return False


def _listed(program: Program, types: list[ClassNode]) -> frozenset[ClassNode]:
    """Return the graph types that some function of a graph type gives many of."""
    found: set[ClassNode] = set()
    for node in types:
        for method in node.methods.values():
            found.update(_many_of(program.types.returned(method)))
    return frozenset(found & set(types))


def _many_of(value: Type) -> Iterator[ClassNode]:
    """Yield the classes that a type holds as parts: lists and connections of them."""
    for option in options_of(value):
        if isinstance(option, Awaitable):
            yield from _many_of(option.result)
        elif isinstance(option, LibraryInstance | Instance):
            for part in option.arguments:
                for inner in options_of(part):
                    if isinstance(inner, Instance):
                        yield inner.node


def _reads_parent(method: FunctionNode) -> bool:
    """Return whether the resolver uses the node that it belongs to."""
    if not method.facts.params:
        return False
    receiver = method.facts.params[0].name
    values = [read.value for read in method.facts.reads]
    values += [value for call in method.facts.calls for value in (call.callee, *call.arguments)]
    return any(receiver in expressions.names(method, value) for value in values)


def _match(program: Program, node: ClassNode, method: FunctionNode, *, surely_many: bool) -> Match:
    reached = program.query_reach
    step = reached.step(method)
    levels = [Confidence.HIGH if surely_many else Confidence.MEDIUM]
    levels.append(step.confidence if step is not None else Confidence.LOW)
    sink = reached.site(method)
    trace = [TraceStep(method.location, f"{node.name}.{method.name} is resolved for each node")]
    trace.extend(reached.trace(method))
    return Match(
        method.location,
        {
            "type": node.name,
            "field": method.name,
            "sink": sink.name if sink is not None else "a query",
        },
        trace=tuple(trace),
        confidence=weakest(*levels),
        severity=None if surely_many else Severity.MEDIUM,
        function=method.qualname,
        endpoint=f"{node.name}.{method.name}",
        exposure="endpoint",
        cost=f"N({node.name})",
        role=method.role,
    )
