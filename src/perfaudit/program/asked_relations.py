"""Places that ask a relation for its rows, which may have been loaded with their object."""

from typing import TYPE_CHECKING

import msgspec

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.asking_words import may_ask
from perfaudit.program.attributes import getters_of
from perfaudit.program.expressions import unless_nothing
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.schema import Schema
from perfaudit.program.sites import Found, Site
from perfaudit.program.tables import Relation
from perfaudit.program.tables_vocabulary import has_order
from perfaudit.program.values import NONE, External, Instance, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

ORDERED = "keeps-ordered-prefetch"
KEEPING = frozenset({"keeps-prefetch", ORDERED})
"""Calls that rows which were loaded with their parent answer; the first of them if in order."""
MAX_NAMES = 3
"""Names that a query may be handed on through before it is run."""
At = tuple[int, int]


def with_relation(found: Found, schema: Schema, site: Site) -> Site:
    """Return the site, marked with its relation where a prefetch would have loaded its rows."""
    if not schema.relation_names or "db.query" not in site.effects:
        return site
    at = (site.sequence, site.context)
    query = query_run(site)
    asked = None if query is None else _unfolded(found.types, found.function, query, at)
    if asked is None:
        return site
    relation = asked_relation(found.types, schema, found.function, *asked)
    row = None
    if relation is None:
        row, relation = _given_back(found.types, schema, found.function, *asked)
    if relation is None or not is_in_needed_order(found.types, site, relation):
        return site
    return msgspec.structs.replace(site, relation=relation, row=row)


def query_run(site: Site) -> t.Expr | None:
    """Return the query that a site runs, None where rows that were loaded would not answer it."""
    if site.kind != "call":
        return site.value
    if KEEPING.isdisjoint(site.behaviour.flags) or site.call is None:
        return None
    return site.call.callee.base if isinstance(site.call.callee, t.Attr) else site.value


def is_in_needed_order(types: "Types", site: Site, relation: Relation) -> bool:
    """Return whether loaded rows are in the order that a site asks for, if it asks for one."""
    return ORDERED not in site.behaviour.flags or has_order(types, relation.target)


def asked_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: At
) -> tuple[t.Expr, At] | None:
    """Return what a query asks, and where: ``row.relation`` of ``row.relation.all()``.

    None where rows that were loaded with their parent would not serve it.
    """
    asked = _unfolded(types, function, value, at)
    return None if isinstance(asked[0], t.CallRef) else asked


def _unfolded(
    types: "Types", function: FunctionNode, value: t.Expr, at: At, names: int = MAX_NAMES
) -> tuple[t.Expr, At]:
    """Return the same; a call where that makes another query, or is one of the project."""
    while isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        kept = types.call(function, value.index).has_flag("keeps-prefetch")
        if not kept or not isinstance(call.callee, t.Attr):
            return value, (call.sequence, call.context)
        value = call.callee.base
    if isinstance(value, t.Item):
        return _unfolded(types, function, value.base, at, names)
    # A query that is put under a name, and run two lines later.
    made = unless_nothing(function.only_value(value.id)) if isinstance(value, t.Name) else None
    if not isinstance(made, t.CallRef | t.Attr) or not names:
        return value, at
    if isinstance(made, t.Attr):
        return _unfolded(types, function, made, at, names - 1)
    call = function.facts.calls[made.index]
    return _unfolded(types, function, made, (call.sequence, call.context), names - 1)


def asked_relation(
    types: "Types", schema: Schema, function: FunctionNode, asked: t.Expr, at: At
) -> Relation | None:
    """Return the relation to many rows that is asked, or None where it is something else."""
    if not isinstance(asked, t.Attr) or asked.name not in schema.relation_names:
        return None
    for option in options_of(types.evaluate(function, asked.base, at)):
        if isinstance(option, Instance):
            relation = schema.relation(option.node, asked.name)
            if relation is not None and relation.many:
                return relation
    return None


def _given_back(
    types: "Types", schema: Schema, function: FunctionNode, asked: t.Expr, at: At
) -> tuple[t.Expr | None, Relation | None]:
    """Return the object whose property or method is asked, and the relation that it gives back."""
    value = asked
    methods: list[FunctionNode | None] = []
    if isinstance(value, t.CallRef):
        methods = [target.function for target in types.call(function, value.index).targets]
        value = function.facts.calls[value.index].callee
    if not isinstance(value, t.Attr):
        return None, None
    if not methods:
        for option in options_of(types.evaluate(function, value.base, at)):
            if option == NONE or isinstance(option, External | Unknown):
                continue
            if not isinstance(option, Instance):
                return None, None
            methods += getters_of(types, option.node, value.name) or [None]
    given = [None if method is None else _given_by(types, schema, method) for method in methods]
    first = given[0] if given else None
    return (value.base, first) if all(each == first for each in given) else (None, None)


def _given_by(types: "Types", schema: Schema, method: FunctionNode) -> Relation | None:
    """Return the relation of its own object that a method gives back, without a word more.

    Of two results one is enough that a test for whether just this relation was loaded chooses.
    """
    results = [item for item in method.facts.results if item.value is not None]
    if method.owner is None or any(item.kind != "return" for item in results):
        return None
    given = [(_relation_given(types, schema, method, item), item) for item in results]
    if len(given) == 1:
        return given[0][0]
    chosen = [
        relation
        for relation, item in given
        if relation is not None and _is_where_loaded(types, method, item, relation)
    ]
    return chosen[0] if len(given) == 2 and len(chosen) == 1 else None


def _is_where_loaded(
    types: "Types", method: FunctionNode, item: t.Return, relation: Relation
) -> bool:
    """Return whether a result stands below a test that may ask whether a relation was loaded."""
    for step in method.context_chain(item.context):
        block = method.facts.contexts[step]
        if block.kind != "if" or block.subject is None:
            continue
        parts = expressions.parts(method, block.subject)
        if t.Const(relation.name, "str") in parts and may_ask(types, method, block.subject):
            return True
    return False


def _relation_given(
    types: "Types", schema: Schema, method: FunctionNode, item: t.Return
) -> Relation | None:
    """Return the relation of its own object that a result is."""
    value = item.value
    if value is None or not method.facts.params:
        return None
    asked = asked_of(types, method, value, (item.sequence, item.context))
    if asked is None or not isinstance(asked[0], t.Attr):
        return None
    if asked[0].base != t.Name(method.facts.params[0].name):
        return None
    return asked_relation(types, schema, method, *asked)
