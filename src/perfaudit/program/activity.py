"""What each function does itself, and what it runs, put together from its facts."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.asked_relations import with_relation
from perfaudit.program.attributes import add_properties, add_relations, add_setters
from perfaudit.program.call_costs import add_await, add_call
from perfaudit.program.call_edges import (
    add_given,
    add_handed,
    add_run,
    add_wrapped,
    move_bodies,
    placed,
)
from perfaudit.program.evaluated import without_kept
from perfaudit.program.evaluation import (
    add_arguments,
    add_index,
    add_items,
    add_operators,
    add_subject,
    run_special,
)
from perfaudit.program.forwarding import Forwards
from perfaudit.program.loaded_anew import LoadedAnew
from perfaudit.program.loaded_tests import LoadedTests
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.schema import Schema
from perfaudit.program.sites import Activity, Found
from perfaudit.program.stepping import is_lazy

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

NOTHING = Activity((), ())


def activity(
    types: "Types",
    schema: Schema,
    function: FunctionNode,
    property_names: frozenset[str],
    chained: frozenset[str],
    forwards: Forwards,
) -> Activity:
    """Return what the function does itself, and what it runs.

    ``property_names`` are those of all classes, ``chained`` these and the names of relations.
    """
    found = Found(types, function, forwards)
    for index, call in enumerate(function.facts.calls):
        _from_call(found, index, call, chained)
    for number, context in enumerate(function.facts.contexts):
        add_subject(found, number, context)
    for read in function.facts.reads:
        _from_read(found, read, chained)
    add_operators(found)
    for bind in function.facts.binds:
        _from_bind(found, bind, property_names)
    if not (found.sites or found.edges or found.chains):
        return NOTHING
    move_bodies(found)
    found.edges = [one for edge in found.edges for one in placed(found, edge)]
    found.sites = [with_relation(found, schema, site) for site in found.sites]
    add_relations(found, schema)
    found.sites = [*without_kept(types, function, found.sites)]
    tests = LoadedTests(types, schema, function)
    found.sites = [*LoadedAnew(types, function).sites(tests.sites(found.sites))]
    found.edges = [*tests.edges(found.edges)]
    found.edges.sort(key=lambda edge: edge.sequence)
    return Activity(tuple(found.sites), tuple(found.edges))


def _from_call(found: Found, index: int, call: t.Call, property_names: frozenset[str]) -> None:
    types, function = found.types, found.function
    resolved = types.call(function, index)
    at = (call.sequence, call.context)
    for target in resolved.targets:
        if target.function is not None:
            if not found.forwards.is_passed(function, call.callee, at):
                how = found.forwards.how_run(target.function)
                add_run(found, call, index, target.function, how, "call", target.confidence)
                add_given(found, call, index, target)
            continue
        behaviour = target.behaviour
        if behaviour is None:
            continue
        if is_lazy(behaviour):
            found.lazy[call.sequence] = index
        add_call(found, call, index, target)
        add_arguments(found, call, behaviour)
    add_handed(found, call, index)
    if function.is_async and isinstance(call.callee, t.Name) and not call.awaited:
        add_wrapped(found, call, index, call.callee.id)
    if property_names:
        add_properties(found, call.callee, call, property_names, skip_last=True)
    if "__getitem__" in types.classes.special_methods:
        add_items(found, call)
    if call.awaited:
        add_await(found, call, index, resolved.result)


def _from_read(found: Found, read: t.Read, property_names: frozenset[str]) -> None:
    value = read.value
    while type(value) is t.Attr or type(value) is t.Item:
        if type(value) is t.Item and type(value.key) is not t.Slice:
            add_index(found, read, value)
        value = value.base
    if property_names:
        add_properties(found, read.value, read, property_names, skip_last=False)


def _from_bind(found: Found, bind: t.Bind, property_names: frozenset[str]) -> None:
    """Add what setting an attribute or an item runs: a setter, or ``__setitem__``."""
    target = bind.target
    if isinstance(target, t.Attr):
        if target.name in property_names:
            add_setters(found, bind, target)
    elif isinstance(target, t.Item) and "__setitem__" in found.types.classes.special_methods:
        run_special(found, target.base, "__setitem__", bind, target)
