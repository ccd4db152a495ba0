"""Where perfaudit's own YAML files are, and how they are read: with their line numbers."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from perfaudit.core.errors import DataError, UsageError

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 50

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

# The base loader resolves no scalar: what `on`, `no` and `1.10` mean is decided by who asks.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def rules_root() -> Path:
    """Return the folder of the rule and library files that come with perfaudit.

    In a wheel it lies inside the package, in a checkout at the top of the repository.
    """
    installed = Path(str(files("perfaudit"))) / "rules_data"
    if installed.is_dir():
        return installed
    checkout = Path(__file__).resolve().parents[2] / "rules"
    if checkout.is_dir():
        return checkout
    raise UsageError(f"perfaudit has no rules in {installed}: install it again")


def nearest(word: str, known: Collection[str]) -> str:
    """Return the end of an error message: the known word that was meant, or all known words."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known are {', '.join(sorted(known))}."


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A value of a YAML file that knows its line.

    ``content`` is the text of a scalar, a list of nodes, or a dict from key to node. A value in a
    mapping has the line of its key. ``is_quoted``: a scalar in quotes or a block, which is text
    whatever it looks like.
    """

    path: str
    line: int
    content: "str | list[YamlNode] | dict[str, YamlNode]"
    is_quoted: bool = False

    def error(self, message: str) -> DataError:
        """Return the error that names this place."""
        return DataError(self.path, self.line, message)

    def mapping(self, known: Collection[str] | None = None) -> "Mapping[str, YamlNode]":
        """Return the entries of a mapping; a key that is not ``known`` is an error."""
        if not isinstance(self.content, dict):
            raise self.error(f"a mapping was expected, not {self._kind()}: write `key: value`.")
        if known is not None:
            for key, node in self.content.items():
                if key not in known:
                    raise node.error(f'unknown key "{key}": {nearest(key, known)}')
        return self.content

    def sequence(self) -> "Sequence[YamlNode]":
        """Return the items of a list."""
        if not isinstance(self.content, list):
            raise self.error(f"a list was expected, not {self._kind()}: write `[a, b]`.")
        return self.content

    def text(self) -> str:
        """Return a scalar as it was written."""
        if not isinstance(self.content, str):
            raise self.error(f"text was expected, not {self._kind()}.")
        return self.content

    def texts(self) -> tuple[str, ...]:
        """Return the items of a list of scalars."""
        return tuple(item.text() for item in self.sequence())

    def flag(self) -> bool:
        """Return a scalar that is ``true`` or ``false``."""
        if self.is_quoted or self.content not in ("true", "false"):
            raise self.error(f"true or false was expected, not {self._kind()}.")
        return self.content == "true"

    def one_of(self, known: Collection[str]) -> str:
        """Return a scalar that must be one of the known words."""
        word = self.text()
        if word not in known:
            raise self.error(f'"{word}" is not known: {nearest(word, known)}')
        return word

    def plain(self) -> Any:
        """Return the value as Python data: dict, list, str, int, float, bool or None."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        if self.is_quoted:
            return self.content
        if self.content in _WORDS:
            return _WORDS[self.content]
        if _INTEGER.match(self.content):
            return int(self.content)
        if _NUMBER.match(self.content):
            return float(self.content)
        return self.content

    def _kind(self) -> str:
        if isinstance(self.content, dict):
            return "a mapping"
        if isinstance(self.content, list):
            return "a list"
        return f'"{self.content}"'


def read_yaml(path: Path) -> YamlNode:
    """Return the content of a YAML file, or raise DataError with the line and the cure.

    Duplicate keys, anchors and aliases, several documents and files above 1 MB are refused.
    """
    return parse_yaml(_read_text(path), str(path))


def parse_yaml(text: str, path: str) -> YamlNode:
    """Return the content of YAML text; ``path`` names it in errors."""
    try:
        if "&" in text:
            _refuse_anchors(text, path)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.problem, error.context) if part)
        raise DataError(path, mark.line + 1 if mark else 1, f"not YAML: {reason}.") from error
    except yaml.YAMLError as error:
        raise DataError(path, 1, f"not YAML: {error}.") from error
    if root is None:
        raise DataError(path, 1, "the file is empty: write its keys or remove it.")
    return _node_of(root, path, root.start_mark.line + 1, 0)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise DataError(str(path), 1, "the file is larger than 1 MB: split it.")
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(str(path), 1, "the file is not UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise DataError(str(path), 1, f"the file cannot be read: {error.strerror}.") from error


def _refuse_anchors(text: str, path: str) -> None:
    for event in yaml.parse(text, Loader=_LOADER):
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            line = event.start_mark.line + 1 if event.start_mark else 1
            message = f'anchors and aliases such as "{anchor}" are not read: write the value out.'
            raise DataError(path, line, message)


def _node_of(node: yaml.Node, path: str, line: int, depth: int) -> YamlNode:
    if depth > MAXIMUM_DEPTH:
        raise DataError(path, line, f"nested deeper than {MAXIMUM_DEPTH}: make it flatter.")
    if isinstance(node, yaml.ScalarNode):
        return YamlNode(path, line, node.value, bool(node.style))
    if isinstance(node, yaml.SequenceNode):
        items = [_node_of(item, path, item.start_mark.line + 1, depth + 1) for item in node.value]
        return YamlNode(path, line, items)
    return YamlNode(path, line, dict(_entries_of(node, path, depth)))


def _entries_of(node: yaml.Node, path: str, depth: int) -> Iterator[tuple[str, YamlNode]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise DataError(path, line, "a key must be text: quote keys with braces or brackets.")
        if key.value in seen:
            raise DataError(
                path,
                line,
                f'the key "{key.value}" is already on line {seen[key.value]}: keep one of them.',
            )
        seen[key.value] = line
        yield key.value, _node_of(value, path, line, depth + 1)
