"""Parse syntax that is newer than the running interpreter, by writing it in the older one.

Lines stay where they are, and so do columns in all but the rarest places. Understood:
``except A, B:``, type parameters, ``type X = ...``, what f-strings may hold since 3.12,
t-strings (parsed as f-strings), and ``lazy import``.

This is a scanner and not a second parser on purpose: it has no stack to overflow, takes time in
proportion to the text, and what it leaves is judged by ``ast`` as ever.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_NESTED_STRINGS = 20
TOKEN = re.compile(
    r"""(?P<skip>[ \t\f]+|\\\n|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<string>(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"\"\"|'''|"|'))
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<op>!=|==|<=|>=|->|:=|.)""",
    re.VERBOSE,
)
STRING_ENDS = {
    quote: re.compile(rf"(?:[^\\{quote[0]}{newline}]|\\.{inner})*+{quote}", re.DOTALL)
    for quote, newline, inner in (
        ("'", "\\n", ""),
        ('"', "\\n", ""),
        ("'''", "", "|'(?!'')"),
        ('"""', "", '|"(?!"")'),
    )
}
LITERAL_PARTS = {
    (quote, raw): re.compile(
        rf"{name}\\[^{{}}]|\{{\{{|\}}\}}|[{{}}]|{quote}" + ("|\n" if len(quote) == 1 else ""),
        re.DOTALL,
    )
    for quote in STRING_ENDS
    for raw, name in ((True, ""), (False, r"\\N\{[^}\n]*\}|"))
}
CONVERSION = re.compile(r"\s*\w+\s*[:}]")
FORMAT_PREFIXES = frozenset({"f", "rf", "fr", "t", "rt", "tr"})
OPENERS = frozenset("([{")
CLOSERS = frozenset(")]}")
NOT_PLAIN = re.compile(r"""['"\\#\n]""")


class _NotUnderstood(Exception):
    """The text is not something that can be written in older syntax."""


