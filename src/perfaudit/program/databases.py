"""Which database servers the project speaks to, as far as its code and files say."""

import re
from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.libraries.types import Service
from perfaudit.program.addresses import server_words
from perfaudit.program.capabilities import uses_of
from perfaudit.program.program import Program

FILES = frozenset({"requirements", "compose", "kubernetes", "helm", "dockerfile", "settings"})
_WRITTEN = frozenset({t.Const, t.Text})
"""Kinds of expressions that are texts, or begin with one."""
SCHEME = re.compile(r"([a-z][a-z0-9]+)(?:\+[a-z0-9]+)?:/")


def database_servers(program: Program) -> frozenset[Service]:
    """Return the servers whose drivers, dialects, addresses or images are seen. Ask it ``once``."""
    words: dict[str, set[Service]] = {}
    for library in program.libraries.libraries:
        connects = any("db.connect" in item.effects for item in library.functions.values())
        if library.service is not None and connects:
            service = library.service
            names = {*library.packages, *service.schemes, *service.images, service.name}
            for word in names:
                words.setdefault(word, set()).add(service)
    seen = seen_words(program, frozenset(words))
    return frozenset(service for word in seen for service in words[word])


def seen_words(program: Program, words: frozenset[str]) -> set[str]:
    """Return those of some words that names of libraries, addresses or deployment files have."""
    seen = {part for name in program.once(uses_of) for part in name.split(".")}
    seen |= program.once(_schemes)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(words)))})\b")
    for document in program.documents:
        if document.kind in FILES:
            seen.update(pattern.findall(document.text))
    return seen & words


def _schemes(program: Program) -> set[str]:
    """Return how the addresses that are written in the code begin. Ask it ``once``."""
    found: set[str] = set()
    for function in program.functions:
        for text in _texts(function.facts):
            scheme = SCHEME.match(text)
            if scheme is not None:
                found.add(scheme.group(1))
    return found


def _texts(facts: t.Function) -> Iterator[str]:
    """Yield the beginnings of the texts that a function makes, passes on or has as defaults."""
    for bind in facts.binds:
        if type(bind.value) in _WRITTEN:
            yield from _beginning(bind.value)
    for call in facts.calls:
        for given in call.arguments:
            if type(given) in _WRITTEN:
                yield from _beginning(given)
        for _, given in call.keywords:
            if type(given) in _WRITTEN:
                yield from _beginning(given)
        if isinstance(call.callee, t.Attr) and isinstance(call.callee.base, t.Const):
            yield from _beginning(call.callee.base)
    for item in facts.results:
        yield from _beginning(item.value)
    for param in facts.params:
        yield from _beginning(param.default)


def _beginning(value: t.Expr | None) -> Iterator[str]:
    if isinstance(value, t.Const):
        if isinstance(value.value, str):
            yield value.value
    elif isinstance(value, t.Text) and value.parts and isinstance(value.parts[0], str):
        yield value.parts[0]


def imported_packages(program: Program) -> frozenset[str]:
    """Return the packages that are imported anywhere, by their first names."""
    return frozenset(
        item.module.partition(".")[0]
        for function in program.functions
        for item in function.facts.imports
        if not item.level
    )


def are_in_files(program: Program) -> bool:
    """Return whether the only databases that are seen lie in files: no server is asked."""
    words = {
        word
        for library in program.libraries.libraries
        for pool in library.pools.values()
        for word in pool.quiet_urls
    }
    written = program.once(_schemes)
    imported = program.once(imported_packages)
    if words.isdisjoint(written):
        return False
    servers = server_words(program.libraries)
    named = re.compile(rf"\b({'|'.join(map(re.escape, servers))})\b")
    return (written | imported).isdisjoint(servers) and not any(
        document.kind in FILES and named.search(document.text) for document in program.documents
    )


def leaves_keys(program: Program) -> bool:
    """Return whether a server is seen that makes no index for foreign keys, and none that does."""
    servers = program.once(database_servers)
    return bool(servers) and not any(service.indexes_keys for service in servers)
