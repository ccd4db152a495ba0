"""The tables of the audited program, from classes and from SQL: relations and indexes too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program.annotations import annotated
from perfaudit.program.declared_texts import declared_text
from perfaudit.program.migrations import Replay, replay
from perfaudit.program.migrations_documents import forwards, replay_documents
from perfaudit.program.nodes import ClassNode
from perfaudit.program.tables import Column, Index, Relation, SqlTables, Table, own_indexes
from perfaudit.program.tables_columns import (
    column_of,
    has_key,
    indexes_of,
    table_name,
    value_of,
)
from perfaudit.program.tables_derived import add_derived
from perfaudit.program.tables_libraries import inherited_relations
from perfaudit.program.tables_made import (
    add_made_table,
    are_made_in_functions,
    read_apart_indexes,
    read_made_tables,
)
from perfaudit.program.tables_orm import (
    Field,
    Fields,
    fields_of,
    find_maker_bases,
    find_table_classes,
    is_abstract,
    is_unseen,
)
from perfaudit.program.tables_relations import Registry, registry, relation_of, reverse_of
from perfaudit.program.tables_sql import read_sql_tables
from perfaudit.program.tables_vocabulary import Vocabulary, vocabulary
from perfaudit.program.values import Instance, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

__all__ = ["Column", "Index", "Relation", "Schema", "Table", "build_schema"]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of the program. ``unparsed`` counts statements of SQL that could not be read.

    ``swapped``: classes that a setting puts in the place of a library's table class, by its name.
    """

    tables: dict[str, Table]
    unparsed: int = 0
    relation_names: frozenset[str] = frozenset()
    swapped: dict[str, ClassNode] = field(default_factory=dict)
    of_libraries: dict[str, dict[str, Relation]] = field(default_factory=dict)
    """What classes of libraries get: relations that project classes declare, by their own name."""
    _by_class: dict[ClassNode, Table] = field(default_factory=dict)
    _relations: dict[ClassNode, dict[str, Relation]] = field(default_factory=dict)

    def find(self, name: str) -> Table | None:
        """Return the table of this name, also one with the name of its schema before a dot."""
        plain = name.replace('"', "").replace("`", "")
        return (
            self.tables.get(plain)
            or self.tables.get(plain.rpartition(".")[2])
            or self.tables.get(plain.rpartition(".")[2].lower())
        )

    def table_of(self, node: ClassNode) -> Table | None:
        """Return the table of a class, also an abstract one."""
        return self._by_class.get(node)

    def whole_table_of(self, node: ClassNode) -> Table | None:
        """Return the table of a class, with what SQL, migrations and other classes add to it."""
        own = self._by_class.get(node)
        return None if own is None else self.tables.get(own.name, own)

    def relation(self, node: ClassNode, name: str) -> Relation | None:
        """Return the relation of a class by its attribute, whichever side declares it."""
        return self._relations.get(node, {}).get(name)

    def relation_asked(self, node: ClassNode, name: str) -> Relation | None:
        """Return the relation of a class that conditions know by a name."""
        known = self._relations.get(node, {})
        found = known.get(name)
        if found is not None:
            return found
        return next((item for item in known.values() if item.in_conditions == name), None)

    def relations_of(self, node: ClassNode) -> dict[str, Relation]:
        """Return all relations of a class by attribute."""
        return self._relations.get(node, {})

    @property
    def indexes(self) -> tuple[Index, ...]:
        """Return the indexes of all tables."""
        return tuple(index for table in self.tables.values() for index in table.indexes)


@dataclass(frozen=True, slots=True)
class _Declared:
    """The table classes, what they declare, and the names of their tables, empty if abstract.

    ``lineages``: each class and those above it that declare fields for it.
    """

    classes: dict[ClassNode, Declaration]
    own: dict[ClassNode, Fields]
    fields: dict[ClassNode, dict[str, Field]]
    names: dict[ClassNode, str]
    parents: dict[ClassNode, ClassNode | None]
    lineages: dict[ClassNode, Sequence[ClassNode]]

    def concrete(self) -> Iterator[ClassNode]:
        """Yield the classes that have a table."""
        return (node for node in self.classes if self.names[node])


