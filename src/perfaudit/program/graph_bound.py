"""Resolvers that are bound to the name of a type, as schemas written in text need it."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.graph_fields import GraphField
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.routes_origins import Origins, sources
from perfaudit.program.values import FunctionType, LibraryMethod, LibrarySymbol, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

SCHEMA_TEXT = re.compile(r"(?:^|\s)type\s+\w+[^{}]*\{")
LISTED = re.compile(r"\[\s*(\w+)\s*!?\s*\]")


def bound_fields(types: "Types", functions: Iterable[FunctionNode]) -> dict[str, list[GraphField]]:
    """Return the fields that functions are bound to, by the name of their type."""
    found: dict[str, list[GraphField]] = {}
    verbs = {path.rpartition(".")[2] for path in types.graph_words.binds}
    for function in functions:
        outer = function.parent
        for decorator in function.facts.decorators if outer is not None else ():
            if isinstance(decorator, t.CallRef) and outer is not None:
                _bind(types, outer, decorator.index, function, found)
        for index, call in enumerate(function.facts.calls):
            if len(call.arguments) == 2 and getattr(call.callee, "name", "") in verbs:
                given = types.evaluate(function, call.arguments[1], (call.sequence, call.context))
                if isinstance(given, FunctionType):
                    _bind(types, function, index, given.node, found)
    return found


def _bind(
    types: "Types",
    scope: FunctionNode,
    index: int,
    resolver: FunctionNode,
    found: dict[str, list[GraphField]],
) -> None:
    call = scope.facts.calls[index]
    if not isinstance(call.callee, t.Attr):
        return
    method = types.call(scope, index).callee
    if (
        not isinstance(method, LibraryMethod)
        or method.behaviour.path not in types.graph_words.binds
    ):
        return
    field = call.arguments[0] if call.arguments else None
    if not isinstance(field, t.Const) or not isinstance(field.value, str):
        return
    first = resolver.facts.params[:1]
    parent = first[0].name if first and first[0].kind == "positional" else ""
    for name in _names_of(types, scope, call.callee.base):
        found.setdefault(name, []).append(GraphField(field.value, resolver, parent))


def _names_of(types: "Types", scope: FunctionNode, binder: t.Expr) -> list[str]:
    """Return the names of the types that an object binds resolvers to."""
    names: list[str] = []
    for source in sources(Origins(types), scope, binder, AT_END):
        if not isinstance(source.value, t.CallRef):
            continue
        call = source.function.facts.calls[source.value.index]
        for option in options_of(types.evaluate(source.function, call.callee, AT_END)):
            if not isinstance(option, LibrarySymbol):
                continue
            said = types.graph_words.binders.get(types.libraries.canonical(option.path), "")
            given = argument(call, said) if said[:1].isdigit() else None
            if isinstance(given, t.Const) and isinstance(given.value, str):
                names.append(given.value)
            elif said and not said[:1].isdigit():
                names.append(said)
    return list(dict.fromkeys(names))


def listed_in_text(functions: Iterable[FunctionNode]) -> frozenset[str] | None:
    """Return the types that schemas in texts of the program give in lists, or None without any."""
    found: set[str] = set()
    seen = False
    for function in functions:
        values = [value for call in function.facts.calls for value in call.arguments]
        values += [bind.value for bind in function.facts.binds if bind.value is not None]
        for value in values:
            if (
                isinstance(value, t.Const)
                and isinstance(value.value, str)
                and SCHEMA_TEXT.search(value.value)
            ):
                seen = True
                found.update(LISTED.findall(value.value))
    return frozenset(found) if seen else None
