"""Find conditions with a list of keys that is as long as a table."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.called import library_calls
from perfaudit.program.calls import Target
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.grown_lists import GrownList, grown_list
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program

CONDITIONS = "takes-conditions"
TESTS = "tests-membership"
CALMER = dict.fromkeys(BY_HAND, Severity.LOW)


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each condition with a list, and a match where that grows with a table."""
    for called in library_calls(program).with_flags(CONDITIONS, TESTS):
        function, call = called.function, called.call
        if function.kind == "class":
            continue
        for name, value in _lists(program, function, called.index):
            at = (call.sequence, call.context)
            yield Opportunity(function.place(call), program.exposure_of(function).kind)
            found = grown_list(program, function, value, at)
            if found is not None:
                yield _match(program, function, call, name, value, found)


def _lists(program: Program, function: FunctionNode, index: int) -> Iterator[tuple[str, t.Expr]]:
    """Yield what a call asks to be one of many, and the many."""
    call = function.facts.calls[index]
    suffixed = [item for item in call.keywords if item[0].endswith("in")]
    if not suffixed and not (len(call.arguments) == 1 and isinstance(call.callee, t.Attr)):
        return
    for target in program.types.call(function, index).targets:
        flags = target.behaviour.flags if target.behaviour is not None else ()
        if TESTS in flags and isinstance(call.callee, t.Attr) and call.arguments:
            yield expressions.spelled(function, call.callee.base), call.arguments[0]
            return
        if CONDITIONS in flags:
            suffix = _suffix(program, target)
            for name, value in suffixed:
                if suffix and name.endswith(suffix):
                    yield name.removesuffix(suffix), value
            return


def _suffix(program: Program, target: Target) -> str:
    """Return what the library of a call ends the names of such conditions in."""
    library = program.libraries.library(target.behaviour.file) if target.behaviour else None
    return library.queries.membership if library is not None and library.queries else ""


def _match(
    program: Program,
    function: FunctionNode,
    call: t.Call,
    name: str,
    value: t.Expr,
    found: GrownList,
) -> Match:
    place = function.place(call)
    exposure = program.exposure_of(function)
    return Match(
        place,
        {
            "column": name,
            "list": expressions.spelled(function, value),
            "table": found.node.name,
            "which": "those of" if found.is_narrowed else "one for each row of",
        },
        trace=(
            *exposure.chain,
            TraceStep(found.location, f"all keys of {found.node.name} are fetched"),
            TraceStep(place, "and are sent back as a list"),
        ),
        confidence=Confidence.MEDIUM if found.is_narrowed else Confidence.HIGH,
        severity=CALMER.get(exposure.kind),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({found.node.name})",
        role=function.role,
    )
