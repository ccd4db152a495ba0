"""How many round trips one call of a function makes: a polynomial in the sizes of what it walks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program.bounds import bounded_size
from perfaudit.program.edge_values import walked_by
from perfaudit.program.infer import Types
from perfaudit.program.lazy_costs import cost_of_eager, cost_of_relation, given_to
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost, dearest, once
from perfaudit.program.reach import reach
from perfaudit.program.rings import rings
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sizes import UNNAMED, Size, plural, while_size

if TYPE_CHECKING:
    from perfaudit.program.program import Program

HTTP_REQUESTS = frozenset({"http.request"})
COUNTED_HOW = frozenset({"call", "thread", "task", "loop"})
KEPT_KINDS = frozenset({"relation", "iterate", "len", "bool"})
LEAVING = frozenset({"return", "raise", "break"})
TRANSPARENT = frozenset({"with", "async with", "try", "loop-else"})


def costs_of(
    program: "Program", effects: frozenset[str] = DATABASE_ROUND_TRIPS
) -> "Mapping[FunctionNode, Cost]":
    """Return what one call of each function costs in such effects; free ones are left out.

    What is lazy is paid where the caller has not loaded it: see ``polynomial.Lazy``.
    """
    memoised = program.memoised

    def counts(site: Site) -> bool:
        return not effects.isdisjoint(site.effects)

    def follows(edge: Edge) -> bool:
        return edge.how in COUNTED_HOW and edge.callee not in memoised

    reaching = reach(
        program.costly, program.sites_of, program.edges_to, counts=counts, follows=follows
    )
    edges = {
        function: [
            edge
            for edge in program.edges_from(function)
            if follows(edge) and edge.callee in reaching
        ]
        for function in program.functions
        if function in reaching
    }
    known: dict[FunctionNode, Cost] = {}
    for ring in rings(
        {function: [edge.callee for edge in found] for function, found in edges.items()}
    ):
        members = frozenset(ring)
        recursive = len(ring) > 1 or any(edge.callee is ring[0] for edge in edges[ring[0]])
        found = {
            function: _function_cost(program, function, edges[function], effects, known, members)
            for function in ring
        }
        for function, cost in found.items():
            known[function] = cost.at_least() if recursive else cost
    return known


@dataclass(frozen=True, slots=True)
class _Block:
    """A context inside another one, by its number."""

    number: int


_Item = Cost | _Block | str
"""What runs in a block: a place that costs, a block inside it, or the kind of a jump."""


@dataclass(frozen=True, slots=True)
class _Body:
    """What runs in each block of a function, in order; block -1 is the function itself."""

    types: Types
    function: FunctionNode
    items: Mapping[int, list[_Item]]


def _function_cost(
    program: "Program",
    function: FunctionNode,
    edges: list[Edge],
    effects: frozenset[str],
    known: Mapping[FunctionNode, Cost],
    ring: frozenset[FunctionNode],
) -> Cost:
    blocks: dict[int, list[tuple[int, _Item]]] = {}
    for number, context in enumerate(function.facts.contexts):
        blocks.setdefault(context.parent, []).append((context.sequence, _Block(number)))
    for leave in function.facts.exits:
        blocks.setdefault(leave.context, []).append((leave.sequence, leave.kind))
    for context_number, sequence, cost in _costs(program, function, edges, effects, known, ring):
        blocks.setdefault(context_number, []).append((sequence, cost))
    items = {
        number: [item for _, item in sorted(found, key=lambda pair: pair[0])]
        for number, found in blocks.items()
    }
    return _run(_Body(program.types, function, items), -1, ZERO)


def _costs(
    program: "Program",
    function: FunctionNode,
    edges: list[Edge],
    effects: frozenset[str],
    known: Mapping[FunctionNode, Cost],
    ring: frozenset[FunctionNode],
) -> Iterator[tuple[int, int, Cost]]:
    """Yield context, sequence and cost of each place.

    One call that may run several things runs the dearest of them.
    """
    choices: dict[tuple[int, int], list[Cost]] = {}
    read: list[Site] = []
    for site in program.sites_of(function):
        for effect in site.effects:
            if effect not in effects:
                continue
            if site.relation is not None:
                if not _was_read(function, site, read):
                    cost = cost_of_relation(program, function, site, effect)
                    yield site.context, site.sequence, cost
            elif site.kind == "call":
                place = (site.context, site.sequence)
                cost = once(effect, site) + cost_of_eager(program, function, site, effect)
                choices.setdefault(place, []).append(cost)
            elif not _was_read(function, site, read):
                cost = once(effect, site) + cost_of_eager(program, function, site, effect)
                yield site.context, site.sequence, cost
    for edge in edges:
        cost = ZERO if edge.callee in ring else known[edge.callee]
        cost = cost.resolved(given_to(program, edge)).along(edge)
        if edge.via == "call":
            choices.setdefault((edge.context, edge.sequence), []).append(cost)
        else:
            yield (
                edge.context,
                edge.sequence,
                cost.times(_each_size(program, function, edge)) if edge.each else cost,
            )
    for (context, sequence), options in choices.items():
        yield context, sequence, dearest(options)


def _was_read(function: FunctionNode, site: Site, read: list[Site]) -> bool:
    """Return whether the same was surely asked before, so that its object keeps the answer.

    That is so of relations, and of rows that have been walked, tested or measured under a name.
    """
    if site.kind not in KEPT_KINDS or not isinstance(site.value, t.Name | t.Attr):
        return False
    around = (-1, *function.context_chain(site.context))
    binds = function.binds.get(site.value.id, ()) if isinstance(site.value, t.Name) else ()
    for before in read:
        if before.value != site.value or before.context not in around:
            continue
        if not any(before.sequence < bind.sequence < site.sequence for bind in binds):
            return True
    read.append(site)
    return False


def _each_size(program: "Program", function: FunctionNode, edge: Edge) -> Size:
    """Return how many items a call such as ``map(f, items)`` hands to its callback."""
    walked = walked_by(edge)
    size = UNNAMED if walked is None else bounded_size(program.types, function, walked, None)
    params = edge.callee.facts.params
    if isinstance(size, int) or not params or size.partition("<=")[0] != UNNAMED:
        return size
    return size.replace(UNNAMED, plural(params[0].name), 1)


def _run(body: _Body, number: int, rest: Cost) -> Cost:
    """Return what a block costs when ``rest`` runs after it. Jumps cut off what follows them."""
    result = rest
    always = ZERO
    here = body.items.get(number, [])
    position = len(here) - 1
    while position >= 0:
        item = here[position]
        position -= 1
        if isinstance(item, Cost):
            result = item + result
            continue
        if isinstance(item, str):
            result = ZERO
            continue
        kind = body.function.facts.contexts[item.number].kind
        if kind in LOOP_KINDS:
            result = _loop(body, item.number) + result
        elif kind == "finally":
            always = always + _run(body, item.number, ZERO)
        elif kind in ("if", "else", "and", "or", "match"):
            arms = [item]
            while position >= 0 and _is_arm_before(body.function, here[position], arms[-1]):
                arms.append(here[position])  # type: ignore[arg-type]
                position -= 1
            outcomes = [_run(body, arm.number, result) for arm in arms]
            result = dearest(outcomes if kind == "else" else [*outcomes, result])
        elif kind in TRANSPARENT:
            result = _run(body, item.number, result)
    return always + result


def _is_arm_before(function: FunctionNode, item: _Item, arm: _Block) -> bool:
    """Return whether an item is the arm before this one of the same ``if`` or ``match``."""
    if not isinstance(item, _Block):
        return False
    before, after = function.facts.contexts[item.number], function.facts.contexts[arm.number]
    pair = (before.kind, after.kind)
    return pair in (("if", "else"), ("match", "match")) and before.subject == after.subject


def _loop(body: _Body, number: int) -> Cost:
    each = _run(body, number, ZERO)
    context = body.function.facts.contexts[number]
    if each == ZERO or context.subject is None or _leaves(body, number):
        return each
    if context.kind != "while":
        size = bounded_size(body.types, body.function, context.subject, context)
        return each.times(size, body.function.line(context.line))
    found = while_size(body.types, body.function, context.subject)
    return each.at_least() if found is None else each.times(found, body.function.line(context.line))


def _leaves(body: _Body, number: int) -> bool:
    """Return whether the first pass through a block always ends in a jump out of the loop."""
    here = body.items.get(number, [])
    for position, item in enumerate(here):
        if isinstance(item, str):
            return item in LEAVING
        if not isinstance(item, _Block):
            continue
        kind = body.function.facts.contexts[item.number].kind
        if kind in ("with", "async with", "try") and _leaves(body, item.number):
            return True
        if kind == "else" and _leaves(body, item.number):
            before = here[position - 1] if position else None
            if isinstance(before, _Block) and _leaves(body, before.number):
                return True
    return False
