"""What becomes of a callable that a function is given: called here, or handed to a thread."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import calls
from perfaudit.program.decorators import decorators_of, method_kind, receiver_of
from perfaudit.program.expressions import argument, parts
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import WALK_KINDS, FunctionNode
from perfaudit.program.origins import origins
from perfaudit.program.stepping import Steps
from perfaudit.program.values import (
    ClassType,
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

OFF_THREAD = frozenset({"thread", "process", "worker"})
"""Where code runs that does not keep the thread of the caller busy."""
_CARRYING = frozenset({t.Name, t.Lambda, t.CallRef, t.Either})
"""Kinds of expressions that may be, or run, what a parameter was given."""
MAX_STEPS = 6
"""How many names or calls in a row are followed to where a callable comes from."""


class Slot(Struct, frozen=True):
    """A parameter of a function; of ``*args`` the part at ``index``, of ``**kwargs`` that at
    ``key``."""

    scope: FunctionNode
    name: str
    index: int = -1
    key: str = ""


class Way(Struct, frozen=True):
    """One way in which a function runs what a parameter of it, or of one around it, is given.

    ``how`` is that of an edge. ``awaited``: what the call gives is awaited or made a task, so that
    it is meant for coroutine functions. ``after``: when the response is sent.
    """

    slot: Slot
    how: str
    each: bool = False
    awaited: bool = False
    after: bool = False
    confidence: Confidence = Confidence.HIGH


class Given(Struct, frozen=True):
    """An argument: of ``*value`` the part at ``index``, of ``**value`` that at ``key``."""

    value: t.Expr
    index: int = -1
    key: str = ""


class Handed(Struct, frozen=True):
    """A callable that a call is given, and one way in which the call runs it.

    ``is_called_async``: a coroutine calls it, so that it runs on the event loop. ``kept``: it is no
    argument of this call, but what the object that is called was made for.
    """

    given: Given
    how: str
    each: bool
    awaited: bool = False
    after: bool = False
    confidence: Confidence = Confidence.HIGH
    is_called_async: bool = False
    kept: Type | None = None


class Forwards:
    """How the functions of the program run the callables that they are given."""

    def __init__(self, types: "Types") -> None:
        self._types = types
        self._ways: dict[FunctionNode, tuple[Way, ...]] = {}
        self._decorated: dict[FunctionNode, str] = {}
        self._wrapped: dict[FunctionNode, list[FunctionNode]] | None = None
        self.steps = Steps(types, self)

    def of(self, function: FunctionNode) -> tuple[Way, ...]:
        """Return the ways in which a function runs what it, or a function around it, is given."""
        known = self._ways.get(function)
        if known is None:
            # A function that leads back to itself adds nothing.
            self._ways[function] = ()
            known = self._ways[function] = tuple(dict.fromkeys(self._find(function)))
        return known

    def _find(self, function: FunctionNode) -> Iterator[Way]:
        if not _has_params(function):
            return
        begun: dict[int, str] = {}
        for index, call in enumerate(function.facts.calls):
            if not any(_may_carry(value) for value in _passed(call)):
                continue
            at = (call.sequence, call.context)
            for handed in self.handed(function, index):
                for made in made_by(function, handed.given.value, at):
                    begun[made] = handed.how
                for way in self._within(function, handed.given, at, MAX_STEPS):
                    yield Way(
                        way.slot,
                        _composed(handed.how, way.how),
                        way.each or handed.each,
                        handed.awaited or way.awaited,
                        handed.after or way.after,
                        weakest(way.confidence, handed.confidence),
                    )
        for index, call in enumerate(function.facts.calls):
            if type(call.callee) not in _CARRYING:
                continue
            at = (call.sequence, call.context)
            for way in self._within(function, Given(call.callee), at, MAX_STEPS):
                yield msgspec.structs.replace(
                    way,
                    how="task" if begun.get(index) == "task" else way.how,
                    each=way.each or _is_per_item(function, call.context),
                    awaited=call.awaited or index in begun or way.awaited,
                )

    def _within(
        self, function: FunctionNode, given: Given, at: tuple[int, int], steps: int
    ) -> Iterator[Way]:
        """Yield the ways in which running a value runs what a parameter was given."""
        value = given.value
        if steps == 0 or type(value) not in _CARRYING:
            return
        match value:
            case t.Name(id=name):
                for scope, definition in meanings(function, name, at):
                    if isinstance(definition, t.Param):
                        slot = _slot(scope, definition, given)
                        if slot is not None:
                            yield Way(slot, "call")
                    elif isinstance(definition, FunctionNode):
                        yield from self._of_inner(definition)
                    elif isinstance(definition, t.Bind) and definition.kind == "assign":
                        if definition.value is not None and scope.kind != "module":
                            bound = msgspec.structs.replace(given, value=definition.value)
                            point = (definition.sequence, definition.context)
                            yield from self._within(scope, bound, point, steps - 1)
            case t.Lambda(function=number):
                yield from self._of_inner(function.file.functions[number])
            case t.Either(options=options):
                for option in options:
                    yield from self._within(function, Given(option), at, steps - 1)
            case t.CallRef(index=index):
                first = self._partial_of(function, index)
                if first is not None:
                    yield from self._within(function, first, at, steps - 1)

    def _of_inner(self, inner: FunctionNode) -> Iterator[Way]:
        if inner.kind == "lambda" or (inner.parent is not None and inner.parent.kind == "function"):
            yield from (way for way in self.of(inner) if way.slot.scope is not inner)

    def _partial_of(self, function: FunctionNode, index: int) -> Given | None:
        """Return the callable that a call binds some arguments to, or None for another call."""
        for target in self._types.call(function, index).targets:
            if target.behaviour is not None and "partial" in target.behaviour.flags:
                return _at_position(function.facts.calls[index], 0)
        return None

    def is_passed(self, function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
        """Return whether only the callers say what a callable is: the edges are theirs."""
        return self._is_passed(function, value, at, MAX_STEPS)

    def _is_passed(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> bool:
        if steps == 0:
            return False
        if type(value) is t.CallRef:
            first = self._partial_of(function, value.index)
            return first is not None and self._is_passed(function, first.value, at, steps - 1)
        if type(value) is not t.Name:
            return False
        for scope, definition in meanings(function, value.id, at):
            if isinstance(definition, t.Param):
                return self._is_open(scope, definition)
            if isinstance(definition, t.Bind) and definition.value is not None:
                point = (definition.sequence, definition.context)
                if scope.kind == "module" or definition.value == value:
                    continue
                if self._is_passed(scope, definition.value, point, steps - 1):
                    return True
        return False

    def _is_open(self, scope: FunctionNode, param: t.Param) -> bool:
        """Return whether neither annotation, receiver nor default says what a parameter is."""
        if receiver_of(self._types, scope, param) is not None:
            return False
        outer = scope.parent or scope
        if param.default is not None and not isinstance(param.default, t.Const):
            return isinstance(self._types.evaluate(outer, param.default, AT_END), Unknown)
        if param.annotation is None:
            return True
        found = self._types.param(scope, param)
        return not any(isinstance(option, ClassType | Instance) for option in options_of(found))

    def handed(self, function: FunctionNode, index: int) -> Iterator[Handed]:
        """Yield the callables that a call is given, each with each way in which it runs them."""
        call = function.facts.calls[index]
        has_arguments = bool(call.arguments or call.keywords)
        for target in self._types.call(function, index).targets:
            if target.function is not None:
                if has_arguments and self.of(target.function):
                    shift = _shift(self._types, target)
                    yield from self._handed_to(function, call, target.function, shift, target)
                yield from self._closed_over(function, call, target)
            elif target.behaviour is not None and target.behaviour.runs:
                yield from self._handed_out(function, call, target.behaviour, MAX_STEPS)
                yield from self._kept(target.behaviour, target.receiver)

    def _closed_over(
        self, function: FunctionNode, call: t.Call, target: calls.Target
    ) -> Iterator[Handed]:
        """Yield what the maker of a function was given, where the function runs that."""
        inner = target.function
        maker = None if inner is None else inner.parent
        if inner is None or maker is None or maker.kind != "function":
            return
        ways = [way for way in self.of(inner) if way.slot.scope is maker]
        if not ways:
            return
        at = (call.sequence, call.context)
        made = origins(self._types, function, call.callee, at, maker)
        doubt = Confidence.MEDIUM if len(made) > 1 else target.confidence
        for scope, index in made:
            making = scope.facts.calls[index]
            point = (making.sequence, making.context)
            for way in ways:
                for given in _given(making, maker, 0, way.slot):
                    if given.index < 0 and not given.key:
                        yield Handed(
                            Given(t.Opaque("kept")),
                            way.how,
                            way.each,
                            way.awaited,
                            way.after,
                            weakest(way.confidence, doubt),
                            inner.is_async,
                            self._types.evaluate(scope, given.value, point),
                        )

    def _handed_to(
        self,
        function: FunctionNode,
        call: t.Call,
        callee: FunctionNode,
        shift: int,
        target: calls.Target | None,
    ) -> Iterator[Handed]:
        for way in self.of(callee):
            if way.slot.scope is not callee:
                continue
            confidence = way.confidence
            if target is not None:
                confidence = weakest(confidence, target.confidence)
            for given in _given(call, callee, shift, way.slot):
                yield Handed(
                    given, way.how, way.each, way.awaited, way.after, confidence, callee.is_async
                )

    def _handed_out(
        self, function: FunctionNode, call: t.Call, behaviour: Behaviour, steps: int
    ) -> Iterator[Handed]:
        for callback in behaviour.runs:
            if callback.where == "never":
                continue
            how = "call" if callback.where == "inline" else callback.where
            after = "after-response" in behaviour.flags
            for position, given in _chosen(call, callback.argument):
                yield Handed(given, how, callback.each, after=after)
                if given.index < 0 and not given.key:
                    yield from self._unfolded(function, call, position, given.value, how, steps)

    def _kept(self, behaviour: Behaviour, receiver: Type | None) -> Iterator[Handed]:
        """Yield what the object was made for, where its type has a parameter for that."""
        described = None
        if isinstance(receiver, LibraryInstance):
            described = self._types.libraries.type(receiver.path)
        if described is None or not isinstance(receiver, LibraryInstance):
            return
        parameters = dict(zip(described.parameters, receiver.arguments, strict=False))
        for callback in behaviour.runs:
            kept = parameters.get(callback.argument)
            if kept is not None:
                how = "call" if callback.where == "inline" else callback.where
                yield Handed(Given(t.Opaque("kept")), how, callback.each, kept=kept)

    def _unfolded(
        self,
        function: FunctionNode,
        call: t.Call,
        position: int,
        value: t.Expr,
        how: str,
        steps: int,
    ) -> Iterator[Handed]:
        """Yield what is handed to a callable that is itself handed over, with its arguments."""
        if steps == 0:
            return
        rest = msgspec.structs.replace(
            call, arguments=call.arguments[position + 1 :] if position >= 0 else ()
        )
        made = made_by(function, value, (call.sequence, call.context))
        if made:
            first = self._partial_of(function, made[0])
            if first is None or first.index >= 0:
                return
            bound = function.facts.calls[made[0]]
            rest = msgspec.structs.replace(bound, arguments=bound.arguments[1:])
            value = first.value
        if not rest.arguments and not rest.keywords:
            return
        found = self._types.evaluate(function, value, (call.sequence, call.context))
        for option in options_of(found):
            for inner in self._inside(function, rest, option, steps - 1):
                yield msgspec.structs.replace(inner, how=_composed(how, inner.how))

    def _inside(
        self, function: FunctionNode, rest: t.Call, callee: object, steps: int
    ) -> Iterator[Handed]:
        if isinstance(callee, FunctionType):
            shift = int(callee.receiver is not None and callee.node.owner is not None)
            yield from self._handed_to(function, rest, callee.node, shift, None)
        elif isinstance(callee, LibraryMethod) and callee.behaviour.runs:
            yield from self._handed_out(function, rest, callee.behaviour, steps)
        elif isinstance(callee, LibrarySymbol):
            behaviour = self._types.libraries.function(callee.path)
            if behaviour is not None and behaviour.runs:
                yield from self._handed_out(function, rest, behaviour, steps)

    def how_run(self, function: FunctionNode) -> str:
        """Return how calling a decorated function runs its body: call, thread, process, later.

        Later, where a coroutine takes its place and it is not known what that does with it.
        """
        if not function.facts.decorators:
            return "call"
        known = self._decorated.get(function)
        if known is None:
            self._decorated[function] = "call"
            known = self._decorated[function] = self._how_run(function)
        return known

    def wrapped_by(self, wrapper: FunctionNode) -> list[FunctionNode]:
        """Return the plain functions that only a coroutine function of their decorator calls."""
        if self._wrapped is None:
            self._wrapped = {}
            for file in self._types.modules.files:
                for function in file.functions:
                    for outer in self._only_wrappers(function):
                        self._wrapped.setdefault(outer, []).append(function)
        return self._wrapped.get(wrapper, [])

    def _only_wrappers(self, function: FunctionNode) -> Iterator[FunctionNode]:
        if not function.facts.decorators or function.is_async or function.facts.is_generator:
            return
        for wrapper in self._types.wrapping(function).wrappers:
            maker = wrapper.parent
            if wrapper.is_async and maker is not None and _returned_inner(maker) == [wrapper]:
                yield wrapper

    def _how_run(self, function: FunctionNode) -> str:
        how = "call"
        for decorator, call in decorators_of(self._types, function):
            for option in options_of(decorator):
                if isinstance(option, FunctionType):
                    how = _composed(self._by_decorator(function, option.node, call), how)
        return how

    def _by_decorator(
        self, function: FunctionNode, maker: FunctionNode, call: t.Call | None
    ) -> str:
        makers = [maker, *_returned_inner(maker)] if call is not None else [maker]
        for decorator in makers:
            slots = {param.name for param in decorator.facts.params}
            for wrapper in _returned_inner(decorator):
                ways = [
                    way
                    for way in self.of(wrapper)
                    if way.slot.scope is decorator and way.slot.name in slots
                ]
                if function.is_async:
                    continue
                ways = [way for way in ways if not way.awaited] or ways
                if ways and all(way.how in OFF_THREAD for way in ways):
                    return ways[0].how
                if not ways and wrapper.is_async and _mentions(wrapper, decorator):
                    return "later"
        return "call"


def _has_params(function: FunctionNode) -> bool:
    scope: FunctionNode | None = function
    while scope is not None and scope.kind in ("function", "lambda"):
        if scope.facts.params:
            return True
        scope = scope.parent
    return False


def _passed(call: t.Call) -> Iterator[t.Expr]:
    yield from call.arguments
    for _, value in call.keywords:
        yield value


def _may_carry(value: t.Expr) -> bool:
    """Return whether an argument may be, or run, what a parameter was given."""
    if type(value) is t.Star:
        value = value.value
    return type(value) in _CARRYING


def _slot(scope: FunctionNode, param: t.Param, given: Given) -> Slot | None:
    if param.kind == "*args":
        return Slot(scope, param.name, given.index) if given.index >= 0 else None
    if param.kind == "**kwargs":
        return Slot(scope, param.name, key=given.key) if given.key else None
    return Slot(scope, param.name) if given.index < 0 and not given.key else None


def _composed(outer: str, inner: str) -> str:
    return outer if inner == "call" else inner


def _is_per_item(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs once per item of something: no retry, no endless loop."""
    contexts = function.facts.contexts
    for number in function.context_chain(context):
        here = contexts[number]
        if here.kind in WALK_KINDS:
            return isinstance(here.subject, t.Name | t.Attr)
    return False


