"""The relational form of SQL text."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perfaudit.core.location import Location
from perfaudit.program.projection import HOLE, parsed, sources
from perfaudit.program.relational import (
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
_VALUE_HOLE = re.compile(
    r"(?:[=<>]|\b(?:like|ilike|in|and|between|limit|offset|any|interval))\s*\(?\s*'?\{\}'?",
    re.IGNORECASE,
)
"""A hole that stands for a value: after an operator, or for how many rows there are."""
_BARE_HOLE = re.compile(r"\{\}")
Tables = dict[str, Table | None]


def query_of_sql(program: "Program", site: Site) -> Query | None:
    """Return the relational form of the statement that a site runs, where it is a plain SELECT."""
    tree = parsed(site.sql or "", dialect_of(program, site))
    if tree is None or type(tree).__name__ != "Select":
        return None
    tables = sources(tree, program.schema)
    first = next(iter(tables.values()), None)
    if first is None:
        return None
    reader = _Reader(program, site, tables)
    reader.read(tree)
    unknown = "" if None not in tables.values() else "a table that is not known"
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
        places=(site.location,),
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

    def _conjunction(self, tree: Any) -> None:
        from sqlglot import exp

        for part in tree.flatten() if isinstance(tree, exp.And) else (tree,):
            inner = part.unnest()
            if isinstance(inner, exp.And):
                self._conjunction(inner)
            else:
                self._condition(inner)

    def _condition(self, part: Any) -> None:
        from sqlglot import exp

        name = type(part).__name__
        if name not in OPERATORS:
            for column in part.find_all(exp.Column):
                found = self._column(column)
                if found is not None:
                    self.conditions.append(Condition(*found, OTHER, None, self._place(column)))
            return
        left, right = part.this, part.args.get("expression")
        own, other = self._column(left), self._column(right)
        compared = left if own is not None else right
        if own is not None and other is not None and name == "EQ":
            self.joins += [Join(*own, self._place(left)), Join(*other, self._place(right))]
            return
        if own is None and other is not None:
            own, right = other, left
        if own is None:
            self._wrapped(part)
            return
        operator = OPERATORS[name]
        constant = right.name if isinstance(right, exp.Literal) else None
        if isinstance(right, exp.Boolean | exp.Null):
            constant = right.sql()
        if operator == LIKE and name == "Like" and constant and constant[:1] not in "%_":
            operator = PREFIX
        self.conditions.append(Condition(*own, operator, constant, self._place(compared)))

    def _wrapped(self, part: Any) -> None:
        from sqlglot import exp

        for column in part.find_all(exp.Column):
            found = self._column(column)
            if found is not None:
                operator = JSON if found[1].type == "json" else WRAPPED
                self.conditions.append(Condition(*found, operator, None, self._place(column)))

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
