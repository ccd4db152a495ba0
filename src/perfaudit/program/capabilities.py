"""What a project shows that it has, by the library names that its code uses."""

from collections.abc import Iterable, Iterator

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.expressions import parts
from perfaudit.program.nodes import FileNode
from perfaudit.program.program import Program

NOT_RUNNING = frozenset({Role.TEST, Role.EXAMPLE})
"""Roles whose code says nothing of what runs in production."""


def uses_of(program: Program) -> dict[str, Location]:
    """Return the dotted names that the project's code imports, calls or sets, each with a place.

    Names that are set are strings such as ``"django.middleware.gzip.GZipMiddleware"``.
    """
    first: dict[str, Location] = {}
    for file in program.files:
        if file.role not in NOT_RUNNING:
            _note_names(program, file, first)
    found: dict[str, Location] = {}
    for name, place in first.items():
        found.setdefault(program.libraries.canonical(name), place)
    return found


def first_use(uses: dict[str, Location], names: Iterable[str]) -> Location | None:
    """Return the place of the first use of one of the names or of something below it, or None."""
    wanted = frozenset(names)
    below = tuple(f"{name}." for name in wanted)
    found = [place for used, place in uses.items() if used in wanted or used.startswith(below)]
    return min(found, default=None)


def _note_names(program: Program, file: FileNode, first: dict[str, Location]) -> None:
    """Note the names that a file uses and no file before it, each with its first place."""
    for function in file.functions:
        for item in function.facts.imports:
            if not item.level:
                dotted = f"{item.module}.{item.name}" if item.name else item.module
                if dotted not in first:
                    first[dotted] = function.line(item.line)
        for index, call in enumerate(function.facts.calls):
            for target in program.types.call(function, index).targets:
                if target.function is None and target.name not in first:
                    first[target.name] = function.place(call)
        for path in program.types.decorator_paths(function):
            if path not in first:
                first[path] = function.location
    for name, place in _names_in_settings(file):
        first.setdefault(name, place)


def _names_in_settings(file: FileNode) -> Iterator[tuple[str, Location]]:
    body = file.body
    for bind in body.facts.binds:
        if bind.value is None or not isinstance(bind.value, t.Seq | t.Mapping | t.Binary | t.Const):
            continue
        for part in parts(body, bind.value):
            if isinstance(part, t.Const) and isinstance(part.value, str) and is_name(part.value):
                yield part.value, body.line(bind.line, bind.column)


def is_name(text: str) -> bool:
    """Return whether a string may be the name of a module or of something in one."""
    return len(text) < 150 and all(part.isidentifier() for part in text.split("."))
