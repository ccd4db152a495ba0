"""The relations between table classes: where they lead, and what reading one gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.libraries.types import TypeExpr
from perfaudit.program.expressions import argument, is_dotted
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables import Column, Relation
from perfaudit.program.tables_columns import app_label, option
from perfaudit.program.tables_orm import Field, is_unseen
from perfaudit.program.tables_vocabulary import (
    Vocabulary,
    attribute_value,
    called,
    constant,
    library_lineage,
    meaning_of,
    path_of,
    text,
)
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    Type,
    Unknown,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

UNKNOWN_TARGET = Unknown("relation to an unknown table")
SELF = frozenset({"self", "this"})
MANY = frozenset({"one_to_many", "many_to_many"})
MIRRORED = {
    "many_to_one": "one_to_many",
    "one_to_many": "many_to_one",
    "one_to_one": "one_to_one",
    "many_to_many": "many_to_many",
}
SEQUENCES = frozenset(
    {
        "list",
        "List",
        "set",
        "Set",
        "Sequence",
        "Collection",
        "Iterable",
        "MutableSequence",
        "dict",
        "Dict",
        "Mapping",
    }
)
TRANSPARENT = frozenset(
    {"Optional", "Annotated", "Union", "ForeignKeyRelation", "OneToOneRelation"}
)


@dataclass(frozen=True, slots=True)
class Registry:
    """The table classes, as relations look for them. ``names`` are those of their tables.

    ``swapped``: classes of the project that a setting puts in the place of a library's.
    """

    by_name: dict[str, list[ClassNode]]
    names: dict[ClassNode, str]
    columns: dict[ClassNode, dict[str, Column]]
    settings: dict[str, str]
    swapped: dict[str, ClassNode]


def registry(
    types: "Types",
    words: Vocabulary,
    names: dict[ClassNode, str],
    columns: dict[ClassNode, dict[str, Column]],
) -> Registry:
    """Return the table classes by name, and the settings that name one."""
    by_name: dict[str, list[ClassNode]] = {}
    for node in names:
        by_name.setdefault(node.name, []).append(node)
    settings: dict[str, str] = {}
    for file in types.modules.files:
        if is_unseen(file):
            continue
        for name in words.setting_targets:
            for bind in file.body.binds.get(name, ()):
                given = text(bind.value)
                if given:
                    settings.setdefault(name, given)
    known = Registry(by_name, names, columns, settings, {})
    for name, given in settings.items():
        chosen = _nearest(by_name, given)
        if chosen is not None:
            known.swapped[words.setting_targets[name]] = chosen
    return known


def _nearest(by_name: dict[str, list[ClassNode]], setting: str) -> ClassNode | None:
    """Return the class that a setting names as ``app.Class``."""
    prefix, _, name = setting.rpartition(".")
    found = [node for node in by_name.get(name, []) if not is_unseen(node.file)]
    of_app = [node for node in found if app_label(node) == prefix.rpartition(".")[2].lower()]
    return of_app[0] if len(of_app) == 1 else found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Target:
    """The other side of a relation: a project class, or an object of a library's class."""

    node: ClassNode | None
    value: Type


NO_TARGET = Target(None, UNKNOWN_TARGET)


def relation_of(
    types: "Types", words: Vocabulary, known: Registry, node: ClassNode, found: Field
) -> Relation:
    """Return a relation as its field declares it on a class that has or inherits the field."""
    shape, named = _annotation_shape(found.annotation)
    target = _target(types, words, known, node, found, named)
    kind = _kind(known, node, found, shape, target.node)
    loading = _loading(types, words, found)
    many = kind in MANY
    read = _read_by(known, node, found)
    return Relation(
        name=found.name,
        kind=kind,
        target=target.node,
        many=many,
        lazy=loading,
        column=None if read else _key_column(known, node, found, kind, target.node),
        beside=read,
        reverse=False,
        location=found.location,
        value=_value(types, found.declaration, target, kind, loading),
        private=found.kind is not None and found.kind.private,
    )


