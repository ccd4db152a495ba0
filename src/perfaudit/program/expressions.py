"""Questions about expressions: the names in them, their parts, their constant values."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode


def parts(function: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the expression and everything in it, following calls into callee and arguments."""
    stack: list[t.Expr] = [value]
    while stack:
        item = stack.pop()
        yield item
        if not isinstance(item, t.Name | t.Const):
            stack.extend(children(function, item))


def children(function: FunctionNode, value: t.Expr) -> Iterator[t.Expr]:
    """Yield the direct parts of an expression."""
    match value:
        case t.Attr(base=base):
            yield base
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            yield call.callee
            yield from call.arguments
            for _, argument in call.keywords:
                yield argument
        case t.Item(base=base, key=key):
            yield base
            yield key
        case t.Slice():
            yield from (part for part in (value.lower, value.upper, value.step) if part is not None)
        case t.Text(parts=texts):
            yield from (part for part in texts if not isinstance(part, str))
        case t.Seq(items=items):
            yield from items
        case t.Mapping(keys=keys, values=values):
            yield from (key for key in keys if key is not None)
            yield from values
        case (
            t.Await(value=inner) | t.Not(value=inner) | t.Star(value=inner) | t.Entered(value=inner)
        ):
            yield inner
        case t.Either(options=options, test=test):
            yield from options
            if test is not None:
                yield test
        case t.Binary(left=left, right=right) | t.Compare(left=left, right=right):
            yield left
            yield right
        case t.Comp(element=element, key=key_part):
            yield element
            if key_part is not None:
                yield key_part
        case t.Element(iterable=iterable):
            yield iterable


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
    match value:
        case t.Name(id=name) | t.Attr(name=name):
            return name
    return ""


def argument(call: t.Call, spec: str | None) -> t.Expr | None:
    """Return the argument a library file names: ``0``, ``keyword`` or ``0|keyword``.

    None where the call does not give it.
    """
    if spec is None:
        return None
    keywords = dict(call.keywords)
    for choice in spec.split("|"):
        if choice.isdigit():
            index = int(choice)
            if index < len(call.arguments) and not any(
                isinstance(given, t.Star) for given in call.arguments[: index + 1]
            ):
                return call.arguments[index]
        elif choice in keywords:
            return keywords[choice]
    return None


def has_splat(call: t.Call) -> bool:
    """Return whether ``*`` or ``**`` hides which arguments are given."""
    return any(isinstance(given, t.Star) for given in call.arguments) or any(
        name == "**" for name, _ in call.keywords
    )


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
    if index < len(call.arguments) and not any(
        isinstance(given, t.Star) for given in call.arguments[: index + 1]
    ):
        return call.arguments[index]
    return None


def is_bound(callee: FunctionNode) -> bool:
    """Return whether a function takes its receiver as first parameter."""
    if callee.owner is None or callee.kind != "function":
        return False
    return not any(
        isinstance(item, t.Name) and item.id == "staticmethod" for item in callee.facts.decorators
    )
