"""Which attributes templates may read of what they are given: all words behind a dot count."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import template_types as n
from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.renderings import renderings
from perfaudit.program.template_costs import KEEPING, PLAIN
from perfaudit.program.template_files import TemplateFiles, template_files

if TYPE_CHECKING:
    from perfaudit.program.program import Program

_WORD = re.compile(r"\.\s*([^\W\d]\w*)|[\"']([\w.]+)[\"']")
WITHOUT_READING = KEEPING | PLAIN | {"length", "count", "first", "last", "yesno", "pluralize"}
"""Filters that read nothing of the items that they are given."""
MAX_FILES = 60


class Words(NamedTuple):
    """Words that templates may read of objects, and whether they write some out as they are."""

    read: frozenset[str]
    writes_objects: bool


class Entry(NamedTuple):
    """A value that a function gives to templates."""

    value: t.Expr
    templates: tuple[str, ...]


def given_to_templates(program: "Program") -> dict[FunctionNode, list[Entry]]:
    """Return what each function gives to templates; ask for it with ``program.once``."""
    found: dict[FunctionNode, list[Entry]] = {}
    for rendering in program.once(renderings):
        for known in rendering.names.values():
            for given in known.givens:
                entry = Entry(given.value, rendering.templates)
                found.setdefault(given.function, []).append(entry)
    return found


def words_of(program: "Program", name: str) -> Words | None:
    """Return what a template and those that it extends, includes and imports may read.

    None where one of them is not known, or hands objects to code that is not.
    """
    files = program.once(template_files)
    first = files.find(name)
    if first is None:
        return None
    waiting, seen = [first], {first}
    read: set[str] = set()
    writes = False
    while waiting:
        path = waiting.pop()
        template = files.read(path)
        for found in _WORD.finditer(files.text(path)):
            read.update((found.group(1) or found.group(2)).split("."))
        others = [template.extends] if template.extends else []
        for node in _all_nodes(template):
            if _hands_on(node):
                return None
            writes |= isinstance(node, n.Read) and node.shown and not node.path.steps
            if isinstance(node, n.Include | n.Import):
                if not node.template or files.find(node.template, path) is None:
                    return None
                others.append(node.template)
        for other in _found(files, others, path):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
        if len(seen) > MAX_FILES:
            return None
    return Words(frozenset(read), writes)


def _found(files: TemplateFiles, names: Sequence[str], near: str) -> Iterator[str]:
    for name in names:
        path = files.find(name, near)
        if path is not None:
            yield path


def _all_nodes(template: n.Template) -> Iterator[n.Node]:
    waiting: list[n.Node] = [*template.nodes]
    for block in template.blocks.values():
        waiting.extend(block.body)
    for macro in template.macros.values():
        waiting.extend(macro.body)
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case (
                n.Loop(body=body)
                | n.Scope(body=body)
                | n.Once(body=body)
                | n.Changed(body=body)
                | n.Block(body=body)
            ):
                waiting.extend(body)


def _hands_on(node: n.Node) -> bool:
    """Return whether a node may hand an object itself to code that is not seen."""
    match node:
        case (
            n.Tag(arguments=arguments, keywords=keywords)
            | n.MacroCall(arguments=arguments, keywords=keywords)
        ):
            given = [*arguments, *(item.value for item in keywords)]
            return any(path is None or not path.steps for path in given)
        case n.Read(path=path):
            return _is_filtered(path)
        case n.Loop(iterable=path):
            return path is None or _is_filtered(path)
        case n.Let(value=path):
            return path is None or _is_filtered(path)
        case n.Scope(names=names):
            return any(item.value is None or _is_filtered(item.value) for item in names)
    return False


def _is_filtered(path: n.Path) -> bool:
    return not path.steps and any(name not in WITHOUT_READING for name in path.filters)
