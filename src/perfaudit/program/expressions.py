"""Questions about expressions: the names in them, their parts, their constant values."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode


def parts(function: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the expression and everything in it, following calls into callee and arguments."""
    stack: list[t.Expr] = [value]
    while stack:
        item = stack.pop()
        yield item
        parts_of = _PARTS.get(type(item))
        if parts_of is not None:
            stack.extend(parts_of(function, item))


def own_parts(function: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the expression and everything in it but what its calls are made of.

    For those who go through the calls of the function anyway.
    """
    stack: list[t.Expr] = [value]
    while stack:
        item = stack.pop()
        yield item
        if not isinstance(item, t.CallRef):
            stack.extend(children(function, item))


def children(function: FunctionNode, value: t.Expr) -> Sequence[t.Expr]:
    """Return the direct parts of an expression."""
    parts_of = _PARTS.get(type(value))
    return () if parts_of is None else parts_of(function, value)


def _parts_of_call(function: FunctionNode, value: t.CallRef) -> Sequence[t.Expr]:
    call = function.facts.calls[value.index]
    return (call.callee, *call.given)


def _given(*values: t.Expr | None) -> list[t.Expr]:
    return [value for value in values if value is not None]


_PARTS: dict[type[t.Expr], Callable[[FunctionNode, Any], Sequence[t.Expr]]] = {
    t.Attr: lambda _, value: (value.base,),
    t.CallRef: _parts_of_call,
    t.Item: lambda _, value: (value.base, value.key),
    t.Slice: lambda _, value: _given(value.lower, value.upper, value.step),
    t.Text: lambda _, value: [part for part in value.parts if not isinstance(part, str)],
    t.Seq: lambda _, value: value.items,
    t.Mapping: lambda _, value: (*_given(*value.keys), *value.values),
    t.Await: lambda _, value: (value.value,),
    t.Not: lambda _, value: (value.value,),
    t.Inverted: lambda _, value: (value.value,),
    t.Star: lambda _, value: (value.value,),
    t.Entered: lambda _, value: (value.value,),
    t.Either: lambda _, value: (*value.options, *_given(value.test)),
    t.Binary: lambda _, value: (value.left, value.right),
    t.Compare: lambda _, value: (value.left, value.right),
    t.Comp: lambda _, value: (value.element, *_given(value.key)),
    t.Element: lambda _, value: (value.iterable,),
}
"""How the direct parts of each kind of expression are found; others have none."""


def names(function: FunctionNode, value: t.Expr) -> set[str]:
    """Return the bare names that an expression reads."""
    return {part.id for part in parts(function, value) if isinstance(part, t.Name)}


def spelled(function: FunctionNode, value: t.Expr, *, bound: int = 60) -> str:
    """Return the expression as short source text, for messages."""
    text = _spelled(function, value)
    return text if len(text) <= bound else text[: bound - 3] + "..."


def _spelled(function: FunctionNode, value: t.Expr) -> str:
    match value:
        case t.Name(id=name):
            return name
        case t.Attr(base=base, name=name):
            return f"{_spelled(function, base)}.{name}"
        case t.CallRef(index=index):
            return f"{_spelled(function, function.facts.calls[index].callee)}()"
        case t.Item(base=base):
            return f"{_spelled(function, base)}[]"
        case t.Const(value=constant, kind=kind):
            return repr(constant) if kind != "ellipsis" else "..."
        case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
            return _spelled(function, inner)
        case t.Inverted(value=inner):
            return f"~{_spelled(function, inner)}"
        case t.Element(iterable=iterable):
            return _spelled(function, iterable)
        case t.Seq(kind=kind):
            return {"list": "[...]", "tuple": "(...)", "set": "{...}"}[kind]
        case t.Either(options=options):
            return _spelled(function, options[0])
        case t.Binary(left=left):
            return _spelled(function, left)
    return "..."


def conjuncts(test: t.Expr | None) -> tuple[t.Expr, ...]:
    """Return the conditions that must all hold for a test to hold."""
    if isinstance(test, t.Either) and test.kind == "and":
        return test.options
    return () if test is None else (test,)


def outcomes(value: t.Either) -> tuple[t.Expr, ...]:
    """Return what may stand for an object in the end: of an ``and`` the last alone."""
    return value.options[-1:] if value.kind == "and" else value.options


def is_dotted(value: t.Expr) -> bool:
    """Return whether an expression is a name or a chain of attributes of one."""
    while isinstance(value, t.Attr):
        value = value.base
    return isinstance(value, t.Name)


def last_name(value: t.Expr) -> str:
    """Return a name, or the last of a chain of attributes; an empty text for anything else."""
    if type(value) is t.Attr:
        return value.name
    return value.id if type(value) is t.Name else ""


def argument(call: t.Call, spec: str | None) -> t.Expr | None:
    """Return the argument a library file names: ``0``, ``keyword`` or ``0|keyword``.

    None where the call does not give it.
    """
    if spec is None:
        return None
    for choice in spec.split("|"):
        if choice.isdigit():
            index = int(choice)
            if index < len(call.arguments) and not has_star(call.arguments[: index + 1]):
                return call.arguments[index]
        else:
            for keyword, value in reversed(call.keywords):
                if keyword == choice:
                    return value
    return None


def argument_at(call: t.Call, position: int | None, name: str) -> t.Expr | None:
    """Return the argument at a position, or by a name; None where the call does not give it."""
    given = call.arguments
    if position is not None and position < len(given) and not has_star(given[: position + 1]):
        return given[position]
    for keyword, value in call.keywords:
        if keyword == name:
            return value
    return None


def has_star(values: tuple[t.Expr, ...]) -> bool:
    """Return whether one of several arguments or items is a ``*`` and more than one."""
    return t.Star in map(type, values)


def has_splat(call: t.Call) -> bool:
    """Return whether ``*`` or ``**`` hides which arguments are given."""
    if has_star(call.arguments):
        return True
    return bool(call.keywords) and "**" in [name for name, _ in call.keywords]


def unless_nothing(value: t.Expr | None) -> t.Expr | None:
    """Return the one of several values that may be more than nothing: ``rows if some else []``."""
    if not isinstance(value, t.Either) or value.kind == "and":
        return value
    some = [option for option in value.options if not _is_nothing(option)]
    return some[0] if len(some) == 1 else value


def _is_nothing(value: t.Expr) -> bool:
    return value == t.Const(None, "NoneType") or (isinstance(value, t.Seq) and not value.items)


def argument_for(call: t.Call, callee: FunctionNode, name: str) -> t.Expr | None:
    """Return the expression that a call passes for a parameter of a project function, or None."""
    for keyword, value in call.keywords:
        if keyword == name:
            return value
    params = [param for param in callee.facts.params if param.kind == "positional"]
    index = next((number for number, param in enumerate(params) if param.name == name), None)
    if index is None:
        return None
    if is_bound(callee):
        if index == 0:
            return call.callee.base if isinstance(call.callee, t.Attr) else None
        index -= 1
    if index < len(call.arguments) and not has_star(call.arguments[: index + 1]):
        return call.arguments[index]
    return None


def is_bound(callee: FunctionNode) -> bool:
    """Return whether a function takes its receiver as first parameter."""
    if callee.owner is None or callee.kind != "function":
        return False
    return not any(
        isinstance(item, t.Name) and item.id == "staticmethod" for item in callee.facts.decorators
    )
