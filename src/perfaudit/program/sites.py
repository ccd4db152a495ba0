"""Effect sites and call edges: what each function does itself, and what it runs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import calls, members
from perfaudit.program.expressions import argument, has_splat, spelled
from perfaudit.program.forwarding import OFF_THREAD, Forwards, Handed, made_by
from perfaudit.program.names import meanings
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode, accessor_of
from perfaudit.program.schema import Schema
from perfaudit.program.sql_text import sql_effects, text_of
from perfaudit.program.stepping import RETURNED, Stepped, callable_of, is_begun_later, is_lazy
from perfaudit.program.tables import Relation
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

WITH_KINDS = frozenset({"with", "async with"})
EVALUATORS = {
    "shows-argument": "show",
    "orders-argument": "order",
    "iterates-argument": "iterate",
    "len-argument": "len",
    "bool-argument": "bool",
    "next-argument": "next",
}
IN_MEMORY = frozenset({"io.BytesIO", "io.StringIO", "tempfile.SpooledTemporaryFile"})


class Site(Struct, frozen=True):
    """A place that costs something itself.

    ``kind``: call, iterate, len, bool, index, enter, exit, relation (an attribute that loads
    related rows). ``relation``: the relation whose rows it loads, if it may have been loaded with
    its object already. ``sql`` is the text it runs, with ``{}`` for holes, if known. ``receiver``
    is the object it is called on. ``call`` is the call, where it is one; ``value`` is the
    expression of the function whose evaluation costs.
    """

    function: FunctionNode
    kind: str
    name: str
    effects: tuple[str, ...]
    blocking: bool
    location: Location
    context: int
    sequence: int
    behaviour: Behaviour
    receiver: Type | None
    call: t.Call | None
    value: t.Expr
    sql: str | None
    confidence: Confidence
    relation: Relation | None = None


class Edge(Struct, frozen=True):
    """A place that runs a project function.

    ``how``: call, thread, process, loop, task, worker, later. ``each``: once per item of an
    iterable. ``via``: call, property, iterate, enter, exit, callback. ``call`` is the call, where
    it is one; ``value`` is the expression of the caller whose evaluation runs it. ``after``: when
    the response is sent. What runs only when an iterator is stepped has its place where that is
    done; ``later`` where nobody does it here.
    """

    caller: FunctionNode
    callee: FunctionNode
    how: str
    via: str
    each: bool
    location: Location
    context: int
    sequence: int
    call: t.Call | None
    value: t.Expr
    name: str
    confidence: Confidence
    after: bool = False

    @property
    def is_step(self) -> bool:
        """Return whether it steps an iterator that the call has made before."""
        return self.via == "call" and self.call is not None and self.sequence > self.call.sequence


class Activity(Struct, frozen=True):
    """All sites and edges of one function, in order of running."""

    sites: tuple[Site, ...]
    edges: tuple[Edge, ...]


def activity(
    types: "Types",
    schema: Schema,
    function: FunctionNode,
    property_names: frozenset[str],
    forwards: Forwards,
) -> Activity:
    """Return what the function does itself, and what it runs."""
    found = _Found(types, function, forwards)
    chained = property_names | schema.relation_names
    for index, call in enumerate(function.facts.calls):
        _from_call(found, index, call, chained)
    for number, context in enumerate(function.facts.contexts):
        _from_context(found, number, context)
    for read in function.facts.reads:
        _from_read(found, read, chained)
    _from_operators(found)
    for bind in function.facts.binds:
        _from_bind(found, bind, property_names)
    _move(found)
    found.edges = [placed for edge in found.edges for placed in _placed(found, edge)]
    found.sites = [with_relation(found, schema, site) for site in found.sites]
    found.sites.extend(relation_sites(found, schema))
    found.sites.sort(key=lambda site: site.sequence)
    found.edges.sort(key=lambda edge: edge.sequence)
    return Activity(tuple(found.sites), tuple(found.edges))


class _Found:
    """What has been found so far in one function."""

    def __init__(self, types: "Types", function: FunctionNode, forwards: Forwards) -> None:
        self.types = types
        self.function = function
        self.forwards = forwards
        self.moved: dict[int, set[str]] = {}
        """Calls of coroutines and generators whose body runs elsewhere, and where."""
        self.lazy: dict[int, int] = {}
        """Calls that give what works when it is stepped, such as map, by their sequence."""
        self.sites: list[Site] = []
        self.edges: list[Edge] = []
        self.chains: list[tuple[t.Attr, Instance, t.Call | t.Read]] = []
        """Attributes that are named as a property or relation, read from an object of a class."""


def _from_call(found: _Found, index: int, call: t.Call, property_names: frozenset[str]) -> None:
    types, function = found.types, found.function
    resolved = types.call(function, index)
    at = (call.sequence, call.context)
    for target in resolved.targets:
        if target.function is not None:
            if not found.forwards.is_passed(function, call.callee, at):
                how = found.forwards.how_run(target.function)
                _add_edge(found, call, index, target.function, how, "call", target.confidence)
                _add_given(found, call, index, target)
            continue
        behaviour = target.behaviour
        if behaviour is None:
            continue
        if is_lazy(behaviour):
            found.lazy[call.sequence] = index
        _add_call_site(found, call, index, target)
        for flag in behaviour.flags:
            if flag in EVALUATORS:
                _evaluate_arguments(found, call, behaviour, EVALUATORS[flag], flag)
            elif flag == "enters-argument":
                for event in ("enter", "exit"):
                    _evaluate_arguments(found, call, behaviour, event, flag)
    _add_handed(found, call, index)
    if function.is_async and isinstance(call.callee, t.Name) and not call.awaited:
        _add_wrapped(found, call, index, call.callee.id)
    if property_names:
        _properties_in(
            found, call.callee, call, call.context, call.sequence, property_names, skip_last=True
        )
    if "__getitem__" in types.classes.special_methods:
        _items_in(found, call)
    if call.awaited:
        _add_await(found, call, index, resolved.result)


def _add_edge(
    found: _Found,
    call: t.Call,
    index: int,
    callee: FunctionNode,
    how: str,
    via: str,
    confidence: Confidence,
    *,
    each: bool = False,
    after: bool = False,
) -> None:
    function = found.function
    found.edges.append(
        Edge(
            caller=function,
            callee=callee,
            how=how,
            via=via,
            each=each,
            location=function.place(call),
            context=call.context,
            sequence=call.sequence,
            call=call,
            value=t.CallRef(index),
            name=spelled(function, call.callee),
            confidence=confidence,
            after=after,
        )
    )


def _add_call_site(found: _Found, call: t.Call, index: int, target: calls.Target) -> None:
    behaviour = target.behaviour
    if behaviour is None or not behaviour.effects:
        return
    types, function = found.types, found.function
    effects = behaviour.effects
    sql = None
    at = (call.sequence, call.context)
    if behaviour.sql is not None:
        given = argument(call, behaviour.sql)
        if given is not None:
            sql = text_of(types, function, given, at)
            effects = _statement_effects(types, function, given, at, sql, effects)
    if "in-memory-quiet" in behaviour.flags and _is_in_memory(
        types, function, call, target.receiver
    ):
        return
    blocking = behaviour.blocking and not (
        "blocking-argument" in behaviour.flags and _declines_waiting(call)
    )
    if "sleeps-with-interval" in behaviour.flags and not _has_interval(call):
        effects = tuple(effect for effect in effects if effect != "sleep")
    if "flushes" in behaviour.flags and "db.write" not in effects and _adds_before(found, call):
        effects = (*effects, "db.write")
    if not effects:
        return
    found.sites.append(
        Site(
            function=function,
            kind="call",
            name=target.name,
            effects=effects,
            blocking=blocking,
            location=function.place(call),
            context=call.context,
            sequence=call.sequence,
            behaviour=behaviour,
            receiver=target.receiver,
            call=call,
            value=t.CallRef(index),
            sql=sql,
            confidence=target.confidence,
        )
    )


def _adds_before(found: _Found, call: t.Call) -> bool:
    """Return whether the function adds an object to the session before it flushes it."""
    for index, earlier in enumerate(found.function.facts.calls):
        if earlier.sequence >= call.sequence:
            return False
        for target in found.types.call(found.function, index).targets:
            if target.behaviour is not None and "adds-without-query" in target.behaviour.flags:
                return True
    return False


def _statement_effects(
    types: "Types",
    function: FunctionNode,
    given: t.Expr,
    at: tuple[int, int],
    sql: str | None,
    effects: tuple[str, ...],
) -> tuple[str, ...]:
    """Return the effects as the statement decides them: by its text, or its kind of object."""
    others = tuple(effect for effect in effects if effect not in ("db.query", "db.write"))
    if sql is not None:
        decided = sql_effects(sql)
        return effects if decided is None else others + decided
    for option in options_of(types.evaluate(function, given, at)):
        if isinstance(option, LibraryInstance) and option.path.rpartition(".")[2] in (
            "Insert",
            "Update",
            "Delete",
        ):
            return (*others, "db.write")
    return effects


def _is_in_memory(
    types: "Types", function: FunctionNode, call: t.Call, receiver: Type | None
) -> bool:
    at = (call.sequence, call.context)
    given = [types.evaluate(function, value, at) for value in call.arguments]
    given += [types.evaluate(function, value, at) for _, value in call.keywords]
    if receiver is not None:
        given.append(receiver)
        given.extend(getattr(receiver, "arguments", ()))
    return any(isinstance(value, LibraryInstance) and value.path in IN_MEMORY for value in given)


def _has_interval(call: t.Call) -> bool:
    given = argument(call, "0|interval")
    return has_splat(call) or not (given is None or isinstance(given, t.Const) and not given.value)


def _declines_waiting(call: t.Call) -> bool:
    given = argument(call, "0|blocking|block")
    return isinstance(given, t.Const) and given.value is False


def _add_handed(found: _Found, call: t.Call, index: int) -> None:
    """Add an edge for each callable that the call is given and runs, or has run elsewhere."""
    ways: dict[t.Expr, list[Handed]] = {}
    for handed in found.forwards.handed(found.function, index):
        if handed.kept is not None:
            _add_runs(found, call, index, handed.kept, [handed])
        elif handed.given.index < 0 and not handed.given.key:
            ways.setdefault(handed.given.value, []).append(handed)
    at = (call.sequence, call.context)
    for value, given in ways.items():
        for made in made_by(found.function, value, at):
            found.moved.setdefault(made, set()).update(way.how for way in given)
        if found.forwards.is_passed(found.function, value, at):
            continue
        _add_runs(found, call, index, found.types.evaluate(found.function, value, at), given)


def _add_runs(found: _Found, call: t.Call, index: int, value: Type, ways: list[Handed]) -> None:
    """Add an edge for each function that a callable may be, and each way in which it is run."""
    callees = [callable_of(found.types, option) for option in options_of(value)]
    chosen = list(dict.fromkeys(callee for callee in callees if callee is not None))
    confidence = Confidence.MEDIUM if len(chosen) > 1 else Confidence.HIGH
    for callee in chosen:
        for way in _fitting(ways, callee):
            _add_edge(
                found,
                call,
                index,
                callee,
                _how(found, callee, way),
                "callback",
                weakest(confidence, way.confidence),
                each=way.each,
                after=way.after,
            )


def _fitting(ways: list[Handed], callee: FunctionNode) -> list[Handed]:
    """Return the ways that are meant for a callable: coroutine functions are awaited, not threaded.

    Where others hand it to a thread, the one that calls it here may be for another case.
    """
    if callee.is_async:
        direct = [way for way in ways if way.how not in OFF_THREAD]
        return list(dict.fromkeys(direct or ways))
    plain = [way for way in ways if not way.awaited and way.how != "task"] or ways
    if any(way.how in OFF_THREAD for way in plain):
        plain = [
            way
            if way.how in OFF_THREAD
            else msgspec.structs.replace(way, confidence=Confidence.LOW)
            for way in plain
        ]
    return list(dict.fromkeys(plain))


def _how(found: _Found, callee: FunctionNode, way: Handed) -> str:
    if callee.is_async:
        return "task" if way.how == "thread" else way.how
    if way.how not in ("call", "loop"):
        return way.how
    how = found.forwards.how_run(callee)
    if how != "call":
        return how
    return "loop" if way.is_called_async and not found.function.is_async else way.how


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


def _move(found: _Found) -> None:
    """Say of calls whose body runs elsewhere where: of coroutines in tasks, generators in threads.

    Calling them runs nothing yet.
    """
    if not found.moved:
        return
    for number, edge in enumerate(found.edges):
        if edge.via != "call" or edge.how != "call" or not isinstance(edge.value, t.CallRef):
            continue
        hows = found.moved.get(edge.value.index, set())
        callee = edge.callee
        if callee.is_async:
            hows = hows & {"task"}
        else:
            hows = hows & OFF_THREAD if callee.facts.is_generator else set()
        if hows:
            found.edges[number] = msgspec.structs.replace(edge, how=min(hows))


def _add_wrapped(found: _Found, call: t.Call, index: int, name: str) -> None:
    """Add an edge for each plain function that a decorator's coroutine calls in its place."""
    decorator = found.function.parent
    if decorator is None or name not in decorator.params or name in found.function.params:
        return
    ways = [way for way in found.forwards.of(found.function) if way.slot.name == name]
    if any(way.how in OFF_THREAD for way in ways):
        # Plain functions are for the thread, and this call is for coroutine functions.
        return
    for callee in found.forwards.wrapped_by(found.function):
        _add_edge(found, call, index, callee, "call", "callback", Confidence.HIGH)


