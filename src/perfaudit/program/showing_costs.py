"""What a class that shows rows asks the database for each of them, field by field."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program import members
from perfaudit.program.class_values import texts_of
from perfaudit.program.conditions import is_first_use
from perfaudit.program.expressions import argument
from perfaudit.program.given_names import Given, names_in
from perfaudit.program.language_calls import calls_above
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.request_methods import methods_at
from perfaudit.program.row_costs import annotated_fields, shown_class
from perfaudit.program.shown_classes import WHOLE_NESTED, named_for_field
from perfaudit.program.shown_fields import ALL, declared_fields, flags_of_call, method_behind
from perfaudit.program.shown_within import shown_within
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.template_values import NOT_KNOWN, Cost, Reading, Value
from perfaudit.program.values import ClassType, External, FunctionType, Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LISTING = "GET"
"""The method that lists are asked for with."""
MAX_NESTING = 5
EACH = "all"
"""The method of a manager that gives its rows."""


class Spent(Struct, frozen=True):
    """A cost of showing a row: the place that pays it, and the field as ``Class.name``.

    ``way`` leads to it, through the fields that show other rows.
    """

    cost: Cost
    location: Location
    field: str
    way: tuple[TraceStep, ...]


def spent_by(program: "Program", words: Answers, shown: ClassNode, row: Value) -> list[Spent]:
    """Return what showing a row costs with a class, and with those that its fields name."""
    walk = _Walk(program, words)
    walk.shown(shown, row)
    return walk.spent


def spent_to_fill(program: "Program", filled: ClassNode, row: Value) -> list[Spent]:
    """Return what filling the annotated fields of a class from a row costs."""
    walk = _Walk(program, Answers())
    walk.filled(filled, row)
    return walk.spent


class _Walk:
    """One walk through a class and those that its fields show other rows with."""

    def __init__(self, program: "Program", words: Answers) -> None:
        self.program = program
        self.words = words
        self.spent: list[Spent] = []
        self.way: list[TraceStep] = []
        self.entered: list[ClassNode] = []
        self.not_always: set[str] = set()

    def shown(self, shown: ClassNode, row: Value) -> None:
        """Walk the fields of a class."""
        if len(self.entered) >= MAX_NESTING or shown in self.entered:
            return
        self.entered.append(shown)
        if self.whole(shown, row):
            self.fields(shown, row)
        self.entered.pop()

    def filled(self, filled: ClassNode, row: Value) -> None:
        """Walk the annotated fields of a class that are filled from attributes of the row."""
        if len(self.entered) >= MAX_NESTING or filled in self.entered:
            return
        if self.program.schema.table_of(filled) is not None:
            return
        self.entered.append(filled)
        for name, place in annotated_fields(self.program, filled).items():
            value = self.read(filled, row, (name,), name, place)
            inner = shown_class(self.program.types.attribute(filled, name))
            if inner is None or value is NOT_KNOWN:
                continue
            self.way.append(TraceStep(place, f"shows {name} with {inner.name}"))
            self.filled(inner, self.each(value))
            self.way.pop()
        self.entered.pop()

    def each(self, value: Value) -> Value:
        """Return an object that a field shows: the value itself, or one of many."""
        if any(
            isinstance(option, Instance) and self.program.schema.table_of(option.node) is not None
            for option in options_of(value.type)
        ):
            return value
        return self.reading().element(value, value.loop)

    def whole(self, shown: ClassNode, row: Value) -> bool:
        """Note what the class's own method costs; return whether the fields are shown as well."""
        method = self.program.types.classes.method(shown, self.words.whole)
        if method is None:
            return True
        self.run(shown, method, row, method.name, method.location)
        return calls_above(method)

    def run(
        self, shown: ClassNode, method: FunctionNode, row: Value, name: str, place: Location
    ) -> None:
        """Note what a method costs that is given the row after its receiver."""
        params = method.facts.params
        if len(params) > 1:
            self.run_with(shown, method, {params[1].name: row}, name, place)

    def run_with(
        self,
        shown: ClassNode,
        method: FunctionNode,
        given: dict[str, Value],
        name: str,
        place: Location,
    ) -> None:
        """Note what a function costs that is given the row as one of its parameters."""
        if method in self.program.memoised:
            return
        row = next(iter(given.values()))
        reading = self.reading()
        reading.function(method, given)
        for cost in reading.costs:
            if cost.relation is None and self.is_fallback(method):
                continue
            if cost.relation is None and self.is_for_others(method):
                cost = replace(cost, confidence=weakest(cost.confidence, Confidence.MEDIUM))
            inside = cost.steps[0].location if cost.steps else place
            self.note(cost, inside, shown, name)
        asked = self.asked_when_shown(method)
        if asked is not None and all(cost.relation is not None for cost in reading.costs):
            self.note(Cost(row, (), None, again=True, name=method.name), asked, shown, name)

    def is_fallback(self, method: FunctionNode) -> bool:
        """Return whether the query of a method runs only where what it looks for was not given."""
        place = self.asking(method)
        return place is not None and is_first_use(method, place.context, place.sequence)

    def is_for_others(self, method: FunctionNode) -> bool:
        """Return whether the query of a method runs only in requests that do not ask for lists."""
        place = self.asking(method)
        if place is None:
            return False
        asked = methods_at(method, place.context, place.sequence)
        return bool(asked) and LISTING not in asked

    def asking(self, method: FunctionNode) -> Site | Edge | None:
        """Return the place in a method that runs a query, or leads to one."""
        step = self.program.query_reach.step(method)
        return None if step is None else step.site or step.edge

    def asked_when_shown(self, method: FunctionNode) -> Location | None:
        """Return where a method gives what asks the database once it is shown, None where not."""
        for item in method.facts.results:
            if item.value is not None and self.asks_when_shown(method, item):
                return method.line(item.line)
        call = shown_within(self.program, self.words, method)
        return None if call is None else method.place(call)

    def asks_when_shown(self, method: FunctionNode, item: t.Return) -> bool:
        """Return whether a result is a query for plain values, which is run when it is shown."""
        if item.value is None:
            return False
        value = self.program.types.evaluate(method, item.value, (item.sequence, item.context))
        element = members.element(self.program.types, value)
        return self.reading().is_query(value) and not any(
            isinstance(option, Instance) for option in options_of(element)
        )

    def reading(self) -> Reading:
        return Reading(self.program, runs_methods=True)

    def note(self, cost: Cost, place: Location, shown: ClassNode, name: str) -> None:
        if cost.owner.loop:
            field = f"{shown.name}.{name}"
            if field in self.not_always:
                cost = replace(cost, confidence=weakest(cost.confidence, Confidence.MEDIUM))
            self.spent.append(Spent(cost, place, field, tuple(self.way)))

    def fields(self, shown: ClassNode, row: Value) -> None:
        declared = declared_fields(self.program, shown)
        hidden = self.hidden(shown)
        names, place = self.names(shown, row, list(declared))
        for name in names:
            if name in hidden:
                continue
            made = declared.get(name)
            if made is None:
                self.named(shown, row, name, place)
            else:
                self.declared(shown, row, name, made)

    def names(
        self, shown: ClassNode, row: Value, declared: list[str]
    ) -> tuple[list[str], Location]:
        """Return the names of the fields that are shown, and where they are written."""
        program, words = self.program, self.words
        for node in program.types.classes.project_order(shown):
            given = attribute_value(node, words.fields)
            if given is not None:
                place = _place(given, words.fields, node)
                if isinstance(given[1], t.Const) and given[1].value == ALL:
                    return self.all_of(row, declared), place
                return _texts(program, *given) or declared, place
            left_out = attribute_value(node, words.exclude)
            if left_out is not None:
                gone = set(_texts(program, *left_out))
                found = [name for name in self.all_of(row, declared) if name not in gone]
                return found, _place(left_out, words.exclude, node)
        return declared, shown.location

    def all_of(self, row: Value, declared: list[str]) -> list[str]:
        """Return the declared names, and those of relations that the row's class declares."""
        found = list(declared)
        if self.words.dumps:
            return found
        for option in options_of(row.type):
            if isinstance(option, Instance):
                relations = self.program.schema.relations_of(option.node)
                found.extend(
                    name
                    for name, item in relations.items()
                    if not item.reverse and not item.private
                )
        return list(dict.fromkeys(found))

    def hidden(self, shown: ClassNode) -> set[str]:
        """Return the names of fields that are not shown, and note those that are not always."""
        program, words = self.program, self.words
        found: set[str] = set()
        for node in program.types.classes.project_order(shown):
            settings = attribute_value(node, words.settings)
            if settings is not None:
                for name, givens in names_in(program, *settings, AT_END).items():
                    for given in givens:
                        inner = names_in(program, given.function, given.value, given.at)
                        if words.unread in inner:
                            found.add(name)
            for method in node.methods.values():
                if method.name == words.whole:
                    continue
                for name, sometimes in _taken_out(method):
                    if sometimes:
                        self.not_always.add(f"{shown.name}.{name}")
                    else:
                        found.add(name)
        return found

    def named(self, shown: ClassNode, row: Value, name: str, place: Location) -> None:
        """Note what a field costs that is only named: keys of other rows are in the row itself."""
        for option in options_of(row.type):
            relation = (
                self.program.schema.relation(option.node, name)
                if isinstance(option, Instance)
                else None
            )
            is_in_full = bool(self.words.dumps) or self.is_deep(shown)
            if relation is None or relation.many or relation.reverse or is_in_full:
                self.read(shown, row, (name,), name, place)
                return

    def is_deep(self, shown: ClassNode) -> bool:
        for node in self.program.types.classes.project_order(shown):
            given = attribute_value(node, self.words.depth)
            if given is not None:
                return isinstance(given[1], t.Const) and bool(given[1].value)
        return False

    def read(
        self, shown: ClassNode, row: Value, path: tuple[str, ...], name: str, place: Location
    ) -> Value:
        """Return what a path from the row gives, each of the rows where it leads to many."""
        value = row
        reading = self.reading()
        for step in path:
            value = reading.step(value, step)
            if value is NOT_KNOWN:
                break
        if value.relation is not None and not value.asked:
            value = reading.step(value, EACH)
        reading.asked(value)
        for cost in reading.costs:
            self.note(cost, place, shown, name)
        return value

    def declared(
        self, shown: ClassNode, row: Value, name: str, made: tuple[FunctionNode, int]
    ) -> None:
        body, index = made
        call = body.facts.calls[index]
        place = body.place(call)
        if _is_true(argument(call, self.words.unread)):
            return
        flags = set(flags_of_call(self.program, body, index))
        if "shows-nothing" in flags:
            return
        if "shows-method" in flags:
            method = method_behind(self.program, self.words, shown, name, call)
            if method is not None:
                self.run(shown, method, row, name, place)
            return
        if "shows-function" in flags:
            self.function_of_field(shown, row, name, body, call)
            return
        source = argument(call, self.words.source)
        path: tuple[str, ...] = (name,)
        if isinstance(source, t.Const) and isinstance(source.value, str):
            path = tuple(source.value.split("."))
        if "shows-links" in flags:
            self.linked(shown, row, path, name, body, call)
            return
        if "shows-nested" in flags:
            self.nested_by_field(shown, row, path, name, place, body, call)
            return
        callee = self.program.types.call(body, index).callee
        if isinstance(callee, External) and not self.is_of_library(callee.origin):
            # What is not known of a field may be that it shows no more than a key.
            flags.add("shows-key")
        if isinstance(callee, ClassType) and self.is_showing(callee.node):
            self.nested(shown, row, path, name, place, callee.node)
        elif isinstance(callee, ClassType) and self.has_own_way(callee.node):
            return
        elif path != ("*",):
            if "shows-key" in flags and not self.is_many(row, path):
                path = path[:-1]
            if path:
                self.read(shown, row, path, name, place)

    def function_of_field(
        self, shown: ClassNode, row: Value, name: str, body: FunctionNode, call: t.Call
    ) -> None:
        """Note what a field costs whose first argument is a function that is given the row."""
        given = argument(call, self.words.runs or None)
        at = (call.sequence, call.context)
        found = None if given is None else self.program.types.evaluate(body, given, at)
        if not isinstance(found, FunctionType) or not found.node.facts.params:
            return
        taken = found.node.facts.params[0].name
        self.run_with(shown, found.node, {taken: row}, name, body.place(call))

    def linked(
        self,
        shown: ClassNode,
        row: Value,
        path: tuple[str, ...],
        name: str,
        body: FunctionNode,
        call: t.Call,
    ) -> None:
        """Note what links to other rows have of the row, and their keys where they are shown."""
        place = body.place(call)
        for key in self.words.links:
            given = argument(call, key)
            parts = names_in(self.program, body, given, AT_END) if given is not None else {}
            for found in (found for values in parts.values() for found in values):
                written = found.value.value if isinstance(found.value, t.Const) else None
                steps = self.words.steps_of(written) if isinstance(written, str) else ()
                if steps:
                    self.read(shown, row, steps, name, place)
        if _is_true(argument(call, self.words.linked)):
            self.read(shown, row, path, name, place)

    def nested_by_field(
        self,
        shown: ClassNode,
        row: Value,
        path: tuple[str, ...],
        name: str,
        place: Location,
        body: FunctionNode,
        call: t.Call,
    ) -> None:
        """Note what a field costs whose first argument is the class that shows its rows."""
        value = argument(call, "0|nested")
        given = None if value is None else Given(body, value, (call.sequence, call.context))
        inner = None
        if given is not None:
            inner = named_for_field(self.program, self.words, shown, given)
        is_whole = all(key in WHOLE_NESTED for key, _ in call.keywords) and len(call.arguments) < 2
        if inner is not None and is_whole:
            self.nested(shown, row, path, name, place, inner)
        else:
            self.read(shown, row, path, name, place)

    def is_showing(self, node: ClassNode) -> bool:
        above = self.program.types.classes.ancestors(node)
        return any(base in above for base in self.words.showing)

    def lists_its_way(self, inner: ClassNode) -> bool:
        """Return whether a class has another of the project that shows many rows for it."""
        order = self.program.types.classes.project_order(inner)
        given = [attribute_value(node, self.words.lists) for node in order]
        return bool(self.words.lists) and any(item is not None for item in given)

    def is_of_library(self, path: str) -> bool:
        root = path.partition(".")[0]
        return any(base.partition(".")[0] == root for base in self.words.showing)

    def has_own_way(self, node: ClassNode) -> bool:
        """Return whether a field class of the project says itself what it takes of a row."""
        return self.program.types.classes.method(node, "get_attribute") is not None

    def is_many(self, row: Value, path: tuple[str, ...]) -> bool:
        value = row
        quiet = self.reading()
        for step in path:
            value = quiet.step(value, step)
        return value.relation is not None

    def nested(
        self,
        shown: ClassNode,
        row: Value,
        path: tuple[str, ...],
        name: str,
        place: Location,
        inner: ClassNode,
    ) -> None:
        value = row if path == ("*",) else self.read(shown, row, path, name, place)
        if value.relation is not None and self.lists_its_way(inner):
            # What its class for many rows does with them, a prefetch may not answer, nor below.
            self.spent = [
                replace(spent, cost=replace(spent.cost, path=(), relation=None, name=name))
                if spent.location == place and spent.cost.relation is value.relation
                else spent
                for spent in self.spent
            ]
            return
        self.way.append(TraceStep(place, f"shows {name} with {inner.name}"))
        self.shown(inner, self.each(value))
        self.way.pop()


