"""The project functions that a call runs: what it calls, what it is given, and where these run."""

import msgspec

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program import calls
from perfaudit.program.expressions import spelled
from perfaudit.program.forwarding import OFF_THREAD, Handed, made_by
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Edge, Found
from perfaudit.program.stepping import RETURNED, Stepped, callable_of, is_begun_later
from perfaudit.program.values import Type, options_of


def add_run(
    found: Found,
    call: t.Call,
    index: int,
    callee: FunctionNode,
    how: str,
    via: str,
    confidence: Confidence,
    *,
    each: bool = False,
    after: bool = False,
) -> None:
    """Add a function that a call runs, or has run elsewhere."""
    found.add_edge(
        callee,
        via,
        t.CallRef(index),
        found.place(call),
        name=spelled(found.function, call.callee),
        call=call,
        how=how,
        confidence=confidence,
        each=each,
        after=after,
    )


def add_handed(found: Found, call: t.Call, index: int) -> None:
    """Add an edge for each callable that the call is given and runs, or has run elsewhere."""
    ways: dict[t.Expr, list[Handed]] = {}
    for handed in found.forwards.handed(found.function, index):
        if handed.kept is not None:
            _add_runs(found, call, index, handed.kept, [handed])
        elif handed.given.index < 0 and not handed.given.key:
            ways.setdefault(handed.given.value, []).append(handed)
    at = (call.sequence, call.context)
    for value, given in ways.items():
        for made in made_by(found.function, value, at):
            found.moved.setdefault(made, set()).update(way.how for way in given)
        if found.forwards.is_passed(found.function, value, at):
            continue
        _add_runs(found, call, index, found.types.evaluate(found.function, value, at), given)


def _add_runs(found: Found, call: t.Call, index: int, value: Type, ways: list[Handed]) -> None:
    """Add an edge for each function that a callable may be, and each way in which it is run."""
    callees = [callable_of(found.types, option) for option in options_of(value)]
    chosen = list(dict.fromkeys(callee for callee in callees if callee is not None))
    confidence = Confidence.MEDIUM if len(chosen) > 1 else Confidence.HIGH
    for callee in chosen:
        for way in _fitting(ways, callee):
            add_run(
                found,
                call,
                index,
                callee,
                _how(found, callee, way),
                "callback",
                weakest(confidence, way.confidence),
                each=way.each,
                after=way.after,
            )


def _fitting(ways: list[Handed], callee: FunctionNode) -> list[Handed]:
    """Return the ways that are meant for a callable: coroutine functions are awaited, not threaded.

    Where others hand it to a thread, the one that calls it here may be for another case.
    """
    if callee.is_async:
        direct = [way for way in ways if way.how not in OFF_THREAD]
        return list(dict.fromkeys(direct or ways))
    plain = [way for way in ways if not way.awaited and way.how != "task"] or ways
    if any(way.how in OFF_THREAD for way in plain):
        plain = [
            way
            if way.how in OFF_THREAD
            else msgspec.structs.replace(way, confidence=Confidence.LOW)
            for way in plain
        ]
    return list(dict.fromkeys(plain))


def _how(found: Found, callee: FunctionNode, way: Handed) -> str:
    if callee.is_async:
        return "task" if way.how == "thread" else way.how
    if way.how not in ("call", "loop"):
        return way.how
    how = found.forwards.how_run(callee)
    if how != "call":
        return how
    return "loop" if way.is_called_async and not found.function.is_async else way.how


def add_wrapped(found: Found, call: t.Call, index: int, name: str) -> None:
    """Add an edge for each plain function that a decorator's coroutine calls in its place."""
    decorator = found.function.parent
    if decorator is None or name not in decorator.params or name in found.function.params:
        return
    ways = [way for way in found.forwards.of(found.function) if way.slot.name == name]
    if any(way.how in OFF_THREAD for way in ways):
        # Plain functions are for the thread, and this call is for coroutine functions.
        return
    for callee in found.forwards.wrapped_by(found.function):
        add_run(found, call, index, callee, "call", "callback", Confidence.HIGH)


def add_given(found: Found, call: t.Call, index: int, target: calls.Target) -> None:
    """Add an edge for each generator that a coroutine returns and this function steps."""
    maker = target.function
    if maker is None or not maker.is_async or maker.facts.is_generator:
        return
    for callee in found.forwards.steps.given_by(maker):
        before = len(found.edges)
        add_run(found, call, index, callee, "call", "iterate", target.confidence)
        edge = msgspec.structs.replace(found.edges.pop(), call=None)
        ways = found.forwards.steps.of_call(found.function, index)
        found.edges[before:] = [edge] if ways is None else _stepped(found.function, edge, ways)


def move_bodies(found: Found) -> None:
    """Say of calls whose body runs elsewhere where: of coroutines in tasks, generators in threads.

    Calling them runs nothing yet.
    """
    if not found.moved:
        return
    for number, edge in enumerate(found.edges):
        if edge.via != "call" or edge.how != "call" or not isinstance(edge.value, t.CallRef):
            continue
        hows = found.moved.get(edge.value.index, set())
        callee = edge.callee
        if callee.is_async:
            hows = hows & {"task"}
        else:
            hows = hows & OFF_THREAD if callee.facts.is_generator else set()
        if hows:
            found.edges[number] = msgspec.structs.replace(edge, how=min(hows))


def placed(found: Found, edge: Edge) -> list[Edge]:
    """Return an edge, put where it runs if that is where an iterator is stepped."""
    index = _maker_of(found, edge)
    ways = None if index is None else found.forwards.steps.of_call(found.function, index)
    return [edge] if ways is None else _stepped(found.function, edge, ways)


def _maker_of(found: Found, edge: Edge) -> int | None:
    """Return the call whose result must be stepped for an edge to run, or None for other edges."""
    if edge.how != "call" or edge.call is None:
        return None
    if edge.via == "call" and isinstance(edge.value, t.CallRef):
        return edge.value.index if is_begun_later(found.types, edge.callee) else None
    if edge.via == "iterate" and edge.callee.name == "__iter__":
        return found.lazy.get(edge.sequence) if edge.callee.facts.is_generator else None
    return found.lazy.get(edge.sequence) if edge.via in ("callback", "iterate") else None


def _stepped(function: FunctionNode, edge: Edge, ways: tuple[Stepped, ...]) -> list[Edge]:
    """Return an edge for each way in which what it needs is stepped.

    The callers of a plain function that returns an iterator are taken to step it at once.
    """
    here = [way for way in ways if way.how != RETURNED]
    if len(here) < len(ways) and not function.is_async:
        return [edge]
    if not here:
        return [msgspec.structs.replace(edge, how="later")]
    return [
        msgspec.structs.replace(edge, how=way.how)
        if way.location is None
        else msgspec.structs.replace(
            edge,
            how=way.how,
            location=way.location,
            context=_context_of(function, edge, way),
            sequence=way.sequence,
        )
        for way in here
    ]


def _context_of(function: FunctionNode, edge: Edge, way: Stepped) -> int:
    """Return the block in which an iterator runs.

    It runs once, however often a loop steps it that does not make it.
    """
    around = set(function.loops(way.context))
    return way.context if around <= set(function.loops(edge.context)) else edge.context
