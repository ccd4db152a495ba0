"""The SQL that a call is given, as far as its text is known, and what it does."""

import re
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.condition_lists import conditions_in
from perfaudit.program.expressions import argument_for
from perfaudit.program.names import AT_END, COMPREHENSIONS, Definition, meanings
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.table_statements import Statement, statement_of
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of
from perfaudit.program.written_out import Spot, written_out

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
MAX_ITEMS = 60
"""Items of a list that texts are joined from."""
MAX_RETURNS = 4
"""Texts that a function may return."""
HOLE = "{}"
"""Stands for what is not known of a text."""
KEEPING = frozenset({"strip", "lstrip", "rstrip", "bindparams", "columns", "encode"})
"""Methods of a text that leave its meaning."""
_PLACE = re.compile(r"(?<!\{)\{(?P<name>\w*)(?:![rsa])?(?::[^{}]*)?\}(?!\})")
_DOLLAR = re.compile(r"\$(?:\$|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
SUBSTITUTING = frozenset({"substitute", "safe_substitute"})
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


def lines_of_text(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> list[tuple[FileNode, int]]:
    """Return where the names are bound, and the calls end, that a text is put together from."""
    texts = SqlTexts(types)
    texts.text(function, value, at, MAX_STEPS)
    return list(texts.lines)


class SqlTexts:
    """Puts texts together from the expressions that make them.

    ``several``: a text on the way can be one of several. ``lines``: where its names are bound.
    ``given``: what parameters are given by the call that is looked into, and names of loops.
    """

    def __init__(self, types: "Types") -> None:
        self.types = types
        self.several = False
        self.lines: dict[tuple[FileNode, int], None] = {}
        self.given: dict[tuple[FunctionNode, str], Spot] = {}

    def text(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of an expression, or None where it is not known."""
        if steps <= 0:
            return None
        built = self.built(function, value, at)
        if built is not None:
            return built.text()
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
            case t.Item(base=base, key=t.Const(value=key)):
                return self.entry(Spot(function, base, at), key, steps - 1)
            case t.Await(value=inner):
                return self.text(function, inner, at, steps - 1)
            case t.Either(kind="if" | "or", options=options):
                texts = [self.text(function, option, at, steps - 1) for option in options]
                return self.chosen([text for text in texts if text is not None])
        return None

    def built(self, function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> Statement | None:
        """Return the statement that calls build of table objects, where an expression is one."""
        if not self.types.made_tables or not isinstance(value, t.Name | t.CallRef):
            return None
        return statement_of(self.types, function, value, at)

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

    def entry(self, table: Spot, key: object, steps: int) -> str | None:
        """Return the text that a dictionary which is written out holds for a key."""
        found = written_out(self.types, table)
        if found is None or not isinstance(found.value, t.Mapping):
            return None
        for part, held in zip(found.value.keys, found.value.values, strict=True):
            if isinstance(part, t.Const) and part.value == key:
                if found.line:
                    self.lines[found.function.file, found.line] = None
                return self.text(found.function, held, found.at, steps)
        return None

    def called(self, function: FunctionNode, call: t.Call, index: int, steps: int) -> str | None:
        at = (call.sequence, call.context)
        callee = call.callee
        if isinstance(callee, t.Attr) and self.built(function, callee.base, at) is not None:
            return None
        if isinstance(callee, t.Attr) and callee.name == "replace" and len(call.arguments) == 2:
            return self.replaced(function, call, callee.base, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name in KEEPING:
            return self.text(function, callee.base, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "format":
            template = self.text(function, callee.base, at, steps - 1)
            return template and self.formatted(template, function, call, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "join" and len(call.arguments) == 1:
            between = self.text(function, callee.base, at, steps - 1)
            return between and self.joined(between, function, call.arguments[0], at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name in SUBSTITUTING:
            return self.substituted(function, call, callee.base, at, steps - 1)
        for target in self.types.call(function, index).targets:
            if target.name in ("textwrap.dedent", "inspect.cleandoc") and call.arguments:
                return self.text(function, call.arguments[0], at, steps - 1)
            flags = target.behaviour.flags if target.behaviour is not None else ()
            if "sql-text" in flags and call.arguments:
                if isinstance(call.arguments[0], t.Seq):
                    return self.joined("", function, call.arguments[0], at, steps - 1)
                return self.text(function, call.arguments[0], at, steps - 1)
            if "sql-name" in flags and call.arguments:
                names = [self.text(function, each, at, steps - 1) for each in call.arguments]
                return ".".join(f'"{name}"' if name else HOLE for name in names)
        return self.of_file(function, call, steps) or self.returned(function, call, index, steps)

    def replaced(
        self, function: FunctionNode, call: t.Call, base: t.Expr, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return a text with another in the place of a part, where that part is known."""
        whole = self.text(function, base, at, steps)
        old, new = (self.text(function, given, at, steps) for given in call.arguments)
        if not whole or not old:
            return whole
        return whole.replace(old, HOLE if new is None else new)

    def returned(self, function: FunctionNode, call: t.Call, index: int, steps: int) -> str | None:
        """Return the text that the one project function which a call runs gives for it."""
        targets = self.types.call(function, index).targets
        callee = targets[0].function if len(targets) == 1 else None
        if callee is None or callee.facts.is_generator or steps < 2:
            return None
        results = [item for item in callee.facts.results if item.value is not None]
        if not results or len(results) > MAX_RETURNS:
            return None
        before = self.given
        self.given = {**before, **_given_to(function, call, callee)}
        texts = [
            self.text(callee, item.value, (item.sequence, item.context), steps - 2)
            for item in results
            if item.value is not None
        ]
        self.given = before
        self.lines.update({(callee.file, item.line): None for item in results})
        return None if None in texts else self.chosen([text for text in texts if text is not None])

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

    def substituted(
        self, function: FunctionNode, call: t.Call, base: t.Expr, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of a ``string.Template`` with what it is given in its places."""
        made = written_out(self.types, Spot(function, base, at))
        if made is None or not isinstance(made.value, t.CallRef):
            return None
        targets = self.types.call(made.function, made.value.index).targets
        maker = made.function.facts.calls[made.value.index]
        if not maker.arguments or [target.name for target in targets] != ["string.Template"]:
            return None
        point = (maker.sequence, maker.context)
        template = self.text(made.function, maker.arguments[0], point, steps)
        entries = dict(call.keywords)
        if call.arguments:
            given = written_out(self.types, Spot(function, call.arguments[0], at))
            if given is not None and given.function is function:
                entries = {**_entries(given.value), **entries}

        def place(found: re.Match[str]) -> str:
            if found.group() == "$$":
                return "$"
            value = entries.get(found.group("name") or found.group("braced"))
            text = None if value is None else self.text(function, value, at, steps)
            return HOLE if text is None else text

        return template and _DOLLAR.sub(place, template)

    def filled_in(
        self, template: str, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str:
        """Return a text with what ``%`` is given in its places."""
        items = iter(value.items if isinstance(value, t.Seq) else (value,))
        entries = _entries(value)

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
        texts = self.items(Spot(function, value, at), steps)
        return between.join(HOLE if text is None else text for text in texts) if texts else HOLE

    def items(self, spot: Spot, steps: int) -> list[str | None]:
        """Return the texts of the items of a sequence, each None where it is not known.

        None of them where it is not known how many there are.
        """
        function, value, at, _ = spot
        if steps <= 0:
            return []
        if isinstance(value, t.CallRef):
            return self.mapped(function, function.facts.calls[value.index], at, steps)
        if isinstance(value, t.Comp):
            return self.comprehended(function, value, steps)
        return [
            None if each is None else self.text(each.function, each.value, each.at, steps)
            for each in self.listed(spot)
        ]

    def listed(self, spot: Spot) -> list[Spot | None]:
        """Return the items of a sequence that is written out, or gathered in a local list."""
        function, value, at, _ = spot
        if isinstance(value, t.Name) and value.id in function.binds and function.parent:
            # Before the call that is given it.
            grown = conditions_in(function, value.id, (at[0] - 1, at[1])) or []
            return [
                None if each.is_optional else Spot(function, each.value, each.at)
                for each in grown[:MAX_ITEMS]
            ]
        found = written_out(self.types, spot)
        if found is None or not isinstance(found.value, t.Seq):
            return []
        items = found.value.items[:MAX_ITEMS]
        if any(isinstance(item, t.Star) for item in items):
            return []
        if found.line:
            self.lines[found.function.file, found.line] = None
        return [Spot(found.function, item, found.at) for item in items]

    def mapped(
        self, function: FunctionNode, call: t.Call, at: tuple[int, int], steps: int
    ) -> list[str | None]:
        """Return the texts of ``map`` with a class for the names of columns."""
        if call.callee == t.Name("map") and len(call.arguments) == 2:
            made, items = call.arguments
            path = getattr(self.types.evaluate(function, made, at), "path", "")
            behaviour = self.types.libraries.constructor(path) if path else None
            if behaviour is not None and "sql-name" in behaviour.flags:
                texts = self.items(Spot(function, items, at), steps - 1)
                return [None if text is None else f'"{text}"' for text in texts]
        return []

    def comprehended(self, function: FunctionNode, value: t.Comp, steps: int) -> list[str | None]:
        """Return the texts that one loop over a sequence which is known makes of each item."""
        contexts = function.facts.contexts
        loop = contexts[value.context]
        if loop.subject is None or not isinstance(loop.target, t.Name):
            return []
        inner = {each.kind for each in contexts if each.parent == value.context}
        if "assert" in inner or loop.parent >= 0 and contexts[loop.parent].kind in COMPREHENSIONS:
            return []
        outer = self.given
        texts: list[str | None] = []
        for item in self.listed(Spot(function, loop.subject, (loop.sequence, loop.parent))):
            if item is None:
                texts.append(None)
                continue
            self.given = {**outer, (function, loop.target.id): item}
            texts.append(self.text(function, value.element, (1 << 60, value.context), steps - 1))
        self.given = outer
        return texts

    def of_file(self, function: FunctionNode, call: t.Call, steps: int) -> str | None:
        """Return the text of the one SQL file whose name an expression that reads a file gives."""
        if not self.types.sql_files:
            return None
        at = (call.sequence, call.context)
        waiting = [Spot(function, part, at) for part in (call.callee, *call.arguments)]
        for _ in range(MAX_PARTS):
            if not waiting:
                return None
            scope, part, at, _ = waiting.pop()
            match part:
                case t.Const(value=str()) | t.Text():
                    name = self.text(scope, part, at, steps - 1) or ""
                    if name.endswith(".sql") and HOLE not in name:
                        return self.file_named(name)
                case t.Name(id=name) if (scope, name) in self.given:
                    waiting.append(self.given[scope, name])
                case t.Name():
                    found = written_out(self.types, Spot(scope, part, at))
                    waiting += [found] if found is not None else []
                case t.CallRef(index=index):
                    inner = scope.facts.calls[index]
                    waiting += [Spot(scope, each, at) for each in (inner.callee, *inner.arguments)]
                case t.Attr(base=base) | t.Entered(value=base):
                    waiting.append(Spot(scope, base, at))
                case t.Binary(left=left, right=right):
                    waiting += [Spot(scope, left, at), Spot(scope, right, at)]
        return None

    def file_named(self, name: str) -> str | None:
        ending = "/" + name.lstrip("./")
        found = [text for path, text in self.types.sql_files.items() if f"/{path}".endswith(ending)]
        return found[0] if len(found) == 1 and len(found[0]) <= MAX_FILE else None

    def named(
        self, function: FunctionNode, name: str, at: tuple[int, int], steps: int
    ) -> str | None:
        if steps <= 0:
            return None
        found = [
            item
            for item in meanings(function, name, at)
            if isinstance(item.definition, t.Bind | t.Import) or (item.scope, name) in self.given
        ]
        texts: list[str] = []
        for scope, definition in found[:4]:
            given = self.given.get((scope, name))
            if given is not None and _is_given(definition):
                text = self.text(given.function, given.value, given.at, steps - 1)
                texts += [] if text is None else [text]
                continue
            if isinstance(definition, t.Import):
                origin = self.types.import_origin(scope, definition)
                if origin is not None:
                    return self.named(*origin, AT_END, steps - 1)
                continue
            if not isinstance(definition, t.Bind) or definition.value is None:
                continue
            self.lines[scope.file, definition.line] = None
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


def _given_to(
    function: FunctionNode, call: t.Call, callee: FunctionNode
) -> dict[tuple[FunctionNode, str], Spot]:
    """Return what the parameters of a function are given by a call, or else by their defaults."""
    found: dict[tuple[FunctionNode, str], Spot] = {}
    for param in callee.facts.params:
        value = argument_for(call, callee, param.name)
        if value is not None:
            found[callee, param.name] = Spot(function, value, (call.sequence, call.context))
        elif param.default is not None and callee.parent is not None:
            found[callee, param.name] = Spot(callee.parent, param.default, AT_END)
    return found


def _entries(value: t.Expr) -> dict[str, t.Expr]:
    """Return what a dictionary that is written out holds, by the keys that are texts."""
    if not isinstance(value, t.Mapping):
        return {}
    return {
        key.value: held
        for key, held in zip(value.keys, value.values, strict=True)
        if isinstance(key, t.Const) and isinstance(key.value, str)
    }


def _is_given(definition: Definition) -> bool:
    """Return whether a name is a parameter, or what a loop binds."""
    return isinstance(definition, t.Param) or (
        isinstance(definition, t.Bind) and definition.kind == "for"
    )


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
