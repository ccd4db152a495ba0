"""Rows that are handed to a class that shows them, or is filled from them."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class
from perfaudit.program.row_costs import shown_class
from perfaudit.program.showings import maker_of
from perfaudit.program.shown_classes import classes_of, shown_of_view, shows, told_by_decorator
from perfaudit.program.shown_columns import Shown, fields_given, filled_from, shown_by
from perfaudit.program.values import ClassType, Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.endpoints import Endpoint
    from perfaudit.program.program import Program

FOR_VIEW = "shows-for-view"
ROW_ARGUMENTS = frozenset({"0", "instance", "obj"})
PLAIN_ARGUMENTS = frozenset({"instance", "context", "read_only", "required", "many", "source"})
"""Arguments of a class that shows rows which leave its fields alone, and save nothing."""

__all__ = ["Shown", "answered", "handed"]


def handed(
    program: "Program", scope: FunctionNode, index: int, spec: str, row: ClassNode | None
) -> Shown | None:
    """Return what is read of rows that a call hands to a class; None where that is not known."""
    call = scope.facts.calls[index]
    found = [
        known
        for known in (
            _filled(program, scope, index, call, spec),
            _shown(program, scope, index, call, spec, row),
            _dumped(program, scope, call, spec, row),
            _copied(program, scope, index, call, spec, row),
        )
        if known is not None
    ]
    return found[0] if len(found) == 1 else None


def _filled(
    program: "Program", scope: FunctionNode, index: int, call: t.Call, spec: str
) -> Shown | None:
    for words in program.libraries.answers:
        if not words.filled:
            continue
        if spec == "**":
            made = program.types.call(scope, index).callee
            if isinstance(made, ClassType):
                return filled_from(program, words, made.node)
            return None
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in words.fills and spec in ROW_ARGUMENTS:
            owner = program.types.evaluate(scope, callee.base, (call.sequence, call.context))
            if isinstance(owner, ClassType):
                return filled_from(program, words, owner.node)
    return None


def _shown(
    program: "Program",
    scope: FunctionNode,
    index: int,
    call: t.Call,
    spec: str,
    row: ClassNode | None,
) -> Shown | None:
    if spec not in ROW_ARGUMENTS or any(name not in PLAIN_ARGUMENTS for name, _ in call.keywords):
        return None
    resolved = program.types.call(scope, index)
    for words in program.libraries.answers:
        if not words.showing:
            continue
        nodes = [
            option.node
            for option in options_of(resolved.callee)
            if isinstance(option, ClassType) and shows(program, words, option.node)
        ]
        view = enclosing_class(scope)
        if view is not None and resolved.has_flag(FOR_VIEW):
            told = told_by_decorator(program, words, scope)
            action = "" if scope.owner is None else scope.name
            nodes = (
                list(classes_of(program, words, told))
                if told is not None
                else [node for node, _ in shown_of_view(program, words, view, action)]
            )
        if nodes:
            return _together([shown_by(program, words, node, row) for node in nodes])
    return None


def _dumped(
    program: "Program", scope: FunctionNode, call: t.Call, spec: str, row: ClassNode | None
) -> Shown | None:
    """Return what an object reads of the rows that one of its methods is given to show."""
    callee = call.callee
    if spec not in ROW_ARGUMENTS or not isinstance(callee, t.Attr):
        return None
    at = (call.sequence, call.context)
    for words in program.libraries.answers:
        if callee.name not in words.dumps or any(name != words.many for name, _ in call.keywords):
            continue
        shown = [
            option.node
            for option in options_of(program.types.evaluate(scope, callee.base, at))
            if isinstance(option, Instance) and shows(program, words, option.node)
        ]
        made = maker_of(program, scope, callee.base, at)
        if len(shown) != 1 or made is None or made.arguments:
            continue
        fields = fields_given(made, words.only, words.without)
        plain = {words.many, words.only, words.without}
        if fields is not None and all(name in plain for name, _ in made.keywords):
            return shown_by(program, words, shown[0], row, fields=fields)
    return None


def _copied(
    program: "Program",
    scope: FunctionNode,
    index: int,
    call: t.Call,
    spec: str,
    row: ClassNode | None,
) -> Shown | None:
    """Return what a function reads of rows that makes plain values of them."""
    targets = program.types.call(scope, index).targets
    if len(targets) != 1 or row is None:
        return None
    for words in program.libraries.answers:
        copy = words.copies.get(targets[0].name)
        if copy is None or spec not in copy.rows.split("|"):
            continue
        fields = fields_given(call, copy.fields, copy.exclude)
        table = program.schema.table_of(row)
        if fields is not None and table is not None:
            # The key of a relation is meant by the name of either.
            keys = {
                key
                for relation in program.schema.relations_of(row).values()
                for key in relation.keys
                if fields.takes(relation.name)
            }
            taken = [name for name in table.columns if name in keys or fields.takes(name)]
            return Shown(tuple((name,) for name in taken), ())
    return None


def _together(found: list[Shown | None]) -> Shown | None:
    known = [item for item in found if item is not None]
    if len(known) < len(found):
        return None
    return Shown(
        tuple(dict.fromkeys(path for item in known for path in item.paths)),
        tuple(dict.fromkeys(method for item in known for method in item.methods)),
    )


def answered(
    program: "Program", endpoints: tuple["Endpoint", ...], function: FunctionNode
) -> Shown | None:
    """Return what is read of rows that a handler returns, as its declared answers say."""
    found: list[Shown | None] = []
    for endpoint in endpoints:
        if function in endpoint.dependencies:
            return None
        if endpoint.handler is not function:
            continue
        declared = endpoint.response_model
        shown = None if declared is None else shown_class(declared)
        if shown is None or program.schema.table_of(shown) is not None:
            return None
        found += [
            filled_from(program, words, shown)
            for words in program.libraries.answers
            if words.filled
        ]
    return _together(found) if found else None