def _add_given(found: _Found, call: t.Call, index: int, target: calls.Target) -> None:
    """Add an edge for each generator that a coroutine returns and this function steps."""
    maker = target.function
    if maker is None or not maker.is_async or maker.facts.is_generator:
        return
    for callee in found.forwards.steps.given_by(maker):
        before = len(found.edges)
        _add_edge(found, call, index, callee, "call", "iterate", target.confidence)
        edge = msgspec.structs.replace(found.edges.pop(), call=None)
        ways = found.forwards.steps.of_call(found.function, index)
        found.edges[before:] = [edge] if ways is None else _stepped(found.function, edge, ways)


def _placed(found: _Found, edge: Edge) -> list[Edge]:
    """Return an edge, put where it runs if that is where an iterator is stepped."""
    index = _maker_of(found, edge)
    ways = None if index is None else found.forwards.steps.of_call(found.function, index)
    return [edge] if ways is None else _stepped(found.function, edge, ways)


def _maker_of(found: _Found, edge: Edge) -> int | None:
    """Return the call whose result must be stepped for an edge to run, or None for other edges."""
    if edge.how != "call" or edge.call is None:
        return None
    if edge.via == "call" and isinstance(edge.value, t.CallRef):
        return edge.value.index if is_begun_later(found.types, edge.callee) else None
    if edge.via == "iterate" and edge.callee.name == "__iter__":
        return found.lazy.get(edge.sequence) if edge.callee.facts.is_generator else None
    return found.lazy.get(edge.sequence) if edge.via in ("callback", "iterate") else None


