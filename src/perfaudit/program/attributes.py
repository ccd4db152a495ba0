"""Attributes that run or load something: properties, descriptors and relations."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import members
from perfaudit.program.decorators import method_kind
from perfaudit.program.forwarding import made_by
from perfaudit.program.key_tests import Said, said_of_key
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, accessor_of
from perfaudit.program.schema import Schema
from perfaudit.program.sites import Edge, Found
from perfaudit.program.values import ClassType, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def property_names_of(types: "Types", functions: list[FunctionNode]) -> frozenset[str]:
    """Return the names of all project properties."""
    return frozenset(
        function.name
        for function in functions
        if function.owner is not None
        and function.facts.decorators
        and (accessor_of(function) or method_kind(types, function) == "property")
    ) | _made_properties(types, functions)


def _made_properties(types: "Types", functions: list[FunctionNode]) -> frozenset[str]:
    """Return the names of attributes that hold a property made by a call, or a descriptor."""
    special = types.classes.special_methods & {"__get__", "__set__"}
    return frozenset(
        bind.target.id
        for function in functions
        if function.kind == "class"
        for bind in function.facts.binds
        if isinstance(bind.value, t.CallRef)
        and isinstance(bind.target, t.Name)
        and (
            function.facts.calls[bind.value.index].callee == members.PROPERTY
            or (special and isinstance(types.call(function, bind.value.index).result, Instance))
        )
    )


def is_of_new_object(types: "Types", edge: Edge) -> bool:
    """Return whether a property is read from an object that the same function has made.

    What such an object keeps, it does not have yet.
    """
    if edge.via != "property" or not isinstance(edge.value, t.Attr):
        return False
    made = made_by(edge.caller, edge.value.base, (edge.sequence, edge.context))
    if edge.caller.kind == "module" or not made:
        return False
    if isinstance(edge.value.base, t.Name):
        at = (edge.sequence, edge.context)
        if len(meanings(edge.caller, edge.value.base.id, at)) != len(made):
            return False
    return all(isinstance(types.call(edge.caller, index).callee, ClassType) for index in made)


def add_properties(
    found: Found,
    value: t.Expr,
    fact: t.Call | t.Read,
    property_names: frozenset[str],
    *,
    skip_last: bool,
) -> None:
    """Add an edge for each project property that a chain of attributes reads."""
    types, at = found.types, (fact.sequence, fact.context)
    if skip_last and isinstance(value, t.Attr):
        value = value.base
    while type(value) is t.Attr or type(value) is t.Item:
        if type(value) is t.Attr and value.name in property_names:
            for option in options_of(types.evaluate(found.function, value.base, at)):
                if not isinstance(option, Instance):
                    continue
                found.chains.append((value, option, fact))
                method = _getter(types, option, value.name)
                if method is not None:
                    found.add_edge(method, "property", value, found.place(fact))
        value = value.base


def _getter(types: "Types", owner: Instance, name: str) -> FunctionNode | None:
    """Return the function that runs when an attribute is read, or None."""
    method = types.classes.method(owner.node, name)
    if method is not None:
        return method if method_kind(types, method) == "property" else None
    accessor = members.accessor(types, owner.node, name, "__get__")
    return None if accessor is None else accessor[0]


def getters_of(types: "Types", node: ClassNode, name: str) -> list[FunctionNode]:
    """Return the properties of a name that objects of a class may have, also of those below it.

    Empty where one of them may have something else under the name.
    """
    found: list[FunctionNode] = []
    for each in (node, *types.classes.subclasses(node)):
        method = types.classes.method(each, name)
        if method is None or method_kind(types, method) != "property":
            return []
        found.append(method)
    return list(dict.fromkeys(found))


def add_setters(found: Found, bind: t.Bind, target: t.Attr) -> None:
    """Add the functions that setting an attribute runs: setters of properties and descriptors."""
    types, at = found.types, (bind.sequence, bind.context)
    for option in options_of(types.evaluate(found.function, target.base, at)):
        if not isinstance(option, Instance):
            continue
        setters = (
            node.setters.get(target.name) for node in types.classes.project_order(option.node)
        )
        method = next((setter for setter in setters if setter is not None), None)
        if method is None:
            accessor = members.accessor(types, option.node, target.name, "__set__")
            method = None if accessor is None else accessor[0]
        if method is not None:
            found.add_edge(method, "property", target, found.place(bind))


def add_relations(found: Found, schema: Schema) -> None:
    """Add the reads of attributes that load related rows by being read."""
    seen = set()
    for value, owner, fact in found.chains:
        relation = schema.relation(owner.node, value.name)
        if relation is None or relation.lazy not in ("lazy", "dynamic"):
            continue
        if relation.target is None and (relation.many or _keeps_objects(found.types, owner)):
            continue
        if relation.many and _is_manager(found.types, relation.value):
            continue
        key = (fact.sequence, value)
        if key in seen:
            continue
        seen.add(key)
        place = found.place(fact)
        at = (place.context, place.sequence)
        if said_of_key(found.function, relation, value, *at) is Said.EMPTY:
            continue
        name = f"{owner.node.name}.{value.name}"
        found.add_site(
            "relation",
            name,
            Behaviour(path=name),
            value,
            place,
            receiver=owner,
            effects=("db.query",),
            blocking=False,
            relation=relation,
        )


def _keeps_objects(types: "Types", owner: Instance) -> bool:
    """Return whether a session keeps objects, so that one of an unknown class may be there."""
    bases = types.classes.library_bases(owner.node)
    known = [found for found in map(types.libraries.queries, bases) if found is not None]
    return not known or any(found.keeps_objects for found in known)


def _is_manager(types: "Types", value: Type | None) -> bool:
    """Return whether reading the relation costs nothing, and only what is asked of it does."""
    if isinstance(value, Instance):
        bases = types.classes.library_bases(value.node)
        return any(not path.startswith(("builtins.", "typing.", "abc.")) for path in bases)
    return isinstance(value, LibraryInstance) and not value.path.startswith("builtins.")
