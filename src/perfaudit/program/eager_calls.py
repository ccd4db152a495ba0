"""Calls that say what a query loads with its rows, and the query that each of them belongs to."""

from collections.abc import Iterator

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.called import library_calls
from perfaudit.program.entity_queries import EntityQuery, entity_queries, statement_steps
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program

LOADS = frozenset({"loads-joined", "loads-apart"})
OPTION = "query-option"
NO_LOADING = frozenset({"columns-only", "loads-any"})
SEPARATOR = "__"
MAX_STEPS = 16


class EagerCall(Struct, frozen=True):
    """A call that loads relations with the rows of a query: the first step of each path."""

    function: FunctionNode
    call: t.Call
    relations: tuple[str, ...]


def eager_calls(program: Program) -> Iterator[tuple[EntityQuery, list[EagerCall]]]:
    """Yield the queries that load relations with their rows, each with the calls that say so."""
    begun = {
        (query.source.function, query.source.index): query for query in entity_queries(program)
    }
    found: dict[tuple[FunctionNode, int], list[EagerCall]] = {}
    for called in library_calls(program).with_flags(OPTION):
        function, index = called.function, called.index
        named = _named(program, function, index)
        start = _start(function, index) if named else None
        if named and start in begun:
            found.setdefault(start, []).append(EagerCall(function, called.call, named))
    for key, query in begun.items():
        for function, call in statement_steps(program, query):
            index = function.facts.calls.index(call)
            named = _named(program, function, index)
            if named:
                found.setdefault(key, []).append(EagerCall(function, call, named))
    yield from ((begun[key], calls) for key, calls in found.items())


def _start(function: FunctionNode, index: int) -> tuple[FunctionNode, int] | None:
    """Return the call that a chain of calls begins with, through names that mean one thing."""
    for _ in range(MAX_STEPS):
        call = function.facts.calls[index]
        if not isinstance(call.callee, t.Attr):
            return None
        base = call.callee.base
        if isinstance(base, t.Name):
            found = meanings(function, base.id, (call.sequence, call.context))
            bind = found[0].definition if len(found) == 1 else None
            if isinstance(bind, t.Bind) and bind.value is not None and bind.kind == "assign":
                function, base = found[0].scope, bind.value
        if not isinstance(base, t.CallRef):
            return function, index
        index = base.index
    return None


def _named(program: Program, function: FunctionNode, index: int) -> tuple[str, ...]:
    """Return the first relation of each path that a call names; none where one is not clear."""
    call = function.facts.calls[index]
    flags = _flags(program, function, index)
    if OPTION not in flags or not NO_LOADING.isdisjoint(flags) or call.keywords:
        return ()
    plain = not LOADS.isdisjoint(flags)
    found = [
        _written(given) if plain else _loaded(program, function, given) for given in call.arguments
    ]
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _flags(program: Program, function: FunctionNode, index: int) -> set[str]:
    targets = program.types.call(function, index).targets
    return {flag for each in targets if each.behaviour for flag in each.behaviour.flags}


def _written(given: t.Expr) -> str:
    """Return the first step of a path such as ``"lines__sku"``."""
    if isinstance(given, t.Const) and isinstance(given.value, str):
        return given.value.split(SEPARATOR)[0]
    return ""


def _loaded(program: Program, function: FunctionNode, given: t.Expr) -> str:
    """Return the first relation of ``selectinload(Order.items).joinedload(Item.sku)``."""
    while isinstance(given, t.CallRef):
        flags = _flags(program, function, given.index)
        call = function.facts.calls[given.index]
        if LOADS.isdisjoint(flags) or len(call.arguments) != 1 or call.keywords:
            return ""
        inner = call.callee.base if isinstance(call.callee, t.Attr) else None
        if isinstance(inner, t.CallRef):
            given = inner
            continue
        named = call.arguments[0]
        return named.name if isinstance(named, t.Attr) else ""
    return ""


def is_relation(program: Program, node: ClassNode | None, name: str) -> bool:
    """Return whether a class of rows has a relation of this name that is lazy without an option."""
    relation = None if node is None else program.schema.relation(node, name)
    return relation is not None and relation.lazy == "lazy"
