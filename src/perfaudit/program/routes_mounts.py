"""How routers, lists of routes and applications hang together, and the prefix that each path gets from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, names
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.routes_origins import (
    MAX_CALLERS,
    Frame,
    Site,
    Source,
    sources,
    text,
)
from perfaudit.program.routes_sites import Sites
from perfaudit.program.values import (
    ClassType,
    FunctionType,
    Instance,
    LibrarySymbol,
    ModuleType,
    options_of,
)

MAX_CHAINS = 64
MAX_DEPTH = 12
LIST_METHODS = frozenset({"append", "extend", "insert"})


class Held(NamedTuple):
    """Something in a list of routes: a call that makes a route or router, or a handler by itself."""

    site: Site | None
    source: Source | None


class Edge(NamedTuple):
    """One way that something hangs below a parent. ``call`` is the call that mounts it."""

    parent: Site | None
    prefix: str
    frame: Frame | None
    call: Site | None


class Chain(NamedTuple):
    """One way from an application down to a route: the prefix, the calls on the way, the topmost call."""

    prefix: str
    calls: tuple[Site, ...]
    root: Site | None


NO_CHAIN = Chain("", (), None)


@dataclass(frozen=True)
class Mounts:
    """What hangs below what. ``handlers``: handlers that stand in a list of routes by themselves."""

    sites: Sites
    edges: dict[Site, list[Edge]] = field(default_factory=dict)
    handlers: list[tuple[Source, Edge]] = field(default_factory=list)
    made: dict[ClassNode, list[Site]] = field(default_factory=dict)


def find_mounts(sites: Sites) -> Mounts:
    """Return how the routers and lists of routes of the program hang together."""
    mounts = Mounts(sites)
    for site in sites.routers:
        for callee in options_of(sites.types.call(*site).callee):
            if isinstance(callee, ClassType):
                mounts.made.setdefault(callee.node, []).append(site)
    named: list[tuple[Site, str]] = []
    for site, router in sites.routers.items():
        function, index = site
        call = function.facts.calls[index]
        if router.routes_argument is not None:
            given = argument(call, router.routes_argument)
            if given is not None:
                _hang(mounts, function, given, None, Edge(site, "", None, None))
        for value in call.arguments[:1]:
            for parent in router_sites(mounts, function, value, None):
                if parent != site:
                    _add(mounts, site, Edge(parent, "", None, None))
    for site, route in sites.routes.items():
        function, index = site
        given = argument(function.facts.calls[index], route.handler_argument)
        if isinstance(given, t.CallRef) and (function, given.index) in sites.mounts:
            _add(mounts, (function, given.index), Edge(site, "", None, None))
    for site in sites.mounts:
        _mount(mounts, site, named)
    for site, module in named:
        _include_module(mounts, site, module)
    return mounts


def frames_of(sites: Sites, function: FunctionNode, values: list[t.Expr | None]) -> list[Frame | None]:
    """Return one frame per caller where the values depend on parameters of the function; else one None."""
    wanted = {name for value in values if value is not None for name in names(function, value)}
    for name in sorted(wanted):
        for inner in function.inner.get(name, ()):
            wrapped = wrapped_parameter(inner)
            if wrapped is not None:
                wanted.add(wrapped.name)
    found = [
        frame
        for frame in sites.origins.frames.get(function, ())[:MAX_CALLERS]
        if wanted & function.params.keys()
    ]
    return [*found] or [None]


def wrapped_parameter(function: FunctionNode) -> t.Param | None:
    """Return the parameter of the enclosing function that a closure stands for by its decorator, or None."""
    outer = function.parent
    if outer is None or outer.kind != "function":
        return None
    for decorator in function.facts.decorators:
        if isinstance(decorator, t.CallRef):
            for value in outer.facts.calls[decorator.index].arguments[:1]:
                if isinstance(value, t.Name) and value.id in outer.params:
                    return outer.params[value.id]
    return None


def _mount(mounts: Mounts, site: Site, named: list[tuple[Site, str]]) -> None:
    function, index = site
    call = function.facts.calls[index]
    mount = mounts.sites.mounts[site]
    child = argument(call, mount.router_argument)
    routes = argument(call, mount.routes_argument)
    prefix = argument(call, mount.prefix_argument)
    receiver = call.callee.base if has_receiver(mounts.sites, site) and isinstance(call.callee, t.Attr) else None
    at = (call.sequence, call.context)
    for frame in frames_of(mounts.sites, function, [child, routes, prefix, receiver]):
        path = "" if prefix is None else text(mounts.sites.origins, function, prefix, at, frame)
        parents: list[Site | None] = [None]
        if receiver is None:
            parents = [site]
            path = ""
        else:
            parents = [*router_sites(mounts, function, receiver, frame, at)] or [None]
        for parent in parents:
            for given in (routes, child):
                if isinstance(given, t.Const) and isinstance(given.value, str):
                    named.append((site, given.value))
                elif given is not None:
                    _hang(mounts, function, given, frame, Edge(parent, path, frame, site), at)


def has_receiver(sites: Sites, site: Site) -> bool:
    """Return whether the call is a method of an object, such as an application."""
    function, index = site
    call = function.facts.calls[index]
    if not isinstance(call.callee, t.Attr):
        return False
    return not all(
        isinstance(callee, LibrarySymbol | ClassType)
        for callee in options_of(sites.types.call(function, index).callee)
    )


def _hang(
    mounts: Mounts,
    function: FunctionNode,
    value: t.Expr,
    frame: Frame | None,
    edge: Edge,
    at: tuple[int, int] = AT_END,
) -> None:
    """Hang everything that the value holds below the edge's parent."""
    seen: set[Site] = set()
    for held in items(mounts, function, value, frame, at):
        if held.site is not None and held.site != edge.parent and held.site not in seen:
            seen.add(held.site)
            _add(mounts, held.site, edge)
        elif held.source is not None:
            mounts.handlers.append((held.source, edge))


