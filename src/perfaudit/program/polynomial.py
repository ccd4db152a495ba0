"""Costs as polynomials in the sizes of what is walked, with the places that make each term."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.sizes import Size

MAX_TERMS = 16
MAX_DEGREE = 8
MAX_COEFFICIENT = 1_000_000
MAX_CHAINS = 3
"""How many places of one term are remembered."""
LETTERS = "NMKL"
"""What the sizes of a product are called by, from the outermost loop inwards."""

Sizes = tuple[str, ...]


class Loop(Struct, frozen=True):
    """What runs something once per item of what it walks."""

    location: Location
    size: Size


class Chain(Struct, frozen=True):
    """A place on the way to what costs, and the rest of the way."""

    place: Site | Edge | Loop | TraceStep
    rest: "Chain | None" = None

    def steps(self) -> Iterator[TraceStep]:
        """Yield the places as the steps of a report."""
        here: Chain | None = self
        while here is not None:
            yield _step(here.place)
            here = here.rest


class Lazy(Struct, frozen=True):
    """A relation of what a parameter holds, loaded only if it was not loaded with its object.

    ``path`` are the attributes from the parameter to the relation, that one included. ``kept``:
    the object keeps what was loaded, so that reading it again costs nothing.
    """

    root: str
    path: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A number of round trips of one effect for each of a product of sizes, outermost first.

    ``lazy``: it is paid only where that relation was not loaded before.
    """

    sizes: Sizes
    count: int
    effect: str
    lazy: Lazy | None = None
    chains: tuple[Chain, ...] = field(default=(), compare=False)

    def along(self, place: Site | Edge | Loop | TraceStep) -> "Term":
        """Return the same term, reached by way of a place."""
        chains = tuple(Chain(place, chain) for chain in self.chains)
        return Term(self.sizes, self.count, self.effect, self.lazy, chains)


@dataclass(frozen=True, slots=True)
class Cost:
    """A polynomial: its terms, dearest last. ``unknown``: it is a lower bound."""

    terms: tuple[Term, ...] = ()
    unknown: bool = False

    def __add__(self, other: "Cost") -> "Cost":
        if not other.terms and not other.unknown:
            return self
        if not self.terms and not self.unknown:
            return other
        return _bounded((*self.terms, *other.terms), unknown=self.unknown or other.unknown)

    def times(self, size: Size, location: Location | None = None) -> "Cost":
        """Return the cost of running this as often as the size says, in a loop at the location."""
        if size == 1 or not self.terms:
            return self
        sizes, factor = ((), size) if isinstance(size, int) else ((size,), 1)
        terms = [
            Term((*sizes, *term.sizes), term.count * factor, term.effect, term.lazy, term.chains)
            for term in self.terms
        ]
        if location is not None:
            terms = [term.along(Loop(location, size)) for term in terms]
        return _bounded(terms, unknown=self.unknown)

    def along(self, place: Site | Edge | Loop | TraceStep) -> "Cost":
        """Return the same cost, reached by way of a place."""
        return Cost(tuple(term.along(place) for term in self.terms), self.unknown)

    def resolved(self, meaning: Callable[[Lazy], "Lazy | bool | None"]) -> "Cost":
        """Return the cost where it is known what parameters stand for.

        The meaning of a lazy relation is another one, whether it is paid, or not known.
        """
        if all(term.lazy is None for term in self.terms):
            return self
        terms, unknown = [], self.unknown
        for term in self.terms:
            found = True if term.lazy is None else meaning(term.lazy)
            unknown = unknown or found is None
            if found is True or isinstance(found, Lazy):
                lazy = found if isinstance(found, Lazy) else None
                terms.append(Term(term.sizes, term.count, term.effect, lazy, term.chains))
        return _bounded(terms, unknown=unknown)

    def of(self, effect: str) -> "Cost":
        """Return the part of this cost that is of one effect."""
        return Cost(tuple(term for term in self.terms if term.effect == effect), self.unknown)

    def at_least(self) -> "Cost":
        """Return the same cost, marked as a lower bound."""
        return Cost(self.terms, unknown=True)

    @property
    def degree(self) -> int:
        """Return how many sizes the dearest product multiplies."""
        return max((len(term.sizes) for term in self.terms), default=0)

    def weight(self) -> tuple[int, ...]:
        """Return what costs are compared by: degree, then coefficients from the highest degree."""
        totals = [0] * (self.degree + 1)
        for term in self.terms:
            totals[len(term.sizes)] += term.count
        return (self.degree, *reversed(totals))

    def __str__(self) -> str:
        counts: dict[Sizes, int] = {}
        for term in self.terms:
            counts[term.sizes] = counts.get(term.sizes, 0) + term.count
        text = " + ".join(spelled(sizes, count) for sizes, count in counts.items()) or "0"
        return f">= {text}" if self.unknown else text


ZERO = Cost()


def once(effect: str, *places: Site | TraceStep) -> Cost:
    """Return the cost of one round trip, at a place if it is given."""
    return Cost((Term((), 1, effect, None, tuple(Chain(place) for place in places)),))


def dearest(costs: Iterable[Cost]) -> Cost:
    """Return the dearest of some alternatives; a lower bound where one of them is."""
    options = list(costs)
    found = max(options, key=Cost.weight, default=ZERO)
    return found.at_least() if any(option.unknown for option in options) else found


def spelled(sizes: Sizes, count: int) -> str:
    """Return a number times a product, as ``2*N(orders)*M(items)``."""
    if not sizes:
        return str(count)
    letters = LETTERS.ljust(len(sizes), LETTERS[-1])
    product = "*".join(f"{letter}({size})" for letter, size in zip(letters, sizes, strict=False))
    return product if count == 1 else f"{count}*{product}"


def _bounded(terms: Iterable[Term], *, unknown: bool) -> Cost:
    """Return the terms without equal ones, in order, and no more of them than are shown."""
    kept: dict[tuple[Sizes, str, Lazy | None], Term] = {}
    for term in terms:
        if not term.count:
            continue
        sizes = term.sizes
        if len(sizes) > MAX_DEGREE:
            sizes, unknown = sizes[:MAX_DEGREE], True
        key = (sizes, term.effect, term.lazy)
        before = kept.get(key)
        count, chains = term.count, term.chains
        if before is not None:
            again = term.lazy is not None and term.lazy.kept
            count = max(count, before.count) if again else count + before.count
            chains = before.chains
            chains += tuple(each for each in term.chains if each not in chains)
        if count > MAX_COEFFICIENT:
            count, unknown = MAX_COEFFICIENT, True
        kept[key] = Term(sizes, count, term.effect, term.lazy, chains[:MAX_CHAINS])
    ordered = sorted(kept.values(), key=_order)
    if len(ordered) > MAX_TERMS:
        ordered, unknown = ordered[-MAX_TERMS:], True
    return Cost(tuple(ordered), unknown)


def _order(term: Term) -> tuple[int, Sizes, str, str, tuple[str, ...], bool]:
    lazy = term.lazy or Lazy("", ())
    return len(term.sizes), term.sizes, term.effect, lazy.root, lazy.path, lazy.kept


def _step(place: Site | Edge | Loop | TraceStep) -> TraceStep:
    match place:
        case Site():
            return site_step(place)
        case Edge():
            return TraceStep(place.location, f"calls {place.callee.facts.qualname}")
        case Loop(location=location, size=size):
            return TraceStep(location, f"for each of {size}")
    return place
