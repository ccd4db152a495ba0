"""Classes that show many rows in their own way, and may load relations with them first."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.answers import Answers
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LOADS_INTO = "loads-into"
LOADING = frozenset({LOADS_INTO, "query-option"})
"""Flags of what loads relations with rows."""


def shows_many_its_way(program: "Program", words: Answers, shown: ClassNode) -> bool | None:
    """Return whether a class of the project shows the rows together, and asks once for some of it.

    None where it may load relations with them first.
    """
    for node in program.types.classes.project_order(shown):
        if "many_init" in node.methods:
            return None
        given = attribute_value(node, words.lists)
        if given is not None:
            found = program.types.evaluate(*given, AT_END)
            if not isinstance(found, ClassType):
                return None
            methods = [
                method
                for owner in program.types.classes.project_order(found.node)
                for method in owner.methods.values()
            ]
            each = {words.lists_each: shown} if words.lists_each else {}
            return None if any(may_load(program, method, each=each) for method in methods) else True
    return False


def may_load(
    program: "Program",
    method: FunctionNode,
    *,
    surely: bool = False,
    each: dict[str, ClassNode] | None = None,
) -> bool:
    """Return whether a function asks for relations with rows, or calls what is not known.

    ``surely``: only whether it asks. ``each``: the classes of what some attributes hold.
    """
    for index, call in enumerate(method.facts.calls):
        targets = program.types.call(method, index).targets
        held = _held(program, call, each or {})
        if held is not None:
            if _may_load_into(program, held):
                return True
            continue
        if not targets and not surely:
            return True
        if any(
            target.behaviour is not None and not LOADING.isdisjoint(target.behaviour.flags)
            for target in targets
        ):
            return True
    return False


def _held(program: "Program", call: t.Call, each: dict[str, ClassNode]) -> FunctionNode | None:
    """Return the method that ``self.child.counts(rows)`` runs, where the class of it is known."""
    callee = call.callee
    if isinstance(callee, t.Attr) and isinstance(callee.base, t.Attr):
        node = each.get(callee.base.name)
        if node is not None and callee.base.base == t.Name("self"):
            return program.types.classes.method(node, callee.name)
    return None


def _may_load_into(program: "Program", method: FunctionNode) -> bool:
    """Return whether a method may put relations into the rows that it is given.

    That takes a call that does so, an attribute that is set, or another function that gets a row
    or all of them and is not a library's that is known.
    """
    given = {param.name for param in method.facts.params}
    inner = (body for named in method.inner.values() for body in named)
    return any(_is_filling(program, body, given) for body in (method, *inner))


def _is_filling(program: "Program", body: FunctionNode, given: set[str]) -> bool:
    if any(isinstance(bind.target, t.Attr) for bind in body.facts.binds):
        return True
    for index, call in enumerate(body.facts.calls):
        targets = program.types.call(body, index).targets
        flags = {
            flag
            for target in targets
            if target.behaviour is not None
            for flag in target.behaviour.flags
        }
        is_known = any(target.behaviour is not None for target in targets)
        if not LOADING.isdisjoint(flags) or (not is_known and _roots(call) & given):
            return True
        if call.callee == t.Name("setattr"):
            return True
    return False


def _roots(call: t.Call) -> set[str]:
    """Return the names that a call is given or is made on."""
    found = set()
    for value in (call.callee, *call.given):
        while isinstance(value, t.Attr | t.Star):
            value = value.base if isinstance(value, t.Attr) else value.value
        if isinstance(value, t.Name):
            found.add(value.id)
    return found
