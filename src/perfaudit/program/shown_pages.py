"""Objects that hold a list of others, filled from rows: ``BookPage(items=rows, total=7)``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_costs import shown_class
from perfaudit.program.values import ClassType, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Part = tuple[t.Expr, ClassNode]
"""A value, and the class of which an object is filled from each of its items."""


def parts_of_call(program: "Program", function: FunctionNode, index: int) -> Iterator[Part]:
    """Yield what a call gives to the fields of a class of the project that hold lists."""
    keywords = function.facts.calls[index].keywords
    if not keywords:
        return
    for option in options_of(program.types.call(function, index).callee):
        if isinstance(option, ClassType):
            for name, value in keywords:
                yield from _part(program, option.node, name, value)


def parts_of_display(program: "Program", value: t.Expr, page: ClassNode) -> Iterator[Part]:
    """Yield what a written-out dictionary, that fills a class, has for its fields with lists."""
    if isinstance(value, t.Mapping):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, t.Const) and isinstance(key.value, str):
                yield from _part(program, page, key.value, item)


def _part(program: "Program", page: ClassNode, name: str, value: t.Expr) -> Iterator[Part]:
    if not any(name in node.body.binds for node in program.types.classes.project_order(page)):
        return
    declared = program.types.attribute(page, name)
    shown = shown_class(declared) if _is_list(declared) else None
    if shown is not None and program.schema.table_of(shown) is None:
        yield value, shown


def _is_list(declared: Type) -> bool:
    return any(isinstance(option, LibraryInstance) for option in options_of(declared))
