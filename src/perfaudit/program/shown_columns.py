"""Which attributes of a row a class reads that shows it, or that is filled from it."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.class_values import texts_of
from perfaudit.program.decorators import decorator_behaviours, decorators_of
from perfaudit.program.expressions import argument
from perfaudit.program.language_calls import SUPER, called_above, calls_above
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_costs import annotated_fields
from perfaudit.program.shown_classes import shows
from perfaudit.program.shown_fields import ALL, declared_fields, flags_of_call, method_behind
from perfaudit.program.tables_vocabulary import attribute_value, text
from perfaudit.program.values import ClassType, External, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_NESTING = 4
OF_ROW = frozenset({"shows-function", "shows-links"})
"""Flags of fields that take of the row what a function or a text says."""
OWN_WAYS = frozenset({"__init__", "__new__", "get_fields", "get_field_names", "many_init"})
"""Methods by which a class may choose its fields when it runs."""
FIELD_WORDS = frozenset({"fields", "only", "exclude", "declared_fields"})
SEES_ROWS = "sees-rows"
RENAMING = frozenset({"alias", "validation_alias"})
"""Arguments of a field that say from where it is filled."""
FIRST_CHANGES = frozenset({"model_validator", "root_validator"})
"""Decorators of methods that see the whole of what a class is filled from."""
OPEN_SETTINGS = frozenset({"model_config", "Config"})
"""Names in a class that may say that it keeps all that it is given."""


class Shown(NamedTuple):
    """What is read of a row: paths of attributes, and methods that are given it after self."""

    paths: tuple[tuple[str, ...], ...]
    methods: tuple[FunctionNode, ...]


class Fields(NamedTuple):
    """The names of fields that are meant, all where these are None, but for some."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def takes(self, name: str) -> bool:
        """Return whether a field is among those that are meant."""
        return name not in self.without and (self.only is None or name in self.only)


ALL_FIELDS = Fields()


def fields_given(call: t.Call, only: str, without: str) -> Fields | None:
    """Return which fields the arguments of a call name; None where that is not written out."""
    named: list[frozenset[str] | None] = []
    for spec in (only, without):
        value = argument(call, spec or None)
        found = None if value is None else _texts(value)
        if value is not None and found is None:
            return None
        named.append(found)
    return Fields(named[0], named[1] or frozenset())


def _texts(value: t.Expr | None) -> frozenset[str] | None:
    """Return the words that a display holds: of dotted ones the first, which is a field."""
    if not isinstance(value, t.Seq):
        return None
    found = [text(item) for item in value.items]
    return None if None in found else frozenset(each.split(".")[0] for each in found if each)


def filled_from(program: "Program", words: Answers, filled: ClassNode) -> Shown | None:
    """Return what filling the annotated fields of a class reads, or None where that is not known.

    Fields that are renamed, and classes that change what they are given, are not.
    """
    classes = program.types.classes
    known = {*words.filled, "typing.Generic", "abc.ABC"}
    bases = classes.library_bases(filled)
    if not set(bases) & set(words.filled) or not set(bases) <= known:
        return None
    if any(isinstance(item, Unknown | External) for item in classes.order(filled)):
        return None
    for node in classes.project_order(filled):
        if not node.methods.keys().isdisjoint((*words.fills, "__init__", "__new__")):
            return None
        if any(_names_one_of(method, FIRST_CHANGES) for method in node.methods.values()):
            return None
        if any(_keeps_all(node, name) for name in OPEN_SETTINGS):
            return None
        for binds in node.body.binds.values():
            value = binds[-1].value
            if isinstance(value, t.CallRef) and any(
                name in RENAMING for name, _ in node.body.facts.calls[value.index].keywords
            ):
                return None
    names = annotated_fields(program, filled)
    return Shown(tuple((name,) for name in names), ()) if names else None


def _keeps_all(node: ClassNode, name: str) -> bool:
    """Return whether a setting of a class may say more than that attributes are read."""
    if name in node.body.inner_classes:
        inner = node.body.inner_classes[name][-1].body
        return not inner.binds.keys() <= {"orm_mode", "from_attributes", "json_encoders", "title"}
    for bind in node.body.binds.get(name, ()):
        if isinstance(bind.value, t.CallRef):
            given = node.body.facts.calls[bind.value.index].keywords
            if any(key in ("extra", "alias_generator", "**") for key, _ in given):
                return True
        elif isinstance(bind.value, t.Mapping):
            keys = [key.value if isinstance(key, t.Const) else None for key in bind.value.keys]
            if not set(keys) <= {"from_attributes", "title", "frozen"}:
                return True
        else:
            return True
    return False


def _names_one_of(method: FunctionNode, names: frozenset[str]) -> bool:
    scope = method.parent
    for decorator in method.facts.decorators:
        found: t.Expr = decorator
        if isinstance(found, t.CallRef) and scope is not None:
            found = scope.facts.calls[found.index].callee
        name = found.name if isinstance(found, t.Attr) else getattr(found, "id", "")
        if name in names:
            return True
    return False


