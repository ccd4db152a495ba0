"""What a SELECT gives: its columns in order, with the tables they are of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from perfaudit.program.sql_bounds import is_parsable
from perfaudit.program.sql_parser import readings
from perfaudit.program.tables import Column, Table

if TYPE_CHECKING:
    from sqlglot import exp

    from perfaudit.program.schema import Schema

HOLE = "__hole__"
"""Stands in the SQL for what is not known of it."""

FILLED = "filled"
"""What a tree remembers of the text that it was read of."""
_HOLE = re.compile(r"'?\{\{[^{}]*\}\}'?|'?\{[^{}]*\}'?")
_TEMPLATE = re.compile(r"\{[%#]")
"""A statement of a template: what it leaves of the text is not known."""
_START = re.compile(
    r"\s*+(?>--[^\n]*\n\s*+|/\*(?:[^*]|\*(?!/))*+\*/\s*+)*+\(?\s*+(?:select|with)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a result.

    ``spelled`` is how the statement writes it; ``table`` and ``column`` are None where it is
    computed or its table is not known. ``starred``: it comes out of a ``*``.
    """

    name: str
    spelled: str
    table: Table | None
    column: Column | None
    starred: bool


@dataclass(frozen=True, slots=True)
class Projection:
    """The result of one SELECT.

    ``stars`` are the ``*`` of it as they are written, each with its tables. ``is_plain``: without
    DISTINCT and GROUP BY, so that a column may be exchanged for a part of it. ``ordering``: names
    that ORDER BY speaks of. ``locks``: rows are locked, whatever is read of them.
    """

    outputs: tuple[Output, ...]
    stars: tuple[tuple[str, tuple[Table, ...]], ...]
    is_plain: bool
    ordering: frozenset[str] = frozenset()
    locks: bool = False

    @property
    def positions(self) -> tuple[str, ...]:
        """Return the names as positions in a row find them; none where a ``*`` hides the order."""
        return () if self.stars else self.names

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns, in order."""
        return tuple(output.name for output in self.outputs)


def projection(sql: str, schema: "Schema", dialect: str = "") -> Projection | None:
    """Return what a SELECT gives; None where it is none or its columns are not known."""
    from sqlglot import exp

    tree = parsed(sql, dialect)
    if not isinstance(tree, exp.Select):
        return None
    found = sources(tree, schema)
    outputs: list[Output] = []
    stars: list[tuple[str, tuple[Table, ...]]] = []
    for item in tree.expressions:
        starred = _star_of(item)
        if starred is None:
            output = _output(item, found)
            if output is None:
                return None
            outputs.append(output)
            continue
        tables = _starred_tables(starred, found)
        if tables is None:
            return None
        stars.append((item.sql(), tables))
        for table in tables:
            outputs += [
                Output(column.name, column.name, table, column, True)
                for column in table.columns.values()
            ]
    plain = not any(tree.args.get(part) for part in ("distinct", "group", "having"))
    order = tree.args.get("order")
    ordering = {column.name for column in order.find_all(exp.Column)} if order is not None else ()
    if order is not None and order.find(exp.Literal) is not None:
        # A number there is the position of a column.
        plain = False
    return Projection(
        tuple(outputs), tuple(stars), plain, frozenset(ordering), bool(tree.args.get("locks"))
    )


def is_bounded(sql: str, dialect: str = "") -> bool:
    """Return whether a statement limits its rows, or cannot be read."""
    tree = parsed(sql, dialect)
    return tree is None or bool(tree.args.get("limit") or tree.args.get("fetch"))


@lru_cache(maxsize=4096)
def parsed(sql: str, dialect: str = "") -> Any:
    """Return the tree of a SELECT, or None. Where no dialect is known, the usual ones are tried."""
    if not is_parsable(sql) or not _START.match(sql) or _TEMPLATE.search(sql):
        return None
    for text, trees in readings(filled_holes(sql), dialects_for(dialect)):
        if trees and trees[0] is not None:
            trees[0].meta[FILLED] = text
            return trees[0]
    return None


def dialects_for(dialect: str, others: Sequence[str] = ("postgres", "mysql")) -> list[str]:
    """Return the dialects to read a text in: first the one that is known, if any."""
    return list(dict.fromkeys((dialect, *others) if dialect else others))


def filled_holes(sql: str) -> tuple[str, str]:
    """Return a text with a name in the place of what is not known of it, and with nothing there."""
    return _HOLE.sub(HOLE, sql), _HOLE.sub(" ", sql)


def filled_offset(sql: str, tree: Any, offset: int) -> int | None:
    """Return the offset in a statement of an offset in the text that its tree was read of.

    None within a hole.
    """
    filling = HOLE if tree.meta.get(FILLED) == _HOLE.sub(HOLE, sql) else " "
    moved = 0
    for hole in _HOLE.finditer(sql):
        begins = hole.start() + moved
        if offset < begins:
            break
        if offset < begins + len(filling):
            return None
        moved += len(filling) - len(hole.group())
    return offset - moved


def sources(tree: "exp.Select", schema: "Schema") -> dict[str, Table | None]:
    """Return the tables of FROM and JOIN by their name there; None for those not known."""
    from sqlglot import exp

    derived = _named_by_with(tree)
    found: dict[str, Table | None] = {}
    start = tree.args.get("from_") or tree.args.get("from")
    items = [] if start is None else [start.this]
    items += [join.this for join in tree.args.get("joins") or ()]
    items += list(tree.args.get("laterals") or ())
    for number, item in enumerate(items):
        name = item.alias_or_name or f"?{number}"
        known = isinstance(item, exp.Table) and bool(item.name) and item.name not in derived
        found[name] = schema.find(item.name) if known and item.name != HOLE else None
    return found


def _named_by_with(tree: Any) -> set[str]:
    """Return the names that WITH gives to results, in a SELECT or around it."""
    found: set[str] = set()
    while tree is not None:
        with_ = tree.args.get("with_") or tree.args.get("with")
        found |= {item.alias_or_name for item in with_.expressions} if with_ is not None else set()
        tree = tree.parent
    return found


def _star_of(item: "exp.Expression") -> str | None:
    """Return the name before the dot of a ``*`` (empty: no dot); None for other columns."""
    from sqlglot import exp

    if isinstance(item, exp.Star):
        return ""
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return item.table
    return None


def _starred_tables(name: str, sources: dict[str, Table | None]) -> tuple[Table, ...] | None:
    wanted = list(sources.values()) if not name else [sources.get(name)]
    if not wanted or any(table is None for table in wanted):
        return None
    return tuple(table for table in wanted if table is not None)


def _output(item: "exp.Expression", sources: dict[str, Table | None]) -> Output | None:
    from sqlglot import exp

    value = item.this if isinstance(item, exp.Alias) else item
    name = item.alias_or_name or item.output_name
    if HOLE in (name, getattr(value, "name", "")):
        return None
    if not isinstance(value, exp.Column):
        if not name or not isinstance(item, exp.Alias) and HOLE in item.sql():
            return None
        return Output(name, item.sql(), None, None, False)
    table = _owner(value, sources)
    column = None if table is None else table.column(value.name)
    return Output(name, value.sql(), table, column, False)


def _owner(value: "exp.Column", sources: dict[str, Table | None]) -> Table | None:
    if value.table:
        return sources.get(value.table)
    if len(sources) == 1:
        return next(iter(sources.values()))
    owners = [table for table in sources.values() if table is not None and table.column(value.name)]
    return owners[0] if len(owners) == 1 and None not in sources.values() else None


def counted_table(sql: str, dialect: str = "") -> tuple[str, tuple[str, ...]] | None:
    """Return the one table whose aggregates a SELECT gives, and its conditions, or None."""
    from sqlglot import exp

    tree = parsed(sql, dialect)
    if not isinstance(tree, exp.Select) or not tree.expressions:
        return None
    others = ("joins", "laterals", "group", "having", "distinct", "limit", "with_", "with")
    if any(tree.args.get(part) for part in others):
        return None
    start = tree.args.get("from_") or tree.args.get("from")
    if start is None or not isinstance(start.this, exp.Table) or start.this.name in ("", HOLE):
        return None
    if not all(_is_aggregate(item) for item in tree.expressions):
        return None
    where = tree.args.get("where")
    conditions = [] if where is None else list(where.this.flatten())
    return start.this.name, tuple(sorted(item.sql() for item in conditions))


def _is_aggregate(item: "exp.Expression") -> bool:
    from sqlglot import exp

    return any(isinstance(part, exp.AggFunc) for part in item.walk()) and not any(
        isinstance(part, exp.Subquery | exp.Window) for part in item.walk()
    )


def may_give_many(sql: str, dialect: str = "") -> bool:
    """Return whether a SELECT surely means more than one row: all of a table, or those in order."""
    from sqlglot import exp

    tree = parsed(sql, dialect)
    if not isinstance(tree, exp.Select) or tree.args.get("limit") or tree.args.get("fetch"):
        return False
    if not tree.args.get("group") and any(map(_is_aggregate, tree.expressions)):
        return False
    if not (tree.args.get("from_") or tree.args.get("from")):
        return False
    return bool(tree.args.get("order") or not tree.args.get("where"))
