"""Whether an object is surely what it is taken for, or only one of several that it may be."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.decorators import method_kind
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.values import (
    NONE,
    ClassType,
    External,
    Instance,
    LibraryInstance,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach

MAX_STEPS = 3
"""How many names, calls and attributes are followed to where an object may come from."""


def is_one_of_several(program: "Program", place: Site | Edge, reached: "Reach") -> bool:
    """Return whether what a place runs is one of several things, and the others may not block.

    Its object may be of another class, or come from where it is not known what that gives.
    """
    function = place.function
    owner = _owner(place)
    if owner is None:
        return False
    at = (place.sequence, place.context)
    options = options_of(program.types.evaluate(function, owner.base, at))
    if len(options) > 1:
        if any(_may_not_block(program, option, owner.name, reached) for option in options):
            return True
    return _may_be_unknown(program, function, owner.base, at, MAX_STEPS)


def _owner(place: Site | Edge) -> t.Attr | None:
    """Return the attribute of an object by which a place runs what it does."""
    if place.call is not None:
        return place.call.callee if isinstance(place.call.callee, t.Attr) else None
    return place.value if isinstance(place.value, t.Attr) else None


def _may_not_block(program: "Program", option: Type, name: str, reached: "Reach") -> bool:
    if option == NONE:
        return False
    if isinstance(option, LibraryInstance):
        behaviour = program.types.libraries.method(option.path, name)
        return behaviour is None or not behaviour.blocking
    if not isinstance(option, Instance | ClassType):
        return True
    method = program.types.classes.method(option.node, name)
    return method is None or method not in reached


def _may_be_unknown(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> bool:
    """Return whether one of the values that an expression may have is not known."""
    match value:
        case t.Const():
            return False
        case t.Await(value=inner):
            return _may_be_unknown(program, function, inner, at, steps)
        case t.Either(options=options):
            return any(_may_be_unknown(program, function, each, at, steps) for each in options)
    if isinstance(program.types.evaluate(function, value, at), Unknown | External):
        return True
    if steps == 0:
        return False
    match value:
        case t.Name(id=name):
            return any(
                isinstance(definition, t.Bind)
                and definition.value is not None
                and definition.kind == "assign"
                and scope.kind != "module"
                and _may_be_unknown(
                    program,
                    scope,
                    definition.value,
                    (definition.sequence, definition.context),
                    steps - 1,
                )
                for scope, definition in meanings(function, name, at)
            )
        case t.CallRef(index=index):
            targets = program.types.call(function, index).targets
            callees = [target.function for target in targets if target.function is not None]
            callee = function.facts.calls[index].callee
            if not callees and isinstance(callee, t.Attr):
                # What a method of a library gives is known only as far as its object is.
                return _may_be_unknown(program, function, callee.base, at, steps - 1)
            return any(_gives_unknown(program, each, steps - 1) for each in callees)
        case t.Attr(base=base, name=name):
            return _kept_unknown(program, function, base, name, at, steps - 1)
    return False


def _gives_unknown(program: "Program", callee: FunctionNode, steps: int) -> bool:
    """Return whether one of the results of a function is not known, and no annotation says it."""
    if callee.facts.returns is not None or callee.facts.is_generator or callee.name == "__init__":
        return False
    return any(
        item.value is not None
        and item.kind == "return"
        and _may_be_unknown(program, callee, item.value, (item.sequence, item.context), steps)
        for item in callee.facts.results
    )


def _kept_unknown(
    program: "Program",
    function: FunctionNode,
    base: t.Expr,
    name: str,
    at: tuple[int, int],
    steps: int,
) -> bool:
    """Return whether an attribute, or the property that it is, may be what is not known."""
    for owner in options_of(program.types.evaluate(function, base, at)):
        if not isinstance(owner, Instance):
            continue
        method = program.types.classes.method(owner.node, name)
        if method is not None and method_kind(program.types, method) == "property":
            if _gives_unknown(program, method, steps):
                return True
            continue
        if _is_declared(program, owner.node, name):
            continue
        for maker, bind in owner.node.stores.get(name, ()):
            if bind.value is not None and bind.kind == "assign":
                place = (bind.sequence, bind.context)
                if _may_be_unknown(program, maker, bind.value, place, steps):
                    return True
    return False


def _is_declared(program: "Program", node: ClassNode, name: str) -> bool:
    """Return whether an annotation says what an attribute is, and that is known."""
    for owner in program.types.classes.project_order(node):
        binds = [(owner.body, bind) for bind in owner.body.binds.get(name, ())]
        for scope, bind in (*binds, *owner.stores.get(name, ())):
            if bind.annotation is not None and not any(
                isinstance(option, Unknown | External)
                for option in options_of(program.types.bound(scope, bind))
            ):
                return True
    return False
