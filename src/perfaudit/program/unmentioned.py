"""Relations that no query of the program can load with its rows: nothing else names them."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.tables import Relation

if TYPE_CHECKING:
    from perfaudit.program.program import Program

OTHERS = frozenset({Role.TEST, Role.MIGRATION})
"""The roles of code whose queries give no rows to the rest."""
_WORDS = re.compile(r"[^\W\d]\w*")


def is_never_loaded(program: "Program", relation: Relation) -> bool:
    """Return whether no query loads a relation, wherever its rows may come from.

    What says what a query loads names it in a text, which may stand anywhere and have been put
    together, or is worked out from the fields of other classes. No text outside of its own
    declaration has its name, and no such class a field of it.
    """
    if not program.once(_names_in_texts):
        return False
    return not program.once(_mentions).get(relation.name, set()) - {_place(relation)}


def _place(relation: Relation) -> tuple[str, int]:
    return (relation.location.path, relation.location.line)


def _names_in_texts(program: "Program") -> bool:
    """Return whether all that loads relations names them: nothing reads what clients ask for."""
    packages = program.types.graph_words.optimisers
    methods = program.types.libraries.loading_methods
    for function in program.functions:
        if any(item.module.partition(".")[0] in packages for item in function.facts.imports):
            return False
        for call in function.facts.calls:
            if isinstance(call.callee, t.Attr) and call.callee.name in methods:
                return False
    return True


def _mentions(program: "Program") -> dict[str, set[tuple[str, int]]]:
    """Return where names of relations are written as texts, or as fields of other classes."""
    names = program.schema.relation_names
    found: dict[str, set[tuple[str, int]]] = {}
    for function in program.functions:
        if function.role in OTHERS:
            continue
        for word, line in _written(function):
            for name in _WORDS.findall(word):
                for part in names.intersection(name.split("__")):
                    found.setdefault(part, set()).add((function.file.path, line))
    return found


def _written(function: FunctionNode) -> Iterator[tuple[str, int]]:
    """Yield the texts of a function with their lines, and what the body of a class binds."""
    facts = function.facts
    for call in facts.calls:
        for value in call.given:
            yield from ((text, call.line) for text in _texts(function, value))
    for bind in facts.binds:
        if facts.kind == "class" and isinstance(bind.target, t.Name):
            yield bind.target.id, bind.line
        for part in (bind.target, bind.value):
            if part is not None:
                yield from ((text, bind.line) for text in _texts(function, part))
    for read in facts.reads:
        yield from ((text, read.line) for text in _texts(function, read.value))
    for result in facts.results:
        if result.value is not None:
            yield from ((text, result.line) for text in _texts(function, result.value))
    for param in facts.params:
        if param.default is not None:
            yield from ((text, facts.line) for text in _texts(function, param.default))
    for context in facts.contexts:
        if context.subject is not None:
            yield from ((text, context.line) for text in _texts(function, context.subject))


def _texts(function: FunctionNode, value: t.Expr) -> Iterator[str]:
    """Yield the texts in an expression, but for those in its calls, which come by themselves."""
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, t.Const):
            if isinstance(part.value, str):
                yield part.value
        elif isinstance(part, t.Text):
            yield from (text for text in part.parts if isinstance(text, str))
            stack.extend(expressions.children(function, part))
        elif not isinstance(part, t.Name | t.CallRef):
            stack.extend(expressions.children(function, part))
