"""What calls in a row give, carried through names, results, entries and attributes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.new_rows import given_to_row, is_changed, row_made
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import ClassType
from perfaudit.program.ways import Way

if TYPE_CHECKING:
    from perfaudit.program.program import Program

TAKEN_BY = frozenset({"get", "pop"})
"""Methods of a dictionary that give an entry, or else what they are given."""
MAX_STEPS = 6
"""How many names and calls are followed to what an expression stands for."""

IsLeftOff = Callable[["Program", Way, int, int], bool]
"""Whether the last of some calls leaves off a place of its callee, by context and sequence."""


class Carried(NamedTuple):
    """An expression, the function that it stands in, and the calls that lead there."""

    function: FunctionNode
    way: Way
    value: t.Expr


def carried(
    program: "Program", start: Carried, is_left_off: IsLeftOff, steps: int = MAX_STEPS
) -> Carried | None:
    """Return what an expression surely stands for: a constant, a display, or an object made.

    None where that is not known, or differs from case to case.
    """
    function, way, value = start
    if steps == 0:
        return None
    match value:
        case t.Const() | t.Mapping() | t.Seq():
            return start
        case t.Await(value=inner):
            return carried(program, Carried(function, way, inner), is_left_off, steps)
        case t.Name(id=name):
            source = _bound(function, way, name)
            return None if source is None else carried(program, source, is_left_off, steps - 1)
        case t.CallRef(index=index):
            return _result(program, start, index, is_left_off, steps)
        case t.Item(base=base, key=t.Const(value=str(key))):
            return _entry(program, Carried(function, way, base), key, is_left_off, steps)
        case t.Attr(base=base, name=name):
            return _entry(program, Carried(function, way, base), name, is_left_off, steps)
    return None


def _bound(function: FunctionNode, way: Way, name: str) -> Carried | None:
    """Return what a name is bound to, once for all, or what the last call gives for it."""
    binds = function.binds.get(name, ())
    param = function.params.get(name)
    if param is None:
        if len(binds) != 1 or binds[0].value is None or binds[0].kind != "assign":
            return None
        if name in function.facts.outer_names or _is_bound_inside(function, name):
            return None
        return Carried(function, way, binds[0].value)
    edge = way.last if not binds and way.is_any else None
    if edge is None or edge.callee is not function or edge.call is None:
        return None
    if expressions.has_splat(edge.call):
        return None
    given = expressions.argument_for(edge.call, function, name)
    if given is None:
        # A default is an expression of the function around.
        return Carried(function, way, param.default) if isinstance(param.default, t.Const) else None
    return Carried(edge.caller, way.before, given)


def _is_bound_inside(function: FunctionNode, name: str) -> bool:
    """Return whether a function inside another one binds a name of it."""
    return any(
        name in inner.facts.outer_names and name in inner.binds
        for functions in function.inner.values()
        for inner in functions
    )


def _result(
    program: "Program", start: Carried, index: int, is_left_off: IsLeftOff, steps: int
) -> Carried | None:
    """Return what a call gives, where all results that it does not leave off are alike."""
    function, way, _ = start
    call = function.facts.calls[index]
    keyword = keyword_given(start, call)
    if keyword is not None:
        return carried(program, keyword, is_left_off, steps - 1)
    if isinstance(program.types.call(function, index).callee, ClassType):
        return start
    if row_made(program, function, index) is not None:
        return start
    edges = [
        edge
        for edge in program.edges_from(function)
        if edge.call is call and edge.via == "call" and edge.how == "call"
    ]
    if len(edges) != 1 or edges[0].callee.facts.is_generator or edges[0].callee.facts.decorators:
        return None
    inner = way.then(edges[0])
    callee = edges[0].callee
    found: list[Carried | None] = [
        carried(program, Carried(callee, inner, item.value), is_left_off, steps - 1)
        for item in callee.facts.results
        if item.value is not None and not is_left_off(program, inner, item.context, item.sequence)
    ]
    first = found[0] if found else None
    if first is None or any(other is None or other.value != first.value for other in found[1:]):
        return None
    return first if len(found) == 1 or isinstance(first.value, t.Const) else None


def keyword_given(taken: Carried, call: t.Call) -> Carried | None:
    """Return what the last call gives for a keyword: ``kwargs.pop("name", None)``."""
    function, way, _ = taken
    match call:
        case t.Call(
            callee=t.Attr(base=t.Name(id=kept), name=name),
            arguments=(t.Const(value=str(key)), t.Const() as default),
        ) if name in TAKEN_BY:
            param = function.params.get(kept)
        case _:
            return None
    if param is None or param.kind != "**kwargs" or kept in function.binds:
        return None
    edge = way.last if way.is_any else None
    if edge is None or edge.call is None or edge.callee is not function:
        return None
    if expressions.has_splat(edge.call):
        return None
    given = next((value for keyword, value in edge.call.keywords if keyword == key), None)
    return (
        Carried(function, way, default)
        if given is None
        else Carried(edge.caller, way.before, given)
    )


def _entry(
    program: "Program", base: Carried, name: str, is_left_off: IsLeftOff, steps: int
) -> Carried | None:
    """Return the entry or attribute of what an expression stands for, as it was made."""
    changed = any(
        isinstance(bind.target, t.Item | t.Attr) and bind.target.base == base.value
        for bind in base.function.facts.binds
    )
    if changed:
        return None
    owner = carried(program, base, is_left_off, steps - 1)
    if owner is None:
        return None
    function, way, value = owner
    if isinstance(value, t.Mapping):
        if None in value.keys or t.Const(name, "str") not in value.keys:
            return None
        inner = value.values[value.keys.index(t.Const(name, "str"))]
        return carried(program, Carried(function, way, inner), is_left_off, steps - 1)
    if not isinstance(value, t.CallRef):
        return None
    row = row_made(program, function, value.index)
    if row is None:
        given = _kept(program, function, value.index, name)
    else:
        if not base.way.is_begun_by(way):
            # Made by a call that gives it back: what its caller does to it is not followed.
            return None
        since = base.way.since(way)
        others = [edge.callee for edge in since]
        if is_changed(program, function, value.index, row, since, others, name):
            return None
        given = given_to_row(program, function, value.index, row, name)
    if given is None:
        return None
    return carried(program, Carried(function, way, given), is_left_off, steps - 1)


def _kept(program: "Program", function: FunctionNode, index: int, name: str) -> t.Expr | None:
    """Return what an object was made with for an attribute, or field, that nothing else sets."""
    made = function.facts.calls[index]
    callee = program.types.call(function, index).callee
    if not isinstance(callee, ClassType) or expressions.has_splat(made):
        return None
    node = callee.node
    maker = program.types.classes.method(node, "__init__")
    stores = node.stores.get(name, [])
    if maker is None:
        given = next((value for key, value in made.keywords if key == name), None)
        fields = node.body.binds.get(name, ())
        if stores or made.arguments or given is not None or len(fields) != 1:
            return None if stores else given
        default = fields[0].value
        return default if isinstance(default, t.Const) else None
    if len(stores) != 1 or stores[0][0] is not maker:
        return None
    value = stores[0][1].value
    param = maker.params.get(value.id) if isinstance(value, t.Name) else None
    if param is None or param.name in maker.binds:
        return value if isinstance(value, t.Const) else None
    given = expressions.argument_for(made, maker, param.name)
    default = param.default if isinstance(param.default, t.Const) else None
    return default if given is None else given
