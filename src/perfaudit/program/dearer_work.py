"""Loops whose turns do dearer work than one query: then that query is not what they cost."""

from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence
from perfaudit.program.names import PLAIN_BLOCKS
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DEARER = frozenset({"http.request", "process.spawn", "file.read", "file.write", "sleep"})
"""What takes longer than a query by its key, as a rule: a mail is sent by a request too."""


def does_dearer_work(
    program: "Program", function: FunctionNode, loop: int, place: Site | Edge
) -> bool:
    """Return whether each turn of a loop in which a place runs surely does dearer work too."""
    around = set(function.context_chain(place.context))
    contexts = function.facts.contexts

    def runs_too(context: int) -> bool:
        """Return whether a block runs whenever the place does, in the same turn."""
        for step in function.context_chain(context):
            if step == loop:
                return True
            if step not in around and contexts[step].kind not in PLAIN_BLOCKS:
                return False
        return False

    if any(
        not DEARER.isdisjoint(site.effects) and runs_too(site.context)
        for site in program.sites_of(function)
    ):
        return True
    reached = program.reach_of(DEARER)
    return any(
        edge.how == "call"
        and (step := reached.step(edge.callee)) is not None
        and step.confidence is Confidence.HIGH
        and runs_too(edge.context)
        for edge in program.edges_from(function)
    )