@dataclass(frozen=True, slots=True)
class _Hole:
    """An expression in an f-string. The text up to ``stop`` also has the ``=`` of ``{x=}``."""

    start: int
    end: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    holes: tuple[_Hole, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def parse_newer(text: str, refusal: SyntaxError) -> tuple[ast.Module, str] | SyntaxError:
    """Return the tree of newer syntax and the older text that was parsed.

    What stays wrong in older syntax is returned, or else the interpreter's own refusal.
    """
    try:
        older, expressions = _write_older(text)
        if older == text:
            return refusal
        tree = ast.parse(older)
        _put_back(tree, text, expressions, 0)
    except SyntaxError as error:
        return error
    except (_NotUnderstood, ValueError, RecursionError, MemoryError):
        return refusal
    return tree, older


def _write_older(text: str) -> tuple[str, dict[str, _Hole]]:
    """Return the text in older syntax, and the expressions that names stand in for."""
    tokens = list(_tokens(text))
    expressions: dict[str, _Hole] = {}
    edits = [*_statement_edits(text, tokens), *_string_edits(text, tokens, expressions)]
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start < position:
            raise _NotUnderstood
        parts += text[position : edit.start], edit.text
        position = edit.end
    return "".join([*parts, text[position:]]), expressions


def _put_back(tree: ast.AST, text: str, expressions: dict[str, _Hole], depth: int) -> None:
    """Replace each name that stands for an expression by the tree of that expression."""
    if not expressions:
        return
    places = _places(text, [hole.start for hole in expressions.values()])
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
            hole = expressions.pop(node.value.id, None)
            if hole is not None:
                node.value = _parse_hole(text, hole, places[hole.start], depth + 1)


def _places(text: str, offsets: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return how many lines, and bytes of its own line, stand before each offset."""
    places = {}
    lines = columns = position = 0
    for offset in sorted(offsets):
        between = text[position:offset]
        if "\n" in between:
            lines += between.count("\n")
            columns = 0
            between = between.rpartition("\n")[2]
        columns += len(between.encode())
        places[offset] = lines, columns
        position = offset
    return places


def _parse_hole(text: str, hole: _Hole, place: tuple[int, int], depth: int) -> ast.expr:
    if depth > MAX_NESTED_STRINGS:
        raise _NotUnderstood
    inner = f"({text[hole.start : hole.end]}\n)"
    try:
        expression = ast.parse(inner, mode="eval").body
    except SyntaxError:
        older, expressions = _write_older(inner)
        tree = ast.parse(older, mode="eval")
        _put_back(tree, inner, expressions, depth)
        expression = tree.body
    for node in ast.walk(expression):
        if isinstance(node, (ast.expr, ast.keyword, ast.arg)):
            _move(node, place[0], place[1] - 1)
    return expression


def _move(node: ast.expr | ast.keyword | ast.arg, lines: int, columns: int) -> None:
    if node.lineno == 1:
        node.col_offset += columns
    if node.end_lineno == 1 and node.end_col_offset is not None:
        node.end_col_offset += columns
    node.lineno += lines
    if node.end_lineno is not None:
        node.end_lineno += lines


def _statement_edits(text: str, tokens: Sequence[_Token]) -> Iterator[_Edit]:
    depth = 0
    starts = True
    for index, token in enumerate(tokens):
        if token.kind == "name" and depth == 0:
            yield from _keyword_edits(text, tokens, index, starts)
        if token.text in OPENERS and token.kind == "op":
            depth += 1
        elif token.text in CLOSERS and token.kind == "op":
            depth = max(depth - 1, 0)
        starts = token.kind == "newline" or (token.kind == "op" and token.text in ";:")


def _keyword_edits(
    text: str, tokens: Sequence[_Token], index: int, starts: bool
) -> Iterator[_Edit]:
    word = tokens[index].text
    following = [token.text for token in tokens[index + 1 : index + 3]]
    named = len(following) == 2 and tokens[index + 1].kind == "name"
    if word in ("def", "class") and named and following[1] == "[":
        close = _closing(tokens, index + 2)
        yield _blank(text, tokens[index + 2].start, tokens[close].end)
    elif word == "type" and starts and named and following[1] in ("[", "="):
        yield _alias_edit(text, tokens, index)
    elif word == "except" and starts:
        yield from _except_edits(text, tokens, index)
    elif word == "lazy" and starts and following and following[0] in ("import", "from"):
        start, end = tokens[index].start, tokens[index + 1].end
        yield _Edit(start, end, following[0].ljust(end - start))


def _alias_edit(text: str, tokens: Sequence[_Token], index: int) -> _Edit:
    name = tokens[index + 1]
    last = _closing(tokens, index + 2) if tokens[index + 2].text == "[" else index + 1
    start, end = tokens[index].start, tokens[last].end
    rest = _blank(text, start + len(name.text), end)
    return _Edit(start, end, name.text + rest.text)


def _except_edits(text: str, tokens: Sequence[_Token], index: int) -> Iterator[_Edit]:
    """Write ``except A, B:`` with parentheses."""
    first = index + 1
    if first < len(tokens) and tokens[first].text == "*":
        first += 1
    depth = 0
    commas = False
    for place in range(first, len(tokens)):
        token = tokens[place]
        depth += (token.text in OPENERS) - (token.text in CLOSERS)
        if depth:
            continue
        if token.kind == "newline" or token.text == "as":
            return
        if token.text == ":":
            break
        commas = commas or token.text == ","
    else:
        return
    if commas:
        start, end = tokens[first].start, tokens[place - 1].end
        # The bracket takes the place of the space before, so that no column moves.
        yield _Edit(start - (text[start - 1] in " \t"), start, "(")
        yield _Edit(end, end, ")")


def _closing(tokens: Sequence[_Token], index: int) -> int:
    depth = 0
    for place in range(index, len(tokens)):
        if tokens[place].kind == "op":
            depth += (tokens[place].text in OPENERS) - (tokens[place].text in CLOSERS)
            if depth == 0:
                return place
    raise _NotUnderstood


def _blank(text: str, start: int, end: int) -> _Edit:
    """Return the edit that leaves nothing but the line ends, made harmless."""
    lines = text[start:end].split("\n")
    return _Edit(start, end, "\\\n".join(" " * len(line.encode()) for line in lines))


def _string_edits(
    text: str, tokens: Sequence[_Token], expressions: dict[str, _Hole]
) -> Iterator[_Edit]:
    stem = "_h"
    while stem in text:
        stem += "_"
    for token in tokens:
        if token.kind != "format":
            continue
        prefix, quote = _prefix_and_quote(token.text)
        older_prefix = prefix.replace("t", "f").replace("T", "F")
        if _is_understood(older_prefix + token.text[len(prefix) :]):
            if older_prefix != prefix:
                yield _Edit(token.start, token.start + len(prefix), older_prefix)
            continue
        yield _Edit(token.start, token.end, _older_string(text, token, stem, expressions))


def _prefix_and_quote(text: str) -> tuple[str, str]:
    start = TOKEN.match(text)
    if start is None or start["quote"] is None:
        raise _NotUnderstood
    return start["prefix"], start["quote"]


def _is_understood(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _older_string(text: str, token: _Token, stem: str, expressions: dict[str, _Hole]) -> str:
    """Return the f-string with a name in place of each expression that older versions refuse."""
    prefix, quote = _prefix_and_quote(token.text)
    parts = [prefix.replace("t", "f").replace("T", "F")]
    position = token.start + len(prefix)
    lost_lines = 0
    for hole in token.holes:
        source = text[hole.start : hole.stop]
        if not NOT_PLAIN.search(source):
            continue
        name = f"{stem}{len(expressions)}"
        expressions[name] = hole
        lines = source.count("\n")
        kept = "\n" * lines if len(quote) == 3 else ""
        lost_lines += 0 if kept else lines
        last = source.rpartition("\n")[2] if kept or not lines else ""
        parts += text[position : hole.start], kept, name.ljust(len(last.encode()))
        position = hole.stop
    parts.append(text[position : token.end])
    if lost_lines:
        column = len(text[text.rfind("\n", 0, token.end) + 1 : token.end].encode())
        parts.append(" \\\n" * lost_lines + " " * column)
    return "".join(parts)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        token = _next_token(text, position, 0)
        position = token.end
        if token.kind != "skip":
            yield token


def _next_token(text: str, position: int, depth: int) -> _Token:
    found = TOKEN.match(text, position)
    if found is None:
        raise _NotUnderstood
    kind = found.lastgroup or "op"
    if found["quote"] is None:
        return _Token(kind, found[0], position, found.end())
    prefix, quote = found["prefix"].lower(), found["quote"]
    if prefix in FORMAT_PREFIXES:
        parts = LITERAL_PARTS[quote, "r" in prefix]
        end, holes = _format_string(text, found.end(), quote, parts, depth)
        return _Token("format", text[position:end], position, end, tuple(holes))
    closing = STRING_ENDS[quote].match(text, found.end())
    if closing is None:
        raise _NotUnderstood
    return _Token("string", text[position : closing.end()], position, closing.end())


def _format_string(
    text: str, position: int, quote: str, parts: re.Pattern[str], depth: int
) -> tuple[int, list[_Hole]]:
    """Return the end of an f-string whose content begins at the position, and its holes."""
    if depth > MAX_NESTED_STRINGS:
        raise _NotUnderstood
    holes: list[_Hole] = []
    specs = 0
    while found := parts.search(text, position):
        position = found.end()
        if found[0] == quote:
            return position, holes
        if found[0] == "\n":
            raise _NotUnderstood
        if specs and found[0] == "}}":
            position -= 1
        if specs and found[0][0] == "}":
            specs -= 1
        elif found[0] == "{" or (specs and found[0] == "{{"):
            position = found.start() + 1
            hole, position, has_spec = _hole(text, position, depth)
            holes.append(hole)
            specs += has_spec
    raise _NotUnderstood


def _hole(text: str, position: int, depth: int) -> tuple[_Hole, int, bool]:
    """Return the hole whose expression begins at the position, where reading goes on, and
    whether a format specification is open there."""
    start = position
    end: int | None = None
    brackets = 0
    while position < len(text):
        token = _next_token(text, position, depth + 1)
        position = token.end
        closes = token.kind == "op" and not brackets
        if closes and token.text in ("}", ":", ":=", "!"):
            stop = token.start
            if token.text == "!":
                position = _after_conversion(text, position)
            elif token.text == ":=":
                position = token.start + 1
            has_spec = token.text != "}" and text[position - 1] == ":"
            return _Hole(start, stop if end is None else end, stop), position, has_spec
        if token.kind == "op":
            brackets += (token.text in OPENERS) - (token.text in CLOSERS)
        if token.kind != "skip" and token.kind != "newline":
            end = token.start if closes and token.text == "=" else None
    raise _NotUnderstood


def _after_conversion(text: str, position: int) -> int:
    found = CONVERSION.match(text, position)
    if found is None:
        raise _NotUnderstood
    return found.end()
