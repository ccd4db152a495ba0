"""Which classes of the project show the rows of a view, and of which rows they are."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.actions import is_for
from perfaudit.program.class_values import class_value
from perfaudit.program.decorators import decorators_of
from perfaudit.program.given_names import Given
from perfaudit.program.language_calls import given_above
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType, FunctionType, Instance, Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

WHOLE_NESTED = frozenset({"many", "attribute", "data_key", "dump_only", "required", "allow_none"})
"""Keywords of a nested field that leave all fields of its class."""


def told_by_decorator(program: "Program", words: Answers, function: FunctionNode) -> Given | None:
    """Return what a decorator of a method says that shows its rows, in place of its class."""
    owner = enclosing_class(function)
    for _, call in decorators_of(program.types, function) if owner is not None else ():
        for name, value in call.keywords if call is not None else ():
            if name == words.shown and owner is not None and call is not None:
                return Given(owner.body, value, (call.sequence, call.context))
    return None


def shown_of_view(
    program: "Program", words: Answers, view: ClassNode, action: str
) -> list[tuple[ClassNode, Confidence]]:
    """Return the classes that can show the rows of a view for an action, the nearest meant ones."""
    method = program.types.classes.method(view, words.chosen)
    if method is None:
        given = class_value(program.types, view, words.shown)
        found = () if given is None else classes_of(program, words, given)
        return [(node, Confidence.HIGH) for node in found]
    named: list[ClassNode] = []
    open_ones: list[ClassNode] = []
    is_named = False
    for item in method.facts.results:
        if item.value is None:
            continue
        meant = is_for(method, (item.sequence, item.context), action)
        if meant is False:
            continue
        result = Given(method, item.value, (item.sequence, item.context))
        classes = classes_of(program, words, result, view)
        if meant:
            is_named = True
            named.extend(classes)
        else:
            open_ones.extend(classes)
    # What is meant for an action is shown then, also where its class is not known.
    chosen = list(dict.fromkeys(named if is_named else open_ones))
    sure = Confidence.HIGH if len(chosen) == 1 else Confidence.MEDIUM
    return [(node, sure) for node in chosen]


def classes_of(
    program: "Program", words: Answers, given: Given, view: ClassNode | None = None
) -> Iterator[ClassNode]:
    value = program.types.evaluate(given.function, given.value, given.at)
    options = list(options_of(value))
    if view is not None:
        name = _own_attribute(given)
        if name is None and all(isinstance(option, Unknown) for option in options):
            name = words.shown if _asks_above(given) else None
        attribute = None if name is None else class_value(program.types, view, name)
        if attribute is not None:
            yield from classes_of(program, words, attribute)
            return
    for option in options:
        if isinstance(option, ClassType) and shows(program, words, option.node):
            yield option.node


def _own_attribute(given: Given) -> str | None:
    """Return the attribute of the object itself that a value is, which its class may have set."""
    value, params = given.value, given.function.facts.params
    is_own = isinstance(value, t.Attr) and bool(params) and value.base == t.Name(params[0].name)
    return value.name if is_own and isinstance(value, t.Attr) else None


def _asks_above(given: Given) -> bool:
    """Return whether a value is what the method of the class above gives."""
    return given_above(given.function, given.value) == given.function.name


def named_for_field(
    program: "Program", words: Answers, shown: ClassNode, given: Given
) -> ClassNode | None:
    """Return the class that a field is told to show its rows with: itself, its name, or a maker.

    ``shown``: the class that has the field, which a name may stand for.
    """
    found = program.types.evaluate(given.function, given.value, given.at)
    nodes: list[ClassNode] = []
    if isinstance(given.value, t.Const) and isinstance(given.value.value, str):
        name = given.value.value.rpartition(".")[2]
        named = program.types.classes.named(name.lower())
        nodes = (
            [shown]
            if name and name == words.itself
            else [node for node in named if node.name == name]
        )
    elif isinstance(found, FunctionType) and found.node.kind == "lambda":
        made = [
            option
            for item in found.node.facts.results
            if item.value is not None and _makes_whole(found.node, item.value)
            for option in options_of(program.types.evaluate(found.node, item.value, AT_END))
        ]
        nodes = [option.node for option in made if isinstance(option, Instance | ClassType)]
    elif isinstance(found, ClassType):
        nodes = [found.node]
    nodes = [node for node in nodes if shows(program, words, node)]
    return nodes[0] if len(nodes) == 1 else None


def _makes_whole(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a class that shows rows is given, or made to show all of its fields."""
    if not isinstance(value, t.CallRef):
        return True
    call = function.facts.calls[value.index]
    return not call.arguments and all(name in WHOLE_NESTED for name, _ in call.keywords)


def shows(program: "Program", words: Answers, node: ClassNode) -> bool:
    above = program.types.classes.ancestors(node)
    return any(base in above for base in words.showing)


def model_of(program: "Program", words: Answers, shown: ClassNode) -> ClassNode | None:
    """Return the class of the rows that a class says it shows."""
    for node in program.types.classes.project_order(shown):
        given = attribute_value(node, words.model)
        if given is not None:
            found = program.types.evaluate(*given, AT_END)
            is_table = isinstance(found, ClassType) and program.schema.table_of(found.node)
            return found.node if isinstance(found, ClassType) and is_table else None
    return None
