"""Objects nothing is known of, that tell what they are by what they are asked for.

``handler.db.query(User)``, where User is a table class: ``handler.db`` is a session, surely.
"""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ClassType, LibraryInstance, LibraryMethod, Type, is_unread

if TYPE_CHECKING:
    from perfaudit.program.infer import Types


def told_by(types: "Types", function: FunctionNode, call: t.Call, callee: Type) -> Type:
    """Return the method of a library that a call of something unknown surely runs.

    What is found as the callee, where nothing tells more.
    """
    if type(call.callee) is not t.Attr or not call.arguments:
        return callee
    methods = types.libraries.telling.get(call.callee.name)
    if not methods or not is_unread(callee):
        return callee
    if len(methods) > 1 and not call.awaited and _may_be_awaited(function, call):
        return callee
    asked = types.evaluate(function, call.arguments[0], (call.sequence, call.context))
    for path, behaviour in methods:
        if behaviour.awaitable == call.awaited and _is_asked_of(types, behaviour, path, asked):
            return LibraryMethod(LibraryInstance(path), path, behaviour)
    return callee


def _may_be_awaited(function: FunctionNode, call: t.Call) -> bool:
    """Return whether what a call gives may be awaited elsewhere."""
    return function.is_async or any(
        isinstance(result.value, t.CallRef) and function.facts.calls[result.value.index] is call
        for result in function.facts.results
    )


def _is_asked_of(types: "Types", behaviour: Behaviour, path: str, asked: Type) -> bool:
    """Return whether an argument is a table class, or a statement, of the method's own library."""
    if isinstance(asked, ClassType):
        queries = (
            types.libraries.queries(base) for base in types.classes.library_bases(asked.node)
        )
        return not behaviour.sql and any(one is not None and one.keeps_objects for one in queries)
    root = path.partition(".")[0]
    return (
        bool(behaviour.sql)
        and isinstance(asked, LibraryInstance)
        and asked.path.partition(".")[0] == root
        and types.libraries.loads_relations(asked.path)
    )
