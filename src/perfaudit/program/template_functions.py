"""What the tags and filters of a project read of the rows that templates give them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.program.conditions import Standing, standing
from perfaudit.program.expressions import spelled
from perfaudit.program.key_tests import Said, said_of_key
from perfaudit.program.late_reads import is_read_late
from perfaudit.program.nodes import WALK_KINDS, FunctionNode, is_handler
from perfaudit.program.template_values import NOT_KNOWN, Cost, Reading, Value
from perfaudit.program.values import External, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class Seen(Struct, frozen=True):
    """What a function reads at a point of it. ``walked``: item by item."""

    value: t.Expr
    context: int
    sequence: int
    line: int
    walked: bool = False


def read_by(program: "Program", function: FunctionNode, given: Mapping[str, Value]) -> list[Cost]:
    """Return what a function costs that only templates say the parameters of.

    What else is put around it may hand on something else, or keep what it gives.
    """
    if len(function.facts.decorators) > 1 or function in program.memoised:
        return []
    rows = {name: value for name, value in given.items() if _is_open(program, function, name)}
    found: dict[tuple[object, ...], Cost] = {}
    for seen in _reads(function) if rows else ():
        for cost in _costs(program, function, rows, seen):
            key = (cost.path, cost.name, cost.owner.loop)
            known = found.get(key)
            if known is None or cost.confidence.rank < known.confidence.rank:
                found[key] = cost
    return list(found.values())


def _is_open(program: "Program", function: FunctionNode, name: str) -> bool:
    """Return whether nothing in the code says what a parameter is, and it stays what is given."""
    param = function.params.get(name)
    if param is None or param.kind not in ("positional", "keyword") or name in function.binds:
        return False
    return isinstance(program.types.param(function, param), Unknown | External)


def _reads(function: FunctionNode) -> Iterator[Seen]:
    """Yield the attributes that a function reads, what it calls, and what it walks."""
    facts = function.facts
    for read in facts.reads:
        yield Seen(read.value, read.context, read.sequence, read.line)
    for index, call in enumerate(facts.calls):
        yield Seen(t.CallRef(index), call.context, call.sequence, call.line)
    for block in facts.contexts:
        if block.kind in WALK_KINDS and block.subject is not None:
            yield Seen(block.subject, block.parent, block.sequence, block.line, walked=True)


def _costs(
    program: "Program",
    function: FunctionNode,
    rows: Mapping[str, Value],
    seen: Seen,
) -> Iterator[Cost]:
    if is_handler(function, seen.context) or _is_set_before(function, seen):
        return
    reading = Reading(program, runs_methods=False)
    found = _value(function, rows, seen.value, reading)
    if seen.walked:
        reading.asked(found)
    late = standing(function, seen.context, seen.sequence) is not Standing.ALWAYS
    level = Confidence.MEDIUM if late or is_read_late(function, seen.value) else Confidence.HIGH
    step = TraceStep(
        function.line(seen.line), f"{function.facts.qualname} reads {spelled(function, seen.value)}"
    )
    for cost in reading.costs:
        if not _is_empty(function, cost, seen):
            sure = weakest(cost.confidence, level)
            yield replace(cost, confidence=sure, steps=(step, *cost.steps))


def _value(
    function: FunctionNode, rows: Mapping[str, Value], value: t.Expr, reading: Reading
) -> Value:
    match value:
        case t.Name(id=name):
            return rows.get(name, NOT_KNOWN)
        case t.Attr(base=base, name=name):
            owner = _value(function, rows, base, reading)
            return owner if owner is NOT_KNOWN else reading.step(owner, name)
        case t.CallRef(index=index):
            callee = function.facts.calls[index].callee
            if isinstance(callee, t.Attr):
                method = _value(function, rows, callee, reading)
                return method if method is NOT_KNOWN else reading.called(method)
    return NOT_KNOWN


def _chain(function: FunctionNode, value: t.Expr) -> Iterator[t.Attr]:
    while isinstance(value, t.Attr | t.CallRef):
        if isinstance(value, t.CallRef):
            value = function.facts.calls[value.index].callee
        else:
            yield value
            value = value.base


def _is_set_before(function: FunctionNode, seen: Seen) -> bool:
    chain = list(_chain(function, seen.value))
    return any(
        bind.target in chain and bind.sequence < seen.sequence for bind in function.facts.binds
    )


def _is_empty(function: FunctionNode, cost: Cost, seen: Seen) -> bool:
    """Return whether a relation is read only where its key is not there, which asks nothing."""
    relation = cost.relation
    return relation is not None and any(
        part.name == relation.name
        and said_of_key(function, relation, part, seen.context, seen.sequence) is Said.EMPTY
        for part in _chain(function, seen.value)
    )
