"""Find rows that are loaded only to be counted."""

import re
from collections.abc import Iterator
from dataclasses import replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.counted_relations import counted_relations
from perfaudit.program.entity_queries import EntityQuery, entity_queries
from perfaudit.program.exposure import SERVED
from perfaudit.program.expressions import last_name, spelled
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.presence import asks_for_any
from perfaudit.program.program import Program
from perfaudit.program.projection import is_bounded
from perfaudit.program.query_conditions import NEGATED
from perfaudit.program.query_reads import words_of
from perfaudit.program.result_use import Readers, Use, use_of
from perfaudit.program.result_walk import Source
from perfaudit.program.row_sources import row_source
from perfaudit.program.sameness import is_query
from perfaudit.program.sql_dialects import dialect_of

MAX_RETURNS = 3
LEN = t.Name("len")
PRIMARY = "pk"
"""The name of the key of any table in conditions."""
LOCKS = re.compile(r"\bfor\s+(?:no\s+key\s+)?(?:update|share)\b", re.IGNORECASE)
"""Loading rows to lock them is no counting."""

SQL_FIX = "Select COUNT(*) with the same conditions."


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each ``len`` of a fetched result that is used for nothing else."""
    readers = program.once(Readers)
    reported: set[Location] = set()
    for source, fix, name, query in _sources(program):
        for found in _judged(readers, source, fix, name, MAX_RETURNS):
            if isinstance(found, Match) and query is not None and _is_of_keys(program, query):
                found = replace(found, confidence=Confidence.MEDIUM)
            if found.location not in reported or isinstance(found, Opportunity):
                yield found
            if isinstance(found, Match):
                reported.add(found.location)
    yield from _of_relations(program)


def _of_relations(program: Program) -> Iterator[Match]:
    """Yield each ``len`` of a relation whose rows an object loads for it."""
    fixes = {
        library.name: library.queries.count
        for library in program.libraries.libraries
        if library.queries is not None
    }
    for site, call in counted_relations(program):
        function, relation = site.function, site.relation
        exposure = program.exposure_of(function)
        if exposure.kind not in SERVED or relation is None or relation.target is None:
            continue
        table = program.schema.table_of(relation.target)
        yield Match(
            function.place(call),
            {
                "call": f"len({spelled(function, call.arguments[0])})",
                "query": f"the relation `{relation.name}`",
            },
            trace=(
                *exposure.chain,
                TraceStep(site.location, f"{relation.name} loads its rows"),
                TraceStep(relation.location, "no query has loaded them before"),
            ),
            confidence=Confidence.MEDIUM,
            function=function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=function.role,
            fix=fixes.get(table.library, "") if table is not None else "",
        )


def _sources(program: Program) -> Iterator[tuple[Source, str, str, EntityQuery | None]]:
    """Yield what loads rows, how the number is asked for instead, its name, and the query."""
    for site in program.sites():
        reads = site.kind == "call" and site.effects == ("db.query",)
        if (
            reads
            and site.sql
            and not is_bounded(site.sql, dialect_of(program, site))
            and not LOCKS.search(site.sql)
        ):
            words = words_of(program, site)
            yield row_source(site, ()), words.count if words else SQL_FIX, site.name, None
    for query in entity_queries(program):
        if not query.is_bounded:
            yield query.source, query.orm.count, query.name, query


def _is_of_keys(program: Program, query: EntityQuery) -> bool:
    """Return whether a query gives the rows of some keys that are listed: these are few."""
    function, suffix = query.source.function, query.orm.membership
    names = {PRIMARY} | {
        column.name
        for column in (query.table.columns.values() if query.table else ())
        if column.primary
    }
    keys = {f"{name}{suffix}" for name in names} if suffix else set()
    value: t.Expr | None = t.CallRef(query.source.index)
    while isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        at = (call.sequence, call.context)
        if last_name(call.callee) not in NEGATED and any(
            name in keys and not is_query(program, program.types.evaluate(function, given, at))
            for name, given in call.keywords
        ):
            return True
        value = next(
            (
                t.CallRef(index)
                for index, after in enumerate(function.facts.calls)
                if isinstance(after.callee, t.Attr) and after.callee.base == value
            ),
            None,
        )
    return False


def _judged(
    readers: Readers, source: Source, fix: str, name: str, returns: int
) -> Iterator[Match | Opportunity]:
    """Yield what is said of one result, and of it in each function that it is returned to."""
    program = readers.program
    place = source.function.place(source.function.facts.calls[source.index])
    exposure = program.exposure_of(source.function)
    if not _may_be_sized(program, source.function, returns):
        yield Opportunity(place, exposure.kind)
        return
    use = use_of(readers, source, follow_returns=False)
    if use.escapes or use.bounded:
        return
    if use.returned is not None:
        if returns and not use.sized and source.function not in program.memoised:
            yield from _in_callers(readers, source, use, fix, name, returns)
        return
    own = [sized for sized in use.sized if _is_inside(sized.function, source.function)]
    yield Opportunity(place, exposure.kind)
    if not own or len(own) != len(use.sized) or _reads_rows(use):
        return
    if any(asks_for_any(sized.function, t.CallRef(sized.call)) for sized in own):
        return
    first = own[0]
    call = first.function.facts.calls[first.call]
    yield Match(
        first.function.place(call),
        {"call": f"len({spelled(first.function, call.arguments[0])})", "query": name},
        trace=(*exposure.chain, TraceStep(place, f"{name} loads the rows")),
        confidence=Confidence.HIGH if returns == MAX_RETURNS else Confidence.MEDIUM,
        function=first.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=first.function.role,
        fix=fix,
    )


def _may_be_sized(program: Program, function: FunctionNode, returns: int) -> bool:
    """Return whether the function, or one above that may get its result, takes any length."""
    if any(_takes_length(inner) for inner in (function, *inner_functions(function))):
        return True
    return returns > 0 and any(
        _may_be_sized(program, edge.caller, returns - 1) for edge in program.edges_to(function)
    )


def _takes_length(function: FunctionNode) -> bool:
    return any(call.callee == LEN for call in function.facts.calls)


def _reads_rows(use: Use) -> bool:
    return bool(use.columns) or use.entire or use.iterated


def _is_inside(function: FunctionNode, outer: FunctionNode) -> bool:
    scope: FunctionNode | None = function
    while scope is not None and scope is not outer:
        scope = scope.parent
    return scope is outer


def _in_callers(
    readers: Readers, source: Source, use: Use, fix: str, name: str, returns: int
) -> Iterator[Match | Opportunity]:
    if use.returned is None or _reads_rows(use):
        return
    for edge in readers.program.edges_to(source.function):
        if edge.how != "call" or edge.via != "call" or not isinstance(edge.value, t.CallRef):
            continue
        resolved = readers.program.types.call(edge.caller, edge.value.index)
        if len(resolved.targets) != 1:
            continue
        given = Source(
            edge.caller, edge.value.index, use.returned, source.columns, None, source.entity
        )
        yield from _judged(readers, given, fix, f"{edge.name}()", returns - 1)