def _chosen(call: t.Call, spec: str) -> Iterator[tuple[int, Given]]:
    """Yield the argument that a library file names, with its position; -1 where it has none."""
    found = argument(call, spec)
    if found is not None:
        position = next((i for i, item in enumerate(call.arguments) if item is found), -1)
        yield position, Given(found)
        return
    for choice in spec.split("|"):
        given = _at_position(call, int(choice)) if choice.isdigit() else _at_key(call, choice)
        if given is not None:
            yield -1, given
            return


def _at_position(call: t.Call, position: int) -> Given | None:
    for index, value in enumerate(call.arguments[: position + 1]):
        if isinstance(value, t.Star):
            return Given(value.value, index=position - index)
        if index == position:
            return Given(value)
    return None


def _at_key(call: t.Call, key: str) -> Given | None:
    for name, value in call.keywords:
        if name == key:
            return Given(value)
    for name, value in call.keywords:
        if name == "**":
            return Given(value, key=key)
    return None


def _given(call: t.Call, callee: FunctionNode, shift: int, slot: Slot) -> Iterator[Given]:
    """Yield what a call may give for a parameter of its callee."""
    positional = [param.name for param in callee.facts.params if param.kind == "positional"]
    found: Given | None = None
    if slot.index >= 0:
        found = _at_position(call, len(positional) - shift + slot.index)
    elif slot.name in positional and positional.index(slot.name) >= shift:
        found = _at_position(call, positional.index(slot.name) - shift)
    if found is not None:
        yield found
    if slot.index < 0 and (found is None or found.index >= 0):
        found = _at_key(call, slot.key or slot.name)
        if found is not None:
            yield found


