"""Where rows are handed to a class that shows each of them: by a call, or by a view class."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.levels import Confidence
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.libraries.templates import ViewWords
from perfaudit.program import expressions, members
from perfaudit.program.answer_costs import is_one as is_one_object
from perfaudit.program.bounds import is_short
from perfaudit.program.called import calling_methods
from perfaudit.program.class_values import class_value
from perfaudit.program.expressions import argument
from perfaudit.program.given_names import Given
from perfaudit.program.language_calls import calls_above
from perfaudit.program.layer_rows import rows_of_layer
from perfaudit.program.loops import target_names
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class
from perfaudit.program.renderings import Known, rows_of_view
from perfaudit.program.row_costs import row_class, shown_class
from perfaudit.program.row_queries import rows_of
from perfaudit.program.row_spots import Doing
from perfaudit.program.rows import Rows
from perfaudit.program.shown_classes import (
    classes_of,
    model_of,
    shown_of_view,
    shows,
    told_by_decorator,
)
from perfaudit.program.shown_pages import parts_of_call, parts_of_display
from perfaudit.program.shown_together import LOADS_INTO, may_load, shows_many_its_way
from perfaudit.program.values import ClassType, Instance, Type, Unknown, list_of, options_of
from perfaudit.program.view_exposures import may_list

if TYPE_CHECKING:
    from perfaudit.program.program import Program

FOR_VIEW = "shows-for-view"
"""The flag of a method of view classes that makes what shows the rows it is given."""
MAX_STEPS = 6


class Showing(Struct, frozen=True):
    """A place that shows rows, with the class that does, and where the rows come from.

    ``is_filled``: what is shown are the annotated fields of the class. ``is_together``: the rows
    are shown by a class that asks once for some of what their methods look up. ``view``: the class
    whose list the library shows; ``view_words``: what is said of it, where that is another library
    than that of the class which shows its rows.
    """

    function: FunctionNode
    location: Location
    words: Answers
    shown: ClassNode
    row: ClassNode
    rows: Known
    view: ClassNode | None
    confidence: Confidence
    is_filled: bool = False
    is_together: bool = False
    view_words: Answers | None = None

    @property
    def only_names_rows(self) -> bool:
        """Return whether nothing asks for the rows: the view names their class, and that is all."""
        return self.view_words is not None and not self.rows.givens


def showings(program: "Program") -> Iterator[Showing]:
    """Yield the places that show many rows each, in file order: calls first, then view classes."""
    for words in program.libraries.answers:
        if words.showing:
            yield from _by_calls(program, words)
            yield from _by_dumps(program, words)
            yield from _by_views(program, words)
        if words.layer.attribute:
            yield from _by_layers(program, words)
        if words.filled:
            yield from _by_filling(program, words)
            yield from _by_pages(program, words)
    yield from _by_answers(program)


def _by_answers(program: "Program") -> Iterator[Showing]:
    """Yield the handlers whose declared answer is a list, or has one, filled from their rows."""
    for endpoint in program.endpoints:
        declared, handler = endpoint.response_model, endpoint.handler
        if declared is None or handler.kind != "function":
            continue
        is_page = is_one_object(declared)
        shown = shown_class(declared)
        if shown is None:
            continue
        for item in handler.facts.results:
            if item.value is not None and item.kind == "return":
                at = (item.sequence, item.context)
                parts = [(item.value, shown)]
                if is_page:
                    parts = list(parts_of_display(program, item.value, shown))
                for value, filled in parts:
                    found = _filled(program, handler, value, at, filled)
                    if found is not None:
                        yield found


def _by_filling(program: "Program", words: Answers) -> Iterator[Showing]:
    """Yield the loops that fill an object of a class from each row."""
    for function in calling_methods(program, words.fills):
        for call in function.facts.calls:
            callee = call.callee
            if not isinstance(callee, t.Attr) or callee.name not in words.fills:
                continue
            given = call.arguments[0] if call.arguments else None
            if not isinstance(given, t.Name):
                continue
            at = (call.sequence, call.context)
            shown = program.types.evaluate(function, callee.base, at)
            if not isinstance(shown, ClassType):
                continue
            if program.types.classes.ancestors(shown.node).isdisjoint(words.filled):
                continue
            for loop in function.loops(call.context):
                context = function.facts.contexts[loop]
                if given.id in target_names(context.target) and context.subject is not None:
                    before = (context.sequence, context.parent)
                    found = _filled(program, function, context.subject, before, shown.node)
                    if found is not None:
                        yield replace(found, location=function.place(call))
                    break


def _by_pages(program: "Program", words: Answers) -> Iterator[Showing]:
    """Yield the calls that fill a list of objects in another one from rows."""
    for function in program.functions:
        for index, call in enumerate(function.facts.calls):
            at = (call.sequence, call.context)
            for value, shown in parts_of_call(program, function, index):
                if program.types.classes.ancestors(shown).isdisjoint(words.filled):
                    continue
                found = _filled(program, function, value, at, shown)
                if found is not None:
                    yield replace(found, location=function.place(call))


def _filled(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int], shown: ClassNode
) -> Showing | None:
    """Return how rows fill a class, unless the program waits for them.

    Who waits for rows cannot read a relation later: that would fail, and is no query.
    """
    kind = program.types.evaluate(function, value, at)
    row = row_class(program, kind)
    if row is None or is_one_object(kind) or _is_awaited(function, value, at):
        return None
    known = Known(list_of(Instance(row)), (Given(function, value, at),))
    return Showing(
        function,
        function.line(function.facts.line),
        Answers(),
        shown,
        row,
        known,
        None,
        Confidence.HIGH,
        is_filled=True,
    )


def _is_awaited(
    function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int = MAX_STEPS
) -> bool:
    """Return whether a value is made of something that was awaited."""
    for part in expressions.parts(function, value):
        if isinstance(part, t.Await):
            return True
        for scope, definition in (
            meanings(function, part.id, at) if isinstance(part, t.Name) else ()
        ):
            if isinstance(definition, t.Bind) and definition.value is not None and steps:
                before = (definition.sequence, definition.context)
                if _is_awaited(scope, definition.value, before, steps - 1):
                    return True
    return False


def _by_calls(program: "Program", words: Answers) -> Iterator[Showing]:
    for function in program.functions:
        for index, call in enumerate(function.facts.calls):
            if not call.keywords or not any(name == words.many for name, _ in call.keywords):
                continue
            given = argument(call, "0|instance")
            if given is None or _is_false(argument(call, words.many)):
                continue
            for shown, confidence in _called(program, words, function, index):
                found = _shown_by_call(program, words, function, call, given, shown, confidence)
                if found is not None:
                    yield found


def _by_dumps(program: "Program", words: Answers) -> Iterator[Showing]:
    """Yield the calls of an object that shows many rows: ``BookSchema(many=True).dump(rows)``."""
    for function in calling_methods(program, words.dumps):
        for call in function.facts.calls:
            callee = call.callee
            if not isinstance(callee, t.Attr) or callee.name not in words.dumps:
                continue
            if not call.arguments:
                continue
            at = (call.sequence, call.context)
            for option in options_of(program.types.evaluate(function, callee.base, at)):
                if not isinstance(option, Instance) or not shows(program, words, option.node):
                    continue
                made = maker_of(program, function, callee.base, at)
                if made is None or not _shows_all_of_many(words, made, call):
                    continue
                shown = option.node
                found = _shown_by_call(
                    program, words, function, call, call.arguments[0], shown, Confidence.HIGH
                )
                if found is not None:
                    yield found


def maker_of(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> t.Call | None:
    """Return the one call that makes an object, also one that a module keeps."""
    if isinstance(value, t.CallRef):
        return function.facts.calls[value.index]
    found = list(meanings(function, value.id, at)) if isinstance(value, t.Name) else []
    if len(found) != 1:
        return None
    scope, definition = found[0]
    if isinstance(definition, t.Import):
        origin = program.types.import_origin(scope, definition)
        if origin is None:
            return None
        scope, name = origin
        binds = scope.binds.get(name, [])
        definition = binds[0] if len(binds) == 1 else definition
    if isinstance(definition, t.Bind) and isinstance(definition.value, t.CallRef):
        return scope.facts.calls[definition.value.index]
    return None


def _shows_all_of_many(words: Answers, made: t.Call, call: t.Call) -> bool:
    """Return whether an object is made to show all fields, and of many rows, or told so now."""
    if made.arguments or any(name != words.many for name, _ in made.keywords):
        return False
    given = argument(call, words.many) or argument(made, words.many)
    return given is not None and not _is_false(given)


def _is_false(value: t.Expr | None) -> bool:
    return isinstance(value, t.Const) and value.value is False


def _called(
    program: "Program", words: Answers, function: FunctionNode, index: int
) -> Iterator[tuple[ClassNode, Confidence]]:
    """Yield the classes that a call makes an object of, that shows rows."""
    resolved = program.types.call(function, index)
    view = enclosing_class(function)
    is_for_view = view is not None and (
        _names_views_class(function, words, function.facts.calls[index].callee)
        or resolved.has_flag(FOR_VIEW)
    )
    if view is None or not is_for_view:
        for option in options_of(resolved.callee):
            if isinstance(option, ClassType) and shows(program, words, option.node):
                yield option.node, Confidence.HIGH
        return
    action = "" if function.owner is None else function.name
    told = told_by_decorator(program, words, function)
    if told is not None:
        for node in classes_of(program, words, told):
            yield node, Confidence.HIGH
        return
    yield from shown_of_view(program, words, view, action)


def _names_views_class(function: FunctionNode, words: Answers, callee: t.Expr) -> bool:
    """Return whether what is called is the class that the object itself, a view, shows rows with.

    A decorator may have said another for the method than the class does.
    """
    name = words.shown
    if isinstance(callee, t.CallRef):
        callee, name = function.facts.calls[callee.index].callee, words.chosen
    params = function.facts.params
    return (
        isinstance(callee, t.Attr)
        and callee.name == name
        and bool(params)
        and callee.base == t.Name(params[0].name)
    )


def _shown_by_call(
    program: "Program",
    words: Answers,
    function: FunctionNode,
    call: t.Call,
    given: t.Expr,
    shown: ClassNode,
    confidence: Confidence,
) -> Showing | None:
    at = (call.sequence, call.context)
    together = shows_many_its_way(program, words, shown)
    if _is_selective(program, words, shown, call) or together is None:
        return None
    if _loads_into(program, function):
        return None
    kind = program.types.evaluate(function, given, at)
    row = row_class(program, kind)
    if row is None and _is_open(members.element(program.types, kind)):
        row = model_of(program, words, shown)
    if row is None:
        return None
    rows = rows_of(program, function, given, at)
    if rows is None:
        return None
    if is_short(program.types, function, given, at):
        confidence = Confidence.MEDIUM
    givens = [Given(function, given, at)]
    view = enclosing_class(function)
    if not rows.steps.isdisjoint(words.rows) or not rows.places:
        # What the method of the library gives is the attribute of the view.
        attribute = None if view is None else class_value(program.types, view, words.rows[-1])
        if attribute is None:
            return None
        givens.append(attribute)
    known = Known(list_of(Instance(row)), tuple(givens))
    return Showing(
        function,
        function.place(call),
        words,
        shown,
        row,
        known,
        None,
        confidence,
        is_together=together,
    )


def _is_open(value: Type) -> bool:
    return all(isinstance(option, Unknown) for option in options_of(value))


def _is_selective(program: "Program", words: Answers, shown: ClassNode, call: t.Call) -> bool:
    """Return whether a call names what is shown, to a class that takes that."""
    made = program.types.classes.method(shown, "__init__")
    plain = {words.many, "instance", "context", "read_only", "required", words.source, "data"}
    return made is not None and any(name not in plain for name, _ in call.keywords)


def _loads_into(program: "Program", function: FunctionNode) -> bool:
    """Return whether a function has relations loaded of rows that it holds already."""
    return any(
        target.behaviour is not None and LOADS_INTO in target.behaviour.flags
        for index in range(len(function.facts.calls))
        for target in program.types.call(function, index).targets
    )


def _by_views(program: "Program", words: Answers) -> Iterator[Showing]:
    if not words.views or len(words.rows) < 2:
        return
    for file in program.files:
        for node in file.classes:
            if not node.facts.bases or not _lists(program, words, node):
                continue
            if not may_list(program, words, node):
                continue
            for shown, confidence in shown_of_view(program, words, node, _list_action(words)):
                found = _viewed(program, words, node, shown, confidence)
                if found is not None:
                    yield found


def _by_layers(program: "Program", words: Answers) -> Iterator[Showing]:
    """Yield the views whose rows come from a layer that they name, shown as a list."""
    for file in program.files:
        for node in file.classes:
            if not node.facts.bases or not _lists(program, words, node):
                continue
            rows = rows_of_layer(program, words, node) if may_list(program, words, node) else None
            row = None if rows is None else row_class(program, rows.type)
            if rows is None or row is None or _loads_more(program, words, node):
                continue
            for field_words in program.libraries.answers:
                given = class_value(program.types, node, words.shown)
                for shown in () if given is None else classes_of(program, field_words, given):
                    yield Showing(
                        node.body,
                        node.location,
                        field_words,
                        shown,
                        row,
                        rows,
                        node,
                        Confidence.HIGH,
                        view_words=words,
                    )


def _list_action(words: Answers) -> str:
    return next((view.action for view in words.views.values() if view.many), "")


def _lists(program: "Program", words: Answers, node: ClassNode) -> bool:
    """Return whether the library shows all rows of a view class, in its own way."""
    above = program.types.classes.ancestors(node)
    return any(
        view.many and path in above and _is_left(program.types.classes.method(node, view.action))
        for path, view in words.views.items()
    )


def _is_left(method: FunctionNode | None) -> bool:
    """Return whether a method is not there, or leaves the work to that of the class above."""
    return method is None or calls_above(method)


def _viewed(
    program: "Program", words: Answers, node: ClassNode, shown: ClassNode, confidence: Confidence
) -> Showing | None:
    together = shows_many_its_way(program, words, shown)
    if together is None or _loads_more(program, words, node):
        return None
    model = model_of(program, words, shown)
    meant = None if model is None else Known(Instance(model))
    view_words = ViewWords(rows=words.rows[0], queryset=words.rows[-1])
    rows = rows_of_view(program, node, view_words, meant, Doing(words.doing, _list_action(words)))
    row = None if rows is None else row_class(program, rows.type)
    if rows is None or row is None or not rows.givens:
        return None
    method = program.types.classes.method(node, words.rows[0])
    if program.types.classes.is_open(node):
        confidence = Confidence.MEDIUM
    return Showing(
        method or node.body,
        node.location,
        words,
        shown,
        row,
        rows,
        node,
        confidence,
        is_together=together,
    )


def _loads_more(program: "Program", words: Answers, node: ClassNode) -> bool:
    """Return whether a method of the view that has to do with its rows loads more with them."""
    action = _list_action(words)
    for name in (*words.hooks, action):
        method = program.types.classes.method(node, name)
        if method is not None and may_load(program, method, surely=name == action):
            return True
    return False


def is_one(program: "Program", showing: Showing, rows: Rows) -> bool:
    """Return whether the rows are asked for by what no two of them have: there is one at most."""
    table = program.schema.table_of(showing.row)
    if table is None:
        return False

    def is_given(name: str) -> bool:
        column = table.columns.get(name)
        spelled = {name, f"{name}_id", f"{name}__id", f"{name}__pk"}
        if column is not None:
            spelled.add(column.name)
        return any(f"={text}" in rows.steps for text in spelled)

    keys: list[tuple[str, ...]] = [
        (name,) for name, column in table.columns.items() if column.primary or column.unique
    ]
    keys += [
        (name,)
        for name, relation in program.schema.relations_of(showing.row).items()
        if relation.kind == "one_to_one" and not relation.reverse
    ]
    keys += [index.columns for index in table.indexes if index.unique and index.where is None]
    return any(all(is_given(name) for name in key) for key in keys if key)