def _add(mounts: Mounts, child: Site, edge: Edge) -> None:
    edges = mounts.edges.setdefault(child, [])
    if edge not in edges and len(edges) < MAX_CHAINS:
        edges.append(edge)


def _include_module(mounts: Mounts, site: Site, module: str) -> None:
    """Hang the routes of a module, named by a string, below the call; not those that hang elsewhere in it."""
    file = mounts.sites.types.modules.find(module, site[0].file)
    if not isinstance(file, FileNode):
        file = mounts.sites.types.modules.by_dotted(module)
    if file is None:
        return
    for binds in file.body.binds.values():
        for bind in binds:
            if bind.value is None or bind.kind == "for":
                continue
            for held in items(mounts, file.body, bind.value, None):
                if held.site is None or held.site == site:
                    continue
                inside = any(edge.parent and edge.parent[0].file is file for edge in mounts.edges.get(held.site, ()))
                if not inside:
                    _add(mounts, held.site, Edge(site, "", None, site))


def router_sites(
    mounts: Mounts,
    function: FunctionNode,
    value: t.Expr,
    frame: Frame | None,
    at: tuple[int, int] = AT_END,
) -> list[Site]:
    """Return the calls that make the application or router that an expression stands for."""
    found: list[Site] = []
    for source in sources(mounts.sites.origins, function, value, at, frame):
        if isinstance(source.value, t.CallRef):
            site = (source.function, source.value.index)
            if site in mounts.sites.routers and site not in found:
                found.append(site)
    if not found:
        for option in options_of(mounts.sites.types.evaluate(function, value, at)):
            if isinstance(option, Instance):
                for owner in (option.node, *mounts.sites.types.classes.subclasses(option.node)):
                    found.extend(mounts.made.get(owner, ()))
    return found


