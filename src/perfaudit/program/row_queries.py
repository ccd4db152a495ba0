"""Where rows come from: an expression is followed back to the queries that give it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.actions import is_for_others
from perfaudit.program.asking_places import only_gives_kept, place_of
from perfaudit.program.attributes import getters_of
from perfaudit.program.class_values import class_value
from perfaudit.program.eager_options import OPTION, flags_of, named_by, takes_back
from perfaudit.program.edge_values import given_for
from perfaudit.program.exclusions import exclude_each_other
from perfaudit.program.expressions import outcomes
from perfaudit.program.language_calls import SUPER, is_super, made_above
from perfaudit.program.managers import (
    first_manager,
    has_unread_manager,
    managers_of,
    source_of_rows,
)
from perfaudit.program.names import AT_END, Definition, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class
from perfaudit.program.own_loads import own_loads
from perfaudit.program.row_costs import row_class
from perfaudit.program.row_entities import begun, given_objects, leads_back
from perfaudit.program.row_loaders import has_loaded
from perfaudit.program.row_makers import loaded_when_made
from perfaudit.program.row_parts import parts_under
from perfaudit.program.row_spots import Doing, Spot, Way
from perfaudit.program.row_stores import Stored, added_to, parts_at, stored_before
from perfaudit.program.row_types import (
    can_load_more,
    is_around_rows,
    is_in_memory,
    is_page,
    is_query,
    relation_at,
)
from perfaudit.program.rows import (
    COMBINED,
    NOT_KNOWN,
    VIA_RELATION,
    Around,
    Path,
    Rows,
    joined,
    made_of,
)
from perfaudit.program.shown_rows import ROW_OF_VIEW
from perfaudit.program.sites import LOCKS_ROWS
from perfaudit.program.sizes import passes_items
from perfaudit.program.tables import Relation
from perfaudit.program.unmentioned import is_never_loaded
from perfaudit.program.values import (
    ClassType,
    External,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    Unknown,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 80
MAX_LOOKS = 3000
MAX_CALLERS = 24
PASSED_ON = frozenset({"chain", "filter", "islice", "tqdm"})
"""Other callables that give some of the items that they are given."""
COMBINES_ROWS = "combines-rows"
KEEPS_PREFETCH = "keeps-prefetch"
LOADS_NAMED = "loads-named"
NO_LATER_LOADS = "no-later-loads"
NO_ROWS = "gives-no-rows"
OF_VIEW = frozenset({ROW_OF_VIEW, "gives-rows-of-view"})
NONE = t.Const(None, "NoneType")
At = tuple[int, int]


def rows_of(
    program: "Program",
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    owner: ClassNode | None = None,
    doing: Doing | None = None,
) -> Rows | None:
    """Return where the rows of an iterable come from, or None where some way is not known.

    ``owner``: the class of the object whose method the function is run as, where that is known;
    ``doing``: what that object, a view, is there for now.
    """
    return program.once(_rows_at, Spot(function, at, owner=owner, doing=doing), value)


def rows_of_class(program: "Program", model: ClassNode, place: Location) -> Rows:
    """Return the rows of a class that a place names, and that its first manager gives."""
    search = _Search(program)
    found = first_manager(program.types, model)
    managers = () if found is None else options_of(found[1])
    given = [search.of_manager(one) for one in managers if isinstance(one, Instance)]
    return made_of([Rows((place,)), search.start(model), *given]) or Rows(all_eager=True)


def rows_at(program: "Program", spot: Spot, value: t.Expr) -> Rows | None:
    """Return the same at a point of a function that one known call has entered."""
    return program.once(_rows_at, spot, value)


def _rows_at(program: "Program", spot: Spot, value: t.Expr) -> Rows | None:
    found = _Search(program).rows(spot, value, MAX_STEPS)
    return None if found is EMPTY or found is None else _as_made(program, found)


def is_brought_on_the_way(program: "Program", row: ClassNode, path: Path) -> bool:
    """Return whether the rows of a relation on the way of a path may bring what it leads to.

    The manager of their class loads it with them, however they are asked for.
    """
    return any(
        program.once(_manager_brings, relation.target, path[length:])
        for length in range(1, len(path))
        if (relation := relation_at(program, row, path[:length])) is not None
        and relation.many
        and relation.target is not None
    )


def _manager_brings(program: "Program", node: ClassNode, path: Path) -> bool:
    search = _Search(program)
    return any(
        search.of_manager(manager).brings(path) is not False
        for manager in managers_of(program.types, node)
    )


def _as_made(program: "Program", rows: Rows) -> Rows:
    """Return rows with what is loaded whenever one of them is made, whatever the query loads."""
    read = [program.once(loaded_when_made, node) for node in rows.of]
    shared = frozenset.intersection(*read) if read else frozenset()
    return replace(rows, known=rows.known | shared) if shared else rows


class _Search:
    """One search; functions under way are not entered again."""

    def __init__(self, program: "Program") -> None:
        self.program = program
        self.types = program.types
        self.looks = 0
        self.entered: set[tuple[FunctionNode, str, Way | None]] = set()
        self.bound: dict[tuple[Spot, t.Expr], Rows | None] = {}

    def rows(self, spot: Spot, value: t.Expr, steps: int) -> Rows | None:
        self.looks += 1
        if steps <= 0 or self.looks > MAX_LOOKS:
            return None
        steps -= 1
        match value:
            case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
                return self.rows(spot, inner, steps)
            case t.Element(iterable=inner):
                return self.rows(spot, inner, steps)
            case t.Item():
                return self.item(spot, value, steps)
            case t.Either():
                chosen = outcomes(value)
                known = [option for option in chosen if option != NONE]
                return joined(_up_to_unknown(self.rows(spot, option, steps) for option in known))
            case t.Comp(element=element, context=context):
                return self.rows(spot.moved((AT_END[0], context)), element, steps)
            case t.Seq(items=items) if items and all(isinstance(item, t.Star) for item in items):
                return joined(_up_to_unknown(self.rows(spot, item, steps) for item in items))
            case t.Binary(operator="Add" | "BitOr", left=left, right=right):
                return _of_ways(self.rows(spot, part, steps) for part in (left, right))
            case t.Name(id=name):
                return self.with_loaders(spot, value, self.named(spot, name, steps))
            case t.CallRef(index=index):
                return self.called(spot, index, steps)
            case t.Attr():
                return self.with_loaders(spot, value, self.attribute(spot, value, steps))
        return None

    def with_loaders(self, spot: Spot, value: t.Expr, rows: Rows | None) -> Rows | None:
        """Return rows with what a call before has loaded for all of them."""
        if rows is None or not has_loaded(self.program, spot.function, value, spot.at):
            return rows
        return made_of([rows, Rows(all_eager=True)])

    def item(self, spot: Spot, value: t.Item, steps: int) -> Rows | None:
        """Return the rows at a place of a tuple where that is written out; else of the whole."""
        parts = parts_at(self.types, spot.function, value, spot.at)
        if parts:
            return joined(
                _up_to_unknown(
                    self.rows(spot.of(each.function, each.at), each.value, steps) for each in parts
                )
            )
        if isinstance(value.key, t.Const) and isinstance(value.key.value, str | int):
            below = parts_under(self.types, spot, value.base, value.key.value)
            if below:
                return _of_ways(self.rows(inside, part, steps) for inside, part in below)
        return self.rows(spot, value.base, steps)

    def named(self, spot: Spot, name: str, steps: int) -> Rows | None:
        found = meanings(spot.function, name, spot.at)
        return _of_ways(
            self.meant(spot, scope, definition, steps)
            for scope, definition in found
            if not (isinstance(definition, t.Bind) and _is_nothing(spot, scope, definition))
        )

    def meant(
        self, spot: Spot, scope: FunctionNode, definition: Definition, steps: int
    ) -> Rows | None:
        """Return the rows that one meaning of a name gives."""
        if isinstance(definition, t.Bind):
            return self.of_bind(spot, scope, definition, steps)
        if isinstance(definition, t.Param):
            at = spot.at if scope is spot.function else AT_END
            return self.passed(spot.of(scope, at), definition, steps)
        return None

    def of_bind(self, spot: Spot, scope: FunctionNode, bind: t.Bind, steps: int) -> Rows | None:
        """Return the rows that a name is bound to, and those that are put into it later."""
        if bind.value is None:
            return None
        at = (bind.sequence, bind.context)
        if bind.kind == "for":
            at = (bind.sequence, scope.facts.contexts[bind.context].parent)
        inside = spot.of(scope, at)
        key = (inside, bind.value)
        if key not in self.bound:
            # A name that is made from itself in a loop adds nothing to what it was before.
            self.bound[key] = EMPTY
            added = added_to(scope, bind)
            if added is None:
                self.bound[key] = self.rows(inside, bind.value, steps)
            else:
                self.bound[key] = self.of_stored(inside, added, steps) if added else EMPTY
        return self.bound[key]

    def of_stored(self, spot: Spot, stored: list[Stored], steps: int) -> Rows | None:
        return _of_ways(
            self.rows(spot.of(each.function, each.at), each.value, steps) for each in stored
        )

    def passed(self, spot: Spot, param: t.Param, steps: int) -> Rows | None:
        """Return the rows that the callers pass for a parameter, if all callers are known."""
        function, way = spot.function, spot.way
        if way is not None and way.callee is function:
            given = expressions.argument_for(way.call, function, param.name)
            return None if given is None else self.rows(way.caller, given, steps)
        key = (function, param.name, None)
        if key in self.entered:
            return None
        self.entered.add(key)
        answers: list[Rows | None] = []
        edges = self.program.edges_to(function)
        for edge in edges if len(edges) <= MAX_CALLERS else ():
            given = given_for(edge, param.name)
            if given is None:
                answers.append(None)
                break
            call = edge.call or edge
            at = (call.sequence, call.context)
            answers.append(self.rows(Spot(edge.caller, at), given, steps))
            if answers[-1] is None:
                break
        self.entered.discard(key)
        return _of_ways(answers)

    def called(self, spot: Spot, index: int, steps: int) -> Rows | None:
        function = spot.function
        call = function.facts.calls[index]
        here = spot.moved((call.sequence, call.context))
        if call.callee == SUPER:
            return self.of_super(here, steps)
        resolved = self.types.call(function, index)
        if isinstance(resolved.callee, ClassType):
            if is_around_rows(self.types, resolved.result):
                own = [target.function for target in resolved.targets if target.function]
                made = made_above(own[0], call) if len(own) == 1 else None if own else call
                return None if made is None else self.queried(here, made, index, steps)
            if is_query(self.types, resolved.result):
                return own_loads(self.program, resolved.result)
            if self.program.schema.table_of(resolved.callee.node) is not None:
                return EMPTY
        callees = [target.function for target in resolved.targets if target.function is not None]
        owner = self.owner_of_call(here, call)
        own_method = None if owner is None else self.method_of(owner, call)
        if own_method is not None:
            callees = [own_method]
        if callees:
            ways = (
                self.asked_at(
                    self.returned(callee, Way(callee, call, here), steps, owner),
                    callee,
                    resolved.result,
                    function.place(call),
                )
                for callee in callees
            )
            return joined(_up_to_unknown(ways))
        name = call.callee.id if isinstance(call.callee, t.Name) else ""
        if call.arguments and (name in PASSED_ON or passes_items(self.types, function, index)):
            given = call.arguments[-1 if name == "filter" else 0]
            return self.rows(here, given, steps)
        if not any(target.behaviour is not None for target in resolved.targets):
            return None
        of_view = self.of_view(here, call, flags_of(self.program, function, index), steps)
        if of_view is not None:
            return of_view
        if isinstance(call.callee, t.Attr):
            if is_in_memory(self.types.evaluate(function, call.callee.base, here.at)):
                return self.rows(here, call.callee.base, steps)
        return self.queried(here, call, index, steps)

    def asked_at(
        self, rows: Rows | None, callee: FunctionNode, given: Type, place: Location | None
    ) -> Rows | None:
        """Return rows of a function, which are best loaded with more where it is asked for them.

        If it makes several queries, or one for several others, and gives what can be added to. Not
        what it keeps: a query that is made of that has answers of its own.
        """
        if rows is None or rows.query is None or not callee.holds(rows.query) or place is None:
            return rows
        callers = self.program.edges_to(callee)
        is_shared = len(callers) > 1 or len(callee.facts.results) > 1
        if rows.made or not is_shared or not can_load_more(self.types, given):
            return rows
        if only_gives_kept(callee):
            return rows
        return replace(rows, written=(place,), declared=(*rows.declared, *rows.written))

    def owner_of_call(self, spot: Spot, call: t.Call) -> ClassNode | None:
        """Return the class of the object that a method is run of, where it calls its own."""
        function = spot.function
        if spot.owner is None or function.owner is None or not isinstance(call.callee, t.Attr):
            return None
        if function.owner not in self.types.classes.project_order(spot.owner):
            return None
        base, params = call.callee.base, function.facts.params
        is_own = bool(params) and base == t.Name(params[0].name) and base.id not in function.binds
        return spot.owner if is_own or is_super(function, base) else None

    def method_of(self, owner: ClassNode, call: t.Call) -> FunctionNode | None:
        """Return the method of an object's own class that it calls by its first parameter."""
        if not isinstance(call.callee, t.Attr) or not isinstance(call.callee.base, t.Name):
            return None
        return self.types.classes.method(owner, call.callee.name)

    def of_view(self, spot: Spot, call: t.Call, flags: frozenset[str], steps: int) -> Rows | None:
        """Return the rows of the view that a method of its library gives them of."""
        view = enclosing_class(spot.function)
        if view is None or flags.isdisjoint(OF_VIEW):
            return None
        names = [name for words in self.types.libraries.answers for name in words.rows]
        words = [view.words for view in self.types.libraries.templates.views.values()]
        names += [name for word in words for name in (word.rows, word.queryset)]
        for name in dict.fromkeys(names):
            method = self.types.classes.method(view, name) if ROW_OF_VIEW in flags else None
            if method is not None:
                return self.returned(method, None, steps)
            given = class_value(self.types, view, name)
            if given is not None:
                return self.rows(Spot(given.function, given.at), given.value, steps)
        return None

    def is_super_of_query(self, function: FunctionNode, value: t.Expr) -> bool:
        """Return whether a value is the base of a query or manager, in a method of it."""
        owner = function.owner
        return (
            owner is not None
            and is_super(function, value)
            and is_query(self.types, Instance(owner))
        )

    def of_super(self, spot: Spot, steps: int) -> Rows | None:
        """Return the rows that a query's or manager's own method begins with."""
        function = spot.function
        owner = function.owner
        if owner is None or not function.facts.params:
            return None
        if source_of_rows(self.types, owner) is function:
            return Rows()
        return self.named(spot, function.facts.params[0].name, steps)

    def queried(self, spot: Spot, call: t.Call, index: int, steps: int) -> Rows | None:
        """Return the rows of a library call: a query link, a statement given, or the start."""
        function, at = spot.function, spot.at
        types = self.types
        result = types.call(function, index).result
        flags = flags_of(self.program, function, index)
        if NO_ROWS in flags:
            return EMPTY
        before: list[Rows | None] = []
        if isinstance(call.callee, t.Attr):
            base = call.callee.base
            is_super = self.is_super_of_query(function, base)
            if is_super or is_query(types, types.evaluate(function, base, at)):
                asked = None if KEEPS_PREFETCH in flags else self.asked(spot, base)
                known = asked or self.rows(spot, base, steps)
                if known is None and KEEPS_PREFETCH in flags:
                    known = self.never_loaded(spot, base)
                before.append(known)
            elif any("db.query" in effect for effect in self.effects(function, index)):
                before.extend(self.of_class(types.evaluate(function, base, at)))
        for given in call.arguments[:1]:
            if is_query(types, types.evaluate(function, given, at)):
                before.append(self.rows(spot, given, steps))
            elif any("db.query" in effect for effect in self.effects(function, index)):
                before.extend(self.of_class(types.evaluate(function, given, at)))
        if None in before or not (before or is_query(types, result)):
            return None
        row = row_class(self.program, result)
        if OPTION in flags:
            said = named_by(
                self.program,
                function,
                call,
                flags,
                lambda query, where: self.rows(spot.moved(where), query, steps),
            )
            before.append(said if row is None else self.with_managers(said, row))
        start = begun(self.program, spot, call, row, names=LOADS_NAMED in flags)
        if COMBINES_ROWS in flags:
            start = replace(start, steps=start.steps | {COMBINED})
        if LOCKS_ROWS in flags:
            start = replace(start, locked=True)
        if OPTION in flags:
            start = replace(start, loading=(function.line(call.end_line),))
        if self.only_writes(function, index):
            start = replace(start, made=True)
            if row is not None:
                objects = frozenset(given_objects(self.program, function, call, row))
                start = replace(start, known=start.known | objects)
        if NO_LATER_LOADS in flags:
            start = replace(start, settled=self.program.schema.relation_names)
        found = made_of([start, own_loads(self.program, result), *before])
        if found is not None and OPTION in flags and takes_back(call):
            return _without(found, flags)
        return found

    def with_managers(self, rows: Rows, row: ClassNode) -> Rows:
        """Return what is loaded, with what the managers of the classes on the way load below."""
        found = dict(rows.loaded)
        for path in rows.loaded:
            relation = relation_at(self.program, row, path)
            if relation is None or relation.target is None or not relation.many:
                continue
            if has_unread_manager(self.types, relation.target):
                found[*path, NOT_KNOWN] = False
            for manager in managers_of(self.types, relation.target):
                more = self.of_manager(manager).exact
                if more is None:
                    found[*path, NOT_KNOWN] = False
                else:
                    found.update({(*path, *below): apart for below, apart in more.items()})
        return replace(rows, loaded=found)

    def effects(self, function: FunctionNode, index: int) -> list[tuple[str, ...]]:
        targets = self.types.call(function, index).targets
        return [target.behaviour.effects for target in targets if target.behaviour is not None]

    def only_writes(self, function: FunctionNode, index: int) -> bool:
        """Return whether a call gives rows that it has written, and looks for none."""
        effects = {effect for each in self.effects(function, index) for effect in each}
        return "db.write" in effects and "db.query" not in effects

    def asked(self, spot: Spot, value: t.Expr) -> Rows | None:
        """Return the rows of a relation that is queried anew, whatever was loaded with its row."""
        function = spot.function
        while isinstance(value, t.CallRef):
            callee = function.facts.calls[value.index].callee
            if KEEPS_PREFETCH not in flags_of(self.program, function, value.index) or (
                not isinstance(callee, t.Attr)
            ):
                return None
            value = callee.base
        relation = self.relation_to_many(spot, value)
        return None if relation is None else self.related(relation, Rows())

    def never_loaded(self, spot: Spot, value: t.Expr) -> Rows | None:
        """Return the rows of a relation that no query loads, wherever its row may come from."""
        relation = self.relation_to_many(spot, value)
        if relation is None or not is_never_loaded(self.program, relation):
            return None
        return self.related(relation, Rows())

    def relation_to_many(self, spot: Spot, value: t.Expr) -> Relation | None:
        """Return the relation that an expression reads of an object, if it leads to many rows."""
        if not isinstance(value, t.Attr) or value.name not in self.program.schema.relation_names:
            return None
        owner = self.types.evaluate(spot.function, value.base, spot.at)
        for option in options_of(owner):
            if isinstance(option, Instance):
                relation = self.program.schema.relation(option.node, value.name)
                if relation is not None and relation.many:
                    return relation
        return None

    def of_class(self, given: Type) -> list[Rows | None]:
        """Return the rows of a table class that a call is given to ask for one of them."""
        return [
            self.managed(option.node)
            for option in options_of(given)
            if isinstance(option, ClassType) and self.program.schema.table_of(option.node)
        ]

    def managed(self, model: ClassNode) -> Rows | None:
        """Return the rows that the managers of a class give, whichever of them is asked."""
        found = [self.of_manager(manager) for manager in managers_of(self.types, model)]
        return joined([self.start(model), *found])

    def start(self, model: ClassNode | None) -> Rows:
        """Return all rows of a class, before its own managers are asked."""
        if model is None:
            return Rows()
        return Rows(all_eager=has_unread_manager(self.types, model), of=frozenset({model}))

    def of_manager(self, manager: Instance) -> Rows:
        """Return all rows of a manager of the project; where it is not clear, they may be any."""
        method = source_of_rows(self.types, manager.node)
        if method is None:
            return own_loads(self.program, manager)
        return self.returned(method, None, MAX_STEPS) or Rows(all_eager=True)

    def shared(self, callee: FunctionNode, rows: Rows | None) -> Rows | None:
        """Return what a function gives; a method of a query or manager serves all that call it."""
        owner = callee.owner
        if rows is None or rows is EMPTY or owner is None:
            return rows
        if not is_query(self.types, Instance(owner)):
            return rows
        own = [place for place in rows.written if callee.holds(place)]
        others = tuple(place for place in rows.written if place not in own)
        return replace(rows, written=others, declared=(*rows.declared, *own))

    def returned(
        self,
        callee: FunctionNode,
        way: Way | None,
        steps: int,
        owner: ClassNode | None = None,
    ) -> Rows | None:
        """Return the rows a project function returns, with those of the query it is called on."""
        key = (callee, "", way)
        if key in self.entered:
            return None
        self.entered.add(key)
        answer = _of_ways(
            self.rows(Spot(callee, (item.sequence, item.context), way, owner), item.value, steps)
            for item in callee.facts.results
            if item.value is not None and not isinstance(item.value, t.Const)
        )
        self.entered.discard(key)
        return self.shared(callee, answer)

    def attribute(self, spot: Spot, value: t.Attr, steps: int) -> Rows | None:
        """Return the rows of ``row.relation`` or the start of a query such as ``Book.objects``."""
        program, function, base, name = self.program, spot.function, value.base, value.name
        own = stored_before(function, value, spot.at)
        if own:
            return self.of_stored(spot, own, steps)
        owner = self.types.evaluate(function, base, spot.at)
        found = self.types.evaluate(function, value, spot.at)
        if spot.way is not None:
            # What other callers give says nothing about the call that is known.
            owner, found = _of_known(owner), _of_known(found)
        if is_page(self.types, owner, found):
            return self.rows(spot, base, steps)
        for option in options_of(owner):
            if isinstance(option, Instance):
                relation = program.schema.relation(option.node, name)
                if relation is None:
                    return self.of_object(spot, option, value, steps)
                parent = self.rows(spot, base, steps)
                if parent is None or parent is EMPTY:
                    return parent
                return self.related(relation, parent)
            if isinstance(option, LibraryInstance | External | LibrarySymbol | Unknown):
                return None
        if not is_query(self.types, found):
            return None
        managers = [option for option in options_of(found) if isinstance(option, Instance)]
        row = row_class(program, found)
        return made_of([self.start(row), *(self.of_manager(manager) for manager in managers)])

    def related(self, relation: Relation, parent: Rows) -> Rows:
        """Return the rows that a relation of another row leads to.

        They know their parent; what else was loaded with them is in the parent's query.
        """
        loaded: dict[Path, bool] = {
            path[1:]: apart
            for path, apart in parent.loaded.items()
            if path[1:] and path[0] == relation.name
        }
        found = Rows(
            declared=(relation.location,),
            steps=frozenset({VIA_RELATION}),
            loaded=loaded,
            named=parent.named,
            all_eager=parent.all_eager,
            known=frozenset(leads_back(self.program, relation, parent.of)),
            of=frozenset() if relation.target is None else frozenset({relation.target}),
            agreed=parent.agreed,
            settled=parent.settled,
            around=self.around(relation, parent),
        )
        if not relation.many or relation.target is None:
            return found
        managers = managers_of(self.types, relation.target)
        more = [self.of_manager(manager) for manager in managers]
        return made_of([found, self.start(relation.target), *more]) or found

    def around(self, relation: Relation, parent: Rows) -> Around | None:
        """Return the query of the rows that a relation leads from."""
        if parent.around is not None and not parent.written:
            begun = parent.around
            return replace(begun, path=(*begun.path, relation.name))
        rows = [
            node
            for node in parent.of
            if self.program.schema.relation(node, relation.name) == relation
        ]
        query = parent.query
        # Queries of several files are those of several callers.
        is_one = len({place.path for place in parent.written}) == 1
        if len(rows) != 1 or query is None or parent.made or not is_one:
            return None
        return Around(query, rows[0], (relation.name,))

    def of_object(self, spot: Spot, owner: Instance, value: t.Attr, steps: int) -> Rows | None:
        """Return the rows of an attribute that is no relation: by a property, or kept in it."""
        getters = getters_of(self.types, owner.node, value.name)
        if not getters:
            return self.held(spot, owner, value.name, steps)
        read = t.Call(value, (), (), spot.at[1], spot.at[0], 0, 0, 0, 0, False, False)
        given = self.types.evaluate(spot.function, value, spot.at)
        place = place_of(spot.function, value, spot.at)
        ways = (
            self.asked_at(self.returned(one, Way(one, read, spot), steps), one, given, place)
            for one in getters
        )
        return joined(_up_to_unknown(ways))

    def held(self, spot: Spot, owner: Instance, name: str, steps: int) -> Rows | None:
        """Return the rows that an object keeps in an attribute, if only its class sets it."""
        if self.types.given(owner, name) is not None:
            return None
        answers = []
        for node in self.types.classes.project_order(owner.node):
            places = [(node.body, bind) for bind in node.body.binds.get(name, ())]
            for function, bind in (*node.stores.get(name, ()), *places):
                if bind.value is not None and bind.value != NONE:
                    kept = self.of_bind(spot, function, bind, steps)
                    if function is not spot.function and bind.target is not None:
                        # What made the object has run to its end by then.
                        kept = self.with_loaders(Spot(function, AT_END), bind.target, kept)
                    answers.append(kept)
        return _of_ways(answers)


