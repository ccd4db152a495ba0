"""Where work enters the program: routes, tasks, commands, consumers, middleware, start-up code."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework, Route
from perfaudit.program import annotations
from perfaudit.program.expressions import argument
from perfaudit.program.infer import Types
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_dependencies import Dependencies, dependencies_of, of_handler
from perfaudit.program.routes_handlers import (
    PSEUDO_METHODS,
    Handled,
    Target,
    decorator_paths,
    find_targets,
    route_methods,
    view_methods,
    view_rows,
)
from perfaudit.program.routes_mounts import (
    NO_CHAIN,
    Chain,
    Mounts,
    chains,
    find_mounts,
    frames_of,
    has_receiver,
    is_pair,
    items,
    join,
    router_sites,
)
from perfaudit.program.routes_origins import (
    UNKNOWN_TEXT,
    Frame,
    Origins,
    Site,
    Source,
    sources,
    text,
    texts,
)
from perfaudit.program.routes_sites import Sites, find_sites, route_of
from perfaudit.program.values import NONE, Type, Unknown

RESPONSE_ARGUMENT = "response_model"


@dataclass(frozen=True)
class Endpoint:
    """One place where work enters, and how the framework runs it.

    ``kind``: route, websocket, task, command, consumer, lifespan, middleware, error-handler. ``method`` and
    ``path`` are empty for what is not a route; ``{?}`` stands for a part of the path that is not known.
    ``handler`` is the body of the class where the library answers for it. ``dispatch``: event-loop, thread or
    process. ``dependencies`` run before the handler: what its parameters and routers ask for, and other methods
    of its view class. ``response_model`` is the declared type of the answer. ``decorators``: dotted paths,
    outermost first, wrappers in lists of routes included. ``application``: the call that makes the application.
    """

    kind: str
    method: str
    path: str
    handler: FunctionNode
    location: Location
    dispatch: str
    dependencies: tuple[FunctionNode, ...]
    framework: str
    response_model: Type | None
    decorators: tuple[str, ...]
    application: Location | None


class Registration(NamedTuple):
    """One use of a route: what it runs, and where it hangs."""

    route: Route | None
    framework: Framework
    function: FunctionNode
    call: t.Call | None
    chains: tuple[Chain, ...]
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    target: Target
    frame: Frame | None


def find_endpoints(types: Types) -> tuple[Endpoint, ...]:
    """Return all endpoints of the program's files that are not tests, by path of their file and line."""
    sites = find_sites(types)
    mounts = find_mounts(sites)
    known = dependencies_of(sites)
    found: list[Endpoint] = []
    taken: set[FunctionNode | ClassNode] = set()
    for registration in _registrations(mounts):
        made = list(_endpoints(sites, known, registration))
        taken.add(registration.target.node)
        taken.update(endpoint.handler for endpoint in made)
        found.extend(made)
    found = _without_partial(sites, found)
    found.extend(_classes(mounts, known, taken))
    unique = {
        (item.kind, item.method, item.path, item.handler): item for item in reversed(found)
    }
    return tuple(sorted(unique.values(), key=_order))


def _order(endpoint: Endpoint) -> tuple[Location, str, str, str]:
    return endpoint.location, endpoint.kind, endpoint.path, endpoint.method


def _without_partial(sites: Sites, found: list[Endpoint]) -> list[Endpoint]:
    """Drop the endpoints that only a decorator without path makes, where a list of routes has the same handler."""
    routed = {item.handler for item in found if item.path}
    return [
        item
        for item in found
        if item.path or item.kind not in ("route",) or item.handler not in routed
    ]


def _registrations(mounts: Mounts) -> Iterator[Registration]:
    sites = mounts.sites
    listed = {source.value for source, _ in mounts.handlers if isinstance(source.value, FunctionNode)}
    for node, decorator in sites.decorated:
        if node.file.role is not Role.TEST and node not in listed:
            yield from _decorated(mounts, node, decorator)
    for site, route in sites.routes.items():
        yield from _called(mounts, site, route)
    for source, edge in mounts.handlers:
        above = chains(mounts, edge.parent) if edge.parent is not None else [NO_CHAIN]
        hanging = tuple(replace_prefix(chain, edge.prefix) for chain in above)
        yield from _listed(mounts, source, hanging)
    yield from _pairs(mounts)


