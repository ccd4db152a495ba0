"""The relational form of SQL text."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from perfaudit.core.location import Location
from perfaudit.program.projection import HOLE, parsed, sources
from perfaudit.program.relational import (
    ANYWHERE,
    EQUALITY,
    IN,
    JSON,
    LIKE,
    NULL,
    OTHER,
    PREFIX,
    RANGE,
    WRAPPED,
    Condition,
    Join,
    Order,
    Query,
)
from perfaudit.program.sites import Site
from perfaudit.program.sql_dialects import dialect_of
from perfaudit.program.sql_places import place_in_sql
from perfaudit.program.tables import Column, Table

if TYPE_CHECKING:
    from perfaudit.program.program import Program

OPERATORS = {
    "EQ": EQUALITY,
    "In": IN,
    "Is": NULL,
    "GT": RANGE,
    "GTE": RANGE,
    "LT": RANGE,
    "LTE": RANGE,
    "Between": RANGE,
    "Like": LIKE,
    "ILike": LIKE,
}
JSON_OPERATORS = frozenset(
    {"ArrayContainsAll", "JSONBContains", "JSONBContainsTopKey", "JSONBContainsAnyTopKeys"}
)
"""Operators that ask for rows by what a JSON value or an array holds."""
_VALUE_HOLE = re.compile(
    r"(?:[=<>]|\b(?:like|ilike|in|and|between|limit|offset|any|interval))\s*\(?\s*'?%?\{\}%?'?",
    re.IGNORECASE,
)
"""A hole that stands for a value: after an operator, or for how many rows there are."""
_BARE_HOLE = re.compile(r"\{\}")
MAX_SELECTS = 30
Tables = dict[str, Table | None]


def query_of_sql(program: "Program", site: Site) -> Query | None:
    """Return the relational form of the statement that a site runs, where it is a plain SELECT."""
    tree = parsed(site.sql or "", dialect_of(program, site))
    if tree is None or type(tree).__name__ != "Select":
        return None
    return _query(program, site, tree)


def inner_queries_of_sql(program: "Program", site: Site) -> Iterator[Query]:
    """Yield the relational form of each SELECT within the statement of a site.

    Those are the arms of a UNION, and what stands in brackets or after WITH. Where a SELECT around
    one has conditions of its own, by which the server may find the rows first, it is left out.
    """
    from sqlglot import exp

    if (site.sql or "").lower().count("select") <= 1:
        return
    tree = parsed(site.sql or "", dialect_of(program, site))
    if tree is None:
        return
    for select in islice(tree.find_all(exp.Select), MAX_SELECTS):
        if select is not tree and not any(_narrows(*around) for around in _around(select)):
            found = _query(program, site, select)
            if found is not None:
                yield replace(found, inner=True)


def _around(select: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each SELECT around another, with the part of it in which that one stands."""
    from sqlglot import exp

    inner, outer = select, select.parent
    while outer is not None:
        if isinstance(outer, exp.Select):
            yield outer, inner
        inner, outer = outer, outer.parent


def _narrows(select: Any, part: Any) -> bool:
    """Return whether a SELECT has conditions beside the part of it in which another one stands."""
    from sqlglot import exp

    where = select.args.get("where")
    return where is not None and (part is not where or isinstance(where.this, exp.And))


def _query(program: "Program", site: Site, tree: Any) -> Query | None:
    """Return the relational form of one SELECT."""
    tables = sources(tree, program.schema)
    first = next(iter(tables.values()), None)
    if first is None:
        return None
    reader = _Reader(program, site, tables)
    reader.read(tree)
    unknown = reader.unknown if None not in tables.values() else "a table that is not known"
    if _BARE_HOLE.search(_VALUE_HOLE.sub("", site.sql or "")):
        unknown = "a part of the text that is worked out"
    return Query(
        site=site,
        table=first,
        conditions=tuple(reader.conditions),
        joins=tuple(reader.joins),
        order=tuple(reader.order),
        bounded=bool(tree.args.get("limit") or tree.args.get("fetch")) or _is_one_row(tree),
        unknown=unknown,
        steps=frozenset({site.behaviour.path.rpartition(".")[2]}),
    )


def _is_one_row(tree: Any) -> bool:
    """Return whether a SELECT without groups gives aggregates alone, or only groups of rows."""
    if tree.args.get("group"):
        return True
    items = [item.this if type(item).__name__ == "Alias" else item for item in tree.expressions]
    return bool(items) and all(_is_aggregate(item) for item in items)


def _is_aggregate(item: Any) -> bool:
    from sqlglot import exp

    return item.find(exp.AggFunc) is not None and item.find(exp.Window) is None


