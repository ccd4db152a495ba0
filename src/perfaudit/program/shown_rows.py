"""Rows of view classes and showing classes: what their methods give, and what they are given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers, Layer
from perfaudit.program import members
from perfaudit.program.class_values import class_value
from perfaudit.program.classes import instance_of
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType, Instance, Type, options_of, union

if TYPE_CHECKING:
    from perfaudit.program.calls import Resolved
    from perfaudit.program.infer import Types

ROW_OF_VIEW = "gives-row-of-view"
"""The flag of a method of view classes that gives one of the rows of its view."""
MAX_NESTING = 4
NESTED = "shows-nested"
RUNS = "shows-function"
"""The flag of a field that shows what a function gives of the row."""


def row_given(types: "Types", function: FunctionNode, param: t.Param) -> Type | None:
    """Return the type of the row that what is behind a field is given, if known.

    A method gets it after its receiver.
    """
    owner = function.owner
    params = function.facts.params
    if function.kind == "lambda":
        owner = _field_of_lambda(types, function)
        return None if owner is None or params[:1] != (param,) else _rows_of(types, owner)
    if owner is None or params[1:2] != (param,) or not _are_set(params[2:]):
        return None
    for words in types.libraries.answers:
        if not _takes_row(words, owner, function.name):
            continue
        if types.classes.ancestors(owner).isdisjoint(words.showing):
            continue
        return _rows_of(types, owner)
    return None


def _rows_of(types: "Types", shown: ClassNode) -> Type | None:
    """Return the rows that a class shows: as it says itself, or as all views do that show it."""
    for words in types.libraries.answers:
        for node in types.classes.project_order(shown) if words.showing else ():
            given = attribute_value(node, words.model)
            found = None if given is None else types.evaluate(*given, AT_END)
            if isinstance(found, ClassType):
                return instance_of(found)
    if types.shown_in_views is None:
        types.shown_in_views = _shown_in_views(types)
    named = types.shown_in_views.get(shown)
    return union(named) if named else None


def _shown_in_views(types: "Types") -> dict[ClassNode, list[Type]]:
    """Return the rows of the views that have a layer, by the class that shows them."""
    found: dict[ClassNode, list[Type]] = {}
    for words in types.libraries.answers:
        layer = words.layer.attribute
        for view in types.classes.with_attribute(layer) if layer else ():
            shown = class_value(types, view, words.shown)
            row = _model_of_layer(types, view, words.layer)
            if shown is None or row is None:
                continue
            for option in options_of(types.evaluate(shown.function, shown.value, shown.at)):
                if isinstance(option, ClassType):
                    _note(types, found, option.node, row, MAX_NESTING)
    return found


def _note(
    types: "Types", found: dict[ClassNode, list[Type]], shown: ClassNode, row: Type, nesting: int
) -> None:
    """Note the rows of a class, and of those that its fields show what a row leads to with."""
    if row in found.setdefault(shown, []) or not isinstance(row, Instance):
        return
    found[shown].append(row)
    for node in types.classes.project_order(shown) if nesting else ():
        for name, binds in node.body.binds.items():
            value = binds[-1].value
            if not isinstance(value, t.CallRef):
                continue
            inner = _nested(types, node, value.index)
            if inner is None:
                continue
            led = members.member(types, row, _source(types, node, value.index, name))
            for option in options_of(led):
                each = option if isinstance(option, Instance) else members.element(types, option)
                _note(types, found, inner, each, nesting - 1)


def _nested(types: "Types", node: ClassNode, index: int) -> ClassNode | None:
    """Return the class that a nested field shows its rows with, as it is given or by its name."""
    call = node.body.facts.calls[index]
    if not call.arguments or not types.call(node.body, index).has_flag(NESTED):
        return None
    given = call.arguments[0]
    if isinstance(given, t.Const) and isinstance(given.value, str):
        name = given.value.rpartition(".")[2]
        named = [each for each in types.classes.named(name.lower()) if each.name == name]
        return named[0] if len(named) == 1 else None
    found = types.evaluate(node.body, given, (call.sequence, call.context))
    return found.node if isinstance(found, ClassType) else None


def _source(types: "Types", node: ClassNode, index: int, name: str) -> str:
    """Return the attribute of the row that a field shows: its own name, where it says no other."""
    keywords = dict(node.body.facts.calls[index].keywords)
    for words in types.libraries.answers:
        given = keywords.get(words.source)
        if isinstance(given, t.Const) and isinstance(given.value, str):
            return given.value
    return name


def _model_of_layer(types: "Types", view: ClassNode, layer: Layer) -> Type | None:
    """Return the rows that the layer of a view names, where that is written out."""
    given = class_value(types, view, layer.attribute)
    if given is None or not isinstance(given.value, t.Mapping):
        return None
    for key, value in zip(given.value.keys, given.value.values, strict=True):
        if key == t.Const(layer.model, "str"):
            found = types.evaluate(given.function, value, given.at)
            return instance_of(found) if isinstance(found, ClassType) else None
    return None


def _field_of_lambda(types: "Types", function: FunctionNode) -> ClassNode | None:
    """Return the class in whose body a lambda is given to a field that runs it for each row."""
    body = function.parent
    if body is None or body.owner is None or body.kind != "class":
        return None
    for index, call in enumerate(body.facts.calls):
        if t.Lambda(function.index) in call.given and types.call(body, index).has_flag(RUNS):
            return body.owner
    return None


def _are_set(params: Sequence[t.Param]) -> bool:
    """Return whether a call need not give any of some parameters."""
    return all(item.default is not None or item.kind.startswith("*") for item in params)


def _takes_row(words: Answers, owner: ClassNode, name: str) -> bool:
    """Return whether a method shows a row, as a whole or for a field that may name it."""
    before, _, after = words.method.partition("{name}")
    if name == words.whole or (name.startswith(before) and name.endswith(after)):
        return True
    named = t.Const(name, "str")
    return any(
        value == named
        for call in owner.body.facts.calls
        for value in (*call.arguments[:1], *(value for _, value in call.keywords))
    )


def row_of_view(types: "Types", resolved: "Resolved") -> "Resolved":
    """Return a resolved call with its result, where that is a row of the view it is called on."""
    for target in resolved.targets:
        if target.behaviour is None or ROW_OF_VIEW not in target.behaviour.flags:
            continue
        for option in options_of(target.receiver) if target.receiver is not None else ():
            row = _row(types, option.node) if isinstance(option, Instance) else None
            if row is not None:
                return replace(resolved, result=row)
    return resolved


def class_given(types: "Types", function: FunctionNode, view: ClassNode) -> ClassNode | None:
    """Return the class of what a library gives a method for the routes of a view, where known."""
    for words in types.libraries.answers:
        match words.given.get(function.name):
            case "row":
                row = _row(types, view)
                return row.node if isinstance(row, Instance) else None
            case "shown" if types.classes.method(view, words.chosen) is None:
                shown = class_value(types, view, words.shown)
                if shown is None:
                    return None
                found = types.evaluate(shown.function, shown.value, shown.at)
                return found.node if isinstance(found, ClassType) else None
    return None


def _row(types: "Types", view: ClassNode) -> Type | None:
    """Return what the rows of a view are, as the first of its hooks and attributes says."""
    for words in types.libraries.answers:
        for name in words.rows:
            method = types.classes.method(view, name)
            found = None if method is None else types.returned(method)
            for node in types.classes.project_order(view) if method is None else ():
                given = attribute_value(node, name)
                if given is not None:
                    found = types.evaluate(*given, AT_END)
                    break
            element = None if found is None else members.element(types, found)
            if isinstance(element, Instance):
                return element
    return None
