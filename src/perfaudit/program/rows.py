"""Rows: the queries that they come from, and which relations were loaded with them."""

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.location import Location
from perfaudit.program.nodes import ClassNode

VIA_RELATION = ".relation"
COMBINED = ".combined"
NOT_KNOWN = "*"
"""The last step of a path below which others may be loaded."""
Path = tuple[str, ...]
Loaded = Mapping[Path, bool]
"""The paths of relations that are loaded, and whether by a query of their own."""


class Around(Struct, frozen=True):
    """Where the rows are queried that others are reached from, their class, and by what."""

    place: Location
    row: ClassNode
    path: Path


class Rows(Struct, frozen=True):
    """The queries that rows come from, all ways to them together.

    ``loaded``: the paths that are loaded on at least one way. ``named``: relations that may be
    loaded besides, somewhere below a row; ``all_eager``: any may be. ``known``: relations that
    rows have without a query, since they were reached from there, or since all of them lead to the
    same row. ``written``: where the queries are written; ``declared``: where others begin with
    them, as with managers, or name them, as relations do. ``steps``: the names of the calls that
    they are made of, ``=name`` for each of their keywords, ``VIA_RELATION`` where rows are of
    another row, and ``COMBINED`` where the database puts those of several queries together: each
    must load the same, the whole can load no more. ``of``: their classes, as far as known.
    ``agreed``: all ways load the same.
    ``settled``: relations that cannot be read of them unless they were loaded, nor below them.
    ``loading``: the ends of the calls that say what is loaded. ``only``: the names that a query
    keeps to, None where it fetches all columns. ``made``: they have just been written, and no query
    gives them. ``locked``: they are locked until the transaction ends. ``later``: the paths that a
    query says are to be loaded when they are read. ``around``: where those are queried that a
    relation leads from.
    """

    written: tuple[Location, ...] = ()
    steps: frozenset[str] = frozenset()
    loaded: Loaded = {}
    named: frozenset[str] = frozenset()
    all_eager: bool = False
    known: frozenset[str] = frozenset()
    of: frozenset[ClassNode] = frozenset()
    agreed: bool = True
    settled: frozenset[str] = frozenset()
    declared: tuple[Location, ...] = ()
    loading: tuple[Location, ...] = ()
    only: frozenset[str] | None = None
    made: bool = False
    locked: bool = False
    later: frozenset[Path] = frozenset()
    around: Around | None = None

    @property
    def extended(self) -> tuple[Location, ...]:
        """Return the place of a long query where what it loads ends, and more can be added."""
        begun = self.places[-1:]
        return tuple(
            place
            for place in self.loading
            if any(one.path == place.path and one.line < place.line for one in begun)
        )[:1]

    @property
    def places(self) -> tuple[Location, ...]:
        """Return where the rows come from; last the place where more is best loaded with them."""
        return (*self.declared, *self.written)

    @property
    def is_of_relation(self) -> bool:
        """Return whether the rows are those of a relation that was read, not of a query here."""
        return not self.written and VIA_RELATION in self.steps

    @property
    def query(self) -> Location | None:
        """Return the place where more is best loaded with the rows, None where no query is known.

        A relation is declared, and no query, however many rows it gives.
        """
        if self.is_of_relation:
            return self.around.place if self.around is not None else None
        return self.places[-1] if self.places else None

    @property
    def exact(self) -> Loaded | None:
        """Return what is loaded with the rows, or None where that is not sure on every way."""
        return None if self.named or self.all_eager or not self.agreed else self.loaded

    def brings(self, path: Sequence[str]) -> bool | None:
        """Return whether a row brings what a path leads to, or None where that is not known.

        ``path`` are the names from the row to the relation that is read, that one included.
        """
        if path and path[0] in self.known:
            return True
        if self.all_eager or not self.named.isdisjoint(path):
            return None
        return is_in(tuple(path), self.loaded)

    def is_apart(self, path: Sequence[str]) -> bool:
        """Return whether a path cannot be joined: that would lock more, or the query forbids it."""
        return self.locked or any(tuple(path[: len(later)]) == later for later in self.later)

    def covers(self, path: Sequence[str]) -> bool:
        """Return whether the relations between a row and what is read may be loaded with it."""
        is_settled = bool(self.settled) and self.settled.issuperset(path)
        return is_settled or self.brings(path) is not False


def is_in(path: Path, loaded: Container[Path]) -> bool | None:
    """Return whether a path is among those that are loaded, or None where that is not known."""
    if path in loaded:
        return True
    if any((*path[:length], NOT_KNOWN) in loaded for length in range(1, len(path))):
        return None
    return False


def extra_queries(loaded: Loaded) -> int:
    """Return how many queries are run besides that of the rows themselves."""
    return sum(loaded.values())


def joined(answers: Sequence[Rows | None]) -> Rows | None:
    """Return the rows of several ways together, or None where one of them, or all, is not known."""
    known = [answer for answer in answers if answer is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    first = known[0].loaded
    together = _together(known, agreed=all(answer.loaded == first for answer in known))
    # A condition that only some ways have spares no query on the others.
    shared = frozenset.intersection(*(answer.known for answer in known))
    around = known[0].around
    if any(answer.around != around for answer in known):
        around = None
    made = all(answer.made for answer in known)
    return _shared_last(replace(together, known=shared, made=made, around=around), known)


def _shared_last(rows: Rows, ways: Sequence[Rows]) -> Rows:
    """Return rows whose last place is a query that all ways share, where there is one."""
    common = [place for place in rows.places if all(place in way.places for way in ways)]
    if not common or VIA_RELATION in rows.steps or rows.places[-1] in common:
        return rows
    declared = tuple(place for place in rows.declared if place != common[-1])
    return replace(rows, written=(*rows.written, common[-1]), declared=declared)


def made_of(parts: Sequence[Rows | None]) -> Rows | None:
    """Return the rows of a query whose parts each say something of it, or None if one is not known.

    What its last part loads is loaded on every way.
    """
    known = [part for part in parts if part is not None]
    return _together(known, agreed=True) if len(known) == len(parts) else None


def _together(known: Sequence[Rows], *, agreed: bool) -> Rows:
    around = {rows.around for rows in known if rows.around is not None}
    only = [rows.only for rows in known if rows.only is not None]
    return Rows(
        _in_order([place for rows in known for place in rows.written]),
        frozenset().union(*(rows.steps for rows in known)),
        {path: apart for rows in known for path, apart in rows.loaded.items()},
        frozenset().union(*(rows.named for rows in known)),
        any(rows.all_eager for rows in known),
        frozenset().union(*(rows.known for rows in known)),
        frozenset().union(*(rows.of for rows in known)),
        agreed and all(rows.agreed for rows in known),
        frozenset().union(*(rows.settled for rows in known)),
        _in_order([place for rows in known for place in rows.declared]),
        _in_order([place for rows in known for place in rows.loading]),
        frozenset().union(*only) if only else None,
        any(rows.made for rows in known),
        any(rows.locked for rows in known),
        frozenset().union(*(rows.later for rows in known)),
        around.pop() if len(around) == 1 else None,
    )


def _in_order(places: Sequence[Location]) -> tuple[Location, ...]:
    """Return places once each: what several ways share stands after all that some add to it."""
    return tuple(dict.fromkeys(reversed(places)))[::-1]
