"""The columns, names and indexes that table classes declare."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import IndexMaker
from perfaudit.libraries.types import Schema as Declaration
from perfaudit.program import annotations
from perfaudit.program.expressions import argument, is_dotted
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables import Column, Index
from perfaudit.program.tables_orm import Field, is_abstract
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
    Type,
    Unknown,
    options_of,
)
from perfaudit.program.written_out import constant_at

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

COLUMN_VALUE = Unknown("value of a column")
KEY_KINDS = frozenset({"many_to_one", "one_to_one"})
"""Relations that may have a column with a key."""
LONG = "long_text"
"""What library files call a text that may be long."""
VALUES: dict[str, str] = {
    "text": "builtins.str",
    "long_text": "builtins.str",
    "integer": "builtins.int",
    "number": "builtins.float",
    "boolean": "builtins.bool",
    "binary": "builtins.bytes",
}
"""What reading a column of a type gives, where that is a builtin."""
ANNOTATED: dict[str, str] = {
    "builtins.str": "text",
    "builtins.int": "integer",
    "builtins.float": "number",
    "builtins.bool": "boolean",
    "builtins.bytes": "binary",
    "builtins.dict": "json",
    "builtins.list": "array",
    "decimal.Decimal": "number",
    "datetime.datetime": "time",
    "datetime.date": "time",
    "datetime.time": "time",
    "datetime.timedelta": "time",
    "uuid.UUID": "uuid",
}
"""The type of a column that only an annotation describes."""
MAX_PARTS = 40
UNKNOWN_PART = "(...)"
"""A part of an index that is not known."""
SAME_PART = frozenset(
    {"desc", "asc", "nullslast", "nullsfirst", "nulls_last", "nulls_first", "text", "F", "column"}
    | {"literal_column", "OrderBy", "collate"}
)
"""Calls around a column that an index has all the same, in what order ever."""
ORDERED = re.compile(r"^\w+\s+(?:asc|desc|nulls)\b", re.IGNORECASE)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def table_name(lineage: Sequence[ClassNode], declaration: Declaration, parent: str | None) -> str:
    """Return the name of a class's table, empty where it has none.

    ``lineage`` is the class and those above it, ``parent`` the table above it.
    """
    node = lineage[0]
    for attribute in declaration.name_attributes:
        owners = lineage[:1] if "." in attribute else lineage
        for owner in owners:
            given = attribute_value(owner, attribute)
            if given is not None:
                name = _constant_text(given[0], given[1])
                if name:
                    return name
                if not declaration.table_default:
                    return snake(node.name)
            method = owner.methods.get(attribute)
            if method is not None:
                return _method_text(method, node) or snake(node.name)
        if "." not in attribute and parent is not None:
            return parent
    for attribute in declaration.shared_attributes:
        given = attribute_value(node, attribute)
        if given is not None and constant(given[1]) is True and parent is not None:
            return parent
    return _pattern(declaration.table_default, node)


def _pattern(pattern: str, node: ClassNode) -> str:
    name = pattern.replace("{name}", node.name.lower()).replace("{snake}", snake(node.name))
    return name.replace("{app}", app_label(node))


def app_label(node: ClassNode) -> str:
    """Return the application that a class belongs to: its folder, unless it says so."""
    given = attribute_value(node, "Meta.app_label")
    label = text(given[1]) if given is not None else None
    if label:
        return label
    folders = [part for part in node.file.path.split("/")[:-1] if part != "models"]
    return folders[-1].lower() if folders else "app"


def snake(name: str) -> str:
    """Return a class name in lower case with underscores.

    >>> snake("HTTPRequestLog")
    'http_request_log'
    """
    return _CAPITAL.sub("_", name).lower()


def _constant_text(scope: FunctionNode, value: t.Expr) -> str | None:
    """Return the text of a literal, or of the constant that a name stands for."""
    found = text(value)
    if isinstance(value, t.CallRef):
        # A table that is made first and then given to the class.
        found = text(argument(scope.facts.calls[value.index], "0"))
    if found is not None or not isinstance(value, t.Name):
        return found
    for meaning in meanings(scope, value.id, AT_END):
        if isinstance(meaning.definition, t.Bind):
            return text(meaning.definition.value)
    return None


def _method_text(method: FunctionNode, node: ClassNode) -> str | None:
    """Return the text that a method makes out of the class's name, where its form is simple."""
    for result in method.facts.results:
        if result.kind == "return" and result.value is not None:
            return _made_text(method, result.value, node)
    return None


