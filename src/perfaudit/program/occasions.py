"""What runs once, at the begin or the end of something, by the names that people give to it."""

import re

from perfaudit.program.nodes import FunctionNode

BEGINS_OR_ENDS = re.compile(
    r"_*(?:on_|do_|async_)?(?:a?close|a?stop|end|shut_?down|clean_?up|tear_?down|disconnect|terminate"
    r"|kill|dispose|destroy|finalize|a?exit|del|"
    r"a?start|start_?up|set_?up|init|initiali[sz]e|restart|launch|boot|bootstrap)(?:_all|_async)?_*"
    r"|.*(?:shut_?down|tear_?down|clean_?up).*"
)
"""Whole names of functions that begin or end what they belong to, and parts that say as much."""


def begins_or_ends(function: FunctionNode) -> bool:
    """Return whether a function's name says that it begins or ends something, once as a rule.

    Of what is written inside another function, also the name of that.
    """
    scope: FunctionNode | None = function
    while scope is not None and scope.kind in ("function", "lambda"):
        if BEGINS_OR_ENDS.fullmatch(scope.name.lower()):
            return True
        scope = scope.parent
    return False
