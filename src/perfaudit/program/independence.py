"""Whether one step of a function needs the outcome of another."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.awaits import Wait, root_of
from perfaudit.program.loops import ADDING, fills_object, target_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge

if TYPE_CHECKING:
    from perfaudit.program.program import Program

CHANGING = ADDING | {
    "pop",
    "remove",
    "clear",
    "discard",
    "popitem",
    "popleft",
    "put_nowait",
    "sort",
}
REPORTING = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print"}
)
DEEP = 2


class Touched(Struct):
    """The local names, and the attributes of the receiver, that an outcome has gone into."""

    names: set[str]
    attributes: set[str]


def needs(program: "Program", earlier: Wait, later: Wait) -> bool:
    """Return whether a later await of a function uses what an earlier one gave or changed."""
    function = earlier.function
    touched = Touched(set(), set())
    after = function.facts.calls[earlier.outer].sequence
    events = [event for event in _events(function) if after < event.sequence < later.sequence]
    _follow(program, function, events, touched, earlier)
    return (
        reads(program, later, touched)
        or _is_checked(function, events, touched, earlier)
        or _shares_changed(program, earlier, later)
    )


def _is_checked(
    function: FunctionNode, events: list[t.Bind | t.Call], touched: Touched, origin: Wait
) -> bool:
    """Return whether a statement is given an outcome, and may stop where it is not good."""
    for event in events:
        if not isinstance(event, t.Call) or not event.discarded:
            continue
        callee = event.callee
        name = callee.name if isinstance(callee, t.Attr) else root_of(function, callee)
        if name in REPORTING or name in ADDING:
            continue
        values = (callee, *event.given)
        if any(_mentions(function, value, touched, origin) for value in values):
            return True
    return False


def carries_over(program: "Program", wait: Wait, loop: int) -> bool:
    """Return whether an await in a loop uses what an earlier pass of the loop gave or changed."""
    function = wait.function
    events = [event for event in _events(function) if function.is_within(event.context, loop)]
    touched = Touched(set(), set())
    after = function.facts.calls[wait.outer].sequence
    _follow(program, function, [e for e in events if e.sequence > after], touched, wait)
    touched.names -= target_names(function.facts.contexts[loop].target)
    _follow(program, function, [e for e in events if e.sequence < wait.sequence], touched, None)
    if reads(program, wait, touched) or _is_gated(function, wait, loop, touched):
        return True
    given = expressions.names(function, wait.value)
    grown = {
        root
        for event in events
        if isinstance(event, t.Call) and (root := _grown(event)) is not None
    }
    outer = given - fresh_names(function, loop)
    return bool(outer & grown) or bool(outer & changed_by(program, wait))


def fresh_names(function: FunctionNode, loop: int) -> set[str]:
    """Return the names that each pass of a loop binds anew."""
    found = target_names(function.facts.contexts[loop].target)
    for bind in function.facts.binds:
        if (
            isinstance(bind.target, t.Name)
            and bind.kind != "augmented"
            and function.is_within(bind.context, loop)
            and bind.context >= 0
        ):
            found.add(bind.target.id)
    return found


def _events(function: FunctionNode) -> Iterator[t.Bind | t.Call]:
    """Yield what may change a value, in the order of running."""
    events: list[t.Bind | t.Call] = [*function.facts.binds, *function.facts.calls]
    yield from sorted(events, key=lambda event: event.sequence)


def _follow(
    program: "Program",
    function: FunctionNode,
    events: Iterable[t.Bind | t.Call],
    touched: Touched,
    origin: Wait | None,
) -> None:
    """Carry an outcome on through assignments and calls."""
    for event in events:
        if isinstance(event, t.Bind):
            _assign(function, event, touched, origin)
        else:
            _change(program, function, event, touched, origin)


def _assign(function: FunctionNode, bind: t.Bind, touched: Touched, origin: Wait | None) -> None:
    carried = (
        bind.value is not None and _mentions(function, bind.value, touched, origin)
    ) or _is_decided(function, bind.context, touched, origin)
    if carried:
        _touch(function, bind.target, touched)
    elif isinstance(bind.target, t.Name) and bind.kind != "augmented":
        touched.names.discard(bind.target.id)


def _is_decided(
    function: FunctionNode, context: int, touched: Touched, origin: Wait | None
) -> bool:
    """Return whether a block runs, or how often, by an outcome."""
    for step in function.context_chain(context):
        here = function.facts.contexts[step]
        if here.kind in ("if", "else", "while", "match", "for", "async for") and (
            here.subject is not None and _mentions(function, here.subject, touched, origin)
        ):
            return True
    return False


def _change(
    program: "Program",
    function: FunctionNode,
    call: t.Call,
    touched: Touched,
    origin: Wait | None,
) -> None:
    """Note what a call changes that is given an outcome."""
    if not isinstance(call.callee, t.Attr) or call.callee.name in REPORTING:
        return
    root = root_of(function, call.callee.base)
    if root not in function.binds and root not in function.params:
        return
    given = call.given
    if any(_mentions(function, value, touched, origin) for value in given) or (
        call.callee.name in CHANGING and _is_decided(function, call.context, touched, origin)
    ):
        _touch(function, call.callee.base, touched)


def _touch(function: FunctionNode, target: t.Expr, touched: Touched) -> None:
    root = root_of(function, target)
    if root is None:
        return
    attribute = _attribute_of(target, _receiver(function))
    if attribute is not None:
        touched.attributes.add(attribute)
    elif root != _receiver(function):
        touched.names.add(root)


def _receiver(function: FunctionNode) -> str | None:
    if function.owner is None or not function.facts.params:
        return None
    return function.facts.params[0].name


def _attribute_of(value: t.Expr, receiver: str | None) -> str | None:
    """Return the attribute of the receiver that an access path goes through."""
    while isinstance(value, t.Attr | t.Item):
        if isinstance(value, t.Attr) and value.base == t.Name(receiver or ""):
            return value.name
        value = value.base
    return None


def _mentions(function: FunctionNode, value: t.Expr, touched: Touched, origin: Wait | None) -> bool:
    receiver = _receiver(function)
    for part in expressions.parts(function, value):
        if isinstance(part, t.Name) and part.id in touched.names:
            return True
        if isinstance(part, t.Attr) and part.name in touched.attributes:
            if part.base == t.Name(receiver or ""):
                return True
        if origin is not None and isinstance(part, t.CallRef):
            if part.index in (origin.call, origin.outer):
                return True
    return False


def reads(program: "Program", wait: Wait, touched: Touched) -> bool:
    """Return whether an await uses what has been touched, itself or in the method that it runs."""
    if _mentions(wait.function, wait.value, touched, None):
        return True
    return any(
        isinstance(place, Edge) and _reads_attribute(place, touched.attributes)
        for place in wait.places
    )


def _reads_attribute(edge: Edge, attributes: set[str]) -> bool:
    receiver = _receiver(edge.callee)
    if not attributes or receiver is None:
        return False
    facts = edge.callee.facts
    values = [read.value for read in facts.reads] + [call.callee for call in facts.calls]
    return any(_attribute_of(value, receiver) in attributes for value in values)


def _is_gated(function: FunctionNode, wait: Wait, loop: int, touched: Touched) -> bool:
    """Return whether an outcome decides if a later pass awaits at all."""
    steps = [*function.context_chain(wait.context)]
    steps += [
        step
        for exit_ in function.facts.exits
        if function.is_within(exit_.context, loop) and exit_.sequence < wait.sequence
        for step in function.context_chain(exit_.context)
    ]
    for step in steps:
        here = function.facts.contexts[step]
        if step == loop or not function.is_within(step, loop) or here.subject is None:
            continue
        if _mentions(function, here.subject, touched, None):
            return True
    return False


def _grown(call: t.Call) -> str | None:
    """Return the name of the collection that a call changes."""
    callee = call.callee
    if isinstance(callee, t.Attr) and callee.name in CHANGING and isinstance(callee.base, t.Name):
        return callee.base.id
    return None


def _shares_changed(program: "Program", earlier: Wait, later: Wait) -> bool:
    """Return whether one of two awaits changes an object that the other is given too."""
    first = expressions.names(earlier.function, earlier.value)
    second = expressions.names(later.function, later.value)
    shared = first & second
    return bool(shared & (changed_by(program, earlier) | changed_by(program, later)))


def changed_by(program: "Program", wait: Wait) -> set[str]:
    """Return the names whose objects an await changes, as far as the code that it runs shows."""
    found: set[str] = set()
    for place in wait.places:
        if isinstance(place, Edge):
            found |= _changed_names(program, place, DEEP)
    return found


def _is_entry(target: t.Expr, receiver: str | None) -> bool:
    """Return whether something is put away under a key in a collection of the receiver."""
    return isinstance(target, t.Item) and _attribute_of(target, receiver) is not None


def _changed_names(program: "Program", edge: Edge, depth: int) -> set[str]:
    found: set[str] = set()
    if edge.call is None:
        return found
    for param in changed_params(program, edge.callee, depth):
        given = expressions.argument_for(edge.call, edge.callee, param)
        root = None if given is None else root_of(edge.caller, given)
        if root is not None:
            found.add(root)
    return found


def changed_params(program: "Program", callee: FunctionNode, depth: int) -> set[str]:
    """Return the parameters whose objects a function changes, itself or so many calls deeper."""
    params = callee.params
    found = {
        root for call in callee.facts.calls if (root := _grown(call)) in params and root is not None
    }
    for bind in callee.facts.binds:
        if isinstance(bind.target, t.Attr | t.Item) and not fills_object(callee, bind.context):
            root = root_of(callee, bind.target)
            if root in params and not _is_entry(bind.target, _receiver(callee)):
                found.add(root)
    if depth > 0:
        for edge in program.edges_from(callee):
            if edge.via == "call" and edge.how == "call" and edge.callee is not callee:
                found |= _changed_names(program, edge, depth - 1) & params.keys()
    return found