def _stepped(function: FunctionNode, edge: Edge, ways: tuple[Stepped, ...]) -> list[Edge]:
    """Return an edge for each way in which what it needs is stepped.

    The callers of a plain function that returns an iterator are taken to step it at once.
    """
    here = [way for way in ways if way.how != RETURNED]
    if len(here) < len(ways) and not function.is_async:
        return [edge]
    if not here:
        return [msgspec.structs.replace(edge, how="later")]
    return [
        msgspec.structs.replace(edge, how=way.how)
        if way.location is None
        else msgspec.structs.replace(
            edge,
            how=way.how,
            location=way.location,
            context=_context_of(function, edge, way),
            sequence=way.sequence,
        )
        for way in here
    ]


def _context_of(function: FunctionNode, edge: Edge, way: Stepped) -> int:
    """Return the block in which an iterator runs.

    It runs once, however often a loop steps it that does not make it.
    """
    around = set(function.loops(way.context))
    return way.context if around <= set(function.loops(edge.context)) else edge.context


def _evaluate_arguments(
    found: _Found, call: t.Call, behaviour: Behaviour, event: str, flag: str
) -> None:
    skipped = {callback.argument for callback in behaviour.runs}
    given = [value for position, value in enumerate(call.arguments) if str(position) not in skipped]
    if event in RARE and RARE[event].isdisjoint(found.types.classes.special_methods):
        return
    if flag != "iterates-argument":
        given = given[:1]
    for value in given:
        owner = found.types.evaluate(found.function, value, (call.sequence, call.context))
        if event == "order":
            owner = Unknown("by key") if _is_keyed(call) else members.element(found.types, owner)
        place = found.function.place(call)
        _add_event(
            found,
            owner,
            event,
            place,
            call.context,
            call.sequence,
            call,
            value,
            is_async=behaviour.awaitable,
        )


