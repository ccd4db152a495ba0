"""The SQL that a call is given, as far as its text is known."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.condition_lists import conditions_in
from perfaudit.program.expressions import argument_for
from perfaudit.program.names import AT_END, COMPREHENSIONS, Definition, Meaning, meanings
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.sql_choices import Budget, Choices, Facts, Option
from perfaudit.program.sql_files import HOLE, file_read
from perfaudit.program.sql_templates import filled_in, formatted, substituted
from perfaudit.program.sql_ways import (
    asked,
    of_meanings,
    of_places,
    origin,
    outcomes,
    owners,
    roots,
    standing,
)
from perfaudit.program.table_statements import Statement, statement_of
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of
from perfaudit.program.written_out import Spot, is_dictionary, keyed_entries, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 12
MAX_ITEMS = 60
"""Items of a list that texts are joined from."""
MAX_RETURNS = 4
"""Texts that a function may return."""
MAX_MEANINGS = 4
"""What a name is bound to on several ways."""
MAX_CALLEES = 8
"""Functions that a call may run."""
MAX_CHOICES = 100
"""Ways on which the texts of a call that can run several are looked for."""
MAX_LOOKED_AT = 5_000
"""Expressions that are looked at for the other texts of a call."""
KEEPING = frozenset({"strip", "lstrip", "rstrip", "bindparams", "columns", "encode", "decode"})
"""Methods of a text that leave its meaning."""
ABSENT = "absent"
"""Said of a key that a dictionary does not have."""
SUBSTITUTING = frozenset({"substitute", "safe_substitute"})


def text_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> str | None:
    """Return the text of an expression, with ``{}`` for what is not known.

    None where it is no known text. Where it can be one of several, that is the last of them.
    """
    return SqlTexts(types).text(function, value, at, MAX_STEPS)


def texts_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> list[str]:
    """Return the texts that an expression can be, that of ``text_of`` first.

    Not all of very many; that alone where it is not known which of its parts belong together.
    """
    found: dict[str, None] = {}
    choices: tuple[int, ...] | None = ()
    budget = Budget(MAX_LOOKED_AT)
    for way in range(MAX_CHOICES):
        if choices is None or way and budget.left <= 0:
            break
        texts = SqlTexts(types, choices, budget)
        text = texts.text(function, value, at, MAX_STEPS)
        is_sure = not texts.choices.are_entangled()
        if text is not None and (is_sure or not way):
            found[text] = None
        if not is_sure and not way:
            break
        choices = texts.choices.following()
    return list(found)


def is_one_text(types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether an expression is the same known text on whatever path, but for its holes."""
    texts = SqlTexts(types)
    return texts.text(function, value, at, MAX_STEPS) is not None and not texts.choices.several


