"""How routers, lists of routes and applications hang together: the prefix of each path."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, names
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.routes_lists import items
from perfaudit.program.routes_origins import MAX_CALLERS, Frame, Site, Source, sources
from perfaudit.program.routes_rows import rows
from perfaudit.program.routes_sites import Sites
from perfaudit.program.routes_texts import UNKNOWN_TEXT, text, without_groups
from perfaudit.program.values import ClassType, Instance, LibrarySymbol, ModuleType, options_of

MAX_CHAINS = 64


class Edge(NamedTuple):
    """One way that something hangs below a parent. ``call`` is the call that mounts it."""

    parent: Site | None
    prefix: str
    frame: Frame | None
    call: Site | None


class Chain(NamedTuple):
    """One way down to a route: the prefix, the calls on the way, the topmost call."""

    prefix: str
    calls: tuple[Site, ...]
    root: Site | None


NO_CHAIN = Chain("", (), None)


@dataclass(frozen=True)
class Mounts:
    """What hangs below what. ``handlers``: those that stand in a list by themselves."""

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
    included: list[tuple[Site, FileNode]] = []
    for site, router in sites.routers.items():
        function, index = site
        call = function.facts.calls[index]
        if router.routes_argument is not None:
            given = argument(call, router.routes_argument)
            if given is not None:
                _hang(mounts, function, given, None, Edge(site, "", None, None))
        within = argument(call, router.within_argument)
        for value in (within,) if within is not None else call.arguments[:1]:
            for parent in router_sites(mounts, function, value, None):
                if parent != site:
                    _add(mounts, site, Edge(parent, "", None, None))
    for site, route in sites.routes.items():
        function, index = site
        given = argument(function.facts.calls[index], route.handler_argument)
        if isinstance(given, t.CallRef) and (function, given.index) in sites.mounts:
            _add(mounts, (function, given.index), Edge(site, "", None, None))
    for site in sites.mounts:
        _mount(mounts, site, included)
    for site, file in included:
        _include_module(mounts, site, file)
    return mounts


def frames_of(
    sites: Sites, function: FunctionNode, values: list[t.Expr | None]
) -> list[Frame | None]:
    """Return one frame per caller where the values depend on parameters; else one None."""
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
    """Return the parameter of the enclosing function that a closure wraps, or None."""
    outer = function.parent
    if outer is None or outer.kind != "function":
        return None
    for decorator in function.facts.decorators:
        if isinstance(decorator, t.CallRef):
            for value in outer.facts.calls[decorator.index].arguments[:1]:
                if isinstance(value, t.Name) and value.id in outer.params:
                    return outer.params[value.id]
    return None


def _mount(mounts: Mounts, site: Site, included: list[tuple[Site, FileNode]]) -> None:
    function, index = site
    call = function.facts.calls[index]
    mount = mounts.sites.mounts[site]
    child = argument(call, mount.router_argument)
    routes = argument(call, mount.routes_argument)
    prefix = argument(call, mount.prefix_argument)
    receiver = (
        call.callee.base
        if has_receiver(mounts.sites, site) and isinstance(call.callee, t.Attr)
        else None
    )
    at = (call.sequence, call.context)
    values = [value for value in (child, routes, prefix, receiver) if value is not None]
    for frame in frames_of(mounts.sites, function, [*values]):
        for origins in rows(mounts.sites.origins, function, values, at, frame):
            turn = replace(mounts, sites=replace(mounts.sites, origins=origins))
            path = "" if prefix is None else text(origins, function, prefix, at, frame)
            parents: list[Site | None] = [None]
            if receiver is None:
                parents = [site]
                path = ""
            else:
                parents = [*router_sites(turn, function, receiver, frame, at)] or [None]
            for parent, given in product(parents, (routes, child)):
                file = _module_given(turn.sites, function, given, at)
                if file is not None:
                    included.append((site, file))
                elif given is not None:
                    _hang(turn, function, given, frame, Edge(parent, path, frame, site), at)


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
    for held in items(mounts.sites, function, value, frame, at):
        if held.site is not None and held.site != edge.parent and held.site not in seen:
            seen.add(held.site)
            _add(mounts, held.site, edge)
        elif held.source is not None:
            mounts.handlers.append((held.source, edge))


def _add(mounts: Mounts, child: Site, edge: Edge) -> None:
    edges = mounts.edges.setdefault(child, [])
    if edge not in edges and len(edges) < MAX_CHAINS:
        edges.append(edge)


def _module_given(
    sites: Sites, function: FunctionNode, given: t.Expr | None, at: tuple[int, int]
) -> FileNode | None:
    """Return the module of routes that is given by its name, or itself."""
    if isinstance(given, t.Const) and isinstance(given.value, str):
        file = sites.types.modules.find(given.value, function.file)
        return file if isinstance(file, FileNode) else sites.types.modules.by_dotted(given.value)
    if not isinstance(given, t.Name | t.Attr):
        return None
    found = sites.types.evaluate(function, given, at)
    return found.node if isinstance(found, ModuleType) else None


def _include_module(mounts: Mounts, site: Site, file: FileNode) -> None:
    """Hang the routes of a module below the call, but for those that hang elsewhere in it."""
    for binds in file.body.binds.values():
        for bind in binds:
            if bind.value is None or bind.kind == "for":
                continue
            for held in items(mounts.sites, file.body, bind.value, None):
                if held.site is None or held.site == site:
                    continue
                inside = any(
                    edge.parent and edge.parent[0].file is file
                    for edge in mounts.edges.get(held.site, ())
                )
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


def chains(mounts: Mounts, site: Site, *, whole: bool = True) -> list[Chain]:
    """Return the ways down to a call, one per place it hangs; ``whole``: with its own prefix."""
    return list(islice(_chains(mounts, site, (), whole=whole), MAX_CHAINS))


def _chains(
    mounts: Mounts, site: Site, seen: tuple[Site, ...], *, whole: bool = True
) -> Iterator[Chain]:
    # One by one: where routers hang below each other in rings, there are more ways than atoms.
    for edge in mounts.edges.get(site, ()) or [Edge(None, "", None, None)]:
        through = (edge.call,) if edge.call is not None else ()
        own = _own_prefix(mounts, site, edge.frame) if whole else ""
        here = (*through, site)
        if edge.parent is None or edge.parent in seen or edge.parent == site:
            yield Chain(join(edge.prefix, own), here, site)
            continue
        for above in _chains(mounts, edge.parent, (*seen, site)):
            prefix = join(join(above.prefix, edge.prefix), own)
            yield Chain(prefix, (*above.calls, *here), above.root)


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
    return (
        ""
        if given is None
        else text(sites.origins, function, given, (call.sequence, call.context), frame)
    )


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
                    return text(
                        mounts.sites.origins, start, given, (inner.sequence, inner.context), inside
                    )
    return ""


def join(prefix: str, path: str) -> str:
    """Return a path below a prefix.

    >>> join("/api/", "/users"), join("", "^users/$"), join("/api", "")
    ('/api/users', '/users/', '/api')
    >>> join("/books/", "^(?P<year>(19|20)[0-9]+)/pages/$"), join("/users", "/")
    ('/books/{year}/pages/', '/users/')
    """
    part = without_groups(path.removeprefix("^").removesuffix("$"))
    if not part or (prefix == UNKNOWN_TEXT and not part.strip("/")):
        return prefix
    if not prefix:
        return part if part.startswith(("/", "{?}")) else "/" + part
    return prefix.rstrip("/") + "/" + part.lstrip("/")