def _is_keyed(call: t.Call) -> bool:
    """Return whether a call orders its items by what a key gives, or compares its arguments."""
    return len(call.arguments) > 1 or any(name == "key" for name, _ in call.keywords)


def _add_event(
    found: _Found,
    owner: Type,
    event: str,
    location: Location,
    context: int,
    sequence: int,
    call: t.Call | None,
    value: t.Expr,
    *,
    is_async: bool = False,
) -> None:
    """Add what evaluating an object costs: the site of a library type, or an edge to a method."""
    types, function = found.types, found.function
    name = spelled(function, value)
    for option in options_of(owner):
        if isinstance(option, Instance):
            for method in _protocol_methods(types, option, event, is_async=is_async):
                found.edges.append(
                    Edge(
                        caller=function,
                        callee=method,
                        how="call",
                        via=event,
                        each=False,
                        location=location,
                        context=context,
                        sequence=sequence,
                        call=call,
                        value=value,
                        name=name,
                        confidence=Confidence.HIGH,
                    )
                )
            paths = types.classes.library_bases(option.node)
        elif isinstance(option, LibraryInstance):
            paths = [option.path]
        else:
            continue
        for path in paths:
            behaviour = types.libraries.on(path, event)
            if behaviour is not None and behaviour.effects:
                found.sites.append(
                    Site(
                        function=function,
                        kind=event,
                        name=name,
                        effects=behaviour.effects,
                        blocking=behaviour.blocking,
                        location=location,
                        context=context,
                        sequence=sequence,
                        behaviour=behaviour,
                        receiver=option,
                        call=call,
                        value=value,
                        sql=None,
                        confidence=Confidence.HIGH,
                    )
                )
                break


