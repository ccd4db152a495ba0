"""Classes that show rows of a table with a column for each entry of a list: which, and of what."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.templates import RecordList
from perfaudit.program import expressions
from perfaudit.program.class_values import class_texts, class_value, texts_of
from perfaudit.program.given_names import Given
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType, FunctionType, Instance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types
    from perfaudit.program.schema import Schema

ONE_TO_ONE = "one_to_one"


class Column(Struct, frozen=True):
    """An entry of a list: a name, and the function that it stands for if it is no attribute.

    ``location`` is where the list stands, ``row`` the parameter that the rows are given to.
    """

    name: str
    function: FunctionNode | None
    row: str
    location: Location


class ListClass(Struct, frozen=True):
    """A class that shows the rows of a table class; at most one, where ``is_of_one`` says so."""

    node: ClassNode
    kind: RecordList
    model: ClassNode
    columns: tuple[Column, ...]
    is_of_one: bool = False


def list_classes(types: "Types", schema: "Schema") -> tuple[ListClass, ...]:
    """Return the classes of the project that show rows in columns, in file order."""
    lists = types.libraries.templates.lists
    shown = {
        node: found
        for file in types.modules.files
        for node in file.classes
        if node.facts.bases
        for found in [_list_of(types, lists, node)]
        if found is not None
    }
    if not shown:
        return ()
    registered = _registered(types, schema, shown)
    named = _named(types, {node.name for node, found in shown.items() if found.listed})
    outer = _outer_models(types, schema, shown, registered)
    return tuple(
        ListClass(
            node,
            found,
            model,
            tuple(_columns(types, node, found)),
            found.listed and _is_of_one(types, schema, node, found, model, outer.get(node, [])),
        )
        for node, found in shown.items()
        if not found.listed or node.name in named
        for model in _models(types, schema, node, found, registered)
    )


def _outer_models(
    types: "Types",
    schema: "Schema",
    shown: dict[ClassNode, RecordList],
    registered: dict[ClassNode, list[ClassNode]],
) -> dict[ClassNode, list[ClassNode]]:
    """Return of the classes that others name the table classes whose objects these show."""
    outer: dict[ClassNode, list[ClassNode]] = {}
    for node, found in shown.items():
        given = class_value(types, node, found.inner) if found.inner else None
        for inner in _classes_in(types, schema, given, tables=False) if given else ():
            outer.setdefault(inner, []).extend(_models(types, schema, node, found, registered))
    return outer


def _is_of_one(
    types: "Types",
    schema: "Schema",
    node: ClassNode,
    found: RecordList,
    model: ClassNode,
    outer: list[ClassNode],
) -> bool:
    """Return whether the object whose page shows the rows of a class has one of them at most.

    Where it is not known whose page that is, a relation to one object is taken for that to it.
    """
    keys = [relation for relation in schema.relations_of(model).values() if not relation.reverse]
    names = class_texts(types, node, found.key) if found.key else []
    above = {base for one in outer for base in types.classes.project_order(one)}
    to_it = [
        relation
        for relation in keys
        if (relation.name in names if names else not above or relation.target in above)
    ]
    if above or names:
        return bool(to_it) and all(relation.kind == ONE_TO_ONE for relation in to_it)
    return any(relation.kind == ONE_TO_ONE for relation in to_it)


def row_parameters(
    classes: tuple[ListClass, ...],
) -> dict[tuple[FunctionNode, str], Type]:
    """Return the types of the parameters that a library gives the rows to, function by function."""
    return {
        (column.function, column.row): Instance(found.model)
        for found in classes
        for column in found.columns
        if column.function is not None and column.row
    }


def is_of_list(types: "Types", function: FunctionNode) -> bool:
    """Return whether a function is a method of a class that shows records to a few people.

    What it does is for those of them that they have selected.
    """
    return function.owner is not None and (
        _list_of(types, types.libraries.templates.lists, function.owner) is not None
    )


def _list_of(types: "Types", lists: dict[str, RecordList], node: ClassNode) -> RecordList | None:
    above = types.classes.ancestors(node)
    return next((found for path, found in lists.items() if path in above), None)


def _models(
    types: "Types",
    schema: "Schema",
    node: ClassNode,
    found: RecordList,
    registered: dict[ClassNode, list[ClassNode]],
) -> list[ClassNode]:
    if not found.model:
        return registered.get(node, [])[:1]
    given = class_value(types, node, found.model)
    return [] if given is None else _classes_in(types, schema, given)


def _registered(
    types: "Types", schema: "Schema", shown: dict[ClassNode, RecordList]
) -> dict[ClassNode, list[ClassNode]]:
    """Return the table classes that a decorator or a call ties each of the classes to."""
    found: dict[ClassNode, list[ClassNode]] = {}
    for node in shown:
        for decorator in node.facts.decorators:
            if isinstance(decorator, t.CallRef):
                call = node.parent.facts.calls[decorator.index]
                for given in call.arguments:
                    at = (call.sequence, call.context)
                    found.setdefault(node, []).extend(
                        _classes_in(types, schema, Given(node.parent, given, at))
                    )
    for file in types.modules.files:
        for call in file.body.facts.calls:
            if not isinstance(call.callee, t.Attr) or len(call.arguments) != 2:
                continue
            at = (call.sequence, call.context)
            page = _classes_in(types, schema, Given(file.body, call.arguments[1], at), tables=False)
            if len(page) == 1 and page[0] in shown:
                models = _classes_in(types, schema, Given(file.body, call.arguments[0], at))
                found.setdefault(page[0], []).extend(models)
    return found


def _named(types: "Types", names: set[str]) -> set[str]:
    """Return those of some names that the code reads; to inherit from a class is not to read it."""
    found: set[str] = set()
    for file in types.modules.files if names else ():
        for function in (file.body, *file.functions):
            facts = function.facts
            values = [bind.value for bind in facts.binds] + [item.value for item in facts.results]
            values += [given for call in facts.calls for given in call.arguments]
            found |= names & {
                name
                for value in values
                if value is not None
                for name in expressions.names(function, value)
            }
    return found


def _classes_in(
    types: "Types", schema: "Schema", given: Given, *, tables: bool = True
) -> list[ClassNode]:
    """Return the classes that an expression names, alone or in a list."""
    values = given.value.items if isinstance(given.value, t.Seq) else (given.value,)
    return [
        option.node
        for value in values
        for option in options_of(types.evaluate(given.function, value, given.at))
        if isinstance(option, ClassType)
        and (not tables or schema.table_of(option.node) is not None)
    ]


def _columns(types: "Types", node: ClassNode, found: RecordList) -> list[Column]:
    columns: list[Column] = []
    for attribute in found.columns:
        given = class_value(types, node, attribute)
        if given is None:
            columns.extend(_column(types, node, name, node.location) for name in found.default)
            continue
        place = _place(given) or node.location
        items = given.value.items if isinstance(given.value, t.Seq) else ()
        for item in items:
            for name in texts_of(types, given.function, item, given.at):
                columns.append(_column(types, node, name, place))
            if isinstance(item, t.Name | t.Lambda):
                for option in options_of(types.evaluate(given.function, item, given.at)):
                    if isinstance(option, FunctionType):
                        row = _parameter(option.node, 0)
                        columns.append(Column(option.node.name, option.node, row, place))
    return [*columns, *(_column(types, node, name, node.location) for name in found.always)]


def _column(types: "Types", node: ClassNode, name: str, place: Location) -> Column:
    method = None if name.startswith("__") else types.classes.method(node, name)
    return Column(name, method, "" if method is None else _parameter(method, 1), place)


def _parameter(function: FunctionNode, index: int) -> str:
    params = [param.name for param in function.facts.params if param.kind == "positional"]
    return params[index] if index < len(params) else ""


def _place(given: Given) -> Location | None:
    for bind in given.function.facts.binds:
        if bind.value is given.value:
            return given.function.line(bind.line)
    return None
