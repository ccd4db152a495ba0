"""What it costs to show a row: the relations that are read of it, directly and in its methods."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.program.decorators import method_kind
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Chain, Cost, Lazy, Term
from perfaudit.program.values import Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ROW = "row"
"""The root of what is lazy in a row that is shown."""
CONTAINERS = frozenset({"builtins.list", "builtins.tuple", "builtins.set", "builtins.iterator"})
MAX_NESTING = 5
LAZY = frozenset({"lazy", "dynamic"})
Costs = Mapping[FunctionNode, Cost]


def cost_of_path(
    program: "Program", costs: Costs, row: ClassNode, path: tuple[str, ...], place: Location
) -> Cost:
    """Return what reading ``a.b.c`` of a row costs, with what is lazy rooted at ``ROW``."""
    total = ZERO
    node: ClassNode | None = row
    for position, name in enumerate(path):
        if node is None:
            return total
        relation = program.schema.relation(node, name)
        if relation is not None:
            if relation.lazy in LAZY:
                step = TraceStep(place, f"reads {node.name}.{name} (db.query)")
                lazy = Lazy(ROW, path[: position + 1], kept=True)
                total = total + Cost((Term((), 1, "db.query", lazy, (Chain(step),)),))
            node = relation.target
            continue
        method = program.types.classes.method(node, name)
        if method is not None and method_kind(program.types, method) == "property":
            total = total + cost_of_method(costs, method, path[:position], place)
        return total
    return total


def cost_of_method(
    costs: Costs, method: FunctionNode, above: tuple[str, ...], place: Location, position: int = 0
) -> Cost:
    """Return what a method costs that is given the row, below some relations, at a position."""
    params = method.facts.params
    name = params[position].name if position < len(params) else ""

    def meaning(lazy: Lazy) -> Lazy | None:
        return Lazy(ROW, (*above, *lazy.path), lazy.kept) if lazy.root == name else None

    step = TraceStep(place, f"calls {method.facts.qualname}")
    return costs.get(method, ZERO).resolved(meaning).along(step)


def cost_of_fields(
    program: "Program",
    costs: Costs,
    shown: ClassNode,
    row: ClassNode,
    nesting: int = MAX_NESTING,
) -> Cost:
    """Return what it costs to fill the annotated fields of a class from a row."""
    if nesting == 0:
        return ZERO.at_least()
    if program.schema.table_of(shown) is not None:
        return ZERO
    total = ZERO
    for name, place in annotated_fields(program, shown).items():
        total = total + cost_of_path(program, costs, row, (name,), place)
        relation = program.schema.relation(row, name)
        inner = shown_class(program.types.attribute(shown, name))
        if relation is None or relation.target is None or inner is None:
            continue
        below = cost_of_fields(program, costs, inner, relation.target, nesting - 1)
        total = total + beneath(below, name, place, many=relation.many)
    return total


def beneath(cost: Cost, name: str, place: Location, *, many: bool) -> Cost:
    """Return the cost of showing what a relation leads to, as a part of the row above it."""

    def meaning(lazy: Lazy) -> Lazy:
        return Lazy(ROW, (name, *lazy.path), lazy.kept)

    found = cost.resolved(meaning)
    return found.times(name, place) if many else found


def without_return(program: "Program", row: ClassNode, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path from a row without ways there and back: rows know whose rows they are."""
    nodes: list[ClassNode | None] = [row]
    found: list[str] = []
    inverse = ""
    for name in path:
        if found and name == inverse:
            found.pop()
            nodes.pop()
            inverse = ""
            continue
        node = nodes[-1]
        relation = None if node is None else program.schema.relation(node, name)
        inverse = relation.inverse if relation is not None and relation.reverse else ""
        nodes.append(None if relation is None else relation.target)
        found.append(name)
    return tuple(found)


def shown_class(value: Type, nesting: int = 2) -> ClassNode | None:
    """Return the class of the project that a declared type is, or is a list of."""
    for option in options_of(value):
        if isinstance(option, Instance):
            return option.node
        if isinstance(option, LibraryInstance) and option.path in CONTAINERS and nesting:
            for part in option.arguments[:1]:
                found = shown_class(part, nesting - 1)
                if found is not None:
                    return found
    return None


def row_class(program: "Program", value: Type, nesting: int = 3) -> ClassNode | None:
    """Return the class of the rows that a value is, or holds, if they are of one table."""
    found: set[ClassNode] = set()
    for option in options_of(value):
        if isinstance(option, Instance) and program.schema.table_of(option.node) is not None:
            found.add(option.node)
        elif isinstance(option, Instance | LibraryInstance) and nesting:
            for part in option.arguments:
                inner = row_class(program, part, nesting - 1)
                if inner is not None:
                    found.add(inner)
    return next(iter(found)) if len(found) == 1 else None


def annotated_fields(program: "Program", shown: ClassNode) -> dict[str, Location]:
    """Return the annotated fields of a class and of its bases, with their places."""
    found: dict[str, Location] = {}
    for node in program.types.classes.project_order(shown):
        for name, binds in node.body.binds.items():
            if name not in found and binds[-1].kind == "annotated":
                found[name] = node.body.line(binds[-1].line)
    return found
