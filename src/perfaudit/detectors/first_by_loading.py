"""Find rows that are all loaded for the first of them."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.expressions import spelled
from perfaudit.program.first_rows import first_rows
from perfaudit.program.program import Program


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each list of rows, and a match for each of which one end is used."""
    for function in program.costly:
        if function.kind == "class":
            continue
        exposure = program.exposure_of(function)
        for site in program.sites_of(function):
            if "db.query" in site.effects and site.relation is None:
                yield Opportunity(site.location, exposure.kind)
        for found in first_rows(program, function):
            place = function.place(found.call)
            yield Match(
                place,
                {
                    "call": spelled(function, t.CallRef(found.number)),
                    "query": found.name,
                    "which": "last" if found.last else "first",
                },
                trace=(*exposure.chain, TraceStep(place, f"{found.name} loads the rows")),
                confidence=found.confidence,
                function=function.qualname,
                endpoint=exposure.endpoint,
                exposure=exposure.kind,
                role=function.role,
            )