def _annotation_shape(annotation: t.Expr | None) -> tuple[str, t.Expr | None]:
    """Return many, one or an empty text, and the class that an annotation names."""
    match annotation:
        case t.Name() | t.Attr():
            return "one", annotation
        case t.Binary(operator="BitOr", left=left, right=right):
            return _annotation_shape(left if not _is_none(left) else right)
        case t.Item(base=base, key=key):
            name = base.name if isinstance(base, t.Attr) else getattr(base, "id", "")
            items = key.items if isinstance(key, t.Seq) else (key,)
            if name in TRANSPARENT:
                inner = next((item for item in items if not _is_none(item)), None)
                return _annotation_shape(inner)
            if name in SEQUENCES and items:
                return "many", _annotation_shape(items[-1])[1]
    return "", None


def _is_none(value: t.Expr) -> bool:
    return isinstance(value, t.Const) and value.kind == "NoneType"


def _target(
    types: "Types",
    words: Vocabulary,
    known: Registry,
    node: ClassNode,
    found: Field,
    named: t.Expr | None,
) -> Target:
    given = None
    if found.calls and found.kind is not None:
        given = argument(found.calls[0][1], found.kind.to)
    if given is not None:
        return _class_in(types, words, known, node, found.scope, given)
    if named is not None:
        return _class_in(types, words, known, node, found.annotation_scope, named)
    return NO_TARGET


def _class_in(
    types: "Types",
    words: Vocabulary,
    known: Registry,
    node: ClassNode,
    scope: FunctionNode,
    value: t.Expr,
) -> Target:
    name = text(value)
    if name is not None:
        return _of_name(words, known, node, name)
    if isinstance(value, t.CallRef):
        return _returned(types, known, scope, scope.facts.calls[value.index])
    if isinstance(value, t.Lambda):
        inner = scope.file.functions[value.function]
        for result in inner.facts.results:
            if result.value is not None:
                return _class_in(types, words, known, node, inner, result.value)
        return NO_TARGET
    last = value.name if isinstance(value, t.Attr) else getattr(value, "id", "")
    if last in words.setting_targets:
        return _of_library(types, known, words.setting_targets[last])
    if not is_dotted(value):
        return NO_TARGET
    match meaning_of(types, scope, value, AT_END):
        case ClassType(node=target):
            return _of_node(target)
        case LibrarySymbol(path=path) if types.libraries.type(path) is not None:
            return _of_library(types, known, path)
        case LibraryInstance(path="builtins.str"):
            return _of_name(words, known, node, _constant(scope, value))
    # A name that only an ORM's own registry of classes knows.
    return _of_name(words, known, node, last)


def _returned(types: "Types", known: Registry, scope: FunctionNode, call: t.Call) -> Target:
    """Return the class that a function of a library gives, such as the one that a setting names."""
    behaviour = types.libraries.function(path_of(types, called(types, scope, call)))
    if behaviour is not None and behaviour.returns is not None:
        given = types.instantiate(behaviour.returns)
        if isinstance(given, LibrarySymbol):
            return _of_library(types, known, given.path)
    return NO_TARGET


def _of_library(types: "Types", known: Registry, path: str) -> Target:
    canonical = types.libraries.canonical(path)
    swapped = known.swapped.get(canonical)
    return _of_node(swapped) if swapped is not None else Target(None, LibraryInstance(canonical))


def _of_name(words: Vocabulary, known: Registry, node: ClassNode, name: str) -> Target:
    found = _named(known, node, name)
    label, _, last = name.rpartition(".")
    if found is None and label:
        for path in words.setting_targets.values():
            if path.endswith("." + last) and f".{label}." in path:
                return Target(None, LibraryInstance(path))
    return _of_node(found)


def _constant(scope: FunctionNode, value: t.Expr) -> str:
    binds = scope.file.body.binds.get(value.id, []) if isinstance(value, t.Name) else []
    return (text(binds[-1].value) if binds else None) or ""


def _of_node(node: ClassNode | None) -> Target:
    return Target(node, Instance(node)) if node is not None else NO_TARGET


def _named(known: Registry, node: ClassNode, name: str) -> ClassNode | None:
    """Return the table class that a text names: ``Class``, ``app.Class``, a path or ``self``."""
    if name in SELF:
        return node
    prefix, _, last = name.rpartition(".")
    found = known.by_name.get(last, [])
    if not is_unseen(node.file):
        found = [item for item in found if not is_unseen(item.file)] or found
    for chosen in _narrowed(found, node, prefix):
        if len(chosen) == 1:
            return chosen[0]
    return None


