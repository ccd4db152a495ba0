"""Relations of rows that a call hands on as queries: ``show(album.photos.all())``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.edge_values import given_for
from perfaudit.program.loads import Load
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import External, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def loads_of_handed(program: "Program", place: Site | Edge) -> list[Load]:
    """Return the relations of rows that a call hands on, and that what it runs asks for."""
    return [
        load for load in program.loads.of(place.function) if load.is_handed and load.place is place
    ]


def asks_handed_only(program: "Program", place: Site | Edge) -> bool:
    """Return whether all that a call asks the database for is rows of relations it hands on."""
    if isinstance(place, Site):
        return False
    loads = loads_of_handed(program, place)
    ways: list[tuple[Site | Edge, ...]] = [(*load.through[1:], load.site) for load in loads]
    return bool(ways) and _are_all(program, place.callee, ways)


def _are_all(
    program: "Program", function: FunctionNode, ways: Sequence[tuple[Site | Edge, ...]]
) -> bool:
    """Return whether some ways to queries are all that a function has."""
    for place in program.reading(function):
        further = [way[1:] for way in ways if way[:1] and way[0] is place]
        if not further or (
            isinstance(place, Edge) and not _are_all(program, place.callee, further)
        ):
            return False
    return True


def handed_unknown(program: "Program", place: Edge, sink: Site) -> t.Expr | None:
    """Return what a call hands on for a query, if only what others hand on says that it is one."""
    at = (place.sequence, place.context)
    for asked in program.asked_parameters.of(place.callee):
        given = given_for(place, asked.name) if asked.site is sink else None
        if given is not None and isinstance(
            program.types.evaluate(place.caller, given, at), Unknown | External
        ):
            return given
    return None
