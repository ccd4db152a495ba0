"""What a name can mean where it is used: reaching binds, closures, imports, star imports."""

from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import is_bound
from perfaudit.program.nodes import ClassNode, FunctionNode, remembered

PLAIN_BLOCKS = frozenset({"with", "async with", "try", "finally"})
COMPREHENSIONS = frozenset({"comprehension", "async comprehension"})
MAX_HANDED = 8
"""How many steps lie between a value and the parameter that it comes from, at most."""
AT_END = (1 << 60, -1)
"""The point after everything a function does."""

Definition = t.Bind | t.Import | t.Param | FunctionNode | ClassNode


class Meaning(NamedTuple):
    """One definition of a name, and the function whose scope holds it."""

    scope: FunctionNode
    definition: Definition


def meanings(function: FunctionNode, name: str, at: tuple[int, int]) -> list[Meaning]:
    """Return what the name can mean at a point (sequence, context) of the function.

    Empty where it is not defined. The list is no one's to change.
    """
    binds = function.binds.get(name)
    if binds is None or name in function.facts.outer_names:
        known = function.meanings.get(name)
        if known is None:
            known = function.meanings[name] = _unbound(function, name)
        return known
    return _in_scope(function, name, binds, at) or _around(function, name)


def _unbound(function: FunctionNode, name: str) -> list[Meaning]:
    """Return what a name can mean that the function does not bind: at each point the same."""
    if name in function.facts.outer_names:
        return _around(function, name)
    return _in_scope(function, name, [], AT_END) or _around(function, name)


def _around(function: FunctionNode, name: str) -> list[Meaning]:
    """Return what a name can mean in a function that has it from a scope around it."""
    scope = function.parent
    while scope is not None:
        if scope.kind != "class" and name not in scope.facts.outer_names:
            found = _from_inside(scope, name)
            if found:
                return found
        scope = scope.parent
    return []


def is_handed(function: FunctionNode, value: t.Expr, at: tuple[int, int]) -> bool:
    """Return whether a value is what callers give, a part of it, or what its methods give."""
    for _ in range(MAX_HANDED):
        if isinstance(value, t.Attr | t.Item):
            value = value.base
        elif isinstance(value, t.Element):
            value = value.iterable
        elif isinstance(value, t.CallRef):
            value = function.facts.calls[value.index].callee
            if not isinstance(value, t.Attr):
                return False
        elif isinstance(value, t.Name):
            found = meanings(function, value.id, at)
            definition = found[0].definition if len(found) == 1 else None
            if definition is None or found[0].scope is not function:
                return False
            if isinstance(definition, t.Param):
                is_receiver = is_bound(function) and definition in function.facts.params[:1]
                return definition.annotation is None and not is_receiver
            if not isinstance(definition, t.Bind) or definition.value is None:
                return False
            value, at = definition.value, (definition.sequence, definition.context)
        else:
            return False
    return False


@remembered
def _from_inside(scope: FunctionNode, name: str) -> list[Meaning]:
    """Return what a name of a scope can mean in the functions inside it."""
    found = _definitions(scope, name)
    found += [Meaning(scope, bind) for bind in _lasting(scope, scope.binds.get(name, []))]
    if name in scope.outer_binds:
        found += [Meaning(function, bind) for function, bind in scope.outer_binds[name]]
    if name in scope.params:
        found.append(Meaning(scope, scope.params[name]))
    return found


def _in_scope(
    scope: FunctionNode, name: str, binds: list[t.Bind], at: tuple[int, int]
) -> list[Meaning]:
    found = _definitions(scope, name)
    dominated = False
    if binds:
        reaching, dominated = _reaching(scope, binds, at)
        found += [Meaning(scope, bind) for bind in reaching]
        if dominated and at != AT_END:
            return found
    if name in scope.outer_binds:
        found += [Meaning(function, bind) for function, bind in scope.outer_binds[name]]
    if not dominated and name in scope.params:
        found.append(Meaning(scope, scope.params[name]))
    return found


def _definitions(scope: FunctionNode, name: str) -> list[Meaning]:
    """Return the functions, classes and imports of a scope with a name."""
    if name not in scope.inner and name not in scope.inner_classes and name not in scope.imports:
        return []
    held = (scope.inner, scope.inner_classes, scope.imports)
    return [Meaning(scope, definition) for table in held for definition in table.get(name, ())]


def _lasting(scope: FunctionNode, binds: list[t.Bind]) -> list[t.Bind]:
    """Return the binds that outlive a comprehension."""
    return [bind for bind in binds if not _is_in_comprehension(scope, bind)]


def _is_in_comprehension(scope: FunctionNode, bind: t.Bind) -> bool:
    return bind.context >= 0 and scope.facts.contexts[bind.context].kind in COMPREHENSIONS


def _reaching(
    scope: FunctionNode, binds: list[t.Bind], at: tuple[int, int]
) -> tuple[list[t.Bind], bool]:
    """Return the binds that can hold at a point, and whether one of them surely runs before it."""
    sequence, context = at
    last = binds[-1]
    if last.context < 0 and last.sequence < sequence:
        return [last], True
    chain = scope.context_chain(context)
    found: list[t.Bind] = []
    for bind in reversed(binds):
        if bind.sequence >= sequence or not _is_visible(scope, bind, chain):
            continue
        if _excluded(scope, bind.context, chain):
            continue
        found.append(bind)
        outer = _without_plain_blocks(scope, bind.context)
        if outer < 0 or outer in chain:
            return found, True
    return found or [bind for bind in binds if _is_visible(scope, bind, chain)], False


def _is_visible(scope: FunctionNode, bind: t.Bind, chain: tuple[int, ...]) -> bool:
    """Return whether a bind is seen from blocks: those of a comprehension are seen inside it."""
    return bind.context in chain or not _is_in_comprehension(scope, bind)


def _without_plain_blocks(scope: FunctionNode, context: int) -> int:
    """Return the block around those that run whenever they are reached: ``with`` and ``try``."""
    contexts = scope.facts.contexts
    while context >= 0 and contexts[context].kind in PLAIN_BLOCKS:
        context = contexts[context].parent
    return context


def _excluded(scope: FunctionNode, context: int, chain: tuple[int, ...]) -> bool:
    """Return whether a bind stands in the other arm of an ``if`` than the point."""
    contexts = scope.facts.contexts
    while context >= 0 and context not in chain:
        here = contexts[context]
        if here.kind == "if":
            for other in chain:
                arm = contexts[other]
                if arm.kind == "else" and arm.parent == here.parent and arm.subject == here.subject:
                    return True
        context = here.parent
    return False