EMPTY = Rows()
"""What adds nothing to the rows of other ways: an empty container, an object that is just made."""


def _is_aside(spot: Spot, scope: FunctionNode, bind: t.Bind) -> bool:
    """Return whether a name is not bound there on the way to a point of its function."""
    return scope is spot.function and (
        exclude_each_other(scope, bind.context, spot.at[1])
        or is_for_others(scope, (bind.sequence, bind.context), spot.doing)
    )


def _is_nothing(spot: Spot, scope: FunctionNode, bind: t.Bind) -> bool:
    """Return whether a name is bound to nothing, or not on the way to a point of its function."""
    return bind.value is not None and (bind.value == NONE or _is_aside(spot, scope, bind))


def _up_to_unknown(ways: Iterable[Rows | None]) -> list[Rows | None]:
    """Return the rows of ways, up to one that is not known: then those of all are not known."""
    found: list[Rows | None] = []
    for rows in ways:
        found.append(rows)
        if rows is None:
            break
    return found


def _of_ways(ways: Iterable[Rows | None]) -> Rows | None:
    """Return the rows of several ways together, but for those that add nothing to the others."""
    answers = _up_to_unknown(ways)
    filled = [answer for answer in answers if answer is not EMPTY]
    return EMPTY if answers and not filled else joined(filled)


def _of_known(found: Type) -> Type:
    """Return what the project and the library files describe of a type; all where nothing is."""
    known = [one for one in options_of(found) if not isinstance(one, External | Unknown)]
    return union(known or [found])


def _without(rows: Rows, flags: frozenset[str]) -> Rows:
    """Return rows without what calls of the same kind have said to load."""
    kept = {path: own for path, own in rows.loaded.items() if own != ("loads-apart" in flags)}
    return replace(rows, loaded=kept)
