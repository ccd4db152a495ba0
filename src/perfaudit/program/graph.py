"""The types of a graph schema: their fields, who resolves them, and which are given in lists."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program import annotations
from perfaudit.program.decorators import decorator_paths, method_kind
from perfaudit.program.expressions import argument, parts
from perfaudit.program.graph_bound import bound_fields, listed_in_text
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.graph_words import maker_of, row_class
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import (
    Awaitable,
    ClassType,
    FunctionType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    TupleType,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

ROOTS = frozenset({"Query", "Mutation", "Subscription"})
"""The names that the root types of a schema have where it does not say otherwise."""
MAX_PARTS = 4


class GraphType(Struct, frozen=True):
    """A type of the graph. ``node`` is None where its resolvers are bound to a name in text.

    ``fields``: those of its own and of its bases in the project. ``row``: the class of the objects
    behind it, where it names one. ``listed``: it is surely given in a list, by ``lister`` as a step
    of a report if that is a class. ``nested``: it is given by a type that is, or its objects can be
    asked for again by an id.
    """

    name: str
    node: ClassNode | None
    row: ClassNode | None
    fields: tuple[GraphField, ...]
    is_root: bool
    listed: bool
    nested: bool
    lister: TraceStep | None = None


def find_graph(types: "Types") -> tuple[GraphType, ...]:
    """Return the types of the graph outside tests, in file order."""
    packages = {package for words, _ in types.libraries.graphs for package in words}
    if not any(_imports(function, packages) for function in _functions(types)):
        return ()
    search = _Search(types)
    return (*search.of_classes(), *_of_names(types))


def _functions(types: "Types") -> Iterator[FunctionNode]:
    for file in types.modules.files:
        yield from file.functions


def _imports(function: FunctionNode, packages: set[str]) -> bool:
    return any(item.module.partition(".")[0] in packages for item in function.facts.imports)


def _of_names(types: "Types") -> Iterator[GraphType]:
    """Yield the types whose resolvers are bound to names in text."""
    bound = bound_fields(types, list(_functions(types)))
    if not bound:
        return
    listed = listed_in_text(_functions(types))
    for name, fields in bound.items():
        known = listed is not None
        yield GraphType(
            name,
            None,
            None,
            tuple(fields),
            name in ROOTS,
            listed is not None and name in listed,
            not known and name not in ROOTS,
        )


class _Search:
    """The classes that are types of the graph, and what they give."""

    def __init__(self, types: "Types") -> None:
        self.types = types
        self.words = types.graph_words
        self.nodes: dict[ClassNode, bool] = {}
        for file in types.modules.files:
            for node in file.classes:
                prefixed = not self.words.types.isdisjoint(types.classes.ancestors(node))
                if prefixed or (node.facts.decorators and maker_of(types, node)):
                    self.nodes[node] = prefixed
        self.by_name: dict[str, list[ClassNode]] = {}
        for node in self.nodes:
            self.by_name.setdefault(node.name, []).append(node)
        self.many: dict[ClassNode, TraceStep] = {}
        self.single: dict[ClassNode, set[ClassNode]] = {node: set() for node in self.nodes}

    def of_classes(self) -> Iterator[GraphType]:
        own = {node: list(self.own_fields(node)) for node in self.nodes}
        for node, prefixed in self.nodes.items():
            if prefixed:
                self.note_parts(node)
        roots = {base for node in self.nodes if self.is_root(node) for base in self.order(node)}
        listed = self.with_subclasses(set(self.many))
        nested = self.with_subclasses(self.below(listed) | set(self.identified()))
        for node in self.nodes:
            fields = {field.name: field for base in self.order(node)[::-1] for field in own[base]}
            yield GraphType(
                node.name,
                node,
                row_class(self.types, node),
                tuple(fields.values()),
                node in roots,
                node in listed,
                node in nested,
                next(
                    (self.many[base] for base in self.order(node) if base in self.many),
                    None,
                ),
            )

    def is_root(self, node: ClassNode) -> bool:
        """Return whether a type has the name of a root: its own, or the one that it is given."""
        made = maker_of(self.types, node) if node.facts.decorators else None
        given = argument(made[1], "name") if made is not None and made[1] is not None else None
        return (given.value if isinstance(given, t.Const) else node.name) in ROOTS

    def order(self, node: ClassNode) -> list[ClassNode]:
        return [base for base in self.types.classes.project_order(node) if base in self.nodes]

    def identified(self) -> Iterator[ClassNode]:
        for node in self.nodes:
            if not self.words.identities.isdisjoint(self.types.classes.ancestors(node)):
                yield node
            else:
                found = attribute_value(node, "Meta.interfaces")
                if found is not None and any(
                    self.path_of(found[0], part) in self.words.identities
                    for part in parts(*found)
                    if isinstance(part, t.Name | t.Attr)
                ):
                    yield node

    def path_of(self, scope: FunctionNode, value: t.Expr) -> str:
        found = self.types.evaluate(scope, value, AT_END)
        return (
            self.types.libraries.canonical(found.path) if isinstance(found, LibrarySymbol) else ""
        )

    def below(self, listed: set[ClassNode]) -> set[ClassNode]:
        """Return what types in lists give one of, and what these give."""
        found: set[ClassNode] = set()
        waiting = deque(node for node in self.nodes if node in listed)
        while waiting:
            for node in self.single[waiting.popleft()]:
                if node not in found:
                    found.add(node)
                    waiting.append(node)
        return found

    def with_subclasses(self, nodes: set[ClassNode]) -> set[ClassNode]:
        """Return the types with those that may stand in their place."""
        below = {more for node in nodes for more in self.types.classes.subclasses(node)}
        return nodes | (below & self.nodes.keys())

    def own_fields(self, node: ClassNode) -> Iterator[GraphField]:
        """Yield the resolved fields that a class itself declares, and note what they give."""
        prefixed = self.nodes[node]
        for method in node.methods.values():
            prefix = next((p for p in self.words.prefixes if method.name.startswith(p)), "")
            if prefixed and prefix:
                first = method.facts.params[0].name if method.facts.params else ""
                yield GraphField(method.name.removeprefix(prefix), method, first)
            elif not prefixed and self.is_field(method):
                step = TraceStep(method.location, f"{node.name}.{method.name} lists")
                self.note(node, self.types.returned(method), step)
                yield GraphField(method.name, method, self.parent_of(method))
        if prefixed:
            yield from self.run_by_mutation(node)
            return
        for name, binds in node.body.binds.items():
            for bind in binds:
                if bind.annotation is not None:
                    given = annotations.annotated(self.types, node.body, bind.annotation)
                    self.note(node, given, self.step_of(node, name, bind.line))
                yield from self.given_resolver(node, name, bind)

    def run_by_mutation(self, node: ClassNode) -> Iterator[GraphField]:
        for path in self.types.classes.ancestors(node):
            method = node.methods.get(self.words.mutations.get(path, ""))
            if method is not None:
                yield GraphField(method.name, method, "", is_mutation=True)
                return

    def is_field(self, method: FunctionNode) -> bool:
        canonical = self.types.libraries.canonical
        return any(
            canonical(path) in self.words.fields for path in decorator_paths(self.types, method)
        )

    def parent_of(self, method: FunctionNode) -> str:
        """Return the parameter of a resolver that gets the object, or an empty text."""
        params = method.facts.params
        if method.owner is not None and method_kind(self.types, method) == "method":
            return params[0].name if params else ""
        for param in params:
            if param.name in self.words.parents or self.is_marked(method, param):
                return param.name
        return ""

    def is_marked(self, method: FunctionNode, param: t.Param) -> bool:
        return (
            isinstance(param.annotation, t.Item)
            and method.parent is not None
            and self.path_of(method.parent, param.annotation.base) in self.words.parent_markers
        )

    def given_resolver(self, node: ClassNode, name: str, bind: t.Bind) -> Iterator[GraphField]:
        """Yield the field whose resolver is an argument of the call that makes it."""
        if not isinstance(bind.value, t.CallRef):
            return
        call = node.body.facts.calls[bind.value.index]
        words = self.words.fields.get(self.path_of(node.body, call.callee))
        given = argument(call, words.resolver_argument) if words is not None else None
        if given is None:
            return
        found = self.types.evaluate(node.body, given, (call.sequence, call.context))
        if isinstance(found, FunctionType) and found.node.role is not Role.TEST:
            self.note(node, self.types.returned(found.node), self.step_of(node, name, bind.line))
            yield GraphField(name, found.node, self.parent_of(found.node))

    def step_of(self, node: ClassNode, name: str, line: int) -> TraceStep:
        return TraceStep(node.body.line(line), f"{node.name}.{name} lists")

    def note(self, node: ClassNode, value: Type, step: TraceStep, depth: int = MAX_PARTS) -> None:
        """Note the types of the graph in a value: alone, or as parts of something."""
        for option in options_of(value):
            match option:
                case Awaitable(result=inner):
                    self.note(node, inner, step, depth)
                case Instance(node=found, arguments=inside):
                    if found in self.nodes:
                        self.single[node].add(found)
                    self.note_many(inside, step, depth - 1)
                case LibraryInstance(arguments=inside) | TupleType(items=inside):
                    self.note_many(inside, step, depth - 1)

    def note_many(self, values: tuple[Type, ...], step: TraceStep, depth: int) -> None:
        for value in values if depth else ():
            for option in options_of(value):
                match option:
                    case Instance(node=found, arguments=inside):
                        if found in self.nodes:
                            self.note_listed(found, step)
                        self.note_many(inside, step, depth - 1)
                    case LibraryInstance(arguments=inside) | TupleType(items=inside):
                        self.note_many(inside, step, depth - 1)

    def note_listed(self, node: ClassNode, step: TraceStep) -> None:
        if node not in self.many:
            self.many[node] = TraceStep(step.location, f"{step.message} {node.name}")

    def note_parts(self, node: ClassNode) -> None:
        """Note the types that the calls in a class body name, as items of a list or alone."""
        if not self.words.connections.isdisjoint(self.types.classes.ancestors(node)):
            for name in self.words.nodes:
                found = attribute_value(node, name)
                step = TraceStep(node.location, f"{node.name} lists")
                for item in self.named(*found) if found is not None else ():
                    self.note_listed(item, step)
        for name, binds in node.body.binds.items():
            value = binds[-1].value
            if isinstance(value, t.CallRef):
                self.note_call(node, value, self.step_of(node, name, binds[-1].line))

    def note_call(self, node: ClassNode, value: t.CallRef, step: TraceStep) -> None:
        body = node.body
        is_list = False
        for part in parts(body, value):
            if isinstance(part, t.CallRef):
                callee = body.facts.calls[part.index].callee
                is_list = is_list or self.makes_list(body, callee)
        for found in self.named(body, value):
            if is_list:
                self.note_listed(found, step)
            else:
                self.single[node].add(found)

    def makes_list(self, body: FunctionNode, callee: t.Expr) -> bool:
        """Return whether a call makes a field of many, or wraps the type of one."""
        for option in options_of(self.types.evaluate(body, callee, AT_END)):
            if isinstance(option, LibrarySymbol):
                lineage = (
                    self.types.libraries.canonical(option.path),
                    *(base.path for base in self.types.libraries.linear(option.path)),
                )
            elif isinstance(option, ClassType):
                lineage = tuple(self.types.classes.ancestors(option.node))
            else:
                continue
            if any(path in self.words.lists for path in lineage):
                return True
        return False

    def named(self, scope: FunctionNode, value: t.Expr) -> Iterator[ClassNode]:
        """Yield the types of the graph that an expression names, also in a lambda or a text."""
        for part in parts(scope, value):
            if isinstance(part, t.Name | t.Attr):
                for option in options_of(self.types.evaluate(scope, part, AT_END)):
                    if isinstance(option, ClassType) and option.node in self.nodes:
                        yield option.node
            elif isinstance(part, t.Lambda):
                inner = scope.file.functions[part.function]
                for item in inner.facts.results:
                    if item.value is not None:
                        yield from self.named(inner, item.value)
            elif isinstance(part, t.Const) and isinstance(part.value, str):
                alike = self.by_name.get(part.value.rpartition(".")[2], ())
                if len(alike) == 1:
                    yield alike[0]