def items(
    mounts: Mounts,
    function: FunctionNode,
    value: t.Expr,
    frame: Frame | None,
    at: tuple[int, int] = AT_END,
    depth: int = 0,
) -> Iterator[Held]:
    """Yield what a list of routes holds, through names, concatenations and calls that hand it on."""
    if depth > MAX_DEPTH:
        return
    match value:
        case t.Seq(items=parts):
            yield from _display(mounts, function, value, parts, frame, at, depth)
        case t.Binary(left=left, right=right):
            yield from items(mounts, function, left, frame, at, depth + 1)
            yield from items(mounts, function, right, frame, at, depth + 1)
        case t.Star(value=inner) | t.Await(value=inner):
            yield from items(mounts, function, inner, frame, at, depth + 1)
        case t.Comp(element=element, context=context):
            yield from items(mounts, function, element, frame, (AT_END[0], context), depth + 1)
        case t.Either(options=options):
            for option in options:
                yield from items(mounts, function, option, frame, at, depth + 1)
        case t.CallRef(index=index):
            yield from _call(mounts, function, index, frame, depth)
        case t.Name(id=name):
            yield from _name(mounts, function, name, frame, at, depth)
        case t.Attr():
            yield from _attribute(mounts, function, value, frame, at, depth)
        case t.Element() | t.Item():
            for source in sources(mounts.sites.origins, function, value, at, frame):
                if not isinstance(source.value, FunctionNode | ClassNode) and source.value != value:
                    yield from items(mounts, source.function, source.value, source.frame, AT_END, depth + 1)


def _display(
    mounts: Mounts,
    function: FunctionNode,
    value: t.Seq,
    parts: tuple[t.Expr, ...],
    frame: Frame | None,
    at: tuple[int, int],
    depth: int,
) -> Iterator[Held]:
    if is_pair(mounts.sites, function, value):
        yield Held(None, Source(function, value, frame))
        return
    for part in parts:
        yield from items(mounts, function, part, frame, at, depth + 1)


def is_pair(sites: Sites, function: FunctionNode, value: t.Expr) -> bool:
    """Return whether the value is a tuple of a path and a view class."""
    if not isinstance(value, t.Seq) or value.kind != "tuple" or len(value.items) < 2:
        return False
    first, second = value.items[:2]
    if not isinstance(first, t.Const | t.Text | t.Binary | t.CallRef) or not isinstance(second, t.Name | t.Attr):
        return False
    found = sites.types.evaluate(function, second, AT_END)
    return isinstance(found, ClassType) and any(
        sites.types.libraries.view_class(path) for path in sites.types.classes.library_bases(found.node)
    )


def _call(
    mounts: Mounts, function: FunctionNode, index: int, frame: Frame | None, depth: int
) -> Iterator[Held]:
    site = (function, index)
    if mounts.sites.is_node(site):
        yield Held(site, None)
        return
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    followed = False
    for callee in options_of(mounts.sites.types.call(function, index).callee):
        if isinstance(callee, FunctionType):
            shift = 1 if callee.receiver is not None else 0
            inside = Frame(callee.node, function, call, shift, None, frame)
            for result in callee.node.facts.results:
                if result.value is not None:
                    followed = True
                    point = (result.sequence, result.context)
                    yield from items(mounts, callee.node, result.value, inside, point, depth + 1)
    if followed:
        return
    for value in call.arguments:
        if not isinstance(value, t.Const):
            yield from items(mounts, function, value, frame, at, depth + 1)


def _name(
    mounts: Mounts, function: FunctionNode, name: str, frame: Frame | None, at: tuple[int, int], depth: int
) -> Iterator[Held]:
    for scope, definition in meanings(function, name, AT_END):
        match definition:
            case FunctionNode() | ClassNode():
                yield Held(None, Source(scope, definition, frame))
            case t.Import():
                for source in sources(mounts.sites.origins, function, t.Name(name), at, frame):
                    if isinstance(source.value, FunctionNode | ClassNode):
                        yield Held(None, source)
                yield from _imported(mounts, scope, definition, depth)
            case t.Param():
                for source in sources(mounts.sites.origins, function, t.Name(name), at, frame):
                    if isinstance(source.value, FunctionNode | ClassNode):
                        yield Held(None, source)
                    else:
                        yield from items(mounts, source.function, source.value, source.frame, AT_END, depth + 1)
            case t.Bind():
                yield from _bound(mounts, scope, name, frame, depth)
                return


def _bound(
    mounts: Mounts, scope: FunctionNode, name: str, frame: Frame | None, depth: int
) -> Iterator[Held]:
    """Yield what a list holds that a name stands for, with all that is added to it later."""
    for bind in scope.binds.get(name, ()):
        if bind.value is not None and bind.value != t.Name(name):
            yield from items(mounts, scope, bind.value, frame, (bind.sequence, bind.context), depth + 1)
    for call in scope.facts.calls:
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in LIST_METHODS and callee.base == t.Name(name):
            for value in call.arguments[-1:]:
                yield from items(mounts, scope, value, frame, (call.sequence, call.context), depth + 1)


