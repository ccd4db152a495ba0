"""Find served queries whose rows only an index of parts or functions of a column would find."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import SERVED, UNSEEN, Exposure
from perfaudit.program.expression_advice import key_index, pattern_index, wrapped_cure
from perfaudit.program.growing_tables import growing_tables, is_small
from perfaudit.program.index_advice import is_list_of_words, takes_parts
from perfaudit.program.index_needs import has_special_index, is_found_otherwise, is_indexed
from perfaudit.program.program import Program
from perfaudit.program.relational import (
    ANYWHERE,
    EQUALITY,
    IN,
    JSON,
    RANGE,
    WRAPPED,
    Condition,
    Query,
    searches_of_tables,
)
from perfaudit.program.searched_fields import searches
from perfaudit.program.selectivity import FEW_VALUES, tells_rows_apart
from perfaudit.program.sql_dialects import main_dialect
from perfaudit.program.view_exposures import exposure_of_view

RULES = {
    JSON: "unindexed-jsonb-filter",
    ANYWHERE: "leading-wildcard",
    WRAPPED: "wrapped-filter-column",
}
COMPARED = frozenset({EQUALITY, IN, RANGE})
TEXTS = frozenset({"text", "other"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the columns that served queries search in a way that no index helps, each once."""
    grows = program.once(growing_tables)
    reported: set[tuple[str, str, str]] = set()
    searched = {search.query.site: search for search in program.once(searches)}
    narrowed = (search.query for search in searched.values())
    for query in (*program.once(searches_of_tables), *narrowed):
        asked = query.conditions + query.optional
        if query.site.function.role in UNSEEN or not asked:
            continue
        if query.table.name not in grows or is_small(query.table):
            continue
        search = searched.get(query.site)
        exposure = (
            program.exposure_at(query.site)
            if search is None
            else exposure_of_view(search.endpoint, search.view)
        )
        if exposure.kind not in SERVED:
            continue
        for rule in RULES.values():
            yield Opportunity(query.site.location, exposure.kind, rule=rule)
        if query.unknown or is_list_of_words(query.table) or is_found_otherwise(query):
            continue
        for condition in asked:
            kind = _kind(program, query, condition)
            key = (kind, query.table.name, condition.spelled or condition.column.name)
            if not kind or key in reported:
                continue
            reported.add(key)
            yield _match(program, query, condition, kind, exposure)


def _kind(program: Program, query: Query, condition: Condition) -> str:
    """Return in which way a condition looks for rows that no index finds; empty where in none."""
    table, column = condition.table, condition.column
    if table.name != query.table.name or has_special_index(table, column):
        return ""
    if condition.operator == JSON:
        if not takes_parts(program.once(main_dialect)):
            return ""
        return JSON if column.type == "json" and _tells_by_key(condition) else ""
    if ANYWHERE in (condition.operator, condition.inner):
        return ANYWHERE if column.type in TEXTS and condition.constant is None else ""
    if condition.operator == WRAPPED and _is_hidden(program, condition):
        return WRAPPED
    return ""


def _tells_by_key(condition: Condition) -> bool:
    """Return whether a part of a JSON value is compared that may tell rows apart."""
    if condition.constant is not None or condition.inner not in (*COMPARED, "", "contains"):
        return False
    keys = condition.spelled.partition("'")[2].rpartition("'")[0].strip("{}")
    return not FEW_VALUES.search(keys.rpartition(",")[2].lower())


def _is_hidden(program: Program, condition: Condition) -> bool:
    """Return whether a function hides a column from an index, or from one that it ought to have."""
    if not condition.spelled or condition.inner not in COMPARED or condition.constant is not None:
        return False
    if condition.spelled.startswith("UPPER(") and not takes_parts(program.once(main_dialect)):
        # Where a server compares without regard to case by itself, nothing is wrapped.
        return False
    if is_indexed(condition.table, condition.column):
        return not condition.column.primary
    return condition.inner != RANGE and tells_rows_apart(condition)


def _match(
    program: Program, query: Query, condition: Condition, kind: str, exposure: Exposure
) -> Match:
    table, column = condition.table, condition.column
    site = query.site.location
    # A condition is rewritten where it stands; an index is made where the column is.
    place = condition.place if kind == WRAPPED else column.location
    asks = TraceStep(site, f"looks for rows of {table.name}")
    cure = {JSON: key_index, ANYWHERE: pattern_index, WRAPPED: wrapped_cure}[kind]
    return Match(
        place,
        {
            "column": f"{table.name}.{column.name}",
            "spelled": condition.spelled or column.name,
            "query": f"{site.path}:{site.line}",
        },
        trace=(
            *exposure.chain,
            asks,
            TraceStep(column.location, f"no index serves {condition.spelled or column.name}"),
        ),
        confidence=Confidence.MEDIUM,
        function=query.site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=query.site.function.role,
        rule=RULES[kind],
        fix=cure(program, query, condition),
    )
