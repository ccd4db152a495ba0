"""A second opinion on what methods are called on, where linking left it open and it may matter."""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program import calls, members
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.values import ClassType, Instance, ModuleType, Type, Unknown

if TYPE_CHECKING:
    from perfaudit.program.infer import Types
    from perfaudit.program.program import Program

MAX_QUESTIONS = 5_000
ASKED_ROLES = frozenset({Role.PRODUCTION, Role.COMMAND, Role.SCRIPT})


class CallPlace(Struct, frozen=True, gc=False):
    """A call as facts number it: the path of its file, the function in it, the call in that."""

    path: str
    function: int
    call: int


class Opinion(Struct, frozen=True, gc=False):
    """What a method is called on.

    ``kind``: instance or class, of the class at ``line`` of the module; module, where it is 0.
    """

    kind: str
    module: str
    line: int


Opinions = Mapping[CallPlace, Opinion]


def second_opinions(program: "Program", texts: Mapping[str, str]) -> dict[CallPlace, Opinion]:
    """Return what is inferred of calls whose answer may change a finding, for another ``link``.

    ``texts`` are those of the files, by path; nothing else is read. An answer that leads to nothing
    that the call may run is left out.
    """
    # Its import takes as long as a small audit.
    from perfaudit.program.inferred import ModuleText, Place, receivers

    modules = {
        module: ModuleText(file.path, texts[file.path])
        for module, file in _plain_modules(program).items()
        if file.path in texts
    }
    asked = {}
    for function, index in questions(program):
        module, call = function.file.module, function.facts.calls[index]
        if module in modules and modules[module].path == function.file.path:
            place = Place(module, call.line, call.column, call.end_line, call.end_column)
            asked[place] = function, index

    def module_named(name: str) -> str | None:
        file = program.types.modules.by_dotted(name)
        return file.module if file is not None and file.module in modules else None

    found = {}
    for place, opinion in receivers(list(asked), modules, module_named).items():
        function, index = asked[place]
        resolved = program.types.call(function, index)
        if reconsidered(program.types, function, index, resolved, opinion).targets:
            found[CallPlace(function.file.path, function.index, index)] = opinion
    return found


def _plain_modules(program: "Program") -> dict[str, FileNode]:
    """Return the files by dotted name, without names that several files or a library may mean."""
    unseen = program.types.modules.unseen
    count = Counter(file.module for file in (*program.files, *unseen))
    foreign = program.libraries.packages.keys() | sys.stdlib_module_names
    return {
        file.module: file
        for file in program.files
        if count[file.module] == 1 and file.module.partition(".")[0] not in foreign
    }


def questions(program: "Program") -> list[tuple[FunctionNode, int]]:
    """Return the calls to ask about: those of coroutines and loops first, then in file order.

    They are not resolved, and call a method by a name that a costly function of the project has.
    """
    names = _costly_names(program)
    found = [
        (function, index)
        for function in program.functions
        if function.role in ASKED_ROLES
        for index, call in enumerate(function.facts.calls)
        if isinstance(call.callee, t.Attr)
        and call.callee.name in names
        and _is_open(program, function, index)
    ]
    found.sort(key=lambda asked: not _is_pressing(*asked))
    return found[:MAX_QUESTIONS]


def _costly_names(program: "Program") -> frozenset[str]:
    """Return the names of functions that cost something, or run one that does."""
    waiting = [function for function in program.functions if program.sites_of(function)]
    found = set(waiting)
    while waiting:
        for edge in program.edges_to(waiting.pop()):
            if edge.caller not in found:
                found.add(edge.caller)
                waiting.append(edge.caller)
    return frozenset(function.name for function in found)


def _is_open(program: "Program", function: FunctionNode, index: int) -> bool:
    resolved = program.types.call(function, index)
    return not resolved.targets and isinstance(resolved.callee, Unknown)


def _is_pressing(function: FunctionNode, index: int) -> bool:
    return function.is_async or bool(function.loops(function.facts.calls[index].context))


def reconsidered(
    types: "Types", function: FunctionNode, index: int, resolved: calls.Resolved, opinion: Opinion
) -> calls.Resolved:
    """Return what a call runs by an opinion, if linking left it open; what it gives stays open.

    What was not asked about thus never becomes sure because of an answer that is not.
    """
    call = function.facts.calls[index]
    receiver = _receiver(types, opinion)
    if resolved.targets or receiver is None or not isinstance(call.callee, t.Attr):
        return resolved
    supposed = calls.supposed(
        types, function, call, members.member(types, receiver, call.callee.name)
    )
    return calls.Resolved(supposed, resolved.result, resolved.callee)


def _receiver(types: "Types", opinion: Opinion) -> Type | None:
    """Return the type that an opinion means, or None where its class is not there."""
    file = types.modules.by_dotted(opinion.module)
    if file is None:
        return None
    if opinion.kind == "module":
        return ModuleType(file)
    for node in file.classes:
        if node.facts.line == opinion.line:
            return Instance(node) if opinion.kind == "instance" else ClassType(node)
    return None
