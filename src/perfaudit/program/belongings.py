"""Loops over what belongs to one object, or over kinds of things: seldom many, whatever grows."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.loops import ADDING, item_names
from perfaudit.program.names import meanings
from perfaudit.program.nodes import WALK_KINDS, FunctionNode
from perfaudit.program.query_conditions import PAGES
from perfaudit.program.relational import EQUALITY, Query, queries
from perfaudit.program.sizes import passes_items
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

COUNTED = frozenset(
    {"limit", "offset", "slice", "fetch", "order_by", "yield_per", "iterator", "partitions"}
)
"""Calls that say of rows that many are expected."""
DISTINCT = "distinct"
MAX_STEPS = 8
At = tuple[int, int]


def walks_belongings(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether a loop walks rows of one object, kinds, or a list that no data fills."""
    return _walks(program, function, loop, MAX_STEPS)


def _walks(program: "Program", function: FunctionNode, loop: int, steps: int) -> bool:
    walked = function.facts.contexts[loop]
    at = (walked.sequence, walked.parent)
    return walked.subject is not None and _is_of_one(program, function, walked.subject, at, steps)


def _is_of_one(
    program: "Program", function: FunctionNode, value: t.Expr, at: At, steps: int
) -> bool:
    if not steps or _is_of_outer(function, value, at[1]):
        return False
    asked = program.once(queries_by_value).get((function, value), ())
    if asked:
        return all(map(_asks_for_one, asked)) or _asks_for_kinds(program, function, value)
    match value:
        case t.Await(value=inner) | t.Star(value=inner):
            return _is_of_one(program, function, inner, at, steps - 1)
        case t.Binary(operator="Add" | "BitOr", left=left, right=right):
            return all(_is_of_one(program, function, side, at, steps - 1) for side in (left, right))
        case t.Attr():
            return _is_relation(program, function, value, at) or _is_filled_of_one(
                program, function, value, at, steps
            )
        case t.Comp(context=context):
            inside = function.facts.contexts[context]
            where = (inside.sequence, inside.parent)
            return inside.subject is not None and _is_of_one(
                program, function, inside.subject, where, steps - 1
            )
        case t.Name(id=name):
            return _is_named_of_one(program, function, name, at, steps)
        case t.CallRef(index=index):
            return _is_called_of_one(program, function, index, at, steps)
    return False


def _is_named_of_one(
    program: "Program", function: FunctionNode, name: str, at: At, steps: int
) -> bool:
    found = [
        meaning
        for meaning in meanings(function, name, at)
        if isinstance(meaning.definition, t.Bind)
    ]
    return bool(found) and all(
        bind.kind in ("assign", "annotated", "augmented")
        and bind.value is not None
        and _is_of_one(program, meaning.scope, bind.value, (bind.sequence, bind.context), steps - 1)
        for meaning in found
        if isinstance(bind := meaning.definition, t.Bind)
    )


def _is_called_of_one(
    program: "Program", function: FunctionNode, index: int, at: At, steps: int
) -> bool:
    call = function.facts.calls[index]
    if passes_items(program.types, function, index) and call.arguments:
        return _is_of_one(program, function, call.arguments[0], at, steps - 1)
    targets = program.types.call(function, index).targets
    callees = [target.function for target in targets if target.function is not None]
    if callees:
        return len(callees) == len(targets) and all(
            _gives_of_one(program, callee, steps) for callee in callees
        )
    if not isinstance(call.callee, t.Attr) or call.callee.name in COUNTED:
        return False
    if PAGES.match(call.callee.name):
        return False
    return _is_of_one(program, function, call.callee.base, at, steps - 1)


def _gives_of_one(program: "Program", callee: FunctionNode, steps: int) -> bool:
    """Return whether a project function returns what belongs to one object, on every way."""
    results = [item for item in callee.facts.results if item.value is not None]
    if callee.facts.is_generator or not results:
        return False
    return _is_made_up(program, callee) or all(
        _is_of_one(program, callee, item.value, (item.sequence, item.context), steps - 1)
        for item in results
        if item.value is not None and not (isinstance(item.value, t.Seq) and not item.value.items)
    )


def _is_made_up(program: "Program", callee: FunctionNode) -> bool:
    """Return whether a function fills the list that it returns, and walks no data for it."""
    if program.sites_of(callee) or program.edges_from(callee):
        return False
    if any(context.kind in WALK_KINDS for context in callee.facts.contexts):
        return False
    return all(
        isinstance(value, t.Seq) and not any(isinstance(item, t.Star) for item in value.items)
        for item in callee.facts.results
        for value in _values_of(callee, item.value)
    )


