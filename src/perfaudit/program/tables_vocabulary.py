"""What the library files say of tables, by the dotted name that a program uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries import Libraries
from perfaudit.libraries.types import ColumnKind, IndexMaker, KeyMaker
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program.expressions import is_dotted
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import (
    ClassType,
    External,
    LibraryMethod,
    LibrarySymbol,
    Partial,
    Type,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The schema sections of all library files, joined."""

    bases: dict[str, Declaration]
    base_makers: dict[str, Declaration]
    columns: dict[str, tuple[Declaration, ColumnKind]]
    column_types: dict[str, str]
    column_methods: frozenset[str]
    reference_makers: frozenset[str]
    index_makers: dict[str, IndexMaker]
    wrappers: dict[str, tuple[Declaration, str]]
    setting_targets: dict[str, str]
    table_makers: dict[str, str]
    key_makers: dict[str, KeyMaker]


@dataclass(frozen=True, slots=True)
class Maker:
    """What a call in a table class makes. ``is_custom``: through a class of the project."""

    declaration: Declaration
    kind: ColumnKind
    is_custom: bool


def vocabulary(libraries: Libraries) -> Vocabulary:
    """Return the schema sections of all library files, by canonical name."""
    canonical = libraries.canonical
    schemas = libraries.schemas
    return Vocabulary(
        bases={canonical(base): found for found in schemas for base in found.table_bases},
        base_makers={canonical(path): found for found in schemas for path in found.base_makers},
        columns={
            canonical(path): (found, kind)
            for found in schemas
            for path, kind in found.columns.items()
        },
        column_types={
            canonical(path): kind for found in schemas for path, kind in found.column_types.items()
        },
        column_methods=frozenset(
            canonical(path) for found in schemas for path in found.column_methods
        ),
        reference_makers=frozenset(
            canonical(path) for found in schemas for path in found.reference_makers
        ),
        index_makers={
            canonical(path): maker
            for found in schemas
            for path, maker in found.index_makers.items()
        },
        wrappers={
            canonical(path): (found, loading)
            for found in schemas
            for path, loading in found.wrappers.items()
        },
        setting_targets={
            name: canonical(path)
            for found in schemas
            for name, path in found.setting_targets.items()
        },
        table_makers={
            canonical(path): given
            for found in schemas
            for path, given in found.table_makers.items()
        },
        key_makers={
            canonical(path): maker for found in schemas for path, maker in found.key_makers.items()
        },
    )


def meaning_of(
    types: "Types", scope: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Type | None:
    """Return what a dotted name is, or None for any other expression.

    Calls are not followed: the relations that their results may depend on are not known yet.
    """
    if not is_dotted(value):
        return None
    found = options_of(types.evaluate(scope, value, at))[0]
    return found.target if isinstance(found, Partial) else found


def path_of(types: "Types", found: Type | None) -> str:
    """Return the canonical dotted name of something of a library, else an empty text."""
    match found:
        case LibrarySymbol(path=path):
            return types.libraries.canonical(path)
        case LibraryMethod(behaviour=behaviour):
            return types.libraries.canonical(behaviour.path)
        case External(origin=origin):
            return types.libraries.canonical(origin)
    return ""


def called(types: "Types", scope: FunctionNode, call: t.Call) -> Type | None:
    """Return what a call calls, where that is a dotted name."""
    return meaning_of(types, scope, call.callee, (call.sequence, call.context))


def library_lineage(types: "Types", node: ClassNode) -> Iterator[str]:
    """Yield the canonical names of the library classes above a class, nearest first."""
    for path in types.classes.library_bases(node):
        yield types.libraries.canonical(path)
        for found in types.libraries.linear(path):
            yield found.path


def maker_of(types: "Types", words: Vocabulary, found: Type | None) -> Maker | None:
    """Return which column or relation something makes when it is called, or None."""
    if isinstance(found, ClassType):
        for path in library_lineage(types, found.node):
            if path in words.columns:
                return Maker(*words.columns[path], is_custom=True)
        return None
    known = words.columns.get(path_of(types, found))
    return Maker(*known, is_custom=False) if known is not None else None


def constant(value: t.Expr | None) -> str | bool | int | float | None:
    """Return the value of a literal, or None."""
    return value.value if isinstance(value, t.Const) else None


def text(value: t.Expr | None) -> str | None:
    """Return the text of a literal string, or None."""
    if isinstance(value, t.Text) and all(isinstance(part, str) for part in value.parts):
        return "".join(part for part in value.parts if isinstance(part, str))
    found = constant(value)
    return found if isinstance(found, str) else None


def attribute_value(node: ClassNode, name: str) -> tuple[FunctionNode, t.Expr] | None:
    """Return the value of an attribute that the class itself writes, and the scope of it.

    ``Meta.x`` is the attribute of the inner class ``Meta``.
    """
    body = node.body
    outer, _, inner = name.rpartition(".")
    if outer:
        nested = body.inner_classes.get(outer)
        if not nested:
            return None
        body = nested[-1].body
    binds = body.binds.get(inner)
    value = binds[-1].value if binds else None
    return (body, value) if value is not None else None


def has_order(types: "Types", node: ClassNode | None) -> bool:
    """Return whether the rows of a class have an order without asking for one."""
    return node is not None and any(
        attribute_value(owner, attribute) is not None
        for owner in types.classes.project_order(node)
        for schema in types.libraries.schemas
        for attribute in schema.order_attributes
    )
