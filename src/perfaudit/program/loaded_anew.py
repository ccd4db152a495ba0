"""Objects that a function has itself loaded relations into, or made forget what they had."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program.expressions import argument_for
from perfaudit.program.loaded_tests import row_of_container
from perfaudit.program.loads import relation_base, root_of
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_loaders import LOADS_INTO
from perfaudit.program.rows import Path
from perfaudit.program.sites import Edge, Site
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

FORGETS = "forgets-loaded"
"""The flag of methods after which their object has none of the relations that were loaded."""
EMPTIED = "clear"
MAX_STEPS = 1
"""How many functions are followed that make what they are given forget."""


class _Event(Struct, frozen=True):
    """What a function does to the object that a name holds.

    ``loaded``: the chains of relations that are loaded into it, None where it forgets them all.
    ``may_be_more``: not all of the chains are known.
    """

    root: str
    context: int
    sequence: int
    loaded: frozenset[Path] | None
    may_be_more: bool = False


class LoadedAnew:
    """What one function has done to the objects that it reads relations of."""

    def __init__(self, types: "Types", function: FunctionNode) -> None:
        self._types = types
        self._function = function

    @cached_property
    def _events(self) -> list[_Event]:
        types, function = self._types, self._function
        found = (*_loading(types, function), *_forgetting(types, function, MAX_STEPS))
        return sorted(found, key=lambda event: event.sequence)

    def sites(self, sites: Iterable[Site]) -> Iterator[Site]:
        """Yield the sites that cost something: not reads of what has been loaded just before.

        What an object was made to forget is asked for again, whatever it was loaded with.
        """
        for site in sites:
            event = None if site.relation is None else self._before(site)
            if event is None:
                yield site
            elif event.loaded is None:
                sure = weakest(site.confidence, Confidence.MEDIUM)
                yield replace(site, relation=None, confidence=sure)

    def has(self, place: Site | Edge, root: str, names: Path) -> bool:
        """Return whether the object of a name surely has a chain of relations at a place."""
        event = self._last(place, root, names)
        return event is not None and event.loaded is not None

    def _before(self, site: Site) -> _Event | None:
        rooted = root_of(self._function, relation_base(self._function, site))
        if rooted is None or site.relation is None:
            return None
        return self._last(site, rooted[0], (*rooted[1], site.relation.name))

    def _last(self, place: Site | Edge, root: str, names: Path) -> _Event | None:
        """Return the last that was done to a chain of relations of an object before a place."""
        for event in reversed(self._events):
            if (
                event.root == root
                and event.sequence < place.sequence
                and not self._is_bound_between(root, event, place)
                and self._function.is_within(place.context, event.context)
                and _concerns(event, names)
            ):
                return event
        return None

    def _is_bound_between(self, root: str, event: _Event, place: Site | Edge) -> bool:
        """Return whether a name is given another object between an event and a place."""
        return any(
            event.sequence < bind.sequence <= place.sequence
            for bind in self._function.binds.get(root, ())
        )


def _concerns(event: _Event, names: Path) -> bool:
    if event.loaded is None or event.may_be_more:
        return True
    return any(path[: len(names)] == names for path in event.loaded)


def _loading(types: "Types", function: FunctionNode) -> Iterator[_Event]:
    """Yield the calls that load relations into objects with a name: ``load([row], "lines")``."""
    for index, call in enumerate(function.facts.calls):
        if not call.arguments or not types.call(function, index).has_flag(LOADS_INTO):
            continue
        at = (call.sequence, call.context)
        given = written_out(types, Spot(function, call.arguments[0], at))
        rows = given.value.items if given is not None and isinstance(given.value, t.Seq) else ()
        paths, may_be_more = _paths(types, function, call)
        for row in rows:
            if isinstance(row, t.Name):
                yield _Event(row.id, call.context, call.sequence, paths, may_be_more)


def _paths(types: "Types", function: FunctionNode, call: t.Call) -> tuple[frozenset[Path], bool]:
    """Return the chains of relations that a call names, and whether it may name others."""
    found: set[Path] = set()
    waiting = list(call.arguments[1:])
    may_be_more = bool(call.keywords)
    while waiting:
        match waiting.pop():
            case t.Const(value=str() as text):
                found.add(tuple(text.split("__")))
            case t.Star(value=listed):
                at = (call.sequence, call.context)
                written = written_out(types, Spot(function, listed, at))
                if written is None or not isinstance(written.value, t.Seq):
                    may_be_more = True
                else:
                    waiting += written.value.items
            case _:
                may_be_more = True
    return frozenset(found), may_be_more


def _forgetting(types: "Types", function: FunctionNode, steps: int) -> Iterator[_Event]:
    """Yield the places where what a name holds forgets what was loaded, also in other functions."""
    for bind in function.facts.binds:
        row = row_of_container(types, function, bind.target)
        if isinstance(row, t.Name):
            yield _Event(row.id, bind.context, bind.sequence, None)
    for index, call in enumerate(function.facts.calls):
        for row in _made_to_forget(types, function, index, steps):
            if isinstance(row, t.Name):
                yield _Event(row.id, call.context, call.sequence, None)


def _made_to_forget(
    types: "Types", function: FunctionNode, index: int, steps: int
) -> Iterator[t.Expr | None]:
    """Yield the objects that a call makes forget what was loaded."""
    call = function.facts.calls[index]
    if isinstance(call.callee, t.Attr):
        if call.callee.name == EMPTIED:
            yield row_of_container(types, function, call.callee.base)
        elif call.callee.name in types.libraries.forgetting_methods and not call.given:
            if types.call(function, index).has_flag(FORGETS):
                yield call.callee.base
    if not steps:
        return
    for target in types.call(function, index).targets:
        callee = target.function
        if callee is None:
            continue
        events = _forgetting(types, callee, steps - 1)
        always = {event.root for event in events if event.context < 0}
        for param in callee.facts.params:
            if param.name in always:
                yield argument_for(call, callee, param.name)
