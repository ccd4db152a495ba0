"""Whether two expressions of a function surely have the same value: what each one is made of.

A form is a nested tuple. Two places whose forms are equal have asked for the same thing, as long as
nothing was changed between them that no name shows, such as rows of the database.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from perfaudit.facts import types as t
from perfaudit.program.names import Meaning, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import (
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Form = Any
"""A nested tuple that can be compared and is a key, nothing else."""

Point = tuple[int, int]
MAX_STEPS = 40
COPIES = "keeps-prefetch"
STEPS = "next-argument"
"""What takes the next item of an iterator gives another one each time."""


def form_of(
    program: "Program",
    function: FunctionNode,
    value: t.Expr,
    at: Point,
    given: Mapping[str, Form] | None = None,
) -> Form:
    """Return what an expression is made of at a point; ``given`` are the forms of parameters."""
    return _Forms(program, function, given or {}).of(value, at, MAX_STEPS)


class _Forms:
    """The expressions of one function."""

    def __init__(
        self, program: "Program", function: FunctionNode, given: Mapping[str, Form]
    ) -> None:
        self.program = program
        self.function = function
        self.given = given

    def of(self, value: t.Expr, at: Point, steps: int) -> Form:
        if steps <= 0:
            return object()

        def some(part: t.Expr | None) -> Form:
            return None if part is None else self.of(part, at, steps - 1)

        match value:
            case t.Const(value=constant, kind=kind):
                return (kind, constant)
            case t.Name(id=name):
                return self.named(name, at, steps - 1)
            case t.Attr(base=base, name=name):
                return ("attribute", some(base), name)
            case t.CallRef(index=index):
                return self.called(index, at, steps - 1)
            case t.Await(value=inner):
                return some(inner)
            case t.Item(base=base, key=key):
                return ("item", some(base), some(key))
            case t.Slice(lower=lower, upper=upper, step=step):
                return ("slice", some(lower), some(upper), some(step))
            case t.Text(parts=parts):
                return ("text", *(part if isinstance(part, str) else some(part) for part in parts))
            case t.Seq(kind=kind, items=items):
                return (kind, *map(some, items))
            case t.Mapping(keys=keys, values=values):
                return ("mapping", tuple(map(some, keys)), tuple(map(some, values)))
            case t.Binary(operator=operator, left=left, right=right):
                return (operator, some(left), some(right))
            case t.Compare(operator=operator, left=left, right=right):
                return (operator, some(left), some(right))
            case t.Not(value=inner):
                return ("not", some(inner))
            case t.Inverted(value=inner):
                return ("inverted", some(inner))
            case t.Star(value=inner):
                return ("star", some(inner))
            case t.Either(kind=kind, options=options, test=test):
                return (kind, some(test), *map(some, options))
        # What is worked out anew at each place, and what nobody knows, is like nothing else.
        return object()

    def named(self, name: str, at: Point, steps: int) -> Form:
        found = meanings(self.function, name, at)
        if not found:
            return ("builtin", name)
        if len(found) == 1:
            meaning = found[0]
            definition = meaning.definition
            if isinstance(definition, t.Param) and meaning.scope is self.function:
                if name in self.given:
                    return self.given[name]
            if self.is_query_bind(meaning) and isinstance(definition, t.Bind):
                point = (definition.sequence, definition.context)
                assert definition.value is not None
                return self.of(definition.value, point, steps)
        return ("name", name, *map(_key, found), *self.changes(name, at[0]))

    def is_query_bind(self, meaning: Meaning) -> bool:
        """Return whether a name is bound to a query, which no call changes."""
        bind = meaning.definition
        if not isinstance(bind, t.Bind) or meaning.scope is not self.function:
            return False
        if bind.kind not in ("assign", "annotated") or bind.value is None:
            return False
        point = (bind.sequence, bind.context)
        return is_query(self.program, self.program.types.evaluate(self.function, bind.value, point))

    def changes(self, name: str, before: int) -> tuple[int, ...]:
        """Return the places that may have changed what a name holds before a point."""
        facts = self.function.facts
        found = [
            bind.sequence
            for bind in facts.binds
            if bind.sequence < before
            and isinstance(bind.target, t.Attr | t.Item)
            and _root(bind.target) == name
        ]
        found += [
            call.sequence
            for index, call in enumerate(facts.calls)
            if call.discarded and call.sequence < before and self.may_change(index, call, name)
        ]
        return tuple(sorted(found))

    def may_change(self, index: int, call: t.Call, name: str) -> bool:
        if isinstance(call.callee, t.Attr) and _root(call.callee) == name:
            return True
        if not any(_root(given) == name for given in call.given):
            return False
        targets = self.program.types.call(self.function, index).targets
        return not targets or any(target.behaviour is None for target in targets)

    def called(self, index: int, at: Point, steps: int) -> Form:
        call = self.function.facts.calls[index]
        if isinstance(call.callee, t.Attr) and self.is_copy(index, call):
            return self.of(call.callee.base, (call.sequence, call.context), steps)
        if not self.is_steady(index, call):
            return ("call", self.function, index)
        return self.spelled(call, steps)

    def is_copy(self, index: int, call: t.Call) -> bool:
        """Return whether a call gives all rows of what it is called on, and asks for none yet."""
        targets = self.program.types.call(self.function, index).targets
        return (
            bool(targets)
            and not call.arguments
            and not call.keywords
            and all(
                target.behaviour is not None
                and not target.behaviour.effects
                and COPIES in target.behaviour.flags
                for target in targets
            )
        )

    def spelled(self, call: t.Call, steps: int) -> Form:
        """Return the form of a call by what is called, and with what."""
        at = (call.sequence, call.context)
        return (
            "call",
            self.of(call.callee, at, steps),
            tuple(self.of(given, at, steps) for given in call.arguments),
            tuple(
                sorted(
                    ((name, self.of(given, at, steps)) for name, given in call.keywords),
                    key=lambda named: named[0],
                )
            ),
        )

    def is_steady(self, index: int, call: t.Call) -> bool:
        """Return whether a call gives the same whenever it is given the same."""
        resolved = self.program.types.call(self.function, index)
        if resolved.targets and all(target.function is not None for target in resolved.targets):
            return is_query(self.program, resolved.result) and not any(
                target.function in self.program.write_reach
                for target in resolved.targets
                if target.function is not None
            )
        if resolved.targets and all(
            target.behaviour is not None
            and not target.behaviour.effects
            and STEPS not in target.behaviour.flags
            for target in resolved.targets
        ):
            return bool(call.arguments or call.keywords or isinstance(call.callee, t.Attr))
        return self.is_of_query_library(call)

    def is_of_query_library(self, call: t.Call) -> bool:
        """Return whether what is called belongs to a library that makes queries."""
        root = call.callee
        while isinstance(root, t.Attr | t.Item):
            root = root.base
        if not isinstance(root, t.Name):
            return False
        at = (call.sequence, call.context)
        found = self.program.types.evaluate(self.function, root, at)
        if isinstance(found, LibraryInstance | LibrarySymbol):
            return self.program.libraries.has_queries(found.path)
        return False


def form_of_call(
    program: "Program",
    function: FunctionNode,
    call: t.Call,
    given: Mapping[str, Form] | None = None,
) -> Form:
    """Return the form of a call that costs something: what is called, and with what."""
    return _Forms(program, function, given or {}).spelled(call, MAX_STEPS)


def is_steady(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether a call of a function gives the same whenever it is given the same."""
    return _Forms(program, function, {}).is_steady(index, function.facts.calls[index])


