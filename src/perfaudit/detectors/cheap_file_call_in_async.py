"""Find coroutines that ask the file system for metadata on the event loop."""

from collections.abc import Iterator, Sequence

from perfaudit.core.finding import Match
from perfaudit.core.report import Opportunity
from perfaudit.program import expressions
from perfaudit.program.blocking import Blocking, blocking_places
from perfaudit.program.exposure import Exposure
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.own_loops import is_main
from perfaudit.program.program import Program, is_usual
from perfaudit.program.remedies import Remedies

CALM = frozenset({"startup", "command", "script"})
"""Where nobody else waits for the loop."""
CLEAN_UP = frozenset({"except", "finally"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each coroutine with cheap file calls, and a match at the first that holds the loop."""
    remedies = Remedies(program)
    for function in program.functions:
        if not function.is_async:
            continue
        waits = [
            blocked
            for blocked in blocking_places(program, function, ("stat",))
            if _counts(function, blocked)
        ]
        if not waits:
            continue
        exposure = program.exposure_of(function)
        if exposure.kind in CALM or is_main(program, function, steps=0):
            continue
        yield Opportunity(waits[0].place.location, exposure.kind)
        if not any(True for _ in blocking_places(program, function, ("file",))):
            yield _match(function, waits, exposure, remedies)


def _counts(function: FunctionNode, blocked: Blocking) -> bool:
    """Return whether a call runs as a rule, and not to clean up."""
    contexts = function.facts.contexts
    context = blocked.place.context
    cleans_up = any(contexts[step].kind in CLEAN_UP for step in function.context_chain(context))
    return not cleans_up and is_usual(function, context)


def _match(
    function: FunctionNode, waits: Sequence[Blocking], exposure: Exposure, remedies: Remedies
) -> Match:
    first = min(waits, key=lambda blocked: blocked.place.location)
    more = len(waits) - 1
    return Match(
        first.place.location,
        {
            "call": expressions.spelled(function, first.place.value),
            "function": function.facts.qualname,
            "sink": first.sink_name,
            "through": first.through,
            "more": f" (and {more} more)" if more else "",
        },
        trace=(*exposure.chain, *first.steps),
        confidence=first.confidence,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=remedies.for_place(first),
    )
