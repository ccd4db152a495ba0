"""SQL that declares tables and indexes, with the names that constants put into it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.sql_text import text_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

_UNNAMED = re.compile(
    r"\s*create\s+(?:(?:unlogged|temp|temporary|unique)\s+)*(?:table|index)\b[^(]*(?:[{%]|$)",
    re.IGNORECASE,
)
"""A declaration whose name is not in the text."""
_HOLE = re.compile(r"[{%]")
NEAR = 2
"""A text begins so many lines behind the name that is bound to it, at most."""


def declared_text(types: "Types", file: FileNode, item: t.SqlText) -> str:
    """Return a text of a file, with the names of what it declares where constants give them."""
    if not _UNNAMED.match(item.text):
        return item.text
    head = _HOLE.split(item.text.strip(), maxsplit=1)[0]
    function = file.functions[item.function]
    for value, at in _expressions(function, item.line):
        found = text_of(types, function, value, at)
        if found is not None and found.strip().startswith(head) and not _UNNAMED.match(found):
            return found
    return item.text


def _expressions(function: FunctionNode, line: int) -> Iterator[tuple[t.Expr, tuple[int, int]]]:
    """Yield what calls around a line are given, and what names are bound to there."""
    for call in function.facts.calls:
        if call.line <= line <= call.end_line:
            yield from ((given, (call.sequence, call.context)) for given in call.given)
    for bind in function.facts.binds:
        if bind.value is not None and bind.line <= line <= bind.line + NEAR:
            yield bind.value, (bind.sequence, bind.context)
