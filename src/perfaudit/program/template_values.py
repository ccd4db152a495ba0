"""What the names of a template stand for, and what reading an attribute of one costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program import members
from perfaudit.program.asked_relations import asked_of
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.decorators import method_kind
from perfaudit.program.defeats import refined_loads
from perfaudit.program.given_names import given_back
from perfaudit.program.handed_relations import asks_handed_only, loads_of_handed
from perfaudit.program.late_reads import is_late
from perfaudit.program.loads import Load
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.renderings import Known, known_names
from perfaudit.program.sites import COUNTS, Edge, Site
from perfaudit.program.switches import is_left_off, is_switched_off
from perfaudit.program.tables import Relation
from perfaudit.program.unset_switches import call_with
from perfaudit.program.values import (
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    Type,
    Unknown,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DEPTH = 6
"""How many methods may lie between a value and the relation that they name."""
DATABASE = frozenset({"db.query", "db.write"})
OWN = frozenset({"one_to_many", "one_to_one"})
"""Kinds of relations whose rows have the one that they are read of as their own one."""


class Value(Struct, frozen=True):
    """A value in a template.

    ``known`` and ``path``: the rows it comes from, and the relations that lead from one to it.
    ``loop``: the number of the loop whose turns it differs in, 0 for what is the same in all.
    ``asked``: it is a query that has not run yet; ``relation``: the relation that it asks for,
    where loading that with the rows would have answered. ``inverse`` leads back to ``owner``.
    ``items`` are those that a group holds. ``held``: the template has put it under a name, where a
    query keeps its rows once it has run. ``few``: the template takes a handful of its items.
    """

    type: Type
    known: Known | None = None
    path: tuple[str, ...] = ()
    loop: int = 0
    asked: bool = False
    relation: Relation | None = None
    inverse: str = ""
    owner: "Value | None" = None
    items: "Value | None" = None
    held: bool = False
    few: bool = False


NOT_KNOWN = Value(Unknown("not given to the template"))


class Cost(Struct, frozen=True):
    """A query that reading a value takes, unless its relation was loaded with the rows.

    ``path``: the relations from a row to the one that is loaded, none for a query of another kind.
    ``again``: it is asked anew each time, also of one and the same object. ``owner``: the object
    that is asked. ``steps`` lead from the template to the place that costs. ``is_number``: it only
    asks how many rows there are. ``refined``: the relations to rows of which a query of another
    kind asks for some, or in an order.
    """

    owner: Value
    path: tuple[str, ...]
    relation: Relation | None
    again: bool
    steps: tuple[TraceStep, ...] = ()
    confidence: Confidence = Confidence.HIGH
    name: str = ""
    is_number: bool = False
    refined: tuple[str, ...] = ()


class Reading:
    """Reads the steps of paths, and notes what they cost."""

    def __init__(self, program: "Program", *, runs_methods: bool, depth: int = 0) -> None:
        self.program = program
        self.runs_methods = runs_methods
        self.depth = depth
        self.costs: list[Cost] = []

    def step(self, value: Value, name: str) -> Value:
        """Return ``value.name``."""
        if value.items is not None:
            return value.items if name == "list" else NOT_KNOWN
        if value.owner is not None and name == value.inverse:
            return value.owner
        options = options_of(value.type)
        if sum(isinstance(option, Instance) for option in options) > 1:
            # Objects of several classes: which of them are rows is not known.
            return self._of_several(value, options, name)
        found = [self._of(value, option, name) for option in options]
        known = [item for item in found if not isinstance(item.type, Unknown)]
        if not known:
            return NOT_KNOWN
        if len(known) == 1 or any(item.relation for item in known):
            return next((item for item in known if item.relation), known[0])
        first = known[0]
        return Value(
            union([item.type for item in known]), first.known, first.path, first.loop, first.asked
        )

    def _of_several(self, value: Value, options: Sequence[Type], name: str) -> Value:
        """Return an attribute that all of several classes have from the same base."""
        relations = [
            self.program.schema.relation(option.node, name)
            for option in options
            if isinstance(option, Instance)
        ]
        first = relations[0]
        if first is None or any(
            found is None or found.location != first.location for found in relations
        ):
            return NOT_KNOWN
        return self._related(value, first)

    def _of(self, value: Value, option: Type, name: str) -> Value:
        types = self.program.types
        if isinstance(option, LibraryInstance):
            swapped = self.program.schema.swapped.get(option.path)
            if swapped is not None:
                return self._of(value, Instance(swapped), name)
            given = self.program.schema.of_libraries.get(option.path, {}).get(name)
            if given is not None:
                return self._related(value, given)
        if isinstance(option, Instance):
            relation = self.program.schema.relation(option.node, name)
            if relation is not None:
                return self._related(value, relation)
            method = types.classes.method(option.node, name)
            if method is not None:
                kind = method_kind(types, method)
                if kind == "property" or (self.runs_methods and kind in ("method", "class")):
                    return self.run(value, option, method)
        found = members.member(types, option, name)
        if isinstance(option, Instance) and not isinstance(found, LibraryMethod | FunctionType):
            # What else an object holds is no part of the rows that it comes from.
            return Value(found, loop=value.loop)
        kept = self._kept(value, found)
        if self.runs_methods and isinstance(found, LibraryMethod):
            return self.called(kept)
        return kept

    def _kept(self, value: Value, found: Type) -> Value:
        """Return a value that is a part of another, or a method of it."""
        return Value(
            found,
            value.known,
            value.path,
            value.loop,
            value.asked or (value.relation is not None and isinstance(found, LibraryMethod)),
            value.relation,
            value.inverse,
            value.owner,
        )

    def _related(self, value: Value, relation: Relation) -> Value:
        path = (*value.path, relation.name)
        # Only one of a row's own leads back to that row: its parent leads to all of its rows.
        inverse = relation.inverse if relation.kind in OWN else ""
        found = Value(relation.value, value.known, path, value.loop, inverse=inverse, owner=value)
        if relation.many and self._is_manager(relation.value):
            return Value(
                relation.value,
                value.known,
                path,
                value.loop,
                asked=False,
                relation=relation,
                inverse=inverse,
                owner=value,
            )
        if relation.lazy in ("lazy", "dynamic") and relation.kind != "unknown":
            self.costs.append(Cost(value, path, relation, again=False, name=relation.name))
        return found

    def _is_manager(self, value: Type) -> bool:
        if isinstance(value, Instance):
            bases = self.program.types.classes.library_bases(value.node)
            return any(not path.startswith(("builtins.", "typing.", "abc.")) for path in bases)
        return isinstance(value, LibraryInstance) and not value.path.startswith("builtins.")

    def called(self, value: Value) -> Value:
        """Return what calling the value gives."""
        found = [self._result(value, option) for option in options_of(value.type)]
        known = [item for item in found if not isinstance(item.type, Unknown)]
        return known[0] if known else NOT_KNOWN

    def _result(self, value: Value, option: Type) -> Value:
        types = self.program.types
        if isinstance(option, FunctionType) and isinstance(option.receiver, Instance):
            return self.run(value, option.receiver, option.node, may_give_more=True)
        if not isinstance(option, LibraryMethod):
            return NOT_KNOWN
        behaviour = option.behaviour
        result: Type = Unknown("no result")
        if behaviour.returns is not None:
            result = types.instantiate(behaviour.returns, receiver=option.receiver)
        name = behaviour.path.rpartition(".")[2]
        keeps = "keeps-prefetch" in behaviour.flags
        if not DATABASE.isdisjoint(behaviour.effects):
            self._ask(value, name, keeps=keeps, is_number=COUNTS in behaviour.flags)
            return Value(result, loop=value.loop)
        is_query = self.is_query(result)
        if keeps or not is_query:
            return Value(
                result,
                value.known,
                value.path,
                value.loop,
                is_query and (value.asked or value.relation is not None),
                value.relation if is_query else None,
                value.inverse,
                value.owner,
            )
        return Value(result, None, (), value.loop, asked=value.owner is not None)

    def is_query(self, value: Type) -> bool:
        """Return whether a value asks the database when it is iterated."""
        for option in options_of(value):
            path = ""
            if isinstance(option, LibraryInstance):
                path = option.path
            elif isinstance(option, Instance):
                bases = self.program.types.classes.library_bases(option.node)
                path = bases[0] if bases else ""
            behaviour = self.program.libraries.on(path, "iterate") if path else None
            if behaviour is not None and not DATABASE.isdisjoint(behaviour.effects):
                return True
        return False

    def _ask(self, value: Value, name: str, *, keeps: bool, is_number: bool = False) -> None:
        """Note the query of a manager or a query set that is asked for something."""
        if value.owner is None:
            return
        if keeps and value.relation is not None:
            self.costs.append(
                Cost(
                    value.owner,
                    value.path,
                    value.relation,
                    again=True,
                    name=value.relation.name,
                    is_number=is_number,
                )
            )
        else:
            self.costs.append(Cost(value.owner, (), None, again=True, name=name))

    def asked(self, value: Value, *, is_number: bool = False) -> None:
        """Note the query of a value that is iterated, tested, measured or written out."""
        if value.asked:
            before = len(self.costs)
            self._ask(value, "", keeps=value.relation is not None, is_number=is_number)
            if value.held:
                once = [msgspec.structs.replace(cost, again=False) for cost in self.costs[before:]]
                self.costs[before:] = once

    def run(
        self,
        value: Value,
        owner: Instance,
        method: FunctionNode,
        arguments: tuple[Value, ...] = (),
        *,
        may_give_more: bool = False,
    ) -> Value:
        """Return what a method or property of the project gives, and note what it costs."""
        program = self.program
        params = [param for param in method.facts.params if param.kind == "positional"]
        needed = [param for param in params[1:] if param.default is None]
        if self.runs_methods and len(needed) > len(arguments):
            return NOT_KNOWN
        value = msgspec.structs.replace(value, type=owner)
        names = {param.name: item for param, item in zip(params, (value, *arguments), strict=False)}
        if method not in program.memoised:
            self.function(method, names, may_give_more=may_give_more)
        lazily = self._given_by(method, names)
        if lazily is not None:
            return lazily
        result = members.returned_by(program.types, owner, method)
        known = None if arguments else self._known_from(value, owner, method)
        return Value(result, known, loop=value.loop, asked=self.is_query(result), owner=value)

    def _known_from(self, value: Value, owner: Instance, method: FunctionNode) -> Known | None:
        """Return the rows that an object gives, such as a view; of a row those it asks for anew."""
        program = self.program
        given = given_back(method)
        if program.schema.table_of(owner.node) is None:
            is_known = not value.loop
        else:
            types = program.types
            # What may have been loaded with the row is another matter.
            is_known = all(asked_of(types, method, it.value, it.at) is None for it in given)
        return known_names(program, {method.name: given}).get(method.name) if is_known else None

    def _given_by(self, method: FunctionNode, names: dict[str, Value]) -> Value | None:
        """Return the value where the method does no more than name a relation of its object."""
        results = [item.value for item in method.facts.results if item.value is not None]
        if len(results) != 1 or not _only_gives(method) or self.depth >= MAX_DEPTH:
            return None
        steps: list[str] = []
        value = results[0]
        while not isinstance(value, t.Name):
            if isinstance(value, t.Attr):
                steps.append(value.name)
                value = value.base
            elif isinstance(value, t.CallRef):
                call = method.facts.calls[value.index]
                if call.arguments or call.keywords or not isinstance(call.callee, t.Attr):
                    return None
                steps.append("()")
                value = call.callee
            else:
                return None
        found = names.get(value.id)
        # What this costs has been noted with the method.
        quiet = Reading(self.program, runs_methods=False, depth=self.depth + 1)
        for step in reversed(steps):
            if found is None:
                return None
            found = quiet.called(found) if step == "()" else quiet.step(found, step)
        return None if found is None or isinstance(found.type, Unknown) else found

    def function(
        self, function: FunctionNode, names: dict[str, Value], *, may_give_more: bool = False
    ) -> None:
        """Note what running a function costs, whose parameters are values of the template.

        ``may_give_more``: it may be given others as well, that are not seen.
        """
        program = self.program
        call = None if may_give_more else call_with(function, names)
        for load in program.loads.of(function):
            value, site = names.get(load.root), load.site
            if value is None or (
                call is not None
                and is_left_off(program, [call, *load.through], site.context, site.sequence)
            ):
                continue
            cost = self._loaded(value, load)
            if cost is not None:
                self.costs.append(cost)
        is_off = call is not None and is_switched_off(program, call, program.query_reach)
        asked = None if is_off else self._asked_besides(function, names)
        if asked is not None:
            place, sure = asked
            self.costs.append(
                Cost(
                    next(iter(names.values()), NOT_KNOWN),
                    (),
                    None,
                    again=True,
                    steps=tuple(program.query_reach.trace_from(place)),
                    confidence=sure,
                    name=function.name,
                    refined=self._refined(function, names, place),
                )
            )

    def _refined(
        self, function: FunctionNode, names: dict[str, Value], place: Site | Edge
    ) -> tuple[str, ...]:
        """Return the relations to rows of which a place asks for some; none if it does not."""
        for load in self.program.once(refined_loads).of(function):
            if load.place is place and load.root in names:
                return (*names[load.root].path, *load.names)
        return ()

    def _asked_besides(
        self, function: FunctionNode, names: dict[str, Value]
    ) -> tuple[Site | Edge, Confidence] | None:
        """Return the place of a function that asks for more than its values, and how surely."""
        reached = self.program.query_reach
        step = reached.step(function)
        if step is None:
            return None
        nearest = step.place
        if not self._handed(nearest, names):
            return nearest, step.confidence
        for place in self.program.reading(function):
            if place is not nearest and not self._handed(place, names):
                return place, reached.sureness(place)
        return None

    def _handed(self, place: Site | Edge, names: dict[str, Value]) -> bool:
        """Return whether all that a place asks for is relations of values, noted as such."""
        return asks_handed_only(self.program, place) and all(
            load.root in names and self._loaded(names[load.root], load) is not None
            for load in loads_of_handed(self.program, place)
        )

    def _loaded(self, value: Value, load: Load) -> Cost | None:
        """Return the cost of a relation that a function loads of what it is given.

        None where it is not reached by relations alone, or leads back to the owner.
        """
        path = list(value.path)
        owner: Value | None = value
        node = table_class(value.type)
        for name in (*load.path, load.relation.name):
            relation = None if node is None else self.program.schema.relation(node, name)
            if relation is None:
                return None
            node = relation.target
            if owner is not None and owner.owner is not None and name == owner.inverse:
                owner = owner.owner
                path = list(owner.path)
            else:
                owner = None
                path.append(name)
        if owner is not None:
            return None
        return Cost(
            Value(NOT_KNOWN.type, value.known, value.path, value.loop),
            tuple(path),
            load.relation,
            again=load.relation.many,
            steps=tuple(load.steps),
            confidence=_confidence(load),
            name=load.relation.name,
            is_number=load.is_number,
        )

    def element(self, value: Value, loop: int) -> Value:
        """Return one item of a value, in the turns of a loop."""
        if value.items is not None:
            return Value(value.type, loop=loop, items=value.items)
        path = value.path
        owner = value.owner if value.relation is not None else None
        known = value.known
        asked_of = value.owner if value.asked and value.relation is None else None
        if asked_of is not None and known is asked_of.known:
            known = None
        return Value(
            members.element(self.program.types, value.type),
            known,
            path,
            loop,
            inverse=value.inverse if owner is not None else "",
            owner=owner,
        )


def _confidence(load: Load) -> Confidence:
    """Return how surely a function loads a relation: in a branch, only for some of the rows."""
    site = load.site
    places = [(edge.caller, edge.context, edge.sequence) for edge in load.through]
    places.append((site.function, site.context, site.sequence))
    levels = [site.confidence, *(edge.confidence for edge in load.through)]
    if any(standing(*place) is not Standing.ALWAYS for place in places) or is_late(site):
        levels.append(Confidence.MEDIUM)
    return weakest(*levels)


def _only_gives(method: FunctionNode) -> bool:
    """Return whether a function does nothing but give a value."""
    return not method.facts.binds and not method.facts.contexts


def is_joined(program: "Program", cost: Cost) -> bool:
    """Return whether the page that shows the rows has the relation of a cost loaded with them."""
    known = cost.owner.known
    if known is None:
        return False
    if any(joined[: len(cost.path)] == cost.path for joined in known.joined):
        return True
    if not known.joins_required:
        return False
    node = table_class(known.type)
    for name in cost.path:
        relation = None if node is None else program.schema.relation(node, name)
        table = None if node is None else program.schema.table_of(node)
        if relation is None or relation.reverse or relation.many:
            return False
        column = None if table is None else table.columns.get(relation.column or "")
        if column is not None and column.nullable:
            return False
        node = relation.target
    return True


def table_class(value: Type) -> ClassNode | None:
    """Return the class of rows, or of one of them; None where it is no class of the project."""
    for option in options_of(value):
        parts = option.arguments if isinstance(option, LibraryInstance) else (option,)
        for part in parts:
            if isinstance(part, Instance):
                return part.node
    return None
