"""Files, functions and classes of the audited code, as linked.

Each exists once and is compared by identity.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.facts.later import LaterFacts

if TYPE_CHECKING:
    from perfaudit.program.names import Meaning
    from perfaudit.program.narrowing import Test

V = TypeVar("V")

_SETATTR = t.Name("setattr")
LOOP_KINDS = frozenset({"for", "async for", "while", "comprehension", "async comprehension"})
WALK_KINDS = LOOP_KINDS - {"while"}
"""Kinds of loops that walk something, item by item."""
TESTED_BEFORE = frozenset({"else", "and", "or"})
"""Kinds of blocks whose subject was worked out before, so that it is not worked out for them."""
_NOTHING: dict[str, Any] = {}
"""The table of all that have nothing in theirs: most functions have no imports and no classes."""


def _added(known: dict[str, list[V]], name: str, value: V) -> dict[str, list[V]]:
    """Return a table with one value more, which is another one where it had none."""
    known = known or {}
    known.setdefault(name, []).append(value)
    return known


class FileNode:
    """One Python file. ``module`` is its dotted name from the nearest source root.

    Its functions and classes are linked when they are asked for: of most tests, never.
    """

    def __init__(
        self, given: t.FileFacts | LaterFacts, module: str, role: Role, *, is_package: bool
    ) -> None:
        self._given = given
        self.path = given.path
        self.module = module
        self.role = role
        self.is_package = is_package

    def __repr__(self) -> str:
        return f"<file {self.path}>"

    @cached_property
    def facts(self) -> t.FileFacts:
        """Return what the file says."""
        return self._given.facts if isinstance(self._given, LaterFacts) else self._given

    @cached_property
    def functions(self) -> "list[FunctionNode]":
        """Return its bodies of code, in the order of its facts: first the module's own."""
        return self._linked[0]

    @cached_property
    def classes(self) -> "list[ClassNode]":
        """Return its classes, in the order of its facts."""
        return self._linked[1]

    @cached_property
    def _linked(self) -> "tuple[list[FunctionNode], list[ClassNode]]":
        functions = [
            FunctionNode(self, index, facts) for index, facts in enumerate(self.facts.functions)
        ]
        for function in functions:
            if function.facts.parent >= 0:
                function.parent = functions[function.facts.parent]
                if function.kind == "function":
                    parent = function.parent
                    parent.inner = _added(parent.inner, function.facts.name, function)
        classes = [ClassNode(self, facts, functions) for facts in self.facts.classes]
        for node in classes:
            parent = node.parent
            parent.inner_classes = _added(parent.inner_classes, node.name, node)
        for function in functions:
            if function.facts.outer_names:
                _note_outer_binds(function)
        return functions, classes

    @property
    def body(self) -> "FunctionNode":
        """Return the module's own code."""
        return self.functions[0]


