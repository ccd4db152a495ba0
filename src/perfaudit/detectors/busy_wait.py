"""Find loops that sleep and ask again for what happens in their own process."""

from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Role, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.decorators import method_kind
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.expressions import argument, parts, spelled
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import LOOP_KINDS, ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.values import Instance, LibraryInstance, Type, options_of

AUDITED = frozenset({Role.PRODUCTION, Role.COMMAND})
FLAG = "awaitable-state"
QUIET_EFFECTS = frozenset({"log"})
RARE_SECONDS = 10
"""A loop that wakes no more often than this does not wait for anything in a hurry."""
WITH_KINDS = frozenset({"with", "async with"})
CONTAINERS = frozenset({"builtins.list", "builtins.dict", "builtins.set", "collections.deque"})
SIZE_FLAG = "len-argument"
ORDERING = frozenset({"Lt", "LtE", "Gt", "GtE"})
MAX_STEPS = 3


class Wait(NamedTuple):
    """A loop that does nothing but sleep until a state is there."""

    function: FunctionNode
    test: t.Expr
    sleep: Site
    seconds: float


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each loop that waits for a state, and each that asks for one of its own process."""
    for function in program.functions:
        if not function.is_async or function.role not in AUDITED:
            continue
        told: dict[str, list[tuple[Wait, Confidence]]] = {}
        for number, context in enumerate(function.facts.contexts):
            if context.kind != "while" or context.subject is None:
                continue
            wait = _wait(program, function, number, context.subject)
            if wait is None:
                continue
            confidence = _state(program, function, wait.test, _at(function, number), MAX_STEPS)
            if confidence is None:
                yield Opportunity(wait.sleep.location, program.exposure_of(function).kind)
            else:
                told.setdefault(_condition(function, wait.test), []).append((wait, confidence))
        for waits in told.values():
            yield Opportunity(waits[0][0].sleep.location, program.exposure_of(function).kind)
            yield _match(program, waits)


def _at(function: FunctionNode, number: int) -> tuple[int, int]:
    return function.facts.contexts[number].sequence, number


def _wait(program: Program, function: FunctionNode, number: int, test: t.Expr) -> Wait | None:
    """Return the loop if all it does is to sleep for a fixed, short time."""
    facts = function.facts
    if isinstance(test, t.Const) or _has_more(function, number):
        return None
    asked = {part.index for part in parts(function, test) if isinstance(part, t.CallRef)}
    sites = {
        site.call: site
        for site in program.sites_of(function)
        if site.call is not None and function.is_within(site.context, number)
    }
    sleeps = []
    for index, call in enumerate(facts.calls):
        if not function.is_within(call.context, number) or index in asked:
            continue
        site = sites.get(call)
        if site is None:
            return None
        if "sleep" in site.effects and call.awaited:
            sleeps.append(site)
        elif not QUIET_EFFECTS.issuperset(site.effects):
            return None
    if len(sleeps) != 1 or sleeps[0].context != number:
        return None
    seconds = _seconds(function, sleeps[0])
    if seconds is None or seconds > RARE_SECONDS:
        return None
    return Wait(function, test, sleeps[0], seconds)


def _has_more(function: FunctionNode, number: int) -> bool:
    """Return whether a loop holds other work than calls: loops, blocks, yields, stored values."""
    facts = function.facts
    for inner, context in enumerate(facts.contexts):
        if inner != number and function.is_within(inner, number):
            if context.kind in LOOP_KINDS or context.kind in WITH_KINDS:
                return True
    if any(
        item.kind != "return" and function.is_within(item.context, number) for item in facts.results
    ):
        return True
    return any(
        bind.kind != "augmented" and not isinstance(bind.value, t.Const | t.Binary)
        for bind in facts.binds
        if function.is_within(bind.context, number)
    )


def _seconds(function: FunctionNode, sleep: Site) -> float | None:
    """Return how long a sleep is, where that is written as a number; a growing one is not."""
    given = argument(sleep.call, "0|delay|seconds") if sleep.call is not None else None
    if isinstance(given, t.Name) and given.id not in function.binds:
        binds = function.file.body.binds.get(given.id, [])
        given = binds[0].value if len(binds) == 1 else None
    if isinstance(given, t.Const) and isinstance(given.value, int | float):
        return float(given.value)
    return None


def _state(
    program: Program, function: FunctionNode, value: t.Expr, at: tuple[int, int], left: int
) -> Confidence | None:
    """Return how surely an expression asks for a state of this process; None where it may not.

    Each operand must be one, or a constant; one of ``and`` may also be a limit of time.
    """
    match value:
        case t.Not(value=inner):
            return _state(program, function, inner, at, left)
        case t.Compare(operator="In" | "NotIn", right=held):
            return _state(program, function, held, at, left)
        case t.Compare(left=inner, right=other) if not _calls(function, other):
            return _state(program, function, inner, at, left)
        case t.Either(kind=kind, options=options):
            found = [_state(program, function, option, at, left) for option in options]
            known = [item for item in found if item is not None]
            unclear = [option for option, item in zip(options, found, strict=True) if item is None]
            if kind == "if" or not known:
                return None
            if any(not _is_limit(program, function, option) for option in unclear):
                return None
            return weakest(*known)
        case t.Attr(base=base, name=name):
            return _attribute(program, function, base, name, at, left)
        case t.Name(id=name):
            return Confidence.MEDIUM if _is_set_elsewhere(function, name) else None
        case t.CallRef(index=index):
            return _answer(program, function, index, left)
    return None


def _calls(function: FunctionNode, value: t.Expr) -> bool:
    return any(isinstance(part, t.CallRef) for part in parts(function, value))


def _is_limit(program: Program, function: FunctionNode, value: t.Expr) -> bool:
    """Return whether an expression compares a clock or a counter of the function with a limit."""
    if not isinstance(value, t.Compare) or value.operator not in ORDERING:
        return False
    called = set()
    for part in parts(function, value):
        if isinstance(part, t.Attr) and part not in called:
            # What an object of somebody else says may change for reasons out of this process.
            owner = program.types.evaluate(function, part.base, AT_END)
            if not isinstance(owner, Instance):
                return False
        if isinstance(part, t.CallRef):
            called.add(function.facts.calls[part.index].callee)
            targets = program.types.call(function, part.index).targets
            if not targets or any(
                target.kind != "library" or target.behaviour is None or target.behaviour.effects
                for target in targets
            ):
                return False
    return True


def _attribute(
    program: Program,
    function: FunctionNode,
    base: t.Expr,
    name: str,
    at: tuple[int, int],
    left: int,
) -> Confidence | None:
    owner = program.types.evaluate(function, base, at)
    if not isinstance(owner, Instance):
        return None
    method = program.types.classes.method(owner.node, name)
    if method is not None:
        if method_kind(program.types, method) != "property":
            return None
        return _given(program, method, left)
    if _is_stored(program, function, owner.node, name):
        return Confidence.HIGH
    value = program.types.attribute(owner.node, name)
    return Confidence.HIGH if _is_container(value) else None


def _is_stored(program: Program, function: FunctionNode, node: ClassNode, name: str) -> bool:
    """Return whether another method than the waiting one and the constructor sets an attribute."""
    for owner in (node, *program.types.classes.project_order(node)):
        for scope, _ in owner.stores.get(name, ()):
            if scope is not function and scope.name not in ("__init__", "__post_init__"):
                return True
    return False


def _is_container(value: Type) -> bool:
    options = options_of(value)
    return all(isinstance(item, LibraryInstance) and item.path in CONTAINERS for item in options)


def _is_set_elsewhere(function: FunctionNode, name: str) -> bool:
    """Return whether another function sets a name of this one, or of the module."""
    outer = function if name in function.binds else function.file.body
    if name not in outer.binds:
        return False
    for other in function.file.functions:
        if other is function or name not in other.facts.outer_names or name not in other.binds:
            continue
        if outer.kind == "module" or _stands_in(other, outer):
            return True
    return False


def _stands_in(inner: FunctionNode, outer: FunctionNode) -> bool:
    scope = inner.parent
    while scope is not None and scope is not outer:
        scope = scope.parent
    return scope is outer


def _answer(program: Program, function: FunctionNode, index: int, left: int) -> Confidence | None:
    """Return how surely a call answers out of this process's memory, and what changes later."""
    call = function.facts.calls[index]
    targets = program.types.call(function, index).targets
    if len(targets) != 1 or call.awaited:
        return None
    target = targets[0]
    if target.behaviour is not None and FLAG in target.behaviour.flags:
        return target.confidence
    if target.behaviour is not None and SIZE_FLAG in target.behaviour.flags and call.arguments:
        at = (call.sequence, call.context)
        return _state(program, function, call.arguments[0], at, left)
    if target.function is not None and not call.arguments and not call.keywords:
        found = _given(program, target.function, left)
        return None if found is None else weakest(found, target.confidence)
    return None


