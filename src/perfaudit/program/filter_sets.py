"""What requests may compare the rows of a view by, where a library reads it off its class."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables_vocabulary import path_of, text
from perfaudit.program.values import ClassType, Type
from perfaudit.program.view_costs import class_attribute

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class Filter(NamedTuple):
    """A look-up by keyword that a request may ask for, and where that is said."""

    lookup: str
    place: Location


def has_backend(
    program: "Program", words: Answers, view: ClassNode, wanted: dict[str, str]
) -> bool:
    """Return whether a view, or else the settings, name one of some classes that narrow rows."""
    for attribute, path in wanted.items():
        found = class_attribute(program, view, attribute)
        if found is None:
            if _is_default(program, words, path):
                return True
        elif isinstance(found[1], t.Seq) and any(
            _is_of(program, program.types.evaluate(found[0], item, AT_END), path)
            for item in found[1].items
        ):
            return True
    return False


def _is_of(program: "Program", value: Type, path: str) -> bool:
    if isinstance(value, ClassType):
        return path in program.types.classes.ancestors(value.node)
    return path_of(program.types, value) == path


def _is_default(program: "Program", words: Answers, path: str) -> bool:
    """Return whether the settings name a class for all views that say nothing themselves."""
    setting, _, key = words.default_backends.partition(".")
    for file in program.files:
        for bind in file.body.binds.get(setting, ()):
            if not isinstance(bind.value, t.Mapping):
                continue
            for name, held in zip(bind.value.keys, bind.value.values, strict=True):
                if isinstance(name, t.Const) and name.value == key and isinstance(held, t.Seq):
                    named = [text(item) for item in held.items]
                    if any(each and program.libraries.canonical(each) == path for each in named):
                        return True
    return False


def filters_of(program: "Program", words: Answers, view: ClassNode) -> Iterator[Filter]:
    """Yield the look-ups that the library lets requests ask for, of a view and its filter set."""
    if not has_backend(program, words, view, words.filterers):
        return
    for attribute in words.filter_sets:
        found = class_attribute(program, view, attribute)
        if found is None:
            continue
        value = program.types.evaluate(*found, AT_END)
        if isinstance(value, ClassType):
            yield from _of_set(program, words, value.node)
        # A view has one or the other.
        return
    for attribute in words.filtered:
        given = class_attribute(program, view, attribute)
        if given is not None:
            yield from _listed(*given)


def _of_set(program: "Program", words: Answers, node: ClassNode) -> Iterator[Filter]:
    own: set[str] = set()
    for owner in program.types.classes.project_order(node):
        for name, binds in owner.body.binds.items():
            value = binds[-1].value
            if name in own or not isinstance(value, t.CallRef):
                continue
            own.add(name)
            call = owner.body.facts.calls[value.index]
            if argument(call, words.filter_method) is None:
                column = text(argument(call, words.filter_column)) or name
                lookup = argument(call, words.filter_lookup)
                ending = "exact" if lookup is None else text(lookup)
                if ending:
                    yield Filter(f"{column}__{ending}", owner.body.place(call))
    listed = class_attribute(program, node, words.filter_fields)
    if listed is not None:
        for each in _listed(*listed):
            if each.lookup.partition("__")[0] not in own:
                yield each


def _listed(scope: FunctionNode, value: t.Expr) -> Iterator[Filter]:
    """Yield the look-ups of a list of columns, or of the look-ups by their columns."""
    place = _place(scope, value)
    if isinstance(value, t.Seq):
        for item in value.items:
            name = text(item)
            if name:
                yield Filter(f"{name}__exact", place)
    elif isinstance(value, t.Mapping):
        for key, held in zip(value.keys, value.values, strict=True):
            name = text(key)
            for item in held.items if name and isinstance(held, t.Seq) else ():
                ending = text(item)
                if ending:
                    yield Filter(f"{name}__{ending}", place)


def _place(scope: FunctionNode, value: t.Expr) -> Location:
    for binds in scope.binds.values():
        for bind in binds:
            if bind.value is value:
                return Location(scope.file.path, bind.line, bind.column)
    return Location(scope.file.path, scope.facts.line)