def _is_true(value: t.Expr | None) -> bool:
    return isinstance(value, t.Const) and value.value is True


def _place(given: tuple[FunctionNode, t.Expr], name: str, node: ClassNode) -> Location:
    body = given[0]
    binds = body.binds.get(name.rpartition(".")[2])
    return body.line(binds[-1].line) if binds else node.location


def _texts(program: "Program", function: FunctionNode, value: t.Expr) -> list[str]:
    """Return the texts of a sequence that is written out, also as a sum of several."""
    if isinstance(value, t.Binary):
        left = _texts(program, function, value.left)
        return [*left, *_texts(program, function, value.right)]
    if isinstance(value, t.Attr) and isinstance(value.base, t.Attr):
        # The names of another class: `Base.Meta.fields`.
        owner = program.types.evaluate(function, value.base.base, AT_END)
        if isinstance(owner, ClassType):
            given = attribute_value(owner.node, f"{value.base.name}.{value.name}")
            return [] if given is None else _texts(program, *given)
        return []
    if isinstance(value, t.Seq):
        return [
            text
            for item in value.items
            for text in (
                _texts(program, function, item.value)
                if isinstance(item, t.Star)
                else texts_of(program.types, function, item, AT_END)
            )
        ]
    return texts_of(program.types, function, value, AT_END)


def _taken_out(method: FunctionNode) -> Iterator[tuple[str, bool]]:
    """Yield the texts that a method takes out of a dictionary, and whether only sometimes."""
    for call in method.facts.calls:
        if isinstance(call.callee, t.Attr) and call.callee.name == "pop":
            for given in call.arguments[:1]:
                if isinstance(given, t.Const) and isinstance(given.value, str):
                    yield given.value, call.context >= 0
