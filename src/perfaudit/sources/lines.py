"""The lines of the project's files, as findings show them."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from perfaudit.core.problem import Problem
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.reading import read_bytes


def text_of(root: Path, path: str) -> str | None:
    """Return the text of a file below the root, each line ended by a line feed, or None."""
    data = read_bytes(root, path, MAX_BYTES)
    if isinstance(data, Problem):
        return None
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")


def line_reader(root: Path) -> Callable[[str, int], str]:
    """Return a function that gives a line of a file below the root, or an empty text."""

    # Findings come in the order of their places: one file at a time.
    @lru_cache(maxsize=8)
    def lines(path: str) -> list[str]:
        text = text_of(root, path)
        return [] if text is None else text.split("\n")

    def read(path: str, line: int) -> str:
        found = lines(path)
        return found[line - 1] if 0 < line <= len(found) else ""

    return read
