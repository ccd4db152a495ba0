"""Which database servers the project speaks to, as far as its code and files say."""

import re

from perfaudit.facts import types as t
from perfaudit.libraries.types import Service
from perfaudit.program.addresses import server_words
from perfaudit.program.capabilities import uses_of
from perfaudit.program.program import Program

FILES = frozenset({"requirements", "compose", "kubernetes", "helm", "dockerfile", "settings"})
_WRITTEN = frozenset({t.Const, t.Text})
"""Kinds of expressions that are texts, or begin with one."""
SCHEME = re.compile(r"([a-z][a-z0-9]+)(?:\+[a-z0-9]+)?:/")
SCHEME_END = ":/"


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
            scheme = SCHEME.match(text) if SCHEME_END in text else None
            if scheme is not None:
                found.add(scheme.group(1))
    return found


def _texts(facts: t.Function) -> list[str]:
    """Return the beginnings of the texts that a function makes, passes on or has as defaults."""
    values = [bind.value for bind in facts.binds]
    for call in facts.calls:
        values += call.given
        if isinstance(call.callee, t.Attr) and isinstance(call.callee.base, t.Const):
            values.append(call.callee.base)
    values += [item.value for item in facts.results]
    values += [param.default for param in facts.params]
    return [_beginning(value) for value in values if type(value) in _WRITTEN]


def _beginning(value: t.Expr | None) -> str:
    """Return how a text begins; empty for what is none, or begins with a hole."""
    if isinstance(value, t.Const):
        return value.value if isinstance(value.value, str) else ""
    first = value.parts[0] if isinstance(value, t.Text) and value.parts else ""
    return first if isinstance(first, str) else ""


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
