"""The SQL that a call is given, as far as its text is known, and what it does."""

import re
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_WRITES = re.compile(
    r"\b(?:insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into)\b", re.IGNORECASE
)
READS = frozenset(
    {"select", "with", "show", "values", "table", "explain", "call", "exec", "execute"}
)
WRITES = frozenset({"insert", "update", "delete", "merge", "replace", "truncate", "copy"})
MAX_STEPS = 12


def text_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> str | None:
    """Return the text of an expression, with ``{}`` for what is not known.

    None where it is no known text.
    """
    return _text(types, function, value, at, MAX_STEPS)


def _text(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> str | None:
    if steps == 0:
        return None
    match value:
        case t.Const(value=str() as text):
            return text
        case t.Text(parts=parts):
            found = [
                part
                if isinstance(part, str)
                else (_text(types, function, part, at, steps - 1) or "{}")
                for part in parts
            ]
            return "".join(found)
        case t.Name(id=name):
            return _named(types, function, name, at, steps)
        case t.Attr(base=base, name=name):
            for option in options_of(types.evaluate(function, base, at)):
                if isinstance(option, ModuleType):
                    return _named(types, option.node.body, name, AT_END, steps - 1)
            return None
        case t.CallRef(index=index):
            return _called(types, function, function.facts.calls[index], index, steps)
        case t.Binary(operator="Mod", left=left):
            return _text(types, function, left, at, steps - 1)
        case t.Await(value=inner):
            return _text(types, function, inner, at, steps - 1)
    return None


def _called(
    types: "Types", function: FunctionNode, call: t.Call, index: int, steps: int
) -> str | None:
    at = (call.sequence, call.context)
    if isinstance(call.callee, t.Attr) and call.callee.name in ("format", "strip", "replace"):
        return _text(types, function, call.callee.base, at, steps - 1)
    for target in types.call(function, index).targets:
        if target.behaviour is not None and "sql-text" in target.behaviour.flags and call.arguments:
            return _text(types, function, call.arguments[0], at, steps - 1)
    return None


def _named(
    types: "Types", function: FunctionNode, name: str, at: tuple[int, int], steps: int
) -> str | None:
    found = [
        item
        for item in meanings(function, name, at)
        if isinstance(item.definition, t.Bind | t.Import)
    ]
    texts = []
    for scope, definition in found[:4]:
        if isinstance(definition, t.Import):
            target = types.import_target(scope.file, definition)
            if definition.name and target is not None and not isinstance(target, str):
                return _named(types, target.body, definition.name, AT_END, steps - 1)
            continue
        if not isinstance(definition, t.Bind) or definition.value is None:
            continue
        value = definition.value
        if definition.kind == "augmented" and isinstance(value, t.Binary | t.Text):
            continue
        text = _text(types, scope, value, (definition.sequence, definition.context), steps - 1)
        if text is not None:
            texts.append(text)
    return texts[-1] if texts else None


def sql_effects(text: str) -> tuple[str, ...] | None:
    """Return the effects of running the SQL: db.query, db.write or none.

    None where the text does not say.
    """
    stripped = text
    while True:
        match = _COMMENT.match(stripped)
        if match is None or not match.group():
            break
        stripped = stripped[match.end() :]
    word = _WORD.match(stripped.lstrip("("))
    if word is None:
        return None
    verb = word.group().lower()
    if verb == "with":
        return ("db.write",) if _WRITES.search(text) else ("db.query",)
    if verb in READS:
        return ("db.query",)
    if verb in WRITES:
        return ("db.write",)
    return ()
