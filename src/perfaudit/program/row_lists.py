"""Whether a place takes all rows of its query at once."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.row_sources import ROWS_CALLS
from perfaudit.program.sites import Site

FEWER = frozenset(
    {
        *(
            "iterator",
            "aiterator",
            "yield_per",
            "stream",
            "stream_scalars",
            "partitions",
            "chunked",
        ),
        *("group_by", "distinct", "annotate", "aggregate", "values", "dates", "datetimes", "union"),
        *("with_for_update", "select_for_update", "having", "tablesample", "bulk_create"),
        *("bulk_update", "delete", "update", "raw", "none", "search", "from_statement"),
    }
)
"""Steps of a query that does not load all rows at once, or is about something else."""
MANY = frozenset({"all", "fetchall", "to_list"})


def gives_list(site: Site) -> bool:
    """Return whether a place surely takes all rows of its query."""
    if "db.query" not in site.effects or "db.write" in site.effects:
        return False
    if site.kind == "iterate":
        return not _leaves_early(site)
    name = site.behaviour.path.rpartition(".")[2]
    if site.kind != "call" or name in FEWER:
        return False
    if name in ROWS_CALLS or (name == "all" and site.behaviour.sql is None):
        return True
    return site.behaviour.sql is not None and _is_read_whole(site)


def _is_read_whole(site: Site) -> bool:
    """Return whether all rows are asked of the result of a statement."""
    index = site.value.index if isinstance(site.value, t.CallRef) else -1
    names = {bind.target for bind in _binds(site, index)}
    for call in site.function.facts.calls:
        if not isinstance(call.callee, t.Attr) or call.callee.name not in MANY:
            continue
        base = call.callee.base
        while True:
            base = base.value if isinstance(base, t.Await) else base
            if base == t.CallRef(index) or base in names:
                return True
            if not isinstance(base, t.CallRef):
                break
            inner = site.function.facts.calls[base.index].callee
            if not isinstance(inner, t.Attr):
                break
            base = inner.base
    return False


def _binds(site: Site, index: int) -> Iterator[t.Bind]:
    for bind in site.function.facts.binds:
        value = bind.value.value if isinstance(bind.value, t.Await) else bind.value
        if value == t.CallRef(index) and isinstance(bind.target, t.Name):
            yield bind


def _leaves_early(site: Site) -> bool:
    """Return whether the loop over the rows may end before the last one."""
    loops = {
        number
        for number, context in enumerate(site.function.facts.contexts)
        if context.subject == site.value or context.line == site.location.line
    }
    return any(
        exit_.kind in ("break", "return", "raise")
        and not loops.isdisjoint(site.function.context_chain(exit_.context))
        for exit_ in site.function.facts.exits
    )
