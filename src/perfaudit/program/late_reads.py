"""Reads that only happen where what stands before them does not decide: ``name or user.name``."""

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode, remembered
from perfaudit.program.sites import Site


def is_late(site: Site) -> bool:
    """Return whether a site reads only where values before it, in a chain, do not decide."""
    return is_read_late(site.function, site.value)


def is_read_late(function: FunctionNode, read: t.Expr) -> bool:
    """Return whether a value is read only where those before it, in a chain, do not decide."""
    return any(read in late and read not in first for first, late in _chains(function))


@remembered
def _chains(function: FunctionNode) -> list[tuple[frozenset[t.Expr], frozenset[t.Expr]]]:
    """Return what is read by the first value of each chain of ``and`` or ``or``, and by others."""
    facts = function.facts
    values = [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    values += [block.subject for block in facts.contexts if block.subject is not None]
    values += [given for call in facts.calls for given in call.arguments]
    return [
        (
            frozenset(expressions.parts(function, part.options[0])),
            frozenset(
                each for late in part.options[1:] for each in expressions.parts(function, late)
            ),
        )
        for value in values
        for part in expressions.parts(function, value)
        if isinstance(part, t.Either) and part.kind in ("and", "or")
    ]
