"""The functions that a framework runs because a handler's parameters or router ask for them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.routes_handlers import find_targets
from perfaudit.program.routes_origins import Site, sources
from perfaudit.program.routes_sites import Sites
from perfaudit.program.values import ClassType, Instance, LibrarySymbol, options_of

MARKED_ARGUMENT = "0|dependency|use"
MAX_DEPENDENCIES = 200


@dataclass
class Dependencies:
    """What is already known of the dependencies of functions and calls."""

    sites: Sites
    markers: frozenset[str]
    of_functions: dict[FunctionNode, tuple[FunctionNode, ...]] = field(default_factory=dict)
    of_calls: dict[Site, tuple[FunctionNode, ...]] = field(default_factory=dict)


def dependencies_of(sites: Sites) -> Dependencies:
    """Return an empty store of dependencies for the program."""
    found = {
        name for framework in sites.types.libraries.frameworks for name in framework.dependencies
    }
    return Dependencies(sites, frozenset(found))


def of_handler(
    known: Dependencies, handler: FunctionNode, through: tuple[Site, ...]
) -> tuple[FunctionNode, ...]:
    """Return the dependencies of a handler and of the calls that mount it, each once."""
    if not known.markers:
        return ()
    found: dict[FunctionNode, None] = {}
    for site in through:
        for direct in _of_call(known, site):
            _collect(known, direct, found)
    for direct in _of_function(known, handler):
        _collect(known, direct, found)
    found.pop(handler, None)
    return tuple(found)


def _collect(known: Dependencies, function: FunctionNode, found: dict[FunctionNode, None]) -> None:
    if function in found or len(found) > MAX_DEPENDENCIES:
        return
    found[function] = None
    for inner in _of_function(known, function):
        _collect(known, inner, found)


def _of_call(known: Dependencies, site: Site) -> tuple[FunctionNode, ...]:
    if site not in known.of_calls:
        function, index = site
        found: list[FunctionNode] = []
        for _, value in function.facts.calls[index].keywords:
            if isinstance(value, t.Name | t.Attr | t.Seq | t.Mapping | t.Binary):
                found.extend(_marked(known, function, value))
        known.of_calls[site] = tuple(dict.fromkeys(found))
    return known.of_calls[site]


def _of_function(known: Dependencies, function: FunctionNode) -> tuple[FunctionNode, ...]:
    if function not in known.of_functions:
        known.of_functions[function] = ()
        found: list[FunctionNode] = []
        outer = function.parent
        if outer is not None:
            for param in function.facts.params:
                for value in (param.annotation, param.default):
                    if value is not None:
                        found.extend(_marked(known, outer, value))
        owner = function.owner
        if owner is not None and function.facts.decorators:
            found.extend(_of_class(known, owner))
        known.of_functions[function] = tuple(dict.fromkeys(found))
    return known.of_functions[function]


def _of_class(known: Dependencies, owner: ClassNode) -> Iterator[FunctionNode]:
    """Yield the dependencies that fields of a class ask for: each request fills them."""
    for node in known.sites.types.classes.project_order(owner):
        for bind in node.body.facts.binds:
            for value in (bind.annotation, bind.value):
                if value is not None:
                    yield from _marked(known, node.body, value)


def _marked(
    known: Dependencies, function: FunctionNode, value: t.Expr, depth: int = 0
) -> Iterator[FunctionNode]:
    """Yield the functions that dependency markers in an annotation, default or list name."""
    if depth > 4:
        return
    match value:
        case t.CallRef(index=index):
            yield from _marker(known, function, index, None)
        case t.Item(key=key, base=base):
            parts = key.items if isinstance(key, t.Seq) else (key,)
            for part in parts[1:]:
                if isinstance(part, t.CallRef):
                    yield from _marker(known, function, part.index, parts[0])
            if not isinstance(base, t.Name | t.Attr) or len(parts) == 1:
                yield from _marked(known, function, parts[0], depth + 1)
        case t.Seq(items=items):
            for item in items:
                yield from _marked(known, function, item, depth + 1)
        case t.Mapping(values=values):
            for item in values:
                yield from _marked(known, function, item, depth + 1)
        case t.Binary(left=left, right=right):
            yield from _marked(known, function, left, depth + 1)
            yield from _marked(known, function, right, depth + 1)
        case t.Name() | t.Attr():
            for source in sources(known.sites.origins, function, value):
                if isinstance(source.value, t.Item | t.Seq | t.CallRef | t.Mapping):
                    yield from _marked(known, source.function, source.value, depth + 1)


def _marker(
    known: Dependencies, function: FunctionNode, index: int, annotated: t.Expr | None
) -> Iterator[FunctionNode]:
    callee = known.sites.types.call(function, index).callee
    names = {option.path for option in options_of(callee) if isinstance(option, LibrarySymbol)}
    if not names & known.markers:
        return
    call = function.facts.calls[index]
    given = argument(call, MARKED_ARGUMENT)
    if given is None:
        given = annotated
    if given is None:
        return
    at = (call.sequence, call.context)
    for target in find_targets(known.sites, function, given, at):
        if isinstance(target.node, FunctionNode):
            yield target.node
            continue
        found = known.sites.types.evaluate(function, given, at)
        names_called = ("__call__",) if isinstance(found, Instance) else ("__init__",)
        if isinstance(found, ClassType | Instance):
            for name in names_called:
                method = known.sites.types.classes.method(target.node, name)
                if method is not None:
                    yield method
