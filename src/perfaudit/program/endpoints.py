"""Where work enters the program: routes, tasks, commands, consumers, middleware, start-up code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework
from perfaudit.program import annotations
from perfaudit.program.decorators import decorator_behaviours
from perfaudit.program.expressions import argument
from perfaudit.program.graph import ROOTS, GraphType
from perfaudit.program.infer import Types
from perfaudit.program.middleware import run_by_middleware
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_dependencies import Dependencies, dependencies_of, of_handler
from perfaudit.program.routes_handlers import (
    PSEUDO_METHODS,
    Handled,
    Target,
    decorator_paths,
    note_handed,
    route_methods,
    view_methods,
    view_rows,
)
from perfaudit.program.routes_mounts import Chain, Mounts, find_mounts, join
from perfaudit.program.routes_origins import Origins, Site
from perfaudit.program.routes_registered import Registration, registrations
from perfaudit.program.routes_settings import middleware_of_settings
from perfaudit.program.routes_sites import Sites, find_sites, route_of
from perfaudit.program.routes_texts import UNKNOWN_TEXT, text
from perfaudit.program.values import NONE, Type, Unknown

RESPONSE_ARGUMENT = "response_model"
GRAPH_METHOD = "GRAPHQL"
"""What stands for the method in the label of an endpoint that is a field of a graph."""


@dataclass(frozen=True)
class Endpoint:
    """One place where work enters, and how the framework runs it.

    ``kind``: route, websocket, task, command, consumer, lifespan, middleware, error-handler,
    graph-field (of a root type), resolver (of a field of another type).
    ``method`` and ``path`` are empty for what is not a route; ``{?}`` stands for a part of the path
    that is not known. ``handler`` is the body of the class where the library answers for it.
    ``dispatch``: event-loop, thread or process. ``dependencies`` run for the request besides the
    handler: what its parameters and routers ask for, and other methods of its view class.
    ``response_model`` is the declared type of the answer. ``decorators``: dotted paths, outermost
    first, wrappers in lists of routes included. ``application``: the call that makes it. ``view``:
    the class that a route names, which may have the handler from a base. ``action``: the name of
    its method that the route chose, which the library may have; empty where none is chosen.
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
    view: ClassNode | None = None
    action: str = ""

    @cached_property
    def entered(self) -> tuple[FunctionNode, ...]:
        """The functions that the framework runs for a request, each once."""
        return tuple(dict.fromkeys((*self.dependencies, self.handler)))

    @property
    def answering(self) -> ClassNode | None:
        """The class that answers: the one that a route names, else that of the handler."""
        return self.view or self.handler.owner


def find_endpoints(types: Types, graph: Sequence[GraphType] = ()) -> tuple[Endpoint, ...]:
    """Return all endpoints outside tests, in the order of their files and lines.

    Those of a graph schema are the fields of its root types; what resolves the fields of its other
    types is entered by the framework too, as part of an answer.
    """
    sites = find_sites(types)
    note_handed(sites)
    mounts = find_mounts(sites)
    known = dependencies_of(sites)
    found: list[Endpoint] = []
    taken: set[FunctionNode | ClassNode] = set()
    for registration in registrations(mounts):
        made = list(_endpoints(sites, known, registration))
        taken.add(registration.target.node)
        taken.update(endpoint.handler for endpoint in made)
        found.extend(made)
    found = _without_partial(found)
    found.extend(_of_settings(sites, known, taken))
    found.extend(_classes(mounts, known, taken))
    found.extend(_of_graph(types, graph))
    unique = {(item.kind, item.method, item.path, item.handler): item for item in reversed(found)}
    return tuple(sorted(unique.values(), key=_order))


def _order(endpoint: Endpoint) -> tuple[Location, str, str, str]:
    return endpoint.location, endpoint.kind, endpoint.path, endpoint.method


def _without_partial(found: list[Endpoint]) -> list[Endpoint]:
    """Drop the routes without a known path whose handler a list of routes has too.

    And those of a method's decorator alone, where a route names a class that has the method.
    """
    routed = {item.handler for item in found if item.kind == "route" and item.path != UNKNOWN_TEXT}
    of_classes = {item.handler for item in found if item.view is not None}
    return [
        item
        for item in found
        if (item.path != UNKNOWN_TEXT or item.handler not in routed)
        and (item.view is not None or item.handler not in of_classes)
    ]


def _of_settings(
    sites: Sites, known: Dependencies, taken: set[FunctionNode | ClassNode]
) -> Iterator[Endpoint]:
    """Yield the middleware that settings name."""
    for framework, node in middleware_of_settings(sites.types):
        target = Target(node)
        found = Registration(None, framework, node, None, (), (), ("",), target, None)
        for kind, handler in run_by_middleware(sites.types, node):
            taken.add(handler)
            yield _endpoint(sites, known, found, kind, "", "", handler, (), (), None)