def replace_prefix(chain: Chain, prefix: str) -> Chain:
    """Return the chain with one more prefix."""
    return chain._replace(prefix=join(chain.prefix, prefix))


def _decorated(
    mounts: Mounts, node: FunctionNode | ClassNode, decorator: t.Expr
) -> Iterator[Registration]:
    outer = node.parent
    if outer is None:
        return
    types = mounts.sites.types
    route = route_of(mounts.sites, outer, decorator)
    if route is not None:
        owner = node.owner if isinstance(node, FunctionNode) else None
        if owner is not None and route.kind == "route" and view_rows(mounts.sites, owner)[1] is not None:
            return
        yield from _by_decorator(mounts, Source(outer, decorator, None), route, node)
        return
    if isinstance(decorator, t.CallRef):
        for source in sources(mounts.sites.origins, outer, decorator):
            if isinstance(source.value, t.CallRef) and source.function is not outer:
                inner = route_of(mounts.sites, source.function, source.value)
                if inner is not None:
                    yield from _by_decorator(mounts, source, inner, node)


def _by_decorator(
    mounts: Mounts, source: Source, route: Route, node: FunctionNode | ClassNode
) -> Iterator[Registration]:
    function, decorator, frame = source
    call = function.facts.calls[decorator.index] if isinstance(decorator, t.CallRef) else None
    spelled = call.callee if call is not None else decorator
    at = (call.sequence, call.context) if call is not None else AT_END
    hanging: list[Chain] = []
    if isinstance(spelled, t.Attr):
        for router in router_sites(mounts, function, spelled.base, frame, at):
            hanging.extend(chains(mounts, router))
    paths = [""]
    given = path_given(call, route.path_argument) if call is not None else None
    if given is not None:
        paths = texts(mounts.sites.origins, function, given, at, frame)
    methods = route_methods(mounts.sites, function, call, route.methods, route.methods_argument, frame)
    framework = mounts.sites.frameworks[route.path]
    yield Registration(
        route, framework, function, call, tuple(hanging) or (NO_CHAIN,), tuple(paths), methods, Target(node), frame
    )


def _called(mounts: Mounts, site: Site, route: Route) -> Iterator[Registration]:
    """Yield what a call registers: by its handler argument, or as a decorator that is called by hand."""
    function, index = site
    sites = mounts.sites
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    specs = (route.handler_argument or "").split("|")
    if route.form == "decorator":
        if route.path_argument is not None and "0" in route.path_argument.split("|"):
            return
        specs = ["0"]
    handlers = [given for spec in specs if (given := argument(call, spec)) is not None]
    if not handlers:
        return
    path = path_given(call, route.path_argument)
    receiver = call.callee.base if isinstance(call.callee, t.Attr) and has_receiver(sites, site) else None
    for frame in frames_of(sites, function, [*handlers, path, receiver]):
        paths = [""] if path is None else texts(sites.origins, function, path, at, frame)
        hanging: list[Chain] = []
        if receiver is None:
            hanging = chains(mounts, site, whole=False)
        else:
            for router in router_sites(mounts, function, receiver, frame, at):
                hanging.extend(chains(mounts, router))
            if route.kind == "route" and route.path_argument is None:
                paths = [_resource_path(mounts, function, receiver, frame)]
        methods = route_methods(sites, function, call, route.methods, route.methods_argument, frame)
        framework = sites.frameworks[route.path]
        for given in handlers:
            if isinstance(given, t.CallRef) and (function, given.index) in sites.mounts:
                continue
            for target in find_targets(sites, function, given, at, frame):
                yield Registration(
                    route, framework, function, call, tuple(hanging) or (NO_CHAIN,), tuple(paths), methods, target, frame
                )


