"""The calls of the program by what is called: looked up, and not looked for by each rule."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.calls import Target
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import Instance

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class Called(Struct, frozen=True):
    """A call of the program. ``number``: which one it is, in file order."""

    number: int
    function: FunctionNode
    index: int

    @property
    def call(self) -> t.Call:
        """Return what the facts say of it."""
        return self.function.facts.calls[self.index]


class LibraryCalls:
    """The calls that may run something of a library. Ask ``library_calls`` for it."""

    def __init__(self, program: "Program") -> None:
        self._library_bases = program.types.classes.library_bases
        self._named: dict[str, list[Called]] = {}
        self._flagged: dict[str, list[Called]] = {}
        self._on: dict[ClassNode, list[Called]] = {}
        number = 0
        for function in program.functions:
            for index in range(len(function.facts.calls)):
                number += 1
                for target in program.types.call(function, index).targets:
                    if target.behaviour is not None or target.function is None:
                        self._note(target, Called(number, function, index))

    def _note(self, target: Target, called: Called) -> None:
        self._named.setdefault(target.name, []).append(called)
        if target.behaviour is not None:
            if target.behaviour.path != target.name:
                self._named.setdefault(target.behaviour.path, []).append(called)
            for flag in target.behaviour.flags:
                self._flagged.setdefault(flag, []).append(called)
        if isinstance(target.receiver, Instance):
            self._on.setdefault(target.receiver.node, []).append(called)

    def with_flags(self, *flags: str) -> list[Called]:
        """Return the calls of what a library says one of some flags of, in file order."""
        return _in_order(self._flagged.get(flag, ()) for flag in flags)

    def of_names(self, is_meant: Callable[[str], bool]) -> list[Called]:
        """Return the calls of some dotted names, in file order.

        Also of what objects of the project's classes have from a library's class of such a name.
        """
        found = [calls for name, calls in self._named.items() if is_meant(name)]
        found += [
            calls
            for node, calls in self._on.items()
            if any(map(is_meant, self._library_bases(node)))
        ]
        return _in_order(found)


def calling_methods(program: "Program", names: Iterable[str]) -> list[FunctionNode]:
    """Return the functions that call a method with one of some names, in file order."""
    by_method = program.once(_calling)
    found = {function for name in names for function in by_method.get(name, ())}
    return [function for function in program.functions if function in found] if found else []


def _calling(program: "Program") -> dict[str, list[FunctionNode]]:
    """Return the functions that call a method, by its name."""
    found: dict[str, list[FunctionNode]] = {}
    for function in program.functions:
        for call in function.facts.calls:
            if isinstance(call.callee, t.Attr):
                callers = found.setdefault(call.callee.name, [])
                if not callers or callers[-1] is not function:
                    callers.append(function)
    return found


def library_calls(program: "Program") -> LibraryCalls:
    """Return the calls of what libraries give, by name and by flag."""
    return program.once(LibraryCalls)


def _in_order(groups: Iterable[Iterable[Called]]) -> list[Called]:
    """Return the calls of some groups in file order, each once."""
    found = {called.number: called for calls in groups for called in calls}
    return sorted(found.values(), key=attrgetter("number"))
