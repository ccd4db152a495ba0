"""Find rows that the database counts only to know whether there are any."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.counted_loads import counted_and_loaded
from perfaudit.program.expressions import spelled
from perfaudit.program.presence import asks_for_any, matters_besides
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step

COUNTS = "counts-rows"


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place where the database counts rows, and a match where any row would do."""
    for site in program.sites():
        # What was loaded with its row is counted in memory, and is no query.
        if COUNTS not in site.behaviour.flags or site.relation is not None:
            continue
        function = site.function
        exposure = program.exposure_at(site)
        yield Opportunity(site.location, exposure.kind)
        numbers = (site.value, t.Await(site.value))
        if not any(asks_for_any(function, number) for number in numbers):
            continue
        if any(matters_besides(function, number) for number in numbers):
            continue
        if any(count is site for count, _ in counted_and_loaded(program, function)):
            # What the rows tell anyway needs no query at all.
            continue
        yield Match(
            site.location,
            {"call": spelled(function, site.value)},
            trace=(*exposure.chain, site_step(site)),
            confidence=site.confidence,
            function=function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=function.role,
        )
