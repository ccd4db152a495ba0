"""Relations that no query of the program can load with its rows: nothing else names them."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.called import calling_methods
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.tables import Relation

if TYPE_CHECKING:
    from perfaudit.program.program import Program

OTHERS = frozenset({Role.TEST, Role.MIGRATION})
"""The roles of code whose queries give no rows to the rest."""
_WORDS = re.compile(r"[^\W\d]\w*")
_TEXTLESS = (t.Name, t.CallRef, type(None))
"""Expressions that hold no text; those in a call come by themselves."""


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
    if calling_methods(program, program.types.libraries.loading_methods):
        return False
    return not any(
        item.module.partition(".")[0] in packages
        for function in program.functions
        for item in function.facts.imports
    )


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
    if facts.kind == "class":
        for bind in facts.binds:
            if isinstance(bind.target, t.Name):
                yield bind.target.id, bind.line
    for value, line in _values(facts):
        while isinstance(value, t.Attr):
            value = value.base
        if not isinstance(value, _TEXTLESS):
            for text in _texts(function, value):
                yield text, line


def _values(facts: t.Function) -> Iterator[tuple[t.Expr | None, int]]:
    """Yield the expressions of a function, each with its line."""
    for call in facts.calls:
        for given in call.given:
            yield given, call.line
    for bind in facts.binds:
        yield bind.target, bind.line
        yield bind.value, bind.line
    for read in facts.reads:
        yield read.value, read.line
    for result in facts.results:
        yield result.value, result.line
    for param in facts.params:
        yield param.default, facts.line
    for context in facts.contexts:
        yield context.subject, context.line


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
        elif not isinstance(part, _TEXTLESS):
            stack.extend(expressions.children(function, part))
