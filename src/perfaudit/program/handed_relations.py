"""Relations of rows that a call hands on as queries: ``show(album.photos.all())``."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.attributes import asked_of, asked_relation, is_in_needed_order, query_run
from perfaudit.program.edge_values import given_for
from perfaudit.program.loads import Load, root_of
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def loads_of_handed(program: "Program", place: Site | Edge) -> list[Load]:
    """Return the relations of rows that a call hands on, and that what it runs asks for.

    None of them where that may ask for more, which rows that were loaded do not answer.
    """
    if isinstance(place, Site):
        return []
    loads = [_load(program, place, inner) for inner in program.reading(place.callee)]
    found = [load for load in loads if load is not None]
    return found if len(found) == len(loads) else []


def _load(program: "Program", edge: Edge, place: Site | Edge) -> Load | None:
    """Return the relation that a place asks for, by a parameter that it is handed to."""
    query = query_run(place) if isinstance(place, Site) else None
    if isinstance(place, Edge) or query is None:
        return None
    types, callee, caller = program.types, edge.callee, edge.caller
    asked = asked_of(types, callee, query, (place.sequence, place.context))
    if asked is None or not isinstance(asked[0], t.Name) or asked[0].id in callee.binds:
        return None
    at = (edge.sequence, edge.context)
    given = given_for(edge, asked[0].id)
    handed = None if given is None else asked_of(types, caller, given, at)
    if handed is None or not isinstance(handed[0], t.Attr):
        return None
    relation = asked_relation(types, program.schema, caller, *handed)
    rooted = root_of(caller, handed[0].base)
    if relation is None or rooted is None or not is_in_needed_order(types, place, relation):
        return None
    return Load(*rooted, relation, place, (edge,))
