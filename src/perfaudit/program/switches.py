"""Branches that calls leave off: parameters not given, halves of an object not there."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach
    from perfaudit.program.sites import Edge

MAX_STEPS = 6


def is_switched_off(program: "Program", edge: "Edge", reached: "Reach") -> bool:
    """Return whether the way from an edge stands behind something that the calls leave off."""
    way = [edge]
    for step in reached.chain(edge.callee):
        here = step.edge or step.site
        if here is None:
            continue
        if leaves_off(program, way, here.context, here.sequence):
            return True
        if step.edge is not None:
            way.append(step.edge)
    return False


def leaves_off(program: "Program", way: "list[Edge]", context: int, sequence: int) -> bool:
    """Return whether the last of some calls does not give what a place of its callee needs."""
    incoming = way[-1]
    call = incoming.call
    if call is None or expressions.has_splat(call):
        return False
    callee = incoming.callee
    contexts = callee.facts.contexts
    chain = list(callee.context_chain(context))
    for step in chain:
        here = contexts[step]
        if here.kind == "if" and here.subject is not None:
            if any(_is_off(program, way, part) for part in _conditions(here.subject)):
                return True
    return any(
        exit_.kind in ("raise", "return")
        and exit_.sequence < sequence
        and exit_.context >= 0
        and contexts[exit_.context].parent in (-1, *chain)
        and _forbids(program, way, contexts[exit_.context])
        for exit_ in callee.facts.exits
    )


def _conditions(test: t.Expr) -> tuple[t.Expr, ...]:
    """Return the conditions that must all hold."""
    return test.options if isinstance(test, t.Either) and test.kind == "and" else (test,)


def _is_off(program: "Program", way: "list[Edge]", condition: t.Expr) -> bool:
    if _text_differs(way, condition):
        return True
    test, wanted = _switch(condition)
    return test is not None and _given(program, way, test) is (not wanted)


def _text_differs(way: "list[Edge]", condition: t.Expr) -> bool:
    """Return whether a parameter is asked for a text or prefix that its constant argument lacks."""
    match condition:
        case t.Compare(operator="Eq", left=t.Name(id=name), right=t.Const(value=str() as wanted)):
            given = _passed(way, name)
            return (
                isinstance(given, t.Const)
                and isinstance(given.value, str)
                and given.value != wanted
            )
        case t.CallRef(index=index):
            call = way[-1].callee.facts.calls[index]
            callee = call.callee
            if not isinstance(callee, t.Attr) or callee.name != "startswith":
                return False
            first = call.arguments[0] if call.arguments else None
            if not isinstance(callee.base, t.Name) or not isinstance(first, t.Const):
                return False
            given = _passed(way, callee.base.id)
            return (
                isinstance(given, t.Const)
                and isinstance(given.value, str)
                and not given.value.startswith(str(first.value))
            )
    return False


def _passed(way: "list[Edge]", name: str) -> t.Expr | None:
    """Return what the calls in a row give for a parameter of the last callee.

    Also where one only passes on its own parameter; the default where nothing is given.
    """
    edge = way[-1]
    param = edge.callee.params.get(name)
    if param is None or edge.call is None or name in edge.callee.binds:
        return None
    given = expressions.argument_for(edge.call, edge.callee, name)
    if given is None:
        return param.default
    if isinstance(given, t.Name) and len(way) > 1 and given.id in edge.caller.params:
        return _passed(way[:-1], given.id) or given
    return given


def _forbids(program: "Program", way: "list[Edge]", context: t.Context) -> bool:
    """Return whether a guard clause surely leaves: the call does not give what it wants."""
    if context.kind != "if" or context.subject is None:
        return False
    test, wanted = _switch(context.subject)
    return isinstance(test, t.Name) and not wanted and _given(program, way, test) is False


def _switch(test: t.Expr) -> tuple[t.Name | t.Attr | None, bool]:
    """Return what decides a branch, and whether the branch wants it to be there."""
    match test:
        case t.Name() | t.Attr():
            return test, True
        case t.Not(value=(t.Name() | t.Attr()) as inner):
            return inner, False
        case t.Compare(
            operator="Is", left=(t.Name() | t.Attr()) as inner, right=t.Const(kind="NoneType")
        ):
            return inner, False
        case t.Compare(
            operator="IsNot", left=(t.Name() | t.Attr()) as inner, right=t.Const(kind="NoneType")
        ):
            return inner, True
    return None, True


def _given(program: "Program", way: "list[Edge]", test: t.Name | t.Attr) -> bool | None:
    """Return whether a call gives what is tested: True, False, or None where that is not known."""
    if isinstance(test, t.Attr):
        return _half_given(program, way[-1], test)
    value = _passed(way, test.id)
    if isinstance(value, t.Const) and value.kind != "ellipsis":
        return bool(value.value)
    return None if value is None else True


def _half_given(program: "Program", incoming: "Edge", test: t.Attr) -> bool | None:
    """Return whether the object of a method call was made with what the attribute keeps."""
    callee = incoming.callee
    if callee.owner is None or not isinstance(test.base, t.Name) or incoming.call is None:
        return None
    if not callee.facts.params or callee.facts.params[0].name != test.base.id:
        return None
    if not isinstance(incoming.call.callee, t.Attr):
        return None
    made = _constructor(program, incoming.caller, incoming.call.callee.base, MAX_STEPS)
    if made is None:
        return None
    maker = program.types.classes.method(callee.owner, "__init__")
    param = None if maker is None else _kept_param(program, callee.owner, maker, test.name, made)
    if maker is None or param is None or expressions.has_splat(made):
        return None
    given = expressions.argument_for(made, maker, param)
    value = given if given is not None else maker.params[param].default
    return False if isinstance(value, t.Const) and value.kind == "NoneType" else None


def _kept_param(
    program: "Program", owner: ClassNode, maker: FunctionNode, attribute: str, made: t.Call
) -> str | None:
    """Return the ``__init__`` parameter that an attribute keeps, if nothing else sets it."""
    stores = owner.stores.get(attribute, [])
    own = [bind for function, bind in stores if function is maker]
    others = [function for function, _ in stores if function is not maker]
    if len(own) != 1 or any(_is_called_on(program, function, made) for function in others):
        return None
    value = own[0].value
    return value.id if isinstance(value, t.Name) and value.id in maker.params else None


def _is_called_on(program: "Program", method: FunctionNode, made: t.Call) -> bool:
    """Return whether a method is called on the object that a call made."""
    for edge in program.edges_to(method):
        if edge.call is not None and isinstance(edge.call.callee, t.Attr):
            base = edge.call.callee.base
            if _constructor(program, edge.caller, base, MAX_STEPS) is made:
                return True
    return False


def _constructor(
    program: "Program", function: FunctionNode, value: t.Expr, steps: int
) -> t.Call | None:
    """Return the one call that made the object held in a name, or None."""
    if steps == 0 or not isinstance(value, t.Name):
        return None
    found = meanings(function, value.id, AT_END)
    if len(found) != 1:
        return None
    scope, definition = found[0]
    if isinstance(definition, t.Import) and definition.name:
        target = program.types.import_target(scope.file, definition)
        if target is None or isinstance(target, str):
            return None
        return _constructor(program, target.body, t.Name(definition.name), steps - 1)
    if not isinstance(definition, t.Bind) or not isinstance(definition.value, t.CallRef):
        return None
    resolved = program.types.call(scope, definition.value.index)
    made = scope.facts.calls[definition.value.index]
    return made if isinstance(resolved.callee, ClassType) else None