class FunctionNode:
    """One body of code: a module, a class body, a function or a lambda."""

    __slots__ = (
        "file", "index", "facts", "parent", "inner", "inner_classes", "owner", "outer_binds",
        "meanings", "tests", "_binds", "_imports", "_params", "_chains", "_answers",
    )  # fmt: skip

    def __init__(self, file: FileNode, index: int, facts: t.Function) -> None:
        self.file = file
        self.index = index
        self.facts = facts
        self.parent: FunctionNode | None = None
        self.inner: dict[str, list[FunctionNode]] = _NOTHING
        self.inner_classes: dict[str, list[ClassNode]] = _NOTHING
        self.owner: ClassNode | None = None
        self.outer_binds: dict[str, list[tuple[FunctionNode, t.Bind]]] = _NOTHING
        """Binds of its names by functions inside that say ``global`` or ``nonlocal``."""
        self.meanings: dict[str, list[Meaning]] = {}
        """What names can mean in it that it does not bind, once ``program.names`` has looked."""
        self.tests: dict[t.Expr, list[Test]] | None = None
        """What its tests say of values, once ``program.narrowing`` has looked."""
        self._binds: dict[str, list[t.Bind]] | None = None
        self._imports: dict[str, list[t.Import]] | None = None
        self._params: dict[str, t.Param] | None = None
        self._chains: dict[int, tuple[int, ...]] | None = None
        self._answers: dict[tuple[object, ...], Any] | None = None

    def __repr__(self) -> str:
        return f"<function {self.qualname}>"

    @property
    def name(self) -> str:
        """Return the bare name."""
        return self.facts.name

    @property
    def kind(self) -> str:
        """Return module, class, function or lambda."""
        return self.facts.kind

    @property
    def is_async(self) -> bool:
        """Return whether it is an ``async def``."""
        return self.facts.is_async

    @property
    def qualname(self) -> str:
        """Return the dotted name with the module."""
        return f"{self.file.module}.{self.facts.qualname}"

    @property
    def role(self) -> Role:
        """Return the role of its file."""
        return self.file.role

    @property
    def location(self) -> Location:
        """Return the line of its ``def``."""
        return Location(self.file.path, self.facts.line, self.facts.column)

    def holds(self, place: Location) -> bool:
        """Return whether a place is in one of its lines."""
        facts = self.facts
        return place.path == self.file.path and facts.line <= place.line <= facts.end_line

    @property
    def binds(self) -> dict[str, list[t.Bind]]:
        """Return the binds of plain names, by name, in order."""
        if self._binds is None:
            self._binds = _NOTHING
            for bind in self.facts.binds:
                if isinstance(bind.target, t.Name):
                    self._binds = _added(self._binds, bind.target.id, bind)
        return self._binds

    @property
    def imports(self) -> dict[str, list[t.Import]]:
        """Return the imports by the name they bind; star imports under ``*``."""
        if self._imports is None:
            self._imports = _NOTHING
            for item in self.facts.imports:
                self._imports = _added(self._imports, item.bound, item)
        return self._imports

    @property
    def params(self) -> dict[str, t.Param]:
        """Return the parameters by name."""
        if self._params is None:
            self._params = {param.name: param for param in self.facts.params} or _NOTHING
        return self._params

    def only_value(self, name: str) -> t.Expr | None:
        """Return the expression that a local name always stands for; None where it may not."""
        binds = self.binds.get(name, ())
        if len(binds) != 1 or binds[0].kind != "assign" or name in self.params:
            return None
        return None if name in self.facts.outer_names else binds[0].value

    def context_chain(self, context: int) -> tuple[int, ...]:
        """Return the context and those around it, innermost first."""
        if context < 0:
            return ()
        if self._chains is None:
            self._chains = {}
        found = self._chains.get(context)
        if found is None:
            outer = self.context_chain(self.facts.contexts[context].parent)
            found = self._chains[context] = (context, *outer)
        return found

    def is_within(self, context: int, ancestor: int) -> bool:
        """Return whether one context is the other or lies in it; everything lies in -1."""
        return ancestor < 0 or ancestor in self.context_chain(context)

    def loops(self, context: int) -> list[int]:
        """Return the loops around a context, innermost first."""
        contexts = self.facts.contexts
        return [step for step in self.context_chain(context) if contexts[step].kind in LOOP_KINDS]

    def place(self, item: t.Call | t.Read) -> Location:
        """Return where a call or a read of this function stands."""
        return Location(self.file.path, item.line, item.column, item.end_line, item.end_column)

    def line(self, line: int, column: int = 1) -> Location:
        """Return a place of this function's file."""
        return Location(self.file.path, line, column)


P = ParamSpec("P")


def remembered(
    question: Callable[Concatenate[FunctionNode, P], V],
) -> Callable[Concatenate[FunctionNode, P], V]:
    """Return a question about a place of a function that is worked out once for each place.

    Only for what hangs on the facts of the function's file alone.
    """

    @wraps(question)
    def ask(function: FunctionNode, *place: P.args, **named: P.kwargs) -> V:
        answers = function._answers  # Asked too often for a call.
        if answers is None:
            answers = function._answers = {}
        key = (question, *place, *named.items()) if named else (question, *place)
        try:
            found: V = answers[key]
        except KeyError:
            found = answers[key] = question(function, *place, **named)
        return found

    return cast("Callable[Concatenate[FunctionNode, P], V]", ask)


