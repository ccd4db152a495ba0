"""Objects that others come to hold: what is done to them from then on is not seen any more."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.nodes import FunctionNode, inner_functions

if TYPE_CHECKING:
    from perfaudit.program.program import Program
    from perfaudit.program.sites import Edge

SAVES = "saves-only"
"""Calls that write an object, and set nothing of it but its key."""
FIELDS = "__dict__"
TESTING = frozenset({"if", "else", "and", "or", "while", "assert"})
"""Blocks whose subject is asked only whether it is true."""
MAX_CALLS = 3


def gets_out(program: "Program", maker: FunctionNode, index: int, way: "Sequence[Edge]") -> bool:
    """Return whether others may hold what a call makes before the first call of a way is run."""
    made = t.CallRef(index)
    held: set[t.Expr] = {made}
    for bind in maker.facts.binds:
        value = bind.value.value if isinstance(bind.value, t.Await) else bind.value
        if value != made:
            continue
        if not isinstance(bind.target, t.Name) or bind.target.id in maker.facts.outer_names:
            return True
        held.add(bind.target)
    first = way[0] if way else None
    return any(
        _is_before(maker, context, sequence, index, first)
        for context, sequence in _outlets(program, maker, frozenset(held), first, MAX_CALLS)
    )


def _is_before(
    maker: FunctionNode, context: int, sequence: int, index: int, first: "Edge | None"
) -> bool:
    """Return whether a place may run between the making of an object and a call that is given it.

    Of one turn of a loop to the next, where the object was made before the loop.
    """
    if first is None or sequence < first.sequence:
        return True
    made_in = maker.loops(maker.facts.calls[index].context)
    again = set(maker.loops(first.context)).difference(made_in)
    return not again.isdisjoint(maker.loops(context))


def _outlets(
    program: "Program",
    function: FunctionNode,
    held: frozenset[t.Expr],
    first: "Edge | None",
    calls: int,
) -> Iterator[tuple[int, int]]:
    """Yield where an object gets out of a function that holds it by some expressions."""
    facts = function.facts
    for bind in facts.binds:
        is_own = bind.target in held and isinstance(bind.target, t.Name)
        if not is_own and bind.value is not None and _is_among(held, bind.value):
            yield bind.context, bind.sequence
    for item in facts.results:
        if item.value is not None and _is_among(held, item.value):
            yield item.context, item.sequence
    for context in facts.contexts:
        if context.kind not in TESTING and context.subject is not None:
            if _is_among(held, context.subject):
                yield context.parent, context.sequence
    followed = None if first is None else first.call
    for index, call in enumerate(facts.calls):
        if call is not followed and _is_let_out_by(program, function, index, held, calls):
            yield call.context, call.sequence
    for inner in inner_functions(function):
        if any(value in held for value in _all_parts(inner)):
            yield inner.facts.context, -1


def _is_among(held: frozenset[t.Expr], value: t.Expr) -> bool:
    """Return whether who has a value has the object: it is the object, or has it in it."""
    if value in held:
        return True
    match value:
        case t.Seq(items=parts) | t.Mapping(values=parts) | t.Either(options=parts):
            return any(_is_among(held, part) for part in parts)
        case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
            return _is_among(held, inner)
        case t.Element(iterable=inner) | t.Comp(element=inner):
            return _is_among(held, inner)
        case t.Binary(left=left, right=right):
            return _is_among(held, left) or _is_among(held, right)
        case t.Attr(base=base, name=name):
            return name == FIELDS and _is_among(held, base)
    return False


def _is_let_out_by(
    program: "Program", function: FunctionNode, index: int, held: frozenset[t.Expr], calls: int
) -> bool:
    """Return whether a call hands the object to somebody who may keep it, or change it."""
    call = function.facts.calls[index]
    receiver = call.callee.base if isinstance(call.callee, t.Attr) else None
    parts = [*call.given] if receiver is None else [*call.given, receiver]
    given = [part for part in parts if _is_among(held, part)]
    if not given:
        return False
    if any(part not in held for part in given):
        return True
    resolved = program.types.call(function, index)
    of_libraries = [target for target in resolved.targets if target.function is None]
    edges = [edge for edge in program.edges_from(function) if edge.call is call]
    if of_libraries:
        return bool(edges) or not resolved.has_flag(SAVES)
    if not edges or not calls:
        return True
    return any(_is_kept_by(program, edge, held, len(given), calls - 1) for edge in edges)


def _is_kept_by(
    program: "Program", edge: "Edge", held: frozenset[t.Expr], number: int, calls: int
) -> bool:
    """Return whether a function lets out what it is given as so many of its parameters."""
    call, callee = edge.call, edge.callee
    names = [
        param.name
        for param in callee.facts.params
        if call is not None and expressions.argument_for(call, callee, param.name) in held
    ]
    # What cannot be told from the rest, or is under its name no more, may be anywhere.
    if len(names) != number or any(name in callee.binds for name in names):
        return True
    return program.once(_lets_out, callee, tuple(names), calls)


def _lets_out(
    program: "Program", function: FunctionNode, names: tuple[str, ...], calls: int
) -> bool:
    held: frozenset[t.Expr] = frozenset(t.Name(name) for name in names)
    return any(True for _ in _outlets(program, function, held, None, calls))


def _all_parts(function: FunctionNode) -> Iterator[t.Expr]:
    """Yield every expression of a function."""
    facts = function.facts
    for call in facts.calls:
        for value in (call.callee, *call.given):
            yield from expressions.own_parts(function, value)
    values = [bind.value for bind in facts.binds]
    values += [item.value for item in facts.reads]
    values += [item.value for item in facts.results]
    values += [context.subject for context in facts.contexts]
    for each in values:
        if each is not None:
            yield from expressions.own_parts(function, each)
