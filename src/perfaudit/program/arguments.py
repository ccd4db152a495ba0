"""Which keyword arguments a call is given, followed through ``**`` dicts, wrappers and settings."""

from collections.abc import Iterator

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.decorators import method_kind
from perfaudit.program.expressions import argument_at, outcomes
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.values import ClassType, Instance, LibrarySymbol, ModuleType, options_of

MAX_STEPS = 8
READING = frozenset({"copy", "get", "items", "keys", "values", "pop"})
"""Methods of a dict that add no key to it."""


class Value(Struct, frozen=True):
    """An expression and the function that it is written in."""

    function: FunctionNode
    expr: t.Expr


class Given(Struct, frozen=True):
    """The keywords that a call is given on some path, each with its values.

    ``is_complete`` is false where something that could not be followed may give more.
    """

    keywords: dict[str, tuple[Value, ...]]
    is_complete: bool


NOTHING = Given({}, True)
ANYTHING = Given({}, False)


def given_arguments(program: Program, function: FunctionNode, call: t.Call) -> Given:
    """Return the keywords that a call is given, by name or through ``**``, on whatever path."""
    found = [_keywords(program, function, call, MAX_STEPS)]
    if any(isinstance(item, t.Star) for item in call.arguments):
        found.append(ANYTHING)
    return _together(found)


def _keywords(program: Program, function: FunctionNode, call: t.Call, steps: int) -> Given:
    found = []
    for name, value in call.keywords:
        if name == "**":
            found.append(_keys(program, function, value, steps))
        else:
            found.append(_one(function, name, value))
    return _together(found)


def _one(function: FunctionNode, name: str, value: t.Expr) -> Given:
    return Given({name: (Value(function, value),)}, True)


def _together(parts: list[Given]) -> Given:
    keywords: dict[str, tuple[Value, ...]] = {}
    for part in parts:
        for name, values in part.keywords.items():
            keywords[name] = tuple(dict.fromkeys((*keywords.get(name, ()), *values)))
    return Given(keywords, all(part.is_complete for part in parts))


def _keys(program: Program, function: FunctionNode, value: t.Expr, steps: int) -> Given:
    """Return the keys of a dict, on whatever path it was filled."""
    if steps == 0:
        return ANYTHING
    match value:
        case t.Const(value=None):
            return NOTHING
        case t.Mapping(keys=keys, values=values):
            return _together(
                [
                    _keys(program, function, part, steps - 1)
                    if key is None
                    else _entry(function, key, part)
                    for key, part in zip(keys, values, strict=True)
                ]
            )
        case t.Either():
            chosen = outcomes(value)
            return _together([_keys(program, function, part, steps - 1) for part in chosen])
        case t.Binary(operator="BitOr", left=left, right=right):
            return _together([_keys(program, function, part, steps - 1) for part in (left, right)])
        case t.Await(value=inner):
            return _keys(program, function, inner, steps)
        case t.CallRef(index=index):
            return _called(program, function, index, steps)
        case t.Name(id=name):
            return program.once(_named, function, name, steps)
        case t.Attr(base=base, name=name):
            return _attribute(program, function, base, name, steps)
    return ANYTHING


def _entry(function: FunctionNode, key: t.Expr, value: t.Expr) -> Given:
    if isinstance(key, t.Const) and isinstance(key.value, str):
        return _one(function, key.value, value)
    return ANYTHING


def _called(program: Program, function: FunctionNode, index: int, steps: int) -> Given:
    """Return the keys of what a call gives: a dict, a copy, or what a project function returns."""
    call = function.facts.calls[index]
    if isinstance(call.callee, t.Attr) and call.callee.name == "copy":
        return _keys(program, function, call.callee.base, steps - 1)
    resolved = program.types.call(function, index)
    if resolved.callee == LibrarySymbol("builtins.dict"):
        first = [_keys(program, function, item, steps - 1) for item in call.arguments]
        return _together([*first, _keywords(program, function, call, steps - 1)])
    callees = [target.function for target in resolved.targets]
    if not callees:
        return ANYTHING
    return _together(
        [
            ANYTHING if callee is None else program.once(_returned, callee, steps - 1)
            for callee in callees
        ]
    )


def _returned(program: Program, callee: FunctionNode, steps: int) -> Given:
    results = [item.value for item in callee.facts.results if item.kind == "return"]
    if not results or callee.facts.is_generator:
        return ANYTHING
    return _together(
        [NOTHING if item is None else _keys(program, callee, item, steps) for item in results]
    )


def _named(program: Program, function: FunctionNode, name: str, steps: int) -> Given:
    found = meanings(function, name, AT_END)
    if not found or steps == 0:
        return ANYTHING
    parts: list[Given] = []
    for scope in dict.fromkeys(item.scope for item in found):
        parts.extend(_changes(program, scope, name, steps))
        parts.extend(_bound(program, scope, bind, steps) for bind in scope.binds.get(name, ()))
        if name in scope.params:
            parts.append(program.once(_param, scope, scope.params[name], steps))
    for item in found:
        if isinstance(item.definition, t.Import):
            parts.append(_imported(program, item.scope, item.definition, steps))
    return _together(parts) if parts else ANYTHING


