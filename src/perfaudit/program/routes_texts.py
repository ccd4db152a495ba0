"""The strings that expressions give: paths and prefixes."""

import re

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_origins import MAX_STEPS, Frame, Origins, sources

MAX_TEXTS = 50
JOINED = "joined"
_GROUP = re.compile(r"\(\?P<(\w+)>")
_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""Of a regular expression: what is escaped, a class of characters, or one character."""
UNKNOWN_TEXT = "{?}"
"""Stands in a path for the part that is not known."""


def text(
    origins: Origins,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int] = AT_END,
    frame: Frame | None = None,
    steps: int = 0,
) -> str:
    """Return the string that an expression gives, with ``{?}`` for what is not known."""
    match value:
        case t.Const(value=str() as constant):
            return constant
        case t.Const(kind="NoneType"):
            return ""
        case t.Text() | t.Binary(operator="Add"):
            return _joined(origins, function, value, at, frame, steps)
        case t.Binary(operator="Mod", left=left):
            return text(origins, function, left, at, frame, steps + 1)
        case t.CallRef(index=index):
            callee = function.facts.calls[index].callee
            if isinstance(callee, t.Attr) and isinstance(callee.base, t.Const | t.Text):
                return text(origins, function, callee.base, at, frame, steps + 1)
            arguments = function.facts.calls[index].arguments
            if len(arguments) == 1 and not function.facts.calls[index].keywords:
                inner = text(origins, function, arguments[0], at, frame, steps + 1)
                if inner and inner != UNKNOWN_TEXT:
                    return inner
        case t.Const() | t.Opaque() | t.Binary():
            return UNKNOWN_TEXT
    if steps > MAX_STEPS:
        return UNKNOWN_TEXT
    found: str | None = None
    for source in sources(origins, function, value, at, frame, steps + 1):
        if (JOINED, source.function, source.value) in origins.asked:
            continue
        if isinstance(source.value, t.Const | t.Text | t.Binary):
            here = text(origins, source.function, source.value, AT_END, source.frame, steps + 1)
            if found is not None and found != here:
                return UNKNOWN_TEXT
            found = here
    return UNKNOWN_TEXT if found is None else found


def _joined(
    origins: Origins,
    function: FunctionNode,
    value: t.Text | t.Binary,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> str:
    """Return the string of parts; where they make a name from itself, from what it was before."""
    question = (JOINED, function, value)
    if question in origins.asked:
        return UNKNOWN_TEXT
    parts = value.parts if isinstance(value, t.Text) else (value.left, value.right)
    origins.asked.add(question)
    try:
        return "".join(
            part if isinstance(part, str) else text(origins, function, part, at, frame, steps + 1)
            for part in parts
        )
    finally:
        origins.asked.discard(question)


def texts(
    origins: Origins,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int] = AT_END,
    frame: Frame | None = None,
    steps: int = 0,
) -> list[str]:
    """Return the strings that an expression gives, with ``{?}`` for what is not known."""
    found: list[str] = []
    parts: list[tuple[FunctionNode, t.Expr, tuple[int, int], Frame | None]] = []
    match value:
        case t.Star(value=inner):
            parts.append((function, inner, at, frame))
        case t.Seq(items=items):
            parts.extend((function, item, at, frame) for item in items)
        case t.Comp(element=element, context=context):
            parts.append((function, element, (AT_END[0], context), frame))
        case t.CallRef(index=index) if len(function.facts.calls[index].arguments) == 1:
            parts.append((function, function.facts.calls[index].arguments[0], at, frame))
        case t.Name() | t.Attr() | t.Element() | t.Item():
            parts.extend(
                (source.function, source.value, AT_END, source.frame)
                for source in sources(origins, function, value, at, frame, steps + 1)
                if not isinstance(source.value, FunctionNode | ClassNode) and source.value != value
            )
        case _:
            return [text(origins, function, value, at, frame, steps)]
    if steps <= MAX_STEPS:
        for scope, part, point, inside in parts[:MAX_TEXTS]:
            found.extend(texts(origins, scope, part, point, inside, steps + 1))
    known = [item for item in dict.fromkeys(found) if item != UNKNOWN_TEXT]
    return known or [UNKNOWN_TEXT]


def _end_of_group(path: str, start: int) -> int:
    """Return where a group ends whose content begins at a place, -1 where it does not."""
    depth = 1
    for part in _PARTS.finditer(path, start):
        depth += (part[0] == "(") - (part[0] == ")")
        if not depth:
            return part.end()
    return -1


def without_groups(path: str) -> str:
    """Return a path with ``{name}`` for each named group of a regular expression."""
    begin = _GROUP.search(path)
    while begin is not None:
        end = _end_of_group(path, begin.end())
        if end < 0:
            return path
        path = f"{path[: begin.start()]}{{{begin[1]}}}{path[end:]}"
        begin = _GROUP.search(path)
    return path