class _Reader:
    """Gathers conditions, joins and order of one SELECT."""

    def __init__(self, program: "Program", site: Site, tables: Tables) -> None:
        self.program = program
        self.site = site
        self.tables = tables
        self.conditions: list[Condition] = []
        self.joins: list[Join] = []
        self.order: list[Order] = []
        self.unknown = ""

    def read(self, tree: Any) -> None:
        where = tree.args.get("where")
        if where is not None:
            self._conjunction(where.this)
        for join in tree.args.get("joins") or ():
            on = join.args.get("on")
            if on is not None:
                self._conjunction(on)
        order = tree.args.get("order")
        for item in order.expressions if order is not None else ():
            found = self._column(item.this)
            if found is not None:
                descending = bool(item.args.get("desc"))
                self.order.append(Order(*found, descending, self._place(item)))

    def _conjunction(self, tree: Any, *, sure: bool = True) -> None:
        from sqlglot import exp

        for part in tree.flatten() if isinstance(tree, exp.And) else (tree,):
            inner = part.unnest()
            if isinstance(inner, exp.And):
                self._conjunction(inner, sure=sure)
            elif isinstance(inner, exp.Or):
                for other in inner.flatten():
                    self._conjunction(other.unnest(), sure=False)
            else:
                self._condition(inner, sure=sure)

    def _condition(self, part: Any, *, sure: bool) -> None:
        from sqlglot import exp

        name = type(part).__name__
        if name in JSON_OPERATORS:
            self._add(part.this, JSON, None, sure=sure)
            return
        if name not in OPERATORS:
            for column in part.find_all(exp.Column):
                self._add(column, OTHER, None, sure=True)
            return
        left, right = part.this, part.args.get("expression")
        own, other = self._column(left), self._column(right)
        if own is not None and other is not None and name == "EQ":
            if sure:
                self.joins += [Join(*own, self._place(left)), Join(*other, self._place(right))]
            return
        if own is None and other is not None:
            left, right = right, left
        elif own is None:
            self._wrapped(left, right, OPERATORS[name], part, sure=sure)
            return
        if other is None and isinstance(right, exp.Column) and right.name != HOLE:
            self.unknown = "a column of something else"
            return
        operator = OPERATORS[name]
        if operator == NULL and isinstance(right, exp.Boolean):
            operator = EQUALITY
        if operator == LIKE:
            operator = _pattern(right, is_exact=name == "Like")
        self._add(left, operator, _constant(right), sure=sure)

    def _add(self, tree: Any, operator: str, constant: str | None, *, sure: bool) -> None:
        found = self._column(tree)
        if found is None:
            self.unknown = "a column that is not known"
            return
        held, inner = (operator, "") if sure else (OTHER, operator)
        self.conditions.append(Condition(*found, held, constant, self._place(tree), inner))

    def _wrapped(self, left: Any, right: Any, operator: str, part: Any, *, sure: bool) -> None:
        """Add what is made of a column and compared, with its SQL where it is one side alone."""
        from sqlglot import exp

        sides = [
            (side, [item for item in side.find_all(exp.Column) if item.name != HOLE])
            for side in (left, right)
            if side is not None and not side.find(exp.Subquery, exp.Select)
        ]
        mine = [(side, columns) for side, columns in sides if columns]
        is_alone = len(mine) == 1 and len({column.sql() for column in mine[0][1]}) == 1
        for column in part.find_all(exp.Column):
            found = self._column(column)
            if found is None:
                continue
            held = JSON if found[1].type == "json" else WRAPPED
            spelled, constant = "", None
            if is_alone:
                spelled = _bare(mine[0][0])
                constant = _constant(right if mine[0][0] is left else left)
            place = self._place(column)
            if sure:
                self.conditions.append(Condition(*found, held, constant, place, operator, spelled))
            else:
                self.conditions.append(Condition(*found, OTHER, constant, place, held, spelled))
            if is_alone:
                return

    def _place(self, tree: Any) -> Location:
        """Return where a part of the statement is written."""
        return place_in_sql(self.program, self.site, tree)

    def _column(self, tree: Any) -> tuple[Table, Column] | None:
        from sqlglot import exp

        if not isinstance(tree, exp.Column) or tree.name == HOLE:
            return None
        for table in self._owners(tree):
            column = table.column(tree.name)
            if column is not None:
                return table, column
        return None

    def _owners(self, tree: Any) -> Iterator[Table]:
        if tree.table:
            owner = self.tables.get(tree.table)
            if owner is not None:
                yield owner
            return
        yield from (table for table in self.tables.values() if table is not None)


def _constant(tree: Any) -> str | None:
    """Return a value that the statement writes out, else None."""
    from sqlglot import exp

    if isinstance(tree, exp.Boolean | exp.Null):
        return str(tree.sql())
    return tree.name if isinstance(tree, exp.Literal) and HOLE not in tree.name else None


def _pattern(tree: Any, *, is_exact: bool) -> str:
    """Return how a pattern compares: by its beginning, anywhere, or in a way that is not known."""
    from sqlglot import exp

    first = next(iter(tree.find_all(exp.Literal, bfs=False)), None) if tree is not None else None
    if first is None or not first.is_string:
        return LIKE
    if isinstance(tree, exp.DPipe) and tree.find(exp.Column, exp.Parameter, exp.Placeholder):
        leftmost = tree
        while isinstance(leftmost, exp.DPipe):
            leftmost = leftmost.this
        if leftmost is not first:
            return LIKE
    if first.name[:1] == "%":
        return ANYWHERE
    return PREFIX if is_exact and first.name[:1] not in ("", "_") and tree is first else LIKE


def _bare(tree: Any) -> str:
    """Return the SQL of an expression, with the names of columns alone."""
    from sqlglot import exp

    bare = tree.copy().transform(
        lambda node: exp.column(node.this) if isinstance(node, exp.Column) else node
    )
    return str(bare.sql(dialect="postgres"))
