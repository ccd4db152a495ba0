"""What a call names that says which relations a query loads: ``select_related("author__home")``."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.questions import GETATTR
from perfaudit.program.rows import NOT_KNOWN, Loaded, Path, Rows
from perfaudit.program.values import ClassType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

JOINED = "loads-joined"
APART = "loads-apart"
OPTION = "query-option"
COLUMNS = "columns-only"
KEPT_COLUMNS = "keeps-columns"
ANY = "loads-any"
LATER = "loads-later"
LAZILY = "loads-when-read"
GROWING = frozenset({"append", "extend", "insert", "add", "update"})
"""Methods that put more into a container in memory."""
MAX_STEPS = 12
EVERYTHING = "*"
NOTHING = t.Const(None, "NoneType")
At = tuple[int, int]
Queried = Callable[[t.Expr, At], Rows | None]
"""What says which rows an expression of the function gives."""


def flags_of(program: "Program", function: FunctionNode, index: int) -> frozenset[str]:
    """Return the flags of what a call runs."""
    targets = program.types.call(function, index).targets
    return frozenset(
        flag
        for target in targets
        if target.behaviour is not None
        for flag in target.behaviour.flags
    )


def takes_back(call: t.Call) -> bool:
    """Return whether a call that says what a query loads takes back what others have said."""
    return call.arguments == (NOTHING,)


def named_by(
    program: "Program",
    function: FunctionNode,
    call: t.Call,
    flags: frozenset[str],
    queried: Queried,
) -> Rows:
    """Return what a call that says what a query loads names; anything where that is not clear."""
    if ANY in flags:
        return Rows(all_eager=True)
    reading = _Reading(program, function, queried)
    if KEPT_COLUMNS in flags:
        return Rows(only=reading.names(call) or frozenset())
    if COLUMNS in flags or takes_back(call):
        return Rows()
    loaded = reading.options(call, flags)
    if loaded is not None:
        return Rows(loaded=loaded, later=frozenset(reading.later))
    names = reading.names(call)
    return Rows(all_eager=True) if names is None else Rows(named=names)


class _Reading:
    """The reading of one function's options."""

    def __init__(self, program: "Program", function: FunctionNode, queried: Queried) -> None:
        self.program = program
        self.function = function
        self.queried = queried
        self.later: set[Path] = set()

    def options(self, call: t.Call, flags: frozenset[str]) -> Loaded | None:
        """Return the paths that a call names, or None where they cannot be read exactly."""
        given = list(_spread(self.function, call.arguments, (call.sequence, call.context)))
        if None in given or not given:
            return None
        apart = APART in flags
        found: dict[Path, bool] = {}
        for function, value in (item for item in given if item is not None):
            if apart or JOINED in flags:
                paths = self.option(function, value, apart=apart)
            else:
                loader = self.loader(function, value, MAX_STEPS)
                paths = None if loader is None else loader[0]
            if paths is None:
                return None
            found.update(paths)
        return found

    def loader(
        self, function: FunctionNode, value: t.Expr, steps: int
    ) -> tuple[Loaded, Path] | None:
        """Return what ``selectinload(A.items).joinedload(Item.sku)`` loads, and where it ends."""
        if isinstance(value, t.Name):
            found = meanings(function, value.id, (1 << 60, -1))
            bind = found[0].definition if len(found) == 1 else None
            if not isinstance(bind, t.Bind) or bind.value is None or steps == 0:
                return None
            return self.loader(found[0].scope, bind.value, steps - 1)
        if not isinstance(value, t.CallRef) or steps == 0:
            return None
        call = function.facts.calls[value.index]
        flags = flags_of(self.program, function, value.index)
        if OPTION not in flags:
            return None
        before: tuple[Loaded, Path] = ({}, ())
        if isinstance(call.callee, t.Attr) and isinstance(call.callee.base, t.CallRef):
            inner = self.loader(function, call.callee.base, steps - 1)
            if inner is None:
                return None
            before = inner
        loaded, path = dict(before[0]), before[1]
        if isinstance(call.callee, t.Attr) and call.callee.name == "options":
            for given in call.arguments:
                more = self.loader(function, given, steps - 1)
                if more is None:
                    return None
                loaded.update({(*path, *below): apart for below, apart in more[0].items()})
            return loaded, path
        if COLUMNS in flags:
            # What follows says more of the rows whose columns these are.
            return loaded, path
        for given in call.arguments:
            names = self.relation_names(function, given)
            if names is None:
                return None
            for name in names:
                path = (*path, name)
                if LAZILY in flags:
                    self.later.add(path)
                # What is never to be loaded costs no query per row either.
                if LATER not in flags:
                    loaded[path] = APART in flags
        return loaded, path

    def relation_names(self, function: FunctionNode, value: t.Expr) -> tuple[str, ...] | None:
        """Return the relations that ``Post.user``, ``Post.user.and_(...)`` or a text names."""
        if isinstance(value, t.CallRef):
            value = function.facts.calls[value.index].callee
            value = value.base if isinstance(value, t.Attr) else value
        if isinstance(value, t.Attr) and isinstance(value.base, t.Name | t.Attr | t.CallRef):
            return (value.name,)
        if isinstance(value, t.Const) and isinstance(value.value, str):
            return None if EVERYTHING in value.value else tuple(value.value.split("."))
        return None

    def option(self, function: FunctionNode, value: t.Expr, *, apart: bool) -> Loaded | None:
        """Return what one name such as ``"lines__sku"`` loads, each step of it included."""
        if isinstance(value, t.CallRef):
            return self.option_call(function, function.facts.calls[value.index], apart=apart)
        if not isinstance(value, t.Const) or not isinstance(value.value, str):
            return None
        steps = tuple(value.value.split("__"))
        return {steps[:length]: apart for length in range(1, len(steps) + 1)}

    def option_call(self, function: FunctionNode, call: t.Call, *, apart: bool) -> Loaded | None:
        """Return what ``Prefetch("lines", queryset=...)`` loads."""
        keywords = dict(call.keywords)
        first = call.arguments[0] if call.arguments else keywords.get("lookup")
        if first is None or len(call.arguments) > 2:
            return None
        found = self.option(function, first, apart=apart)
        if found is None:
            return None
        top = max(found, key=len)
        if "to_attr" in keywords:
            # The relation itself asks again; only the attribute holds what was loaded.
            return {path: own for path, own in found.items() if path != top}
        query = keywords.get("queryset", call.arguments[1] if call.arguments[1:] else None)
        if query is None:
            return found
        inner = None
        if function is self.function:
            rows = self.queried(query, (call.sequence, call.context))
            inner = None if rows is None else rows.exact
        if inner is None:
            return {**found, (*top, NOT_KNOWN): False}
        return {**found, **{(*top, *path): own for path, own in inner.items()}}

    def names(self, call: t.Call) -> frozenset[str] | None:
        """Return the relation names in an option call, or None where it may name any."""
        if not call.arguments and not call.keywords:
            return None
        found: set[str] = set()
        at = (call.sequence, call.context)
        for given in call.given:
            names = self.names_in(self.function, given, at, 6)
            if names is None:
                return None
            found |= names
        return frozenset(found)

    def names_in(
        self, function: FunctionNode, value: t.Expr, at: At, steps: int
    ) -> set[str] | None:
        found: set[str] = set()
        parts = list(expressions.parts(function, value))
        called = [
            function.facts.calls[part.index].callee for part in parts if isinstance(part, t.CallRef)
        ]
        for part in parts:
            if isinstance(part, t.Const) and isinstance(part.value, str):
                if EVERYTHING in part.value:
                    return None
                found.update(step for piece in part.value.split(".") for step in piece.split("__"))
            elif isinstance(part, t.Attr):
                if part not in called and not self.is_relation(function, part, at):
                    return None
                found.add(part.name)
            elif isinstance(part, t.Name):
                names = self.names_held(function, part.id, at, steps)
                if names is None:
                    return None
                found |= names
            elif isinstance(part, t.Opaque | t.Text) or self.is_made_elsewhere(function, part):
                return None
        return found

    def is_relation(self, function: FunctionNode, value: t.Attr, at: At) -> bool:
        """Return whether an attribute names a relation, or a class of the module in which it is."""
        if value.name in self.program.schema.relation_names:
            return True
        found = self.program.types.evaluate(function, value, at)
        return any(isinstance(option, ClassType) for option in options_of(found))

    def is_made_elsewhere(self, function: FunctionNode, part: t.Expr) -> bool:
        """Return whether what gives a part is the project's, or is not known."""
        if not isinstance(part, t.CallRef):
            return False
        callee = function.facts.calls[part.index].callee
        if callee == GETATTR:
            return True
        targets = self.program.types.call(function, part.index).targets
        if any(target.function is not None for target in targets):
            return True
        return (
            all(target.behaviour is None for target in targets)
            and isinstance(callee, t.Attr)
            and not isinstance(callee.base, t.Attr | t.CallRef)
        )

    def names_held(self, function: FunctionNode, name: str, at: At, steps: int) -> set[str] | None:
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


