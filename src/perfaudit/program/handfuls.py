"""Loops over a handful: what was counted before, what a function writes out, parts of a form."""

import re
from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.expressions import conjuncts, last_name
from perfaudit.program.nodes import FunctionNode

FEW = 5
"""A loop over so many known items is no loop over data."""
MAX_STEPS = 6
LEN = t.Name("len")
DISPLAYS = frozenset({"tuple", "list", "set", "frozenset", "sorted"})
VIEWS = frozenset({"items", "keys", "values"})
AT_MOST = {"Eq": 0, "LtE": 0, "Lt": 1}
"""Comparisons with a number that bound a length, and how much less than the number that is."""
_FORM = re.compile(
    r"(?:^|_)(?:formsets?|forms|choices|fields|options|params|parameters|settings|types|kinds|modes"
    r"|statuses|states|levels|weekdays|days|months|columns|attributes|suffixes|prefixes|extensions"
    r"|aliases|features|scopes)$",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?:^|_)(?:k|key|name|field|field_name|attr|attribute|option|param|setting|kind|type)$",
    re.IGNORECASE,
)
_VALUE = re.compile(r"(?:^|_)(?:v|val|value|values)$", re.IGNORECASE)


def is_counted_few(function: FunctionNode, loop: int, subject: t.Expr) -> bool:
    """Return whether a loop only runs where its items were counted, and are a handful at most."""
    return any(
        _bounds(function, part, subject)
        for step in function.context_chain(function.facts.contexts[loop].parent)
        if (block := function.facts.contexts[step]).kind in ("if", "and")
        for part in conjuncts(block.subject)
    )


def gives_handful(callee: FunctionNode | None) -> bool:
    """Return whether a project function returns lists that it writes out, of constants at most."""
    if callee is None or callee.facts.is_generator or not callee.facts.results:
        return False
    return all(
        isinstance(item.value, t.Seq)
        and all(
            not isinstance(part, t.Star) or _is_of_constants(callee, part.value, MAX_STEPS)
            for part in item.value.items
        )
        for item in callee.facts.results
    )


def may_be_handful(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop walks parts of a form, kinds of things, or entries by their key."""
    context = function.facts.contexts[loop]
    walked = context.subject
    match context.target:
        case t.Seq(items=(t.Name(id=key), t.Name(id=value))):
            if _is_view(function, walked) and _KEY.search(key) and _VALUE.search(value):
                return True
    return walked is not None and any(
        _FORM.search(name) for name in _names_of(function, walked, MAX_STEPS)
    )


def _is_view(function: FunctionNode, walked: t.Expr | None) -> bool:
    if not isinstance(walked, t.CallRef):
        return False
    return last_name(function.facts.calls[walked.index].callee) in ("items", "iteritems")


def _names_of(function: FunctionNode, walked: t.Expr, steps: int) -> Iterator[str]:
    """Yield the last name of what is walked, behind ``sorted``, ``enumerate`` and an entry."""
    match walked:
        case t.Name() | t.Attr():
            yield last_name(walked)
        case t.Item(key=t.Const(value=str(key))):
            yield key
        case t.CallRef(index=index) if steps:
            call = function.facts.calls[index]
            if isinstance(call.callee, t.Name):
                for given in call.arguments[:1]:
                    yield from _names_of(function, given, steps - 1)
            elif not call.arguments:
                name = last_name(call.callee)
                yield name
                if name in VIEWS and isinstance(call.callee, t.Attr):
                    yield from _names_of(function, call.callee.base, steps - 1)


def _bounds(function: FunctionNode, test: t.Expr, subject: t.Expr) -> bool:
    """Return whether a test holds only where something has a handful of items at most."""
    match test:
        case t.Compare(operator=operator, left=t.CallRef(index=index), right=t.Const(value=number)):
            call = function.facts.calls[index]
            if operator not in AT_MOST or type(number) is not int:
                return False
            is_len = call.callee == LEN and call.arguments == (subject,)
            return is_len and int(number) - AT_MOST[operator] <= FEW
    return False


def _is_of_constants(function: FunctionNode, value: t.Expr, steps: int) -> bool:
    """Return whether a collection is made of the items of a constant of the module."""
    if not steps:
        return False
    match value:
        case t.Name(id=name) if name.isupper():
            return True
        case t.Name(id=name):
            bound = function.only_value(name)
            return bound is not None and _is_of_constants(function, bound, steps - 1)
        case t.Comp(context=context):
            walked = function.facts.contexts[context].subject
            return walked is not None and _is_of_constants(function, walked, steps - 1)
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            if isinstance(call.callee, t.Name) and call.callee.id in DISPLAYS:
                return bool(call.arguments) and _is_of_constants(
                    function, call.arguments[0], steps - 1
                )
            if isinstance(call.callee, t.Attr) and call.callee.name in VIEWS:
                return _is_of_constants(function, call.callee.base, steps - 1)
    return False