class ClassNode:
    """One class. Bases are linked by ``program.classes``."""

    def __init__(self, file: FileNode, facts: t.Class, functions: Sequence[FunctionNode]) -> None:
        self.file = file
        self.facts = facts
        self.name = facts.name
        self.parent = functions[facts.parent]
        self.body = functions[facts.body]
        self.body.owner = self
        for functions in self.body.inner.values():
            for function in functions:
                function.owner = self

    def __repr__(self) -> str:
        return f"<class {self.qualname}>"

    @property
    def qualname(self) -> str:
        """Return the dotted name with the module."""
        return f"{self.file.module}.{self.facts.qualname}"

    @property
    def location(self) -> Location:
        """Return the line of its ``class``."""
        return Location(self.file.path, self.facts.line)

    @cached_property
    def methods(self) -> dict[str, "FunctionNode"]:
        """Return the methods written in the class; the last definition of a name wins.

        A property is its getter.
        """
        return {
            name: next(
                (item for item in reversed(functions) if accessor_of(item) is None), functions[-1]
            )
            for name, functions in self.body.inner.items()
        }

    @cached_property
    def setters(self) -> dict[str, "FunctionNode"]:
        """Return the methods that run when a property is set, by its name."""
        return {
            name: function
            for name, functions in self.body.inner.items()
            for function in functions
            if accessor_of(function) == "setter"
        }

    @property
    def attributes(self) -> Set[str]:
        """Return the names that its body or its own methods give its objects."""
        body = self.body
        return (
            body.inner.keys() | body.binds.keys() | body.inner_classes.keys() | self.stores.keys()
        )

    @cached_property
    def stores(self) -> dict[str, list[tuple["FunctionNode", t.Bind]]]:
        """Return the ``self.x = value`` of its own methods, by attribute."""
        found: dict[str, list[tuple[FunctionNode, t.Bind]]] = {}
        for functions in self.body.inner.values():
            for function in functions:
                if not function.facts.params:
                    continue
                receiver = t.Name(function.facts.params[0].name)
                for base, name, bind in attribute_stores(function):
                    if base == receiver:
                        found.setdefault(name, []).append((function, bind))
        return found


IN_QUERIES = frozenset({"expression", "comparator", "update_expression"})
"""The decorators of a property for what takes its place in a query."""


def accessor_of(function: FunctionNode) -> str | None:
    """Return setter or deleter for a method that is one of a property, else None.

    What stands for the property in a query is named too: ``@total.expression def total(cls)``.
    """
    for decorator in function.facts.decorators:
        if not isinstance(decorator, t.Attr):
            continue
        if decorator.name in ("setter", "deleter"):
            return decorator.name
        if decorator.name in IN_QUERIES and decorator.base == t.Name(function.name):
            return decorator.name
    return None


def enclosing_class(function: FunctionNode) -> ClassNode | None:
    """Return the class whose method this is, or stands in."""
    scope: FunctionNode | None = function
    while scope is not None:
        if scope.owner is not None:
            return scope.owner
        scope = scope.parent
    return None


def attribute_stores(function: FunctionNode) -> Iterator[tuple[t.Expr, str, t.Bind]]:
    """Yield the base, the name and the bind of each attribute that a function sets.

    ``setattr`` with a written-out name sets one too.
    """
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Attr):
            yield bind.target.base, bind.target.name, bind
    for call in function.facts.calls:
        if call.callee != _SETATTR or len(call.arguments) != 3:
            continue
        base, name, value = call.arguments
        if isinstance(name, t.Const) and isinstance(name.value, str):
            target = t.Attr(base, name.value)
            yield (
                base,
                name.value,
                t.Bind(
                    target,
                    value,
                    None,
                    "assign",
                    call.context,
                    call.sequence,
                    call.line,
                    call.column,
                ),
            )


def _note_outer_binds(function: FunctionNode) -> None:
    """Tell the scopes around a function which of their names it binds."""
    for bind in function.facts.binds:
        target = bind.target
        if isinstance(target, t.Name) and target.id in function.facts.outer_names:
            scope = _scope_of(function, target.id)
            scope.outer_binds = _added(scope.outer_binds, target.id, (function, bind))


def _scope_of(function: FunctionNode, name: str) -> FunctionNode:
    """Return the scope around a function that a ``global`` or ``nonlocal`` name belongs to."""
    scope = function.parent or function
    while scope.parent is not None:
        if (
            scope.kind == "function"
            and name not in scope.facts.outer_names
            and (name in scope.binds or name in scope.params)
        ):
            return scope
        scope = scope.parent
    return scope


@remembered
def inner_functions(function: FunctionNode) -> list[FunctionNode]:
    """Return the functions and lambdas inside a function, which see its names."""
    found = {function}
    for other in function.file.functions:
        if other.parent in found and other is not function:
            found.add(other)
    return [other for other in function.file.functions if other in found and other is not function]


def is_handler(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs only after an exception."""
    contexts = function.facts.contexts
    return any(contexts[step].kind == "except" for step in function.context_chain(context))
