"""Objects that a session keeps: what has been loaded by its key is not asked for again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_entities import keeps_objects
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, LibraryInstance, TupleType, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

DEPTH = 3


def may_be_kept(
    program: "Program", relation: Relation, function: FunctionNode, query: Location | None
) -> bool:
    """Return whether what a relation leads to may have been loaded by those who read or query it.

    They hold an object of its class, or some of them, which their session keeps.
    """
    if relation.target is None or relation.many or not keeps_objects(program, relation.target):
        return False
    holders = [function]
    if query is not None:
        holders += _functions_around(program, query)
    return any(_holds(program, holder, relation) for holder in dict.fromkeys(holders))


def _functions_around(program: "Program", place: Location) -> list[FunctionNode]:
    """Return the functions, and those in them, that a place stands in."""
    return [
        function for function in program.once(_by_path).get(place.path, ()) if function.holds(place)
    ]


def _by_path(program: "Program") -> dict[str, list[FunctionNode]]:
    found: dict[str, list[FunctionNode]] = {}
    for function in program.functions:
        if function.kind in ("function", "lambda"):
            found.setdefault(function.file.path, []).append(function)
    return found


def _holds(program: "Program", function: FunctionNode, relation: Relation) -> bool:
    """Return whether a name of a function is an object that a relation leads to, or holds some.

    What is read through the relation itself is none.
    """
    own = function.facts.params[0].name if function.owner and function.facts.params else ""
    names = set(function.params) | {
        name
        for name, binds in function.binds.items()
        if not all(
            isinstance(bind.value, t.Attr) and bind.value.name == relation.name for bind in binds
        )
    }
    return any(
        node is relation.target
        for name in sorted(names - {own})
        for node in _classes(program.types.evaluate(function, t.Name(name), AT_END), DEPTH)
    )


def _classes(found: Type, depth: int) -> Iterator[ClassNode]:
    for option in options_of(found):
        if isinstance(option, Instance):
            yield option.node
        elif depth and isinstance(option, LibraryInstance):
            for part in option.arguments:
                yield from _classes(part, depth - 1)
        elif depth and isinstance(option, TupleType):
            for part in option.items:
                yield from _classes(part, depth - 1)
