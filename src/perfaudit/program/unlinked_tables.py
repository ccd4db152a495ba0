"""Tables that a query joins without a condition, and NOT IN with what may be NULL."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.projection import HOLE, parsed, sources
from perfaudit.program.query_chains import STARTS
from perfaudit.program.relational import Query
from perfaudit.program.tables import Column, Table
from perfaudit.program.values import ClassType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LINKING = frozenset(
    {
        *("join", "outerjoin", "select_from", "join_from", "outerjoin_from", "correlate"),
        *("from_statement", "from_self", "add_columns", "add_entity", "with_only_columns"),
        *("select_entity_from", "params", "union", "union_all", "intersect", "subquery"),
        *("scalar_subquery", "exists", "cte", "lateral", "switch", "using", "returning"),
    }
)
"""Steps that link tables, or change which tables there are."""


def unlinked(program: "Program", query: Query) -> tuple[Table, Table] | None:
    """Return two tables whose rows a query combines all with all, or None."""
    if query.unknown:
        return None
    if query.way is None:
        return _unlinked_in_sql(program, query.site.sql or "")
    first = query.way.steps[0] if query.way.steps else None
    if first is None or first.call is None or first.name not in STARTS:
        return None
    if query.steps & LINKING or first.name in ("delete", "update"):
        return None
    named = _named(program, first.function, first.call)
    if named is None:
        return None
    tables = {table.name: table for table in named}
    for condition in query.conditions:
        tables.setdefault(condition.table.name, condition.table)
    linked = [(left.table.name, right.table.name) for left, right in _pairs(query)]
    pinned = {
        condition.table.name
        for condition in query.conditions
        if condition.operator == "=" and (condition.column.primary or condition.column.unique)
    }
    return _apart(tables, linked, pinned)


def _pairs(query: Query) -> list[tuple[Any, Any]]:
    return list(zip(query.joins[::2], query.joins[1::2], strict=False))


def _named(program: "Program", function: FunctionNode, call: t.Call) -> list[Table] | None:
    """Return the tables that a SELECT names in its columns; None where one is not known."""
    at = (call.sequence, call.context)
    found = [_table_named(program, function, given, at) for given in call.arguments]
    known = [table for table in found if table is not None]
    return known if len(known) == len(found) else None


def _table_named(
    program: "Program", function: FunctionNode, given: t.Expr, at: tuple[int, int]
) -> Table | None:
    """Return the table that a SELECT is given by its class, or by one of its columns."""
    table = _table_of(program, function, given, at)
    if table is None and isinstance(given, t.Attr):
        owner = _table_of(program, function, given.base, at)
        return owner if owner is not None and given.name in owner.columns else None
    return table


def _table_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Table | None:
    if not isinstance(value, t.Name | t.Attr):
        return None
    options = options_of(program.types.evaluate(function, value, at))
    classes = [item.node for item in options if isinstance(item, ClassType)]
    return program.schema.whole_table_of(classes[0]) if len(classes) == 1 else None


def _apart(
    tables: dict[str, Table], linked: list[tuple[str, str]], pinned: set[str]
) -> tuple[Table, Table] | None:
    """Return a table of each of two groups that nothing links; groups of one row do not count."""
    group = {name: name for name in tables}
    for left, right in linked:
        if left in group and right in group:
            old, new = group[right], group[left]
            group = {name: new if each == old else each for name, each in group.items()}
    single = {group[name] for name in pinned if name in group}
    heads = [each for each in dict.fromkeys(group.values()) if each not in single]
    return (tables[heads[0]], tables[heads[1]]) if len(heads) > 1 else None


def _unlinked_in_sql(program: "Program", sql: str) -> tuple[Table, Table] | None:
    from sqlglot import exp

    tree = parsed(sql)
    if not isinstance(tree, exp.Select):
        return None
    if any(_links(join) for join in tree.args.get("joins") or ()):
        return None
    found = sources(tree, program.schema)
    tables = {name: table for name, table in found.items() if table is not None}
    if len(tables) != len(found) or len(tables) < 2:
        return None
    linked: list[tuple[str, str]] = []
    pinned: set[str] = set()
    for condition in _conjuncts(tree):
        names = _mentioned(condition, tables)
        if names is None:
            return None
        linked += zip(names, names[1:], strict=False)
        if len(names) == 1 and isinstance(condition, exp.EQ) and _is_key(condition, tables):
            pinned.add(names[0])
    return _apart(tables, linked, pinned)


def _links(join: Any) -> bool:
    """Return whether a join says by itself how it links, or that it means all with all."""
    words = ("using", "kind", "side", "method")
    return any(join.args.get(word) for word in words)


def _conjuncts(tree: Any) -> Iterator[Any]:
    from sqlglot import exp

    where = tree.args.get("where")
    held = [] if where is None else [where.this]
    held += [join.args["on"] for join in tree.args.get("joins") or () if join.args.get("on")]
    for each in held:
        for part in each.flatten() if isinstance(each, exp.And) else (each,):
            inner = part.unnest()
            if isinstance(inner, exp.And):
                yield from inner.flatten()
            else:
                yield inner


def _mentioned(condition: Any, tables: dict[str, Table]) -> list[str] | None:
    """Return the names of the tables of which a condition reads columns; None where not known."""
    from sqlglot import exp

    found: dict[str, None] = {}
    for column in condition.find_all(exp.Column):
        if column.name == HOLE:
            return None
        if column.table:
            if column.table in tables:
                found[column.table] = None
            continue
        owners = [name for name, table in tables.items() if table.column(column.name)]
        if len(owners) != 1:
            return None
        found[owners[0]] = None
    return list(found)


def _is_key(condition: Any, tables: dict[str, Table]) -> bool:
    from sqlglot import exp

    for column in condition.find_all(exp.Column):
        for name, table in tables.items():
            if column.table in ("", name):
                known = table.column(column.name)
                if known is not None and (known.primary or known.unique):
                    return True
    return False


def nullable_not_in(program: "Program", query: Query) -> tuple[Table, Column] | None:
    """Return the column that may be NULL and whose values a query's NOT IN leaves out, or None."""
    if query.way is None:
        return _not_in_sql(program, query.site.sql or "")
    for step in query.way.steps:
        if step.call is None or step.name not in ("where", "filter"):
            continue
        for given in step.call.arguments:
            if isinstance(given, t.CallRef):
                call = step.function.facts.calls[given.index]
                if last_name(call.callee) in ("not_in", "notin_") and call.arguments:
                    return _selected(program, step.function, call.arguments[0])
    return None