def _made_text(method: FunctionNode, value: t.Expr, node: ClassNode) -> str | None:
    match value:
        case t.Const(value=str() as found):
            return found
        case t.Attr(name="__name__"):
            return node.name
        case t.CallRef(index=index):
            call = method.facts.calls[index]
            if (
                isinstance(call.callee, t.Attr)
                and call.callee.name == "lower"
                and not call.arguments
            ):
                inner = _made_text(method, call.callee.base, node)
                return inner.lower() if inner is not None else None
        case t.Binary(operator="Add", left=left, right=right):
            first, second = _made_text(method, left, node), _made_text(method, right, node)
            return first + second if first is not None and second is not None else None
        case t.Text(parts=parts):
            found_parts = [
                part if isinstance(part, str) else _made_text(method, part, node) for part in parts
            ]
            known = [part for part in found_parts if part is not None]
            return "".join(known) if len(known) == len(found_parts) else None
    return None


def option(found: Field, role: str) -> t.Expr | None:
    """Return the argument of a field that has this role in its library's options."""
    for declaration, call in found.calls:
        given = argument(call, declaration.options.get(role))
        if given is not None:
            return given
    return None


def has_key(found: Field) -> bool:
    """Return whether a relation has a column of its own in the table."""
    kind = found.kind
    return (
        kind is not None
        and kind.relation in KEY_KINDS
        and kind.to is not None
        and bool(found.declaration.relation_column)
    )


def column_of(
    types: "Types", words: Vocabulary, found: Field, tables: dict[ClassNode, str]
) -> tuple[str, Column]:
    """Return the attribute of a field's column, and the column. A relation's holds the key."""
    attribute = found.name
    named = text(option(found, "column"))
    kind = found.kind
    if found.is_relation:
        pattern = found.declaration.relation_column
        attribute = pattern.replace("{name}", found.name)
    type_name = "other" if found.is_relation else column_type(types, words, found)
    primary = _flag(types, found, "primary") is True
    unique = _flag(types, found, "unique") is True or (
        kind is not None and kind.relation == "one_to_one"
    )
    indexed = _flag(types, found, "indexed")
    if indexed is None:
        indexed = kind is not None and kind.indexed
    return attribute, Column(
        name=named or attribute,
        type="text" if type_name == LONG else type_name,
        nullable=_nullable(found, primary=primary),
        primary=primary,
        indexed=bool(indexed) or unique,
        location=found.location,
        unique=unique,
        references=_references(types, words, found, tables),
        on_delete=_on_delete(found),
        long=type_name == LONG,
        wrapped=kind is not None and kind.value is not None,
        as_text=kind is not None and kind.as_text,
        default=_default(types, found),
    )


def _default(types: "Types", found: Field) -> t.Const | None:
    """Return the constant that a new object has in a column, if that is said."""
    given = option(found, "default")
    return None if given is None else constant_at(types, found.scope, given)


def _flag(types: "Types", found: Field, role: str) -> object:
    """Return the constant of an option, true also where the field's class gives it so above."""
    given = constant(option(found, role))
    if given is True or not found.is_custom or not found.calls:
        return given
    declaration, call = found.calls[0]
    made = called(types, found.scope, call)
    names = (declaration.options.get(role) or "").split("|")
    if isinstance(made, ClassType):
        for node in types.classes.project_order(made.node):
            method = node.methods.get("__init__")
            for name, value in _given_above(method) if method is not None else ():
                if name in names and constant(value) is True:
                    return True
    return given


def _given_above(method: FunctionNode) -> Iterator[tuple[str, t.Expr]]:
    """Yield the keywords that a constructor gives to the one above, also by way of its own."""
    for call in method.facts.calls:
        callee = call.callee
        if not isinstance(callee, t.Attr):
            continue
        if callee.name == "__init__":
            yield from call.keywords
        name = text(call.arguments[0]) if len(call.arguments) == 2 else None
        if callee.name == "setdefault" and name:
            yield name, call.arguments[1]
    for bind in method.facts.binds:
        if isinstance(bind.target, t.Item) and bind.value is not None:
            key = text(bind.target.key)
            if key:
                yield key, bind.value


