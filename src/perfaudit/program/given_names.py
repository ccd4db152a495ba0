"""The names that a template, or whoever is given a dictionary, finds in it."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.language_calls import called_above
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_spots import Doing

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 8
DICT = t.Name("dict")
LOCALS = t.Name("locals")


class Given(Struct, frozen=True):
    """A value: an expression of a function at a point of it.

    ``owner``: the class of the object whose method the function is run as, where that is known;
    ``doing``: what that object, a view, is there for now.
    """

    function: FunctionNode
    value: t.Expr
    at: tuple[int, int]
    owner: ClassNode | None = None
    doing: Doing | None = None


Names = dict[str, list[Given]]


def given_back(
    function: FunctionNode, owner: ClassNode | None = None, doing: Doing | None = None
) -> list[Given]:
    """Return the values that a function gives back, run as a method of an object of a class.

    ``doing``: what that object, a view, is there for now.
    """
    return [
        Given(function, item.value, (item.sequence, item.context), owner, doing)
        for item in function.facts.results
        if item.value is not None
    ]


def names_in(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> Names:
    """Return the names that are written out in a dictionary, with all values that each can have.

    There may be others: a name that is not here is not known.
    """
    found: Names = {}
    _collect(program, Given(function, value, at), found, MAX_STEPS)
    return found


def _collect(program: "Program", given: Given, found: Names, steps: int) -> None:
    if steps <= 0:
        return
    function, at = given.function, given.at
    match given.value:
        case t.Mapping(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is None:
                    _collect(program, Given(function, value, at), found, steps - 1)
                elif isinstance(key, t.Const) and isinstance(key.value, str):
                    found.setdefault(key.value, []).append(Given(function, value, at))
        case t.Either(options=options):
            for option in options:
                _collect(program, Given(function, option, at), found, steps - 1)
        case t.Binary(operator="BitOr", left=left, right=right):
            for side in (left, right):
                _collect(program, Given(function, side, at), found, steps - 1)
        case t.CallRef(index=index):
            _called(program, function, index, found, steps - 1)
        case t.Name(id=name):
            _named(program, given, name, found, steps - 1)


def _called(
    program: "Program", function: FunctionNode, index: int, found: Names, steps: int
) -> None:
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    if call.callee == LOCALS and not call.arguments:
        for name in (*function.binds, *function.params):
            found.setdefault(name, []).append(Given(function, t.Name(name), at))
        return
    _keywords(program, function, call, found, steps)
    if call.callee == DICT or _is_copy(call):
        base = call.arguments[:1] or (
            (call.callee.base,) if isinstance(call.callee, t.Attr) else ()
        )
        for value in base:
            _collect(program, Given(function, value, at), found, steps)
        return
    for target in program.types.call(function, index).targets:
        callee = target.function
        if callee is None or callee.facts.is_generator:
            continue
        for item in callee.facts.results:
            if item.kind == "return" and item.value is not None:
                inner = Given(callee, item.value, (item.sequence, item.context))
                _collect(program, inner, found, steps)


def _is_copy(call: t.Call) -> bool:
    return isinstance(call.callee, t.Attr) and call.callee.name == "copy" and not call.arguments


def _keywords(
    program: "Program", function: FunctionNode, call: t.Call, found: Names, steps: int
) -> None:
    """Add the keywords of a call that makes a dictionary of them: ``dict`` or a parent's method."""
    if call.callee != DICT and not called_above(function, call):
        return
    at = (call.sequence, call.context)
    for name, value in call.keywords:
        if name == "**":
            _collect(program, Given(function, value, at), found, steps)
        else:
            found.setdefault(name, []).append(Given(function, value, at))


def _named(program: "Program", given: Given, name: str, found: Names, steps: int) -> None:
    """Add what a local name is bound to, and what is put into it before the point."""
    function = given.function
    local = t.Name(name)
    for bind in function.facts.binds:
        if bind.value is None or bind.sequence >= given.at[0]:
            continue
        value = Given(function, bind.value, (bind.sequence, bind.context))
        if bind.target == local and bind.kind != "augmented":
            _collect(program, value, found, steps)
        elif isinstance(bind.target, t.Item) and bind.target.base == local:
            key = bind.target.key
            if isinstance(key, t.Const) and isinstance(key.value, str):
                found.setdefault(key.value, []).append(value)
        elif bind.target == local:
            _collect(program, value, found, steps)
    for call in function.facts.calls:
        if call.sequence >= given.at[0] or not isinstance(call.callee, t.Attr):
            continue
        if call.callee.base != local or call.callee.name not in ("update", "setdefault"):
            continue
        at = (call.sequence, call.context)
        if call.callee.name == "update":
            for value_given in call.arguments[:1]:
                _collect(program, Given(function, value_given, at), found, steps)
            for key_name, value_given in call.keywords:
                found.setdefault(key_name, []).append(Given(function, value_given, at))
        elif len(call.arguments) == 2 and isinstance(call.arguments[0], t.Const):
            key_name = str(call.arguments[0].value)
            found.setdefault(key_name, []).append(Given(function, call.arguments[1], at))
