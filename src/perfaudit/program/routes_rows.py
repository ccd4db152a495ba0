"""Loops over lists of routes, one item at a time: what stands in one row stays together."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.routes_origins import MAX_SOURCES, Frame, Origins, given_for, sources

MAX_DEPTH = 8


class Loop(NamedTuple):
    """What a loop goes through: its element, where that is bound, and for which caller."""

    function: FunctionNode
    element: t.Element
    at: tuple[int, int]
    frame: Frame | None


def rows(
    origins: Origins,
    function: FunctionNode,
    values: list[t.Expr],
    at: tuple[int, int],
    frame: Frame | None,
) -> Iterator[Origins]:
    """Yield the origins for each turn of the loops that several of the values come from.

    The origins as they are, where no two values come from one loop that can be followed.
    """
    found: list[Loop] = []
    for value in values:
        found.extend(dict.fromkeys(_loops(function, value, at, frame, set())))
    count = Counter((loop.function, loop.element) for loop in found)
    # What a value comes from is found from the inside out.
    shared = {
        (loop.function, loop.element): loop
        for loop in reversed(found)
        if count[loop.function, loop.element] > 1
    }
    yield from islice(_turns(origins, list(shared.values())), MAX_SOURCES)


def _turns(origins: Origins, loops: list[Loop]) -> Iterator[Origins]:
    if not loops:
        yield origins
        return
    function, element, at, frame = loops[0]
    items = sources(origins, function, element, at, frame)
    for item in items:
        chosen = {**origins.chosen, (function, element): item}
        yield from _turns(replace(origins, chosen=chosen), loops[1:])
    if not items:
        yield from _turns(origins, loops[1:])


def _loops(
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    frame: Frame | None,
    seen: set[tuple[FunctionNode, str]],
    depth: int = 0,
) -> Iterator[Loop]:
    """Yield the loops that the value comes from, through names and the arguments of a caller."""
    for part in parts(function, value):
        if isinstance(part, t.Element):
            yield Loop(function, part, at, frame)
        if not isinstance(part, t.Name) or (function, part.id) in seen or depth > MAX_DEPTH:
            continue
        seen.add((function, part.id))
        for scope, definition in meanings(function, part.id, at):
            if isinstance(definition, t.Bind) and definition.value is not None:
                point = (definition.sequence, definition.context)
                yield from _loops(scope, definition.value, point, frame, seen, depth + 1)
            elif isinstance(definition, t.Param) and frame is not None and frame.call is not None:
                point = (frame.call.sequence, frame.call.context)
                for given in given_for(frame, definition) if frame.function is scope else ():
                    yield from _loops(frame.caller, given, point, frame.outer, seen, depth + 1)
