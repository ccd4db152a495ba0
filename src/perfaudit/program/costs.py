"""How many round trips one call of a function makes: a polynomial in the sizes of what it walks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program.infer import Types
from perfaudit.program.loads import is_loaded_with_rows
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode
from perfaudit.program.reach import reach
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sizes import Size, iterable_size, while_size

if TYPE_CHECKING:
    from perfaudit.program.program import Program

HTTP_REQUESTS = frozenset({"http.request"})
COUNTED_HOW = frozenset({"call", "thread", "task", "loop"})
LEAVING = frozenset({"return", "raise", "break"})
TRANSPARENT = frozenset({"with", "async with", "try", "loop-else"})
MAX_TERMS = 16
MAX_DEGREE = 8
MAX_COEFFICIENT = 1_000_000

Sizes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """A polynomial: each product of sizes with its coefficient, dearest last.

    ``unknown``: it is a lower bound.
    """

    terms: tuple[tuple[Sizes, int], ...] = ()
    unknown: bool = False

    def __add__(self, other: "Cost") -> "Cost":
        if not other.terms and not other.unknown:
            return self
        if not self.terms and not self.unknown:
            return other
        terms = dict(self.terms)
        for sizes, coefficient in other.terms:
            terms[sizes] = terms.get(sizes, 0) + coefficient
        return _bounded(terms, unknown=self.unknown or other.unknown)

    def times(self, size: Size) -> "Cost":
        """Return the cost of running this as often as the size says."""
        if size == 1 or not self.terms:
            return self
        if isinstance(size, int):
            return _bounded(
                {sizes: count * size for sizes, count in self.terms}, unknown=self.unknown
            )
        return _bounded(
            {tuple(sorted((*sizes, size))): count for sizes, count in self.terms},
            unknown=self.unknown,
        )

    def at_least(self) -> "Cost":
        """Return the same cost, marked as a lower bound."""
        return Cost(self.terms, unknown=True)

    @property
    def degree(self) -> int:
        """Return how many sizes the dearest product multiplies."""
        return max((len(sizes) for sizes, _ in self.terms), default=0)

    def weight(self) -> tuple[int, ...]:
        """Return what costs are compared by: degree, then coefficients from the highest degree."""
        totals = [0] * (self.degree + 1)
        for sizes, coefficient in self.terms:
            totals[len(sizes)] += coefficient
        return (self.degree, *reversed(totals))

    def __str__(self) -> str:
        text = " + ".join(_spelled_term(sizes, count) for sizes, count in self.terms) or "0"
        return f">= {text}" if self.unknown else text


ZERO = Cost()


def dearest(costs: Iterable[Cost]) -> Cost:
    """Return the dearest of some alternatives; a lower bound where one of them is."""
    options = list(costs)
    found = max(options, key=Cost.weight, default=ZERO)
    return found.at_least() if any(option.unknown for option in options) else found


def costs_of(
    program: "Program", effects: frozenset[str] = DATABASE_ROUND_TRIPS
) -> "Mapping[FunctionNode, Cost]":
    """Return what one call of each function costs in such effects; free ones are left out."""
    memoised = program.memoised

    def counts(site: Site) -> bool:
        return not effects.isdisjoint(site.effects)

    def follows(edge: Edge) -> bool:
        return edge.how in COUNTED_HOW and edge.callee not in memoised

    reaching = reach(
        program.functions, program.sites_of, program.edges_to, counts=counts, follows=follows
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
    for ring in _rings(
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


def _bounded(terms: dict[Sizes, int], *, unknown: bool) -> Cost:
    kept: dict[Sizes, int] = {}
    for sizes, coefficient in terms.items():
        if not coefficient:
            continue
        if len(sizes) > MAX_DEGREE:
            sizes, unknown = sizes[:MAX_DEGREE], True
        total = kept.get(sizes, 0) + coefficient
        if total > MAX_COEFFICIENT:
            total, unknown = MAX_COEFFICIENT, True
        kept[sizes] = total
    ordered = sorted(kept.items(), key=lambda item: (len(item[0]), item[0]))
    if len(ordered) > MAX_TERMS:
        ordered, unknown = ordered[-MAX_TERMS:], True
    return Cost(tuple(ordered), unknown)


def _spelled_term(sizes: Sizes, coefficient: int) -> str:
    if not sizes:
        return str(coefficient)
    product = "*".join(f"N({size})" for size in sizes)
    return product if coefficient == 1 else f"{coefficient}*{product}"


def _rings(calls: dict[FunctionNode, list[FunctionNode]]) -> Iterator[list[FunctionNode]]:
    """Yield the strongly connected parts of a call graph, callees first.

    This is Tarjan's algorithm, without recursion: chains of calls may be longer than the stack.
    """
    number: dict[FunctionNode, int] = {}
    lowest: dict[FunctionNode, int] = {}
    open_: list[FunctionNode] = []
    is_open: set[FunctionNode] = set()
    for start in calls:
        if start in number:
            continue
        work: list[tuple[FunctionNode, Iterator[FunctionNode]]] = [(start, iter(calls[start]))]
        number[start] = lowest[start] = len(number)
        open_.append(start)
        is_open.add(start)
        while work:
            function, callees = work[-1]
            callee = next((item for item in callees if item not in number or item in is_open), None)
            if callee is not None and callee not in number:
                number[callee] = lowest[callee] = len(number)
                open_.append(callee)
                is_open.add(callee)
                work.append((callee, iter(calls[callee])))
            elif callee is not None:
                lowest[function] = min(lowest[function], number[callee])
            else:
                work.pop()
                if work:
                    caller = work[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[function])
                if lowest[function] == number[function]:
                    ring = _cut_off(open_, function)
                    is_open.difference_update(ring)
                    yield ring


def _cut_off(stack: list[FunctionNode], function: FunctionNode) -> list[FunctionNode]:
    """Take the function and what lies above it off the stack."""
    taken = [stack.pop()]
    while taken[-1] is not function:
        taken.append(stack.pop())
    return taken


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
    for site in program.sites_of(function):
        number = sum(effect in effects for effect in site.effects)
        if not number:
            continue
        cost = Cost((((), number),))
        if site.relation is not None:
            loaded = is_loaded_with_rows(program, function, site)
            if loaded:
                continue
            # Whether rows that come from elsewhere brought the relation with them is not known
            # here.
            yield site.context, site.sequence, ZERO.at_least() if loaded is None else cost
            continue
        if site.kind == "call":
            choices.setdefault((site.context, site.sequence), []).append(cost)
        else:
            yield site.context, site.sequence, cost
    for edge in edges:
        cost = ZERO if edge.callee in ring else known[edge.callee]
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


def _each_size(program: "Program", function: FunctionNode, edge: Edge) -> Size:
    """Return how many items a call such as ``map(f, items)`` hands to its callback."""
    given = edge.call.arguments if edge.call is not None else ()
    for value in reversed(given):
        if not isinstance(value, t.Lambda) and not _is_callback(function, value, edge):
            return iterable_size(program.types, function, value, None)
    if edge.call is not None and isinstance(edge.call.callee, t.Attr):
        return iterable_size(program.types, function, edge.call.callee.base, None)
    return "items"


def _is_callback(function: FunctionNode, value: t.Expr, edge: Edge) -> bool:
    return isinstance(value, t.Name | t.Attr) and (
        (value.id if isinstance(value, t.Name) else value.name) == edge.callee.name
    )


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
    once = _run(body, number, ZERO)
    context = body.function.facts.contexts[number]
    if once == ZERO or context.subject is None or _leaves(body, number):
        return once
    if context.kind != "while":
        return once.times(iterable_size(body.types, body.function, context.subject, context))
    size = while_size(body.types, body.function, context.subject)
    return once.at_least() if size is None else once.times(size)


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