def _bound(program: Program, function: FunctionNode, bind: t.Bind, steps: int) -> Given:
    if bind.value is None:
        return NOTHING if bind.kind == "annotated" else ANYTHING
    if bind.kind not in ("assign", "annotated", "walrus", "augmented"):
        return ANYTHING
    return _keys(program, function, bind.value, steps - 1)


def _changes(program: Program, scope: FunctionNode, name: str, steps: int) -> Iterator[Given]:
    """Yield what is added to the dict of this name after it was made."""
    for bind in scope.facts.binds:
        target = bind.target
        if isinstance(target, t.Item) and target.base == t.Name(name) and bind.value is not None:
            yield _entry(scope, target.key, bind.value)
    for call in scope.facts.calls:
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.base == t.Name(name):
            if callee.name == "update":
                yield _keywords(program, scope, call, steps - 1)
                for item in call.arguments:
                    yield _keys(program, scope, item, steps - 1)
            elif callee.name == "setdefault" and len(call.arguments) == 2:
                yield _entry(scope, call.arguments[0], call.arguments[1])
            elif callee.name not in READING:
                yield ANYTHING
        elif t.Name(name) in call.arguments and _may_fill(program, scope, call):
            yield ANYTHING


def _may_fill(program: Program, scope: FunctionNode, call: t.Call) -> bool:
    """Return whether a call that is passed a dict may add to it."""
    index = scope.facts.calls.index(call)
    targets = program.types.call(scope, index).targets
    return not targets or any(target.kind not in ("builtin", "library") for target in targets)


def _param(program: Program, scope: FunctionNode, param: t.Param, steps: int) -> Given:
    """Return the keys that the callers of a function give to one of its parameters."""
    edges = program.edges_to(scope)
    if not edges or steps == 0 or param.kind == "*args":
        return ANYTHING
    parts: list[Given] = []
    for edge in edges:
        if edge.call is None or edge.via != "call":
            return ANYTHING
        if param.kind == "**kwargs":
            passed = _keywords(program, edge.caller, edge.call, steps - 1)
            left = {key: item for key, item in passed.keywords.items() if key not in scope.params}
            parts.append(Given(left, passed.is_complete))
            continue
        value = passed_to(program, scope, param, edge.call)
        if value is not None:
            parts.append(_keys(program, edge.caller, value, steps - 1))
        elif param.default is not None and not any(key == "**" for key, _ in edge.call.keywords):
            parts.append(_keys(program, scope.parent or scope, param.default, steps - 1))
        else:
            parts.append(ANYTHING)
    return _together(parts)


def passed_to(program: Program, scope: FunctionNode, param: t.Param, call: t.Call) -> t.Expr | None:
    """Return the argument of a call that a function receives as this parameter."""
    positional = [item.name for item in scope.facts.params if item.kind == "positional"]
    if scope.owner is not None and method_kind(program.types, scope) != "static":
        positional = positional[1:]
    position = positional.index(param.name) if param.name in positional else None
    return argument_at(call, position, param.name)


def _imported(program: Program, scope: FunctionNode, item: t.Import, steps: int) -> Given:
    modules = program.types.modules
    if item.level:
        target = modules.find_relative(item.module, item.level, scope.file)
    else:
        target = modules.find(item.module, scope.file)
    if target is None or isinstance(target, str) or not item.name:
        return ANYTHING
    return _named(program, target.body, item.name, steps - 1)


def _attribute(
    program: Program, function: FunctionNode, base: t.Expr, name: str, steps: int
) -> Given:
    """Return the keys of the dict that a module, an object or a class holds by this name."""
    parts = []
    for option in options_of(program.types.evaluate(function, base, AT_END)):
        if isinstance(option, ModuleType):
            parts.append(_named(program, option.node.body, name, steps - 1))
        elif isinstance(option, Instance | ClassType):
            parts.append(_member(program, option, name, steps))
        else:
            parts.append(ANYTHING)
    return _together(parts)


def _member(program: Program, owner: Instance | ClassType, name: str, steps: int) -> Given:
    for node in program.types.classes.project_order(owner.node):
        method = node.methods.get(name)
        if method is not None:
            is_property = method_kind(program.types, method) == "property"
            return _returned(program, method, steps - 1) if is_property else ANYTHING
        parts = [_bound(program, node.body, bind, steps) for bind in node.body.binds.get(name, ())]
        parts += [_bound(program, where, bind, steps) for where, bind in node.stores.get(name, ())]
        if parts:
            return _together(parts)
    return ANYTHING
