"""The calls that made a function which is called: ``look_up = timed(read)``, then ``look_up()``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import Instance, ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 6
"""Names and attributes in a row."""

Made = tuple[FunctionNode, int]
"""A call, by the function that it stands in and its number there."""


def origins(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int], maker: FunctionNode
) -> list[Made]:
    """Return the calls of a maker that give a value, through names, imports and attributes."""
    found = _calls_behind(types, function, value, at, MAX_STEPS)
    return [made for made in dict.fromkeys(found) if _runs(types, made, maker)]


def _runs(types: "Types", made: Made, maker: FunctionNode) -> bool:
    return any(target.function is maker for target in types.call(*made).targets)


def _calls_behind(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> Iterator[Made]:
    if steps == 0:
        return
    match value:
        case t.CallRef(index=index):
            yield function, index
        case t.Either(options=options):
            for option in options:
                yield from _calls_behind(types, function, option, at, steps - 1)
        case t.Name(id=name):
            yield from _behind_name(types, function, name, at, steps - 1)
        case t.Attr(base=base, name=name):
            for owner in options_of(types.evaluate(function, base, at)):
                if isinstance(owner, ModuleType):
                    yield from _behind_name(types, owner.node.body, name, AT_END, steps - 1)
                elif isinstance(owner, Instance):
                    yield from _behind_attribute(types, owner, name, steps - 1)


def _behind_name(
    types: "Types", function: FunctionNode, name: str, at: tuple[int, int], steps: int
) -> Iterator[Made]:
    for scope, definition in meanings(function, name, at):
        if isinstance(definition, t.Bind):
            yield from _behind_bind(types, scope, definition, steps)
        elif isinstance(definition, t.Import) and steps:
            origin = types.import_origin(scope, definition)
            if origin is not None and origin[0] is not scope.file.body:
                yield from _behind_name(types, *origin, AT_END, steps - 1)


def _behind_attribute(types: "Types", owner: Instance, name: str, steps: int) -> Iterator[Made]:
    for node in types.classes.project_order(owner.node):
        kept = [
            *node.stores.get(name, ()),
            *((node.body, b) for b in node.body.binds.get(name, ())),
        ]
        for scope, bind in kept:
            yield from _behind_bind(types, scope, bind, steps)
        if kept:
            return


def _behind_bind(types: "Types", scope: FunctionNode, bind: t.Bind, steps: int) -> Iterator[Made]:
    if bind.kind in ("assign", "annotated", "walrus") and bind.value is not None:
        point = (bind.sequence, bind.context)
        yield from _calls_behind(types, scope, bind.value, point, steps)
