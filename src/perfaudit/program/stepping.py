"""Where generators, and other iterators that do nothing until they are stepped, are stepped."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program import calls
from perfaudit.program.decorators import decorator_paths, method_kind
from perfaudit.program.expressions import names as names_in
from perfaudit.program.names import meanings
from perfaudit.program.nodes import WALK_KINDS, FunctionNode
from perfaudit.program.values import ClassType, FunctionType, Instance, Partial, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.forwarding import Forwards
    from perfaudit.program.infer import Types

AWAY = frozenset({"thread", "process", "worker"})
RETURNED = "returned"
ASSIGNED = frozenset({"assign", "annotated", "walrus"})
KEEPING = frozenset(
    {
        "builtins.staticmethod",
        "builtins.classmethod",
        "abc.abstractmethod",
        "typing.override",
        "typing_extensions.override",
    }
)
"""Decorators that leave a generator what it is."""
STEPPING_METHODS = frozenset({"__next__", "send"})
ENDING_METHODS = frozenset({"close", "throw"})
TESTS = frozenset({"if", "while", "assert", "else", "and", "or", "match"})


class Stepped(Struct, frozen=True):
    """One way in which an iterator is stepped.

    ``how`` is that of an edge, or returned: the callers of the function step it. The place is None
    where it is stepped in the very expression that makes it.
    """

    how: str
    location: Location | None = None
    context: int = -1
    sequence: int = -1


Ways = tuple[Stepped, ...] | None
"""All ways in which an iterator is stepped; None where they are not known."""

HERE = Stepped("call")


def is_lazy(behaviour: Behaviour) -> bool:
    """Return whether a call does its work, on what it is given, when its result is stepped."""
    returns = behaviour.returns
    return (
        "iterates-argument" in behaviour.flags and returns is not None and returns.name in ITERATORS
    )


ITERATORS = frozenset({"iterator", "builtins.iterator"})


def is_begun_later(types: "Types", function: FunctionNode) -> bool:
    """Return whether a call of a function runs nothing of it: a plain generator, as it stands."""
    facts = function.facts
    if not facts.is_generator or facts.is_async:
        return False
    paths = decorator_paths(types, function)
    return len(paths) == len(facts.decorators) and KEEPING.issuperset(paths)


def callable_of(types: "Types", value: Type) -> FunctionNode | None:
    """Return the project function that calling a value runs."""
    match value:
        case FunctionType(node=node):
            return node
        case Partial(target=target):
            return callable_of(types, target)
        case ClassType(node=node):
            return types.classes.method(node, "__init__")
        case Instance(node=node):
            return types.classes.method(node, "__call__")
    return None


class Steps:
    """Where the iterators of the program are stepped."""

    def __init__(self, types: "Types", forwards: "Forwards") -> None:
        self._types = types
        self._forwards = forwards
        self._known: dict[tuple[FunctionNode, int | str], Ways] = {}
        self._given: dict[FunctionNode, tuple[FunctionNode, ...]] = {}

    def of_call(self, function: FunctionNode, index: int) -> Ways:
        """Return the ways in which a function steps what one of its calls gives."""
        value = t.CallRef(index)
        return self._remembered(
            function,
            index,
            lambda: self._ways(function, lambda part, at: part == value, is_named=False),
        )

    def of_param(self, function: FunctionNode, name: str) -> Ways:
        """Return the ways in which a function steps what it is given for a parameter."""
        param = function.params.get(name)
        if param is None or param.kind not in ("positional", "keyword"):
            return None
        return self._remembered(function, name, lambda: self._of_name(function, name, param))

    def _remembered(self, function: FunctionNode, key: int | str, find: Callable[[], Ways]) -> Ways:
        if (function, key) not in self._known:
            # What a function only hands on to itself is not stepped by that.
            self._known[function, key] = ()
            self._known[function, key] = find()
        return self._known[function, key]

    def given_by(self, function: FunctionNode) -> tuple[FunctionNode, ...]:
        """Return the functions that stepping what a coroutine function returns runs."""
        if function not in self._given:
            self._given[function] = ()
            if any(item.kind == "return" and item.value for item in function.facts.results):
                self._given[function] = tuple(dict.fromkeys(self._find_given(function)))
        return self._given[function]

    def _find_given(self, function: FunctionNode) -> Iterator[FunctionNode]:
        for index in range(len(function.facts.calls)):
            made = list(self._made(function, index))
            if made and any(way.how == RETURNED for way in self.of_call(function, index) or ()):
                yield from made

    def _made(self, function: FunctionNode, index: int) -> Iterator[FunctionNode]:
        """Yield the functions that run when what a call gives is stepped."""
        for target in self._types.call(function, index).targets:
            callee = target.function
            if callee is not None and is_begun_later(self._types, callee):
                yield callee
            elif callee is not None and callee.is_async and not callee.facts.is_generator:
                yield from self.given_by(callee)
            elif target.behaviour is not None and is_lazy(target.behaviour):
                yield from self._stepped_calls(function, index, target.behaviour)

    def _stepped_calls(
        self, function: FunctionNode, index: int, behaviour: Behaviour
    ) -> Iterator[FunctionNode]:
        call = function.facts.calls[index]
        at = (call.sequence, call.context)
        for position, value in enumerate(call.arguments):
            if any(callback.argument == str(position) for callback in behaviour.runs):
                for option in options_of(self._types.evaluate(function, value, at)):
                    called = callable_of(self._types, option)
                    if called is not None:
                        yield called

    def _of_name(self, function: FunctionNode, name: str, definition: t.Bind | t.Param) -> Ways:
        """Return the ways in which what a definition of a name gives is stepped."""
        if name in function.facts.outer_names or _is_used_inside(function, name):
            return None

        def means(part: t.Expr, at: tuple[int, int]) -> bool:
            return (
                isinstance(part, t.Name)
                and part.id == name
                and any(found.definition is definition for found in meanings(function, name, at))
            )

        return self._ways(function, means, is_named=True)

    def _ways(self, function: FunctionNode, means: "Means", *, is_named: bool) -> Ways:
        """Return the ways in which a function steps a value, given where it means that value.

        A value without a name is stepped where it is made.
        """
        if function.kind not in ("function", "lambda"):
            return None
        found: list[Stepped] = []
        for uses_of in (self._of_contexts, self._of_results, self._of_binds, self._of_calls):
            for way in uses_of(function, means, is_named=is_named):
                if way is None:
                    return None
                found.append(way)
        return tuple(dict.fromkeys(found))

    def _of_contexts(
        self, function: FunctionNode, means: "Means", *, is_named: bool
    ) -> Iterator[Stepped | None]:
        for context in function.facts.contexts:
            if context.subject is None:
                continue
            used = uses(context.subject, (context.sequence, context.parent), means)
            if not used:
                continue
            place = (
                Stepped("call", function.line(context.line), context.parent, context.sequence)
                if is_named
                else HERE
            )
            if "kept" in used:
                yield None
            elif "stepped" in used:
                yield place
            elif context.kind in WALK_KINDS:
                yield None if context.kind.startswith("async") else place
            elif context.kind not in TESTS:
                yield None

    def _of_binds(
        self, function: FunctionNode, means: "Means", *, is_named: bool
    ) -> Iterator[Stepped | None]:
        for bind in function.facts.binds:
            if bind.value is None:
                continue
            used = uses(bind.value, (bind.sequence, bind.context), means)
            if not used:
                continue
            place = HERE
            if is_named:
                line = function.line(bind.line)
                place = Stepped("call", line, bind.context, bind.sequence)
            if "kept" in used:
                yield None
            elif "stepped" in used or bind.kind == "augmented":
                yield place
            elif bind.kind in ASSIGNED and isinstance(bind.target, t.Name):
                yield from _listed(self._of_bind(function, bind.target.id, bind))
            else:
                yield None

    def _of_bind(self, function: FunctionNode, name: str, bind: t.Bind) -> Ways:
        key = f"{name}:{bind.sequence}"
        return self._remembered(function, key, lambda: self._of_name(function, name, bind))

    def _of_results(
        self, function: FunctionNode, means: "Means", *, is_named: bool
    ) -> Iterator[Stepped | None]:
        for item in function.facts.results:
            if item.value is None:
                continue
            used = uses(item.value, (item.sequence, item.context), means)
            if not used:
                continue
            if "kept" in used or (item.kind == "yield" and "stepped" not in used):
                yield None
            elif item.kind == "return" and "stepped" not in used:
                yield Stepped(RETURNED)
            else:
                place = function.line(item.line)
                yield Stepped("call", place, item.context, item.sequence) if is_named else HERE

    def _of_calls(
        self, function: FunctionNode, means: "Means", *, is_named: bool
    ) -> Iterator[Stepped | None]:
        for index, call in enumerate(function.facts.calls):
            at = (call.sequence, call.context)
            place = HERE
            if is_named:
                place = Stepped("call", function.place(call), call.context, call.sequence)
            callee = call.callee
            if isinstance(callee, t.Attr) and "is" in uses(callee.base, at, means):
                if callee.name in STEPPING_METHODS:
                    yield place
                elif callee.name not in ENDING_METHODS:
                    yield None
            elif uses(callee, at, means):
                yield None
            given: list[tuple[int | str, t.Expr]] = list(enumerate(call.arguments))
            given += call.keywords
            for key, value in given:
                used = uses(value, at, means)
                if "kept" in used:
                    yield None
                elif "stepped" in used:
                    yield place
                elif used:
                    for way in _listed(self._of_argument(function, index, key)):
                        yield place if way == HERE else way

    def _of_argument(self, function: FunctionNode, index: int, key: int | str) -> Ways:
        """Return the ways in which a call steps one of its arguments."""
        targets = self._types.call(function, index).targets
        if not targets:
            return None
        found: list[Stepped] = []
        for target in targets:
            if target.function is not None:
                ways = self._of_callee(function, index, target, key)
            elif target.behaviour is not None:
                ways = self._of_library(function, index, target.behaviour, key)
            else:
                return None
            if ways is None:
                return None
            found += ways
        return tuple(dict.fromkeys(found))

    def _of_callee(
        self, function: FunctionNode, index: int, target: calls.Target, key: int | str
    ) -> Ways:
        callee = target.function
        if callee is None:
            return None
        how = self._forwards.how_run(callee)
        if how != "call":
            return (Stepped(how),) if how in AWAY else None
        name = _param_at(self._types, function.facts.calls[index], target, key)
        inner = None if name is None else self.of_param(callee, name)
        if inner is None:
            return None
        found: list[Stepped] = []
        for way in inner:
            if way.how != RETURNED and not is_begun_later(self._types, callee):
                found.append(Stepped(way.how))
                continue
            outer = None if callee.is_async else self.of_call(function, index)
            if outer is None:
                return None
            found += (item if way.how in ("call", RETURNED) else Stepped(way.how) for item in outer)
        return tuple(found)

    def _of_library(
        self, function: FunctionNode, index: int, behaviour: Behaviour, key: int | str
    ) -> Ways:
        for callback in behaviour.runs:
            if str(key) in callback.argument.split("|"):
                return (Stepped(callback.where),) if callback.where in AWAY else None
            if callback.where in AWAY:
                return (HERE,) if callback.each else (Stepped(callback.where),)
            if callback.where != "inline":
                return None
        if is_lazy(behaviour):
            return self.of_call(function, index)
        steps = "iterates-argument" in behaviour.flags or (
            "next-argument" in behaviour.flags and key == 0
        )
        return (HERE,) if steps else None


Means = Callable[[t.Expr, tuple[int, int]], bool]


def _listed(ways: Ways) -> tuple[Stepped | None, ...]:
    return (None,) if ways is None else ways


def _is_used_inside(function: FunctionNode, name: str) -> bool:
    """Return whether a function inside of this one may use a name of it."""
    return any(
        scope.parent is function
        and scope.kind in ("function", "lambda", "class")
        and name not in scope.params
        and _mentions(scope, name)
        for scope in function.file.functions
    )


def _mentions(scope: FunctionNode, name: str) -> bool:
    facts = scope.facts
    values = [call.callee for call in facts.calls]
    values += [value for call in facts.calls for value in call.given]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    values += [item.value for item in facts.results if item.value is not None]
    values += [item.subject for item in facts.contexts if item.subject is not None]
    values += [read.value for read in facts.reads]
    return any(name in names_in(scope, value) for value in values) or _is_used_inside(scope, name)


def _param_at(types: "Types", call: t.Call, target: calls.Target, key: int | str) -> str | None:
    """Return the parameter that an argument of a call is given for."""
    callee = target.function
    if callee is None:
        return None
    if isinstance(key, str):
        return key
    if any(isinstance(given, t.Star) for given in call.arguments[: key + 1]):
        return None
    bound = callee.owner is not None and target.receiver is not None
    shift = int(bound and method_kind(types, callee) != "static")
    positional = [param.name for param in callee.facts.params if param.kind == "positional"]
    return positional[key + shift] if key + shift < len(positional) else None


def uses(value: t.Expr, at: tuple[int, int], means: Means) -> frozenset[str]:
    """Return how an expression uses a value: it is that, it steps it, or has it kept somewhere."""
    if means(value, at):
        return frozenset({"is"})
    found: set[str] = set()
    match value:
        case t.Either(options=options):
            found.update(*(uses(option, at, means) for option in options))
        case t.Await(value=inner):
            found.update(uses(inner, at, means))
        case t.Star(value=inner) | t.Item(base=inner):
            found.update("stepped" if how == "is" else how for how in uses(inner, at, means))
        case t.Compare(operator=operator, left=left, right=right):
            found.update(uses(left, at, means) | uses(right, at, means))
            if "is" in found:
                found.discard("is")
                if operator in ("In", "NotIn"):
                    found.add("stepped")
        case t.Binary(left=left, right=right):
            found.update(_kept([left, right], at, means))
        case t.Seq(items=items):
            found.update(_kept(items, at, means))
        case t.Mapping(keys=keys, values=values):
            found.update(_kept([key for key in keys if key is not None], at, means))
            found.update(_kept(values, at, means))
        case t.Comp(element=element):
            found.update(_kept([element], at, means))
        case t.Attr(base=inner) | t.Entered(value=inner):
            found.update(_kept([inner], at, means))
    return frozenset(found)


def _kept(
    values: "tuple[t.Expr, ...] | list[t.Expr]", at: tuple[int, int], means: Means
) -> set[str]:
    """Return how the parts of a value that is built use another one."""
    return {"kept" if how == "is" else how for value in values for how in uses(value, at, means)}
