"""What lists of routes hold, wherever their parts are written."""

from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode
from perfaudit.program.routes_origins import Frame, Site, Source, sources
from perfaudit.program.routes_sites import Sites
from perfaudit.program.values import ClassType, FunctionType, ModuleType, options_of

MAX_DEPTH = 16
LIST_METHODS = frozenset({"append", "extend", "insert"})

Trail = tuple[tuple[FunctionNode, str] | None, ...]
"""The steps that led to a list, with the names among them, so that none is followed twice."""


class Held(NamedTuple):
    """Something in a list of routes: a call that makes a route or router, or a handler."""

    site: Site | None
    source: Source | None


def items(
    sites: Sites,
    function: FunctionNode,
    value: t.Expr,
    frame: Frame | None,
    at: tuple[int, int] = AT_END,
    trail: Trail = (),
) -> Iterator[Held]:
    """Yield what a list of routes holds, through names, sums and calls that hand it on."""
    if len(trail) > MAX_DEPTH:
        return
    here = (*trail, None)
    match value:
        case t.Seq(items=parts):
            yield from _display(sites, function, value, parts, frame, at, trail)
        case t.Binary(left=left, right=right):
            yield from items(sites, function, left, frame, at, here)
            yield from items(sites, function, right, frame, at, here)
        case t.Star(value=inner) | t.Await(value=inner):
            yield from items(sites, function, inner, frame, at, here)
        case t.Comp(element=element, context=context):
            yield from items(sites, function, element, frame, (AT_END[0], context), here)
        case t.Either(options=options):
            for option in options:
                yield from items(sites, function, option, frame, at, here)
        case t.CallRef(index=index):
            yield from _call(sites, function, index, frame, trail)
        case t.Name(id=name):
            yield from _name(sites, function, name, frame, at, trail)
        case t.Attr():
            yield from _attribute(sites, function, value, frame, at, trail)
        case t.Element() | t.Item():
            for source in sources(sites.origins, function, value, at, frame):
                if not isinstance(source.value, FunctionNode | ClassNode) and source.value != value:
                    yield from items(
                        sites, source.function, source.value, source.frame, AT_END, here
                    )


def _display(
    sites: Sites,
    function: FunctionNode,
    value: t.Seq,
    parts: tuple[t.Expr, ...],
    frame: Frame | None,
    at: tuple[int, int],
    trail: Trail,
) -> Iterator[Held]:
    if is_pair(sites, function, value):
        yield Held(None, Source(function, value, frame))
        return
    here = (*trail, None)
    for part in parts:
        yield from items(sites, function, part, frame, at, here)


def is_pair(sites: Sites, function: FunctionNode, value: t.Expr) -> bool:
    """Return whether the value is a tuple of a path and a view class."""
    if not isinstance(value, t.Seq) or value.kind != "tuple" or len(value.items) < 2:
        return False
    first, second = value.items[:2]
    if not isinstance(first, t.Const | t.Text | t.Binary | t.CallRef) or not isinstance(
        second, t.Name | t.Attr
    ):
        return False
    found = sites.types.evaluate(function, second, AT_END)
    return isinstance(found, ClassType) and any(
        sites.types.libraries.view_class(path)
        for path in sites.types.classes.library_bases(found.node)
    )


def _call(
    sites: Sites, function: FunctionNode, index: int, frame: Frame | None, trail: Trail
) -> Iterator[Held]:
    here = (*trail, None)
    site = (function, index)
    if sites.is_node(site):
        yield Held(site, None)
        return
    call = function.facts.calls[index]
    at = (call.sequence, call.context)
    followed = False
    for callee in options_of(sites.types.call(function, index).callee):
        if isinstance(callee, FunctionType):
            shift = 1 if callee.receiver is not None else 0
            inside = Frame(callee.node, function, call, shift, None, frame)
            for result in callee.node.facts.results:
                if result.value is not None:
                    followed = True
                    point = (result.sequence, result.context)
                    yield from items(sites, callee.node, result.value, inside, point, here)
    if followed:
        return
    for value in call.arguments:
        if not isinstance(value, t.Const):
            yield from items(sites, function, value, frame, at, here)


def _name(
    sites: Sites,
    function: FunctionNode,
    name: str,
    frame: Frame | None,
    at: tuple[int, int],
    trail: Trail,
) -> Iterator[Held]:
    if len(trail) > MAX_DEPTH:
        # A package that imports its own modules gives their names by that import.
        return
    here = (*trail, None)
    for scope, definition in meanings(function, name, AT_END):
        match definition:
            case FunctionNode() | ClassNode():
                yield Held(None, Source(scope, definition, frame))
            case t.Import():
                for source in sources(sites.origins, function, t.Name(name), at, frame):
                    if isinstance(source.value, FunctionNode | ClassNode):
                        yield Held(None, source)
                yield from _imported(sites, scope, definition, trail)
            case t.Param():
                for source in sources(sites.origins, function, t.Name(name), at, frame):
                    if isinstance(source.value, FunctionNode | ClassNode):
                        yield Held(None, source)
                    else:
                        yield from items(
                            sites, source.function, source.value, source.frame, AT_END, here
                        )
            case t.Bind():
                yield from _bound(sites, scope, name, frame, trail)
                return


def _bound(
    sites: Sites, scope: FunctionNode, name: str, frame: Frame | None, trail: Trail
) -> Iterator[Held]:
    """Yield what a list holds that a name stands for, with all that is added to it later."""
    if (scope, name) in trail:
        return
    here = (*trail, (scope, name))
    for bind in scope.binds.get(name, ()):
        if bind.value is not None:
            yield from items(sites, scope, bind.value, frame, (bind.sequence, bind.context), here)
    for call in scope.facts.calls:
        callee = call.callee
        if (
            isinstance(callee, t.Attr)
            and callee.name in LIST_METHODS
            and callee.base == t.Name(name)
        ):
            for value in call.arguments[-1:]:
                yield from items(sites, scope, value, frame, (call.sequence, call.context), here)


def _imported(sites: Sites, scope: FunctionNode, item: t.Import, trail: Trail) -> Iterator[Held]:
    here = (*trail, None)
    modules = sites.types.modules
    if item.level:
        target = modules.find_relative(item.module, item.level, scope.file)
    else:
        target = modules.find(item.module, scope.file)
    if isinstance(target, FileNode) and item.name:
        yield from _name(sites, target.body, item.name, None, AT_END, here)


def _attribute(
    sites: Sites,
    function: FunctionNode,
    value: t.Attr,
    frame: Frame | None,
    at: tuple[int, int],
    trail: Trail,
) -> Iterator[Held]:
    here = (*trail, None)
    base = sites.types.evaluate(function, value.base, at)
    if isinstance(base, ModuleType):
        yield from _name(sites, base.node.body, value.name, None, AT_END, here)
        return
    for source in sources(sites.origins, function, value, at, frame):
        if isinstance(source.value, FunctionNode | ClassNode):
            yield Held(None, source)
        elif source.value != value:
            yield from items(sites, source.function, source.value, source.frame, AT_END, here)
