"""Places that ask the database for an answer that is the same until somebody writes."""

import re
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.one_path import DISTURBING
from perfaudit.program.sameness import is_query
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import External, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

READS = ("db.query",)
KEEPS = "keeps-answer"
VOLATILE = re.compile(
    r"\b(?:nextval|random|clock_timestamp|pg_\w+|uuid_generate\w*|gen_random_uuid|last_insert_id"
    r"|for\s+(?:no\s+key\s+)?(?:update|share))\b",
    re.IGNORECASE,
)
"""What a statement says that gives another answer each time, or is run for what it does."""


def is_plain_read(program: "Program", site: Site) -> bool:
    """Return whether a place asks for rows that are the same as long as nobody writes any."""
    behaviour = site.behaviour
    if site.effects != READS or site.relation is not None:
        return False
    if not isinstance(site.value, t.CallRef) or KEEPS in behaviour.flags:
        return False
    if site.sql is not None:
        return VOLATILE.search(site.sql) is None
    call = site.function.facts.calls[site.value.index]
    if behaviour.sql is None:
        return not call.discarded
    at = (call.sequence, call.context)
    return bool(call.arguments) and is_query(
        program, program.types.evaluate(site.function, call.arguments[0], at)
    )


def only_reads(program: "Program", edge: Edge) -> bool:
    """Return whether a call of the project asks the database for its answer, as far as is known."""
    callee = edge.callee
    if edge.call is None or not isinstance(edge.value, t.CallRef) or edge.is_step:
        return False
    if edge.call.discarded or callee in program.memoised:
        return False
    if callee.facts.is_generator or not any(
        item.value is not None for item in callee.facts.results
    ):
        return False
    if callee in program.reach_of(DISTURBING) or callee in program.cache_reach:
        return False
    given = program.types.call(edge.caller, edge.value.index).result
    if is_query(program, given) or any(
        isinstance(part, Unknown | External) for part in options_of(given)
    ):
        # What is asked of the query that it gives may differ.
        return False
    sink = program.query_reach.site(callee)
    return sink is not None and KEEPS not in sink.behaviour.flags
