"""Queries whose rows are there already: they were walked, counted or tested under the same name."""

from collections.abc import Iterable, Iterator

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import runs_before
from perfaudit.program.sites import Site

KEEPS_ROWS = "keeps-rows"
ASKS_KEPT_ROWS = "asks-kept-rows"


def without_kept(function: FunctionNode, sites: Iterable[Site]) -> Iterator[Site]:
    """Yield the sites that cost something: not those that ask an object for the rows it keeps."""
    keeping: list[Site] = []
    for site in sorted(sites, key=lambda site: site.sequence):
        flags = site.behaviour.flags
        if ASKS_KEPT_ROWS in flags and any(_serves(function, kept, site) for kept in keeping):
            continue
        if KEEPS_ROWS in flags:
            keeping.append(site)
        yield site


def _serves(function: FunctionNode, kept: Site, site: Site) -> bool:
    """Return whether the rows that one place has loaded are those that a later one asks for."""
    asked = _asked(site)
    if not isinstance(asked, t.Name) or _asked(kept) != asked:
        return False
    return runs_before(function, kept, site) and not any(
        kept.sequence < bind.sequence < site.sequence for bind in function.binds.get(asked.id, ())
    )


def _asked(site: Site) -> t.Expr:
    """Return the object that a place asks for its rows."""
    # A slice of them is a query of its own.
    match site.value:
        case t.Item(base=base, key=key) if not isinstance(key, t.Slice):
            return base
    return site.value
