"""Find queries and remote calls that run for each item of a loop in a loop."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.report import Opportunity
from perfaudit.detectors import http_call_in_loop, query_in_loop
from perfaudit.program import nesting
from perfaudit.program.program import Program


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield what the rules for one loop have found in two, which they leave to this one."""
    for detector in (query_in_loop, http_call_in_loop):
        for item in program.once(detector.judged):
            if item.rule == nesting.RULE:
                yield item
