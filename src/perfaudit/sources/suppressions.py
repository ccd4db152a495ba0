"""The comments by which a user silences findings."""

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from perfaudit.sources.types import Suppression

MARK = b"perfaudit:"
COMMENT = re.compile(
    r"(?:^|(?<=\s))\#\s*perfaudit:\s*(?P<word>ignore-file|ignore)(?![\w-])"
    r"\s*(?P<list>\[[^\[\]]*\])?(?P<reason>.*?)(?=\s\#\s|$)"
)
TEMPLATE_COMMENT = re.compile(r"\{#(?P<text>.*?)#\}")
LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
)
OPENERS = frozenset({"(", "[", "{"})
CLOSERS = frozenset({")", "]", "}"})


def find_suppressions(text: str) -> tuple[Suppression, ...]:
    """Return the suppressions in the comments of a Python file, in order.

    A comment after code speaks of its own line; where that line only ends what an earlier one
    began, it speaks of the earlier one. A comment alone speaks of the next line of code. One that
    is not well formed silences nothing.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError, ValueError):
        return ()
    beginnings = _beginnings(tokens)
    code_lines = sorted({token.start[0] for token in tokens if token.type not in LAYOUT})
    return tuple(
        suppression
        for token in tokens
        if token.type == tokenize.COMMENT
        for suppression in _in_comment(token, beginnings, code_lines)
    )


def find_template_suppressions(text: str) -> tuple[Suppression, ...]:
    """Return the suppressions in the comments of a template, ``{# perfaudit: ignore[...] why #}``.

    A comment beside other text speaks of its own line, one alone of the next line that has text.
    """
    if MARK.decode() not in text:
        return ()
    lines = text.split("\n")
    found: list[Suppression] = []
    for number, line in enumerate(lines, start=1):
        for comment in TEMPLATE_COMMENT.finditer(line):
            target = number
            if not TEMPLATE_COMMENT.sub("", line).strip():
                target = next(
                    (
                        other
                        for other in range(number + 1, len(lines) + 1)
                        if lines[other - 1].strip()
                    ),
                    number,
                )
            found.extend(_said(f"# {comment['text'].strip()}", number, target))
    return tuple(found)


def _in_comment(
    token: tokenize.TokenInfo, beginnings: dict[int, int], code_lines: Sequence[int]
) -> Iterator[Suppression]:
    line = token.start[0]
    following = bisect_right(code_lines, line)
    next_line = code_lines[following] if following < len(code_lines) else line
    return _said(token.string, line, beginnings.get(line, next_line))


def _said(comment: str, line: int, spoken_of: int) -> Iterator[Suppression]:
    """Yield what a comment on a line says of another line, or of the whole file."""
    for found in COMMENT.finditer(comment):
        reason = found["reason"].strip(" \t:-\u2013\u2014")
        listed = (found["list"] or "")[1:-1].split(",")
        rules = tuple(rule.strip() for rule in listed if rule.strip())
        if (found["list"] and not rules) or found["reason"].startswith("["):
            continue
        whole_file = found["word"] == "ignore-file"
        target = line if whole_file else spoken_of
        yield Suppression(line, target, rules, reason, whole_file)


def _beginnings(tokens: Sequence[tokenize.TokenInfo]) -> dict[int, int]:
    """Return for each line that ends in code the line where that code begins.

    That is another line only where nothing but the ends of brackets and strings comes first:
    ``)``, or ``).all()``, but not ``}, load())``.
    """
    beginnings: dict[int, int] = {}
    only_ends: set[int] = set()
    after_comma: set[int] = set()
    opened: list[int] = []
    for token in tokens:
        if token.type in LAYOUT:
            continue
        begin, line = token.start[0], token.end[0]
        if _closes(token) and opened:
            begin = opened.pop()
        elif _opens(token):
            opened.append(begin)
        if line not in beginnings:
            beginnings[line] = beginnings.get(begin, begin) if begin < line else line
            only_ends.add(line)
        elif line in only_ends and begin < line and line not in after_comma:
            beginnings[line] = min(beginnings[line], beginnings.get(begin, begin))
        elif line in after_comma:
            beginnings[line] = line
        elif token.string == "," and line in only_ends:
            after_comma.add(line)
        else:
            only_ends.discard(line)
    return beginnings


def _opens(token: tokenize.TokenInfo) -> bool:
    if token.type == tokenize.OP:
        return token.string in OPENERS
    return tokenize.tok_name[token.type] in ("FSTRING_START", "TSTRING_START")


def _closes(token: tokenize.TokenInfo) -> bool:
    if token.type == tokenize.OP:
        return token.string in CLOSERS
    return tokenize.tok_name[token.type] in ("FSTRING_END", "TSTRING_END")
