"""Switches of a module that are off unless the environment says otherwise."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name, parts
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.questions import VARIABLES

if TYPE_CHECKING:
    from perfaudit.program.program import Program

OFF = frozenset({"", "0", "false", "no", "off", "none"})
"""Words that say, as the default of a variable, that a switch is off."""


def is_switch_that_is_off(
    program: "Program", function: FunctionNode, test: t.Name, at: tuple[int, int]
) -> bool:
    """Return whether a name is of a module, bound once, to what is off unless it is told."""
    found = meanings(function, test.id, at)
    if len(found) != 1:
        return False
    scope, item = found[0]
    if isinstance(item, t.Import):
        origin = program.types.import_origin(scope, item)
        return origin is not None and is_off_in(program, origin[0].file, origin[1])
    return scope.kind == "module" and is_off_in(program, scope.file, test.id)


def is_off_in(program: "Program", file: FileNode, name: str) -> bool:
    """Return whether a name of a file is bound once, to what is off unless it is told."""
    binds = file.body.binds.get(name, [])
    if len(binds) != 1 or binds[0].kind not in ("assign", "annotated"):
        return False
    if name in file.body.outer_binds:
        return False
    value = binds[0].value
    if isinstance(value, t.Const):
        return _is_off(value)
    return value is not None and _is_off_unless_told(program, file.body, value)


def _is_off_unless_told(program: "Program", body: FunctionNode, value: t.Expr) -> bool:
    """Return whether a value is made of variables of the environment alone, none of them set."""
    reads = 0
    for part in parts(body, value):
        match part:
            case t.Not() | t.Either() | t.Compare(operator="NotEq" | "NotIn" | "IsNot" | "Is"):
                return False
            case t.CallRef(index=index) if _reads_variable(program, body, index):
                if not _defaults_to_off(body.facts.calls[index]):
                    return False
                reads += 1
    return reads > 0


def _reads_variable(program: "Program", body: FunctionNode, index: int) -> bool:
    """Return whether a call reads a variable that it names, itself or by a function that does."""
    call = body.facts.calls[index]
    if not call.arguments or not isinstance(call.arguments[0], t.Const):
        return False
    if _is_read(call):
        return True
    callees = [target.function for target in program.types.call(body, index).targets]
    found = [callee for callee in callees if callee is not None]
    # Of what only says how it may be called, there is no body that could read anything.
    return any(_is_read(inner) for callee in found for inner in callee.facts.calls) and all(
        _is_off(param.default) for callee in found for param in callee.facts.params if param.default
    )


def _is_read(call: t.Call) -> bool:
    callee = call.callee
    if isinstance(callee, t.Attr) and callee.name == "get":
        callee = callee.base
    return isinstance(callee, t.Name | t.Attr) and last_name(callee) in VARIABLES


def _defaults_to_off(call: t.Call) -> bool:
    """Return whether a call gives no default for a variable, or one that says no."""
    return all(_is_off(value) for value in call.given[1:])


def _is_off(value: t.Expr) -> bool:
    if not isinstance(value, t.Const) or value.kind == "ellipsis":
        return False
    return str(value.value or "").lower() in OFF