def _narrowed(found: list[ClassNode], node: ClassNode, prefix: str) -> Iterator[list[ClassNode]]:
    """Yield candidates, ever more freely chosen: by what stands before the dot, near, all."""
    if prefix:
        yield [
            item
            for item in found
            if item.file.module == prefix or item.file.module.endswith("." + prefix)
        ]
        label = prefix.rpartition(".")[2].lower()
        yield [item for item in found if app_label(item) == label]
    else:
        yield [item for item in found if item.file is node.file]
        yield [item for item in found if app_label(item) == app_label(node)]
    yield found
    top = node.file.path.partition("/")[0]
    yield [item for item in found if item.file.path.partition("/")[0] == top]


def _kind(
    known: Registry, node: ClassNode, found: Field, shape: str, target: ClassNode | None
) -> str:
    kind = found.kind.relation if found.kind is not None else "annotation"
    if kind not in ("annotation", "argument"):
        return kind
    if option(found, "secondary") is not None:
        return "many_to_many"
    many = constant(option(found, "many"))
    if shape == "many" or many is True or found.loading == "dynamic":
        return "one_to_many"
    if shape == "one" or many is False:
        own = target is not None and _key_to(known, node, target) is not None
        return "many_to_one" if own or shape == "one" else "one_to_one"
    if option(found, "remote") is not None:
        return "many_to_one"
    if target is None:
        return "unknown"
    if target is node:
        return "one_to_many"
    if _key_to(known, node, target) is not None:
        return "many_to_one"
    return "one_to_many" if _key_to(known, target, node) is not None else "unknown"


def _key_to(known: Registry, node: ClassNode, target: ClassNode) -> str | None:
    """Return the attribute of a class with a foreign key to the table of another."""
    table = known.names.get(target)
    if not table:
        return None
    for attribute, column in known.columns.get(node, {}).items():
        referred = column.references.rpartition(".")[0] or column.references
        if referred == table or referred.rpartition(".")[2] == table:
            return attribute
    return None


def _key_column(
    known: Registry, node: ClassNode, found: Field, kind: str, target: ClassNode | None
) -> str | None:
    if kind not in ("many_to_one", "one_to_one"):
        return None
    if found.declaration.relation_column:
        return found.declaration.relation_column.replace("{name}", found.name)
    guessed = f"{found.name}_id"
    columns = known.columns.get(node, {})
    if guessed in columns and columns[guessed].references:
        return guessed
    return _key_to(known, node, target) if target is not None else None


def _read_by(known: Registry, node: ClassNode, found: Field) -> tuple[str, ...]:
    """Return the attributes that a relation reads, where its arguments or defaults name them."""
    if found.kind is None or not found.calls:
        return ()
    pattern = found.declaration.relation_column or "{name}"
    columns = known.columns.get(node, {})
    read = []
    for default, spec in found.kind.keys.items():
        name = text(argument(found.calls[0][1], spec)) or default
        read.append(name if name in columns else pattern.replace("{name}", name))
    return tuple(read)


def _loading(types: "Types", words: Vocabulary, found: Field) -> str:
    if found.kind is None or not found.calls:
        return found.loading
    call = found.calls[0][1]
    return (
        _loading_argument(found.declaration, argument(call, found.kind.lazy_argument))
        or found.loading
    )


def _loading_argument(declaration: Declaration, given: t.Expr | None) -> str | None:
    if isinstance(given, t.Mapping):
        for key, value in zip(given.keys, given.values, strict=False):
            if text(key) == "lazy":
                return _loading_argument(declaration, value)
        return None
    if given is None:
        return None
    if not isinstance(given, t.Const):
        return "unknown"
    return declaration.loading.get(str(given.value), "unknown")


def _value(
    types: "Types", declaration: Declaration, target: Target, kind: str, loading: str
) -> Type:
    if kind not in MANY:
        return target.value if kind != "unknown" else Unknown("relation of an unknown kind")
    if loading == "dynamic" and declaration.dynamic_type is not None:
        return _many(types, declaration.dynamic_type, target.value)
    if (
        target.node is not None
        and declaration.default_manager
        and declaration.many_type is not None
    ):
        manager = _default_manager(types, declaration, target.node)
        if manager is not None:
            return manager
    if declaration.many_type is None:
        return Unknown("relation of a library that does not say")
    return _many(types, declaration.many_type, target.value)


