"""Relations that table classes inherit from classes of libraries."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program.nodes import ClassNode
from perfaudit.program.tables import Relation
from perfaudit.program.tables_relations import MANY, Registry
from perfaudit.program.values import Instance, LibraryInstance, Type

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def inherited_relations(
    types: "Types", known: Registry, declaration: Declaration | None, node: ClassNode
) -> Iterator[Relation]:
    """Yield the relations that library classes above a class have, those of the nearest first.

    A class that binds the name itself (``groups = None``) has none of that name.
    """
    lineage = types.classes.project_order(node)
    for path in types.classes.library_bases(node):
        for described in types.libraries.linear(path):
            for name, kind in described.relations.items():
                if any(name in owner.body.binds for owner in lineage):
                    continue
                value = types.instantiate(described.attributes[name], receiver=Instance(node))
                yield _relation(known, declaration, node, name, kind, value)


def _relation(
    known: Registry,
    declaration: Declaration | None,
    node: ClassNode,
    name: str,
    kind: str,
    value: Type,
) -> Relation:
    target = known.swapped.get(value.path) if isinstance(value, LibraryInstance) else None
    column = None
    if kind == "many_to_one" and declaration is not None:
        column = declaration.relation_column.replace("{name}", name) or None
    return Relation(
        name=name,
        kind=kind,
        target=target,
        many=kind in MANY,
        lazy="lazy",
        column=column,
        reverse=False,
        location=node.location,
        value=value if target is None else Instance(target),
    )
