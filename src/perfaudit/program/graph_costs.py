"""What is paid below a field of a graph, where all fields of the objects that it gives are asked.

Which fields a request asks for is not known here, so this is what the dearest one costs.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.graph import GraphType
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost, Lazy
from perfaudit.program.row_costs import MAX_NESTING, Costs
from perfaudit.program.sizes import plural
from perfaudit.program.values import Awaitable, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

BATCHES = "batches-keys"
"""The flag of calls that gather keys, and ask for all of them at once."""


def cost_below(program: "Program", costs: Costs, endpoint: Endpoint) -> Cost:
    """Return what the fields of the objects cost that a field of a root type gives."""
    if endpoint.kind != "graph-field":
        return ZERO
    return _below(program, costs, endpoint.handler, ())


def _below(
    program: "Program", costs: Costs, resolver: FunctionNode, above: tuple[ClassNode, ...]
) -> Cost:
    found = next(_given(program, program.types.returned(resolver), many=False), None)
    if found is None:
        return ZERO
    given, many = found
    if given.node is None or given.node in above or len(above) > MAX_NESTING:
        return ZERO.at_least()
    total = ZERO
    for field in given.fields:
        if field.is_mutation:
            continue
        own = costs.get(field.resolver, ZERO).resolved(_not_known)
        step = TraceStep(field.resolver.location, f"resolves {given.name}.{field.name}")
        own = own + _below(program, costs, field.resolver, (*above, given.node))
        total = total + own.along(step)
        if _batches(program, field.resolver):
            total = total.at_least()
    return total.times(plural(resolver.name), resolver.location) if many else total


def _given(
    program: "Program", value: Type, *, many: bool, nesting: int = 3
) -> Iterator[tuple[GraphType, bool]]:
    """Yield the types of the graph that a value is of, and whether there are many of them."""
    for option in options_of(value) if nesting else ():
        match option:
            case Instance(node=node):
                yield from ((each, many) for each in program.graph if each.node is node)
            case Awaitable(result=result):
                yield from _given(program, result, many=many, nesting=nesting - 1)
            case LibraryInstance(arguments=(inner,)):
                yield from _given(program, inner, many=True, nesting=nesting - 1)


def _batches(program: "Program", resolver: FunctionNode) -> bool:
    """Return whether a resolver hands its key to what asks for all keys at once."""
    return any(
        target.behaviour is not None and BATCHES in target.behaviour.flags
        for index in range(len(resolver.facts.calls))
        for target in program.types.call(resolver, index).targets
    )


def _not_known(_: Lazy) -> None:
    """Say that it is not known what the objects of a graph have loaded."""
