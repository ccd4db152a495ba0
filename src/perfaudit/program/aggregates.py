"""Places that ask for aggregates of one table, and what each is asked of."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.projection import counted_table
from perfaudit.program.sameness import Form, form_of, is_query
from perfaudit.program.sites import Site
from perfaudit.program.sql_dialects import dialect_of
from perfaudit.program.values import ClassType, Instance, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

AGGREGATES = frozenset({"aggregates", "counts-rows"})
CONDITIONS = frozenset({"filter", "exclude", "where", "filter_by"})
HARMLESS = frozenset(
    {"all", "order_by", "query", "select", "select_from", "with_entities", "using"}
)
"""Steps of a query that leave its aggregates as they are."""

MAX_STEPS = 16
Point = tuple[int, int]


class Aggregate(NamedTuple):
    """A place that asks for aggregates: of which table, and of rows under which conditions.

    ``table``: the class of the rows, or the name of the table. ``form`` is the whole question.
    """

    site: Site
    table: ClassNode | str
    conditions: frozenset[Form]
    form: Form


class _Step(NamedTuple):
    """One call of those that make a query."""

    name: str
    call: t.Call


def aggregates_of(program: "Program", function: FunctionNode) -> Iterator[Aggregate]:
    """Yield the places of a function that ask for aggregates of one table, in order.

    Left out is what cannot be asked for together with others: joined, grouped, distinct or limited
    rows, and those of a relation to many.
    """
    for site in program.sites_of(function):
        if site.kind != "call" or site.effects != ("db.query",) or site.relation is not None:
            continue
        if not isinstance(site.value, t.CallRef):
            continue
        found = _of_text(program, site) if site.sql is not None else _of_query(program, site)
        if found is not None:
            yield found


def _of_text(program: "Program", site: Site) -> Aggregate | None:
    found = counted_table(site.sql or "", dialect_of(program, site))
    if found is None:
        return None
    table, condition = found
    return Aggregate(site, table, frozenset(condition), ("text", site.sql))


def _of_query(program: "Program", site: Site) -> Aggregate | None:
    """Return the aggregate that a query of a library asks for, or None."""
    function = site.function
    if not isinstance(site.value, t.CallRef):
        return None
    call = function.facts.calls[site.value.index]
    asks = not AGGREGATES.isdisjoint(site.behaviour.flags)
    query = call.callee.base if isinstance(call.callee, t.Attr) else None
    if site.behaviour.sql is not None:
        query = call.arguments[0] if call.arguments else None
    if query is None:
        return None
    at = (call.sequence, call.context)
    steps = list(_steps(program, function, query, at))
    if any(step.name not in CONDITIONS | HARMLESS for step in steps):
        return None
    if not asks and not _selects_aggregates(program, function, steps):
        return None
    tables = set(_tables(program, function, query, at, steps))
    if len(tables) != 1:
        return None
    (table,) = tables
    given = [step.call for step in steps] + [call]
    if any(_spans_many(program, function, one, table) for one in given):
        return None
    conditions = [
        (step.name, form)
        for step in steps
        if step.name in CONDITIONS
        for form in _argument_forms(program, function, step.call)
    ]
    return Aggregate(site, table, frozenset(conditions), form_of(program, function, query, at))


def _steps(program: "Program", function: FunctionNode, value: t.Expr, at: Point) -> Iterator[_Step]:
    """Yield the calls of a library that make a query, last one first."""
    for _ in range(MAX_STEPS):
        if isinstance(value, t.Await):
            value = value.value
        elif isinstance(value, t.Name):
            found = meanings(function, value.id, at)
            bind = found[0].definition if len(found) == 1 else None
            if not isinstance(bind, t.Bind) or bind.value is None or found[0].scope is not function:
                return
            value, at = bind.value, (bind.sequence, bind.context)
            if bind.kind not in ("assign", "annotated") or not is_query(
                program, program.types.evaluate(function, value, at)
            ):
                return
        elif isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            targets = program.types.call(function, value.index).targets
            if not targets or any(
                target.behaviour is None or target.behaviour.effects for target in targets
            ):
                return
            callee = call.callee
            if not isinstance(callee, t.Attr):
                yield _Step(callee.id if isinstance(callee, t.Name) else "", call)
                return
            yield _Step(callee.name, call)
            value, at = callee.base, (call.sequence, call.context)
        else:
            return


def _selects_aggregates(program: "Program", function: FunctionNode, steps: list[_Step]) -> bool:
    """Return whether all that a statement selects are aggregates."""
    selected = [
        given
        for step in steps
        if step.name in ("query", "select", "with_entities")
        for given in step.call.arguments
    ]
    return bool(selected) and all(_is_aggregate(program, function, given) for given in selected)


def _is_aggregate(program: "Program", function: FunctionNode, value: t.Expr) -> bool:
    for part in expressions.parts(function, value):
        if isinstance(part, t.CallRef):
            for target in program.types.call(function, part.index).targets:
                flags = target.behaviour.flags if target.behaviour is not None else ()
                if "aggregates" in flags:
                    return True
    return False


def _tables(
    program: "Program", function: FunctionNode, query: t.Expr, at: Point, steps: list[_Step]
) -> Iterator[ClassNode]:
    """Yield the classes of the tables that a query names, or whose rows it gives."""
    for option in options_of(program.types.evaluate(function, query, at)):
        if isinstance(option, Instance | LibraryInstance):
            for row in option.arguments[:1]:
                if isinstance(row, Instance) and program.schema.table_of(row.node):
                    yield row.node
    for step in steps:
        point = (step.call.sequence, step.call.context)
        for given in step.call.arguments:
            for part in expressions.parts(function, given):
                if isinstance(part, t.Name):
                    for option in options_of(program.types.evaluate(function, part, point)):
                        if isinstance(option, ClassType) and program.schema.table_of(option.node):
                            yield option.node


def _spans_many(program: "Program", function: FunctionNode, call: t.Call, table: ClassNode) -> bool:
    """Return whether a call names rows of a relation to many, whose join would repeat others."""
    for given in call.given:
        for part in expressions.parts(function, given):
            texts = [part.value] if isinstance(part, t.Const) else []
            if isinstance(part, t.CallRef):
                texts += [name for name, _ in function.facts.calls[part.index].keywords]
            if any(isinstance(text, str) and _is_many(program, table, text) for text in texts):
                return True
    return any(_is_many(program, table, name) for name, _ in call.keywords)


def _is_many(program: "Program", table: ClassNode, path: str) -> bool:
    relation = program.schema.relation(table, path.partition("__")[0])
    return relation is not None and relation.many


def _argument_forms(program: "Program", function: FunctionNode, call: t.Call) -> Iterator[Form]:
    at = (call.sequence, call.context)
    for given in call.arguments:
        yield form_of(program, function, given, at)
    for name, given in call.keywords:
        yield (name, form_of(program, function, given, at))
