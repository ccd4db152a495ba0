"""What evaluating an object costs or runs: iterating, entering, testing, operators, items."""

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import members
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.expressions import spelled
from perfaudit.program.names import is_handed, meanings
from perfaudit.program.nodes import TESTED_BEFORE, WALK_KINDS, FunctionNode
from perfaudit.program.sites import WITH_KINDS, Fact, Found, Place
from perfaudit.program.values import (
    NONE,
    Instance,
    LibraryInstance,
    TupleType,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

EVALUATORS = {
    "shows-argument": "show",
    "orders-argument": "order",
    "iterates-argument": "iterate",
    "len-argument": "len",
    "bool-argument": "bool",
    "next-argument": "next",
}


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


def add_arguments(found: Found, call: t.Call, behaviour: Behaviour) -> None:
    """Add what a call of a library evaluates of its arguments: it iterates, shows, orders them."""
    for flag in behaviour.flags:
        if flag in EVALUATORS:
            _evaluate_arguments(found, call, behaviour, EVALUATORS[flag], flag)
        elif flag == "enters-argument":
            for event in ("enter", "exit"):
                _evaluate_arguments(found, call, behaviour, event, flag)


def _evaluate_arguments(
    found: Found, call: t.Call, behaviour: Behaviour, event: str, flag: str
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
        place = found.place(call)
        _add_event(found, owner, event, value, place, call=call, is_async=behaviour.awaitable)


def _is_keyed(call: t.Call) -> bool:
    """Return whether a call orders its items by what a key gives, or compares its arguments."""
    return len(call.arguments) > 1 or any(name == "key" for name, _ in call.keywords)


def add_subject(found: Found, number: int, context: t.Context) -> None:
    """Add what a block does to its subject: it iterates, enters and exits, or tests it."""
    function = found.function
    subject = context.subject
    if subject is None:
        return
    if context.kind in WALK_KINDS:
        owner = found.types.evaluate(function, subject, (context.sequence, context.parent))
        quiet_thread = context.kind.startswith("async")
        before = len(found.sites)
        place = _subject_place(function, subject, context, context.parent)
        _add_event(found, owner, "iterate", subject, place, is_async=quiet_thread)
        if quiet_thread:
            found.sites[before:] = [
                msgspec.structs.replace(site, blocking=False) for site in found.sites[before:]
            ]
    elif context.kind in WITH_KINDS:
        owner = found.types.evaluate(function, subject, (context.sequence, context.parent))
        place = _subject_place(function, subject, context, context.parent)
        is_async = context.kind == "async with"
        for event in ("enter", "exit"):
            _add_event(found, owner, event, subject, place, is_async=is_async)
    elif context.kind in ("if", "while") and isinstance(
        subject, t.Name | t.Attr | t.CallRef | t.Not
    ):
        inner = subject.value if isinstance(subject, t.Not) else subject
        if isinstance(inner, t.Name | t.Attr | t.CallRef):
            inside = number if context.kind == "while" else context.parent
            owner = found.types.evaluate(function, inner, (context.sequence, inside))
            place = _subject_place(function, inner, context, inside)
            _add_event(found, owner, "bool", inner, place)


def _subject_place(
    function: FunctionNode, subject: t.Expr, context: t.Context, inside: int
) -> Place:
    """Return the place of a loop's or with's subject: its call if it is one, else the statement."""
    inner = subject.value if isinstance(subject, t.Await) else subject
    if isinstance(inner, t.CallRef):
        location = function.place(function.facts.calls[inner.index])
    else:
        location = function.line(context.line)
    return Place(location, inside, context.sequence)


def add_index(found: Found, read: t.Read, value: t.Item) -> None:
    """Add what asking an object for one of its items costs."""
    owner = found.types.evaluate(found.function, value.base, (read.sequence, read.context))
    if isinstance(owner, LibraryInstance) and owner.path.startswith("builtins."):
        return
    if isinstance(owner, LibraryInstance | Instance):
        _add_event(found, owner, "index", value, found.place(read))


def _add_event(
    found: Found,
    owner: Type,
    event: str,
    value: t.Expr,
    place: Place,
    *,
    call: t.Call | None = None,
    is_async: bool = False,
) -> None:
    """Add what evaluating an object costs: the site of a library type, or an edge to a method."""
    types = found.types
    for option in options_of(owner):
        if isinstance(option, Instance):
            for method in _protocol_methods(types, option, event, is_async=is_async):
                found.add_edge(method, event, value, place, call=call)
            paths = types.classes.library_bases(option.node)
        elif isinstance(option, LibraryInstance):
            paths = (option.path,)
        else:
            continue
        for path in paths:
            behaviour = types.libraries.on(path, event)
            if behaviour is not None and behaviour.effects:
                found.add_site(
                    event,
                    spelled(found.function, value),
                    behaviour,
                    value,
                    place,
                    receiver=option,
                    effects=behaviour.effects,
                    blocking=behaviour.blocking,
                    call=call,
                    confidence=_sureness(found, value, place, option, owner, event),
                )
                break


def _sureness(
    found: Found, value: t.Expr, place: Place, option: Type, owner: Type, event: str
) -> Confidence:
    """Return how surely a name stands for what costs: less where only a special case makes it so.

    ``try: roles = row.roles`` with a query in ``except AttributeError``, and ``set(roles)`` later;
    and what callers give, and what a dictionary holds, of which some costs nothing.
    """
    types, function = found.types, found.function
    at = (place.sequence, place.context)
    if any(_is_free(types, each, event) for each in options_of(owner)):
        if is_handed(function, value, at) or _is_entry(types, function, value, at):
            return Confidence.MEDIUM
    if not isinstance(value, t.Name):
        return Confidence.HIGH
    binds = [
        found.definition
        for found in meanings(function, value.id, (place.sequence, place.context))
        if found.scope is function and isinstance(found.definition, t.Bind)
    ]
    if len(binds) <= 1:
        return Confidence.HIGH
    costly = [bind for bind in binds if option in options_of(_bound(types, function, bind))]
    if len(costly) == len(binds) or any(
        standing(function, bind.context, bind.sequence) < Standing.STATE for bind in costly
    ):
        return Confidence.HIGH
    return Confidence.MEDIUM


def _is_entry(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether a value is what a dictionary, which may hold anything, has under a key."""
    match value:
        case t.Name(id=name):
            binds = function.binds.get(name, ())
            bound = binds[0].value if len(binds) == 1 and name not in function.params else None
            return not (bound is None or isinstance(bound, t.Name)) and _is_entry(
                types, function, bound, at
            )
        case t.Either(options=options):
            return any(_is_entry(types, function, option, at) for option in options)
        case t.CallRef(index=index):
            callee = function.facts.calls[index].callee
            return isinstance(callee, t.Attr) and _is_dict(types, function, callee.base, at)
        case t.Item(base=base, key=key):
            return not isinstance(key, t.Slice) and _is_dict(types, function, base, at)
    return False


def _is_dict(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    return any(
        isinstance(option, LibraryInstance) and option.path == "builtins.dict"
        for option in options_of(types.evaluate(function, value, at))
    )


def _is_free(types: "Types", value: Type, event: str) -> bool:
    """Return whether an object is surely one whose evaluation costs nothing."""
    if isinstance(value, TupleType):
        return True
    if not isinstance(value, LibraryInstance) or value == NONE:
        return False
    behaviour = types.libraries.on(value.path, event)
    return behaviour is None or not behaviour.effects


def _bound(types: "Types", function: FunctionNode, bind: t.Bind) -> Type:
    if bind.value is None:
        return Unknown("no value")
    return types.evaluate(function, bind.value, (bind.sequence, bind.context))


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


FORMAT = "format"
_SIMPLE = frozenset({t.Name, t.Const, t.CallRef, t.Lambda})
"""Kinds of expressions with no parts of their own."""
_PLAIN = frozenset({t.Name, t.CallRef, t.Const, t.Text, t.Lambda, t.Mapping, t.Comp, t.Element})
"""Kinds of expressions without operators of their own."""
_INNER: dict[type, Callable[[Any], tuple[t.Expr, ...]]] = {
    t.Binary: attrgetter("left", "right"),
    t.Compare: attrgetter("left", "right"),
    t.Either: attrgetter("options"),
    t.Seq: attrgetter("items"),
    t.Attr: lambda value: (value.base,),
    t.Item: lambda value: (value.base,),
    t.Not: lambda value: (value.value,),
    t.Inverted: lambda value: (value.value,),
    t.Await: lambda value: (value.value,),
}
"""The parts of expressions of other kinds, among which there may be operators."""
_SHOWN = frozenset({t.Text, t.Binary, t.Attr})
"""Kinds of expressions that may be texts with something in them."""


def add_operators(found: Found) -> None:
    """Add an edge for each operator that a class of the project defines."""
    defined = found.types.classes.special_methods
    names = _operators(defined)
    shows = "__str__" in defined
    if not names and not shows:
        return
    seen: set[tuple[str, t.Expr, int]] = set()
    for fact, value in valued(found.function.facts):
        kind = type(value)
        if kind in _SIMPLE:
            continue
        if shows and type(value) is t.Comp and not isinstance(fact, t.Context):
            inside = msgspec.structs.replace(fact, context=value.context)
            _show_parts(found, inside, value.element)
        elif shows and kind in _SHOWN and not (type(value) is t.Attr and value.name != FORMAT):
            _show_parts(found, fact, value)
        while type(value) is t.Attr:
            value = value.base
        if type(value) in _PLAIN:
            continue
        for part in _own_parts(value):
            if (type(part) is t.Binary or type(part) is t.Compare) and part.operator in names:
                _run_operator(found, fact, part, names[part.operator], seen)


@cache
def _operators(defined: frozenset[str]) -> dict[str, str]:
    """Return the operators that some special methods stand for, each with its method."""
    names = {operator: name for operator, name in OPERATIONS.items() if name in defined}
    if "__iadd__" in defined:
        names.setdefault("Add", "__iadd__")
    return names


def _show_parts(found: Found, fact: Fact, value: t.Expr) -> None:
    """Add an edge for each object of the project that a text shows."""
    parts: tuple[str | t.Expr, ...] = ()
    if type(value) is t.Text:
        parts = value.parts
    elif type(value) is t.Binary:
        if value.operator == "Mod" and (type(value.left) is t.Text or _is_text(value.left)):
            shown = value.right
            parts = shown.items if isinstance(shown, t.Seq) else (shown,)
    elif type(value) is t.Attr and value.name == FORMAT and _is_text(value.base):
        parts = fact.given if isinstance(fact, t.Call) else ()
    for part in parts:
        if not isinstance(part, str | t.Const):
            run_special(found, part, "__str__", fact, part)


def _is_text(value: t.Expr) -> bool:
    return type(value) is t.Const and value.kind == "str"


def _run_operator(
    found: Found,
    fact: Fact,
    part: t.Binary | t.Compare,
    name: str,
    seen: set[tuple[str, t.Expr, int]],
) -> None:
    key = (name, part, fact.line)
    if key in seen:
        return
    seen.add(key)
    if isinstance(fact, t.Bind) and fact.kind == "augmented" and isinstance(part, t.Binary):
        before = len(found.edges)
        run_special(found, part.left, f"__i{name[2:]}", fact, part)
        if len(found.edges) > before:
            return
    run_special(found, part.right if name == "__contains__" else part.left, name, fact, part)


def run_special(found: Found, value: t.Expr, name: str, fact: Fact, at: t.Expr) -> None:
    """Add an edge to a special method of the class of a value, where it has one."""
    types = found.types
    point = (fact.sequence, fact.parent if isinstance(fact, t.Context) else fact.context)
    for option in options_of(types.evaluate(found.function, value, point)):
        if isinstance(option, Instance):
            method = types.classes.method(option.node, name)
            if method is not None:
                found.add_edge(method, "operator", at, found.place(fact))


def add_items(found: Found, call: t.Call) -> None:
    """Add an edge for each item of a project object on the way to what is called."""
    value = call.callee
    while type(value) is t.Attr or type(value) is t.Item:
        if type(value) is t.Item and type(value.key) is not t.Slice:
            run_special(found, value.base, "__getitem__", call, value)
        value = value.base


def valued(facts: t.Function) -> Iterator[tuple[Fact, t.Expr]]:
    """Yield the expressions of a function, each with the fact that works it out."""
    for bind in facts.binds:
        if bind.value is not None:
            yield bind, bind.value
    for result in facts.results:
        if result.value is not None:
            yield result, result.value
    for context in facts.contexts:
        if context.subject is not None and context.kind not in TESTED_BEFORE:
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
        inner = _INNER.get(type(part))
        if inner is not None:
            stack += inner(part)