def path_given(call: t.Call, spec: str | None) -> t.Expr | None:
    """Return the path argument of a call, also where it is one of several behind a star."""
    found = argument(call, spec)
    if found is None and spec is not None and spec.partition("|")[0].isdigit():
        return next((given for given in call.arguments if isinstance(given, t.Star)), None)
    return found


def _resource_path(mounts: Mounts, function: FunctionNode, receiver: t.Expr, frame: Frame | None) -> str:
    """Return the path that the object was made with whose method registers a handler."""
    for source in sources(mounts.sites.origins, function, receiver, AT_END, frame):
        if isinstance(source.value, t.CallRef):
            arguments = source.function.facts.calls[source.value.index].arguments
            if arguments:
                return text(mounts.sites.origins, source.function, arguments[0], AT_END, source.frame)
    return UNKNOWN_TEXT


def _listed(mounts: Mounts, source: Source, hanging: tuple[Chain, ...]) -> Iterator[Registration]:
    """Yield what stands in a list of routes by itself: a decorated handler, a class, or a path with a class."""
    sites = mounts.sites
    match source.value:
        case FunctionNode() as node:
            for decorator in node.facts.decorators:
                route = route_of(sites, node.parent or node, decorator)
                if route is not None:
                    for found in _by_decorator(mounts, Source(node.parent or node, decorator, None), route, node):
                        yield found._replace(chains=hanging)
        case t.Seq(items=parts) if is_pair(sites, source.function, source.value):
            path = text(sites.origins, source.function, parts[0], AT_END, source.frame)
            for target in find_targets(sites, source.function, parts[1], AT_END, source.frame):
                if isinstance(target.node, ClassNode):
                    framework = view_rows(sites, target.node)[2]
                    if framework is not None:
                        yield Registration(
                            None, framework, source.function, None, hanging, (path,), ("",), target, source.frame
                        )


def _pairs(mounts: Mounts) -> Iterator[Registration]:
    """Yield the pairs of a path and a view class in lists that nothing known mounts."""
    mounted = {source.value for source, _ in mounts.handlers if isinstance(source.value, t.Seq)}
    for file in mounts.sites.types.modules.files:
        if file.role is Role.TEST:
            continue
        for bind in file.body.facts.binds:
            if isinstance(bind.value, t.Seq) and any(isinstance(item, t.Seq) for item in bind.value.items):
                for held in items(mounts, file.body, bind.value, None):
                    if held.source is not None and held.source.value not in mounted:
                        yield from _listed(mounts, held.source, (NO_CHAIN,))


def _endpoints(sites: Sites, known: Dependencies, found: Registration) -> Iterator[Endpoint]:
    kind = found.route.kind if found.route is not None else "route"
    node = found.target.node
    if node.file.role is Role.TEST:
        return
    for chain, own_path in product(found.chains, found.paths):
        through = (*chain.calls, *_own_site(found))
        application = _application(sites, chain)
        path = join(chain.prefix, own_path) if kind in ("route", "websocket") else ""
        if isinstance(node, FunctionNode):
            for method in _methods(sites, found, node):
                yield _endpoint(sites, known, found, kind, method, path, node, (), through, application)
            continue
        handled = view_methods(sites, node, found.target.actions)
        for item in handled:
            item_kind = PSEUDO_METHODS.get(item.method, kind)
            method = "" if item.method in PSEUDO_METHODS else item.method
            full = join(path, item.suffix) if item_kind in ("route", "websocket") else ""
            yield _endpoint(
                sites, known, found, item_kind, method, full, item.handler, item.hooks, through, application
            )
        if not handled:
            callee = sites.types.classes.method(node, "__call__")
            if callee is not None:
                for method in found.methods:
                    yield _endpoint(sites, known, found, kind, method, path, callee, (), through, application)


def _own_site(found: Registration) -> tuple[Site, ...]:
    if found.call is None:
        return ()
    index = next((i for i, call in enumerate(found.function.facts.calls) if call is found.call), -1)
    return ((found.function, index),) if index >= 0 else ()


