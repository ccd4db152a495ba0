"""Where the parts of a text stand in the source of the expression that makes it."""

import ast
import re
from collections.abc import Iterator

Anchor = tuple[int, int, int]
"""An offset in a text, and the line and column in its file, from 1, that it stands at.

What follows stands behind it, and after each line feed at the start of the next line, as far as the
next anchor.
"""
MAX_SOURCE = 40_000
_START = re.compile(r"#[^\n]*|(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"\"\"|'''|\"|')")
_ESCAPE = re.compile(
    r"\\(?:\r?\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)",
    re.DOTALL,
)


def anchors_of(source: str, line: int, column: int, text: str) -> tuple[Anchor, ...]:
    """Return the anchors of a text in the source of its expression, which begins at the place.

    Parts of the text that are not found in the source, for they are worked out, have none.
    """
    if len(source) > MAX_SOURCE:
        return ()
    found: list[Anchor] = []
    reached = 0
    for start, pieces in _literals(source):
        for at, piece in pieces:
            offset = text.find(piece, reached)
            if offset >= 0:
                place = _place(source, start + at, line, column)
                found.append((offset, *place))
                reached = offset + len(piece)
    return tuple(found)


def _place(source: str, index: int, line: int, column: int) -> tuple[int, int]:
    above = source.count("\n", 0, index)
    if not above:
        return line, column + index
    return line + above, index - source.rindex("\n", 0, index)


def _literals(source: str) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Yield where the content of each text literal begins, and its pieces, each with its offset.

    A piece ends at an escape that is shorter in the text than in the source, and at a hole.
    """
    position = 0
    while True:
        begun = _START.search(source, position)
        if begun is None:
            return
        if not begun.group("quote"):
            position = begun.end()
            continue
        content, position = _content(source, begun)
        prefix = begun.group("prefix").lower()
        yield begun.end(), list(_pieces(content, is_raw="r" in prefix, has_holes="f" in prefix))


def _content(source: str, begun: re.Match[str]) -> tuple[str, int]:
    """Return what stands between the quotes, and where the literal ends."""
    quote = begun.group("quote")
    position = begun.end()
    while position < len(source) and not source.startswith(quote, position):
        position += 2 if source[position] == "\\" else 1
    return source[begun.end() : position], position + len(quote)


def _pieces(content: str, *, is_raw: bool, has_holes: bool) -> Iterator[tuple[int, str]]:
    begun, piece, position = 0, "", 0
    while position < len(content):
        escape = None if is_raw else _ESCAPE.match(content, position)
        if escape is not None:
            if piece:
                yield begun, piece
            yield position, _meaning(escape.group())
            begun, piece, position = escape.end(), "", escape.end()
        elif has_holes and content[position] in "{}":
            if piece:
                yield begun, piece
            position = _after_brace(content, position)
            begun, piece = position, ""
        else:
            piece += content[position]
            position += 1
    if piece:
        yield begun, piece


def _after_brace(content: str, position: int) -> int:
    """Return what follows a hole of an f-string, or a brace that is written twice."""
    if content[position] == "}" or content.startswith("{{", position):
        return position + 1 + content.startswith(content[position] * 2, position)
    depth = 0
    for index in range(position, len(content)):
        depth += (content[index] == "{") - (content[index] == "}")
        if not depth:
            return index + 1
    return len(content)


def _meaning(escape: str) -> str:
    """Return the text that an escape stands for."""
    if escape in ("\\\n", "\\\r\n"):
        return ""
    try:
        found = ast.literal_eval(f'"{escape}"')
    except (SyntaxError, ValueError):
        return escape
    return str(found)
