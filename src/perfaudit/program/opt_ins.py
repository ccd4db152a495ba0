"""What runs only where an option of an object is on, and objects are made without it by default."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.conditions import guards_before
from perfaudit.program.expressions import conjuncts
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.questions import is_of_settings
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switched_off import is_off_in, is_switch_that_is_off
from perfaudit.program.values import Instance, ModuleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ASKS_WHETHER_BEGUN = "asks-whether-begun"
"""The flag of calls that say whether something was begun before, without beginning it."""


def hangs_on_option(program: "Program", place: Site | Edge) -> bool:
    """Return whether a place runs only where an option that is off by default is on."""
    function = place.function
    contexts = function.facts.contexts
    return any(
        _asks_for_option(program, function, part, contexts[step])
        for step in function.context_chain(place.context)
        if contexts[step].kind in ("if", "and")
        for part in conjuncts(contexts[step].subject)
    )


def hangs_on_begun(program: "Program", place: Site | Edge) -> bool:
    """Return whether a place runs only where something was begun before: a session of a thread.

    Where the loop runs, and sessions are those of other threads, there is none.
    """
    function = place.function
    contexts = function.facts.contexts
    chain = function.context_chain(place.context)
    tests = [contexts[step] for step in chain if contexts[step].kind in ("if", "and")]
    tests += guards_before(function, chain, place.sequence)
    return any(
        isinstance(part, t.CallRef)
        and program.types.call(function, part.index).has_flag(ASKS_WHETHER_BEGUN)
        for test in tests
        for part in conjuncts(
            test.subject.value if isinstance(test.subject, t.Not) else test.subject
        )
    )


def _asks_for_option(
    program: "Program", function: FunctionNode, test: t.Expr, block: t.Context
) -> bool:
    if isinstance(test, t.Compare) and test.operator == "IsNot":
        test = test.left
    if isinstance(test, t.CallRef):
        return _asks_settings(program, function, test.index)
    if isinstance(test, t.Name):
        return is_switch_that_is_off(program, function, test, (block.sequence, block.parent))
    if not isinstance(test, t.Attr):
        return False
    owners = options_of(program.types.evaluate(function, test.base, (block.sequence, block.parent)))
    return any(
        (isinstance(owner, Instance) and _is_off_by_default(program, owner.node, test.name))
        or (isinstance(owner, ModuleType) and is_off_in(program, owner.node, test.name))
        for owner in owners
    )


def _asks_settings(program: "Program", function: FunctionNode, index: int) -> bool:
    """Return whether a call runs a function that is given nothing and answers by the settings."""
    call = function.facts.calls[index]
    callees = {target.function for target in program.types.call(function, index).targets}
    return (
        not call.arguments
        and not call.keywords
        and bool(callees)
        and all(
            callee is not None
            and bool(callee.facts.results)
            and all(
                item.value is not None and is_of_settings(callee, item.value, item.sequence)
                for item in callee.facts.results
            )
            for callee in callees
        )
    )


def _is_off_by_default(program: "Program", node: ClassNode, name: str) -> bool:
    """Return whether objects are made without an attribute unless it is given, for good."""
    for owner in program.types.classes.project_order(node):
        stores = owner.stores.get(name, [])
        if any(maker.name != "__init__" for maker, _ in stores):
            return False
        for maker, bind in stores:
            value = bind.value
            param = maker.params.get(value.id) if isinstance(value, t.Name) else None
            return param is not None and _is_nothing(param.default)
        for bind in owner.body.binds.get(name, ()):
            if bind.kind == "annotated":
                return _is_nothing(bind.value)
    return False


def _is_nothing(value: t.Expr | None) -> bool:
    return isinstance(value, t.Const) and value.kind != "ellipsis" and not value.value