def made_by(function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> list[int]:
    """Return the calls of a function that give a value, directly or through a name."""
    if isinstance(value, t.CallRef):
        return [value.index]
    if not isinstance(value, t.Name):
        return []
    return [
        definition.value.index
        for scope, definition in meanings(function, value.id, at)
        if scope is function
        and isinstance(definition, t.Bind)
        and definition.kind == "assign"
        and isinstance(definition.value, t.CallRef)
    ]


def _shift(types: "Types", target: calls.Target) -> int:
    """Return how many parameters of a method its receiver takes."""
    callee = target.function
    if callee is None or callee.owner is None or target.receiver is None:
        return 0
    return int(method_kind(types, callee) != "static")


def _returned_inner(maker: FunctionNode) -> list[FunctionNode]:
    """Return the functions written inside another one that it returns, also wrapped in a call."""
    found: list[FunctionNode] = []
    for result in maker.facts.results:
        if result.kind != "return" or result.value is None:
            continue
        for part in parts(maker, result.value):
            if isinstance(part, t.Name):
                found.extend(maker.inner.get(part.id, ()))
    return found


def _mentions(wrapper: FunctionNode, decorator: FunctionNode) -> bool:
    """Return whether a wrapper hands on a parameter of its decorator, to whatever it may be."""
    names = {param.name for param in decorator.facts.params}
    return any(
        isinstance(value, t.Name) and value.id in names and value.id not in wrapper.params
        for call in wrapper.facts.calls
        for value in _passed(call)
    )
