"""Calls on something unknown of methods that run SQL wherever the project has one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.called import calling_methods
from perfaudit.program.expressions import argument_for
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Runners = Mapping[tuple[FunctionNode, str], Site]
"""Functions, and their parameters that are run as SQL, with where that happens."""
Handed = tuple[Site, FunctionNode, int, t.Expr]
"""What runs a text, and the call that gives it one: its function, its number, and the text."""


def handed_to_methods(program: "Program", runners: Runners) -> Iterator[Handed]:
    """Yield what calls on something unknown give to be run as SQL, if it is that.

    Only for names of methods all of which, wherever the project has one, run a parameter.
    """
    methods = _all_running(program, runners)
    if not methods:
        return
    for function in calling_methods(program, methods):
        for index, call in enumerate(function.facts.calls):
            callee = call.callee
            if not isinstance(callee, t.Attr) or callee.name not in methods:
                continue
            if program.types.call(function, index).targets:
                continue
            for method, parameter, site in methods[callee.name]:
                given = argument_for(call, method, parameter)
                if given is not None:
                    yield site, function, index, given


def _all_running(
    program: "Program", runners: Runners
) -> dict[str, list[tuple[FunctionNode, str, Site]]]:
    """Return the methods that run SQL, by a name that no other kind of method has."""
    found: dict[str, list[tuple[FunctionNode, str, Site]]] = {}
    for (function, parameter), site in runners.items():
        if function.owner is not None and function.kind == "function":
            found.setdefault(function.name, []).append((function, parameter, site))
    running = {function for function, _ in runners}
    for file in program.files:
        for node in file.classes:
            for name, method in node.methods.items():
                # A method that calls nothing only says what those of other classes are like.
                if name in found and method not in running and method.facts.calls:
                    del found[name]
    return found
