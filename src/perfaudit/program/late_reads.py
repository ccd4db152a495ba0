"""Reads that only happen where what stands before them does not decide: ``name or user.name``."""

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Site


def is_late(site: Site) -> bool:
    """Return whether a site reads only where values before it, in a chain, do not decide."""
    return is_read_late(site.function, site.value)


def is_read_late(function: FunctionNode, read: t.Expr) -> bool:
    """Return whether a value is read only where those before it, in a chain, do not decide."""
    facts = function.facts
    values = [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    values += [block.subject for block in facts.contexts if block.subject is not None]
    values += [given for call in facts.calls for given in call.arguments]
    return any(
        isinstance(part, t.Either)
        and part.kind in ("and", "or")
        and read not in expressions.parts(function, part.options[0])
        and any(read in expressions.parts(function, late) for late in part.options[1:])
        for value in values
        for part in expressions.parts(function, value)
    )
