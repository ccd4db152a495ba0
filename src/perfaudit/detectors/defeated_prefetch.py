"""Find queries per row for related rows that were loaded with their parents and then not used."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.defeats import Defeat, defeats
from perfaudit.program.eager_words import refining_words
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.loops import name_of_walked, writes_per_item
from perfaudit.program.program import Program
from perfaudit.program.row_costs import row_class

CALMER = dict.fromkeys(BY_HAND, Severity.MEDIUM)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield a match for each loop that asks again for what its rows were loaded with."""
    for found in program.once(defeats):
        yield Opportunity(found.place.location, program.exposure_of(found.function).kind)
        yield _match(program, found)


def _match(program: Program, found: Defeat) -> Match:
    function, place = found.function, found.place
    walked = name_of_walked(program, function, found.loop)
    exposure = program.exposure_at(place)
    trace = list(exposure.chain)
    trace.extend(
        TraceStep(query, "rows are queried with the relation") for query in found.queries[-1:]
    )
    line = function.facts.contexts[found.loop].line
    trace.append(TraceStep(function.line(line), f"loop over {walked}"))
    trace.extend(found.steps)
    confidence = place.confidence
    if writes_per_item(program, function, found.loop):
        # What was loaded before may be out of date by then.
        confidence = weakest(confidence, Confidence.MEDIUM)
    return Match(
        place.location,
        {
            "call": expressions.spelled(function, place.value),
            "step": found.step,
            "relation": "__".join(found.path),
            "walked": walked,
        },
        trace=tuple(trace),
        confidence=confidence,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({walked})",
        role=function.role,
        fix=_fix(program, found),
    )


def _fix(program: Program, found: Defeat) -> str:
    """Return what loads the rows as they are wanted, and where it goes; nothing if not known."""
    at = (found.function.facts.contexts[found.loop].sequence + 1, found.loop)
    row = row_class(program, program.types.evaluate(found.function, t.Name(found.load.root), at))
    if row is None or not found.queries:
        return ""
    words = refining_words(program, row, found.path)
    place = found.queries[-1]
    return f"Load {words} in the query at {place.path}:{place.line}." if words else ""
