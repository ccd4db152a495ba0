"""Texts that are templates, with what they are given in their places."""

import re
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sql_files import HOLE
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.sql_text import SqlTexts

_PLACE = re.compile(r"(?<!\{)\{(?P<name>\w*)(?:![rsa])?(?::[^{}]*)?\}(?!\})")
_DOLLAR = re.compile(r"\$(?:\$|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
_PERCENT = re.compile(r"%%|%(?:\((?P<name>\w+)\))?[-+ #0]*\d*(?:\.\d+)?[sdrif]")


def formatted(
    texts: "SqlTexts",
    template: str,
    function: FunctionNode,
    call: t.Call,
    at: tuple[int, int],
    steps: int,
) -> str:
    """Return a text with what ``format`` is given in its places."""
    given = dict(call.keywords)
    numbers = iter(range(len(call.arguments)))

    def place(found: re.Match[str]) -> str:
        name = found.group("name")
        value = given.get(name)
        if value is None and (not name or name.isdigit()):
            number = int(name) if name else next(numbers, -1)
            value = call.arguments[number] if 0 <= number < len(call.arguments) else None
        text = None if value is None else texts.text(function, value, at, steps)
        return HOLE if text is None else text

    return _PLACE.sub(place, template).replace("{{", "{").replace("}}", "}")


def substituted(
    texts: "SqlTexts",
    function: FunctionNode,
    call: t.Call,
    base: t.Expr,
    at: tuple[int, int],
    steps: int,
) -> str | None:
    """Return the text of a ``string.Template`` with what it is given in its places."""
    made = written_out(texts.types, Spot(function, base, at))
    if made is None or not isinstance(made.value, t.CallRef):
        return None
    targets = texts.types.call(made.function, made.value.index).targets
    maker = made.function.facts.calls[made.value.index]
    if not maker.arguments or [target.name for target in targets] != ["string.Template"]:
        return None
    point = (maker.sequence, maker.context)
    template = texts.text(made.function, maker.arguments[0], point, steps)
    entries = dict(call.keywords)
    if call.arguments:
        given = written_out(texts.types, Spot(function, call.arguments[0], at))
        if given is not None and given.function is function:
            entries = {**_entries(given.value), **entries}

    def place(found: re.Match[str]) -> str:
        if found.group() == "$$":
            return "$"
        value = entries.get(found.group("name") or found.group("braced"))
        text = None if value is None else texts.text(function, value, at, steps)
        return HOLE if text is None else text

    return template and _DOLLAR.sub(place, template)


def filled_in(
    texts: "SqlTexts",
    template: str,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    steps: int,
) -> str:
    """Return a text with what ``%`` is given in its places."""
    items = iter(value.items if isinstance(value, t.Seq) else (value,))
    entries = _entries(value)

    def place(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        name = found.group("name")
        part = entries.get(name) if name else next(items, None)
        text = None if part is None else texts.text(function, part, at, steps)
        return HOLE if text is None else text

    return _PERCENT.sub(place, template)


def _entries(value: t.Expr) -> dict[str, t.Expr]:
    """Return what a dictionary that is written out holds, by the keys that are texts."""
    if not isinstance(value, t.Mapping):
        return {}
    return {
        key.value: held
        for key, held in zip(value.keys, value.values, strict=True)
        if isinstance(key, t.Const) and isinstance(key.value, str)
    }
