"""Queries whose rows are counted by the database, and then loaded anyway."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.names import PLAIN_BLOCKS
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import is_undisturbed
from perfaudit.program.presence import tells_many
from perfaudit.program.sameness import Form, form_of
from perfaudit.program.sites import COUNTS, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LOADS = "loads-all"
LOADING = frozenset({"iterate", "len"})


def counted_and_loaded(program: "Program", function: FunctionNode) -> Iterator[tuple[Site, Site]]:
    """Yield each place that counts the rows of a query, and the one that then loads all of them.

    Where the number decides whether, or how many, rows are loaded, it is worth its query.
    """
    sites = program.sites_of(function)
    counts = [site for site in sites if COUNTS in site.behaviour.flags and site.relation is None]
    if not counts:
        return
    loads = [(site, value) for site in sites if (value := _loaded(function, site)) is not None]
    for count in counts:
        counted = _base(function, count.value)
        if counted is None or not loads:
            continue
        form = _form(program, function, counted, count)
        for load, value in loads:
            if (
                load.sequence > count.sequence
                and _form(program, function, value, load) == form
                and is_undisturbed(program, count, load)
                and _loads_anyway(function, count, load)
            ):
                yield count, load
                break


def _loaded(function: FunctionNode, site: Site) -> t.Expr | None:
    """Return the query whose rows a place loads, all of them, or None."""
    if site.relation is not None or "db.query" not in site.effects:
        return None
    if site.kind in LOADING:
        return site.value
    return _base(function, site.value) if LOADS in site.behaviour.flags else None


def _base(function: FunctionNode, value: t.Expr) -> t.Expr | None:
    if not isinstance(value, t.CallRef):
        return None
    callee = function.facts.calls[value.index].callee
    return callee.base if isinstance(callee, t.Attr) else None


def _form(program: "Program", function: FunctionNode, value: t.Expr, site: Site) -> Form:
    return form_of(program, function, value, (site.sequence, site.context))


def _loads_anyway(function: FunctionNode, count: Site, load: Site) -> bool:
    """Return whether rows are loaded whenever they are counted, or whenever there are any."""
    names = {
        bind.target.id
        for bind in function.facts.binds
        if isinstance(bind.target, t.Name) and bind.value in (count.value, t.Await(count.value))
    }
    numbers: list[t.Expr] = [count.value, t.Await(count.value), *map(t.Name, sorted(names))]
    if any(tells_many(function, number) for number in numbers):
        return False
    contexts = function.facts.contexts
    around = set(function.context_chain(count.context))
    tests = [
        step
        for step in function.context_chain(load.context)
        if step not in around and contexts[step].kind not in PLAIN_BLOCKS
    ]
    tests += [
        exit_.context
        for exit_ in function.facts.exits
        if count.sequence < exit_.sequence < load.sequence
        and exit_.kind != "raise"
        and exit_.context not in around
    ]
    return all(_asks_for(function, contexts[step].subject, numbers) for step in tests)


def _asks_for(function: FunctionNode, test: t.Expr | None, numbers: list[t.Expr]) -> bool:
    """Return whether a test asks for one of some numbers."""
    return test is not None and any(part in numbers for part in expressions.parts(function, test))
