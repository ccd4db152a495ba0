"""The type expressions of library files, parsed."""

import re
from functools import lru_cache

from perfaudit.libraries.types import TypeExpr

BUILT_IN = frozenset(
    [
        "list",
        "dict",
        "tuple",
        "set",
        "frozenset",
        "iterator",
        "coroutine",
        "callable",
        "type",
        "str",
        "bytes",
        "int",
        "float",
        "bool",
        "none",
    ]
)
"""Types that every library file may name without a dot."""

MADE_FROM = {
    "instance": "instance",
    "result": "result",
    "element": "element",
    "awaited": "awaited",
    "parameter": "parameter_of",
}
"""Words that make a type from another one, and their kinds."""

_TOKEN = re.compile(r"\s*(?:(arg:\w+)|([\w.]+)|([\[\](),|]))")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+\Z")
_POSITION = re.compile(r"arg(\d+)\Z")


@lru_cache(maxsize=4096)
def parse_type(text: str, parameters: tuple[str, ...] = ()) -> TypeExpr:
    """Return the parsed type expression, or raise ValueError that says what is wrong.

    ``parameters`` are the names of the type parameters of the class it stands in.
    """
    tokens = _tokens_of(text)
    expression, end = _parse_union(tokens, 0, parameters)
    if end < len(tokens):
        raise ValueError(f'"{tokens[end]}" was not expected in the type "{text}"')
    return expression


def _tokens_of(text: str) -> list[str]:
    tokens = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        token = _TOKEN.match(stripped, position)
        if token is None:
            raise ValueError(f'"{stripped[position:].strip()}" is not part of a type in "{text}"')
        tokens.append(token[1] or token[2] or token[3])
        position = token.end()
    return tokens


def _parse_union(
    tokens: list[str], start: int, parameters: tuple[str, ...]
) -> tuple[TypeExpr, int]:
    first, end = _parse_single(tokens, start, parameters)
    options = [first]
    while end < len(tokens) and tokens[end] == "|":
        option, end = _parse_single(tokens, end + 1, parameters)
        options.append(option)
    if len(options) == 1:
        return first, end
    return TypeExpr("union", "", tuple(options)), end


def _parse_single(
    tokens: list[str], start: int, parameters: tuple[str, ...]
) -> tuple[TypeExpr, int]:
    if start >= len(tokens) or tokens[start] in "[](),|":
        raise ValueError(f'a type is missing in "{" ".join(tokens)}"')
    word = tokens[start]
    following = tokens[start + 1] if start + 1 < len(tokens) else ""
    if following == "(":
        if word not in MADE_FROM:
            raise ValueError(f'"{word}(...)" is not one of {", ".join(sorted(MADE_FROM))}')
        inner, end = _parse_list(tokens, start + 2, ")", parameters)
        if len(inner) != 1:
            raise ValueError(f"{word}(...) takes one type, not {len(inner)}")
        return TypeExpr(MADE_FROM[word], "", inner), end
    if following == "[":
        arguments, end = _parse_list(tokens, start + 2, "]", parameters)
        head = _parse_word(word, parameters)
        if head.kind != "named":
            raise ValueError(f'"{word}" takes no parameters')
        return TypeExpr("named", word, arguments), end
    return _parse_word(word, parameters), start + 1


def _parse_list(
    tokens: list[str], start: int, closing: str, parameters: tuple[str, ...]
) -> tuple[tuple[TypeExpr, ...], int]:
    items = []
    while True:
        item, start = _parse_union(tokens, start, parameters)
        items.append(item)
        if start >= len(tokens):
            raise ValueError(f'"{closing}" is missing in "{" ".join(tokens)}"')
        if tokens[start] == closing:
            return tuple(items), start + 1
        if tokens[start] != ",":
            raise ValueError(f'"{tokens[start]}" was not expected in "{" ".join(tokens)}"')
        start += 1


def _parse_word(word: str, parameters: tuple[str, ...]) -> TypeExpr:
    if word in ("any", "self"):
        return TypeExpr(word)
    if word in parameters:
        return TypeExpr("parameter", word)
    if word.startswith("arg:"):
        return TypeExpr("argument", word[4:])
    position = _POSITION.match(word)
    if position:
        return TypeExpr("argument", position[1])
    if word in BUILT_IN or _DOTTED.match(word):
        return TypeExpr("named", word)
    if "." in word:
        raise ValueError(f'"{word}" is not a dotted name')
    raise ValueError(
        f'"{word}" is not a type: write the dotted path of a class, a parameter of this type, '
        f"or one of {', '.join(sorted(BUILT_IN))}, any, self"
    )
