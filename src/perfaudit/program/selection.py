"""Which functions, classes and modules a user means by a name."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.location import Location
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program

PLACE = re.compile(r"(?P<path>.+\.py):(?P<line>\d+)(?::\d+)?")
GLOB = re.compile(r"[*?\[]")
MAX_NEAR = 5
BODIES = {"function": ("function", "lambda"), "module": ("module",)}
"""The kinds of bodies of code that a kind of subject is."""


class Subject(NamedTuple):
    """Something that can be asked about. ``kind`` is function, class or module."""

    kind: str
    name: str
    location: Location
    node: FunctionNode | ClassNode


def subjects(program: "Program", kinds: Collection[str]) -> list[Subject]:
    """Return all that can be asked about, of some kinds, in file order."""
    found = []
    for function in program.functions:
        for kind in kinds:
            if function.kind in BODIES.get(kind, ()):
                found.append(Subject(kind, _name_of(function), function.location, function))
    if "class" in kinds:
        files: dict[FileNode, None] = dict.fromkeys(item.file for item in program.functions)
        classes = [node for file in files for node in file.classes]
        found += [Subject("class", node.qualname, node.location, node) for node in classes]
    return found


def _name_of(function: FunctionNode) -> str:
    if function.kind == "module":
        return function.file.module or function.file.path
    return function.qualname


def select(found: Iterable[Subject], name: str) -> list[Subject]:
    """Return what a name means.

    It is a dotted name or the end of one, such a name with wildcards, or ``path:line``.
    """
    place = PLACE.fullmatch(name)
    if place is not None:
        return _at(found, place["path"], int(place["line"]))
    if GLOB.search(name):
        patterns = (name, f"*.{name}")
        return [item for item in found if any(fnmatchcase(item.name, each) for each in patterns)]
    all_found = list(found)
    exact = [item for item in all_found if item.name == name]
    ending = [item for item in all_found if item.name.endswith(f".{name}")]
    # A module is often named after the one thing in it, which is then what is meant.
    return exact or [item for item in ending if item.kind != "module"] or ending


def is_glob(name: str) -> bool:
    """Return whether a name has wildcards, and so asks for all that it means."""
    return GLOB.search(name) is not None


def _at(found: Iterable[Subject], path: str, line: int) -> list[Subject]:
    """Return the innermost function, class or module around a line; none where there is none."""
    here = [
        item
        for item in found
        if item.location.path == path or item.location.path.endswith(f"/{path}")
    ]
    if len({item.location.path for item in here}) > 1:
        here = [item for item in here if item.location.path == path]
    around = [item for item in here if item.location.line <= line <= _end(item)]
    return [max(around, key=_narrowness)] if around else []


def _end(item: Subject) -> int:
    return item.node.facts.end_line


def _narrowness(item: Subject) -> tuple[bool, int, int]:
    return item.kind != "module", item.location.line, -_end(item)


def near(found: Iterable[Subject], name: str) -> list[str]:
    """Return the full names whose last part is written nearly like that of a name."""
    short = {item.name.rpartition(".")[2]: item.name for item in found}
    last = PLACE.sub("", name).rpartition(".")[2]
    return [short[item] for item in get_close_matches(last, short, n=MAX_NEAR)]
