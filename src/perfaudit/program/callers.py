"""The types that callers pass for a parameter without an annotation."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.values import NONE, ClassType, Type, Unknown, union

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_SITES = 24
"""A name that is called in more places is too common to be asked."""
MAX_NESTED = 3
"""How many parameters in a row may lean on their callers."""


class Callers:
    """The call sites of the program by the last name of what they call."""

    def __init__(self, files: list[FileNode]) -> None:
        self._files = files
        self._sites: dict[str, list[tuple[FunctionNode, int]]] | None = None
        self._nested = 0

    def passed(self, types: "Types", function: FunctionNode, param: t.Param) -> Type | None:
        """Return what the known callers pass for a parameter.

        None where no caller is known, or they are too many.
        """
        if function.kind != "function" or self._nested >= MAX_NESTED:
            return None
        sites = self._named(function)
        if not 0 < len(sites) <= MAX_SITES:
            return None
        self._nested += 1
        try:
            found = [
                value
                for caller, index in sites
                for value in self._given(types, caller, index, function, param)
            ]
        finally:
            self._nested -= 1
        known = [value for value in found if not isinstance(value, Unknown) and value != NONE]
        return union(known) if known else None

    def constructions(self, types: "Types", node: ClassNode) -> list[FunctionNode]:
        """Return the functions that make objects of a class; empty where they are too many."""
        sites = self._all().get(node.name, [])
        if len(sites) > MAX_SITES:
            return []
        return [caller for caller, index in sites if _makes(types, caller, index, node)]

    def _named(self, function: FunctionNode) -> list[tuple[FunctionNode, int]]:
        name = function.name
        if name == "__init__" and function.owner is not None:
            name = function.owner.name
        return self._all().get(name, [])

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
        param: t.Param,
    ) -> list[Type]:
        call = caller.facts.calls[index]
        shift = None
        for target in types.call(caller, index).targets:
            if target.function is function:
                shift = 1 if target.receiver is not None and function.owner is not None else 0
        if shift is None:
            return []
        positional = [item for item in function.facts.params if item.kind == "positional"]
        spec = param.name
        if param in positional:
            position = positional.index(param) - shift
            if position < 0:
                return []
            spec = f"{position}|{param.name}"
        value = argument(call, spec)
        if value is None:
            return []
        return [types.evaluate(caller, value, (call.sequence, call.context))]


def _makes(types: "Types", caller: FunctionNode, index: int, node: ClassNode) -> bool:
    callee = types.call(caller, index).callee
    return isinstance(callee, ClassType) and callee.node is node


def _index(files: list[FileNode]) -> dict[str, list[tuple[FunctionNode, int]]]:
    found: dict[str, list[tuple[FunctionNode, int]]] = {}
    for file in files:
        if file.role.value == "test":
            continue
        for function in file.functions:
            for index, call in enumerate(function.facts.calls):
                callee = call.callee
                if isinstance(callee, t.Attr):
                    found.setdefault(callee.name, []).append((function, index))
                elif isinstance(callee, t.Name):
                    found.setdefault(callee.id, []).append((function, index))
    return found
