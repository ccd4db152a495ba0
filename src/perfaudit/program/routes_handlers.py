"""What a route runs: functions, and the methods of view classes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework, Route, ViewClass
from perfaudit.program.class_values import class_value, texts_of
from perfaudit.program.decorators import decorators_of
from perfaudit.program.expressions import argument
from perfaudit.program.infer import Types
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_mounts import wrapped_parameter
from perfaudit.program.routes_origins import Frame, Source, sources
from perfaudit.program.routes_sites import Sites, route_of
from perfaudit.program.routes_texts import text
from perfaudit.program.values import (
    ClassType,
    External,
    FunctionType,
    Instance,
    LibraryMethod,
    LibrarySymbol,
    Partial,
    Type,
    options_of,
)

HOOK = "HOOK"
BEFORE = "BEFORE"
PSEUDO_METHODS = {
    "TASK": "task",
    "COMMAND": "command",
    "WEBSOCKET": "websocket",
    "MIDDLEWARE": "middleware",
    "CONSUMER": "consumer",
}
MAX_DEPTH = 8
MAX_VISITS = 300


class Target(NamedTuple):
    """What a handler argument stands for.

    ``wrappers``: the dotted paths of what is wrapped around it. ``actions``: the methods of a view
    class by HTTP method, where they are given.
    """

    node: FunctionNode | ClassNode
    wrappers: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()


class Handled(NamedTuple):
    """One method of a view class that answers requests. ``suffix`` is what it adds to the path.

    ``hooks`` are other methods of the class that the framework runs on the way. ``action``: the
    name of the method that a route chose, which the library may have; empty where the method of
    the request chooses.
    """

    handler: FunctionNode
    method: str
    suffix: str
    hooks: tuple[FunctionNode, ...]
    framework: Framework
    action: str = ""


class Action(NamedTuple):
    """What a decorator makes of a method of a view class: a route below the path of the class."""

    route: Route
    call: t.Call | None
    methods: tuple[str, ...]
    path: str


def note_handed(sites: Sites) -> None:
    """Note what the classes are that routers are handed, where their bases do not say so."""
    for (function, index), route in sites.routes.items():
        call = function.facts.calls[index]
        view = route.view_class and sites.types.libraries.view_class(route.view_class)
        given = argument(call, route.handler_argument) if view else None
        if not view or given is None:
            continue
        for target in find_targets(sites, function, given, (call.sequence, call.context)):
            if isinstance(target.node, ClassNode):
                sites.handed.setdefault(target.node, view)


def find_targets(
    sites: Sites,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int] = AT_END,
    frame: Frame | None = None,
    depth: int = 0,
) -> list[Target]:
    """Return the functions and view classes that a handler argument stands for."""
    sites.visits[0] = sites.visits[0] + 1 if depth else 0
    if depth > MAX_DEPTH or sites.visits[0] > MAX_VISITS:
        return []
    found: list[Target] = []
    for source in sources(replace(sites.origins, through_calls=False), function, value, at, frame):
        match source.value:
            case FunctionNode() as node:
                found.extend(unwrapped(sites, node, source.frame, depth))
            case ClassNode() as node:
                found.append(Target(node))
            case t.CallRef(index=index):
                found.extend(_made(sites, source.function, index, source.frame, depth))
            case t.Seq(items=items):
                for item in items:
                    found.extend(
                        find_targets(sites, source.function, item, AT_END, source.frame, depth + 1)
                    )
    if not found:
        options = options_of(sites.types.evaluate(function, value, at))
        # Of one turn of a loop, a type that stands for all of them says nothing.
        for option in options if len(options) == 1 or not sites.origins.chosen else ():
            behind = _node_of(option)
            if behind is not None:
                found.append(Target(behind))
    return list(dict.fromkeys(found))


def unwrapped(
    sites: Sites, node: FunctionNode, frame: Frame | None, depth: int = 0
) -> list[Target]:
    """Return what a closure of a decorator wraps, or the function itself."""
    param = wrapped_parameter(node)
    if param is None or node.parent is None:
        return [Target(node)]
    inside = find_targets(sites, node.parent, t.Name(param.name), AT_END, frame, depth + 1)
    wrapped = [
        Target(target.node, (node.qualname, *target.wrappers), target.actions)
        for target in inside
        if isinstance(target.node, FunctionNode)
    ]
    return wrapped or [Target(node)]


def _node_of(found: Type) -> FunctionNode | ClassNode | None:
    match found:
        case FunctionType(node=node) | ClassType(node=node):
            return node
        case Partial(target=target):
            return _node_of(target)
        case Instance(node=node):
            return node
    return None


def _made(
    sites: Sites, function: FunctionNode, index: int, frame: Frame | None, depth: int
) -> list[Target]:
    """Return the handlers behind a call: of a view class, wrapped, or made by a factory."""
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    if isinstance(call.callee, t.Attr):
        for base in find_targets(sites, function, call.callee.base, at, frame, depth + 1):
            if isinstance(base.node, ClassNode) and view_rows(sites, base.node)[1] is not None:
                return [Target(base.node, (), _actions(sites, base.node, call))]
    resolved = sites.types.call(function, index)
    for callee in options_of(resolved.callee):
        if isinstance(callee, ClassType):
            return [Target(callee.node)]
    wrapper = _paths(resolved.callee)
    if isinstance(call.callee, t.CallRef):
        wrapper = _paths(sites.types.call(function, call.callee.index).callee)
    found: list[Target] = []
    for value in call.given:
        if isinstance(value, t.Const | t.Text):
            continue
        for target in find_targets(sites, function, value, at, frame, depth + 1):
            if (
                isinstance(target.node, FunctionNode)
                or view_rows(sites, target.node)[1] is not None
            ):
                found.append(Target(target.node, (*wrapper, *target.wrappers), target.actions))
        if found:
            return found
    for source in sources(sites.origins, function, t.CallRef(index), at, frame):
        if isinstance(source.value, FunctionNode | ClassNode):
            found.append(Target(source.value))
        elif source.value != t.CallRef(index) or source.function is not function:
            found.extend(
                find_targets(sites, source.function, source.value, AT_END, source.frame, depth + 1)
            )
    return found


def _actions(sites: Sites, node: ClassNode, call: t.Call) -> tuple[tuple[str, str], ...]:
    """Return the pairs of HTTP method and method name that a view is made with.

    A factory of the class's own is given the names of its actions instead.
    """
    for value in call.given:
        if isinstance(value, t.Mapping):
            return tuple(
                (str(key.value).upper(), str(item.value))
                for key, item in zip(value.keys, value.values, strict=True)
                if isinstance(key, t.Const) and isinstance(item, t.Const)
            )
    named = [value.value for value in call.given if isinstance(value, t.Const)]
    return tuple(
        (verb, method.name)
        for method, action in _extra_actions(sites, node)
        if method.name in named
        for verb in action.methods
    )


def _paths(callee: Type) -> tuple[str, ...]:
    found = []
    for option in options_of(callee):
        match option:
            case LibrarySymbol(path=path):
                found.append(path)
            case LibraryMethod(behaviour=behaviour):
                found.append(behaviour.path)
            case External(origin=origin):
                found.append(origin)
            case FunctionType(node=node) | ClassType(node=node):
                found.append(node.qualname)
    return tuple(found)


def decorator_paths(types: Types, node: FunctionNode) -> tuple[str, ...]:
    """Return the dotted paths of all decorators of a function and of its class, outermost first."""
    found: list[str] = []
    owner = node.owner
    if owner is not None:
        for decorator in owner.facts.decorators:
            found.extend(_decorator(types, owner.parent, decorator))
    for callee, call in decorators_of(types, node):
        found.extend(_paths(callee))
        if call is not None and node.parent is not None:
            found.extend(_handed_on(types, node.parent, call))
    return tuple(found)


def _decorator(types: Types, function: FunctionNode, decorator: t.Expr) -> list[str]:
    if not isinstance(decorator, t.CallRef):
        return list(_paths(types.evaluate(function, decorator, AT_END)))
    call = function.facts.calls[decorator.index]
    return [
        *_paths(types.call(function, decorator.index).callee),
        *_handed_on(types, function, call),
    ]


def _handed_on(types: Types, function: FunctionNode, call: t.Call) -> list[str]:
    """Return the paths of decorators that are arguments of a decorator."""
    found: list[str] = []
    for value in call.arguments:
        if isinstance(value, t.CallRef):
            found.extend(_paths(types.call(function, value.index).callee))
        elif isinstance(value, t.Name | t.Attr):
            option = types.evaluate(function, value, AT_END)
            if isinstance(option, LibrarySymbol):
                found.append(option.path)
    return found


def view_rows(
    sites: Sites, node: ClassNode
) -> tuple[dict[str, str], ViewClass | None, Framework | None]:
    """Return what library files say of the methods of a class, and its nearest view class."""
    views = [
        view
        for path in sites.types.classes.library_bases(node)
        if (view := sites.types.libraries.view_class(path)) is not None
    ]
    if not views and node in sites.handed:
        views = [sites.handed[node]]
    if not views:
        return {}, None, None
    views.sort(key=lambda view: not view.is_viewset)
    rows: dict[str, str] = {}
    for view in views[:1] if views[0].is_viewset else views:
        for name, row in view.methods.items():
            rows.setdefault(name, row)
    return rows, views[0], sites.frameworks[views[0].path]


def view_methods(
    sites: Sites, node: ClassNode, actions: tuple[tuple[str, str], ...] = ()
) -> list[Handled]:
    """Return the methods of a view class that answer, one per HTTP method or action."""
    rows, view, framework = view_rows(sites, node)
    if view is None or framework is None:
        return []
    types = sites.types
    hooks = [
        (row.split(), hook)
        for name, row in rows.items()
        if row.startswith((HOOK, BEFORE)) and (hook := _own(types, node, name)) is not None
    ]
    found: dict[str, Handled] = {}
    written: set[str] = set()
    entries = [
        (name, *_entry(row)) for name, row in rows.items() if not row.startswith((HOOK, BEFORE))
    ]
    if actions:
        # The path of such a route is written out: nothing is added to it.
        entries = [(name, method, "") for method, name in actions]
    allowed = _allowed(types, node, view)
    if allowed:
        entries = [entry for entry in entries if entry[1] in allowed]
    for name, method, suffix in entries:
        own = _own(types, node, name)
        if own is None and not actions and not _is_provided(types, node, name, method):
            continue
        key = f"{name} {method}" if view.is_viewset or actions else method
        if key in written or (key in found and own is None):
            continue
        if own is not None:
            written.add(key)
        run = {name} if view.is_viewset else _run_for(types, node, entries, method)
        behind = [
            (words[0], hook)
            for words, hook in hooks
            if not words[1:] or not {method, *run}.isdisjoint(words[1:])
        ]
        handler = own or next((hook for word, hook in behind if word == HOOK), node.body)
        rest = tuple(hook for _, hook in behind if hook is not handler)
        action = name if view.is_viewset or actions else ""
        found[key] = Handled(handler, method, suffix, rest, framework, action)
    if view.is_viewset and not actions:
        shared = tuple(hook for words, hook in hooks if not words[1:])
        extra = [
            Handled(method, verb, action.path, shared, framework, method.name)
            for method, action in _extra_actions(sites, node)
            for verb in action.methods
            if not allowed or verb in allowed
        ]
        return [*found.values(), *extra]
    return list(found.values())


def _allowed(types: Types, node: ClassNode, view: ViewClass) -> set[str]:
    """Return the HTTP methods that a class limits itself to; none where it does not, or may not."""
    given = class_value(types, node, view.limited) if view.limited else None
    if given is None:
        return set()
    if isinstance(given.value, t.Seq) and not all(
        isinstance(item, t.Const) for item in given.value.items
    ):
        return set()
    return {text.upper() for text in texts_of(types, given.function, given.value, given.at)}


def _run_for(
    types: Types, node: ClassNode, entries: list[tuple[str, str, str]], method: str
) -> set[str]:
    """Return the methods of a view class, its own and a library's, that can answer a method."""
    return {
        name
        for name, answered, _ in entries
        if answered == method
        and (_own(types, node, name) is not None or _is_provided(types, node, name, method))
    }


