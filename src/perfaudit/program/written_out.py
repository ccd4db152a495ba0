"""What is written out where an expression leads: through names, imports and attributes."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 6


class Spot(NamedTuple):
    """An expression, where it stands, at which point, and the line that binds it, if any."""

    function: FunctionNode
    value: t.Expr
    at: tuple[int, int]
    line: int = 0


def written_out(types: "Types", spot: Spot) -> Spot | None:
    """Return the expression that a name or an attribute stands for; None where it may be others."""
    for _ in range(MAX_STEPS):
        if not isinstance(spot.value, t.Name | t.Attr):
            return spot
        found = stands_for(types, spot)
        if found is None:
            return None
        spot = found
    return None


def constant_at(
    types: "Types", function: FunctionNode, value: t.Expr, at: tuple[int, int] = AT_END
) -> t.Const | None:
    """Return the constant that an expression stands for; of a member with a label, its value."""
    found = written_out(types, Spot(function, value, at))
    given = None if found is None else found.value
    if isinstance(given, t.Seq) and given.items:
        given = given.items[0]
    return given if isinstance(given, t.Const) else None


def stands_for(types: "Types", spot: Spot) -> Spot | None:
    """Return what a name or an attribute is bound to; None where it may be several, or neither."""
    function, value, at, _ = spot
    if isinstance(value, t.Name):
        return _named(types, function, value.id, at)
    return _held(types, function, value, at) if isinstance(value, t.Attr) else None


def _named(types: "Types", function: FunctionNode, name: str, at: tuple[int, int]) -> Spot | None:
    found = meanings(function, name, at)
    if len(found) != 1:
        return None
    scope, definition = found[0]
    if isinstance(definition, t.Import):
        origin = types.import_origin(scope, definition)
        return None if origin is None else Spot(origin[0], t.Name(origin[1]), AT_END)
    if not isinstance(definition, t.Bind) or definition.kind not in ("assign", "annotated", "with"):
        return None
    if definition.value is None or not isinstance(definition.target, t.Name):
        return None
    return Spot(scope, definition.value, (definition.sequence, definition.context), definition.line)


def _held(
    types: "Types", function: FunctionNode, value: t.Attr, at: tuple[int, int]
) -> Spot | None:
    """Return what a constant of a module or a class is bound to."""
    options = list(options_of(types.evaluate(function, value.base, at)))
    owner = options[0] if len(options) == 1 else None
    if isinstance(owner, ModuleType):
        return Spot(owner.node.body, t.Name(value.name), AT_END)
    if isinstance(owner, ClassType | Instance):
        for node in types.classes.project_order(owner.node):
            if value.name in node.body.binds:
                return Spot(node.body, t.Name(value.name), AT_END)
    return None
