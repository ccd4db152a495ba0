"""Where the content of a file moves that a call has only opened."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.sites import Site

ELSEWHERE = frozenset({"thread", "process"})


def is_used_elsewhere(program: "Program", site: "Site") -> bool:
    """Return whether a file is opened here and surely read and written on other threads only."""
    if "opens" not in site.behaviour.flags:
        return False
    function = site.function
    names = handles_of(function, site.value)
    if not names:
        return False
    handed = _handed_on(program, function)
    return bool(handed) and not any(_is_touched(function, t.Name(name), handed) for name in names)


def handles_of(function: FunctionNode, opened: t.Expr) -> set[str]:
    """Return the names that hold what a call gives, or what entering that gives."""
    targets = [context.target for context in function.facts.contexts if context.subject == opened]
    targets += [
        bind.target
        for bind in function.facts.binds
        if bind.value in (opened, t.Entered(opened, is_async=False))
    ]
    return {target.id for target in targets if isinstance(target, t.Name)}


def _handed_on(program: "Program", function: FunctionNode) -> set[int]:
    """Return the calls that hand work to other threads, and those that make their arguments."""
    found: set[int] = set()
    for index, call in enumerate(function.facts.calls):
        targets = program.types.call(function, index).targets
        if not any(
            callback.where in ELSEWHERE
            for target in targets
            if target.behaviour is not None
            for callback in target.behaviour.runs
        ):
            continue
        found.add(index)
        for value in call.given:
            found.update(
                part.index
                for part in expressions.parts(function, value)
                if isinstance(part, t.CallRef)
            )
    return found


def _is_touched(function: FunctionNode, handle: t.Name, handed: set[int]) -> bool:
    """Return whether a function uses a file itself, or gives it to what may use it here."""
    facts = function.facts
    for index, call in enumerate(facts.calls):
        own = [call.callee]
        if index not in handed:
            own += call.given
        if any(_mentions(function, value, handle) for value in own):
            return True
    values = [context.subject for context in facts.contexts if context.subject is not None]
    values += [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    return any(handle in (value, _walked(value)) for value in values)


def _walked(value: t.Expr) -> t.Expr | None:
    return value.iterable if isinstance(value, t.Element) else None


def _mentions(function: FunctionNode, value: t.Expr, handle: t.Name) -> bool:
    """Return whether an expression holds a name, outside the calls in it."""
    stack: list[t.Expr] = [value]
    while stack:
        item = stack.pop()
        if item == handle:
            return True
        if not isinstance(item, t.CallRef):
            stack.extend(expressions.children(function, item))
    return False