def _entry(row: str) -> tuple[str, str]:
    method, _, suffix = row.partition(" ")
    return method, suffix


def _own(types: Types, node: ClassNode, name: str) -> FunctionNode | None:
    method = types.classes.method(node, name)
    return method if method is not None and method.role is not Role.TEST else None


def _is_provided(types: Types, node: ClassNode, name: str, method: str) -> bool:
    """Return whether the library has the method; its answers to HEAD and OPTIONS cost nothing."""
    if method in ("HEAD", "OPTIONS"):
        return False
    for path in types.classes.library_bases(node):
        behaviour = types.libraries.method(path, name)
        if behaviour is not None and behaviour.path.endswith("." + name):
            return True
    return False


def _extra_actions(sites: Sites, node: ClassNode) -> Iterator[tuple[FunctionNode, Action]]:
    """Yield the methods that a decorator makes actions of a view set."""
    seen: set[str] = set()
    for owner in sites.types.classes.project_order(node):
        for name, method in owner.methods.items():
            if name in seen:
                continue
            seen.add(name)
            for decorator in method.facts.decorators:
                action = action_by(sites, owner, method, decorator)
                if action is not None:
                    yield method, action


def action_by(
    sites: Sites, owner: ClassNode, method: FunctionNode, decorator: t.Expr
) -> Action | None:
    """Return what a decorator makes of a method of a class, if that is a route of its own."""
    route = route_of(sites, owner.body, decorator)
    if route is None:
        return _also_by(sites, owner, decorator)
    if route.kind != "route":
        return None
    call = owner.body.facts.calls[decorator.index] if isinstance(decorator, t.CallRef) else None
    name = given_path(sites, owner.body, call, route.path_argument) or method.name
    methods = route_methods(sites, owner.body, call, route.methods, route.methods_argument)
    return Action(route, call, methods, f"{_key(method, call, route)}{name}/")


