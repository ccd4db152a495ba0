"""The types that callers pass for a parameter without an annotation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument_at
from perfaudit.program.given_beside import Beside, given_with
from perfaudit.program.implementers import MAX_IMPLEMENTERS
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.values import NONE, ClassType, FunctionType, Type, Unknown, options_of, union

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_SITES = 24
"""A method's name that is called in more places is too common to be asked; of a function, the first
places are asked."""
CLS = t.Name("cls")
MAX_NESTED = 3
"""How many parameters in a row may lean on their callers."""


Decoration = tuple[FunctionNode | ClassNode, FunctionNode, t.Expr]
"""What is decorated, where it stands, and how its decorator is written."""


class Callers:
    """The call sites of the program by the last name of what they call."""

    def __init__(self, files: list[FileNode]) -> None:
        self._files = files
        self._sites: dict[str, list[tuple[FunctionNode, int]]] | None = None
        self._handed: dict[str, list[tuple[FunctionNode, int, int]]] | None = None
        self._decorators: dict[str, list[Decoration]] | None = None
        self._meanings: dict[tuple[FunctionNode, t.Expr], Type] = {}
        """What is called in scopes, by how it is written there."""
        self._meant: dict[FunctionNode, list[tuple[FunctionNode, int]]] = {}
        """The calls that mean functions of modules."""
        self._above: dict[ClassNode, list[tuple[FunctionNode, int]]] = {}
        """The calls of constructors in the methods of classes."""
        self._nested = 0

    def forget(self) -> None:
        """Forget what calls mean, as more has come to be known."""
        self._meanings.clear()
        self._meant.clear()

    def passed(self, types: "Types", function: FunctionNode, param: t.Param) -> Type | None:
        """Return what the known callers pass for a parameter.

        None where no caller is known, or they are too many.
        """
        found = self.all_passed(types, function, param)
        known = [value for value in found if not isinstance(value, Unknown) and value != NONE]
        return union(known) if known else None

    def all_passed(self, types: "Types", function: FunctionNode, param: t.Param) -> list[Type]:
        """Return what each known caller passes for a parameter; empty where they are too many."""
        return self._received(types, function, _position_of(function, param), param.name)

    def _received(
        self, types: "Types", function: FunctionNode, position: int | None, name: str
    ) -> list[Type]:
        """Return what callers pass at a position, counted with the receiver, or by a name."""
        if function.kind != "function":
            return []
        if self._nested >= MAX_NESTED:
            types.cut_short()
            return []
        sites = self._named(types, function)
        if function.parent is function.file.body:
            sites = self._meaning(types, function, sites)[:MAX_SITES]
        if len(sites) > MAX_SITES:
            return []
        self._nested += 1
        try:
            found = [
                value
                for caller, index in sites
                for value in self._given(types, caller, index, function, position, name)
            ]
            beside = self._given_beside(types, function, position, name)
            return found + [given.type for given in beside]
        finally:
            self._nested -= 1

    def beside(self, types: "Types", function: FunctionNode, param: t.Param) -> list[Beside]:
        """Return what calls give for a parameter that are given the function with arguments."""
        return self._given_beside(types, function, _position_of(function, param), param.name)

    def _given_beside(
        self, types: "Types", function: FunctionNode, position: int | None, name: str
    ) -> list[Beside]:
        owner = function.owner
        known = owner.name if owner is not None and function.name == "__init__" else function.name
        sites = self._beside().get(known, ())
        if len(sites) > MAX_SITES:
            return []
        given = (given_with(types, site, function, position, name) for site in sites)
        return [found for found in given if found is not None]

    def _beside(self) -> dict[str, list[tuple[FunctionNode, int, int]]]:
        if self._handed is None:
            self._handed = _handed_index(self._files)
        return self._handed

    def made_with(self, types: "Types", node: ClassNode, position: int, name: str) -> list[Type]:
        """Return what each construction of a class gives for a field; empty if too many."""
        sites = self._all().get(node.name, [])
        if len(sites) > MAX_SITES:
            return []
        found: list[Type] = []
        for caller, index in sites:
            if _makes(types, caller, index, node):
                call = caller.facts.calls[index]
                given = argument_at(call, position, name)
                at = (call.sequence, call.context)
                found.append(
                    Unknown("not given") if given is None else types.evaluate(caller, given, at)
                )
        return found

    def decorated(self, types: "Types", decorator: FunctionNode) -> list[Type]:
        """Return the functions and classes that a function decorates; empty if too many."""
        maker = decorator.parent
        names = {decorator.name, "" if maker is None else maker.name}
        found: list[Type] = [
            FunctionType(item) if isinstance(item, FunctionNode) else ClassType(item)
            for name in sorted(names)
            for item, outer, written in self._decorations().get(name, ())
            if _is_function(types.evaluate(outer, written, AT_END), decorator)
        ]
        return found if len(found) <= MAX_IMPLEMENTERS else []

    def _decorations(self) -> dict[str, list[Decoration]]:
        if self._decorators is None:
            self._decorators = _decoration_index(self._files)
        return self._decorators

    def constructions(self, types: "Types", node: ClassNode) -> list[FunctionNode]:
        """Return the functions that make objects of a class; empty where they are too many."""
        sites = self._all().get(node.name, [])
        if len(sites) > MAX_SITES:
            return []
        return [caller for caller, index in sites if _makes(types, caller, index, node)]

    def _named(self, types: "Types", function: FunctionNode) -> list[tuple[FunctionNode, int]]:
        owner = function.owner
        if function.name != "__init__" or owner is None:
            return self._all().get(function.name, [])
        family = [owner]
        for node in types.classes.subclasses(owner):
            if types.classes.method(node, "__init__") is function:
                family.append(node)
        found = [site for node in family for site in self._all().get(node.name, [])]
        for node in (owner, *types.classes.subclasses(owner)):
            found.extend(self._inner_sites(node))
        return found

    def _meaning(
        self, types: "Types", function: FunctionNode, sites: list[tuple[FunctionNode, int]]
    ) -> list[tuple[FunctionNode, int]]:
        """Return the calls that mean a function of a module, and not another of its name."""
        return types.kept(
            self._meant,
            function,
            lambda: [
                (caller, index)
                for caller, index in sites
                if self._means(types, caller, caller.facts.calls[index].callee, function)
            ],
        )

    def _means(
        self, types: "Types", caller: FunctionNode, callee: t.Expr, function: FunctionNode
    ) -> bool:
        first = callee
        while type(first) is t.Attr:
            first = first.base
        if type(first) is not t.Name:
            return False
        if first == callee and caller.file is function.file:
            return True
        name = first.id
        is_own = name in caller.params or name in caller.binds or name in caller.imports
        scope = caller if is_own else caller.file.body
        found = types.kept(
            self._meanings, (scope, callee), lambda: types.evaluate(scope, callee, AT_END)
        )
        return _is_function(found, function)

    def _inner_sites(self, node: ClassNode) -> list[tuple[FunctionNode, int]]:
        """Return the calls of ``super().__init__`` and ``cls`` in the methods of a class."""
        known = self._above.get(node)
        if known is None:
            known = self._above[node] = [
                (function, index)
                for functions in node.body.inner.values()
                for function in functions
                for index, call in enumerate(function.facts.calls)
                if call.callee == CLS
                or (type(call.callee) is t.Attr and call.callee.name == "__init__")
            ]
        return known

    def _all(self) -> dict[str, list[tuple[FunctionNode, int]]]:
        if self._sites is None:
            self._sites = _index(self._files)
        return self._sites

    def _given(
        self,
        types: "Types",
        caller: FunctionNode,
        index: int,
        function: FunctionNode,
        position: int | None,
        name: str,
    ) -> list[Type]:
        call = caller.facts.calls[index]
        shift = None
        for target in types.call(caller, index).targets:
            if target.function is function:
                shift = 1 if target.receiver is not None and function.owner is not None else 0
        if shift is None:
            return []
        if position is not None:
            position -= shift
            if position < 0:
                return []
        value = argument_at(call, position, name)
        if value is not None:
            return [types.evaluate(caller, value, (call.sequence, call.context))]
        return self._forwarded(types, caller, call, position, name)

    def _forwarded(
        self, types: "Types", caller: FunctionNode, call: t.Call, position: int | None, name: str
    ) -> list[Type]:
        """Return what callers of a function pass that hands on its ``*args`` or ``**kwargs``."""
        kinds = {param.name: param.kind for param in caller.facts.params}
        before = sum(kind == "positional" for kind in kinds.values())
        found: list[Type] = []
        for index, given in enumerate(call.arguments):
            if not isinstance(given, t.Star):
                continue
            inner = given.value
            if isinstance(inner, t.Name) and kinds.get(inner.id) == "*args":
                if position is not None and position >= index:
                    found += self._received(types, caller, before + position - index, "")
            break
        for keyword, value in call.keywords:
            if keyword == "**" and isinstance(value, t.Name) and kinds.get(value.id) == "**kwargs":
                found += self._received(types, caller, None, name)
        return found


def _position_of(function: FunctionNode, param: t.Param) -> int | None:
    positional = [item.name for item in function.facts.params if item.kind == "positional"]
    return positional.index(param.name) if param.name in positional else None


def _makes(types: "Types", caller: FunctionNode, index: int, node: ClassNode) -> bool:
    callee = types.call(caller, index).callee
    return isinstance(callee, ClassType) and callee.node is node


def _index(files: list[FileNode]) -> dict[str, list[tuple[FunctionNode, int]]]:
    found: dict[str, list[tuple[FunctionNode, int]]] = {}
    for file in files:
        imports = file.body.imports
        for function in file.functions:
            for index, call in enumerate(function.facts.calls):
                if name := _name_at_home(imports, call.callee):
                    found.setdefault(name, []).append((function, index))
    return found


def _handed_index(files: list[FileNode]) -> dict[str, list[tuple[FunctionNode, int, int]]]:
    """Return the calls that are given a function or a class and more, and the place of it."""
    names = {item.name for file in files for item in file.functions}
    names |= {item.name for file in files for item in file.classes}
    found: dict[str, list[tuple[FunctionNode, int, int]]] = {}
    for file in files:
        imports = file.body.imports
        for function in file.functions:
            for index, call in enumerate(function.facts.calls):
                if len(call.arguments) + len(call.keywords) < 2:
                    continue
                for place, value in enumerate(call.arguments):
                    name = _name_at_home(imports, value)
                    if name in names:
                        found.setdefault(name, []).append((function, index, place))
    return found


def _decoration_index(files: list[FileNode]) -> dict[str, list[Decoration]]:
    """Return what is decorated, where and how, by the name of the decorator or of its maker."""
    found: dict[str, list[Decoration]] = {}
    for file in files:
        imports = file.body.imports
        items: list[FunctionNode | ClassNode] = [*file.functions, *file.classes]
        for item in items:
            outer = item.parent
            if outer is None:
                continue
            for written in item.facts.decorators:
                callee = written
                if isinstance(written, t.CallRef):
                    callee = outer.facts.calls[written.index].callee
                if name := _name_at_home(imports, callee):
                    found.setdefault(name, []).append((item, outer, written))
    return found


def _is_function(value: Type, function: FunctionNode) -> bool:
    return any(
        isinstance(option, FunctionType) and option.node is function for option in options_of(value)
    )


def _name_at_home(imports: Mapping[str, list[t.Import]], value: t.Expr) -> str:
    """Return the last name of an expression, of a bare one that where it is defined.

    ``imports`` are those of its module, which may have changed the name.
    """
    if type(value) is t.Attr:
        return value.name
    if type(value) is not t.Name:
        return ""
    imported = imports.get(value.id)
    return imported[0].name or value.id if imported else value.id