def _endpoints(sites: Sites, known: Dependencies, found: Registration) -> Iterator[Endpoint]:
    kind = found.route.kind if found.route is not None else "route"
    node = found.target.node
    if node.file.role is Role.TEST:
        return
    for chain, own_path in product(found.chains, found.paths):
        through = (*chain.calls, *_own_site(found))
        application = _application(sites, chain)
        path = join(chain.prefix, own_path) or "/" if kind in ("route", "websocket") else ""
        if isinstance(node, FunctionNode):
            entered = [(kind, node)]
            if kind == "middleware":
                entered = run_by_middleware(sites.types, node)
            for (own_kind, handler), method in product(entered, _methods(sites, found, node)):
                yield _endpoint(
                    sites, known, found, own_kind, method, path, handler, (), through, application
                )
            continue
        handled = view_methods(sites, node, found.target.actions)
        for item in handled:
            item_kind = PSEUDO_METHODS.get(item.method, kind)
            method = "" if item.method in PSEUDO_METHODS else item.method
            full = join(path, item.suffix) if item_kind in ("route", "websocket") else ""
            if len(full) > 1 and _is_without_slash(sites, chain):
                full = full.removesuffix("/")
            made = _endpoint(
                sites,
                known,
                found,
                item_kind,
                method,
                full,
                item.handler,
                item.hooks,
                through,
                application,
            )
            yield replace(made, action=item.action)
        if not handled:
            callee = sites.types.classes.method(node, "__call__")
            if callee is not None:
                for method in found.methods:
                    yield _endpoint(
                        sites, known, found, kind, method, path, callee, (), through, application
                    )


def _is_without_slash(sites: Sites, chain: Chain) -> bool:
    """Return whether the router of a route is told to leave the last slash of its paths off."""
    routers = [site for site in chain.calls if site in sites.routers]
    if not routers:
        return False
    function, index = routers[-1]
    given = argument(function.facts.calls[index], sites.routers[routers[-1]].slash_argument)
    return isinstance(given, t.Const) and given.value is False


def _own_site(found: Registration) -> tuple[Site, ...]:
    if found.call is None:
        return ()
    index = next((i for i, call in enumerate(found.function.facts.calls) if call is found.call), -1)
    return ((found.function, index),) if index >= 0 else ()


def _application(sites: Sites, chain: Chain) -> Location | None:
    if (
        chain.root is None
        or chain.root not in sites.routers
        or not sites.routers[chain.root].is_application
    ):
        return None
    function, index = chain.root
    return function.place(function.facts.calls[index])


def _methods(sites: Sites, found: Registration, node: FunctionNode) -> tuple[str, ...]:
    """Return the methods of a registration, or those that a decorator of the handler names."""
    if found.methods != ("",) or node.parent is None:
        return found.methods
    for decorator in node.facts.decorators:
        route = route_of(sites, node.parent, decorator)
        if route is not None and route.path_argument is None and route.kind == "route":
            call = (
                node.parent.facts.calls[decorator.index]
                if isinstance(decorator, t.CallRef)
                else None
            )
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
        _dispatch(sites, found, handler),
        tuple(dict.fromkeys((*asked, *hooks))),
        found.framework.library,
        _response(sites.types, found, handler),
        (*found.target.wrappers, *decorator_paths(sites.types, handler)),
        application,
        found.target.node if isinstance(found.target.node, ClassNode) else None,
    )


def _dispatch(sites: Sites, found: Registration, handler: FunctionNode) -> str:
    """Return how the framework runs a handler: as its kind, its route and its decorators say."""
    framework = found.framework
    if handler.is_async:
        return framework.dispatch.get("async") or framework.dispatch.get("sync") or "event-loop"
    usual = framework.dispatch.get("sync") or framework.dispatch.get("async") or "thread"
    if found.route is not None:
        usual = found.route.dispatch or usual
        given = argument(found.call, found.route.thread_argument) if found.call else None
        if given is not None and not (isinstance(given, t.Const) and not given.value):
            return "thread"
    return _by_decorators(sites, handler) or usual


def _by_decorators(sites: Sites, handler: FunctionNode) -> str | None:
    """Return where the decorators of a plain handler have its body run, or None for the spot."""
    for behaviour in decorator_behaviours(sites.types, handler):
        for callback in behaviour.runs:
            if callback.where in ("thread", "process"):
                return callback.where
    how = sites.forwards.how_run(handler)
    return how if how in ("thread", "process") else None


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
    """Yield what view classes do that no route names: tasks, commands, views behind ``{?}``."""
    sites = mounts.sites
    for file in sites.types.modules.files:
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
    made = _endpoint(sites, known, found, kind, method, path, item.handler, item.hooks, (), None)
    yield replace(made, action=item.action)


def _of_graph(types: Types, graph: Sequence[GraphType]) -> Iterator[Endpoint]:
    seen: set[FunctionNode] = set()
    for item in sorted(graph, key=lambda item: (not item.is_root, item.name not in ROOTS)):
        for field in item.fields:
            handler = field.resolver
            if handler in seen:
                continue
            seen.add(handler)
            is_entry = item.is_root or field.is_mutation
            name = f"{item.name}.{field.name}" if not field.is_mutation else item.name
            yield Endpoint(
                "graph-field" if is_entry else "resolver",
                GRAPH_METHOD if is_entry else "",
                name,
                handler,
                handler.location,
                "event-loop" if handler.is_async else "thread",
                (),
                "",
                None,
                decorator_paths(types, handler),
                None,
            )


def _decorator_text(origins: Origins, node: ClassNode) -> str:
    """Return the path that a project's own class decorator is given: a string with a slash."""
    for decorator in node.facts.decorators:
        if isinstance(decorator, t.CallRef):
            for value in node.parent.facts.calls[decorator.index].arguments:
                found = text(origins, node.parent, value)
                if found.startswith("/"):
                    return found
    return ""