def _protocol_methods(
    types: "Types", owner: Instance, event: str, *, is_async: bool
) -> list[FunctionNode]:
    """Return the methods of the project that an event runs on an object."""
    names = PROTOCOLS.get(event, ())
    ordered = sorted(names, key=lambda name: name.startswith("__a") != is_async)
    named = (types.classes.method(owner.node, name) for name in ordered)
    first = next((method for method in named if method is not None), None)
    if first is None:
        return []
    if event != "iterate" or first.facts.is_generator or first.name == "__getitem__":
        return [first]
    following = "__anext__" if first.name == "__aiter__" else "__next__"
    found = [first]
    for option in options_of(members.returned_by(types, owner, first)):
        if isinstance(option, Instance):
            method = types.classes.method(option.node, following)
            if method is not None:
                found.append(method)
    return found


PROTOCOLS = {
    "iterate": ("__iter__", "__aiter__", "__getitem__"),
    "next": ("__next__", "__anext__"),
    "len": ("__len__",),
    "bool": ("__bool__", "__len__"),
    "index": ("__getitem__",),
    "show": ("__str__", "__repr__"),
    "order": ("__lt__", "__gt__"),
    "enter": ("__aenter__", "__enter__"),
    "exit": ("__aexit__", "__exit__"),
}


RARE = {event: frozenset(PROTOCOLS[event]) for event in ("show", "order")}
"""Events of the many calls that mean nothing where no class of the project has these methods."""


def _add_await(found: _Found, call: t.Call, index: int, result: Type) -> None:
    """Add what awaiting an object costs that only waits when awaited, such as a lazy query set."""
    for option in options_of(result):
        if not isinstance(option, LibraryInstance):
            continue
        behaviour = found.types.libraries.method(option.path, "__await__")
        if behaviour is not None and behaviour.effects:
            found.sites.append(
                Site(
                    function=found.function,
                    kind="call",
                    name=option.path,
                    effects=behaviour.effects,
                    blocking=False,
                    location=found.function.place(call),
                    context=call.context,
                    sequence=call.sequence,
                    behaviour=behaviour,
                    receiver=option,
                    call=call,
                    value=t.CallRef(index),
                    sql=None,
                    confidence=Confidence.HIGH,
                )
            )


