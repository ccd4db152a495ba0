"""Where the rows of a loop come from, and which relations were loaded with them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import expressions, members
from perfaudit.program.calls import Resolved
from perfaudit.program.eager_queries import is_in, loaded_by
from perfaudit.program.managers import gives_own_rows, manager_may_load
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sizes import passes_items
from perfaudit.program.values import (
    ClassType,
    External,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 80
IN_MEMORY = (
    "builtins.",
    "collections.",
    "itertools.",
    "functools.",
    "queue.",
    "asyncio.",
    "contextlib.",
)
"""Where the containers come from that hold what the program has put into them."""
MAX_CALLERS = 6
PASSED_ON = frozenset({"chain", "filter", "islice", "tqdm"})
"""Other callables that give some of the items that they are given."""


VIEWS = frozenset({"values", "items", "copy"})
"""Methods that give what a container in memory holds."""
VIA_RELATION = ".relation"
GROWING = frozenset({"append", "extend", "insert", "add", "update"})
"""Methods that put more into a container in memory."""


class Rows(Struct, frozen=True):
    """The queries that rows come from.

    ``eager``: names of relations loaded on at least one way; ``all_eager``: a query may load any
    relation. ``loaded``: the paths of the relations that are loaded on at least one way, where that
    is known exactly. ``places``: where the queries are written. ``steps``: the names of
    the calls that they are made of, ``=name`` for each of their keywords, and ``VIA_RELATION``
    where rows are those of another row.
    """

    eager: frozenset[str]
    all_eager: bool
    places: tuple[Location, ...]
    steps: frozenset[str] = frozenset()
    loaded: frozenset[tuple[str, ...]] | None = None

    def covers(self, path: Sequence[str]) -> bool:
        """Return whether the relations between a row and what is read may have been loaded with it.

        ``path`` are the names from the row to the relation that is read, that one included.
        """
        if self.loaded is not None:
            return is_in(tuple(path), self.loaded) is not False
        return self.all_eager or not self.eager.isdisjoint(path)


NOTHING_MORE = Rows(frozenset(), False, ())


def rows_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Rows | None:
    """Return where the rows of an iterable come from, or None where some way is not known."""
    rows = _Search(program).rows(function, value, at, MAX_STEPS)
    # Rows that another row leads to know it, without any query that loads it.
    if rows is None or not (rows.eager or rows.all_eager) or VIA_RELATION in rows.steps:
        return rows
    loaded = loaded_by(program, function, value, at)
    return rows if loaded is None else msgspec.structs.replace(rows, loaded=frozenset(loaded))


class _Search:
    """One search; functions under way are not entered again."""

    def __init__(self, program: "Program") -> None:
        self.program = program
        self.entered: set[tuple[FunctionNode, str]] = set()
        self.bound: dict[tuple[FunctionNode, int, t.Call | None], Rows | None] = {}
        self.calls: dict[FunctionNode, tuple[FunctionNode, t.Call]] = {}
        """The call by which a function under way is run here: it says what parameters are."""

    def rows(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> Rows | None:
        if steps <= 0:
            return None
        match value:
            case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
                return self.rows(function, inner, at, steps - 1)
            case t.Element(iterable=inner):
                return self.rows(function, inner, at, steps - 1)
            case t.Item(base=base):
                return self.rows(function, base, at, steps - 1)
            case t.Either(kind=kind, options=options):
                chosen = options[-1:] if kind == "and" else options
                return joined([self.rows(function, option, at, steps - 1) for option in chosen])
            case t.Comp(element=t.Name(id=name), context=context):
                return self.named(function, name, (AT_END[0], context), steps - 1)
            case t.Name(id=name):
                return self.named(function, name, at, steps - 1)
            case t.CallRef(index=index):
                return self.called(function, index, steps - 1)
            case t.Attr(base=base, name=name):
                return self.attribute(function, base, name, at, steps - 1)
        return None

    def named(
        self, function: FunctionNode, name: str, at: tuple[int, int], steps: int
    ) -> Rows | None:
        found = meanings(function, name, at)
        answers: list[Rows | None] = []
        for scope, definition in found:
            if isinstance(definition, t.Bind) and definition.value is not None:
                inner = (definition.sequence, definition.context)
                if definition.kind == "for":
                    inner = (definition.sequence, scope.facts.contexts[definition.context].parent)
                if isinstance(definition.value, t.Const) and definition.value.kind == "NoneType":
                    continue
                if isinstance(definition.value, t.Seq) and not definition.value.items:
                    continue
                called = self.calls.get(scope)
                key = (scope, definition.sequence, None if called is None else called[1])
                if key not in self.bound:
                    # A name that is made from itself in a loop adds nothing to what it was before.
                    self.bound[key] = NOTHING_MORE
                    self.bound[key] = self.rows(scope, definition.value, inner, steps)
                answers.append(self.bound[key])
            elif isinstance(definition, t.Param):
                answers.append(self.passed(scope, definition, steps))
            else:
                return None
        return joined(answers)

    def passed(self, function: FunctionNode, param: t.Param, steps: int) -> Rows | None:
        """Return the rows that the callers pass for a parameter, if all callers are known."""
        called = self.calls.get(function)
        if called is not None:
            caller, call = called
            given = expressions.argument_for(call, function, param.name)
            if given is not None:
                return self.rows(caller, given, (call.sequence, call.context), steps)
        key = (function, param.name)
        if key in self.entered:
            return None
        self.entered.add(key)
        edges = [
            edge
            for edge in self.program.edges_to(function)
            if edge.call is not None and edge.via == "call"
        ]
        if (
            not edges
            or len(edges) > MAX_CALLERS
            or len(edges) < len(self.program.edges_to(function))
        ):
            return None
        answers = []
        for edge in edges:
            given = (
                expressions.argument_for(edge.call, function, param.name)
                if edge.call is not None
                else None
            )
            if given is None or edge.call is None:
                return None
            answers.append(
                self.rows(edge.caller, given, (edge.call.sequence, edge.call.context), steps)
            )
        return joined(answers)

    def called(self, function: FunctionNode, index: int, steps: int) -> Rows | None:
        call = function.facts.calls[index]
        at = (call.sequence, call.context)
        resolved = self.program.types.call(function, index)
        callees = [target.function for target in resolved.targets if target.function is not None]
        if callees:
            return joined([self.returned(callee, function, call, steps) for callee in callees])
        name = call.callee.id if isinstance(call.callee, t.Name) else ""
        passes_on = name in PASSED_ON or passes_items(self.program.types, function, index)
        if passes_on and call.arguments:
            return self.rows(
                function, call.arguments[-1] if name == "filter" else call.arguments[0], at, steps
            )
        if not any(target.behaviour is not None for target in resolved.targets):
            return None
        return self.queried(function, call, index, steps)

    def queried(self, function: FunctionNode, call: t.Call, index: int, steps: int) -> Rows | None:
        """Return the rows of a library call: a query link, a statement given, or the start."""
        at = (call.sequence, call.context)
        types = self.program.types
        resolved = types.call(function, index)
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in VIEWS:
            if _is_in_memory(types.evaluate(function, callee.base, at)):
                kept = self.rows(function, callee.base, at, steps)
                return kept or self.stored(function, callee.base, steps)
        name = callee.name if isinstance(callee, t.Attr) else ""
        by = {f"={key}" for key, _ in call.keywords}
        here = Rows(frozenset(), False, (function.place(call),), frozenset({name, *by}))
        for target in types.call(function, index).targets:
            if target.behaviour is not None and "query-option" in target.behaviour.flags:
                is_any = "loads-any" in target.behaviour.flags
                names = None if is_any else self.option_names(function, call, at)
                here = Rows(names or frozenset(), names is None, here.places, here.steps)
        before: list[Rows | None] = []
        if isinstance(call.callee, t.Attr):
            base = types.evaluate(function, call.callee.base, at)
            if _is_query(base):
                before.append(self.rows(function, call.callee.base, at, steps))
        for given in call.arguments[:1]:
            if _is_query(types.evaluate(function, given, at)):
                before.append(self.rows(function, given, at, steps))
            before.extend(self.of_class(resolved, types.evaluate(function, given, at)))
        if None in before:
            return None
        if not before and not _is_query(types.call(function, index).result):
            return None
        return joined([here, *before])

    def of_class(self, resolved: Resolved, given: Type) -> list[Rows | None]:
        """Return the rows of a table class that a call is given to ask for one of them."""
        if not any(
            target.behaviour is not None and "db.query" in target.behaviour.effects
            for target in resolved.targets
        ):
            return []
        found: list[Rows | None] = []
        for option in options_of(given):
            if isinstance(option, ClassType) and self.program.schema.table_of(option.node):
                manager = members.member(self.program.types, option, "objects")
                found.append(Rows(frozenset(), gives_own_rows(self.program.types, manager), ()))
        return found

    def stored(self, function: FunctionNode, value: t.Expr, steps: int) -> Rows | None:
        """Return the rows that a function puts under keys of a local dictionary, if no others."""
        if not isinstance(value, t.Name) or any(
            call.callee in (t.Attr(value, "setdefault"), t.Attr(value, "update"))
            for call in function.facts.calls
        ):
            return None
        return joined(
            [
                self.rows(function, bind.value, (bind.sequence, bind.context), steps)
                for bind in function.facts.binds
                if isinstance(bind.target, t.Item)
                and bind.target.base == value
                and bind.value is not None
            ]
        )

    def option_names(
        self, function: FunctionNode, call: t.Call, at: tuple[int, int]
    ) -> frozenset[str] | None:
        """Return the relation names in an option call, or None where it may name any."""
        if not call.arguments and not call.keywords:
            return None
        found: set[str] = set()
        for given in (*call.arguments, *(value for _, value in call.keywords)):
            names = self.names_in(function, given, at, 6)
            if names is None:
                return None
            found |= names
        return frozenset(found)

    def names_in(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> set[str] | None:
        found: set[str] = set()
        for part in expressions.parts(function, value):
            if isinstance(part, t.Const) and isinstance(part.value, str):
                if part.value == "*":
                    return None
                found.update(step for piece in part.value.split(".") for step in piece.split("__"))
            elif isinstance(part, t.Attr):
                found.add(part.name)
            elif isinstance(part, t.Name):
                names = self.names_held(function, part.id, at, steps)
                if names is None:
                    return None
                found |= names
            elif isinstance(part, t.Opaque | t.Text) or self.is_made_elsewhere(function, part):
                return None
        return found

    def is_made_elsewhere(self, function: FunctionNode, part: t.Expr) -> bool:
        """Return whether a function of the project, or a name that is worked out, gives a part."""
        if not isinstance(part, t.CallRef):
            return False
        if function.facts.calls[part.index].callee == t.Name("getattr"):
            return True
        targets = self.program.types.call(function, part.index).targets
        return any(target.function is not None for target in targets)

    def names_held(
        self, function: FunctionNode, name: str, at: tuple[int, int], steps: int
    ) -> set[str] | None:
        found: set[str] = set()
        for scope, definition in meanings(function, name, at):
            if isinstance(definition, t.Param):
                return None
            if isinstance(definition, t.Bind):
                if definition.value is None or steps == 0 or _grows(scope, name):
                    return None
                names = self.names_in(
                    scope, definition.value, (definition.sequence, definition.context), steps - 1
                )
                if names is None:
                    return None
                found |= names
        return found

    def returned(
        self, callee: FunctionNode, function: FunctionNode, call: t.Call, steps: int
    ) -> Rows | None:
        """Return the rows a project function returns, with those of the query it is called on."""
        key = (callee, "")
        if key in self.entered:
            return None
        self.entered.add(key)
        self.calls[callee] = (function, call)
        answers: list[Rows | None] = []
        for item in callee.facts.results:
            if item.value is None or isinstance(item.value, t.Const):
                continue
            answers.append(self.rows(callee, item.value, (item.sequence, item.context), steps))
        self.entered.discard(key)
        del self.calls[callee]
        return joined(answers)

    def attribute(
        self, function: FunctionNode, base: t.Expr, name: str, at: tuple[int, int], steps: int
    ) -> Rows | None:
        """Return the rows of ``row.relation`` or the start of a query such as ``Book.objects``."""
        program = self.program
        own = _stored_before(function, t.Attr(base, name), at)
        if own:
            return joined(
                [
                    self.rows(function, bind.value, (bind.sequence, bind.context), steps)
                    for bind in own
                    if bind.value is not None
                ]
            )
        owner = program.types.evaluate(function, base, at)
        if _is_page(owner, program.types.evaluate(function, t.Attr(base, name), at)):
            return self.rows(function, base, at, steps)
        for option in options_of(owner):
            if isinstance(option, Instance):
                relation = program.schema.relation(option.node, name)
                if relation is None:
                    return self.held(option, name, steps)
                # Rows reached through a relation know their parent; what else was loaded with them
                # is in the parent's query.
                parent = self.rows(function, base, at, steps)
                eager = frozenset({relation.inverse}) if relation.inverse else frozenset()
                if parent is None:
                    return None
                eager |= parent.eager
                steps_taken = frozenset({VIA_RELATION})
                may_load = parent.all_eager or (
                    relation.many
                    and relation.target is not None
                    and manager_may_load(program.types, relation.target)
                )
                return Rows(eager, may_load, (relation.location,), steps_taken)
            if isinstance(option, LibraryInstance | External | LibrarySymbol | Unknown):
                return None
        value = program.types.evaluate(function, t.Attr(base, name), at)
        if not _is_query(value):
            return None
        return Rows(frozenset(), gives_own_rows(program.types, value), ())

    def held(self, owner: Instance, name: str, steps: int) -> Rows | None:
        """Return the rows that an object keeps in an attribute, if only its class sets it."""
        if self.program.types.given(owner, name) is not None:
            return None
        answers = []
        for node in self.program.types.classes.project_order(owner.node):
            places = [(node.body, bind) for bind in node.body.binds.get(name, ())]
            for function, bind in (*node.stores.get(name, ()), *places):
                if bind.value is None or bind.value == t.Const(None, "NoneType"):
                    continue
                key = (function, bind.sequence, None)
                if key not in self.bound:
                    self.bound[key] = NOTHING_MORE
                    at = (bind.sequence, bind.context)
                    self.bound[key] = self.rows(function, bind.value, at, steps)
                answers.append(self.bound[key])
        return joined(answers)


def _grows(scope: FunctionNode, name: str) -> bool:
    """Return whether something is added to a list after it is made."""
    return any(
        isinstance(call.callee, t.Attr)
        and call.callee.base == t.Name(name)
        and call.callee.name in GROWING
        for call in scope.facts.calls
    )


def _stored_before(function: FunctionNode, target: t.Attr, at: tuple[int, int]) -> list[t.Bind]:
    """Return what a function itself has surely put into an attribute before a point, or may have.

    None of it where it may as well have left there what was there before.
    """
    found = [
        bind
        for bind in function.facts.binds
        if bind.target == target and bind.value is not None and bind.sequence < at[0]
    ]
    sure = [index for index, bind in enumerate(found) if bind.context == -1]
    return found[sure[-1] :] if sure else []


def _is_in_memory(value: object) -> bool:
    """Return whether a value is surely a container that the program itself fills."""
    options = options_of(value)  # type: ignore[arg-type]
    return bool(options) and all(
        isinstance(option, LibraryInstance) and option.path.startswith(IN_MEMORY)
        for option in options
    )


def _is_query(value: object) -> bool:
    """Return whether a value is a library's query, result or rows, or a class made from one."""
    for option in options_of(value):  # type: ignore[arg-type]
        if (
            isinstance(option, LibraryInstance)
            and option.arguments
            and not option.path.startswith(IN_MEMORY)
        ):
            return True
        if isinstance(option, Instance) and option.arguments:
            return True
        if isinstance(option, LibraryInstance) and option.path in (
            "builtins.list",
            "builtins.iterator",
        ):
            return any(isinstance(part, Instance) for part in option.arguments)
    return False


def _is_page(owner: Type, held: Type) -> bool:
    """Return whether an attribute is the list of rows that a library's page of a query holds."""
    owners = options_of(owner)
    return (
        bool(owners)
        and all(isinstance(option, LibraryInstance) for option in owners)
        and _is_query(owner)
        and _is_query(held)
    )


def joined(answers: Sequence[Rows | None]) -> Rows | None:
    """Return the rows of several ways together, or None where one of them, or all, is not known."""
    if not answers or any(answer is None for answer in answers):
        return None
    known = [answer for answer in answers if answer is not None]
    return Rows(
        frozenset().union(*(answer.eager for answer in known)),
        any(answer.all_eager for answer in known),
        tuple(dict.fromkeys(place for answer in known for place in answer.places)),
        frozenset().union(*(answer.steps for answer in known)),
        _loaded_together(known),
    )


def _loaded_together(known: Sequence[Rows]) -> frozenset[tuple[str, ...]] | None:
    """Return the paths that are loaded on some way, or None where that is not known exactly."""
    if all(rows.loaded is None for rows in known):
        return None
    if any(rows.loaded is None and (rows.eager or rows.all_eager) for rows in known):
        return None
    return frozenset().union(*(rows.loaded or () for rows in known))