def _imported(mounts: Mounts, scope: FunctionNode, item: t.Import, depth: int) -> Iterator[Held]:
    modules = mounts.sites.types.modules
    if item.level:
        target = modules.find_relative(item.module, item.level, scope.file)
    else:
        target = modules.find(item.module, scope.file)
    if isinstance(target, FileNode) and item.name:
        yield from _name(mounts, target.body, item.name, None, AT_END, depth + 1)


def _attribute(
    mounts: Mounts, function: FunctionNode, value: t.Attr, frame: Frame | None, at: tuple[int, int], depth: int
) -> Iterator[Held]:
    base = mounts.sites.types.evaluate(function, value.base, at)
    if isinstance(base, ModuleType):
        yield from _name(mounts, base.node.body, value.name, None, AT_END, depth + 1)
        return
    for source in sources(mounts.sites.origins, function, value, at, frame):
        if isinstance(source.value, FunctionNode | ClassNode):
            yield Held(None, source)
        elif source.value != value:
            yield from items(mounts, source.function, source.value, source.frame, AT_END, depth + 1)


def chains(mounts: Mounts, site: Site, *, whole: bool = True, seen: tuple[Site, ...] = ()) -> list[Chain]:
    """Return the ways down to a call, one for each place it hangs; ``whole``: with the prefix of its own."""
    found: list[Chain] = []
    for edge in mounts.edges.get(site, ()) or [Edge(None, "", None, None)]:
        through = (edge.call,) if edge.call is not None else ()
        own = _own_prefix(mounts, site, edge.frame) if whole else ""
        here = (*through, site)
        if edge.parent is None or edge.parent in seen or edge.parent == site:
            found.append(Chain(join(edge.prefix, own), here, site))
            continue
        for above in chains(mounts, edge.parent, seen=(*seen, site)):
            prefix = join(join(above.prefix, edge.prefix), own)
            found.append(Chain(prefix, (*above.calls, *here), above.root))
    return found[:MAX_CHAINS]


def _own_prefix(mounts: Mounts, site: Site, frame: Frame | None) -> str:
    """Return the prefix that a call gives to all that hangs below it."""
    function, index = site
    call = function.facts.calls[index]
    sites = mounts.sites
    spec: str | None = None
    if site in sites.routers:
        spec = sites.routers[site].prefix_argument
    elif site in sites.mounts:
        spec = sites.mounts[site].prefix_argument
    elif site in sites.routes:
        spec = sites.routes[site].path_argument
    given = argument(call, spec)
    if given is None and site in sites.routers:
        return _inherited_prefix(mounts, site, spec, frame)
    return "" if given is None else text(sites.origins, function, given, (call.sequence, call.context), frame)


def _inherited_prefix(mounts: Mounts, site: Site, spec: str | None, frame: Frame | None) -> str:
    """Return the prefix that the constructor of a project's own router class hands to its base."""
    function, index = site
    call = function.facts.calls[index]
    for callee in options_of(mounts.sites.types.call(function, index).callee):
        if not isinstance(callee, ClassType):
            continue
        start = mounts.sites.types.classes.method(callee.node, "__init__")
        if start is None:
            continue
        for inner in start.facts.calls:
            if isinstance(inner.callee, t.Attr) and inner.callee.name == "__init__":
                given = argument(inner, spec)
                if given is not None:
                    inside = Frame(start, function, call, 1, None, frame)
                    return text(mounts.sites.origins, start, given, (inner.sequence, inner.context), inside)
    return ""


def join(prefix: str, path: str) -> str:
    """Return a path below a prefix.

    >>> join("/api/", "/users"), join("", "^users/$"), join("/api", "")
    ('/api/users', '/users/', '/api')
    """
    part = path.removeprefix("^").removesuffix("$")
    if not part:
        return prefix
    if not prefix:
        return part if part.startswith(("/", "{?}")) else "/" + part
    return prefix.rstrip("/") + "/" + part.lstrip("/")
