"""The paths in the expressions of a template."""

import re
from collections.abc import Sequence

from msgspec import Struct

from perfaudit.facts.template_types import CALLED, PICKED, Let, MacroCall, Path

TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<mark>[.|:()\[\]{},=~]|[^\s\w])"""
)
WORDS = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"}
    | {"None", "as", "by", "with", "only", "for", "recursive", "reversed", "loop", "forloop"}
)
"""Words of the languages, which stand for no value of the program."""
SLICE = "slice"
_BOUNDS = re.compile(r"""["'](\d{0,9}):(\d{1,9})["']""")
MAX_TOKENS = 2_000
MAX_BRACKETS = 40


class Token(Struct, frozen=True, gc=False):
    """One word of an expression and where it begins in the line."""

    kind: str
    text: str
    start: int


class Found(Struct):
    """What an expression holds: its paths in order, and the calls that have arguments."""

    paths: list[Path]
    calls: list[MacroCall]


def tokens_of(text: str) -> list[Token]:
    """Return the words of an expression."""
    found = []
    for match in TOKEN.finditer(text):
        found.append(Token(match.lastgroup or "mark", match.group(), match.start()))
        if len(found) == MAX_TOKENS:
            break
    return found


def paths_of(tokens: Sequence[Token], line: int, column: int) -> Found:
    """Return the paths in an expression that begins at a column of a line."""
    found = Found([], [])
    _Reader(tokens, line, column, found).expression(0)
    return found


def only_path(tokens: Sequence[Token], line: int, column: int) -> Path | None:
    """Return the path that an expression is, or None where it is more than one."""
    found = Found([], [])
    reader = _Reader(tokens, line, column, found)
    if not tokens or tokens[0].kind != "name" or tokens[0].text in WORDS:
        return None
    end = reader.path(0)
    return found.paths[-1] if end == len(tokens) and found.paths else None


class _Reader:
    """One walk over the words of an expression."""

    def __init__(self, tokens: Sequence[Token], line: int, column: int, found: Found) -> None:
        self.tokens = tokens
        self.line = line
        self.column = column
        self.found = found
        self.depth = 0

    def mark(self, index: int, text: str) -> bool:
        tokens = self.tokens
        return index < len(tokens) and tokens[index].kind == "mark" and tokens[index].text == text

    def expression(self, index: int, closing: str = "") -> int:
        """Read up to a closing bracket, and return the index behind it."""
        tokens = self.tokens
        while index < len(tokens):
            token = tokens[index]
            if token.kind == "mark":
                if token.text == closing:
                    return index + 1
                if token.text in "([{":
                    index = self.inside(index + 1, {"(": ")", "[": "]", "{": "}"}[token.text])
                elif token.text == "|":
                    index = self.filters(index, [])
                else:
                    index += 1
            elif token.kind == "name" and self.is_value(index):
                index = self.path(index)
            else:
                index += 1
        return index

    def inside(self, index: int, closing: str) -> int:
        """Read what stands in brackets, unless they are nested more deeply than anybody writes."""
        if self.depth >= MAX_BRACKETS:
            return len(self.tokens)
        self.depth += 1
        index = self.expression(index, closing)
        self.depth -= 1
        return index

    def is_value(self, index: int) -> bool:
        """Return whether a name is a value: no word of the language, and no keyword's name."""
        if self.tokens[index].text in WORDS or (index and self.mark(index - 1, ".")):
            return False
        return not self.mark(index + 1, "=") or self.mark(index + 2, "=")

    def path(self, index: int) -> int:
        """Read one path with its filters, and return the index behind it."""
        tokens = self.tokens
        root = tokens[index]
        steps: list[str] = []
        arguments: tuple[tuple[Path | None, ...], tuple[Let, ...]] | None = None
        index += 1
        end = root
        while index < len(tokens):
            if (
                self.mark(index, ".")
                and index + 1 < len(tokens)
                and tokens[index + 1].kind != "mark"
            ):
                end = tokens[index + 1]
                step = end.text if end.kind == "name" else PICKED
                steps.append(step)
                index += 2
            elif self.mark(index, "("):
                begin, index = index + 1, self.inside(index + 1, ")")
                arguments = self.arguments(begin, index - 1)
                steps.append(CALLED)
            elif self.mark(index, "["):
                index = self.inside(index + 1, "]")
                steps.append(PICKED)
            else:
                break
        filters: list[str] = []
        first = index
        if self.mark(index, "|"):
            index = self.filters(index, filters)
        most = most_of(tokens[first:index])
        start, stop = self.column + root.start, self.column + end.start + len(end.text)
        self.found.paths.append(
            Path(root.text, tuple(steps), tuple(filters), self.line, start, stop, most)
        )
        if arguments is not None and steps[-1] == CALLED:
            name = ".".join((root.text, *steps[:-1]))
            self.found.calls.append(MacroCall(name, *arguments, self.line))
        return index

    def filters(self, index: int, names: list[str]) -> int:
        tokens = self.tokens
        while self.mark(index, "|") and index + 1 < len(tokens):
            if tokens[index + 1].kind == "name":
                names.append(tokens[index + 1].text)
            index += 2
            if self.mark(index, "("):
                index = self.inside(index + 1, ")")
            elif self.mark(index, ":"):
                index += 1
                if index < len(tokens) and tokens[index].kind == "name":
                    index = self.argument(index)
                else:
                    index += 1
        return index

    def argument(self, index: int) -> int:
        """Read the argument of a filter: a path without filters of its own."""
        tokens = self.tokens
        stop = index + 1
        while self.mark(stop, ".") and stop + 1 < len(tokens):
            stop += 2
        if tokens[index].text not in WORDS:
            _Reader(tokens[index:stop], self.line, self.column, self.found).path(0)
        return stop

    def arguments(self, begin: int, end: int) -> tuple[tuple[Path | None, ...], tuple[Let, ...]]:
        """Return the arguments between two brackets."""
        positions: list[Path | None] = []
        keywords: list[Let] = []
        for part in split(self.tokens[begin:end], ","):
            if len(part) > 2 and part[0].kind == "name" and part[1].text == "=":
                value = only_path(part[2:], self.line, self.column)
                keywords.append(Let(part[0].text, value))
            elif part:
                positions.append(only_path(part, self.line, self.column))
        return tuple(positions), tuple(keywords)


def most_of(filters: Sequence[Token]) -> int | None:
    """Return how many items the last slice among filters leaves at most, None if none says."""
    found: int | None = None
    for name, argument in zip(filters, filters[2:], strict=False):
        bounds = _BOUNDS.fullmatch(argument.text) if name.text == SLICE else None
        if bounds is not None:
            found = max(0, int(bounds[2]) - int(bounds[1] or 0))
    return found


def split(tokens: Sequence[Token], separator: str) -> list[list[Token]]:
    """Return the parts between separators that stand in no brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "mark":
            depth += (token.text in "([{") - (token.text in ")]}")
            if token.text == separator and depth == 0:
                parts.append([])
                continue
        parts[-1].append(token)
    return parts
