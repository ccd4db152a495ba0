"""Calls in a row, and answers about the last of them that are given again to other rows."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfaudit.program.sites import Edge

START = 0
"""What stands before the first call, in place of the identity of another one."""


class Way:
    """Calls in a row, from the first to the last, that note how far back somebody looks.

    What is asked of the last call hangs on those before it only as far as they are looked at.
    """

    __slots__ = ("_answers", "edges")

    def __init__(self, edges: "tuple[Edge, ...]", answers: "Answers") -> None:
        self.edges = edges
        self._answers = answers

    @property
    def is_any(self) -> bool:
        """Return whether there is a call at all."""
        self._answers.looks_at(len(self.edges))
        return bool(self.edges)

    @property
    def last(self) -> "Edge":
        """Return the last call. Raises IndexError where there is none."""
        self._answers.looks_at(len(self.edges))
        return self.edges[-1]

    @property
    def before(self) -> "Way":
        """Return the calls before the last one."""
        return Way(self.edges[:-1], self._answers)

    def then(self, edge: "Edge") -> "Way":
        """Return these calls and one more."""
        return Way((*self.edges, edge), self._answers)

    def is_begun_by(self, other: "Way") -> bool:
        """Return whether these are the calls of another way, or these and more."""
        return self.edges[: len(other.edges)] == other.edges

    def since(self, other: "Way") -> "tuple[Edge, ...]":
        """Return the calls that these have more than another way that they begin with."""
        self._answers.looks_at(len(other.edges) + 1)
        return self.edges[len(other.edges) :]


class Answers:
    """Answers to questions about the last of some calls.

    Each is kept by as many calls as it looked at: other rows that end in these have the same one.
    """

    def __init__(self) -> None:
        self._first = START
        """The number of the first call that has been looked at, from 1."""
        self._known: dict[object, dict[int, dict[tuple[int, ...], bool]]] = {}
        self._held: list[tuple[Edge, ...]] = []
        """The calls of all rows that were answered, so that their identities last."""

    def looks_at(self, number: int) -> None:
        """Note that a call has been looked at, by its number from 1, or the start, which is 0."""
        self._first = min(self._first, number)

    def row(self, edges: "Iterable[Edge]") -> Way:
        """Return some calls in a row, to ask about the last of them."""
        return Way(tuple(edges), self)

    def about(self, row: Way, question: object, asked: Callable[[], bool]) -> bool:
        """Return the answer for these calls, worked out only where no row that ends so has it."""
        ids = (START, *map(id, row.edges))
        known = self._known.setdefault(question, {})
        for depth, by_end in known.items():
            found = by_end.get(ids[-depth:])
            if found is not None and depth <= len(ids):
                self.looks_at(len(ids) - depth)
                return found
        outer, self._first = self._first, len(ids) - 1
        try:
            answer = asked()
        finally:
            depth = len(ids) - self._first
            self.looks_at(outer)
        known.setdefault(depth, {})[ids[-depth:]] = answer
        self._held.append(row.edges)
        return answer
