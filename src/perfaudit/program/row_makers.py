"""What a class reads of itself whenever one of its rows is loaded."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.decorators import method_kind
from perfaudit.program.eager_words import queries_of
from perfaudit.program.expressions import parts
from perfaudit.program.language_calls import given_above
from perfaudit.program.nodes import ClassNode, FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.entity_queries import EntityQuery
    from perfaudit.program.program import Program


def read_when_made(program: "Program", query: "EntityQuery") -> frozenset[str] | None:
    """Return the columns that methods of the class read of each row, or None if not known."""
    node = query.source.entity
    if node is None:
        return frozenset()
    found: set[str] = set()
    for method in _makers_of(program, node, query.orm):
        read = _read_by(program, query, node, method)
        if read is None:
            return None
        found |= read
    return frozenset(found)


def loaded_when_made(program: "Program", node: ClassNode) -> frozenset[str]:
    """Return the relations that methods of a class load of each row, whatever its query loads."""
    words = queries_of(program, node)
    makers = () if words is None else _makers_of(program, node, words)
    return frozenset(name for method in makers for name in _loaded_by(program, node, method))


def _loaded_by(program: "Program", node: ClassNode, method: FunctionNode) -> Iterator[str]:
    """Yield the relations that a method loads of a row: itself, or by a member of the row's class.

    A base that is no table by itself does not know what its rows have.
    """
    rows = _rows_in(method)
    for load in program.loads.of(method):
        if not load.path and t.Name(load.root) in rows:
            yield load.names[0]
    called = {call.callee for call in method.facts.calls}
    for value in _parts_in(method):
        if not isinstance(value, t.Attr) or value.base not in rows:
            continue
        relation = program.schema.relation(node, value.name)
        if relation is not None and not relation.many:
            yield value.name
        member = program.types.classes.method(node, value.name)
        if member is not None and (
            value in called or method_kind(program.types, member) == "property"
        ):
            own = {param.name for param in member.facts.params[:1]}
            for load in program.loads.of(member):
                if not load.path and load.root in own:
                    yield load.names[0]


def _makers_of(program: "Program", node: ClassNode, words: EntityQueries) -> Iterator[FunctionNode]:
    """Yield the methods that run for each row of a class that is loaded, its bases' too."""
    for owner in program.types.classes.project_order(node):
        for name in words.makers:
            if name in owner.methods:
                yield owner.methods[name]


def _read_by(
    program: "Program", query: "EntityQuery", node: ClassNode, method: FunctionNode
) -> frozenset[str] | None:
    """Return the columns that a method reads of the row, None where the row goes elsewhere."""
    rows = _rows_in(method)
    found: set[str] = set()
    for call in method.facts.calls:
        if any(value in rows for value in call.given):
            return None
    for value in _parts_in(method):
        if not isinstance(value, t.Attr) or value.base not in rows:
            continue
        relation = query.source.relations.get(value.name)
        if program.types.classes.method(node, value.name) is not None:
            return None
        if relation is not None:
            found.update(relation.keys)
        elif value.name in query.source.columns:
            found.add(value.name)
    return frozenset(found)


def _rows_in(method: FunctionNode) -> list[t.Expr]:
    """Return the names of the row: what the method is called on, and what its base gives."""
    rows: list[t.Expr] = [t.Name(param.name) for param in method.facts.params[:1]]
    for bind in method.facts.binds:
        if isinstance(bind.target, t.Name) and given_above(method, bind.value):
            rows.append(bind.target)
    return rows


def _parts_in(method: FunctionNode) -> Iterator[t.Expr]:
    facts = method.facts
    for call in facts.calls:
        yield from parts(method, call.callee)
    for read in facts.reads:
        yield from parts(method, read.value)
    for bind in facts.binds:
        if bind.value is not None:
            yield from parts(method, bind.value)
