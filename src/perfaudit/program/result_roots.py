"""The expressions of a function that stand by themselves, and where the value of each goes."""

from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import children
from perfaudit.program.nodes import TESTED_BEFORE, FunctionNode, remembered
from perfaudit.program.result_shapes import EAGER_OPTIONS

Point = tuple[int, int]

SUBJECT_ROLES = {
    "if": "test",
    "while": "test",
    "assert": "test",
    "with": "enter",
    "async with": "enter",
    "match": "value",
}
"""The role of what a block is about, by its kind; loops iterate theirs."""


class Role(NamedTuple):
    """What the surrounding code does with a value; ``call``: number of the call it is given to."""

    kind: str
    call: int = -1
    argument: str = ""


class Root(NamedTuple):
    """An expression that stands by itself, and its place."""

    value: t.Expr
    at: Point
    role: Role
    line: int
    column: int


TEST = Role("test")
VALUE = Role("value")


def arguments_of(call: t.Call) -> Iterator[tuple[str, t.Expr]]:
    """Yield the arguments of a call, each with its position or keyword."""
    for position, value in enumerate(call.arguments):
        yield str(position), value
    yield from call.keywords


@remembered
def roots_of(scope: FunctionNode) -> tuple[Root, ...]:
    """Return the expressions that stand by themselves, each with where its value goes."""
    return tuple(_roots_of(scope))


def _roots_of(scope: FunctionNode) -> Iterator[Root]:
    facts = scope.facts
    for bind in facts.binds:
        yield from _bind_roots(scope, bind)
    for index, call in enumerate(facts.calls):
        at = (call.sequence, call.context)
        if isinstance(call.callee, t.Attr):
            role = Role("method", index, call.callee.name)
            yield Root(call.callee.base, at, role, call.line, call.column)
        elif not isinstance(call.callee, t.Name):
            yield Root(call.callee, at, VALUE, call.line, call.column)
        for spec, value in arguments_of(call):
            role = Role("splat", index) if spec == "**" else Role("argument", index, spec)
            yield Root(value, at, role, call.line, call.column)
    for item in facts.results:
        if item.value is not None:
            inner = scope.kind == "lambda"
            role = VALUE if inner else Role(item.kind)
            yield Root(item.value, (item.sequence, item.context), role, item.line, 1)
    for number, context in enumerate(facts.contexts):
        if context.subject is None or context.kind in ("except", *TESTED_BEFORE):
            continue
        inside = number if context.kind == "while" else context.parent
        kind = SUBJECT_ROLES.get(context.kind, "iterate")
        yield Root(context.subject, (context.sequence, inside), Role(kind), context.line, 1)


def _bind_roots(scope: FunctionNode, bind: t.Bind) -> Iterator[Root]:
    context = bind.context
    if bind.kind == "for":
        context = scope.facts.contexts[context].parent
    at = (bind.sequence, context)
    target = bind.target
    if isinstance(target, t.Attr | t.Item):
        yield Root(
            target.base, (bind.sequence, bind.context), Role("assigned"), bind.line, bind.column
        )
    if isinstance(target, t.Item):
        yield Root(target.key, (bind.sequence, bind.context), VALUE, bind.line, bind.column)
    if bind.value is None:
        return
    if isinstance(target, t.Item) and isinstance(target.base, t.Name):
        role = Role("put", argument=target.base.id)
    elif not isinstance(target, t.Name) or target.id in scope.facts.outer_names:
        role = Role("kept")
    elif bind.kind in ("augmented", "match"):
        role = VALUE
    else:
        role = Role("alias", argument=target.id)
    yield Root(bind.value, at, role, bind.line, bind.column)


def parts_of(
    scope: FunctionNode, value: t.Expr, at: Point, role: Role
) -> Iterator[tuple[t.Expr, Role, Point]]:
    """Yield the direct parts of an expression that holds nothing of the result as a whole."""
    match value:
        case t.CallRef() | t.Lambda() | t.Name() | t.Const():
            return
        case t.Attr(base=base, name=name):
            yield base, Role("attribute", argument=name), at
        case t.Item(base=base, key=key):
            yield base, Role("item"), at
            yield key, VALUE, at
        case t.Await(value=inner):
            yield inner, role, at
        case t.Star(value=inner):
            yield inner, Role("star"), at
        case t.Not(value=inner):
            yield inner, TEST, at
        case t.Inverted(value=inner):
            yield inner, VALUE, at
        case t.Element(iterable=inner):
            yield inner, Role("iterate"), at
        case t.Entered(value=inner):
            yield inner, Role("enter"), at
        case t.Text():
            for part in children(scope, value):
                yield part, Role("format"), at
        case t.Seq():
            for part in value.items:
                yield part, Role("store"), at
        case t.Mapping(keys=keys, values=values):
            for key_part, part in zip(keys, values, strict=True):
                if key_part is not None:
                    yield key_part, VALUE, at
                yield part, Role("splat" if key_part is None else "entry"), at
        case t.Either(kind=kind, options=options, test=test):
            if test is not None:
                yield test, TEST, at
            for number, option in enumerate(options):
                tested = kind == "and" and number < len(options) - 1
                yield option, TEST if tested else role, at
        case t.Compare(operator=operator, left=left, right=right):
            yield from _compared(operator, left, right, at)
        case t.Comp(element=part, key=key_part, context=context):
            inside = (at[0], context)
            if key_part is not None:
                yield key_part, VALUE, inside
            yield part, Role("store"), inside
        case _:
            for part in children(scope, value):
                yield part, Role("compute"), at


def _compared(
    operator: str, left: t.Expr, right: t.Expr, at: Point
) -> Iterator[tuple[t.Expr, Role, Point]]:
    none = t.Const(None, "NoneType")
    role = TEST if none in (left, right) else Role("compare")
    yield left, role, at
    if operator in ("In", "NotIn") and isinstance(left, t.Const) and isinstance(left.value, str):
        role = Role("has key", argument=left.value)
    yield right, role, at


def last_name(value: t.Expr) -> str | None:
    """Return the last part of a dotted name, or None."""
    if isinstance(value, t.Attr):
        return value.name
    return value.id if isinstance(value, t.Name) else None


def is_eager_option(scope: FunctionNode, given: t.Expr) -> bool:
    """Return whether a loader option only names relations."""
    while isinstance(given, t.CallRef):
        callee = scope.facts.calls[given.index].callee
        name = last_name(callee)
        if name not in EAGER_OPTIONS:
            return False
        given = callee.base if isinstance(callee, t.Attr) else callee
    return True