def _selected(
    program: "Program", function: FunctionNode, value: t.Expr
) -> tuple[Table, Column] | None:
    """Return the one column that a SELECT without conditions on NULL gives, if it may be NULL."""
    while isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        at = (call.sequence, call.context)
        if last_name(call.callee) in STARTS:
            given = call.arguments[0] if len(call.arguments) == 1 else None
            if not isinstance(given, t.Attr):
                return None
            for option in options_of(program.types.evaluate(function, given.base, at)):
                if isinstance(option, ClassType):
                    table = program.schema.whole_table_of(option.node)
                    column = table.columns.get(given.name) if table is not None else None
                    if table is not None and column is not None and column.nullable:
                        return table, column
            return None
        if not isinstance(call.callee, t.Attr) or last_name(call.callee) in ("where", "filter"):
            return None
        value = call.callee.base
    return None


def _not_in_sql(program: "Program", sql: str) -> tuple[Table, Column] | None:
    from sqlglot import exp

    tree = parsed(sql)
    if not isinstance(tree, exp.Select):
        return None
    for negated in tree.find_all(exp.Not):
        inner = negated.this.unnest()
        given = inner.args.get("query") if isinstance(inner, exp.In) else None
        select = given.unnest() if given is not None else None
        if not isinstance(select, exp.Select) or len(select.expressions) != 1:
            continue
        column = select.expressions[0]
        if not isinstance(column, exp.Column) or select.args.get("where") is not None:
            continue
        found = sources(select, program.schema)
        for name, table in found.items():
            known = table.column(column.name) if table is not None else None
            if column.table in ("", name) and table is not None and known is not None:
                if known.nullable and not known.primary:
                    return table, known
    return None
