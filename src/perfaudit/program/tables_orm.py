"""The classes that are tables, and the fields that they declare or inherit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import ColumnKind
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.tables_vocabulary import (
    Maker,
    Vocabulary,
    attribute_value,
    called,
    constant,
    library_lineage,
    maker_of,
    meaning_of,
    path_of,
)
from perfaudit.program.values import ClassType, External, FunctionType, Type

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


COPYING_ROLES = frozenset({Role.TEST, Role.MIGRATION})
"""Roles whose table classes are known, and are no tables of the program."""
MIGRATION_NAME = "down_revision"
"""A name that a migration script gives to the one before it, in whatever folder it lies."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column or relation as a class declares it.

    ``calls`` are the constructor and those inside it that say more, each with the library section
    that says what its arguments mean. ``annotation`` is the type without its wrapper; ``loading``
    what the wrapper says. ``is_plain``: only an annotation declares it, as in a data class.
    """

    name: str
    owner: ClassNode | None
    scope: FunctionNode
    declaration: Declaration
    kind: ColumnKind | None
    calls: tuple[tuple[Declaration, t.Call], ...]
    annotation: t.Expr | None
    annotation_scope: FunctionNode
    loading: str
    is_wrapped: bool
    is_custom: bool
    is_plain: bool
    location: Location

    @property
    def is_relation(self) -> bool:
        """Return whether it leads to another table."""
        return self.kind is not None and self.kind.relation != "none"


Fields = dict[str, Field | None]
"""Fields by attribute; None where the class takes an inherited field away."""


def find_table_classes(types: "Types", words: Vocabulary) -> dict[ClassNode, Declaration]:
    """Return the classes that a library makes tables of, bases included, in file order."""
    found: dict[ClassNode, Declaration] = {}
    for file in types.modules.files:
        for node in file.classes:
            if node.facts.bases or node.facts.decorators:
                declaration = _declaration_of(types, words, node)
                if declaration is not None and _has_keyword(node, declaration.table_keyword):
                    found[node] = declaration
    return found


def _declaration_of(types: "Types", words: Vocabulary, node: ClassNode) -> Declaration | None:
    for path in library_lineage(types, node):
        if path in words.bases:
            return words.bases[path]
    for item in types.classes.order(node):
        if isinstance(item, External) and item.origin.endswith("()"):
            maker = types.libraries.canonical(item.origin[:-2])
            if maker in words.base_makers:
                return words.base_makers[maker]
    for owner in types.classes.project_order(node):
        for decorator in owner.facts.decorators:
            maker = path_of(types, _decorator(types, owner.parent, decorator))
            if maker in words.base_makers:
                return words.base_makers[maker]
    return None


def _decorator(types: "Types", scope: FunctionNode, decorator: t.Expr) -> Type | None:
    if isinstance(decorator, t.CallRef):
        return called(types, scope, scope.facts.calls[decorator.index])
    return meaning_of(types, scope, decorator, AT_END)


def find_maker_bases(types: "Types", words: Vocabulary) -> tuple[ClassNode, ...]:
    """Return the class that a base maker inherits from; empty where there are several."""
    found: list[ClassNode] = []
    for file in types.modules.files:
        if is_unseen(file):
            continue
        for call in file.body.facts.calls:
            if not call.keywords:
                continue
            declaration = words.base_makers.get(path_of(types, called(types, file.body, call)))
            given = argument(call, declaration.base_argument) if declaration is not None else None
            if given is not None:
                base = meaning_of(types, file.body, given, AT_END)
                if isinstance(base, ClassType):
                    found.append(base.node)
    return tuple(found) if len(found) == 1 else ()


def _has_keyword(node: ClassNode, keyword: str) -> bool:
    return not keyword or any(
        name == keyword and constant(value) is True for name, value in node.facts.keywords
    )


def is_unseen(file: FileNode) -> bool:
    """Return whether table classes of a file only copy or stand in for those of the program."""
    return file.role in COPYING_ROLES or MIGRATION_NAME in file.body.binds


def is_abstract(node: ClassNode, declaration: Declaration) -> bool:
    """Return whether the class itself says that it has no table."""
    for attribute in declaration.abstract_attributes:
        given = attribute_value(node, attribute)
        if given is not None and constant(given[1]) is True:
            return True
    return False


def fields_of(
    types: "Types",
    words: Vocabulary,
    lineage: Sequence[ClassNode],
    declaration: Declaration,
    memo: dict[ClassNode, Fields],
) -> dict[str, Field]:
    """Return the fields of a class by attribute; ``lineage`` is the class and those above it."""
    merged: dict[str, Field] = {}
    for owner in reversed(lineage):
        if owner not in memo:
            memo[owner] = dict(_own_fields(types, words, owner, declaration))
        for name, found in memo[owner].items():
            if found is None:
                merged.pop(name, None)
            else:
                merged[name] = found
    return merged


def _own_fields(
    types: "Types", words: Vocabulary, node: ClassNode, declaration: Declaration
) -> Iterator[tuple[str, Field | None]]:
    for bind in node.body.facts.binds:
        if not isinstance(bind.target, t.Name) or bind.kind not in ("assign", "annotated"):
            continue
        name = bind.target.id
        if (
            isinstance(bind.value, t.Const)
            and bind.value.kind == "NoneType"
            and bind.annotation is None
        ):
            yield name, None
            continue
        place = Location(node.file.path, bind.line, bind.column)
        found = _field(
            types, words, node, declaration, name, node.body, bind.value, bind.annotation, place
        )
        if found is not None:
            yield name, found
    for name, method in node.methods.items():
        if method.facts.decorators and _gives_column(types, words, node, method):
            value = next(
                (item.value for item in method.facts.results if item.kind == "return"), None
            )
            found = _field(
                types,
                words,
                node,
                declaration,
                name,
                method,
                value,
                method.facts.returns,
                method.location,
            )
            if found is not None:
                yield name, found


def _gives_column(types: "Types", words: Vocabulary, node: ClassNode, method: FunctionNode) -> bool:
    for decorator in method.facts.decorators:
        path = path_of(types, _decorator(types, node.body, decorator))
        if path and any(
            path == known or path.startswith(known + ".") for known in words.column_methods
        ):
            return True
    return False


def _field(
    types: "Types",
    words: Vocabulary,
    node: ClassNode,
    declaration: Declaration,
    name: str,
    scope: FunctionNode,
    value: t.Expr | None,
    annotation: t.Expr | None,
    place: Location,
) -> Field | None:
    annotation_scope = node.body
    wrapper = None if annotation is None else _wrapper(types, words, annotation_scope, annotation)
    maker: Maker | None = None
    made: t.Call | None = None
    if isinstance(value, t.CallRef):
        scope, made, maker = _made(types, words, scope, scope.facts.calls[value.index])
    is_plain = (
        maker is None
        and wrapper is None
        and annotation is not None
        and declaration.plain_annotations
        and not _is_class_variable(annotation)
    )
    if maker is None and wrapper is None and not is_plain:
        return None
    if maker is not None:
        source = _conventions(maker.declaration, declaration)
    else:
        source = wrapper[0] if wrapper is not None else declaration
    calls = tuple(_calls(types, words, scope, made, source)) if made is not None else ()
    return Field(
        name=name,
        owner=node,
        scope=scope,
        declaration=source,
        kind=maker.kind if maker is not None else None,
        calls=calls,
        annotation=wrapper[1] if wrapper is not None else annotation,
        annotation_scope=annotation_scope,
        loading=wrapper[2] if wrapper is not None else "lazy",
        is_wrapped=wrapper is not None,
        is_custom=maker is not None and maker.is_custom,
        is_plain=is_plain
        or (maker is not None and declaration.plain_annotations and wrapper is None),
        location=place,
    )


def _wrapper(
    types: "Types", words: Vocabulary, scope: FunctionNode, annotation: t.Expr
) -> tuple[Declaration, t.Expr, str] | None:
    if not isinstance(annotation, t.Item):
        return None
    found = words.wrappers.get(path_of(types, meaning_of(types, scope, annotation.base, AT_END)))
    return (found[0], annotation.key, found[1]) if found is not None else None


def _is_class_variable(annotation: t.Expr) -> bool:
    base = annotation.base if isinstance(annotation, t.Item) else annotation
    name = base.name if isinstance(base, t.Attr) else getattr(base, "id", "")
    return name == "ClassVar"


def _made(
    types: "Types", words: Vocabulary, scope: FunctionNode, call: t.Call
) -> tuple[FunctionNode, t.Call, Maker | None]:
    """Return the call that makes the field: itself, or the one that a project function returns."""
    found = called(types, scope, call)
    if isinstance(found, FunctionType):
        inner = found.node
        for result in inner.facts.results:
            if result.kind == "return" and isinstance(result.value, t.CallRef):
                returned = inner.facts.calls[result.value.index]
                return inner, returned, maker_of(types, words, called(types, inner, returned))
    return scope, call, maker_of(types, words, found)


def _calls(
    types: "Types", words: Vocabulary, scope: FunctionNode, call: t.Call, source: Declaration
) -> Iterator[tuple[Declaration, t.Call]]:
    yield source, call
    for given in call.given:
        if isinstance(given, t.CallRef):
            inner = scope.facts.calls[given.index]
            maker = maker_of(types, words, called(types, scope, inner))
            if maker is not None:
                yield _conventions(maker.declaration, source), inner


def _conventions(own: Declaration, around: Declaration) -> Declaration:
    """Return what says what the arguments of a field mean.

    A library that only adds fields to the classes of another one follows its conventions.
    """
    return own if own.options or own.table_bases else around