def build_schema(types: "Types", sql_documents: Sequence[tuple[str, str]]) -> Schema:
    """Return the tables of the program, and tell ``types`` what attributes of their objects are.

    It runs before calls are resolved, for their answers depend on it. ``sql_documents`` are the
    paths and texts of the files in SQL.
    """
    words = vocabulary(types.libraries)
    declared = _declared(types, words)
    columns = {node: _columns(types, words, declared, node) for node in declared.fields}
    known = registry(
        types, words, {node: declared.names[node] for node in declared.concrete()}, columns
    )
    of_libraries: dict[str, dict[str, Relation]] = {}
    relations = _relations(types, words, declared, known, of_libraries)
    for node, found in declared.fields.items():
        _tell(types, words, node, found, relations[node])
    by_class = {
        node: _table(types, words, declared, node, columns[node], relations[node])
        for node in declared.classes
    }
    replayed = replay(types, words, declared.names, known.settings)
    changed, others = replay_documents(forwards(sql_documents))
    sql = read_sql_tables(_sql_texts(types, others, replayed), changed)
    for scope, call, table in read_made_tables(types, words, declared.names):
        add_made_table(sql, table)
        types.made_tables[scope, call] = table
    types.has_table_objects = bool(types.made_tables) or are_made_in_functions(types, words)
    _tell_objects(types, declared, by_class)
    for name, index in read_apart_indexes(types, words, declared.names, columns):
        sql.indexes.setdefault(name, []).append(index)
    for table in replayed.tables:
        if table.columns:
            add_made_table(sql, table)
        else:
            sql.indexes.setdefault(table.name, []).extend(table.indexes)
    schema = Schema(
        tables=_joined(by_class, sql),
        unparsed=sql.unparsed,
        swapped=known.swapped,
        of_libraries=of_libraries,
        relation_names=frozenset(name for found in relations.values() for name in found),
        _by_class=by_class,
        _relations=relations,
    )
    add_derived(schema, (*sql.derived.values(), *replayed.derived), sql.indexes)
    return schema


def _declared(types: "Types", words: Vocabulary) -> _Declared:
    classes = find_table_classes(types, words)
    added = find_maker_bases(types, words)
    own: dict[ClassNode, Fields] = {}
    fields: dict[ClassNode, dict[str, Field]] = {}
    lineages: dict[ClassNode, Sequence[ClassNode]] = {}
    for node, declaration in classes.items():
        lineages[node] = types.classes.project_order(node)
        if declaration.base_makers:
            lineages[node] = [*lineages[node], *added]
        fields[node] = fields_of(types, words, lineages[node], declaration, own)
    for node in list(own):
        # A mixin that is no table itself: its methods read the fields too.
        if node not in fields and own[node]:
            lineage = types.classes.project_order(node)
            fields[node] = fields_of(types, words, lineage, Declaration(library=""), own)
    names: dict[ClassNode, str] = {}
    parents: dict[ClassNode, ClassNode | None] = {}
    for node in sorted(classes, key=lambda item: len(lineages[item])):
        parent = next((item for item in lineages[node][1:] if names.get(item)), None)
        parents[node] = parent
        declaration = classes[node]
        absent = is_abstract(node, declaration) or _is_bare_base(
            types, node, declaration, fields[node]
        )
        names[node] = (
            ""
            if absent
            else table_name(lineages[node], declaration, names[parent] if parent else None)
        )
    return _Declared(classes, own, fields, names, parents, lineages)


def _is_bare_base(
    types: "Types", node: ClassNode, declaration: Declaration, fields: dict[str, Field]
) -> bool:
    """Return whether a class is only inherited from, where its library has no word for that."""
    return (
        not declaration.abstract_attributes and not fields and bool(types.classes.subclasses(node))
    )


def _columns(
    types: "Types", words: Vocabulary, declared: _Declared, node: ClassNode
) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for found in declared.fields[node].values():
        if (not found.is_relation or has_key(found)) and not _leads_to_rows(types, declared, found):
            attribute, column = column_of(types, words, found, declared.names)
            columns[attribute] = column
    declaration = declared.classes.get(node)
    if declaration is None or not declaration.implicit_key or not declared.names[node]:
        return columns
    if not any(column.primary for column in columns.values()):
        key = declaration.implicit_key
        parent = declared.parents[node]
        if parent is not None and _is_extended(declared, node, parent):
            key = declaration.relation_column.replace("{name}", _link_name(declaration, parent))
        columns = {key: Column(key, "integer", False, True, False, node.location), **columns}
    return columns


def _leads_to_rows(types: "Types", declared: _Declared, found: Field) -> bool:
    """Return whether an annotation alone says that a field holds rows: it is no column."""
    if found.kind is not None or not found.is_wrapped or found.annotation is None:
        return False
    value = annotated(types, found.annotation_scope, found.annotation)
    return any(
        isinstance(option, Instance)
        and not declared.classes.keys().isdisjoint(
            (option.node, *types.classes.subclasses(option.node))
        )
        for option in options_of(value)
    )


