"""How many calls of the audited code are understood, and why the others are not."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.program.calls import Resolved
from perfaudit.program.values import Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.nodes import FunctionNode
    from perfaudit.program.program import Program

COUNTED_ROLES = frozenset({Role.PRODUCTION, Role.COMMAND, Role.SCRIPT})

REASONS: dict[str, frozenset[str]] = {
    "untyped parameter": frozenset(
        {"untyped parameter", "*args", "**kwargs", "argument not given"}
    ),
    "unspecific annotation": frozenset(
        {
            "annotation",
            "annotation is not a class",
            "callable",
            "dependency by annotation",
            "literal",
            "no annotation",
            "not a class",
            "type parameter not known",
        }
    ),
    "dynamic attribute": frozenset(
        {
            "__getattr__",
            "attribute of a function",
            "attribute of an awaitable",
            "builtin attribute",
            "dynamic attribute",
            "dynamic name",
            "getattr",
            "module __getattr__",
            "no receiver",
            "type()",
        }
    ),
    "third party unknown": frozenset(
        {"library does not say", "custom awaitable", "unknown base class"}
    ),
    "untyped container": frozenset(
        {
            "element not known",
            "empty",
            "iterator without __next__",
            "no __getitem__",
            "no __iter__",
            "not iterable",
            "yields nothing known",
        }
    ),
    "missing definition": frozenset(
        {"import not found", "not defined in module", "super outside a class", "undefined name"}
    ),
    "recursive definition": frozenset({"chain too long", "recursive definition", "too deep"}),
}
"""The words for why a call is not resolved, and the reasons of ``Unknown`` that each stands for."""

OTHER_REASON = "expression not followed"
_WORDS = {reason: word for word, reasons in REASONS.items() for reason in reasons}


@dataclass(frozen=True, slots=True)
class Covered:
    """The number of calls, of resolved calls, and of the others by reason, most frequent first."""

    calls: int
    resolved: int
    unresolved: dict[str, int]


def coverage_of(program: "Program") -> Covered:
    """Return how many calls of production code, commands and scripts are resolved."""
    calls = 0
    unresolved: Counter[str] = Counter()
    for function in program.functions:
        if function.role not in COUNTED_ROLES:
            continue
        calls += len(function.facts.calls)
        unresolved.update(_reasons(program, function))
    ordered = sorted(unresolved.items(), key=lambda item: (-item[1], item[0]))
    return Covered(calls, calls - unresolved.total(), dict(ordered))


def unresolved_calls(program: "Program", function: "FunctionNode") -> int:
    """Return how many calls of one function are not resolved."""
    return len(_reasons(program, function))


def reason_of(resolved: Resolved) -> str | None:
    """Return the word for why a call is not resolved, or None where it is."""
    if resolved.targets:
        return None
    for value in (*options_of(resolved.callee), resolved.result):
        if isinstance(value, Unknown):
            return reason_word(value.reason)
    return OTHER_REASON


def reason_word(reason: str) -> str:
    """Return the documented word for a reason of ``Unknown``."""
    if reason.startswith("annotated "):
        return "unspecific annotation"
    return _WORDS.get(reason, OTHER_REASON)


def _reasons(program: "Program", function: "FunctionNode") -> list[str]:
    found = []
    for index in range(len(function.facts.calls)):
        reason = reason_of(program.types.call(function, index))
        if reason is not None:
            found.append(reason)
    return found
