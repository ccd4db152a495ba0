"""Queries whose rows are there already: they were walked, counted or tested under the same name."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import has_run_before
from perfaudit.program.sites import Site
from perfaudit.program.tables_vocabulary import has_order
from perfaudit.program.values import Instance, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 3
KEEPS_ROWS = "keeps-rows"
ASKS_KEPT_ROWS = frozenset({"asks-kept-rows", "keeps-prefetch"})
IN_ORDER = "keeps-ordered-prefetch"
"""The flag of what rows that are there answer where they have an order."""


def without_kept(types: "Types", function: FunctionNode, sites: Iterable[Site]) -> Iterator[Site]:
    """Yield the sites that cost something: not those that ask an object for the rows it keeps."""
    keeping: list[Site] = []
    for site in sorted(sites, key=lambda site: site.sequence):
        flags = site.behaviour.flags
        may_be_kept = not ASKS_KEPT_ROWS.isdisjoint(flags) or (
            IN_ORDER in flags and _has_order(types, site)
        )
        if may_be_kept and (
            any(_serves(function, kept, site) for kept in keeping)
            or _was_chosen(types, function, _asked(site), MAX_STEPS)
        ):
            continue
        if KEEPS_ROWS in flags:
            keeping.append(site)
        yield site


def _has_order(types: "Types", site: Site) -> bool:
    """Return whether the rows that a call asks for have an order by their class."""
    given = site.receiver.arguments if isinstance(site.receiver, LibraryInstance) else ()
    return any(
        isinstance(option, Instance) and has_order(types, option.node)
        for argument in given[:1]
        for option in options_of(argument)
    )


def _serves(function: FunctionNode, kept: Site, site: Site) -> bool:
    """Return whether the rows that one place has loaded are those that a later one asks for."""
    asked = _asked(site)
    if not isinstance(asked, t.Name) or _asked(kept) != asked:
        return False
    # What a loop gives another value is that in its next turn.
    own_loops = set(function.loops(site.context)) - set(function.loops(kept.context))
    return has_run_before(function, kept, site) and not any(
        kept.sequence < bind.sequence < site.sequence
        or any(function.is_within(bind.context, loop) for loop in own_loops)
        for bind in function.binds.get(asked.id, ())
    )


def _was_chosen(types: "Types", function: FunctionNode, rows: t.Expr, steps: int) -> bool:
    """Return whether rows were chosen by asking them whether there are any: ``these or those``."""
    match rows:
        case t.Either(kind="or"):
            return True
        case t.Name(id=name) if steps and name not in function.params:
            values = [bind.value for bind in function.binds.get(name, ())]
            return any(
                value is not None and _was_chosen(types, function, value, steps - 1)
                for value in values
            )
        case t.CallRef(index=index) if steps:
            return any(
                item.value is not None
                and _was_chosen(types, target.function, item.value, steps - 1)
                for target in types.call(function, index).targets
                if target.function is not None
                for item in target.function.facts.results
            )
    return False


def _asked(site: Site) -> t.Expr:
    """Return the object that a place asks for its rows."""
    if site.call is not None and isinstance(site.call.callee, t.Attr):
        return site.call.callee.base
    # A slice of them is a query of its own.
    match site.value:
        case t.Item(base=base, key=key) if not isinstance(key, t.Slice):
            return base
    return site.value