def _is_extended(declared: _Declared, node: ClassNode, parent: ClassNode) -> bool:
    """Return whether a class has a table of its own, joined to that of its parent."""
    names = declared.names
    return bool(declared.classes[node].parent_link and names[node]) and names[node] != names[parent]


def _link_name(declaration: Declaration, parent: ClassNode) -> str:
    return declaration.parent_link.replace("{name}", parent.name.lower())


def _relations(
    types: "Types",
    words: Vocabulary,
    declared: _Declared,
    known: Registry,
    of_libraries: dict[str, dict[str, Relation]],
) -> dict[ClassNode, dict[str, Relation]]:
    """Return the relations of each class by attribute, with those that the other sides declare.

    Those of classes of libraries are put into ``of_libraries``.
    """
    found: dict[ClassNode, dict[str, Relation]] = {node: {} for node in declared.fields}
    reverse: list[tuple[ClassNode, Relation]] = []
    for node, fields in declared.fields.items():
        for item in fields.values():
            if not item.is_relation:
                continue
            relation = relation_of(types, words, known, node, item)
            other = None
            if declared.names.get(node) and not _is_of_parent(declared, node, item):
                other = reverse_of(types, known, node, item, relation)
            if other is not None and relation.target is not None:
                reverse.append((relation.target, other))
                relation = replace(relation, inverse=other.name)
            elif other is not None and isinstance(relation.value, LibraryInstance):
                of_libraries.setdefault(relation.value.path, {}).setdefault(other.name, other)
            found[node][item.name] = relation
        for target, link in _parent_links(declared, node):
            found[node].setdefault(link.name, link)
            reverse.append((target, _mirrored_link(node, link)))
    for node, relations in found.items():
        parent = declared.parents.get(node)
        for name, relation in relations.items() if parent is not None else ():
            above = found[parent].get(name) if parent is not None else None
            if above is not None and above.location == relation.location:
                relations[name] = replace(relation, inverse=above.inverse)
    for node, relations in found.items():
        for relation in inherited_relations(types, known, declared.classes.get(node), node):
            relations.setdefault(relation.name, relation)
    for target, relation in reverse:
        for node in (target, *types.classes.subclasses(target)):
            if node in found and relation.name not in declared.fields[node]:
                found[node].setdefault(relation.name, relation)
    _share_above(declared, found)
    return found


def _share_above(declared: _Declared, found: dict[ClassNode, dict[str, Relation]]) -> None:
    """Give abstract classes the relations that all tables made from them get from other sides.

    Their methods read them, although the other side names the class that has the table.
    """
    below: dict[ClassNode, list[ClassNode]] = {}
    for node in declared.concrete():
        for above in declared.lineages[node][1:]:
            if above in found and not declared.names.get(above):
                below.setdefault(above, []).append(node)
    for above, nodes in below.items():
        for name, relation in found[nodes[0]].items():
            others = [found[node].get(name) for node in nodes[1:]]
            if relation.reverse and all(
                other is not None and other.target is relation.target for other in others
            ):
                found[above].setdefault(name, relation)


def _is_of_parent(declared: _Declared, node: ClassNode, item: Field) -> bool:
    parent = declared.parents.get(node)
    return parent is not None and declared.fields[parent].get(item.name) is item


def _parent_links(declared: _Declared, node: ClassNode) -> Iterator[tuple[ClassNode, Relation]]:
    """Yield the relation of a table that extends another one to that one."""
    declaration, parent = declared.classes.get(node), declared.parents.get(node)
    if declaration is None or parent is None or not _is_extended(declared, node, parent):
        return
    name = _link_name(declaration, parent)
    yield (
        parent,
        Relation(
            name=name,
            kind="one_to_one",
            target=parent,
            many=False,
            lazy="lazy",
            column=declaration.relation_column.replace("{name}", name),
            reverse=False,
            location=node.location,
            value=Instance(parent),
            inverse=node.name.lower(),
        ),
    )


def _mirrored_link(node: ClassNode, link: Relation) -> Relation:
    return replace(
        link,
        name=link.inverse,
        target=node,
        column=None,
        reverse=True,
        value=Instance(node),
        inverse=link.name,
    )


def _tell(
    types: "Types",
    words: Vocabulary,
    node: ClassNode,
    fields: dict[str, Field],
    relations: dict[str, Relation],
) -> None:
    """Tell ``types`` what reading each attribute on an object of the class gives."""
    for name, relation in relations.items():
        types.relations[node, name] = relation.value
    for name, found in fields.items():
        if not found.is_relation:
            value = value_of(types, words, found)
            if value is not None:
                types.relations[node, name] = value
    types.members.clear()  # What was read before may be a relation.


