"""Facts that are extracted only when somebody asks for them."""

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import msgspec

from perfaudit.facts.extract import extract_facts
from perfaudit.facts.types import FileFacts
from perfaudit.sources.roles import REVISION

BLOCKS = (
    *(ast.If, ast.Match, ast.match_case, ast.Try, ast.TryStar, ast.ExceptHandler),
    *(ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While),
)
"""Statements, and parts of them, that hold others of the same scope."""


class Glance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a file before its facts are asked for.

    ``lines`` is their number. ``is_revision``: its module names the revision of the schema that it
    follows, so that it is a migration.
    """

    lines: int
    is_revision: bool


def glance_at(tree: ast.Module, lines: int) -> Glance:
    """Return what is known of a parsed file without its facts."""
    return Glance(lines, REVISION in _assigned(tree.body))


def _assigned(body: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that statements assign, outside of functions and classes."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for part in (part for target in targets for part in ast.walk(target)):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    yield part.id
        elif isinstance(node, BLOCKS):
            yield from _assigned(ast.iter_child_nodes(node))


class LaterFacts:
    """The facts of a file of which hardly anything is asked, not extracted until something is.

    ``extracted`` gives them, or None where the file cannot be read any more: ``is_damaged`` then.
    """

    def __init__(
        self, path: str, glance: Glance, extracted: Callable[[], FileFacts | None]
    ) -> None:
        self.path = path
        self.lines = glance.lines
        self.is_revision = glance.is_revision
        self.is_asked = False
        self.is_damaged = False
        self._extracted = extracted

    @cached_property
    def facts(self) -> FileFacts:
        """Return the facts themselves; those of an empty file where there are none any more."""
        self.is_asked = True
        found = self._extracted()
        self.is_damaged = found is None
        return extract_facts(self.path, "", ast.parse("")) if found is None else found