def _from_context(found: _Found, number: int, context: t.Context) -> None:
    function = found.function
    subject = context.subject
    if subject is None:
        return
    if context.kind in LOOP_KINDS and context.kind != "while":
        owner = found.types.evaluate(function, subject, (context.sequence, context.parent))
        quiet_thread = context.kind.startswith("async")
        before = len(found.sites)
        place = _subject_place(function, subject, context)
        _add_event(
            found,
            owner,
            "iterate",
            place,
            context.parent,
            context.sequence,
            None,
            subject,
            is_async=quiet_thread,
        )
        if quiet_thread:
            found.sites[before:] = [
                msgspec.structs.replace(site, blocking=False) for site in found.sites[before:]
            ]
    elif context.kind in WITH_KINDS:
        owner = found.types.evaluate(function, subject, (context.sequence, context.parent))
        place = _subject_place(function, subject, context)
        for event in ("enter", "exit"):
            _add_event(
                found,
                owner,
                event,
                place,
                context.parent,
                context.sequence,
                None,
                subject,
                is_async=context.kind == "async with",
            )
    elif context.kind in ("if", "while") and isinstance(
        subject, t.Name | t.Attr | t.CallRef | t.Not
    ):
        inner = subject.value if isinstance(subject, t.Not) else subject
        if isinstance(inner, t.Name | t.Attr | t.CallRef):
            inside = number if context.kind == "while" else context.parent
            owner = found.types.evaluate(function, inner, (context.sequence, inside))
            place = _subject_place(function, inner, context)
            _add_event(found, owner, "bool", place, inside, context.sequence, None, inner)


def _subject_place(function: FunctionNode, subject: t.Expr, context: t.Context) -> Location:
    """Return the place of a loop's or with's subject: its call if it is one, else the statement."""
    inner = subject.value if isinstance(subject, t.Await) else subject
    if isinstance(inner, t.CallRef):
        return function.place(function.facts.calls[inner.index])
    return function.line(context.line)


def _from_read(found: _Found, read: t.Read, property_names: frozenset[str]) -> None:
    value = read.value
    while isinstance(value, t.Attr | t.Item):
        if isinstance(value, t.Item) and not isinstance(value.key, t.Slice):
            _index(found, read, value)
        value = value.base
    if property_names:
        _properties_in(
            found, read.value, read, read.context, read.sequence, property_names, skip_last=False
        )


def _index(found: _Found, read: t.Read, value: t.Item) -> None:
    """Add what asking an object for one of its items costs."""
    place = found.function.place(read)
    owner = found.types.evaluate(found.function, value.base, (read.sequence, read.context))
    if isinstance(owner, LibraryInstance) and owner.path.startswith("builtins."):
        return
    if isinstance(owner, LibraryInstance | Instance):
        _add_event(found, owner, "index", place, read.context, read.sequence, None, value)


def _properties_in(
    found: _Found,
    value: t.Expr,
    place: t.Call | t.Read,
    context: int,
    sequence: int,
    property_names: frozenset[str],
    *,
    skip_last: bool,
) -> None:
    """Add an edge for each project property that a chain of attributes reads."""
    types, function = found.types, found.function
    if skip_last and isinstance(value, t.Attr):
        value = value.base
    while isinstance(value, t.Attr | t.Item):
        if isinstance(value, t.Attr) and value.name in property_names:
            for option in options_of(types.evaluate(function, value.base, (sequence, context))):
                if not isinstance(option, Instance):
                    continue
                found.chains.append((value, option, place))
                method = _getter(types, option, value.name)
                if method is not None:
                    found.edges.append(
                        Edge(
                            caller=function,
                            callee=method,
                            how="call",
                            via="property",
                            each=False,
                            location=function.place(place),
                            context=context,
                            sequence=sequence,
                            call=None,
                            value=value,
                            name=spelled(function, value),
                            confidence=Confidence.HIGH,
                        )
                    )
        value = value.base


def _getter(types: "Types", owner: Instance, name: str) -> FunctionNode | None:
    """Return the function that runs when an attribute is read, or None."""
    method = types.classes.method(owner.node, name)
    if method is not None:
        return method if calls.method_kind(types, method) == "property" else None
    accessor = members.accessor(types, owner.node, name, "__get__")
    return None if accessor is None else accessor[0]


def _from_bind(found: _Found, bind: t.Bind, property_names: frozenset[str]) -> None:
    """Add what setting an attribute or an item runs: a setter, or ``__setitem__``."""
    target = bind.target
    if isinstance(target, t.Attr):
        if target.name in property_names:
            _set_attribute(found, bind, target)
    elif isinstance(target, t.Item) and "__setitem__" in found.types.classes.special_methods:
        _run_special(found, target.base, "__setitem__", bind, target)


