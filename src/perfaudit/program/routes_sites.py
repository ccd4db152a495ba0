"""The calls and decorators that library files describe as routes, mounts and routers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework, Mount, Route, Router, ViewClass
from perfaudit.program.forwarding import Forwards
from perfaudit.program.infer import Types
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_origins import Frame, Origins, Site, sources
from perfaudit.program.values import (
    ClassType,
    External,
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    Partial,
    Type,
    Unknown,
    options_of,
)


class Described(NamedTuple):
    """What library files say of one dotted name."""

    route: Route | None
    mount: Mount | None
    router: Router | None


class Decorated(NamedTuple):
    """One decorator on a function or class."""

    node: FunctionNode | ClassNode
    decorator: t.Expr


@dataclass(frozen=True)
class Sites:
    """All calls of the program that have to do with routes, in order, and the decorators.

    ``handed``: what classes without a known base are, as what they are handed to says. ``visits``:
    how many values were looked at for the handlers that are asked for now.
    """

    origins: Origins
    frameworks: dict[str, Framework]
    routes: dict[Site, Route] = field(default_factory=dict)
    mounts: dict[Site, Mount] = field(default_factory=dict)
    routers: dict[Site, Router] = field(default_factory=dict)
    decorated: list[Decorated] = field(default_factory=list)
    handed: dict[ClassNode, ViewClass] = field(default_factory=dict)
    visits: list[int] = field(default_factory=lambda: [0])

    @cached_property
    def forwards(self) -> Forwards:
        """Return how the functions of the program run the callables that they are given."""
        return Forwards(self.types)

    @property
    def types(self) -> Types:
        """Return the types of the program."""
        return self.origins.types

    def is_node(self, site: Site) -> bool:
        """Return whether the call makes or holds routes."""
        return site in self.routes or site in self.mounts or site in self.routers


def find_sites(types: Types) -> Sites:
    """Return the calls and decorators that have to do with routes, in one pass over the program."""
    origins = Origins(types)
    described: dict[str, Described | None] = {}
    sites = Sites(origins, _frameworks(types))
    verbs = _verbs(types)
    untyped: list[Site] = []
    for file in types.modules.files:
        for function in file.functions:
            for index, call in enumerate(function.facts.calls):
                resolved = types.call(function, index)
                for name in callee_names(types, resolved.callee, call.callee):
                    if name not in described:
                        described[name] = describe(types, name)
                    found = described[name]
                    if found is not None:
                        _file_under(sites, (function, index), found)
                if (
                    isinstance(resolved.callee, Unknown)
                    and getattr(call.callee, "name", "") in verbs
                ):
                    untyped.append((function, index))
                for target in resolved.targets:
                    if target.function is not None and target.function.facts.params:
                        shift = _shift(target.function, target.receiver)
                        frame = Frame(target.function, function, call, shift, None, None)
                        origins.frames.setdefault(target.function, []).append(frame)
            if function.facts.decorators:
                _note_decorators(sites, function, function.parent, function.facts.decorators)
        for node in file.classes:
            if node.facts.decorators:
                _note_decorators(sites, node, node.parent, node.facts.decorators)
    _note_closures(sites)
    for function, index in untyped:
        call = function.facts.calls[index]
        for name in _traced_names(origins, function, call.callee, (call.sequence, call.context)):
            found = describe(types, name)
            if found is not None:
                _file_under(sites, (function, index), found)
    return sites


def _verbs(types: Types) -> frozenset[str]:
    """Return the last names of all routes and mounts: other receivers are not followed."""
    paths = [route.path for framework in types.libraries.frameworks for route in framework.routes]
    paths += [mount.path for framework in types.libraries.frameworks for mount in framework.mounts]
    return frozenset(path.rpartition(".")[2] for path in paths)


def _traced_names(
    origins: Origins, function: FunctionNode, spelling: t.Expr, at: tuple[int, int]
) -> list[str]:
    """Return the dotted names of a method of what has no type, from the calls that make it."""
    if not isinstance(spelling, t.Attr):
        return []
    libraries = origins.types.libraries
    found: list[str] = []
    inner = spelling.base if isinstance(spelling.base, t.Attr) else None
    for source in sources(origins, function, inner.base if inner else spelling.base, at):
        if not isinstance(source.value, t.CallRef):
            continue
        made = origins.types.call(source.function, source.value.index).result
        paths: Sequence[str] = (made.path,) if isinstance(made, LibraryInstance) else ()
        if isinstance(made, Instance):
            paths = origins.types.classes.library_bases(made.node)
        for path in paths:
            found.append(f"{path}.{spelling.name}")
            for described in libraries.linear(path):
                found.extend(
                    f"{part.name}.{spelling.name}" for part in described.attributes.values()
                )
    return list(dict.fromkeys(found))


def _frameworks(types: Types) -> dict[str, Framework]:
    found: dict[str, Framework] = {}
    for framework in types.libraries.frameworks:
        paths = [route.path for route in framework.routes]
        paths += [router.path for router in framework.routers]
        paths += [view.path for view in framework.view_classes]
        found.update(dict.fromkeys(paths, framework))
    return found


def _shift(function: FunctionNode, receiver: Type | None) -> int:
    return 1 if receiver is not None and function.owner is not None else 0


def _file_under(sites: Sites, site: Site, found: Described) -> None:
    if found.route is not None:
        sites.routes.setdefault(site, found.route)
    if found.mount is not None:
        sites.mounts.setdefault(site, found.mount)
    if found.router is not None:
        sites.routers.setdefault(site, found.router)


def _note_decorators(
    sites: Sites,
    node: FunctionNode | ClassNode,
    outer: FunctionNode | None,
    decorators: tuple[t.Expr, ...],
) -> None:
    if outer is None:
        return
    types = sites.types
    for decorator in decorators:
        sites.decorated.append(Decorated(node, decorator))
        made = (
            types.evaluate(outer, decorator, AT_END)
            if not isinstance(decorator, t.CallRef)
            else None
        )
        for option in options_of(made) if made is not None else ():
            if isinstance(option, FunctionType):
                shift = _shift(option.node, option.receiver)
                frame = Frame(option.node, outer, None, shift, node, None)
                sites.origins.frames.setdefault(option.node, []).append(frame)


def _note_closures(sites: Sites) -> None:
    """Note what is given to the closures that decorators return."""
    for node, decorator in sites.decorated:
        outer = node.parent
        if outer is None or not isinstance(decorator, t.CallRef):
            continue
        if not isinstance(sites.types.call(outer, decorator.index).callee, FunctionType):
            continue
        for function, value, around in sources(sites.origins, outer, decorator):
            if isinstance(value, FunctionNode) and function is not outer:
                frame = Frame(value, outer, None, 0, node, around)
                sites.origins.frames.setdefault(value, []).append(frame)


def describe(types: Types, name: str) -> Described | None:
    """Return what library files say of a dotted name, or None where they say nothing."""
    libraries = types.libraries
    found = Described(libraries.route(name), libraries.mount(name), libraries.router(name))
    return found if any(found) else None


def route_of(sites: Sites, function: FunctionNode, decorator: t.Expr) -> Route | None:
    """Return the route that a decorator expression makes, or None."""
    types = sites.types
    if isinstance(decorator, t.CallRef):
        known = sites.routes.get((function, decorator.index))
        return known if known is not None and known.form == "decorator" else None
    callee = types.evaluate(function, decorator, AT_END)
    names = list(callee_names(types, callee, decorator))
    if isinstance(callee, Unknown):
        names = _traced_names(sites.origins, function, decorator, AT_END)
    for name in names:
        route = types.libraries.route(name)
        if route is not None and route.form == "decorator":
            return route
    return None


def callee_names(types: Types, callee: Type, spelling: t.Expr) -> Iterator[str]:
    """Yield the dotted names, as library files may write them, of what is called or decorates."""
    for option in options_of(callee):
        if type(option) is FunctionType:
            if type(option.receiver) is Instance:
                for path in types.classes.library_bases(option.receiver.node):
                    yield f"{path}.{option.node.name}"
        elif type(option) is LibrarySymbol:
            yield option.path
        elif type(option) is LibraryMethod:
            name = option.behaviour.path.rpartition(".")[2]
            yield f"{option.owner}.{spelling.name if isinstance(spelling, t.Attr) else name}"
        elif type(option) is ClassType:
            yield from types.classes.library_bases(option.node)
        elif type(option) is External:
            yield option.origin
        elif type(option) is Partial:
            yield from callee_names(types, option.target, spelling)