def _also_by(sites: Sites, owner: ClassNode, decorator: t.Expr) -> Action | None:
    """Return the action that another method is too, by what decorates this one."""
    match decorator:
        case t.Attr(base=t.Attr(base=t.Name(id=name), name=also), name=verb):
            first = owner.methods.get(name)
            if first is None:
                return None
            for made in first.facts.decorators:
                route = route_of(sites, owner.body, made)
                found = None if route is None else action_by(sites, owner, first, made)
                if found is not None and found.route.also == also:
                    return found._replace(methods=(verb.upper(),))
    return None


def _key(method: FunctionNode, call: t.Call | None, route: Route) -> str:
    """Return how the path of an action begins: with the key of an object, or not."""
    given = argument(call, route.detail_argument) if call is not None else None
    detail = given.value if isinstance(given, t.Const) else None
    keys = [param.name for param in method.facts.params[2:] if param.kind == "positional"]
    named = [key for key in keys[:1] if key not in ("args", "format")]
    if detail is True and not named:
        named = ["pk"]
    return "" if detail is False else "".join(f"{{{key}}}/" for key in named)


def given_path(sites: Sites, function: FunctionNode, call: t.Call | None, spec: str | None) -> str:
    """Return the path argument of a decorator's call as text; empty where it is not given."""
    given = argument(call, spec) if call is not None else None
    return "" if given is None else text(sites.origins, function, given)


def route_methods(
    sites: Sites,
    function: FunctionNode,
    call: t.Call | None,
    default: tuple[str, ...],
    spec: str | None,
    frame: Frame | None = None,
) -> tuple[str, ...]:
    """Return the HTTP methods that a route answers."""
    given = argument(call, spec) if call is not None else None
    if given is None:
        return default or ("",)
    found: list[str] = []
    made = sources(sites.origins, function, given, AT_END, frame)
    for scope, option, inside in made or [Source(function, given, frame)]:
        if isinstance(option, FunctionNode | ClassNode):
            continue
        parts = option.items if isinstance(option, t.Seq) else (option,)
        found.extend(text(sites.origins, scope, part, AT_END, inside).upper() for part in parts)
    return (
        tuple(dict.fromkeys(method for method in found if method and "{" not in method))
        or default
        or ("",)
    )
