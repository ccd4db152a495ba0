"""Where a value comes from: names, imports, attributes, returns and parameters, followed back."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.infer import Types
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.values import (
    ClassType,
    FunctionType,
    Instance,
    LibraryInstance,
    ModuleType,
    Type,
    Unknown,
    options_of,
)

MAX_STEPS = 14
MAX_CALLERS = 2000
MAX_NESTED_CALLERS = 40
MAX_SOURCES = 2000
MAX_VISITS = 20_000
"""Values looked at for one question: code that goes in rings would be searched without end."""

Site = tuple[FunctionNode, int]
"""One call: the function it stands in, and its number there."""


class Frame(NamedTuple):
    """One call of a project function, or one use as a decorator: what parameters stand for.

    ``given`` is what it decorates. ``outer`` is the frame of the caller, or of the function
    around a closure.
    """

    function: FunctionNode
    caller: FunctionNode
    call: t.Call | None
    shift: int
    given: FunctionNode | ClassNode | None
    outer: "Frame | None"


class Source(NamedTuple):
    """Where a value is made: an expression of a function, a function or a class."""

    function: FunctionNode
    value: t.Expr | FunctionNode | ClassNode
    frame: Frame | None


@dataclass(frozen=True)
class Origins:
    """The types of a program, and who calls each of its functions.

    ``through_calls``: a call of a project function is followed to what it returns. ``asked`` holds
    the values that are being followed now, ``visits`` how many were looked at for this question.
    ``chosen``: the items that stand alone for what some loops go through.
    """

    types: Types
    frames: dict[FunctionNode, list[Frame]] = field(default_factory=dict)
    through_calls: bool = True
    asked: set[tuple[object, ...]] = field(default_factory=set)
    visits: list[int] = field(default_factory=lambda: [0])
    chosen: dict[tuple[FunctionNode, t.Expr], Source] = field(default_factory=dict)


def sources(
    origins: Origins,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int] = AT_END,
    frame: Frame | None = None,
    steps: int = 0,
) -> list[Source]:
    """Return the places that make the value; empty where they are not known."""
    asked = origins.asked
    if not asked:
        origins.visits[0] = 0
    origins.visits[0] += 1
    question = (function, id(value), at, frame and id(frame))
    if steps > MAX_STEPS or origins.visits[0] > MAX_VISITS or question in asked:
        return []
    asked.add(question)
    try:
        return _sources(origins, function, value, at, frame, steps)
    finally:
        asked.discard(question)


def _sources(
    origins: Origins,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Source]:
    match value:
        case t.Name(id=name):
            return _named(origins, function, name, at, frame, steps)
        case t.Attr(base=base, name=name):
            return _attribute(origins, function, base, name, at, frame, steps)
        case t.CallRef(index=index):
            return _called(origins, function, index, frame, steps)
        case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
            return sources(origins, function, inner, at, frame, steps + 1)
        case t.Either(options=options):
            return _all(
                sources(origins, function, option, at, frame, steps + 1) for option in options
            )
        case t.Element() if (function, value) in origins.chosen:
            return [origins.chosen[function, value]]
        case t.Element(iterable=iterable):
            return _parts(origins, function, iterable, None, at, frame, steps)
        case t.Item(base=base, key=t.Const(value=str() | int() as key)):
            found = _parts(origins, function, base, key, at, frame, steps)
            return found or [Source(function, value, frame)]
        case t.Lambda(function=index):
            return [Source(function, function.file.functions[index], frame)]
    return [Source(function, value, frame)]


def _all(found: Iterable[list[Source]]) -> list[Source]:
    merged: list[Source] = []
    for part in found:
        merged.extend(part)
        if len(merged) > MAX_SOURCES:
            break
    return merged


def _named(
    origins: Origins,
    function: FunctionNode,
    name: str,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Source]:
    found = meanings(function, name, at)
    if not found:
        return _starred(origins, function.file, name, steps)
    result: list[Source] = []
    for scope, definition in found:
        match definition:
            case FunctionNode() | ClassNode():
                result.append(Source(scope, definition, frame))
            case t.Import():
                result.extend(_imported(origins, scope.file, definition, steps))
            case t.Param():
                result.extend(_parameter(origins, scope, definition, frame, steps))
            case t.Bind() if definition.value is not None:
                point = (definition.sequence, definition.context)
                result.extend(sources(origins, scope, definition.value, point, frame, steps + 1))
    return result


def _starred(origins: Origins, file: FileNode, name: str, steps: int) -> list[Source]:
    for item in file.body.imports.get("*", ()):
        target = _target(origins, file, item)
        if isinstance(target, FileNode):
            found = in_module(origins, target, name, steps + 1)
            if found:
                return found
    return []


def _target(origins: Origins, file: FileNode, item: t.Import) -> FileNode | str | None:
    if item.level:
        return origins.types.modules.find_relative(item.module, item.level, file)
    return origins.types.modules.find(item.module, file)


def _imported(origins: Origins, file: FileNode, item: t.Import, steps: int) -> list[Source]:
    if not item.name:
        return []
    target = _target(origins, file, item)
    return in_module(origins, target, item.name, steps + 1) if isinstance(target, FileNode) else []


def in_module(origins: Origins, file: FileNode, name: str, steps: int = 0) -> list[Source]:
    """Return the places that make what a module calls ``name``."""
    return [] if steps > MAX_STEPS else _named(origins, file.body, name, AT_END, None, steps)


def _parameter(
    origins: Origins, scope: FunctionNode, param: t.Param, frame: Frame | None, steps: int
) -> list[Source]:
    step = frame
    while step is not None:
        if step.function is scope:
            return _given(origins, step, param, steps)
        step = step.outer
    bound = MAX_CALLERS if steps <= 2 else MAX_NESTED_CALLERS
    found = _all(
        _given(origins, each, param, steps + 2) for each in origins.frames.get(scope, ())[:bound]
    )
    return found or _default(origins, scope, param, steps)


def _given(origins: Origins, frame: Frame, param: t.Param, steps: int) -> list[Source]:
    """Return the sources of the argument that a frame gives for a parameter."""
    if frame.given is not None:
        is_first = _position(frame, param) == 0
        return [Source(frame.caller, frame.given, frame.outer)] if is_first else []
    if frame.call is None:
        return []
    at = (frame.call.sequence, frame.call.context)
    if param.kind == "*args":
        return [Source(frame.caller, given_for(frame, param)[0], frame.outer)]
    values = given_for(frame, param)
    if not values:
        return _default(origins, frame.function, param, steps)
    return _all(
        sources(origins, frame.caller, value, at, frame.outer, steps + 1) for value in values
    )


def given_for(frame: Frame, param: t.Param) -> list[t.Expr]:
    """Return the arguments that the call of a frame gives for a parameter."""
    if frame.call is None:
        return []
    if param.kind == "*args":
        params = frame.function.facts.params
        positional = sum(item.kind == "positional" for item in params) - frame.shift
        return [t.Seq("tuple", frame.call.arguments[positional:])]
    values = [value for name, value in frame.call.keywords if name == param.name]
    position = _position(frame, param)
    if 0 <= position < len(frame.call.arguments):
        values.append(frame.call.arguments[position])
    return values


def _position(frame: Frame, param: t.Param) -> int:
    """Return which positional argument a parameter gets, or -1."""
    return next(
        (
            index - frame.shift
            for index, item in enumerate(frame.function.facts.params)
            if item is param and item.kind == "positional"
        ),
        -1,
    )


def _default(origins: Origins, scope: FunctionNode, param: t.Param, steps: int) -> list[Source]:
    if param.default is None or scope.parent is None:
        return []
    return sources(origins, scope.parent, param.default, AT_END, None, steps + 1)


def _attribute(
    origins: Origins,
    function: FunctionNode,
    base: t.Expr,
    name: str,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Source]:
    found: list[Source] = []
    for owner in options_of(origins.types.evaluate(function, base, at)):
        match owner:
            case ModuleType(node=file):
                found.extend(in_module(origins, file, name, steps + 1))
            case Instance(node=node) | ClassType(node=node):
                for made in _made(origins, node, function, base, at, frame, steps):
                    found.extend(_member(origins, node, name, steps, made))
                if not found and _is_part(origins, owner, name):
                    found.extend(sources(origins, function, base, at, frame, steps + 1))
            case LibraryInstance():
                # What a library object hands out, such as an application its router, is that
                # object here.
                found.extend(sources(origins, function, base, at, frame, steps + 1))
            case Unknown():
                found.extend(_of_untyped(origins, function, base, name, at, frame, steps))
    return found


def _made(
    origins: Origins,
    node: ClassNode,
    function: FunctionNode,
    base: t.Expr,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Frame | None]:
    """Return the calls that make an object of the class in one turn of a loop; else one None."""
    start = origins.types.classes.method(node, "__init__") if origins.chosen else None
    if start is None:
        return [None]
    items = {(item.function, item.value) for item in origins.chosen.values()}
    made: list[Frame | None] = []
    is_known = False
    for scope, value, outer in sources(origins, function, base, at, frame, steps + 1):
        if isinstance(value, t.CallRef) and (scope, value) in items:
            is_known = True
            callee = origins.types.call(scope, value.index).callee
            if isinstance(callee, ClassType) and callee.node is node:
                call = scope.facts.calls[value.index]
                made.append(Frame(start, scope, call, 1, None, outer))
    return made if is_known else [None]


def _of_untyped(
    origins: Origins,
    function: FunctionNode,
    base: t.Expr,
    name: str,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Source]:
    """Return the sources of an attribute of what has no type, from the calls that make it."""
    found: list[Source] = []
    for source in sources(origins, function, base, at, frame, steps + 1):
        if isinstance(source.value, t.CallRef):
            made = origins.types.call(source.function, source.value.index).result
            member = _member(origins, made.node, name, steps) if isinstance(made, Instance) else []
            found.extend(member or [source])
    return found


def _is_part(origins: Origins, owner: Type, name: str) -> bool:
    if not isinstance(owner, Instance):
        return False
    libraries = origins.types.libraries
    return any(
        libraries.attribute(path, name) for path in origins.types.classes.library_bases(owner.node)
    )


def _member(
    origins: Origins, node: ClassNode, name: str, steps: int, made: Frame | None = None
) -> list[Source]:
    """Return the sources of an attribute; ``made`` is the call that makes the object."""
    for owner in origins.types.classes.project_order(node):
        method = owner.methods.get(name)
        if method is not None:
            return _property(origins, method, steps) or [Source(owner.body, method, None)]
        nested = owner.body.inner_classes.get(name)
        if nested:
            return [Source(owner.body, nested[-1], None)]
        places = [(owner.body, bind) for bind in owner.body.binds.get(name, ())]
        places.extend(owner.stores.get(name, ()))
        found = _all(
            sources(origins, scope, bind.value, (bind.sequence, bind.context), made, steps + 1)
            for scope, bind in places
            if bind.value is not None
        )
        if found:
            return found
    return []


def _property(origins: Origins, method: FunctionNode, steps: int) -> list[Source]:
    if not method.facts.decorators or not isinstance(method.facts.decorators[0], t.Name | t.Attr):
        return []
    if "builtins.property" not in origins.types.decorator_paths(method):
        return []
    return _returns(origins, method, None, steps)


def _called(
    origins: Origins, function: FunctionNode, index: int, frame: Frame | None, steps: int
) -> list[Source]:
    call = function.facts.calls[index]
    found: list[Source] = []
    if not origins.through_calls:
        return [Source(function, t.CallRef(index), frame)]
    for callee in options_of(origins.types.call(function, index).callee):
        if isinstance(callee, FunctionType):
            shift = 1 if callee.receiver is not None else 0
            inside = Frame(callee.node, function, call, shift, None, frame)
            found.extend(_returns(origins, callee.node, inside, steps))
    return found or [Source(function, t.CallRef(index), frame)]


def _returns(
    origins: Origins, function: FunctionNode, frame: Frame | None, steps: int
) -> list[Source]:
    return _all(
        sources(origins, function, item.value, (item.sequence, item.context), frame, steps + 1)
        for item in function.facts.results
        if item.value is not None
    )


def _parts(
    origins: Origins,
    function: FunctionNode,
    whole: t.Expr,
    key: str | int | None,
    at: tuple[int, int],
    frame: Frame | None,
    steps: int,
) -> list[Source]:
    """Return the sources of the item with this key of a display, or of all its items."""
    found: list[Source] = []
    for source in sources(origins, function, whole, at, frame, steps + 1):
        match source.value:
            case t.Seq(items=items):
                chosen = items
                if isinstance(key, int):
                    is_counted = not any(isinstance(item, t.Star) for item in items[: key + 1])
                    chosen = items[key : key + 1] if key >= 0 and is_counted else ()
            case t.Binary(operator="Add", left=left, right=right) if key is None:
                chosen = (t.Star(left), t.Star(right))
            case t.Mapping(keys=keys, values=values):
                chosen = tuple(
                    value
                    for name, value in zip(keys, values, strict=True)
                    if key is None or (isinstance(name, t.Const) and name.value == key)
                )
            case _:
                continue
        scope, inside = source.function, source.frame
        for item in chosen:
            if isinstance(item, t.Star) and steps <= MAX_STEPS:
                found.extend(_parts(origins, scope, item.value, None, AT_END, inside, steps + 1))
            else:
                found.extend(sources(origins, scope, item, AT_END, inside, steps + 1))
    return found
