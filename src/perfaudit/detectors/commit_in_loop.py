"""Find transactions that are committed once per item of a loop."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.detectors import query_in_loop
from perfaudit.program import expressions
from perfaudit.program.commits import COMMITS, Commit, commits_per_item
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.loops import name_of_walked
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step

CALMER = dict.fromkeys(BY_HAND, Severity.LOW)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each commit, and a match for each that is done once per item."""
    told = _told(program)
    for function in program.costly:
        found = {item.site: item for item in commits_per_item(program, function)}
        for site in program.sites_of(function):
            if site.location in told:
                continue
            if site in found or (site.kind == "call" and COMMITS in site.behaviour.flags):
                yield Opportunity(site.location, program.exposure_of(function).kind)
            if site in found:
                yield _match(program, function, found[site])


def _told(program: Program) -> frozenset[Location]:
    """Return the places that are told as writes per item, whose cure ends this as well."""
    return frozenset(
        item.location for item in program.once(query_in_loop.judged) if isinstance(item, Match)
    )


def _match(program: Program, function: FunctionNode, found: Commit) -> Match:
    site = found.site
    walked = name_of_walked(program, function, found.loop)
    exposure = program.exposure_at(site)
    line = function.line(function.facts.contexts[found.loop].line)
    confidence = weakest(site.confidence, Confidence.MEDIUM if found.is_block else Confidence.HIGH)
    return Match(
        site.location,
        {
            "call": expressions.spelled(function, site.value),
            "does": "is a transaction of its own" if found.is_block else "commits",
            "walked": walked,
            "cure": "begin it before the loop" if found.is_block else "commit once, after the loop",
        },
        trace=(*exposure.chain, TraceStep(line, f"loop over {walked}"), site_step(site)),
        confidence=confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
    )