def lines_of_text(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> list[tuple[FileNode, int]]:
    """Return where the names are bound, and the calls end, that a text is put together from."""
    texts = SqlTexts(types)
    texts.text(function, value, at, MAX_STEPS)
    return list(texts.lines)


class SqlTexts:
    """Puts texts together from the expressions that make them.

    ``choices``: which text is taken where it can be one of several. ``lines``: where its names
    are bound.
    ``given``: what parameters are given by the call that is looked into, and names of loops.
    """

    def __init__(
        self, types: "Types", choices: tuple[int, ...] = (), budget: Budget | None = None
    ) -> None:
        self.types = types
        self.budget = budget or Budget(MAX_LOOKED_AT)
        self.choices = Choices(choices, self.budget)
        self.lines: dict[tuple[FileNode, int], None] = {}
        self.given: dict[tuple[FunctionNode, str], Spot] = {}

    def text(
        self, function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of an expression, or None where it is not known."""
        self.budget.left -= 1
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
                return template and filled_in(self, template, function, right, at, steps - 1)
            case t.Binary(operator="Add", left=left, right=right):
                first = self.text(function, left, at, steps - 1)
                second = self.text(function, right, at, steps - 1)
                return None if first is None else first + (second or HOLE)
            case t.Item(base=base, key=key):
                return self.entry(Spot(function, base, at), key, steps=steps - 1)
            case t.Await(value=inner):
                return self.text(function, inner, at, steps - 1)
            case t.Either(kind="if" | "or"):
                return self.either(function, value, at, steps - 1)
        return None

    def either(
        self, function: FunctionNode, value: t.Either, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of an expression that a test chooses."""
        test = value if value.test is None else value.test
        options = [
            Option(
                partial(self.text, function, option, at, steps),
                {(function, test): number if value.test is None else number == 0},
            )
            for number, option in enumerate(value.options)
        ]
        known = {**self.choices.facts, **outcomes(function, at[1])}
        asks = asked((option.holds for option in options), known, self.given)
        return self.choices.one_of(options, asks)

    def built(self, function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> Statement | None:
        """Return the statement that calls build of table objects, where an expression is one."""
        if not self.types.has_table_objects or not isinstance(value, t.Name | t.CallRef):
            return None
        return statement_of(self.types, function, value, at)

    def attribute(
        self, function: FunctionNode, base: t.Expr, name: str, at: tuple[int, int], steps: int
    ) -> str | None:
        """Return the text of a constant of a module or a class."""
        for option in options_of(self.types.evaluate(function, base, at)):
            if isinstance(option, ModuleType):
                return self.named(option.node.body, name, AT_END, steps - 1)
            if isinstance(option, ClassType | Instance):
                node = option.node
                is_named = isinstance(base, t.Name | t.Attr)
                known = self.choices.facts if is_named else {}
                return self.choices.one_of(
                    [
                        Option(
                            partial(self.named, owner.body, name, AT_END, steps - 1),
                            {(node, name): owner} if is_named else {},
                        )
                        for owner in owners(self.types, node, name, known)
                        if name in owner.body.binds
                    ]
                )
        return None

    def entry(
        self, table: Spot, key: t.Expr, default: t.Expr | None = None, *, steps: int
    ) -> str | None:
        """Return the text that a dictionary which is written out holds for a key, known or not."""
        held = keyed_entries(self.types, table, key)
        self.lines.update(
            {(found.function.file, found.line): None for _, found in held if found.line}
        )
        options = [
            Option(
                partial(self.text, found.function, found.value, found.at, steps),
                {(*origin(*asking, self.given), "key"): known for asking, known in keys.items()},
            )
            for keys, found in held
        ]
        if default is not None and not any(not keys for keys, _ in held):
            text = partial(self.text, table.function, default, table.at, steps)
            asking = (*origin(table.function, key, self.given), "key")
            options.insert(0, Option(text, {asking: ABSENT}))
        asks = asked((option.holds for option in options), self.choices.facts, self.given)
        possible = [option for option in options if self.choices.allows(option.holds)]
        return self.choices.one_of(possible, asks)

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
            return template and formatted(self, template, function, call, at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "join" and len(call.arguments) == 1:
            between = self.text(function, callee.base, at, steps - 1)
            return between and self.joined(between, function, call.arguments[0], at, steps - 1)
        if isinstance(callee, t.Attr) and callee.name == "get" and len(call.arguments) in (1, 2):
            table = Spot(function, callee.base, at)
            if is_dictionary(self.types, table):
                return self.entry(table, *call.arguments, steps=steps - 1)
        if isinstance(callee, t.Attr) and callee.name in SUBSTITUTING:
            return substituted(self, function, call, callee.base, at, steps - 1)
        targets = self.types.call(function, index).targets
        if not targets and isinstance(callee, t.Attr) and call.arguments:
            if callee.name in self.types.libraries.text_methods:
                return self.text(function, call.arguments[0], at, steps - 1)
        for target in targets:
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
        return file_read(self, function, call, steps) or self.returned(function, call, index, steps)

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
        """Return the text that the project functions which a call may run give for it."""
        callees = [target.function for target in self.types.call(function, index).targets]
        if len(callees) > MAX_CALLEES or steps < 2:
            return None
        ways: list[Option] = []
        asks = frozenset(roots(function, call.callee, self.given) if len(callees) > 1 else ())
        for callee in callees:
            results = [] if callee is None or callee.facts.is_generator else callee.facts.results
            given = [item for item in results if item.value is not None]
            if callee is None or not given or len(given) > MAX_RETURNS:
                return None
            known = self.choices.facts
            places = of_places(callee, [(item.sequence, item.context) for item in given], known)
            whose = self.whose(function, call, callee)
            if whose is None:
                continue
            inner = {**self.given, **_given_to(function, call, callee)}
            asks |= asked(places, known, inner)
            ways += [
                Option(
                    partial(self.given_by, callee, item, function, call, steps), {**holds, **whose}
                )
                for item, holds in zip(given, places, strict=True)
            ]
        return self.choices.one_of(ways, asks, all_known=True)

    def whose(self, function: FunctionNode, call: t.Call, callee: FunctionNode) -> Facts | None:
        """Return what holds where a call runs a method of one class and not of another.

        None where it cannot be that one.
        """
        named = call.callee
        if not isinstance(named, t.Attr) or not isinstance(named.base, t.Name | t.Attr):
            return {}
        found = self.types.evaluate(function, named.base, (call.sequence, call.context))
        options = [item for item in options_of(found) if isinstance(item, ClassType | Instance)]
        if len(options) != 1 or callee.owner is None:
            return {}
        node = options[0].node
        order = self.types.classes.project_order
        if node not in order(callee.owner) and callee.owner not in order(node):
            # It only has the methods of a protocol.
            return {}
        if callee.owner not in owners(self.types, node, named.name, self.choices.facts):
            return None
        return {(node, named.name): callee.owner}

    def given_by(
        self,
        callee: FunctionNode,
        result: t.Return,
        function: FunctionNode,
        call: t.Call,
        steps: int,
    ) -> str | None:
        """Return the text that a result of a project function is for a call."""
        if result.value is None:
            return None
        before = self.given
        self.given = {**before, **_given_to(function, call, callee)}
        point = (result.sequence, result.context)
        text = self.text(callee, result.value, point, steps - 2)
        self.given = before
        self.lines[callee.file, result.line] = None
        return text

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
        known = {**self.choices.facts, **outcomes(function, at[1])}
        binds: list[Meaning] = []
        ways: list[Callable[[], str | None]] = []
        for item in standing(found, known)[:MAX_MEANINGS]:
            meant = self.meant(item.scope, name, item.definition, at, steps)
            if meant is None:
                continue
            if _is_added(item.definition):
                # What it was before is a part of that.
                binds, ways = [], []
            binds.append(item)
            ways.append(meant)
        holds = of_meanings(binds, known)
        options = [Option(way, facts) for way, facts in zip(ways, holds, strict=True)]
        return self.choices.one_of(options, asked(holds, known, self.given))

    def meant(
        self,
        scope: FunctionNode,
        name: str,
        definition: Definition,
        at: tuple[int, int],
        steps: int,
    ) -> Callable[[], str | None] | None:
        """Return what works out the text that a name is bound to; None where it binds none."""
        given = self.given.get((scope, name))
        if given is not None and _is_given(definition):
            return partial(self.text, given.function, given.value, given.at, steps - 1)
        if isinstance(definition, t.Import):
            origin = self.types.import_origin(scope, definition)
            return None if origin is None else partial(self.named, *origin, AT_END, steps - 1)
        if not isinstance(definition, t.Bind) or definition.value is None:
            return None
        self.lines[scope.file, definition.line] = None
        if (
            _is_added(definition)
            and definition.context != -1
            and not scope.is_within(at[1], definition.context)
        ):
            # It is added on some ways only.
            return None
        point = (definition.sequence, definition.context)
        return partial(self.text, scope, definition.value, point, steps - 1)


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


def _is_given(definition: Definition) -> bool:
    """Return whether a name is a parameter, or what a loop binds."""
    return isinstance(definition, t.Param) or (
        isinstance(definition, t.Bind) and definition.kind == "for"
    )


def _is_added(definition: Definition) -> bool:
    """Return whether a name gets a longer text in the place of the one it has."""
    return (
        isinstance(definition, t.Bind)
        and definition.kind == "augmented"
        and isinstance(definition.value, t.Binary | t.Text)
    )