def _nullable(found: Field, *, primary: bool) -> bool | None:
    given = option(found, "nullable")
    if given is not None:
        value = constant(given)
        return value if isinstance(value, bool) else None
    if primary:
        return False
    if found.annotation is not None and (found.is_wrapped or found.is_plain):
        return _allows_none(found.annotation)
    return found.declaration.nullable


def _allows_none(annotation: t.Expr) -> bool:
    match annotation:
        case t.Const(kind="NoneType"):
            return True
        case t.Binary(left=left, right=right):
            return _allows_none(left) or _allows_none(right)
        case t.Item(base=t.Name(id="Optional") | t.Attr(name="Optional")):
            return True
        case t.Item(base=t.Name(id="Union") | t.Attr(name="Union"), key=t.Seq(items=items)):
            return any(_allows_none(item) for item in items)
    return False


def _on_delete(found: Field) -> str:
    """Return what the foreign key of a field says of deletion, itself or a call inside it."""
    for declaration, call in found.calls:
        spec = declaration.options.get("on_delete")
        given = [argument(call, spec)] if spec else []
        given += [
            argument(found.scope.facts.calls[value.index], spec)
            for value in call.given
            if spec and isinstance(value, t.CallRef)
        ]
        for value in given:
            said = text(value)
            if said:
                return said.lower()
    return ""


def _references(
    types: "Types", words: Vocabulary, found: Field, tables: dict[ClassNode, str]
) -> str:
    given = text(option(found, "references"))
    if given is not None:
        return given
    for _, call in found.calls:
        for value in call.given:
            if not isinstance(value, t.CallRef):
                continue
            inner = found.scope.facts.calls[value.index]
            if (
                not inner.arguments
                or path_of(types, called(types, found.scope, inner)) not in words.reference_makers
            ):
                continue
            return _referred(types, found.scope, inner, tables)
    return ""


def _referred(
    types: "Types", scope: FunctionNode, call: t.Call, tables: dict[ClassNode, str]
) -> str:
    target = call.arguments[0]
    named = text(target)
    if named is not None:
        return named
    if isinstance(target, t.Attr):
        owner = meaning_of(types, scope, target.base, (call.sequence, call.context))
        if isinstance(owner, ClassType) and owner.node in tables:
            return f"{tables[owner.node]}.{target.name}"
    return ""


def column_type(types: "Types", words: Vocabulary, found: Field) -> str:
    """Return the type of a field's column, as constructor, argument or annotation says."""
    if found.kind is not None and found.kind.type != "argument":
        return found.kind.type
    for _, call in found.calls:
        for given in call.given:
            for part in _dotted_parts(found.scope, given):
                known = _known_type(types, words, found.scope, part, call)
                if known is not None:
                    return known
    if found.annotation is not None and (found.is_wrapped or found.is_plain):
        return _annotated_type(types, found)
    return "other"