def _many(types: "Types", expression: TypeExpr, element: Type) -> Type:
    return types.instantiate(expression, receiver=LibraryInstance("builtins.list", (element,)))


def _default_manager(types: "Types", declaration: Declaration, target: ClassNode) -> Type | None:
    """Return the manager of a table class, bound to it: its own, or that of a library's base."""
    for owner in types.classes.project_order(target):
        binds = owner.body.binds.get(declaration.default_manager)
        if not binds:
            continue
        made = types.bound(owner.body, binds[-1])
        if isinstance(made, Instance) and any(library_lineage(types, made.node)):
            return Instance(made.node, (Instance(target),))
        return _library_manager(types, declaration, made, target)
    for path in types.classes.library_bases(target):
        given = types.libraries.class_attribute(path, declaration.default_manager)
        if given is not None:
            made = types.instantiate(given, receiver=Instance(target))
            return _library_manager(types, declaration, made, target)
    return None


def _library_manager(
    types: "Types", declaration: Declaration, made: Type, target: ClassNode
) -> Type | None:
    """Return a manager of a library, where it does all that those of the ORM do, bound to rows."""
    usual = declaration.many_type
    if usual is None or not isinstance(made, LibraryInstance):
        return None
    if not types.libraries.is_subtype(made.path, usual.name):
        return None
    return LibraryInstance(made.path, (Instance(target),))


def reverse_of(
    types: "Types", known: Registry, node: ClassNode, found: Field, relation: Relation
) -> Relation | None:
    """Return the relation that the target of one gets, or None where it gets none.

    The target may be a library's class.
    """
    target = relation.target
    if found.kind is None or not found.calls:
        return None
    if target is None and not (
        relation.kind in ("many_to_one", "one_to_one")
        and isinstance(relation.value, LibraryInstance)
    ):
        return None
    name, loading = _reverse_name(node, found, relation)
    if not name:
        return None
    kind = MIRRORED.get(relation.kind, "unknown")
    return Relation(
        name=name,
        kind=kind,
        target=node,
        many=kind in MANY,
        lazy=loading,
        column=_key_to(known, target, node) if target and kind == "many_to_one" else None,
        reverse=True,
        location=relation.location,
        value=_value(types, found.declaration, Target(node, Instance(node)), kind, loading),
        inverse=relation.name,
        in_conditions=_name_in_conditions(node, found, name),
    )


def _name_in_conditions(node: ClassNode, found: Field, name: str) -> str:
    """Return what conditions call a reverse relation; empty where they use its own name."""
    declaration, own = found.declaration, node.name.lower()
    chosen = text(option(found, "in_conditions"))
    if chosen:
        return chosen
    if name != declaration.reverse_default.replace("{name}", own):
        return ""
    return declaration.reverse_condition.replace("{name}", own)


def _reverse_name(node: ClassNode, found: Field, relation: Relation) -> tuple[str, str]:
    """Return the name of a reverse relation, empty for none, and how it loads."""
    if found.kind is None:
        return "", "lazy"
    given = argument(found.calls[0][1], found.kind.reverse_argument)
    name = text(given)
    if name is not None:
        name = name.replace("%(class)s", node.name.lower()).replace(
            "%(app_label)s", app_label(node)
        )
        return ("" if name.endswith("+") else name), "lazy"
    if isinstance(given, t.CallRef):
        call = found.scope.facts.calls[given.index]
        loading = _loading_argument(found.declaration, argument(call, found.kind.lazy_argument))
        return text(argument(call, "0")) or "", loading or "lazy"
    if isinstance(given, t.Const) and given.value is None:
        given = None
    if (
        given is not None
        or not found.kind.reverse_argument
        or not found.declaration.reverse_default
    ):
        return "", "lazy"
    if relation.kind == "many_to_many" and relation.target is node:
        # A relation of a class to itself goes both ways by one name.
        return "", "lazy"
    name = node.name.lower()
    if relation.kind == "one_to_one":
        return name, "lazy"
    default = attribute_value(node, "Meta.default_related_name")
    return (text(default[1]) if default else None) or found.declaration.reverse_default.replace(
        "{name}", name
    ), "lazy"
