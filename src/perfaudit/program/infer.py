"""The type of any expression, on demand and remembered."""

import builtins
from collections.abc import Callable
from typing import Any, TypeVar, cast

from perfaudit.facts import types as t
from perfaudit.facts.extract import annotation_of
from perfaudit.libraries import Libraries
from perfaudit.libraries.types import TypeExpr
from perfaudit.program import (
    annotations,
    calls,
    construction,
    decorators,
    fills,
    graph_words,
    members,
    providers,
    returns,
)
from perfaudit.program.callers import Callers
from perfaudit.program.classes import Hierarchy
from perfaudit.program.expression_types import BY_KIND
from perfaudit.program.lambda_items import item_given
from perfaudit.program.modules import Modules
from perfaudit.program.names import AT_END, Meaning, meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.second_opinion import CallPlace, Opinions, reconsidered
from perfaudit.program.shown_rows import row_given, row_of_view
from perfaudit.program.stores import Stores
from perfaudit.program.tables import Table
from perfaudit.program.values import (
    NONE,
    STRING,
    Arguments,
    Awaitable,
    ClassType,
    External,
    Factory,
    FunctionType,
    LibraryInstance,
    LibrarySymbol,
    ModuleType,
    Namespace,
    TupleType,
    Type,
    UnionType,
    Unknown,
    refined,
    union,
)

MAX_DEPTH = 60
BUILTIN_NAMES = frozenset(dir(builtins)) | {"reveal_type"}
MAX_ATTEMPTS = 8
"""How often an answer that a ring cuts short is worked out again."""
NOWHERE = 1 << 60
RECURSION = Unknown("recursive definition")
TOO_DEEP = Unknown("chain too long")
NOT_DEFINED = Unknown("not defined in module")
NOT_RESOLVED = calls.Resolved((), RECURSION, RECURSION)
K = TypeVar("K")
V = TypeVar("V")


