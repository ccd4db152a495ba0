"""The SQL that a call is given, as far as its text is known, and what it does."""

import re
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of

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
MAX_PARTS = 12
"""Parts of an expression that are looked at for the name of a file."""
MAX_FILE = 20_000
HOLE = "{}"
"""Stands for what is not known of a text."""
KEEPING = frozenset({"strip", "lstrip", "rstrip", "replace", "bindparams", "columns"})
"""Methods of a text that leave its meaning."""
_PLACE = re.compile(r"(?<!\{)\{(?P<name>\w*)(?:![rsa])?(?::[^{}]*)?\}(?!\})")
_PERCENT = re.compile(r"%%|%(?:\((?P<name>\w+)\))?[-+ #0]*\d*(?:\.\d+)?[sdrif]")


def text_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> str | None:
    """Return the text of an expression, with ``{}`` for what is not known.

    None where it is no known text. Where it can be one of several, that is the last of them.
    """
    return SqlTexts(types).text(function, value, at, MAX_STEPS)


def is_one_text(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether an expression is the same known text on whatever path, but for its holes."""
    texts = SqlTexts(types)
    return texts.text(function, value, at, MAX_STEPS) is not None and not texts.several


def files_of_text(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> list[FileNode]:
    """Return the other files whose names a text is put together from."""
    texts = SqlTexts(types)
    texts.text(function, value, at, MAX_STEPS)
    return list(texts.files)


class SqlTexts:
    """Puts texts together from the expressions that make them.

    ``several``: a text on the way can be one of several. ``files``: where its names are bound.
    """

    def __init__(self, types: "Types") -> None:
        self.types = types
        self.several = False
        self.files: dict[FileNode, None] = {}

    def text(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of an expression, or None where it is not known."""
        if steps == 0:
            return None
        match value:
            case t.Const(value=str() as text):
                return text
            case t.Text(parts=parts):
                found = [
                    part
                    if isinstance(part, str)
                    else (self.text(function, part, at, steps - 1) or HOLE)
                    for part in parts
                ]
                return "".join(found)
            case t.Name(id=name):
                return self.named(function, name, at, steps)
            case t.Attr(base=base, name=name):
                return self.attribute(function, base, name, at, steps)
            case t.CallRef(index=index):
                return self.called(function, function.facts.calls[index], index, steps)
            case t.Binary(operator="Mod", left=left, right=right):
                template = self.text(function, left, at, steps - 1)
                return template and self.filled_in(template, function, right, at, steps - 1)
            case t.Binary(operator="Add", left=left, right=right):
                first = self.text(function, left, at, steps - 1)
                second = self.text(function, right, at, steps - 1)
                return None if first is None else first + (second or HOLE)
            case t.Item(base=t.Name(id=name), key=t.Const(value=key)):
                return self.entry(function, name, key, at, steps - 1)
            case t.Await(value=inner):
                return self.text(function, inner, at, steps - 1)
            case t.Either(kind="if" | "or", options=options):
                texts = [self.text(function, option, at, steps - 1) for option in options]
                return self.chosen([text for text in texts if text is not None])
        return None

    def chosen(self, texts: list[str]) -> str | None:
        self.several |= len(set(texts)) > 1
        return texts[-1] if texts else None

    def attribute(
        self, function: FunctionNode, base: t.Expr, name: str, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of a constant of a module or a class."""
        for option in options_of(self.types.evaluate(function, base, at)):
            if isinstance(option, ModuleType):
                return self.named(option.node.body, name, AT_END, steps - 1)
            if isinstance(option, ClassType | Instance):
                texts = [
                    self.named(node.body, name, AT_END, steps - 1)
                    for node in self.types.classes.subclasses(option.node)
                    if name in node.body.binds
                ]
                for node in self.types.classes.project_order(option.node):
                    if name in node.body.binds:
                        texts.append(self.named(node.body, name, AT_END, steps - 1))
                        break
                return self.chosen([text for text in texts if text is not None])
        return None

    def entry(
        self,
        function: FunctionNode,
        name: str,
        key: object,
        at: tuple[int, int],
        steps: int,
    ) -> str | None:
        """Return the text that a dictionary which is written out holds for a key."""
        for scope, definition in meanings(function, name, at):
            value = definition.value if isinstance(definition, t.Bind) else None
            if not isinstance(definition, t.Bind) or not isinstance(value, t.Mapping):
                return None
            point = (definition.sequence, definition.context)
            for part, held in zip(value.keys, value.values, strict=True):
                if isinstance(part, t.Const) and part.value == key:
                    return self.text(scope, held, point, steps)
        return None

    def called(self, function: FunctionNode, call: t.Call, index: int, steps: int) -> str | None:
        at = (call.sequence, call.context)
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in KEEPING:
            return self.text(function, callee.base, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "format":
            template = self.text(function, callee.base, at, steps - 1)
            return template and self.formatted(template, function, call, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "join" and len(call.arguments) == 1:
            between = self.text(function, callee.base, at, steps - 1)
            return between and self.joined(between, function, call.arguments[0], at, steps - 1)
        for target in self.types.call(function, index).targets:
            if target.name in ("textwrap.dedent", "inspect.cleandoc") and call.arguments:
                return self.text(function, call.arguments[0], at, steps - 1)
            flags = target.behaviour.flags if target.behaviour is not None else ()
            if "sql-text" in flags and call.arguments:
                return self.text(function, call.arguments[0], at, steps - 1)
            if "sql-name" in flags and call.arguments:
                names = [self.text(function, each, at, steps - 1) for each in call.arguments]
                return ".".join(f'"{name}"' if name else HOLE for name in names)
        return self.of_file(function, call, steps)

    def formatted(
        self, template: str, function: FunctionNode, call: t.Call, at: tuple[int, int], steps: int
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
            text = None if value is None else self.text(function, value, at, steps)
            return HOLE if text is None else text

        return _PLACE.sub(place, template).replace("{{", "{").replace("}}", "}")

    def filled_in(
        self, template: str, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str:
        """Return a text with what ``%`` is given in its places."""
        items = iter(value.items if isinstance(value, t.Seq) else (value,))
        entries: dict[object, t.Expr] = {}
        if isinstance(value, t.Mapping):
            for key, held in zip(value.keys, value.values, strict=True):
                if isinstance(key, t.Const):
                    entries[key.value] = held

        def place(found: re.Match[str]) -> str:
            if found.group() == "%%":
                return "%"
            name = found.group("name")
            part = entries.get(name) if name else next(items, None)
            text = None if part is None else self.text(function, part, at, steps)
            return HOLE if text is None else text

        return _PERCENT.sub(place, template)

    def joined(
        self, between: str, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str:
        """Return the texts of a sequence with another between them; a hole where one is not known.

        What is put together piece by piece is not known.
        """
        items = self.items(function, value, at, steps)
        if not items:
            return HOLE
        texts = [self.text(scope, item, point, steps) for scope, item, point in items]
        return between.join(HOLE if text is None else text for text in texts)

    def items(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> list[tuple[FunctionNode, t.Expr, tuple[int, int]]]:
        if isinstance(value, t.Seq):
            return [(function, item, at) for item in value.items]
        if not isinstance(value, t.Name) or steps <= 0:
            return []
        found = list(meanings(function, value.id, at))
        if len(found) != 1:
            return []
        scope, definition = found[0]
        if not isinstance(definition, t.Bind) or not isinstance(definition.value, t.Seq):
            return []
        if any(
            isinstance(call.callee, t.Attr) and call.callee.base == value
            for call in scope.facts.calls
        ):
            return []
        point = (definition.sequence, definition.context)
        return [(scope, item, point) for item in definition.value.items]

    def of_file(self, function: FunctionNode, call: t.Call, steps: int) -> str | None:
        """Return the text of the one SQL file whose name an expression that reads a file gives."""
        if not self.types.sql_files:
            return None
        waiting: list[t.Expr] = [call.callee, *call.arguments]
        for _ in range(MAX_PARTS):
            if not waiting:
                return None
            part = waiting.pop()
            if isinstance(part, t.Const) and isinstance(part.value, str):
                if part.value.endswith(".sql"):
                    return self.file_named(part.value)
            elif isinstance(part, t.CallRef):
                inner = function.facts.calls[part.index]
                waiting += [inner.callee, *inner.arguments]
            elif isinstance(part, t.Attr):
                waiting.append(part.base)
            elif isinstance(part, t.Binary):
                waiting += [part.left, part.right]
        return None

    def file_named(self, name: str) -> str | None:
        ending = "/" + name.lstrip("./")
        found = [text for path, text in self.types.sql_files.items() if f"/{path}".endswith(ending)]
        return found[0] if len(found) == 1 and len(found[0]) <= MAX_FILE else None

    def named(
        self, function: FunctionNode, name: str, at: tuple[int, int], steps: int
    ) -> str | None:
        found = [
            item
            for item in meanings(function, name, at)
            if isinstance(item.definition, t.Bind | t.Import)
        ]
        texts: list[str] = []
        for scope, definition in found[:4]:
            if isinstance(definition, t.Import):
                target = self.types.import_target(scope.file, definition)
                if definition.name and target is not None and not isinstance(target, str):
                    return self.named(target.body, definition.name, AT_END, steps - 1)
                continue
            if not isinstance(definition, t.Bind) or definition.value is None:
                continue
            self.files[scope.file] = None
            value = definition.value
            point = (definition.sequence, definition.context)
            if definition.kind == "augmented" and isinstance(value, t.Binary | t.Text):
                if not scope.is_within(at[1], definition.context) and definition.context != -1:
                    # It is added on some ways only.
                    continue
                longer = self.text(scope, value, point, steps - 1)
                texts = texts if longer is None else [longer]
                continue
            text = self.text(scope, value, point, steps - 1)
            if text is not None:
                texts.append(text)
        return self.chosen(texts)


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
