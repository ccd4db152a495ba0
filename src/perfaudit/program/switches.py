"""Branches that the calls on a way leave off: parameters not given, halves of an
object not there.
"""

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
    """Return whether the way from an edge to what it reaches stands behind something that the
    calls leave off.
    """
    incoming = edge
    for step in reached.chain(edge.callee):
        here = step.edge or step.site
        if here is None:
            continue
        if leaves_off(program, incoming, here.context, here.sequence):
            return True
        if step.edge is not None:
            incoming = step.edge
    return False


def leaves_off(program: "Program", incoming: "Edge", context: int, sequence: int) -> bool:
    """Return whether a call does not give what a place of its callee needs in order to
    be reached.
    """
    call = incoming.call
    if call is None or expressions.has_splat(call):
        return False
    callee = incoming.callee
    contexts = callee.facts.contexts
    chain = list(callee.context_chain(context))
    for step in chain:
        here = contexts[step]
        if here.kind == "if" and here.subject is not None:
            if any(_is_off(program, incoming, part) for part in _conditions(here.subject)):
                return True
    return any(
        exit_.kind in ("raise", "return")
        and exit_.sequence < sequence
        and exit_.context >= 0
        and contexts[exit_.context].parent in (-1, *chain)
        and _forbids(program, incoming, contexts[exit_.context])
        for exit_ in callee.facts.exits
    )


def _conditions(test: t.Expr) -> tuple[t.Expr, ...]:
    """Return the conditions that must all hold."""
    return test.options if isinstance(test, t.Either) and test.kind == "and" else (test,)


def _is_off(program: "Program", incoming: "Edge", condition: t.Expr) -> bool:
    test, wanted = _switch(condition)
    return test is not None and _given(program, incoming, test) is (not wanted)


def _forbids(program: "Program", incoming: "Edge", context: t.Context) -> bool:
    """Return whether a guard clause surely leaves: its parameter is wanted, and the call does not
    give it.
    """
    if context.kind != "if" or context.subject is None:
        return False
    test, wanted = _switch(context.subject)
    return isinstance(test, t.Name) and not wanted and _given(program, incoming, test) is False


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


def _given(program: "Program", incoming: "Edge", test: t.Name | t.Attr) -> bool | None:
    """Return whether a call gives what is tested: True, False, or None where that is not known."""
    if isinstance(test, t.Name):
        return _argument_given(incoming.call, incoming.callee, test.id)
    return _half_given(program, incoming, test)


def _argument_given(call: t.Call | None, callee: FunctionNode, name: str) -> bool | None:
    param = callee.params.get(name)
    if param is None or call is None or name in callee.binds:
        return None
    given = expressions.argument_for(call, callee, name)
    value = given if given is not None else param.default
    if isinstance(value, t.Const) and value.kind != "ellipsis":
        return bool(value.value)
    return None if given is None else True


def _half_given(program: "Program", incoming: "Edge", test: t.Attr) -> bool | None:
    """Return whether the object that a method is called on was made with what the
    attribute keeps.
    """
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
    param = None if maker is None else _kept_param(callee.owner, maker, test.name)
    if maker is None or param is None or expressions.has_splat(made):
        return None
    given = expressions.argument_for(made, maker, param)
    value = given if given is not None else maker.params[param].default
    return False if isinstance(value, t.Const) and value.kind == "NoneType" else None


def _kept_param(owner: ClassNode, maker: FunctionNode, attribute: str) -> str | None:
    """Return the parameter of ``__init__`` that an attribute keeps as it is, if nothing else sets
    it.
    """
    stores = owner.stores.get(attribute, [])
    if len(stores) != 1 or stores[0][0] is not maker:
        return None
    value = stores[0][1].value
    return value.id if isinstance(value, t.Name) and value.id in maker.params else None


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
