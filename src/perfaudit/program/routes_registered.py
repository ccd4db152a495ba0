"""Every use of a route: decorators, registering calls, and handlers in lists of routes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework, Route
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_handlers import (
    Action,
    Target,
    action_by,
    find_targets,
    route_methods,
    unwrapped,
    view_rows,
)
from perfaudit.program.routes_lists import is_pair, items
from perfaudit.program.routes_mounts import (
    NO_CHAIN,
    Chain,
    Mounts,
    chains,
    frames_of,
    has_receiver,
    join,
    router_sites,
)
from perfaudit.program.routes_origins import Frame, Site, Source, sources
from perfaudit.program.routes_rows import rows
from perfaudit.program.routes_sites import Sites, route_of
from perfaudit.program.routes_texts import UNKNOWN_TEXT, text, texts


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


Row = tuple[FunctionNode, t.Expr | FunctionNode | ClassNode]
"""An item of a list of routes, and where it is written."""


def registrations(mounts: Mounts) -> Iterator[Registration]:
    """Yield all uses of routes in the program."""
    sites = mounts.sites
    listed = {
        source.value for source, _ in mounts.handlers if isinstance(source.value, FunctionNode)
    }
    for node, decorator in sites.decorated:
        if node.file.role is not Role.TEST and node not in listed:
            yield from _decorated(mounts, node, decorator)
    paired: set[Row] = set()
    for site, route in sites.routes.items():
        yield from _called(mounts, site, route, paired)
    for source, edge in mounts.handlers:
        above = chains(mounts, edge.parent) if edge.parent is not None else [NO_CHAIN]
        hanging = tuple(below(chain, edge.prefix) for chain in above)
        yield from _listed(mounts, source, hanging)
    yield from _pairs(mounts, paired)


def below(chain: Chain, prefix: str) -> Chain:
    """Return the chain with one more prefix."""
    return chain._replace(prefix=join(chain.prefix, prefix))


def _decorated(
    mounts: Mounts, node: FunctionNode | ClassNode, decorator: t.Expr
) -> Iterator[Registration]:
    outer = node.parent
    if outer is None:
        return
    owner = node.owner if isinstance(node, FunctionNode) else None
    if isinstance(node, FunctionNode) and owner is not None:
        action = action_by(mounts.sites, owner, node, decorator)
        if action is not None and view_rows(mounts.sites, owner)[1] is not None:
            return
        if action is not None and action.route.detail_argument is not None:
            yield _lone_action(mounts.sites, node, action)
            return
    route = route_of(mounts.sites, outer, decorator)
    if route is not None:
        yield from _by_decorator(mounts, Source(outer, decorator, None), route, node)
        return
    if isinstance(decorator, t.CallRef):
        for source in sources(mounts.sites.origins, outer, decorator):
            if isinstance(source.value, t.CallRef) and source.function is not outer:
                inner = route_of(mounts.sites, source.function, source.value)
                if inner is not None:
                    yield from _by_decorator(mounts, source, inner, node)


def _lone_action(sites: Sites, node: FunctionNode, action: Action) -> Registration:
    """Return the route of an action of a class that no router that is known is handed."""
    return Registration(
        action.route,
        sites.frameworks[action.route.path],
        node.parent or node,
        action.call,
        (NO_CHAIN,),
        (join(UNKNOWN_TEXT, action.path),),
        action.methods,
        Target(node),
        None,
    )


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
    given = _path_given(call, route.path_argument) if call is not None else None
    if given is not None:
        paths = texts(mounts.sites.origins, function, given, at, frame)
    methods = route_methods(
        mounts.sites, function, call, route.methods, route.methods_argument, frame
    )
    framework = mounts.sites.frameworks[route.path]
    if route.kind == "route" and route.path_argument is None:
        paths = [UNKNOWN_TEXT]
    targets = (
        unwrapped(mounts.sites, node, frame) if isinstance(node, FunctionNode) else [Target(node)]
    )
    for target in targets:
        yield Registration(
            route,
            framework,
            function,
            call,
            tuple(hanging) or (NO_CHAIN,),
            tuple(paths),
            methods,
            target,
            frame,
        )


def _called(mounts: Mounts, site: Site, route: Route, paired: set[Row]) -> Iterator[Registration]:
    """Yield what a call registers by an argument, or as a decorator called by hand.

    The rows of lists that it goes through are added to ``paired``.
    """
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
    path = _path_given(call, route.path_argument)
    receiver = (
        call.callee.base if isinstance(call.callee, t.Attr) and has_receiver(sites, site) else None
    )
    values = [value for value in (*handlers, path, receiver) if value is not None]
    for frame in frames_of(sites, function, [*values]):
        for origins in rows(sites.origins, function, values, at, frame):
            turn = replace(mounts, sites=replace(sites, origins=origins))
            paired.update((item.function, item.value) for item in origins.chosen.values())
            yield from _registered(turn, site, route, handlers, path, receiver, frame)


def _registered(
    mounts: Mounts,
    site: Site,
    route: Route,
    handlers: list[t.Expr],
    path: t.Expr | None,
    receiver: t.Expr | None,
    frame: Frame | None,
) -> Iterator[Registration]:
    """Yield what a call registers for one caller, in one turn of the loops around it."""
    function, index = site
    sites = mounts.sites
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
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
                route,
                framework,
                function,
                call,
                tuple(hanging) or (NO_CHAIN,),
                tuple(paths),
                methods,
                target,
                frame,
            )


def _path_given(call: t.Call, spec: str | None) -> t.Expr | None:
    """Return the path argument of a call, also where it is one of several behind a star."""
    found = argument(call, spec)
    if found is None and spec is not None and spec.partition("|")[0].isdigit():
        return next((given for given in call.arguments if isinstance(given, t.Star)), None)
    return found


def _resource_path(
    mounts: Mounts, function: FunctionNode, receiver: t.Expr, frame: Frame | None
) -> str:
    """Return the path that the object was made with whose method registers a handler."""
    for source in sources(mounts.sites.origins, function, receiver, AT_END, frame):
        if isinstance(source.value, t.CallRef):
            arguments = source.function.facts.calls[source.value.index].arguments
            if arguments:
                return text(
                    mounts.sites.origins, source.function, arguments[0], AT_END, source.frame
                )
    return UNKNOWN_TEXT


def _listed(mounts: Mounts, source: Source, hanging: tuple[Chain, ...]) -> Iterator[Registration]:
    """Yield what stands in a list by itself: a decorated handler, or a path with a class."""
    sites = mounts.sites
    match source.value:
        case FunctionNode() as node:
            for decorator in node.facts.decorators:
                route = route_of(sites, node.parent or node, decorator)
                if route is not None:
                    for found in _by_decorator(
                        mounts, Source(node.parent or node, decorator, None), route, node
                    ):
                        yield found._replace(chains=hanging)
        case t.Seq(items=parts) if is_pair(sites, source.function, source.value):
            path = text(sites.origins, source.function, parts[0], AT_END, source.frame)
            for target in find_targets(sites, source.function, parts[1], AT_END, source.frame):
                if isinstance(target.node, ClassNode):
                    framework = view_rows(sites, target.node)[2]
                    if framework is not None:
                        yield Registration(
                            None,
                            framework,
                            source.function,
                            None,
                            hanging,
                            (path,),
                            ("",),
                            target,
                            source.frame,
                        )


def _pairs(mounts: Mounts, paired: set[Row]) -> Iterator[Registration]:
    """Yield the pairs of a path and a view class in lists that nothing known mounts."""
    mounted = {source.value for source, _ in mounts.handlers if isinstance(source.value, t.Seq)}
    for file in mounts.sites.types.modules.files:
        for bind in file.body.facts.binds:
            if isinstance(bind.value, t.Seq) and any(
                isinstance(item, t.Seq) for item in bind.value.items
            ):
                for held in items(mounts.sites, file.body, bind.value, None):
                    if held.source is None or held.source.value in mounted:
                        continue
                    if (held.source.function, held.source.value) not in paired:
                        yield from _listed(mounts, held.source, (NO_CHAIN,))