def _items_in(found: _Found, call: t.Call) -> None:
    """Add an edge for each item of a project object on the way to what is called."""
    value = call.callee
    while isinstance(value, t.Attr | t.Item):
        if isinstance(value, t.Item) and not isinstance(value.key, t.Slice):
            _run_special(found, value.base, "__getitem__", call, value)
        value = value.base


def _set_attribute(found: _Found, bind: t.Bind, target: t.Attr) -> None:
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
            _add_place_edge(found, method, "property", bind, target)


def _run_special(
    found: _Found,
    value: t.Expr,
    name: str,
    place: t.Bind | t.Return | t.Context | t.Call,
    at: t.Expr,
) -> None:
    """Add an edge to a special method of the class of a value, where it has one."""
    types = found.types
    point = (place.sequence, place.parent if isinstance(place, t.Context) else place.context)
    for option in options_of(types.evaluate(found.function, value, point)):
        if isinstance(option, Instance):
            method = types.classes.method(option.node, name)
            if method is not None:
                _add_place_edge(found, method, "operator", place, at)


def _add_place_edge(
    found: _Found,
    callee: FunctionNode,
    via: str,
    place: t.Bind | t.Return | t.Context | t.Call,
    value: t.Expr,
) -> None:
    function = found.function
    context = place.parent if isinstance(place, t.Context) else place.context
    location = function.place(place) if isinstance(place, t.Call) else function.line(place.line)
    found.edges.append(
        Edge(
            caller=function,
            callee=callee,
            how="call",
            via=via,
            each=False,
            location=location,
            context=context,
            sequence=place.sequence,
            call=None,
            value=value,
            name=spelled(function, value),
            confidence=Confidence.HIGH,
        )
    )


OPERATIONS = {
    **members.OPERATORS,
    "In": "__contains__",
    "NotIn": "__contains__",
    "Eq": "__eq__",
    "NotEq": "__eq__",
    "Lt": "__lt__",
    "LtE": "__le__",
    "Gt": "__gt__",
    "GtE": "__ge__",
}
"""The special methods that operators run, by the names of ast."""


_PLAIN = frozenset({t.Name, t.CallRef, t.Const, t.Text, t.Lambda, t.Mapping, t.Comp, t.Element})
"""Kinds of expressions without operators of their own."""


def _from_operators(found: _Found) -> None:
    """Add an edge for each operator that a class of the project defines."""
    defined = found.types.classes.special_methods
    names = {operator: name for operator, name in OPERATIONS.items() if name in defined}
    if "__iadd__" in defined:
        names.setdefault("Add", "__iadd__")
    shows = "__str__" in defined
    if not names and not shows:
        return
    facts = found.function.facts
    seen: set[tuple[str, t.Expr, int]] = set()
    for place, value in _valued(facts):
        if isinstance(value, t.Text) and shows:
            _show_parts(found, place, value)
        while isinstance(value, t.Attr):
            value = value.base
        if type(value) in _PLAIN:
            continue
        for part in _own_parts(value):
            if isinstance(part, t.Binary | t.Compare) and part.operator in names:
                _run_operator(found, place, part, names[part.operator], seen)


def _show_parts(
    found: _Found, place: t.Bind | t.Return | t.Context | t.Call, value: t.Text
) -> None:
    """Add an edge for each object of the project that a text shows."""
    for part in value.parts:
        if not isinstance(part, str | t.Const):
            _run_special(found, part, "__str__", place, part)


def _run_operator(
    found: _Found,
    place: t.Bind | t.Return | t.Context | t.Call,
    part: t.Binary | t.Compare,
    name: str,
    seen: set[tuple[str, t.Expr, int]],
) -> None:
    key = (name, part, place.line)
    if key in seen:
        return
    seen.add(key)
    if isinstance(place, t.Bind) and place.kind == "augmented" and isinstance(part, t.Binary):
        before = len(found.edges)
        _run_special(found, part.left, f"__i{name[2:]}", place, part)
        if len(found.edges) > before:
            return
    _run_special(found, part.right if name == "__contains__" else part.left, name, place, part)


