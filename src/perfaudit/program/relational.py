"""The relational form of queries: tables, conditions, joins, order and limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.program.query_chains import Way, ways_of
from perfaudit.program.sites import Site
from perfaudit.program.statements import statements
from perfaudit.program.tables import Column, Table

if TYPE_CHECKING:
    from perfaudit.program.program import Program

EQUALITY = "="
IN = "in"
RANGE = "range"
PREFIX = "prefix"
LIKE = "like"
ANYWHERE = "anywhere"
JSON = "json"
NULL = "null"
WRAPPED = "wrapped"
OTHER = "other"
ROUND_TRIPS = frozenset({"db.query", "db.write"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that rows must meet, all of them together.

    ``operator``: equality, in, range, prefix, like, anywhere (a pattern that begins with a
    wildcard), json (of a part of the value), null, wrapped (a function of the column) or other.
    ``constant``: the text of what it is compared with, where the code writes it out. ``place``:
    where it is written. ``inner``: how a part of a value or a function of it is compared, and what
    one of several conditions would be that hold one or the other. ``spelled``: what is compared, as
    SQL writes it, where that is not the column itself and known.
    """

    table: Table
    column: Column
    operator: str
    constant: str | None
    place: Location
    inner: str = ""
    spelled: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """Two columns that a query joins by."""

    table: Table
    column: Column
    place: Location


@dataclass(frozen=True, slots=True)
class Order:
    """A column that rows are ordered by."""

    table: Table
    column: Column
    descending: bool
    place: Location


@dataclass(frozen=True, slots=True)
class Query:
    """A query in its relational form, as far as it is known.

    ``table`` is what its rows are of. ``unknown`` is why there may be more than what stands here:
    empty where it is all there is. ``whole``: it may be asked without any of the conditions, as
    those are added on some ways only. ``bounded``: it gives a number of rows that the code limits.
    ``way``: the calls that build it, where it is no SQL text. ``optional``: conditions that are
    added on some ways, each of them maybe without the others. ``inner``: it stands within another,
    so that its rows are not those that are given.
    """

    site: Site
    table: Table
    conditions: tuple[Condition, ...]
    joins: tuple[Join, ...]
    order: tuple[Order, ...]
    bounded: bool
    unknown: str
    steps: frozenset[str] = frozenset()
    via_relation: bool = False
    way: Way | None = None
    optional: tuple[Condition, ...] = ()
    inner: bool = False


def queries(program: "Program") -> tuple[Query, ...]:
    """Return the queries of the program whose table is known, in file order. Ask it ``once``."""
    return tuple(sorted(_found(program), key=lambda query: query.site.location))


def searches_of_tables(program: "Program") -> tuple[Query, ...]:
    """Return the queries of the program, and those that stand within them. Ask it ``once``."""
    from perfaudit.program.inner_queries import inner_queries
    from perfaudit.program.query_sql import inner_queries_of_sql

    whole = program.once(queries)
    inner = [
        query for site in program.once(statements) for query in inner_queries_of_sql(program, site)
    ]
    inner += [query for around in whole for query in inner_queries(program, around)]
    return (*whole, *sorted(inner, key=lambda query: query.site.location))


def _found(program: "Program") -> Iterator[Query]:
    from perfaudit.program.query_conditions import query_of_way
    from perfaudit.program.query_sql import query_of_sql

    for site in program.once(statements):
        found = query_of_sql(program, site)
        if found is not None:
            yield found
    for site in program.sites():
        if ROUND_TRIPS.isdisjoint(site.effects) or site.relation is not None or site.sql:
            continue
        for way in _ways(program, site):
            query = query_of_way(program, site, way)
            if query is not None:
                yield query


def _ways(program: "Program", site: Site) -> list[Way]:
    at = (site.sequence, site.context)
    call = site.call
    if call is not None and site.behaviour.sql is not None and call.arguments:
        return ways_of(program, site.function, call.arguments[0], at)
    return ways_of(program, site.function, site.value, at)