def _values_of(function: FunctionNode, value: t.Expr | None) -> Iterator[t.Expr | None]:
    binds = function.binds.get(value.id, ()) if isinstance(value, t.Name) else ()
    if not binds:
        yield value
    for bind in binds:
        yield bind.value


def _is_of_outer(function: FunctionNode, value: t.Expr, context: int) -> bool:
    """Return whether an expression hangs on the item of a loop around: all of them are many."""
    used = expressions.names(function, value)
    return any(used & item_names(function, outer) for outer in function.loops(context))


def _is_relation(program: "Program", function: FunctionNode, value: t.Attr, at: At) -> bool:
    """Return whether an expression reads a relation of one object that leads to many rows."""
    if value.name not in program.schema.relation_names:
        return False
    owners = options_of(program.types.evaluate(function, value.base, at))
    known = [owner.node for owner in owners if isinstance(owner, Instance)]
    found = [program.schema.relation(node, value.name) for node in known]
    if not known and all(isinstance(owner, Unknown) for owner in owners):
        found = list(program.once(_relations_by_name).get(value.name, ()))
        return bool(found) and all(relation.many for relation in found if relation is not None)
    return any(relation is not None and relation.many for relation in found)


def _relations_by_name(program: "Program") -> Mapping[str, list[Relation]]:
    found: dict[str, list[Relation]] = {}
    for table in program.schema.tables.values():
        for name, relation in table.relations.items():
            found.setdefault(name, []).append(relation)
    return found


def _is_filled_of_one(
    program: "Program", function: FunctionNode, value: t.Attr, at: At, steps: int
) -> bool:
    """Return whether a project function puts rows of one object into its result."""
    callees = [
        target.function
        for index in _calls_of(function, value.base, at)
        for target in program.types.call(function, index).targets
    ]
    return bool(callees) and all(
        callee is not None and _fills_with_one(program, callee, value.name, steps - 1)
        for callee in callees
    )


def _calls_of(function: FunctionNode, value: t.Expr, at: At) -> Iterator[int]:
    """Yield the call that gives an object, behind its name and an await."""
    if isinstance(value, t.Name):
        found = meanings(function, value.id, at)
        bind = found[0].definition if len(found) == 1 else None
        if isinstance(bind, t.Bind) and bind.kind == "assign" and bind.value is not None:
            value = bind.value
    if isinstance(value, t.Await):
        value = value.value
    if isinstance(value, t.CallRef):
        yield value.index


def _fills_with_one(program: "Program", callee: FunctionNode, name: str, steps: int) -> bool:
    made = {item.value for item in callee.facts.results if isinstance(item.value, t.Name)}
    loops = [
        loop
        for call in callee.facts.calls
        if isinstance(call.callee, t.Attr)
        and call.callee.name in ADDING
        and isinstance(call.callee.base, t.Attr)
        and call.callee.base.name == name
        and call.callee.base.base in made
        for loop in callee.loops(call.context)
    ]
    return bool(loops) and any(_walks(program, callee, loop, steps) for loop in loops)


def queries_by_value(program: "Program") -> Mapping[tuple[FunctionNode, t.Expr], list[Query]]:
    """Return the queries of the program by the expression that runs them. Ask it ``once``."""
    found: dict[tuple[FunctionNode, t.Expr], list[Query]] = {}
    for query in program.once(queries):
        found.setdefault((query.site.function, query.site.value), []).append(query)
    return found


def _asks_for_one(query: Query) -> bool:
    """Return whether rows are found by the key of one object, and are not said to be many."""
    if query.bounded or query.order or not COUNTED.isdisjoint(query.steps):
        return False
    return query.via_relation or any(
        condition.operator == EQUALITY
        and condition.constant is None
        and condition.table == query.table
        and bool(condition.column.references)
        for condition in query.conditions
    )


def _asks_for_kinds(program: "Program", function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a query asks for rows that distinct values of others name."""
    for part in _parts(function, value):
        if not isinstance(part, t.CallRef):
            continue
        call = function.facts.calls[part.index]
        if any(_is_distinct(program, function, each) for each in call.given):
            return True
    return False


def _parts(function: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the parts of an expression, and of what the name is bound to that it is."""
    if isinstance(value, t.Name):
        found = function.only_value(value.id)
        value = value if found is None else found
    yield from expressions.parts(function, value)


def _is_distinct(program: "Program", function: FunctionNode, value: t.Expr) -> bool:
    if not isinstance(value, t.CallRef):
        return False
    callee = function.facts.calls[value.index].callee
    # What is not known may be a query, and then it is a query of kinds.
    return (
        isinstance(callee, t.Attr)
        and callee.name == DISTINCT
        and all(
            target.function is None for target in program.types.call(function, value.index).targets
        )
    )
