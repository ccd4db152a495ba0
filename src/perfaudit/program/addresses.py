"""How the addresses of servers begin, as far as the code says."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.libraries import Libraries
from perfaudit.program.infer import Types
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.routes_origins import Origins, sources

MAX_STEPS = 8
ADDRESS_KEYS = frozenset({"url", "drivername", "scheme", "default"})
"""Keywords of makers of addresses and of settings that say which server it is."""


def beginnings(types: Types, function: FunctionNode, value: t.Expr) -> Iterator[str]:
    """Yield how a text may begin: constants, defaults of settings, arguments of makers of URLs."""
    yield from _beginnings(Origins(types), function, value, MAX_STEPS, set())


def _beginnings(
    origins: Origins,
    function: FunctionNode,
    value: t.Expr,
    steps: int,
    seen: set[tuple[FunctionNode, t.Expr]],
) -> Iterator[str]:
    if steps == 0 or (function, value) in seen:
        return
    seen.add((function, value))
    for source in sources(origins, function, value):
        match source.value:
            case t.Const(value=str() as text):
                yield text
            case t.Text(parts=(str() as first, *_)):
                yield first
            case t.Text(parts=(t.Name() | t.Attr() | t.CallRef() as first, *_)):
                yield from _beginnings(origins, source.function, first, steps - 1, seen)
            case t.Binary(left=left):
                yield from _beginnings(origins, source.function, left, steps - 1, seen)
            case t.CallRef(index=index):
                call = source.function.facts.calls[index]
                inner = [*call.arguments]
                inner += [item for name, item in call.keywords if name in ADDRESS_KEYS]
                if isinstance(call.callee, t.Attr):
                    inner.append(call.callee.base)
                for item in inner:
                    yield from _beginnings(origins, source.function, item, steps - 1, seen)


def server_words(libraries: Libraries) -> tuple[str, ...]:
    """Return how the addresses of database servers, and the imports of their drivers, begin."""
    words: set[str] = set()
    for library in libraries.libraries:
        connects = any("db.connect" in item.effects for item in library.functions.values())
        if library.service is not None and connects:
            words.update(library.packages, library.service.schemes)
    return tuple(sorted(words))