def _application(sites: Sites, chain: Chain) -> Location | None:
    if chain.root is None or chain.root not in sites.routers or not sites.routers[chain.root].is_application:
        return None
    function, index = chain.root
    return function.place(function.facts.calls[index])


def _methods(sites: Sites, found: Registration, node: FunctionNode) -> tuple[str, ...]:
    """Return the methods of a registration; where it names none, those that a decorator of the handler names."""
    if found.methods != ("",) or node.parent is None:
        return found.methods
    for decorator in node.facts.decorators:
        route = route_of(sites, node.parent, decorator)
        if route is not None and route.path_argument is None and route.kind == "route":
            call = node.parent.facts.calls[decorator.index] if isinstance(decorator, t.CallRef) else None
            return route_methods(sites, node.parent, call, route.methods, route.methods_argument)
    return found.methods


def _endpoint(
    sites: Sites,
    known: Dependencies,
    found: Registration,
    kind: str,
    method: str,
    path: str,
    handler: FunctionNode,
    hooks: tuple[FunctionNode, ...],
    through: tuple[Site, ...],
    application: Location | None,
) -> Endpoint:
    asked = of_handler(known, handler, through)
    return Endpoint(
        kind,
        method if kind == "route" else "",
        path,
        handler,
        handler.location,
        _dispatch(found.framework, handler),
        tuple(dict.fromkeys((*asked, *hooks))),
        found.framework.library,
        _response(sites.types, found, handler),
        (*found.target.wrappers, *decorator_paths(sites.types, handler)),
        application,
    )


def _dispatch(framework: Framework, handler: FunctionNode) -> str:
    wanted = "async" if handler.is_async else "sync"
    plain = framework.dispatch.get("sync") or framework.dispatch.get("async") or "thread"
    return framework.dispatch.get(wanted) or plain


def _response(types: Types, found: Registration, handler: FunctionNode) -> Type | None:
    given: t.Expr | None = None
    scope = found.function
    if found.call is not None:
        given = argument(found.call, RESPONSE_ARGUMENT)
    if given is None:
        given = handler.facts.returns
        scope = handler.parent or handler
    if given is None:
        return None
    declared = annotations.annotated(types, scope, given)
    return None if declared == NONE or isinstance(declared, Unknown) else declared


def _classes(
    mounts: Mounts, known: Dependencies, taken: set[FunctionNode | ClassNode]
) -> Iterator[Endpoint]:
    """Yield the methods of view classes that no known route names: tasks, commands, and views behind ``{?}``."""
    sites = mounts.sites
    for file in sites.types.modules.files:
        if file.role is Role.TEST:
            continue
        for node in file.classes:
            if node in taken or not node.facts.bases:
                continue
            framework = view_rows(sites, node)[2]
            if framework is None or _is_base(sites, node):
                continue
            for item in view_methods(sites, node):
                if item.handler not in taken and item.handler.kind != "class":
                    yield from _unrouted(sites, known, framework, node, item)


def _is_base(sites: Sites, node: ClassNode) -> bool:
    return any(below.file.role is not Role.TEST for below in sites.types.classes.subclasses(node))


def _unrouted(
    sites: Sites, known: Dependencies, framework: Framework, node: ClassNode, item: Handled
) -> Iterator[Endpoint]:
    path = _decorator_text(sites.origins, node) or UNKNOWN_TEXT
    found = Registration(None, framework, node.body, None, (), (path,), ("",), Target(node), None)
    kind = PSEUDO_METHODS.get(item.method, "route")
    method = "" if item.method in PSEUDO_METHODS else item.method
    path = join(path, item.suffix) if kind in ("route", "websocket") else ""
    yield _endpoint(sites, known, found, kind, method, path, item.handler, item.hooks, (), None)


def _decorator_text(origins: Origins, node: ClassNode) -> str:
    """Return the path that a decorator of the project is given for a class: its first string with a slash."""
    for decorator in node.facts.decorators:
        if isinstance(decorator, t.CallRef):
            for value in node.parent.facts.calls[decorator.index].arguments:
                found = text(origins, node.parent, value)
                if found.startswith("/"):
                    return found
    return ""
