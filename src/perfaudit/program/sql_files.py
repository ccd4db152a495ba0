"""Statements that stand in files of their own, and are read from there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.sql_text import SqlTexts

MAX_PARTS = 12
"""Parts of an expression that are looked at for the name of a file."""
MAX_FILE = 20_000
HOLE = "{}"
"""Stands for what is not known of a text."""


def file_read(texts: "SqlTexts", function: FunctionNode, call: t.Call, steps: int) -> str | None:
    """Return the text of the one SQL file whose name an expression that reads a file gives."""
    if not texts.types.sql_files:
        return None
    at = (call.sequence, call.context)
    waiting = [Spot(function, part, at) for part in (call.callee, *call.arguments)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return None
        scope, part, at, _ = waiting.pop()
        match part:
            case t.Const(value=str()) | t.Text():
                name = texts.text(scope, part, at, steps - 1) or ""
                if name.endswith(".sql") and HOLE not in name:
                    return _file_named(texts.types.sql_files, name)
            case t.Name(id=name) if (scope, name) in texts.given:
                waiting.append(texts.given[scope, name])
            case t.Name():
                found = written_out(texts.types, Spot(scope, part, at))
                waiting += [found] if found is not None else []
            case t.CallRef(index=index):
                inner = scope.facts.calls[index]
                waiting += [Spot(scope, each, at) for each in (inner.callee, *inner.arguments)]
            case t.Attr(base=base) | t.Entered(value=base):
                waiting.append(Spot(scope, base, at))
            case t.Binary(left=left, right=right):
                waiting += [Spot(scope, left, at), Spot(scope, right, at)]
    return None


def _file_named(files: Mapping[str, str], name: str) -> str | None:
    ending = "/" + name.lstrip("./")
    found = [text for path, text in files.items() if f"/{path}".endswith(ending)]
    return found[0] if len(found) == 1 and len(found[0]) <= MAX_FILE else None
