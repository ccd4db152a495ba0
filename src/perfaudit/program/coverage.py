"""How many calls of the audited code are understood, and why the others are not."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program.calls import Resolved, Target
from perfaudit.program.values import Unknown, options_of

if TYPE_CHECKING:
    from perfaudit.program.nodes import FunctionNode
    from perfaudit.program.program import Program

COUNTED_ROLES = frozenset({Role.PRODUCTION, Role.COMMAND, Role.SCRIPT})
NOT_DOTTED = re.compile(r"[^\w.]")

OTHER_REASON = "expression not followed"

REASONS: dict[str, frozenset[str]] = {
    "untyped parameter": frozenset({"untyped parameter", "*args", "**kwargs"}),
    "untyped result": frozenset({"no annotation", "yields nothing known"}),
    "unspecific annotation": frozenset(
        {
            "annotation",
            "annotation is not a class",
            "callable",
            "dependency by annotation",
            "literal",
        }
    ),
    "dynamic attribute": frozenset(
        {"__getattr__", "dynamic name", "getattr", "module __getattr__", "type()"}
    ),
    "attribute not found": frozenset({"attribute of a function", "dynamic attribute"}),
    "type contradicted": frozenset(
        {
            "attribute of an awaitable",
            "awaited, but not awaitable",
            "builtin attribute",
            "iterator without __next__",
            "no __getitem__",
            "no __iter__",
            "not callable",
            "not iterable",
            "object is not callable",
        }
    ),
    "third party unknown": frozenset(
        {
            "argument not given",
            "custom awaitable",
            "library does not say",
            "no receiver",
            "not a class",
            "unknown base class",
        }
    ),
    "untyped container": frozenset(
        {"element not known", "empty", "not inferred", "type parameter not known"}
    ),
    "table column or relation": frozenset(
        {
            "relation of a library that does not say",
            "relation of an unknown kind",
            "relation to an unknown table",
            "value of a column",
        }
    ),
    "caught exception": frozenset({"exception"}),
    "arithmetic": frozenset({"operator"}),
    "missing definition": frozenset(
        {"import not found", "not defined in module", "super outside a class", "undefined name"}
    ),
    "recursive definition": frozenset({"recursive definition"}),
    "chain cut short": frozenset({"chain too long", "too deep"}),
}
"""The words for why a call is not resolved, and the reasons of ``Unknown`` that each stands for.

``attribute not found``: the class is known, and nothing in it or its bases sets the attribute.
``type contradicted``: the code does with the value what the type that is believed cannot do.
"""

MEANINGS = {
    "untyped parameter": "no annotation, and no caller that passes something known",
    "untyped result": "a function without a return annotation, whose body does not say",
    "unspecific annotation": "Any, object, Callable and the like",
    "dynamic attribute": "getattr, __getattr__, type(x)",
    "attribute not found": "nothing in the class or its bases sets it",
    "type contradicted": "the believed type cannot do what is done with it",
    "third party unknown": "the library file does not say what comes back",
    "untyped container": "an item of a list or dict of unknown things",
    "table column or relation": "the value of a JSON column, or an unknown relation",
    "caught exception": "the object that `except` binds",
    "arithmetic": "the result of an operator",
    "missing definition": "a name or import that is not in the audited files",
    "recursive definition": "its type depends on itself",
    "chain cut short": "the trail is longer than is followed",
    OTHER_REASON: "what `match` takes apart, what is sent to a generator, and the like",
}
"""What each word says, in a few words for a table."""

_WORDS = {reason: word for word, reasons in REASONS.items() for reason in reasons}


KINDS = {
    "function": "project",
    "class": "project",
    "library": "library",
    "builtin": "builtin",
    "external": "third party",
    "callable": "callable",
}
"""What a resolved call runs: the kind of its target, and the word for it in the report."""

ANY_CALLABLE = "callable"
"""The name of the target of a value that an annotation says is a callable, and no more."""

MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Covered:
    """The number of calls, of resolved calls, and of the others by reason, most frequent first.

    ``kinds`` counts the resolved ones by what they run: project, library (a file describes it),
    builtin, third party (only the library is known), callable (only that it is one, and what it
    gives). ``unresolved_names`` are the names called most
    among the unresolved. ``undescribed`` counts, for third party, the packages without a library
    file, and the names that a file leaves out. ``truncated`` are the calls whose chain was cut.
    """

    calls: int
    resolved: int
    unresolved: dict[str, int]
    kinds: dict[str, int]
    unresolved_names: dict[str, int]
    undescribed: dict[str, int]
    truncated: int


def coverage_of(program: "Program") -> Covered:
    """Return how many calls of production code, commands and scripts are resolved."""
    kinds = Counter(dict.fromkeys(dict.fromkeys(KINDS.values()), 0))
    unresolved: Counter[str] = Counter()
    names: Counter[str] = Counter()
    undescribed: Counter[str] = Counter()
    for function in program.functions:
        if function.role not in COUNTED_ROLES:
            continue
        for index, call in enumerate(function.facts.calls):
            resolved = program.types.call(function, index)
            reason = reason_of(resolved)
            if reason is not None:
                unresolved[reason] += 1
                names[_called_name(call)] += 1
                continue
            target = resolved.targets[0]
            kind = _kind_of(target)
            kinds[kind] += 1
            if kind == "third party":
                undescribed[_undescribed(program, target.name)] += 1
    return Covered(
        calls=kinds.total() + unresolved.total(),
        resolved=kinds.total(),
        unresolved=_ordered(unresolved),
        kinds=dict(kinds),
        unresolved_names=_ordered(names, MAX_NAMED),
        undescribed=_ordered(undescribed, MAX_NAMED),
        truncated=unresolved["chain cut short"],
    )


def _ordered(counts: Counter[str], limit: int | None = None) -> dict[str, int]:
    items = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(items[:limit])


def _kind_of(target: Target) -> str:
    if target.kind == "library" and target.name.startswith("builtins."):
        return "builtin"
    if target.name == ANY_CALLABLE:
        return "callable"
    return KINDS[target.kind]


def _called_name(call: t.Call) -> str:
    """Return the last name of what is called, as a user would look for it."""
    callee = call.callee
    if isinstance(callee, t.Attr):
        return f".{callee.name}()"
    return f"{callee.id}()" if isinstance(callee, t.Name) else "the result of an expression"


def _undescribed(program: "Program", origin: str) -> str:
    """Return what a user would describe next: the package, or the name that its file leaves out."""
    dotted = NOT_DOTTED.split(origin, maxsplit=1)[0]
    if program.libraries.known_prefix(dotted):
        return dotted
    return dotted.partition(".")[0]


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