def shown_by(
    program: "Program",
    words: Answers,
    shown: ClassNode,
    row: ClassNode | None,
    nesting: int = MAX_NESTING,
    fields: Fields = ALL_FIELDS,
) -> Shown | None:
    """Return what a class reads of each row that it shows, or None where that is not known."""
    classes = program.types.classes
    if nesting == 0 or classes.is_open(shown):
        return None
    if any(
        _chooses(node) or attribute_value(node, words.lists)
        for node in classes.project_order(shown)
    ):
        return None
    if words.dumps and _sees_rows(program, shown):
        return None
    whole = classes.method(shown, words.whole)
    methods = (whole,) if whole is not None else ()
    if whole is not None and not calls_above(whole):
        return Shown((), methods)
    declared = declared_fields(program, shown)
    names = _names(program, words, shown, row, list(declared))
    if names is None:
        return None
    found = Shown((), methods)
    for name in filter(fields.takes, names):
        read: Shown | None = Shown(((name,),), ())
        if name in declared:
            read = _field(program, words, shown, row, name, declared[name], nesting)
        if read is None:
            return None
        found = Shown((*found.paths, *read.paths), (*found.methods, *read.methods))
    return found


def _chooses(node: ClassNode) -> bool:
    """Return whether a class may choose its fields when it runs.

    A constructor that only keeps what it is given, and hands the rest on, does not.
    """
    if not node.methods.keys().isdisjoint(OWN_WAYS - {"__init__"}):
        return True
    made = node.methods.get("__init__")
    if made is None:
        return False
    keeps = all(
        isinstance(bind.target, t.Attr)
        and isinstance(bind.value, t.Name)
        and bind.target.name == bind.value.id
        and bind.target.name not in FIELD_WORDS
        for bind in made.facts.binds
        if bind.kind in ("assign", "annotated")
    )
    others = [call for call in made.facts.calls if not _is_above(made, call)]
    return not keeps or bool(others)


def _is_above(made: FunctionNode, call: t.Call) -> bool:
    """Return whether a call is that of the constructor above, with what the class is given."""
    if call.callee == SUPER:
        return True
    return (
        called_above(made, call) == "__init__"
        and all(isinstance(given, t.Star) for given in call.arguments)
        and all(name == "**" for name, _ in call.keywords)
    )


def _sees_rows(program: "Program", shown: ClassNode) -> bool:
    """Return whether a method is given the rows before they are shown."""
    methods = [
        method
        for node in program.types.classes.project_order(shown)
        for method in node.methods.values()
    ]
    return any(
        SEES_ROWS in behaviour.flags
        for method in methods
        for behaviour in decorator_behaviours(program.types, method)
    ) or any(
        name == "pass_original"
        for method in methods
        for _, call in decorators_of(program.types, method)
        if call is not None
        for name, _ in call.keywords
    )


def _names(
    program: "Program",
    words: Answers,
    shown: ClassNode,
    row: ClassNode | None,
    declared: list[str],
) -> list[str] | None:
    for node in program.types.classes.project_order(shown):
        given = attribute_value(node, words.fields)
        if given is not None:
            if isinstance(given[1], t.Const) and given[1].value == ALL:
                return _all_of(program, row, declared)
            return _written(program, given)
        left_out = attribute_value(node, words.exclude)
        if left_out is not None:
            gone, found = _written(program, left_out), _all_of(program, row, declared)
            if gone is None or found is None:
                return None
            return [name for name in found if name not in gone]
        if attribute_value(node, words.depth) is not None:
            return None
    if words.dumps and any(
        attribute_value(node, words.model) is not None
        for node in program.types.classes.project_order(shown)
    ):
        return _all_of(program, row, declared)
    return declared


def _all_of(program: "Program", row: ClassNode | None, declared: list[str]) -> list[str] | None:
    table = None if row is None else program.schema.table_of(row)
    if row is None or table is None:
        return None
    relations = program.schema.relations_of(row)
    own = [name for name, item in relations.items() if not item.reverse and not item.private]
    return list(dict.fromkeys([*declared, *table.columns, *own]))


def _written(program: "Program", given: tuple[FunctionNode, t.Expr]) -> list[str] | None:
    """Return the texts of a sequence, or None where some of them are not known."""
    scope, value = given
    if not isinstance(value, t.Seq):
        return None
    found: list[str] = []
    for item in value.items:
        texts = texts_of(program.types, scope, item, AT_END)
        if not texts:
            return None
        found.extend(texts)
    return found


def _field(
    program: "Program",
    words: Answers,
    shown: ClassNode,
    row: ClassNode | None,
    name: str,
    made: tuple[FunctionNode, int],
    nesting: int,
) -> Shown | None:
    """Return what a declared field reads of the row."""
    body, index = made
    call = body.facts.calls[index]
    flags = set(flags_of_call(program, body, index))
    if "shows-nothing" in flags:
        return Shown((), ())
    if not flags.isdisjoint(OF_ROW):
        return None
    if "shows-method" in flags:
        method = method_behind(program, words, shown, name, call)
        return None if method is None else Shown((), (method,))
    callee = program.types.call(body, index).callee
    if isinstance(callee, External | Unknown):
        return None
    source = argument(call, words.source)
    path: tuple[str, ...] = (name,)
    if source is not None:
        if not isinstance(source, t.Const) or not isinstance(source.value, str):
            return None
        path = tuple(source.value.split("."))
    if path != ("*",):
        own = isinstance(callee, ClassType) and not shows(program, words, callee.node)
        return None if own and _has_own_way(program, callee) else Shown((path,), ())
    if isinstance(callee, ClassType) and shows(program, words, callee.node):
        return shown_by(program, words, callee.node, row, nesting - 1)
    return None


def _has_own_way(program: "Program", callee: object) -> bool:
    """Return whether a field class of the project says itself what it takes of a row."""
    return isinstance(callee, ClassType) and (
        program.types.classes.method(callee.node, "get_attribute") is not None
    )
