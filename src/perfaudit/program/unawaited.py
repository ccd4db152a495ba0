"""Coroutines that a call makes and nobody awaits: nothing of them ever runs."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge

HARMLESS = (t.Name("len"), t.Name("bool"), t.Name("print"))
STORING = frozenset({"extend", "update"})


def is_never_awaited(edge: Edge) -> bool:
    """Return whether a call of a coroutine function is thrown away, or kept where nobody awaits.

    Of a list of coroutines that is where its function does nothing with it but keep it in an
    attribute that no function of the file hands to a call or walks to await its items.
    """
    callee, function, call = edge.callee, edge.caller, edge.call
    if not callee.is_async or callee.facts.is_generator or callee.facts.decorators:
        return False
    if edge.how != "call" or edge.via != "call" or call is None or call.awaited:
        return False
    if call.discarded:
        return True
    kept = _kept_in(function, edge.value)
    if kept is None or function.facts.is_generator or _is_used(function, kept):
        return False
    return not any(
        _is_awaited(other, attribute)
        for attribute in _attributes(function, kept)
        for other in function.file.functions
    )


def _kept_in(function: FunctionNode, value: t.Expr) -> t.Name | None:
    """Return the name that a list of what a call gives for each item is bound to, if one."""
    found = [
        bind.target
        for bind in function.facts.binds
        if isinstance(bind.value, t.Comp) and bind.value.element == value
    ]
    target = found[0] if len(found) == 1 else None
    return target if isinstance(target, t.Name) else None


def _is_used(function: FunctionNode, kept: t.Name) -> bool:
    """Return whether a function does more with a list than to count it, or keep it."""
    facts = function.facts
    for call in facts.calls:
        given = call.given
        if any(kept.id in expressions.names(function, value) for value in given):
            if call.callee not in HARMLESS and not _stores(call):
                return True
    walked = [context.subject for context in facts.contexts]
    results = [item.value for item in facts.results if not isinstance(item.value, t.CallRef)]
    bound = [bind.value for bind in facts.binds if not isinstance(bind.target, t.Attr)]
    return any(
        value is not None and kept in expressions.parts(function, value)
        for value in (*walked, *results, *bound)
    )


def _stores(call: t.Call) -> bool:
    """Return whether a call puts what it is given into a list that an object keeps."""
    callee = call.callee
    return isinstance(callee, t.Attr) and callee.name in STORING and isinstance(callee.base, t.Attr)


def _attributes(function: FunctionNode, kept: t.Name) -> Iterator[str]:
    """Yield the names under which a list is kept on an object; of others none is known."""
    for call in function.facts.calls:
        if isinstance(call.callee, t.Attr) and _stores(call) and kept in call.arguments:
            yield expressions.last_name(call.callee.base)
    for bind in function.facts.binds:
        if bind.value == kept and isinstance(bind.target, t.Attr):
            yield bind.target.name


def _is_awaited(function: FunctionNode, attribute: str) -> bool:
    """Return whether a function gives an attribute to a call, or awaits the items in it."""
    facts = function.facts
    if any(_holds(function, given, attribute) for call in facts.calls for given in call.arguments):
        return True
    awaits = any(
        isinstance(part, t.Await)
        for value in (*(bind.value for bind in facts.binds), *(r.value for r in facts.reads))
        if value is not None
        for part in expressions.parts(function, value)
    )
    return awaits and any(
        context.subject is not None and _holds(function, context.subject, attribute)
        for context in facts.contexts
    )


def _holds(function: FunctionNode, value: t.Expr, attribute: str) -> bool:
    return any(
        isinstance(part, t.Attr) and part.name == attribute
        for part in expressions.parts(function, value)
    )
