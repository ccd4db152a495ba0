"""Where the rows of a raw statement come out: of the call itself, or of the cursor it runs on."""

from perfaudit.facts import types as t
from perfaudit.program.result_shapes import RESULT, ROW, ROWS, Shape
from perfaudit.program.result_walk import Source
from perfaudit.program.sites import Site
from perfaudit.program.sql_named import MANY, ONE, VALUE, gives

ROWS_CALLS = frozenset(
    {
        "fetch",
        "fetch_all",
        "fetchall",
        "execute_fetchall",
        "iterate",
        "cursor",
        "stream",
        "fetchmany",
        "all",
    }
)
ROW_CALLS = frozenset({"fetchrow", "fetch_one", "fetchone", "first", "one", "one_or_none"})
VALUE_CALLS = frozenset({"fetchval", "fetch_val", "scalar"})
NAMED_CALLS = {MANY: "fetchall", ONE: "fetchone", VALUE: "scalar"}
"""What a statement with a name is read with."""


def row_source(site: Site, columns: tuple[str, ...]) -> Source:
    """Return the source of the rows of a raw statement; ``columns`` are their names, in order."""
    name = site.behaviour.path.rpartition(".")[2]
    receiver: t.Expr | None = None
    said = gives(site.sql or "")
    if said is not None:
        name = NAMED_CALLS[said]
    if name in ROWS_CALLS:
        shape = ROWS
    elif name in ROW_CALLS:
        shape = ROW
    elif name in VALUE_CALLS and columns:
        shape = Shape("value", columns[0])
    elif name == "scalars" and columns:
        shape = Shape("values", columns[0])
    else:
        shape = RESULT
        callee = site.call.callee if site.call is not None else None
        on_cursor = "cursor" in site.behaviour.path.lower()
        if on_cursor and isinstance(callee, t.Attr) and isinstance(callee.base, t.Name | t.Attr):
            receiver = callee.base
    index = site.value.index if isinstance(site.value, t.CallRef) else -1
    return Source(site.function, index, shape, columns, receiver)