def _tell_objects(types: "Types", declared: _Declared, by_class: dict[ClassNode, Table]) -> None:
    """Tell ``types`` of which classes table objects can be asked for, and by which attributes."""
    made = {node for node in declared.concrete() if declared.classes[node].table_makers}
    types.class_tables.update({node: by_class[node] for node in made})
    types.table_attributes = frozenset(
        name for node in made for name in declared.classes[node].name_attributes
    )


def _table(
    types: "Types",
    words: Vocabulary,
    declared: _Declared,
    node: ClassNode,
    columns: dict[str, Column],
    relations: dict[str, Relation],
) -> Table:
    declaration = declared.classes[node]
    own = own_indexes(columns)
    indexes = (*own, *indexes_of(types, words, declared.lineages[node], declaration, columns))
    return Table(
        name=declared.names[node],
        columns=_marked(_referring(declared, columns, relations), indexes),
        relations=relations,
        indexes=indexes,
        location=node.location,
        node=node,
        abstract=not declared.names[node],
        library=declaration.library,
    )


def _referring(
    declared: _Declared, columns: dict[str, Column], relations: dict[str, Relation]
) -> dict[str, Column]:
    """Return the columns, with the table named that the key of a relation leads to."""
    found = dict(columns)
    for relation in relations.values():
        column = found.get(relation.column or "")
        name = declared.names.get(relation.target) if relation.target is not None else None
        if column is not None and relation.column and name and not column.references:
            found[relation.column] = replace(column, references=name)
    return found


def _marked(columns: dict[str, Column], indexes: Iterable[Index]) -> dict[str, Column]:
    """Return the columns, with those marked that an index of the whole table leads with."""
    leading = {index.columns[0] for index in indexes if index.where is None}
    return {
        name: replace(column, indexed=True)
        if column.name in leading and not column.indexed
        else column
        for name, column in columns.items()
    }


def _joined(by_class: dict[ClassNode, Table], sql: SqlTables) -> dict[str, Table]:
    """Return the tables by name: classes that share one are joined, and SQL adds to them."""
    tables: dict[str, Table] = {}
    for node, table in by_class.items():
        if table.abstract or is_unseen(node.file):
            continue
        known = tables.get(table.name)
        tables[table.name] = table if known is None else _merged(known, table)
    for name, table in sql.tables.items():
        known = tables.get(name)
        tables[name] = table if known is None else _with(known, table.columns)
    for name, columns in sql.added.items():
        if name in tables:
            tables[name] = _with(tables[name], columns)
    for name, indexes in sql.indexes.items():
        if name in tables:
            known = tables[name]
            joined = _distinct((*known.indexes, *indexes))
            tables[name] = replace(known, indexes=joined, columns=_marked(known.columns, joined))
    return tables


def _merged(first: Table, second: Table) -> Table:
    return replace(
        first,
        columns={**second.columns, **first.columns},
        relations={**second.relations, **first.relations},
        indexes=_distinct((*first.indexes, *second.indexes)),
    )


def _distinct(indexes: Iterable[Index]) -> tuple[Index, ...]:
    """Return the indexes without those that say again what an earlier one says.

    A class, its migration and a dump of the schema all declare the same index: it has the same
    columns and carries the same ones, is unique or not, and partial or not, whichever words each
    has for its condition; or it has the same name and the same columns.
    """
    found: dict[tuple[tuple[str, ...], tuple[str, ...], bool, bool], Index] = {}
    named: set[tuple[str, tuple[str, ...]]] = set()
    for index in indexes:
        columns = tuple(column.lower() for column in index.columns)
        if (index.name, columns) in named:
            continue
        if index.name:
            named.add((index.name, columns))
        found.setdefault((columns, index.include, index.unique, index.where is not None), index)
    return tuple(found.values())


def _with(table: Table, columns: dict[str, Column]) -> Table:
    """Return the table with the columns that it lacks."""
    missing = {name: column for name, column in columns.items() if table.column(name) is None}
    return replace(table, columns={**table.columns, **missing}) if missing else table


def _sql_texts(
    types: "Types", documents: Sequence[tuple[str, str]], replayed: Replay
) -> Iterator[tuple[Location, str]]:
    for path, text in documents:
        yield Location(path, 1), text
    for file in types.modules.files:
        for item in file.facts.sql:
            if replayed.is_spent(file.path, item.line):
                continue
            yield Location(file.path, item.line, item.column), declared_text(types, file, item)
