"""The class hierarchy: bases, method resolution order, members by name."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.libraries import Libraries
from perfaudit.program.expressions import is_dotted
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import (
    ClassType,
    External,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    TypeVariable,
    Unknown,
    options_of,
    substitute,
)

MAX_BASES = 60
PROTOCOLS = frozenset({"typing.Protocol", "typing_extensions.Protocol"})


class _Kinds(NamedTuple):
    """The classes in the order of a class: of the project, and the paths of libraries'."""

    own: tuple[ClassNode, ...]
    paths: tuple[str, ...]


class Hierarchy:
    """The bases of project classes, linked on demand.

    ``evaluate`` gives the type of a base expression.
    """

    def __init__(
        self,
        classes: list[ClassNode],
        libraries: Libraries,
        evaluate: Callable[[FunctionNode, t.Expr, tuple[int, int]], Type],
    ) -> None:
        self._classes = classes
        self._libraries = libraries
        self._evaluate = evaluate
        self._bases: dict[ClassNode, tuple[Type, ...]] = {}
        self._orders: dict[ClassNode, tuple[Type, ...]] = {}
        self._subclasses: dict[ClassNode, list[ClassNode]] | None = None
        self._ancestors: dict[ClassNode, frozenset[str]] = {}
        self._kinds: dict[ClassNode, _Kinds] = {}
        self._conforming: dict[ClassNode, list[ClassNode]] = {}
        self._under_way = 0
        self._by_name: dict[str, list[ClassNode]] | None = None
        self._by_attribute: dict[str, list[ClassNode]] | None = None
        self._by_method: dict[str, list[ClassNode]] | None = None

    @property
    def is_under_way(self) -> bool:
        """Return whether bases or an order are being worked out, so that not all are known."""
        return self._under_way > 0

    def bases(self, node: ClassNode) -> tuple[Type, ...]:
        """Return the types of the bases, in the order they are written."""
        if node not in self._bases:
            # A class that is its own base through a ring has no bases while the ring is followed.
            self._bases[node] = ()
            self._under_way += 1
            found: list[Type] = []
            for base in node.facts.bases:
                option = options_of(self._evaluate(node.parent, base, AT_END))[0]
                if (
                    isinstance(option, LibraryInstance)
                    and option.path == "builtins.type"
                    and option.arguments
                ):
                    # ``class Books(ListView[Book])``: the class with its parameters.
                    option = option.arguments[0]
                found.append(option)
            self._under_way -= 1
            self._bases[node] = tuple(found)
        return self._bases[node]

    def order(self, node: ClassNode) -> tuple[Type, ...]:
        """Return the class and its bases, nearest first.

        Each is a ClassType, LibrarySymbol, External or Unknown.
        """
        known = self._orders.get(node)
        if known is not None:
            return known
        found: list[Type] = [ClassType(node)]
        # Of classes that are bases of each other, the one that is asked for again has none.
        self._orders[node] = tuple(found)
        self._under_way += 1
        seen: set[object] = {node}
        for base in self.bases(node):
            for item in self._inherited(node, base):
                key: object = item.node if isinstance(item, ClassType) else item
                if key not in seen and len(found) < MAX_BASES:
                    seen.add(key)
                    found.append(item)
        if any(self._is_unread(item) for item in found):
            found.extend(self._implied_base(node, found))
        self._under_way -= 1
        order = self._orders[node] = tuple(found)
        self._kinds[node] = _by_kind(order)
        return order

    def _is_unread(self, base: Type) -> bool:
        """Return whether nothing is known of a base but its name."""
        if isinstance(base, LibrarySymbol):
            return self._libraries.type(base.path) is None
        return isinstance(base, External | Unknown)

    def _implied_base(self, node: ClassNode, found: list[Type]) -> Iterator[LibrarySymbol]:
        """Yield the library base that the fields of a class say its unknown bases lead to.

        Only a table class declares such fields: another would never get them as columns.
        """
        makers = self._libraries.field_makers
        for call in node.body.facts.calls:
            if not is_dotted(call.callee):
                continue
            made = options_of(self._evaluate(node.parent, call.callee, AT_END))[0]
            if isinstance(made, LibrarySymbol | External):
                path = made.path if isinstance(made, LibrarySymbol) else made.origin
                base = makers.get(self._libraries.canonical(path))
                if base is not None:
                    if not any(self._leads_to(item, base) for item in found):
                        yield LibrarySymbol(base)
                    return

    def _leads_to(self, item: Type, base: str) -> bool:
        return isinstance(item, LibrarySymbol) and any(
            above.path == base for above in self._libraries.linear(item.path)
        )

    def _inherited(self, node: ClassNode, base: Type) -> tuple[Type, ...]:
        if not isinstance(base, ClassType) or base.node is node:
            return (base,)
        above = self.order(base.node)
        if not base.arguments:
            return above
        mapping = dict(zip(self.parameters(base.node), base.arguments, strict=False))
        return (base, *(substitute(item, mapping) for item in above[1:]))

    def parameters(self, node: ClassNode) -> tuple[str, ...]:
        """Return the names of the class's type parameters, in order."""
        found: list[str] = []
        for base in self.bases(node):
            arguments = base.arguments if isinstance(base, ClassType | LibraryInstance) else ()
            for argument in arguments:
                if isinstance(argument, TypeVariable) and argument.name not in found:
                    found.append(argument.name)
        return tuple(found)

    def project_order(self, node: ClassNode) -> tuple[ClassNode, ...]:
        """Return the project classes of the order."""
        return (self._kinds.get(node) or self._kinds_of(node)).own

    def library_bases(self, node: ClassNode) -> tuple[str, ...]:
        """Return the dotted paths of the library classes it inherits from, nearest first."""
        return (self._kinds.get(node) or self._kinds_of(node)).paths

    def _kinds_of(self, node: ClassNode) -> _Kinds:
        order = self.order(node)
        # While an order is being worked out, what is known of it is not all of it, and not kept.
        return self._kinds.get(node) or _by_kind(order)

    def ancestors(self, node: ClassNode) -> frozenset[str]:
        """Return the canonical paths of all library classes above it, theirs included."""
        if node not in self._ancestors:
            paths: set[str] = set()
            for path in self.library_bases(node):
                paths.add(self._libraries.canonical(path))
                paths.update(found.path for found in self._libraries.linear(path))
            self._ancestors[node] = frozenset(paths)
        return self._ancestors[node]

    def is_open(self, node: ClassNode) -> bool:
        """Return whether some base is not known, so that members may be missing."""
        return any(isinstance(item, Unknown | External) for item in self.order(node)) or any(
            self._libraries.type(path) is None for path in self.library_bases(node)
        )

    def method(self, node: ClassNode, name: str) -> FunctionNode | None:
        """Return the method of the nearest project class that has it."""
        kinds = self._kinds.get(node) or self._kinds_of(node)
        for owner in kinds.own:
            found = owner.methods.get(name)
            if found is not None:
                return found
        return None

    def subclasses(self, node: ClassNode) -> list[ClassNode]:
        """Return all project classes below it, in file order."""
        if self._subclasses is None:
            self._subclasses = {}
            for candidate in self._classes:
                for owner in self.project_order(candidate)[1:]:
                    self._subclasses.setdefault(owner, []).append(candidate)
        return self._subclasses.get(node, [])

    def subclasses_with(self, node: ClassNode, name: str) -> list[ClassNode]:
        """Return the project classes below it that have an attribute themselves, in file order."""
        below = self.subclasses(node)
        if not below:
            return below
        if self._by_attribute is None:
            self._by_attribute = {}
            for candidate in self._classes:
                for attribute in candidate.attributes:
                    self._by_attribute.setdefault(attribute, []).append(candidate)
        with_it = self._by_attribute.get(name, [])
        if len(with_it) < len(below):
            return [each for each in with_it if node in self.project_order(each)[1:]]
        known = set(with_it)
        return [each for each in below if each in known]

    def named(self, name: str) -> list[ClassNode]:
        """Return the project classes outside tests of a name in lower case, in file order."""
        if self._by_name is None:
            self._by_name = {}
            for candidate in self._classes:
                self._by_name.setdefault(candidate.name.lower(), []).append(candidate)
        return self._by_name.get(name, [])

    def with_attribute(self, name: str) -> list[ClassNode]:
        """Return the project classes outside tests whose bodies set a name, in file order."""
        return [node for node in self._classes if name in node.body.binds]

    def conforming(self, node: ClassNode) -> list[ClassNode]:
        """Return the classes that have all methods of a protocol, with the same parameters.

        Empty for what is no protocol, and for one without methods but that of being called, which
        functions have too.
        """
        if node not in self._conforming:
            self._conforming[node] = self._find_conforming(node)
        return self._conforming[node]

    def _find_conforming(self, node: ClassNode) -> list[ClassNode]:
        if not any(path in PROTOCOLS for path in self.library_bases(node)):
            return []
        asked = {
            name: method
            for owner in self.project_order(node)
            for name, method in owner.methods.items()
        }
        if not asked.keys() - {"__call__"}:
            return []
        if self._by_method is None:
            self._by_method = {}
            for candidate in self._classes:
                for name in candidate.methods:
                    self._by_method.setdefault(name, []).append(candidate)
        rarest = min((self._by_method.get(name, []) for name in asked), key=len)
        candidates = dict.fromkeys(
            each for owner in rarest for each in (owner, *self.subclasses(owner))
        )
        return [
            candidate
            for candidate in candidates
            if candidate is not node
            and not any(path in PROTOCOLS for path in self.library_bases(candidate))
            and all(self._conforms(candidate, name, method) for name, method in asked.items())
        ]

    def _conforms(self, candidate: ClassNode, name: str, asked: FunctionNode) -> bool:
        method = self.method(candidate, name)
        return (
            method is not None
            and method.is_async == asked.is_async
            and [param.name for param in method.facts.params]
            == [param.name for param in asked.facts.params]
        )

    @cached_property
    def special_methods(self) -> frozenset[str]:
        """Return the names with two underscores of the project's methods that may run more."""
        return frozenset(
            name
            for node in self._classes
            for name, method in node.methods.items()
            if name.startswith("__") and (method.facts.calls or _reads_further(method))
        )

    def is_abstract(self, node: ClassNode, method: FunctionNode) -> bool:
        """Return whether a method has no body of its own.

        It is abstract, a protocol's, or only ``raise``, ``...`` or ``pass``.
        """
        facts = method.facts
        if facts.calls and not all(exit_.kind == "raise" for exit_ in facts.exits):
            return False
        names = {
            decorator.name if isinstance(decorator, t.Attr) else getattr(decorator, "id", "")
            for decorator in facts.decorators
        }
        if names & {"abstractmethod", "abstractproperty"}:
            return True
        raises = any(exit_.kind == "raise" for exit_ in facts.exits)
        silent = not facts.calls and not facts.binds and not facts.reads and not facts.results
        return raises and not facts.results or silent


def _by_kind(order: tuple[Type, ...]) -> _Kinds:
    return _Kinds(
        tuple([item.node for item in order if type(item) is ClassType]),
        tuple([item.path for item in order if isinstance(item, LibrarySymbol | LibraryInstance)]),
    )


def _reads_further(method: FunctionNode) -> bool:
    """Return whether a method reads an attribute of an attribute, or shows what it holds."""
    return any(
        isinstance(read.value, t.Attr) and isinstance(read.value.base, t.Attr)
        for read in method.facts.reads
    ) or any(isinstance(result.value, t.Text | t.Binary) for result in method.facts.results)


def instance_of(value: Type) -> Type:
    """Return an object of a class; Unknown for what is not a class."""
    match value:
        case ClassType(node=node, arguments=arguments):
            return Instance(node, arguments)
        case LibrarySymbol(path=path):
            return LibraryInstance(path)
        case LibraryInstance(path="builtins.type", arguments=(inner,)):
            return inner
        case External(origin=origin):
            return External(origin + "()")
    return value if isinstance(value, Unknown) else Unknown("not a class")