def _valued(
    facts: t.Function,
) -> Iterator[tuple[t.Bind | t.Return | t.Context | t.Call, t.Expr]]:
    """Yield the expressions of a function, each with the place where it is worked out."""
    for bind in facts.binds:
        if bind.value is not None:
            yield bind, bind.value
    for result in facts.results:
        if result.value is not None:
            yield result, result.value
    for context in facts.contexts:
        if context.subject is not None and context.kind != "else":
            yield context, context.subject
    for call in facts.calls:
        yield call, call.callee
        for given in call.arguments:
            yield call, given
        for _, given in call.keywords:
            yield call, given


def _own_parts(value: t.Expr) -> Iterator[t.Expr]:
    """Yield an expression and its parts, but not those of its calls, which stand for themselves."""
    stack = [value]
    while stack:
        part = stack.pop()
        yield part
        match part:
            case t.Binary(left=left, right=right) | t.Compare(left=left, right=right):
                stack += (left, right)
            case t.Either(options=options) | t.Seq(items=options):
                stack += options
            case (
                t.Attr(base=inner) | t.Item(base=inner) | t.Not(value=inner) | t.Await(value=inner)
            ):
                stack.append(inner)


def relation_sites(found: _Found, schema: Schema) -> list[Site]:
    """Return the reads of attributes that load related rows by being read."""
    sites = []
    seen = set()
    for value, owner, place in found.chains:
        relation = schema.relation(owner.node, value.name)
        if relation is None or relation.lazy not in ("lazy", "dynamic") or relation.target is None:
            continue
        if relation.many and _is_manager(found.types, relation.value):
            continue
        key = (place.sequence, value)
        if key in seen:
            continue
        seen.add(key)
        function = found.function
        name = f"{owner.node.name}.{value.name}"
        sites.append(
            Site(
                function=function,
                kind="relation",
                name=name,
                effects=("db.query",),
                blocking=False,
                location=function.place(place),
                context=place.context,
                sequence=place.sequence,
                behaviour=Behaviour(path=name),
                receiver=owner,
                call=None,
                value=value,
                sql=None,
                confidence=Confidence.HIGH,
                relation=relation,
            )
        )
    return sites


def _is_manager(types: "Types", value: Type | None) -> bool:
    """Return whether reading the relation costs nothing, and only what is asked of it does."""
    if isinstance(value, Instance):
        bases = types.classes.library_bases(value.node)
        return any(not path.startswith(("builtins.", "typing.", "abc.")) for path in bases)
    return isinstance(value, LibraryInstance) and not value.path.startswith("builtins.")


def with_relation(found: _Found, schema: Schema, site: Site) -> Site:
    """Return the site, marked with its relation where a prefetch would have loaded its rows."""
    if not schema.relation_names or "db.query" not in site.effects:
        return site
    value = site.value
    if site.kind == "call":
        if "keeps-prefetch" not in site.behaviour.flags or site.call is None:
            return site
        value = site.call.callee.base if isinstance(site.call.callee, t.Attr) else value
    relation = asked_relation(
        found.types, schema, found.function, value, (site.sequence, site.context)
    )
    return site if relation is None else msgspec.structs.replace(site, relation=relation)


def asked_relation(
    types: "Types", schema: Schema, function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Relation | None:
    """Return the relation that ``row.relation.all()`` asks for.

    None where a prefetch would not serve it.
    """
    while isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        kept = any(
            target.behaviour is not None and "keeps-prefetch" in target.behaviour.flags
            for target in types.call(function, value.index).targets
        )
        if not kept or not isinstance(call.callee, t.Attr):
            return None
        value = call.callee.base
    if isinstance(value, t.Item):
        return asked_relation(types, schema, function, value.base, at)
    if not isinstance(value, t.Attr) or value.name not in schema.relation_names:
        return None
    for option in options_of(types.evaluate(function, value.base, at)):
        if isinstance(option, Instance):
            relation = schema.relation(option.node, value.name)
            if relation is not None and relation.many:
                return relation
    return None


def property_names_of(types: "Types", functions: list[FunctionNode]) -> frozenset[str]:
    """Return the names of all project properties."""
    return frozenset(
        function.name
        for function in functions
        if function.owner is not None
        and function.facts.decorators
        and (accessor_of(function) or calls.method_kind(types, function) == "property")
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
