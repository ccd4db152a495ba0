"""What tests of a key say of the relation that it leads to: ``row.author_id or row.author.id``."""

from collections.abc import Iterator
from enum import StrEnum

from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.result_roots import roots_of
from perfaudit.program.sites import Site
from perfaudit.program.tables import Relation

NONE = t.Const(None, "NoneType")
Test = tuple[t.Expr | None, bool]
"""A test, and whether it holds where a place runs."""


class Said(StrEnum):
    """What is known of a key where its relation is read: it is empty, was asked for, or nothing.

    An empty key leads to no row, so that no query is run for it.
    """

    EMPTY = "empty"
    ASKED = "asked"
    NOTHING = "nothing"


def asks_for_key(site: Site) -> bool:
    """Return whether a relation is only read of rows whose key has been asked for."""
    if site.relation is None or not isinstance(site.value, t.Attr):
        return False
    said = said_of_key(site.function, site.relation, site.value, site.context, site.sequence)
    return said is Said.ASKED


def said_of_key(
    function: FunctionNode, relation: Relation, value: t.Attr, context: int, sequence: int
) -> Said:
    """Return what is known of the key of a relation where it is read."""
    if relation.many or relation.reverse:
        return Said.NOTHING
    names = {f"{relation.name}_id", relation.column or ""}
    keys = {t.Attr(value.base, name) for name in names}
    if not any(read.value in keys for read in function.facts.reads):
        return Said.NOTHING
    for test, holds in (*_around(function, context, sequence), *_beside(function, value)):
        for part in _conditions(test, holds=holds):
            is_there = _presence(part, keys)
            if is_there is not None:
                return Said.ASKED if is_there is holds else Said.EMPTY
    return Said.NOTHING


def _around(function: FunctionNode, context: int, sequence: int) -> Iterator[Test]:
    """Yield the tests of the blocks that a place stands in, and of those that leave before it."""
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    for step in chain:
        here = contexts[step]
        if here.kind in ("if", "and", "else", "or"):
            yield here.subject, here.kind in ("if", "and")
    for exit_ in function.facts.exits:
        if exit_.sequence >= sequence:
            return
        if exit_.context >= 0 and exit_.context not in chain:
            guard = contexts[exit_.context]
            if guard.kind == "if" and guard.parent in (-1, *chain):
                yield guard.subject, False


def _beside(function: FunctionNode, value: t.Expr) -> Iterator[Test]:
    """Yield what stands before a read in ``and`` and ``or``; such operands have no block."""
    for root in roots_of(function):
        for part in parts(function, root.value):
            if isinstance(part, t.Either) and part.kind in ("and", "or"):
                for number, option in enumerate(part.options[1:], start=1):
                    if value in parts(function, option):
                        yield from ((test, part.kind == "and") for test in part.options[:number])


def _conditions(test: t.Expr | None, *, holds: bool) -> tuple[t.Expr, ...]:
    """Return the conditions that all hold, or all do not."""
    if isinstance(test, t.Either) and test.kind == ("and" if holds else "or"):
        return test.options
    return () if test is None else (test,)


def _presence(test: t.Expr, keys: set[t.Attr]) -> bool | None:
    """Return whether a test holds where one of some keys is there; None if it asks for none."""
    match test:
        case t.Attr() if test in keys:
            return True
        case t.Not(value=inner):
            found = _presence(inner, keys)
            return None if found is None else not found
        case t.Compare(operator="Is" | "Eq", left=left, right=right) if right == NONE:
            return False if left in keys else None
        case t.Compare(operator="IsNot" | "NotEq", left=left, right=right) if right == NONE:
            return True if left in keys else None
    return None
