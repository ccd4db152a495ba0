"""What it costs to show a row with a class whose fields a library fills: relations and methods."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.expressions import argument
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost
from perfaudit.program.row_costs import (
    MAX_NESTING,
    Costs,
    beneath,
    cost_of_method,
    cost_of_path,
)
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ALL = "__all__"
AFTER_SELF = 1
"""The position of the row among the parameters of a method of a showing class."""


def cost_of_shown(
    program: "Program",
    costs: Costs,
    words: Answers,
    shown: ClassNode,
    row: ClassNode,
    nesting: int = MAX_NESTING,
) -> Cost:
    """Return what showing one row costs; a lower bound where the class does more than is seen."""
    if nesting == 0:
        return ZERO.at_least()
    declared = declared_fields(program, shown)
    names = _names(program, words, shown)
    total = ZERO
    if names is None:
        total, names = total.at_least(), list(declared)
    for name in names:
        found = declared.get(name)
        if found is None:
            total = total + _cost_of_name(program, costs, shown, row, name)
        else:
            total = total + _cost_of_field(program, costs, words, shown, row, name, found, nesting)
    return total


def declared_fields(program: "Program", shown: ClassNode) -> dict[str, tuple[FunctionNode, int]]:
    """Return the fields that the class and its bases make by a call: the body, and the call."""
    found: dict[str, tuple[FunctionNode, int]] = {}
    for node in program.types.classes.project_order(shown):
        for name, binds in node.body.binds.items():
            value = binds[-1].value
            if name not in found and isinstance(value, t.CallRef):
                found[name] = (node.body, value.index)
    return found


def _names(program: "Program", words: Answers, shown: ClassNode) -> list[str] | None:
    """Return the names of the fields that are shown, or None where they are not written out."""
    for node in program.types.classes.project_order(shown):
        given = attribute_value(node, words.fields)
        if given is None:
            continue
        value = given[1]
        if not isinstance(value, t.Seq):
            return None
        texts = [item.value for item in value.items if isinstance(item, t.Const)]
        names = [text for text in texts if isinstance(text, str)]
        return names if len(names) == len(value.items) else None
    return list(declared_fields(program, shown))


def _cost_of_name(
    program: "Program", costs: Costs, shown: ClassNode, row: ClassNode, name: str
) -> Cost:
    """Return what a field costs that is only named: keys of other rows are in the row itself."""
    relation = program.schema.relation(row, name)
    if relation is not None and not relation.many:
        return ZERO
    return cost_of_path(program, costs, row, (name,), shown.location)


def _cost_of_field(
    program: "Program",
    costs: Costs,
    words: Answers,
    shown: ClassNode,
    row: ClassNode,
    name: str,
    made: tuple[FunctionNode, int],
    nesting: int,
) -> Cost:
    body, index = made
    call = body.facts.calls[index]
    place = body.place(call)
    source = argument(call, words.source)
    path: tuple[str, ...] = (name,)
    if isinstance(source, t.Const) and isinstance(source.value, str):
        path = tuple(source.value.split("."))
    callee = program.types.call(body, index).callee
    flags = set(flags_of_call(program, body, index))
    if isinstance(callee, ClassType) and not flags:
        if path == ("*",):
            return cost_of_shown(program, costs, words, callee.node, row, nesting - 1)
        target, many = _reached(program, row, path)
        total = cost_of_path(program, costs, row, path, place)
        if target is None:
            return total
        below = cost_of_shown(program, costs, words, callee.node, target, nesting - 1)
        for step in reversed(path):
            below = beneath(below, step, place, many=many and step == path[-1])
        return total + below
    if "shows-method" in flags:
        method = method_behind(program, words, shown, name, call)
        if method is None:
            return ZERO.at_least()
        return cost_of_method(costs, method, (), place, AFTER_SELF)
    if "shows-key" in flags:
        target, many = _reached(program, row, path)
        return cost_of_path(program, costs, row, path if many else path[:-1], place)
    total = cost_of_path(program, costs, row, path, place)
    if "shows-text" in flags:
        total = total + _cost_of_text(program, costs, row, path, call, body)
    return total


def _cost_of_text(
    program: "Program",
    costs: Costs,
    row: ClassNode,
    path: tuple[str, ...],
    call: t.Call,
    body: FunctionNode,
) -> Cost:
    """Return what the text of the row at the end of a path costs."""
    target, many = _reached(program, row, path)
    method = None if target is None else program.types.classes.method(target, "__str__")
    if method is None:
        return ZERO
    place = body.place(call)
    found = cost_of_method(costs, method, path, place)
    return found.times(path[-1], place) if many else found


def method_behind(
    program: "Program", words: Answers, shown: ClassNode, name: str, call: t.Call
) -> FunctionNode | None:
    given = argument(call, "0|method_name")
    named = words.method.replace("{name}", name)
    if isinstance(given, t.Const) and isinstance(given.value, str):
        named = given.value
    return program.types.classes.method(shown, named)


def _reached(
    program: "Program", row: ClassNode, path: tuple[str, ...]
) -> tuple[ClassNode | None, bool]:
    """Return the class of the rows at the end of a path of relations, and if there are many."""
    node: ClassNode | None = row
    many = False
    for name in path:
        relation = None if node is None else program.schema.relation(node, name)
        if relation is None:
            return None, False
        node, many = relation.target, many or relation.many
    return node, many


def flags_of_call(program: "Program", body: FunctionNode, index: int) -> Iterator[str]:
    """Yield what the library says of the class that a call makes a field of, or of its bases."""
    resolved = program.types.call(body, index)
    for target in resolved.targets:
        if target.behaviour is not None:
            yield from target.behaviour.flags
    if isinstance(resolved.callee, ClassType):
        for path in program.types.classes.library_bases(resolved.callee.node):
            behaviour = program.libraries.function(path)
            if behaviour is not None:
                yield from behaviour.flags