def _dotted_parts(scope: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the dotted names in an expression, outermost first."""
    waiting: list[t.Expr] = [value]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        item = waiting.pop(0)
        if is_dotted(item):
            yield item
        elif isinstance(item, t.CallRef):
            call = scope.facts.calls[item.index]
            waiting[:0] = [call.callee, *call.given]
        elif isinstance(item, t.Attr):
            waiting.insert(0, item.base)
        elif isinstance(item, t.Either):
            waiting[:0] = item.options


def _known_type(
    types: "Types", words: Vocabulary, scope: FunctionNode, value: t.Expr, call: t.Call
) -> str | None:
    found = meaning_of(types, scope, value, (call.sequence, call.context))
    if isinstance(found, ClassType):
        return _custom_type(types, words, found.node)
    path = path_of(types, found)
    # A method of a column type, as in JSON().with_variant, says the type too.
    return words.column_types.get(path) or words.column_types.get(path.rpartition(".")[0])


def _custom_type(types: "Types", words: Vocabulary, node: ClassNode) -> str | None:
    for path in library_lineage(types, node):
        if path in words.column_types:
            return words.column_types[path]
    for owner in types.classes.project_order(node):
        given = attribute_value(owner, "impl")
        if given is not None:
            for part in _dotted_parts(given[0], given[1]):
                path = path_of(types, meaning_of(types, given[0], part, AT_END))
                if path in words.column_types:
                    return words.column_types[path]
    return None


def _annotated_type(types: "Types", found: Field) -> str:
    value = _annotated_value(types, found)
    for item in options_of(value):
        if isinstance(item, LibraryInstance) and item.path in ANNOTATED:
            return ANNOTATED[item.path]
        if isinstance(item, Instance) and any(
            path.startswith("enum.") for path in types.classes.library_bases(item.node)
        ):
            return "text"
    return "other"


def _annotated_value(types: "Types", found: Field) -> Type:
    if found.annotation is None:
        return COLUMN_VALUE
    return annotations.annotated(types, found.annotation_scope, found.annotation)


def value_of(types: "Types", words: Vocabulary, found: Field) -> Type | None:
    """Return what reading a column on an object gives; None where the annotation says it."""
    if found.is_wrapped:
        return _annotated_value(types, found)
    if found.is_plain:
        return None
    if found.kind is not None and found.kind.value is not None:
        return types.instantiate(found.kind.value)
    if found.is_custom or _names_project_class(types, found):
        return COLUMN_VALUE
    path = VALUES.get(column_type(types, words, found))
    return LibraryInstance(path) if path is not None else COLUMN_VALUE


def _names_project_class(types: "Types", found: Field) -> bool:
    """Return whether a class of the project, such as an enumeration, is the column's type."""
    if found.kind is None or found.kind.type != "argument":
        return False
    for _, call in found.calls:
        for given in call.arguments:
            for part in _dotted_parts(found.scope, given):
                if isinstance(
                    meaning_of(types, found.scope, part, (call.sequence, call.context)), ClassType
                ):
                    return True
    return False


def indexes_of(
    types: "Types",
    words: Vocabulary,
    lineage: Sequence[ClassNode],
    declaration: Declaration,
    columns: dict[str, Column],
) -> tuple[Index, ...]:
    """Return the indexes that a class declares apart from its columns."""
    node = lineage[0]
    found: list[Index] = []
    if _has_table_of_parent(node, declaration):
        return ()
    for attribute, unique in declaration.index_attributes.items():
        given = _inherited_value(types, lineage, declaration, attribute)
        if given is not None:
            scope, value = given
            place = Location(scope.file.path, _line_of(scope, attribute))
            found.extend(indexes_in(types, words, scope, value, place, unique=unique))
    for call in node.body.facts.calls:
        maker = words.index_makers.get(path_of(types, called(types, node.body, call)))
        if maker is not None and not _is_in(found, node.body.place(call)):
            found.append(made_index(node.body, call, maker))
    return tuple(translated(index, columns) for index in found if index.columns)


def _has_table_of_parent(node: ClassNode, declaration: Declaration) -> bool:
    """Return whether a class says that it shows the rows of its parent."""
    values = [attribute_value(node, attribute) for attribute in declaration.shared_attributes]
    return any(given is not None and constant(given[1]) is True for given in values)


def _inherited_value(
    types: "Types", lineage: Sequence[ClassNode], declaration: Declaration, attribute: str
) -> tuple[FunctionNode, t.Expr] | None:
    """Return the value of an attribute that a class writes or inherits, and the scope of it.

    An inner class hides all of those above, but for what it inherits from itself; and it is
    inherited from classes without tables alone.
    """
    outer, _, inner = attribute.rpartition(".")
    for owner in lineage:
        if not outer:
            given = attribute_value(owner, attribute)
            if given is not None:
                return given
            continue
        if owner is not lineage[0] and not is_abstract(owner, declaration):
            return None
        for nested in owner.body.inner_classes.get(outer, ())[-1:]:
            for node in types.classes.project_order(nested):
                given = attribute_value(node, inner)
                if given is not None:
                    return given
            return None
    return None


def _is_in(found: list[Index], place: Location) -> bool:
    return any(index.location == place for index in found)


def _line_of(scope: FunctionNode, attribute: str) -> int:
    return scope.binds[attribute.rpartition(".")[2]][-1].line


def indexes_in(
    types: "Types",
    words: Vocabulary,
    scope: FunctionNode,
    value: t.Expr,
    place: Location,
    *,
    unique: bool,
) -> Iterator[Index]:
    """Yield the indexes of a display: constructors, or groups of names, also with a flag.

    Displays of other classes may be part of it.
    """
    if isinstance(value, t.Star):
        yield from indexes_in(types, words, scope, value.value, place, unique=unique)
    if isinstance(value, t.Attr):
        owner = meaning_of(types, scope, value.base, AT_END)
        given = attribute_value(owner.node, value.name) if isinstance(owner, ClassType) else None
        if given is not None and given[1] != value:
            yield from indexes_in(types, words, *given, place, unique=unique)
    if isinstance(value, t.Binary):
        yield from indexes_in(types, words, scope, value.left, place, unique=unique)
        yield from indexes_in(types, words, scope, value.right, place, unique=unique)
    if isinstance(value, t.CallRef):
        call = scope.facts.calls[value.index]
        maker = words.index_makers.get(path_of(types, called(types, scope, call)))
        if maker is not None:
            yield made_index(scope, call, maker)
    if not isinstance(value, t.Seq):
        return
    names = [text(item) for item in value.items]
    if names and all(name is not None for name in names):
        yield Index(tuple(name for name in names if name is not None), unique, None, place)
        return
    flag = constant(value.items[-1]) if value.items else None
    if isinstance(flag, bool):
        yield from indexes_in(types, words, scope, value.items[0], place, unique=flag)
        return
    for item in value.items:
        yield from indexes_in(types, words, scope, item, place, unique=unique)


def made_index(scope: FunctionNode, call: t.Call, maker: IndexMaker) -> Index:
    given = argument(call, maker.columns)
    parts: tuple[t.Expr, ...] = given.items if isinstance(given, t.Seq) else ()
    if not parts and maker.first is not None:
        parts = call.arguments[maker.first :]
    flag = constant(argument(call, maker.unique_argument))
    where = argument(call, maker.where_argument)
    return Index(
        columns=tuple(_part_name(scope, part) for part in parts),
        unique=flag if isinstance(flag, bool) else maker.unique,
        where=None if where is None else (text(where) or "..."),
        location=scope.place(call),
        method=text(argument(call, maker.method_argument)) or maker.method,
        name=text(argument(call, maker.name_argument)) or "",
        include=tuple(
            _part_name(scope, part) for part in items_of(argument(call, maker.include_argument))
        ),
        operators=argument(call, maker.operators_argument) is not None,
    )


def items_of(value: t.Expr | None) -> tuple[t.Expr, ...]:
    """Return the items of a display, else nothing."""
    return value.items if isinstance(value, t.Seq) else ()


def _part_name(scope: FunctionNode, part: t.Expr) -> str:
    """Return the column of a part of an index, or an expression of columns in parentheses."""
    match part:
        case t.Attr(base=t.Item()):
            # A part of a value, as in ``data["isbn"].astext``.
            return UNKNOWN_PART
        case t.Attr(name=name) | t.Name(id=name):
            return name
        case t.Const() | t.Text():
            given = text(part) or UNKNOWN_PART
            return given.split()[0] if ORDERED.search(given) else given
        case t.CallRef(index=index):
            call = scope.facts.calls[index]
            made = call.callee.name if isinstance(call.callee, t.Attr) else ""
            name = made or getattr(call.callee, "id", "")
            inner = call.arguments[0] if call.arguments else None
            if name in SAME_PART:
                base = call.callee.base if isinstance(call.callee, t.Attr) else None
                return _part_name(scope, inner or base or part) if inner or base else UNKNOWN_PART
            column = _part_name(scope, inner) if inner is not None else UNKNOWN_PART
            return UNKNOWN_PART if column == UNKNOWN_PART else f"({name.lower()}({column}))"
    return UNKNOWN_PART


def translated(index: Index, columns: dict[str, Column]) -> Index:
    """Return the index with the database's names; ``-name`` is a column in descending order."""
    names = []
    for part in index.columns:
        name = part.removeprefix("-")
        column = columns.get(name) or columns.get(f"{name}_id")
        names.append(column.name if column is not None else name)
    return replace(index, columns=tuple(names))
