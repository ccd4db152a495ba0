"""What library files say of graph types, all files together; and the rows behind a graph type."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.libraries import Libraries
from perfaudit.libraries.types import GraphWords
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType, Instance, LibrarySymbol, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


class Words(NamedTuple):
    """The words of all library files with graph types, under the names that they use."""

    types: frozenset[str]
    makers: dict[str, GraphWords]
    fields: dict[str, GraphWords]
    parents: frozenset[str]
    parent_markers: frozenset[str]
    prefixes: tuple[str, ...]
    mutations: dict[str, str]
    lists: dict[str, str]
    connections: frozenset[str]
    nodes: tuple[str, ...]
    identities: frozenset[str]
    models: tuple[str, ...]
    binders: dict[str, str]
    binds: frozenset[str]
    exposing: frozenset[str]
    optimisers: frozenset[str]


def words_of(libraries: Libraries) -> Words:
    """Return what all library files say of graph types."""
    found = [words for _, words in libraries.graphs]
    return Words(
        frozenset(path for words in found for path in words.types),
        {path: words for words in found for path in words.makers},
        {path: words for words in found for path in words.fields},
        frozenset(name for words in found for name in words.parents),
        frozenset(path for words in found for path in words.parent_markers),
        tuple(dict.fromkeys(words.resolver_prefix for words in found if words.resolver_prefix)),
        {path: name for words in found for path, name in words.mutations.items()},
        {path: given for words in found for path, given in words.lists.items()},
        frozenset(path for words in found for path in words.connections),
        tuple(dict.fromkeys(words.node for words in found if words.node)),
        frozenset(path for words in found for path in words.identities),
        tuple(dict.fromkeys(words.model for words in found if "." in words.model)),
        {path: name for words in found for path, name in words.binders.items()},
        frozenset(path for words in found for path in words.binds),
        frozenset(path for words in found for path in words.exposing),
        frozenset(name for words in found for name in words.optimisers),
    )


def maker_of(types: "Types", node: ClassNode) -> tuple[GraphWords, t.Call | None] | None:
    """Return what is said of the decorator that makes a class a graph type, and its call."""
    words = types.graph_words
    for decorator in node.facts.decorators:
        call = None
        if isinstance(decorator, t.CallRef):
            call = node.parent.facts.calls[decorator.index]
            found = types.call(node.parent, decorator.index).callee
        else:
            found = types.evaluate(node.parent, decorator, AT_END)
        for option in options_of(found):
            if isinstance(option, LibrarySymbol):
                said = words.makers.get(types.libraries.canonical(option.path))
                if said is not None:
                    return said, call
    return None


def row_class(types: "Types", node: ClassNode) -> ClassNode | None:
    """Return the class of the rows that a graph type stands for, where it names one."""
    if not node.facts.decorators and not node.body.inner_classes:
        return None
    if node not in types.row_classes:
        # Whoever asks again while the class is being looked at is told that there is none.
        types.row_classes[node] = None
        types.row_classes[node] = _find_row_class(types, node)
    return types.row_classes[node]


def _find_row_class(types: "Types", node: ClassNode) -> ClassNode | None:
    made = maker_of(types, node) if node.facts.decorators else None
    if made is not None:
        said, call = made
        if call is None or not said.model:
            return None
        given = argument(call, said.model)
        return None if given is None else _class_of(types, node.parent, given)
    for name in types.graph_words.models:
        value = attribute_value(node, name)
        if value is not None and not types.graph_words.types.isdisjoint(
            types.classes.ancestors(node)
        ):
            return _class_of(types, *value)
    return None


def _class_of(types: "Types", scope: FunctionNode, value: t.Expr) -> ClassNode | None:
    for option in options_of(types.evaluate(scope, value, AT_END)):
        if isinstance(option, ClassType):
            return option.node
    return None


def given_row(types: "Types", scope: FunctionNode, param: t.Param) -> Type | None:
    """Return the row that the first parameter of a resolver without annotations gets, or None."""
    owner = scope.owner
    if owner is None or scope.kind != "function" or param.annotation is not None:
        return None
    if not scope.facts.params or scope.facts.params[0] is not param:
        return None
    is_prefixed = scope.name.startswith(types.graph_words.prefixes)
    if not is_prefixed and not (owner.facts.decorators and scope.facts.decorators):
        return None
    row = row_class(types, owner)
    return None if row is None else Instance(row)
