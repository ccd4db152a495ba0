"""Find relations that are loaded with rows of which every reader is known, and never read."""

from collections.abc import Iterator
from dataclasses import replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.eager_calls import EagerCall, eager_calls, is_relation
from perfaudit.program.entity_queries import EntityQuery
from perfaudit.program.program import Program
from perfaudit.program.result_use import Readers, Use, use_of


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
        yield from _judge(program, query, calls, use)


def _judge(
    program: Program, query: EntityQuery, calls: list[EagerCall], use: Use
) -> Iterator[Match | Opportunity]:
    unread = {
        found: names
        for found in calls
        if (names := [name for name in found.relations if name not in use.columns])
    }
    first = next(iter(unread), calls[0])
    function, place = first.function, first.function.place(first.call)
    exposure = program.exposure_of(function)
    yield Opportunity(place, exposure.kind)
    if not unread:
        return
    is_sure = not use.crossed and not query.orm.keeps_objects
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
        confidence=Confidence.HIGH if is_sure else Confidence.MEDIUM,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=f"Leave `{listed}` out.",
    )
