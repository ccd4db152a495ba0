"""Find relations that are loaded with rows of which every reader is known, and never read."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.eager_calls import EagerCall, eager_calls, is_relation
from perfaudit.program.entity_queries import EntityQuery
from perfaudit.program.managers import manager_may_load
from perfaudit.program.nodes import ClassNode
from perfaudit.program.program import Program
from perfaudit.program.result_use import Readers, use_of
from perfaudit.program.row_queries import rows_of
from perfaudit.program.rows import NOT_KNOWN


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each call that loads relations of known readers, and a match where one is not read."""
    if not program.schema.relation_names:
        return
    readers = program.once(Readers)
    for query, calls in eager_calls(program):
        node = query.source.entity
        named = {name for found in calls for name in found.relations}
        if node is None or not all(is_relation(program, node, name) for name in named):
            continue
        columns = (*query.source.columns, *sorted(named))
        use = use_of(readers, replace(query.source, columns=columns))
        if use.escapes or use.entire or not use.columns:
            continue
        left = _left(program, node, query, named) - set(use.columns)
        yield from _judge(program, query, calls, left, is_sure=not use.crossed)


def _left(
    program: Program, node: ClassNode, query: EntityQuery, names: Collection[str]
) -> frozenset[str]:
    """Return the relations that are not loaded, as far as known, with all rows of a manager."""
    function = query.source.function
    call = function.facts.calls[query.source.index]
    if not isinstance(call.callee, t.Attr):
        return frozenset(names)
    rows = rows_of(program, function, call.callee.base, (call.sequence, call.context))
    if rows is None:
        return frozenset() if manager_may_load(program.types, node) else frozenset(names)
    loaded = rows.named.union(path[0] for path in rows.loaded)
    may_be_any = rows.all_eager or NOT_KNOWN in loaded
    return frozenset() if may_be_any else frozenset(names) - loaded


def _judge(
    program: Program,
    query: EntityQuery,
    calls: list[EagerCall],
    left: Collection[str],
    *,
    is_sure: bool,
) -> Iterator[Match | Opportunity]:
    """Yield the opportunity, and a match of the calls that name relations that can be left out."""
    unread = {
        found: names
        for found in calls
        if (names := [name for name in found.relations if name in left])
    }
    first = next(iter(unread), calls[0])
    function, place = first.function, first.function.place(first.call)
    exposure = program.exposure_of(function)
    yield Opportunity(place, exposure.kind)
    if not unread:
        return
    listed = "`, `".join(dict.fromkeys(name for names in unread.values() for name in names))
    yield Match(
        place,
        {
            "call": expressions.spelled(function, first.call.callee),
            "relation": listed,
            "query": query.name,
        },
        trace=(
            *exposure.chain,
            *(
                TraceStep(found.function.place(found.call), f"loads {', '.join(names)}")
                for found, names in unread.items()
            ),
        ),
        confidence=Confidence.HIGH
        if is_sure and not query.orm.keeps_objects
        else Confidence.MEDIUM,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=f"Leave `{listed}` out.",
    )
