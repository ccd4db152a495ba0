"""Find columns that requests and jobs look for rows by, and no index leads with."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.databases import database_servers
from perfaudit.program.exposure import SERVED, UNSEEN, Exposure
from perfaudit.program.growing_tables import PEOPLE, growing_tables, is_small
from perfaudit.program.index_advice import index_fix, is_list_of_words
from perfaudit.program.index_needs import is_found_otherwise, is_indexed, parent_of_window
from perfaudit.program.index_wants import is_own, wanted_index
from perfaudit.program.program import Program
from perfaudit.program.relational import EQUALITY, IN, Condition, Query, searches_of_tables
from perfaudit.program.searched_fields import searches
from perfaudit.program.selectivity import tells_rows_apart
from perfaudit.program.view_exposures import exposure_of_view

FINDING = frozenset({EQUALITY, IN})
"""Operators by which an index finds the few rows that are wanted."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the columns that a served query hangs on alone, without an index; each column once."""
    grows = program.once(growing_tables)
    # Where a server is known, it has made an index for a foreign key, or another rule speaks of it.
    judges_keys = not program.once(database_servers)
    reported: set[tuple[str, str]] = set()
    for query, exposure, ways in _asked(program):
        yield Opportunity(query.site.location, exposure.kind)
        if query.table.name not in grows or is_small(query.table) or is_list_of_words(query.table):
            continue
        for wanted in ways:
            if not wanted or wanted[0].column.references and not judges_keys:
                continue
            if not is_own(program, query.table, wanted[0].column):
                continue
            key = (query.table.name, wanted[0].column.name)
            if key not in reported:
                reported.add(key)
                yield _match(program, query, wanted, exposure)
        parent = parent_of_window(query)
        if parent is not None and not _is_of_one_table(program, query):
            continue
        key = (query.table.name, "" if parent is None else f"{parent.column.name}, time")
        if parent is not None and key not in reported:
            reported.add(key)
            yield _match(program, query, [parent], exposure, is_window=True)


def _asked(program: Program) -> Iterator[tuple[Query, Exposure, list[list[Condition]]]]:
    """Yield what requests and jobs ask, with the conditions that find the rows and have no index.

    Of a view whose rows a library lets requests narrow, any of the conditions may be the only one.
    """
    for query in program.once(searches_of_tables):
        if query.site.function.role not in UNSEEN and query.conditions:
            exposure = program.exposure_at(query.site)
            if exposure.kind in SERVED:
                yield query, exposure, [_hung_on(query, query.conditions)]
    for search in program.once(searches):
        query = search.query
        if query.site.function.role not in UNSEEN and query.optional:
            given = [_hung_on(query, (condition,)) for condition in query.optional]
            yield query, exposure_of_view(search.endpoint, search.view), given


def _match(
    program: Program,
    query: Query,
    wanted: list[Condition],
    exposure: Exposure,
    *,
    is_window: bool = False,
) -> Match:
    """Return the finding of a column; of a window also of the time, which its index leaves out."""
    first = wanted[0]
    index = wanted_index(program, query, wanted)
    place = first.column.location
    names = [column.name for column in (index.columns[:2] if is_window else [first.column])]
    lacking = "no index has both" if is_window else "no index leads with this column"
    return Match(
        place,
        {
            "column": f"{query.table.name}.{', '.join(names)}",
            "query": f"{query.site.location.path}:{query.site.location.line}",
            "index": ", ".join(column.name for column in index.columns),
        },
        trace=(
            *exposure.chain,
            TraceStep(query.site.location, f"looks for rows of {query.table.name}"),
            *_asked_at(query, first),
            TraceStep(place, lacking),
        ),
        confidence=_sureness(program, first, exposure, is_window=is_window),
        function=query.site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=query.site.function.role,
        fix=index_fix(program, query.table, index),
    )


def _is_of_one_table(program: Program, query: Query) -> bool:
    return all(is_own(program, query.table, item.column) for item in query.conditions)


def _sureness(
    program: Program, first: Condition, exposure: Exposure, *, is_window: bool
) -> Confidence:
    """Return how surely the index is worth it: what people own is mostly little for each."""
    parent = program.schema.find(first.column.references.partition(".")[0])
    if is_window and parent is not None and PEOPLE.search(parent.name.lower()):
        return Confidence.LOW
    return Confidence.HIGH if exposure.endpoint else Confidence.MEDIUM


def _asked_at(query: Query, condition: Condition) -> Iterator[TraceStep]:
    """Yield the step to a condition that stands on another line than the call."""
    here, place = query.site.location, condition.place
    if (place.path, place.line) != (here.path, here.line):
        yield TraceStep(place, f"asks for {condition.column.name}")


def _hung_on(query: Query, conditions: tuple[Condition, ...]) -> list[Condition]:
    """Return those of some conditions that alone find the rows, where no index serves any."""
    if query.unknown or query.via_relation or is_found_otherwise(query):
        return []
    own: dict[str, Condition] = {}
    for condition in conditions:
        if condition.table.name == query.table.name and not is_indexed(
            condition.table, condition.column
        ):
            own.setdefault(condition.column.name, condition)
    return [
        item
        for item in own.values()
        if item.operator in FINDING and item.constant is None and tells_rows_apart(item)
    ]
