"""Effect sites and call edges: what each function does itself, and what it runs."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour, Callback
from perfaudit.program import calls
from perfaudit.program.expressions import argument, spelled
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode
from perfaudit.program.schema import Schema
from perfaudit.program.sql_text import sql_effects, text_of
from perfaudit.program.tables import Relation
from perfaudit.program.values import (
    ClassType,
    FunctionType,
    Instance,
    LibraryInstance,
    Partial,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

WITH_KINDS = frozenset({"with", "async with"})
EVALUATORS = {"iterates-argument": "iterate", "len-argument": "len", "bool-argument": "bool"}
IN_MEMORY = frozenset({"io.BytesIO", "io.StringIO"})


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
    it is one; ``value`` is the expression of the caller whose evaluation runs it.
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


class Activity(Struct, frozen=True):
    """All sites and edges of one function, in order of running."""

    sites: tuple[Site, ...]
    edges: tuple[Edge, ...]


def activity(
    types: "Types", schema: Schema, function: FunctionNode, property_names: frozenset[str]
) -> Activity:
    """Return what the function does itself, and what it runs."""
    found = _Found(types, function)
    chained = property_names | schema.relation_names
    for index, call in enumerate(function.facts.calls):
        _from_call(found, index, call, chained)
    for number, context in enumerate(function.facts.contexts):
        _from_context(found, number, context)
    for read in function.facts.reads:
        _from_read(found, read, chained)
    found.sites = [with_relation(found, schema, site) for site in found.sites]
    found.sites.extend(relation_sites(found, schema))
    found.sites.sort(key=lambda site: site.sequence)
    found.edges.sort(key=lambda edge: edge.sequence)
    return Activity(tuple(found.sites), tuple(found.edges))


class _Found:
    """What has been found so far in one function."""

    def __init__(self, types: "Types", function: FunctionNode) -> None:
        self.types = types
        self.function = function
        self.sites: list[Site] = []
        self.edges: list[Edge] = []
        self.chains: list[tuple[t.Attr, Instance, t.Call | t.Read]] = []
        """Attributes that are named as a property or relation, read from an object of a class."""


def _from_call(found: _Found, index: int, call: t.Call, property_names: frozenset[str]) -> None:
    types, function = found.types, found.function
    resolved = types.call(function, index)
    for target in resolved.targets:
        if target.function is not None:
            _add_edge(found, call, index, target.function, "call", "call", target.confidence)
            continue
        behaviour = target.behaviour
        if behaviour is None:
            continue
        _add_call_site(found, call, index, target)
        for callback in behaviour.runs:
            _add_callback(found, call, index, callback)
        for flag in behaviour.flags:
            if flag in EVALUATORS:
                _evaluate_arguments(found, call, behaviour, EVALUATORS[flag], flag)
    if property_names:
        _properties_in(
            found, call.callee, call, call.context, call.sequence, property_names, skip_last=True
        )
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


def _declines_waiting(call: t.Call) -> bool:
    given = argument(call, "0|blocking|block")
    return isinstance(given, t.Const) and given.value is False


def _add_callback(found: _Found, call: t.Call, index: int, callback: Callback) -> None:
    types, function = found.types, found.function
    given = argument(call, callback.argument)
    if given is None or callback.where == "never":
        return
    how = "call" if callback.where == "inline" else callback.where
    for option in options_of(types.evaluate(function, given, (call.sequence, call.context))):
        callee = _callable_of(types, option)
        if callee is not None:
            _add_edge(
                found, call, index, callee, how, "callback", Confidence.HIGH, each=callback.each
            )


def _callable_of(types: "Types", value: Type) -> FunctionNode | None:
    """Return the project function that calling a value runs."""
    match value:
        case FunctionType(node=node):
            return node
        case Partial(target=target):
            return _callable_of(types, target)
        case ClassType(node=node):
            return types.classes.method(node, "__init__")
        case Instance(node=node):
            return types.classes.method(node, "__call__")
    return None


def _evaluate_arguments(
    found: _Found, call: t.Call, behaviour: Behaviour, event: str, flag: str
) -> None:
    skipped = {callback.argument for callback in behaviour.runs}
    given = [value for position, value in enumerate(call.arguments) if str(position) not in skipped]
    if flag != "iterates-argument":
        given = given[:1]
    for value in given:
        owner = found.types.evaluate(found.function, value, (call.sequence, call.context))
        place = found.function.place(call)
        _add_event(found, owner, event, place, call.context, call.sequence, call, value)


def _add_event(
    found: _Found,
    owner: Type,
    event: str,
    location: Location,
    context: int,
    sequence: int,
    call: t.Call | None,
    value: t.Expr,
) -> None:
    """Add what evaluating an object costs: the site of a library type, or an edge to a method."""
    types, function = found.types, found.function
    name = spelled(function, value)
    for option in options_of(owner):
        if isinstance(option, Instance):
            for method_name in PROTOCOLS.get(event, ()):
                method = types.classes.method(option.node, method_name)
                if method is not None:
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
                    break
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


PROTOCOLS = {
    "iterate": ("__iter__", "__aiter__"),
    "len": ("__len__",),
    "bool": ("__bool__", "__len__"),
    "index": ("__getitem__",),
    "enter": ("__aenter__", "__enter__"),
    "exit": ("__aexit__", "__exit__"),
}


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
        _add_event(found, owner, "iterate", place, context.parent, context.sequence, None, subject)
        if quiet_thread:
            found.sites[before:] = [
                msgspec.structs.replace(site, blocking=False) for site in found.sites[before:]
            ]
    elif context.kind in WITH_KINDS:
        owner = found.types.evaluate(function, subject, (context.sequence, context.parent))
        place = _subject_place(function, subject, context)
        _add_event(found, owner, "enter", place, context.parent, context.sequence, None, subject)
        _add_event(found, owner, "exit", place, context.parent, context.sequence, None, subject)
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
    function = found.function
    value = read.value
    if isinstance(value, t.Item) and not isinstance(value.key, t.Slice):
        owner = found.types.evaluate(function, value.base, (read.sequence, read.context))
        if isinstance(owner, LibraryInstance | Instance) and not (
            isinstance(owner, LibraryInstance) and owner.path.startswith("builtins.")
        ):
            _add_event(
                found,
                owner,
                "index",
                function.place(read),
                read.context,
                read.sequence,
                None,
                value,
            )
    if property_names:
        _properties_in(
            found, value, read, read.context, read.sequence, property_names, skip_last=False
        )


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
                method = types.classes.method(option.node, value.name)
                if method is not None and calls.method_kind(types, method) == "property":
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


def relation_sites(found: _Found, schema: Schema) -> list[Site]:
    """Return the reads of attributes that load related rows by being read."""
    sites = []
    seen = set()
    for value, owner, place in found.chains:
        relation = schema.relation(owner.node, value.name)
        if relation is None or relation.lazy not in ("lazy", "dynamic") or relation.target is None:
            continue
        if relation.many and _is_manager(relation.value):
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


def _is_manager(value: Type | None) -> bool:
    """Return whether reading the relation costs nothing, and only what is asked of it does."""
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
        and calls.method_kind(types, function) == "property"
    )