def _spread(
    function: FunctionNode, given: Iterable[t.Expr], at: At, steps: int = 4
) -> Iterator[tuple[FunctionNode, t.Expr] | None]:
    """Yield arguments, those of written-out lists one by one; None for what cannot be read."""
    for value in given:
        if isinstance(value, t.Seq):
            yield from _spread(function, value.items, at, steps)
        elif not isinstance(value, t.Star):
            yield function, value
        elif isinstance(value.value, t.Seq):
            yield from _spread(function, value.value.items, at, steps)
        elif isinstance(value.value, t.Name) and steps:
            found = meanings(function, value.value.id, at)
            bind = found[0].definition if len(found) == 1 else None
            held = bind.value if isinstance(bind, t.Bind) else None
            if not isinstance(held, t.Seq) or _grows(found[0].scope, value.value.id):
                yield None
            else:
                yield from _spread(found[0].scope, held.items, at, steps - 1)
        else:
            yield None


def _grows(scope: FunctionNode, name: str) -> bool:
    """Return whether something is added to a list after it is made."""
    return any(
        isinstance(call.callee, t.Attr)
        and call.callee.base == t.Name(name)
        and call.callee.name in GROWING
        for call in scope.facts.calls
    ) or any(bind.kind == "augmented" for bind in scope.binds.get(name, ()))
