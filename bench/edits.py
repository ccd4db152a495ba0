"""Edits of one file, each made for one run and taken back: what a change costs hangs on its kind.

Chosen by rule, so that nobody picks a file that is cheap: the file that most imports name, and the
largest one that no import names, apart from tests, which are parsed, but not linked.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_IMPORT = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+([\w.]+)((?:[ \t]+import[ \t]*\([^)]*)?.*)", re.MULTILINE
)
_WORD = re.compile(rb"\w+")

_TESTS = frozenset({"test", "tests", "testing", "js_tests"})


@dataclass(frozen=True, slots=True)
class Edit:
    """A file, what it holds afterwards, and words for what that changes."""

    name: str
    file: Path
    content: bytes

    @contextmanager
    def made(self) -> Iterator[None]:
        """Change the file, and change it back."""
        before = self.file.read_bytes()
        try:
            self.file.write_bytes(self.content)
            yield
        finally:
            self.file.write_bytes(before)


def edits_of(tree: Path) -> list[Edit]:
    """Return the edits that are measured: the last one is what counts."""
    files = sorted(tree.rglob("*.py"))
    named, words = _imports(files)
    largest = max(files, key=lambda file: (file.stat().st_size, file))
    tests = [file for file in files if _is_test(file.relative_to(tree)) and file.stem not in words]
    test = max(tests, key=lambda file: (file.stat().st_size, file))
    files = [file for file in files if not _is_test(file.relative_to(tree))]
    alone = [file for file in files if file.stem not in words and _is_module(file)]
    leaf = max(alone, key=lambda file: (file.stat().st_size, file))
    hub, body = next(
        (file, body)
        for file in sorted(files, key=lambda file: (-named[_module(tree, file)], file))
        if (body := _with_longer_body(file)) is not None
    )
    function = b"\n\ndef changed(value):\n    return len(value)\n"
    call = b"\nchanged = len(())\n"
    return [
        Edit("a comment more", largest, largest.read_bytes() + b"\n# changed\n"),
        Edit("a call more in a test", test, test.read_bytes() + call),
        Edit("a function more in a leaf", leaf, leaf.read_bytes() + function),
        Edit("another body in the most imported", hub, body),
    ]


def _is_test(path: Path) -> bool:
    return path.name.startswith(("test_", "conftest")) or not _TESTS.isdisjoint(path.parts)


def _imports(files: list[Path]) -> tuple[Counter[str], set[str]]:
    """Return how often imports name each module in full, and all words of imports."""
    found: Counter[str] = Counter()
    words = {"__init__"}
    for file in files:
        imports = _IMPORT.findall(file.read_bytes())
        found.update({name.decode() for name, _ in imports})
        for parts in imports:
            words.update(word.decode() for part in parts for word in _WORD.findall(part))
    return found, words


def _module(tree: Path, file: Path) -> str:
    parts = file.relative_to(tree).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1:] == ("__init__",) else parts)


def _is_module(file: Path) -> bool:
    return file.stem.isidentifier() and _parsed(file) is not None


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return None


def _with_longer_body(file: Path) -> bytes | None:
    """Return a file with one call more before the end of its first function, or None."""
    tree = _parsed(file)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.body[-1].lineno > node.body[0].lineno:
            last = node.body[-1]
            lines = file.read_bytes().split(b"\n")
            lines.insert(last.lineno - 1, b" " * last.col_offset + b"changed = len(())")
            return b"\n".join(lines)
    return None
