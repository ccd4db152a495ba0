"""Rows of views that have a dictionary of where they come from: a class, or a function for it."""

from typing import TYPE_CHECKING

from perfaudit.libraries.answers import Answers
from perfaudit.program.class_values import class_value
from perfaudit.program.given_names import Given, given_back, names_in
from perfaudit.program.nodes import ClassNode
from perfaudit.program.renderings import Known, known_names
from perfaudit.program.values import ClassType, FunctionType, Instance, list_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def rows_of_layer(program: "Program", words: Answers, view: ClassNode) -> Known | None:
    """Return the rows that the layer of a view asks for, or None where that is not clear."""
    classes = program.types.classes
    layer = class_value(program.types, view, words.layer.attribute)
    if layer is None or any(classes.method(view, name) is not None for name in words.rows):
        return None
    if words.layer.own and _entry(program, layer, words.layer.own) is not None:
        return None
    asked = _entry(program, layer, words.layer.query)
    if asked is not None:
        function = program.types.evaluate(asked.function, asked.value, asked.at)
        if not isinstance(function, FunctionType):
            return None
        name = words.layer.query
        return known_names(program, {name: given_back(function.node)}).get(name)
    model = _entry(program, layer, words.layer.model)
    found = None if model is None else program.types.evaluate(model.function, model.value, model.at)
    if not isinstance(found, ClassType) or program.schema.table_of(found.node) is None:
        return None
    named = layer.function.binds[words.layer.attribute][-1]
    return Known(list_of(Instance(found.node)), query=layer.function.line(named.line))


def _entry(program: "Program", layer: Given, path: str) -> Given | None:
    """Return what stands under keys of dictionaries that are written out: ``methods.query``."""
    found = layer
    for key in path.split("."):
        given = names_in(program, found.function, found.value, found.at).get(key, [])
        if len(given) != 1:
            return None
        found = given[0]
    return found
