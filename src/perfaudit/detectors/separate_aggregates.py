"""Find aggregates of one table that are asked for one by one, where one statement would do."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program.aggregates import Aggregate, aggregates_of
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.one_path import always_follows, is_undisturbed
from perfaudit.program.program import Program
from perfaudit.program.sites import Site

SEVERAL = 3
"""So many round trips are worth a statement of their own where the conditions differ."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that asks for aggregates, and a match for the first of several in a row."""
    for function in program.costly:
        if function.kind in ("module", "class"):
            continue
        found = list(aggregates_of(program, function))
        for aggregate in found:
            yield Opportunity(aggregate.site.location, program.exposure_of(function).kind)
        left = found
        while left:
            first, *others = left
            together = [first]
            for other in others:
                if other.table == first.table and _belongs(program, first.site, other.site):
                    if all(other.form != known.form or not _is_number(other) for known in together):
                        together.append(other)
            left = [other for other in others if other not in together]
            if _are_worth_one(together):
                yield _match(program, function, together)


def _belongs(program: Program, first: Site, other: Site) -> bool:
    """Return whether both are always asked for, one after the other."""
    if not is_undisturbed(program, first, other):
        return False
    return always_follows(first, other)


def _is_number(aggregate: Aggregate) -> bool:
    """Return whether the query says all: the call only asks for the number of its rows."""
    return not aggregate.site.call or not (
        aggregate.site.call.arguments or aggregate.site.call.keywords
    )


def _are_worth_one(together: list[Aggregate]) -> bool:
    if len(together) >= SEVERAL:
        return True
    return len(together) > 1 and len({each.conditions for each in together}) == 1


def _match(program: Program, function: FunctionNode, together: list[Aggregate]) -> Match:
    first = together[0].site
    table = together[0].table
    exposure = program.exposure_at(first)
    shared = frozenset.intersection(*(each.conditions for each in together))
    whole = any(not each.conditions for each in together)
    sure = Confidence.HIGH if shared or whole else Confidence.MEDIUM
    lines = sorted({each.site.location.line for each in together[1:]})
    return Match(
        first.location,
        {
            "call": spelled(function, first.value),
            "number": str(len(together)),
            "table": table.name if isinstance(table, ClassNode) else table,
            "lines": ", ".join(map(str, lines)),
        },
        trace=(
            *exposure.chain,
            *(TraceStep(each.site.location, "asks for an aggregate") for each in together),
        ),
        confidence=weakest(sure, *(each.site.confidence for each in together)),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=_fix(program, together[0]),
    )


def _fix(program: Program, aggregate: Aggregate) -> str:
    queries = program.libraries.queries(aggregate.site.behaviour.path.rpartition(".")[0])
    return queries.aggregate if queries is not None else ""
