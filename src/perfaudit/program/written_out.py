"""What is written out where an expression leads: through names, imports and attributes."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ClassType, Instance, ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 6
MAX_DEPTH = 4
"""How deep a dictionary lies in others."""


class Spot(NamedTuple):
    """An expression, where it stands, at which point, and the line that binds it, if any."""

    function: FunctionNode
    value: t.Expr
    at: tuple[int, int]
    line: int = 0


Keys = dict[tuple[FunctionNode, t.Expr], object]
"""Keys of dictionaries by the expressions that have them."""


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


def entries(types: "Types", table: Spot, key: t.Expr) -> list[Spot]:
    """Return what a dictionary that is written out holds for a key, all of it for an unknown one.

    It may be an entry of another one itself. Empty where it is not written out.
    """
    return [held for _, held in keyed_entries(types, table, key)]


def keyed_entries(
    types: "Types", table: Spot, key: t.Expr, depth: int = MAX_DEPTH
) -> list[tuple[Keys, Spot]]:
    """Return the same, with the keys that those expressions have which are not known."""
    asked = written_out(types, Spot(table.function, key, table.at))
    wanted = asked.value if asked is not None and isinstance(asked.value, t.Const) else None
    return [
        (keys if wanted is not None else {**keys, (table.function, key): known}, held)
        for keys, display in _displays(types, table, depth)
        for known, held in held_by(display)
        if wanted is None or known == wanted.value
    ]


def is_dictionary(types: "Types", spot: Spot) -> bool:
    """Return whether an expression leads to a dictionary that is written out, be it empty."""
    return bool(_displays(types, spot, MAX_DEPTH))


def _displays(types: "Types", table: Spot, depth: int) -> list[tuple[Keys, Spot]]:
    """Return the dictionaries that are written out where an expression leads."""
    found = written_out(types, table)
    if found is None or depth <= 0:
        return []
    if isinstance(found.value, t.Mapping):
        return [({}, found)]
    inner: list[tuple[Keys, Spot]] = []
    match found.value:
        case t.Item(base=base, key=key):
            inner = keyed_entries(types, Spot(found.function, base, found.at), key, depth - 1)
        case t.CallRef(index=index):
            call = found.function.facts.calls[index]
            at = (call.sequence, call.context)
            match call:
                case t.Call(callee=t.Name(id="dict"), arguments=()):
                    return [({}, found)]
                case t.Call(callee=t.Attr(base=base, name="get"), arguments=(key, *_)):
                    inner = keyed_entries(types, Spot(found.function, base, at), key, depth - 1)
    return [
        ({**keys, **more}, display)
        for keys, held in inner
        for more, display in _displays(types, held, depth - 1)
    ]


def held_by(display: Spot) -> list[tuple[object, Spot]]:
    """Return the constant keys and the values of a dictionary that is written out."""
    function, value, at, line = display
    if isinstance(value, t.CallRef):
        call = function.facts.calls[value.index]
        at = (call.sequence, call.context)
        return [(name, Spot(function, held, at, line)) for name, held in call.keywords]
    if not isinstance(value, t.Mapping):
        return []
    return [
        (key.value, Spot(function, held, at, line))
        for key, held in zip(value.keys, value.values, strict=True)
        if isinstance(key, t.Const)
    ]


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
