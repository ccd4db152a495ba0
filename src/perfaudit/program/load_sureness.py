"""How sure it is that a relation is loaded for each of many rows, and not there already."""

from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence, weakest
from perfaudit.program.bounds import is_short
from perfaudit.program.conditions import Standing, is_special, standing
from perfaudit.program.dearer_work import does_dearer_work
from perfaudit.program.handfuls import may_be_handful
from perfaudit.program.held_rows import holds_all
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.kept_objects import WHOLE, may_be_kept
from perfaudit.program.key_tests import asks_for_key
from perfaudit.program.late_reads import is_late
from perfaudit.program.loads import Load
from perfaudit.program.loops import writes_per_item
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.record_lists import is_of_list
from perfaudit.program.result_shapes import BOUNDING, OBJECT
from perfaudit.program.row_entities import keeps_objects
from perfaudit.program.rows import COMBINED, VIA_RELATION, Rows
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DYNAMIC = "dynamic"
"""How a relation is loaded that is a query of its own whenever it is read."""
BY_KEY = frozenset({"=pk", "=id"})
"""Keywords of a query that at most one row answers to."""
BOUNDED = BOUNDING | {"offset", "first", "one", "get", "yield_per", "partitions", VIA_RELATION}


def load_sureness(
    program: "Program",
    load: Load,
    place: Site | Edge,
    function: FunctionNode,
    loop: int,
    rows: Rows,
) -> Confidence | None:
    """Return how sure it is that a load costs a query per row; None where its session has them all.

    ``loop``: that of the function in which it is read, -1 where a call walks the rows.
    """
    levels = [place.confidence]
    # No query loads it with its rows: the cure is another query, and a longer one.
    if load.relation.lazy == DYNAMIC:
        levels.append(Confidence.MEDIUM)
    if _keeps_objects(program, load):
        if _is_among_rows(program, load) and BOUNDED.isdisjoint(rows.steps):
            if rows.steps <= WHOLE:
                return None
            levels.append(Confidence.MEDIUM)
        if not load.path and holds_all(program, load.relation, function, place.sequence, loop):
            return None
        if loop >= 0 and _is_read_before(program, function, load, loop):
            levels.append(Confidence.MEDIUM)
    # The code of a module runs once, when it is imported.
    if function.kind == "module" or is_of_list(program.types, function):
        levels.append(Confidence.MEDIUM)
    if is_kept_answer(program, function):
        levels.append(Confidence.MEDIUM)
    if loop >= 0 and writes_per_item(program, function, loop):
        levels.append(Confidence.MEDIUM)
    if loop >= 0:
        walked = function.facts.contexts[loop]
        at = (walked.sequence, walked.parent)
        is_few = is_short(program.types, function, walked.subject, at) or (
            walked.subject is not None and may_be_handful(function, loop)
        )
        if is_few or does_dearer_work(program, function, loop, place):
            levels.append(Confidence.MEDIUM)
    query = rows.places[-1] if rows.places else None
    one_by_one = not rows.steps.isdisjoint(OBJECT | BY_KEY) and VIA_RELATION not in rows.steps
    # What is locked, or said to be loaded later, goes row by row on purpose as a rule.
    if COMBINED in rows.steps or _are_of_several_kinds(program, rows) or rows.is_apart(load.names):
        levels.append(Confidence.MEDIUM)
    if one_by_one or is_for_some(load) or may_be_kept(program, load.relation, function, query):
        levels.append(Confidence.MEDIUM)
    return weakest(*levels)


def _are_of_several_kinds(program: "Program", rows: Rows) -> bool:
    """Return whether rows may be of classes that have nothing in common: not all of them are these.

    A method of a base class asks for them by one that several classes have in their own way.
    """
    orders = [set(program.types.classes.project_order(node)) for node in rows.of]
    return not any(all(node in order for order in orders) for node in rows.of) and len(rows.of) > 1


def _keeps_objects(program: "Program", load: Load) -> bool:
    """Return whether a session keeps the objects of the relation, and gives them by their key."""
    return load.relation.target is not None and keeps_objects(program, load.relation.target)


def _is_among_rows(program: "Program", load: Load) -> bool:
    """Return whether a row leads to one of its own kind, which may be among the rows."""
    relation = load.relation
    if load.path or relation.target is None or relation.kind != "many_to_one":
        return False
    return program.schema.relation(relation.target, relation.name) == relation


def _is_read_before(program: "Program", function: FunctionNode, load: Load, loop: int) -> bool:
    """Return whether an earlier loop has read the relation of objects of the same class."""
    begun = function.facts.contexts[loop].sequence
    for other in program.loads.of(function):
        place = other.place
        if other.relation == load.relation and place.sequence < begun:
            if function.loops(place.context):
                return True
    return False


def is_for_some(load: Load) -> bool:
    """Return whether only some of the rows are asked for the relation, and perhaps few."""
    site = load.site
    places = [(edge.caller, edge.context, edge.sequence) for edge in load.through]
    places.append((site.function, site.context, site.sequence))
    if asks_for_key(site) or is_late(site) or is_special(*places[0]):
        return True
    return any(standing(*place) >= Standing.DATA for place in places[1:])
