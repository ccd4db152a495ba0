"""Find queries that are made from another one and thrown away."""

from collections.abc import Iterator

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.values import LibraryInstance, Type, options_of


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each call that makes one query from another, and a match where it is thrown away."""
    for function in program.functions:
        for index, call in enumerate(function.facts.calls):
            if not call.discarded or not isinstance(call.callee, t.Attr):
                continue
            if not _makes_query(program, function, index, call.callee.base):
                continue
            exposure = program.exposure_of(function)
            place = function.place(call)
            yield Opportunity(place, exposure.kind)
            yield Match(
                place,
                {"call": spelled(function, t.CallRef(index))},
                trace=(*exposure.chain, TraceStep(place, "makes a query that nothing keeps")),
                function=function.qualname,
                endpoint=exposure.endpoint,
                exposure=exposure.kind,
                role=function.role,
            )


def _makes_query(program: Program, function: FunctionNode, index: int, base: t.Expr) -> bool:
    """Return whether a call only gives another query of the kind that it is called on."""
    call = function.facts.calls[index]
    resolved = program.types.call(function, index)
    if not resolved.targets or any(
        target.function is not None or target.behaviour is None or target.behaviour.effects
        for target in resolved.targets
    ):
        return False
    given = _lazy_kind(program, resolved.result)
    if given is None:
        return False
    return given == _lazy_kind(program, program.types.evaluate(function, base, (call.sequence, -1)))


def _lazy_kind(program: Program, value: Type) -> str | None:
    """Return the library class of a value that asks the database when it is iterated."""
    options = options_of(value)
    if len(options) != 1 or not isinstance(options[0], LibraryInstance):
        return None
    path = options[0].path
    behaviour = program.libraries.on(path, "iterate")
    asks = behaviour is not None and not DATABASE_ROUND_TRIPS.isdisjoint(behaviour.effects)
    return path if asks else None