def _given(program: Program, function: FunctionNode, left: int) -> Confidence | None:
    """Return how surely a function does nothing but tell a state of this process."""
    results = function.facts.results
    if left == 0 or function.is_async or len(results) != 1 or results[0].value is None:
        return None
    if program.sites_of(function):
        return None
    at = (AT_END[0], results[0].context)
    found = _state(program, function, results[0].value, at, left - 1)
    return None if found is None else weakest(found, Confidence.MEDIUM)


def _match(program: Program, waits: list[tuple[Wait, Confidence]]) -> Match:
    """Return one match for all loops of a function that wait for the same."""
    wait, confidence = waits[0]
    function = wait.function
    exposure = program.exposure_of(function)
    place = wait.sleep.location
    steps = [
        TraceStep(each.sleep.location, f"sleeps {each.seconds:g} s, then asks again")
        for each, _ in waits
    ]
    return Match(
        place,
        {
            "function": function.facts.qualname,
            "condition": _condition(function, wait.test),
            "interval": f"{wait.seconds:g} s" if wait.seconds else "turn of the event loop",
            "more": f", at {len(waits)} places" if len(waits) > 1 else "",
        },
        trace=(*exposure.chain, *steps),
        # Who starts, ends or is run by hand alone keeps nobody waiting.
        confidence=weakest(
            confidence,
            wait.sleep.confidence,
            Confidence.MEDIUM if exposure.kind in BY_HAND else Confidence.HIGH,
        ),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=f"Await an event that is set where `{_condition(function, wait.test)}` changes.",
    )


def _condition(function: FunctionNode, test: t.Expr) -> str:
    match test:
        case t.Compare(operator="In" | "NotIn", right=inner):
            return spelled(function, inner)
        case t.Not(value=inner) | t.Compare(left=inner):
            return _condition(function, inner)
        case t.Either(options=options):
            return _condition(function, options[0])
    return spelled(function, test)
