"""Which relations a query loads with its rows, by the whole path, and by how many more queries."""

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.managers import gives_own_rows, manager_may_load
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_costs import row_class
from perfaudit.program.values import Awaitable, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

JOINED = "loads-joined"
APART = "loads-apart"
OPTION = "query-option"
COLUMNS = "columns-only"
ANY = "loads-any"
MAX_STEPS = 24
At = tuple[int, int]
Path = tuple[str, ...]
Loaded = Mapping[Path, bool]
"""The paths of relations that are loaded, and whether by a query of their own."""
NOT_KNOWN = "*"
"""The last step of a path below which others may be loaded."""


def loaded_by(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> Loaded | None:
    """Return what the query behind rows loads with them, or None where that is not sure."""
    loaded = _Search(program).loaded(function, value, at, MAX_STEPS)
    if not loaded:
        return loaded
    row = row_class(program, program.types.evaluate(function, value, at))
    return loaded if row is None else {**loaded, **_may_be_loaded(program, row, loaded)}


def _may_be_loaded(program: "Program", row: ClassNode, loaded: Loaded) -> Loaded:
    """Return the paths below which managers of the project may load more."""
    found: dict[Path, bool] = {}
    for path in loaded:
        node: ClassNode | None = row
        for length, name in enumerate(path, 1):
            relation = None if node is None else program.schema.relation(node, name)
            node = None if relation is None else relation.target
            if relation is None or node is None:
                break
            if relation.many and manager_may_load(program.types, node):
                found[*path[:length], NOT_KNOWN] = False
    return found


def is_in(path: Path, loaded: Container[Path]) -> bool | None:
    """Return whether a path is among those that are loaded, or None where that is not known."""
    if path in loaded:
        return True
    if any((*path[:length], NOT_KNOWN) in loaded for length in range(1, len(path))):
        return None
    return False


def extra_queries(loaded: Loaded) -> int:
    """Return how many queries are run besides that of the rows themselves."""
    return sum(loaded.values())


class _Search:
    """One search; project functions under way are not entered again."""

    def __init__(self, program: "Program") -> None:
        self.program = program
        self.entered: set[FunctionNode] = set()
        self.bound: dict[tuple[FunctionNode, int], Loaded | None] = {}
        """What names were bound to; None also for a name that is made from itself in a loop."""

    def loaded(self, function: FunctionNode, value: t.Expr, at: At, steps: int) -> Loaded | None:
        if steps <= 0:
            return None
        match value:
            case (
                t.Await(value=inner)
                | t.Star(value=inner)
                | t.Entered(value=inner)
                | t.Element(iterable=inner)
                | t.Item(base=inner)
            ):
                return self.loaded(function, inner, at, steps - 1)
            case t.Comp(element=t.Name(id=name), context=context):
                return self.named(function, name, (at[0], context), steps - 1)
            case t.Name(id=name):
                return self.named(function, name, at, steps - 1)
            case t.CallRef(index=index):
                return self.called(function, index, steps - 1)
            case t.Attr(base=base, name=name):
                return self.attribute(function, base, name, at, steps - 1)
        return None

    def named(self, function: FunctionNode, name: str, at: At, steps: int) -> Loaded | None:
        answers: list[Loaded | None] = []
        for scope, definition in meanings(function, name, at):
            if not isinstance(definition, t.Bind) or definition.value is None:
                return None
            inner = (definition.sequence, definition.context)
            if definition.kind == "for":
                inner = (inner[0], scope.facts.contexts[definition.context].parent)
            key = (scope, definition.sequence)
            if key not in self.bound:
                self.bound[key] = None
                self.bound[key] = self.loaded(scope, definition.value, inner, steps)
            answers.append(self.bound[key])
        return _same(answers)

    def called(self, function: FunctionNode, index: int, steps: int) -> Loaded | None:
        call = function.facts.calls[index]
        resolved = self.program.types.call(function, index)
        callees = [target.function for target in resolved.targets if target.function is not None]
        if callees:
            return _same([self.returned(callee, steps) for callee in callees])
        behaviours = [target.behaviour for target in resolved.targets if target.behaviour]
        if not behaviours:
            return None
        at = (call.sequence, call.context)
        found: dict[Path, bool] = {}
        flags = {flag for behaviour in behaviours for flag in behaviour.flags}
        if OPTION in flags:
            named = self.options(function, call, flags)
            if named is None:
                return None
            found.update(named)
        before: list[t.Expr] = []
        if isinstance(call.callee, t.Attr) and self.is_query(function, call.callee.base, at):
            before.append(call.callee.base)
        before += [given for given in call.arguments[:1] if self.is_query(function, given, at)]
        for part in before:
            more = self.loaded(function, part, at, steps)
            if more is None:
                return None
            found.update(more)
        return found

    def returned(self, callee: FunctionNode, steps: int) -> Loaded | None:
        if callee in self.entered:
            return None
        self.entered.add(callee)
        answers = [
            self.loaded(callee, item.value, (item.sequence, item.context), steps)
            for item in callee.facts.results
            if item.value is not None
        ]
        self.entered.discard(callee)
        return _same(answers)

    def attribute(
        self, function: FunctionNode, base: t.Expr, name: str, at: At, steps: int
    ) -> Loaded | None:
        """Return what the manager of a class loads, or what was loaded below a row's relation.

        A page of a query has in its attributes the rows of the query.
        """
        types = self.program.types
        owners = options_of(types.evaluate(function, base, at))
        if self.is_query(function, base, at) and all(
            isinstance(option, LibraryInstance) for option in owners
        ):
            return self.loaded(function, base, at, steps)
        for option in owners:
            if isinstance(option, Instance):
                relation = self.program.schema.relation(option.node, name)
                above = None if relation is None else self.loaded(function, base, at, steps)
                if above is None:
                    return None
                return {
                    path[1:]: apart for path, apart in above.items() if path[1:] and path[0] == name
                }
        value = types.evaluate(function, t.Attr(base, name), at)
        for option in options_of(value):
            if isinstance(option, Instance):
                if gives_own_rows(types, option):
                    return None
            elif not isinstance(option, LibraryInstance):
                return None
        return {}

    def is_query(self, function: FunctionNode, value: t.Expr, at: At) -> bool:
        """Return whether a value is a query, a statement or rows of a library."""
        if isinstance(value, t.Const):
            return False
        return any(
            (isinstance(option, LibraryInstance) and bool(option.arguments))
            or (isinstance(option, Instance) and bool(option.arguments))
            for option in options_of(self.program.types.evaluate(function, value, at))
        )

    def options(self, function: FunctionNode, call: t.Call, flags: set[str]) -> Loaded | None:
        """Return what a call that says what a query loads names, or None if that is not clear."""
        apart = APART in flags
        if ANY in flags:
            return None
        if COLUMNS in flags:
            return {}
        if not apart and JOINED not in flags:
            return self.loaders(function, call.arguments)
        if not call.arguments:
            return None
        found: dict[Path, bool] = {}
        for given in call.arguments:
            paths = self.option(function, given, apart=apart)
            if paths is None:
                return None
            found.update(paths)
        return found

    def loaders(self, function: FunctionNode, given: Iterable[t.Expr]) -> Loaded | None:
        """Return what a list of loader calls names."""
        found: dict[Path, bool] = {}
        for value in given:
            paths = self.loader(function, value, MAX_STEPS)
            if paths is None:
                return None
            found.update(paths[0])
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
        targets = self.program.types.call(function, value.index).targets
        flags = {flag for each in targets if each.behaviour for flag in each.behaviour.flags}
        if OPTION not in flags:
            return None
        before: tuple[Loaded, Path] = ({}, ())
        if isinstance(call.callee, t.Attr) and isinstance(call.callee.base, t.CallRef):
            inner = self.loader(function, call.callee.base, steps - 1)
            if inner is None:
                return None
            before = inner
        loaded, path = dict(before[0]), before[1]
        name = call.callee.name if isinstance(call.callee, t.Attr) else ""
        if name == "options":
            more = self.loaders(function, call.arguments)
            if more is None:
                return None
            loaded.update({(*path, *below): apart for below, apart in more.items()})
            return loaded, path
        for given in call.arguments:
            if not isinstance(given, t.Attr):
                return None
            path = (*path, given.name)
            # What is never to be loaded costs no query per row either.
            if COLUMNS not in flags:
                loaded[path] = APART in flags
        return loaded, path

    def option(self, function: FunctionNode, value: t.Expr, *, apart: bool) -> Loaded | None:
        """Return what one name such as ``"lines__sku"`` loads, each step of it included."""
        if isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            keywords = dict(call.keywords)
            first = call.arguments[0] if call.arguments else keywords.get("lookup")
            if first is None or "to_attr" in keywords or len(call.arguments) > 2:
                return None
            found = self.option(function, first, apart=apart)
            query = keywords.get("queryset", call.arguments[1] if call.arguments[1:] else None)
            if found is None or query is None:
                return found
            inner = self.loaded(function, query, (call.sequence, call.context), MAX_STEPS)
            top = max(found, key=len)
            if inner is None:
                return {**found, (*top, NOT_KNOWN): False}
            return {**found, **{(*top, *path): own for path, own in inner.items()}}
        if not isinstance(value, t.Const) or not isinstance(value.value, str):
            return None
        steps = tuple(value.value.split("__"))
        return {steps[:length]: apart for length in range(1, len(steps) + 1)}


def _same(answers: list[Loaded | None]) -> Loaded | None:
    """Return the answer on which all ways agree, else None."""
    if not answers or any(answer is None or answer != answers[0] for answer in answers):
        return None
    return answers[0]


def loads_objects(program: "Program", value: Type, nesting: int = 3) -> bool:
    """Return whether a value is, or holds, rows as objects of a table."""
    if nesting == 0:
        return False
    for option in options_of(value):
        if isinstance(option, Instance) and program.schema.table_of(option.node) is not None:
            return True
        parts: tuple[Type, ...] = ()
        if isinstance(option, Awaitable):
            parts = (option.result,)
        elif isinstance(option, LibraryInstance):
            parts = option.arguments
        if any(loads_objects(program, part, nesting - 1) for part in parts):
            return True
    return False