class Types:
    """What each expression of the program can be.

    Questions never raise; what is not known is Unknown with a reason.
    """

    def __init__(
        self, modules: Modules, libraries: Libraries, opinions: Opinions | None = None
    ) -> None:
        self.modules = modules
        self.libraries = libraries
        self._opinions = opinions or {}
        self.classes = Hierarchy(
            [node for file in modules.files for node in file.classes],
            libraries,
            self.evaluate,
        )
        self.callers = Callers(modules.files)
        self.graph_words = graph_words.words_of(libraries)
        self.row_classes: dict[ClassNode, ClassNode | None] = {}
        """The rows behind graph types, as far as ``program.graph_words`` has been asked."""
        self.relations: dict[tuple[ClassNode, str], Type] = {}
        """Types of attributes that an ORM makes, by class and name, from ``program.schema``."""
        self.made_tables: dict[tuple[FunctionNode, int], Table] = {}
        """Tables by the calls that make them as objects, from ``program.schema``."""
        self.has_table_objects = False
        """Whether such calls are made anywhere, also in functions."""
        self.class_tables: dict[ClassNode, Table] = {}
        """Tables by their class, where objects of them can be asked of it."""
        self.table_attributes: frozenset[str] = frozenset()
        """Attributes of these classes that may be such objects."""
        self.told: dict[tuple[FunctionNode, str], Type] = {}
        """Types of parameters that a library gives its rows to, by function and name."""
        self.shown_in_views: dict[ClassNode, list[Type]] | None = None
        """The rows of views by the class that shows them, once ``program.shown_rows`` was asked."""
        self.swapped: dict[str, ClassNode] = {}
        """Classes that settings put in the place of a library's, by its name."""
        self.sql_files: dict[str, str] = {}
        self.named_sql: dict[str, str] = {}
        """Statements of these files by the names that they are given there."""
        self._calls: dict[FunctionNode, dict[int, calls.Resolved]] = {}
        self._binds: dict[FunctionNode, dict[int, Type]] = {}
        self._returns: dict[FunctionNode, Type] = {}
        self._stores = Stores(modules.files)
        self._given: dict[tuple[Type, str], Type] = {}
        self.supposed: dict[str, set[ClassNode]] = {}
        """Attributes that only subclasses have, each with the classes that lack it."""
        self.members: dict[tuple[Type, str], Type] = {}
        """What attributes of values are, where ``program.members`` has looked."""
        self.annotations: dict[tuple[FunctionNode, t.Expr], Type] = {}
        """What annotations mean in scopes, where ``program.annotations`` has looked."""
        self._imports: dict[tuple[FileNode, t.Import], Type] = {}
        self._attributes: dict[tuple[ClassNode, str], Type] = {}
        self._exports: dict[tuple[FileNode, str], Type] = {}
        self._decorators: dict[FunctionNode, tuple[str, ...]] = {}
        self._absent: set[tuple[FileNode, str]] = set()
        self._params: dict[tuple[FunctionNode, str], Type] = {}
        self._wrappers: dict[FunctionNode, decorators.Wrapping] = {}
        self._busy: dict[object, int] = {}
        self._hooks: dict[ClassNode, list[FunctionNode]] = {}
        self.delegating: set[tuple[FunctionNode, str]] = set()
        """What ``__getattr__`` is being asked for: objects may well hold each other in a circle."""
        self._reached = NOWHERE
        self._provisional: dict[object, tuple[Any, int]] = {}
        self._noted: list[object] = []
        self._attempts: dict[object, int] = {}
        self._handed = frozenset(name for each in libraries.frameworks for name in each.handed)
        """Names of parameters that a framework may fill in, until the endpoints tell which do."""
        self._leans = False
        """Whether the answer being worked out may be another one once they have told.

        It leans on such a parameter, or on a ring, whose answers hang on where it was entered.
        """
        self._leaning: dict[object, Any] = {}
        """Answers that do: what is forgotten then."""
        self._is_told = False
        self._depth = 0

    def learn_swapped(self, swapped: dict[str, ClassNode]) -> None:
        """Note which classes settings put in the place of a library's; forget all answers."""
        if not swapped:
            return
        self.swapped.update(swapped)
        self.callers.forget()
        self._stores.forget()
        self._leaning.clear()
        self._absent.clear()
        for memo in (
            self._calls,
            self._binds,
            self._returns,
            self._given,
            self.members,
            self.annotations,
            self._imports,
            self._attributes,
            self._exports,
            self._params,
            self._wrappers,
            self._hooks,
        ):
            cast("dict[object, object]", memo).clear()

    def learn_told(self, told: dict[tuple[FunctionNode, str], Type]) -> None:
        """Note what frameworks hand to handlers; forget the answers that leaned on it."""
        self._handed, self._is_told = frozenset(), True
        if told:
            self.told = {**told, **self.told}
            self._leaning.clear()

    def leans(self, question: Callable[[], V]) -> tuple[V, bool]:
        """Return an answer, and whether it leans on what ``learn_told`` may tell."""
        outer, self._leans = self._leans, False
        try:
            return question(), self._leans
        finally:
            self._leans |= outer

    def kept(self, memo: "dict[K, V]", key: K, question: Callable[[], V]) -> "V":
        """Return a remembered answer, or work it out; one that may be another later is not kept."""
        known = memo.get(key)
        if known is not None:
            return known
        found, leans = self.leans(question)
        if not (leans or self.delegating or self.classes.is_under_way):
            memo[key] = found
        return found

    def evaluate(self, function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> Type:
        """Return the type of an expression at a point (sequence, context) of the function."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                self.cut_short()
                return TOO_DEEP
            return BY_KIND[type(value)](self, function, value, at)
        finally:
            self._depth -= 1

    def name(self, function: FunctionNode, name: str, at: tuple[int, int]) -> Type:
        """Return what a bare name is at a point of the function."""
        found = meanings(function, name, at)
        if not found:
            return self._builtin_or_star(function, name)
        return self._together(found)

    def _together(self, found: list[Meaning]) -> Type:
        """Return what several meanings of a name are: their annotation, where it says enough."""
        if len(found) == 1:
            return self._meaning(found[0])
        annotated = [item for item in found if _is_annotated(item)]
        if annotated:
            declared = union([self._meaning(item) for item in annotated])
            if len(annotated) == len(found) or not isinstance(declared, Unknown):
                return declared
        return union([self._meaning(item) for item in found])

    def _builtin_or_star(self, function: FunctionNode, name: str) -> Type:
        for item in function.file.body.imports.get("*", ()):
            starred = self._star(function.file, item, name)
            if starred is not None:
                return starred
        if name in BUILTIN_NAMES:
            return LibrarySymbol(f"builtins.{name}")
        if name in ("__class__",):
            return Unknown("dynamic name")
        return Unknown("undefined name")

    def _star(self, file: FileNode, item: t.Import, name: str) -> Type | None:
        target = self.import_target(file, item)
        if target is None and not item.level:
            return self._described(f"{item.module}.{name}")
        if not isinstance(target, FileNode):
            return None
        exported = target.facts.exported
        if (exported and name not in exported) or (not exported and name.startswith("_")):
            return None
        return self.export(target, name)

    def _meaning(self, meaning: Meaning) -> Type:
        scope, definition = meaning
        if type(definition) is t.Bind:
            return self.bound(scope, definition)
        if type(definition) is t.Param:
            return self.param(scope, definition)
        if type(definition) is t.Import:
            return self.kept(
                self._imports,
                (scope.file, definition),
                lambda: self._imported(scope.file, definition),
            )
        if isinstance(definition, ClassNode):
            return ClassType(definition)
        assert isinstance(definition, FunctionNode)
        return decorators.decorated(self, definition)

    def bound(self, scope: FunctionNode, bind: t.Bind) -> Type:
        """Return the type that a bind gives to its target."""
        known = self._binds.get(scope)
        if known is None:
            known = self._binds[scope] = {}
        return known.get(bind.sequence) or self._once(
            known, bind.sequence, lambda: self._bound(scope, bind)
        )

    def _bound(self, scope: FunctionNode, bind: t.Bind) -> Type:
        result: Type = Unknown("no value")
        if bind.annotation is not None:
            text = annotations.alias_text(self, scope, bind)
            if text is not None:
                return annotations.annotated(self, scope, annotation_of(text))
            result = annotations.annotated(self, scope, bind.annotation)
        if bind.value is not None and isinstance(result, Unknown | External):
            at = (bind.sequence, bind.context)
            if bind.kind == "for":
                at = (bind.sequence, scope.facts.contexts[bind.context].parent)
            found = self.evaluate(scope, bind.value, at)
            result = (
                found if not isinstance(found, Unknown) or isinstance(result, Unknown) else result
            )
        return fills.filled(self, scope, bind, result)

    def param(self, scope: FunctionNode, param: t.Param) -> Type:
        """Return the type of a parameter: its annotation, the receiver, or its default."""
        key = (scope, param.name)
        return self._params.get(key) or self._once(
            self._params, key, lambda: self._param(scope, param)
        )

    def _param(self, scope: FunctionNode, param: t.Param) -> Type:
        outer = scope.parent or scope
        if param.kind == "*args":
            inner = (
                annotations.annotated(self, outer, param.annotation)
                if param.annotation
                else Unknown("*args")
            )
            return LibraryInstance("builtins.tuple", (inner,))
        if param.kind == "**kwargs":
            inner = (
                annotations.annotated(self, outer, param.annotation)
                if param.annotation
                else Unknown("**kwargs")
            )
            return LibraryInstance("builtins.dict", (STRING, inner))
        receiver = graph_words.given_row(self, scope, param)
        receiver = receiver or decorators.receiver_of(self, scope, param)
        if receiver is not None:
            return receiver
        declared: Type = Unknown("untyped parameter")
        if param.annotation is not None:
            declared = annotations.annotated(self, outer, param.annotation)
            if not annotations.is_weak(self, declared):
                return declared
        if param.default is not None:
            found = self._default(outer, scope, param.default)
            if not isinstance(found, Unknown) and found != NONE:
                return refined(declared, found)
        if isinstance(declared, Factory):
            return refined(declared, self._callable(scope, param))
        told = self.told.get((scope, param.name))
        if told is not None:
            return told
        if param.name in self._handed:
            self._leans = True
        passed = (
            self.callers.passed(self, scope, param)
            or item_given(self, scope, param)
            or row_given(self, scope, param)
        )
        if passed is not None:
            return passed
        return Unknown("untyped parameter") if isinstance(declared, Unknown) else declared

    def _callable(self, scope: FunctionNode, param: t.Param) -> Type:
        """Return the functions that callers pass for a callable; Unknown where not all are known.

        What objects are made with differs by object: only where all have the same is it known.
        """
        found = self.callers.all_passed(self, scope, param)
        if not found or not all(isinstance(value, FunctionType) for value in found):
            return Unknown("callable")
        known = union(found)
        return Unknown("callable") if scope.name == "__init__" and known not in found else known

    def _default(self, outer: FunctionNode, scope: FunctionNode, default: t.Expr) -> Type:
        if isinstance(default, t.CallRef):
            injected = providers.injected(self, outer, default.index)
            if injected is not None:
                return injected
        if isinstance(default, t.Item):
            injected = providers.injected_item(self, outer, default)
            if injected is not None:
                return injected
        return self.evaluate(outer, default, (AT_END[0], scope.facts.context))

    def call(self, function: FunctionNode, index: int) -> calls.Resolved:
        """Return what a call runs and what it gives."""
        known = self._calls.get(function)
        if known is None:
            known = self._calls[function] = {}
        found = known.get(index)
        if found is not None:
            return found
        return self._once(known, index, lambda: self._resolved(function, index), NOT_RESOLVED)

    def _resolved(self, function: FunctionNode, index: int) -> calls.Resolved:
        known = row_of_view(self, calls.resolve(self, function, function.facts.calls[index]))
        if self._opinions:
            opinion = self._opinions.get(CallPlace(function.file.path, function.index, index))
            if opinion is not None:
                return reconsidered(self, function, index, known, opinion)
        return known

    def returned(self, function: FunctionNode) -> Type:
        """Return what calling the function gives, before awaiting."""
        return self._returns.get(function) or self._once(
            self._returns, function, lambda: returns.returned(self, function)
        )

    def decorator_paths(self, function: FunctionNode) -> tuple[str, ...]:
        """Return the dotted paths of the library decorators of a function, outermost first."""
        known = self._decorators.get(function)
        if known is None:
            # A decorator that leads back to its own function (``@size.setter``) adds nothing.
            self._decorators[function] = ()
            known = self._decorators[function] = decorators.find_decorator_paths(self, function)
        return known

    def wrapping(self, function: FunctionNode) -> decorators.Wrapping:
        """Return what the decorators of the project put around a function."""
        return self._wrappers.get(function) or self._once(
            self._wrappers,
            function,
            lambda: decorators.find_wrapping(self, function),
            decorators.UNWRAPPED,
        )

    def hooks(self, node: ClassNode) -> list[FunctionNode]:
        """Return the methods that a library runs for each object of a class that is made."""
        known = self._hooks.get(node)
        if known is not None:
            return known
        return self._once(self._hooks, node, lambda: construction.hooks(self, node), [])

    def attribute(self, node: ClassNode, name: str) -> Type:
        """Return the type of an attribute of the class's objects; ``members`` binds methods."""
        key = (node, name)
        return self._attributes.get(key) or self._once(
            self._attributes, key, lambda: members.class_member(self, node, name)
        )

    def given(self, owner: Type, name: str) -> Type | None:
        """Return what is put into an attribute from outside its class or module, or None."""
        if not self._stores.may_give(name):
            return None
        key = (owner, name)
        found = self._given.get(key) or self._once(
            self._given,
            key,
            lambda: self._stores.given(self, owner, name) or NOT_DEFINED,
            NOT_DEFINED,
        )
        return None if found == NOT_DEFINED else found

    def put(self, owner: LibraryInstance, key: str) -> Type | None:
        """Return what is put under a key into an object of a library, or None."""
        found = self._once(
            self._given,
            (owner, f"[{key}]"),
            lambda: self._stores.put(self, owner, key) or NOT_DEFINED,
            NOT_DEFINED,
        )
        return None if found == NOT_DEFINED else found

    def export(self, file: FileNode, name: str) -> Type | None:
        """Return what a module's attribute is, or None where the module does not define it."""
        key = (file, name)
        if key in self._absent:
            return None
        found = self._exports.get(key) or self._once(
            self._exports, key, lambda: self._export(file, name) or NOT_DEFINED
        )
        if found == NOT_DEFINED:
            self._absent.add(key)
            return None
        return found

    def cut_short(self) -> None:
        """Note that the answers being worked out lean on how they were come to."""
        self._reached = 0
        self._leans = True

    def _once(
        self, memo: "dict[K, V]", key: K, compute: Callable[[], V], cut: "V | None" = None
    ) -> "V":
        """Return the remembered answer, or compute it.

        A question that asks itself is a recursive definition. An answer that such a ring cut short
        is kept only until the question that closes the ring is answered.
        """
        known = memo.get(key)
        if known is not None:
            return known
        busy = (id(memo), key)
        leaning: V | None = self._leaning.get(busy) if self._leaning else None
        if leaning is not None:
            self._leans = True
            return leaning
        position = self._busy.get(busy)
        if position is not None:
            self._reached = min(self._reached, position)
            self._leans = True
            return cast("V", RECURSION) if cut is None else cut
        held = self._provisional.get(busy) if self._provisional else None
        if held is not None:
            self._reached = min(self._reached, held[1])
            self._leans = True
            answer: V = held[0]
            return answer
        position = self._busy[busy] = len(self._busy)
        outer, self._reached, mark = self._reached, NOWHERE, len(self._noted)
        leaned, self._leans = self._leans, False
        try:
            known = compute()
        finally:
            del self._busy[busy]
            reached, self._reached = self._reached, outer
            leans, self._leans = self._leans, self._leans or leaned
        if reached < position:
            self._reached = min(outer, reached)
            if not _is_settled(known) and self._attempts.get(busy, 0) < MAX_ATTEMPTS:
                self._attempts[busy] = self._attempts.get(busy, 0) + 1
                self._provisional[busy] = (known, reached)
                self._noted.append(busy)
                return known
        if leans and not self._is_told:
            self._leaning[busy] = known
        else:
            memo[key] = known
        if reached >= position and len(self._noted) > mark:
            self._forget(mark)
        return known

    def _forget(self, mark: int) -> None:
        """Drop the provisional answers of a ring that is closed."""
        for busy in self._noted[mark:]:
            self._provisional.pop(busy, None)
        del self._noted[mark:]

    def _export(self, file: FileNode, name: str) -> Type | None:
        found = meanings(file.body, name, AT_END)
        if found:
            return self._together(found)
        submodule = self.modules.submodule(file, name)
        if isinstance(submodule, FileNode):
            return ModuleType(submodule)
        for item in file.body.imports.get("*", ()):
            starred = self._star(file, item, name)
            if starred is not None:
                return starred
        if "__getattr__" in file.body.inner:
            return Unknown("module __getattr__")
        return None

    def import_target(self, file: FileNode, item: t.Import) -> FileNode | str | None:
        """Return the file or namespace folder that an import means; None for a library."""
        if item.level:
            return self.modules.find_relative(item.module, item.level, file)
        return self.modules.find(item.module, file)

    def import_origin(self, scope: FunctionNode, item: t.Import) -> tuple[FunctionNode, str] | None:
        """Return the body of the module that a name is imported from, and its name there.

        None where no name is imported, and for libraries.
        """
        target = self.import_target(scope.file, item) if item.name else None
        return (target.body, item.name) if isinstance(target, FileNode) and item.name else None

    def _imported(self, file: FileNode, item: t.Import) -> Type:
        if item.name is None:
            top = item.module.partition(".")[0]
            found = self.modules.find(top, file)
            if isinstance(found, FileNode):
                return ModuleType(found)
            return Namespace(found) if isinstance(found, str) else self.symbol(top)
        target = self.import_target(file, item)
        if target is None:
            if item.level:
                return Unknown("import not found")
            dotted = f"{item.module}.{item.name}" if item.name else item.module
            return self.symbol(dotted)
        if item.name == "":
            return ModuleType(target) if isinstance(target, FileNode) else Namespace(target)
        if isinstance(target, FileNode) and target is not file:
            exported = self.export(target, item.name)
            if exported is not None:
                return exported
        submodule = self.modules.submodule(target, item.name)
        if isinstance(submodule, FileNode):
            return ModuleType(submodule)
        if isinstance(submodule, str):
            return Namespace(submodule)
        return Unknown("import not found")

    def symbol(self, dotted: str) -> Type:
        """Return what a dotted library name is: a known object, or the symbol."""
        path = self.libraries.canonical(dotted)
        value = self.libraries.value(path)
        if value is not None:
            return self.instantiate(value)
        return LibrarySymbol(path)

    def _described(self, dotted: str) -> Type | None:
        """Return a library name that some file describes, or None."""
        path = self.libraries.canonical(dotted)
        libraries = self.libraries
        if libraries.function(path) or libraries.type(path) or libraries.value(path):
            return self.symbol(path)
        return None

    def instantiate(
        self,
        expression: TypeExpr,
        *,
        receiver: Type | None = None,
        arguments: Arguments | None = None,
    ) -> Type:
        """Return what a library file's type expression means for a receiver and arguments."""
        return annotations.instantiate(self, expression, receiver, arguments)


def _is_annotated(meaning: Meaning) -> bool:
    definition = meaning.definition
    return isinstance(definition, t.Bind) and definition.annotation is not None


def _is_settled(answer: object) -> bool:
    """Return whether nothing of an answer is unknown, so that a ring has nothing to add to it."""
    match answer:
        case Unknown():
            return False
        case calls.Resolved(result=result, callee=callee):
            return _is_settled(result) and _is_settled(callee)
        case LibraryInstance(arguments=parts) | TupleType(items=parts) | UnionType(options=parts):
            return all(_is_settled(part) for part in parts)
        case Awaitable(result=result) | Factory(result=result):
            return _is_settled(result)
    return True