def may_change(
    program: "Program", function: FunctionNode, index: int, call: t.Call, name: str
) -> bool:
    """Return whether a call, run for what it does, may change what a name holds."""
    return _Forms(program, function, {}).may_change(index, call, name)


def is_query(program: "Program", value: Type) -> bool:
    """Return whether a value is a query that has not run yet: nothing that is called changes it."""
    options = options_of(value)
    return bool(options) and all(_is_query_option(program, option) for option in options)


def _is_query_option(program: "Program", option: Type) -> bool:
    if isinstance(option, LibraryInstance):
        paths: Sequence[str] = [option.path]
    elif isinstance(option, Instance):
        paths = program.types.classes.library_bases(option.node)
    else:
        return False
    for path in paths:
        queries = program.libraries.queries(path)
        if queries is None:
            continue
        behaviour = program.libraries.on(path, "iterate")
        if path in queries.statements or (behaviour is not None and behaviour.effects):
            return True
    return False


def _key(meaning: Meaning) -> Form:
    definition = meaning.definition
    if isinstance(definition, t.Bind):
        return (meaning.scope, definition.sequence)
    if isinstance(definition, t.Param):
        return (meaning.scope, definition.name)
    if isinstance(definition, t.Import):
        return (definition.module, definition.name, definition.level)
    return definition


def _root(value: t.Expr) -> str | None:
    while isinstance(value, t.Attr | t.Item | t.Star):
        value = value.value if isinstance(value, t.Star) else value.base
    return value.id if isinstance(value, t.Name) else None
