"""Find services with a database in which nothing says how long queries take."""

import re
from collections.abc import Iterator

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.finding import Match
from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.libraries.types import Library
from perfaudit.program.addresses import server_words
from perfaudit.program.called import library_calls
from perfaudit.program.capabilities import NOT_RUNNING, first_use, uses_of
from perfaudit.program.expressions import argument, last_name, parts, spelled
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sql_text import text_of

CAPABILITY = "query-monitoring"
MANY_SITES = 5
SERVING = frozenset({"route", "websocket", "task", "consumer", "graph-field"})
POOL_KINDS = frozenset({"pool", "engine", "client"})
EMBEDDED = re.compile(r"sqlite|duckdb", re.IGNORECASE)
CLOCKS = frozenset(
    {"perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time", "time_ns"}
)
METERS = frozenset(
    {"Histogram", "Summary", "Timer", "histogram", "timing", "timer", "timed", "create_histogram"}
)
OF_QUERIES = re.compile(r"quer(?:y|ies)|sql|\bdb|database|statement", re.IGNORECASE)
SETTING = re.compile(r"RECORD_QUERIES|SLOW_QUER", re.IGNORECASE)
SERVER = re.compile(
    r"pg_stat_statements|pg_stat_monitor|log_min_duration_(?:statement|sample)|auto_explain|slow[_-]query[_-]log|"
    r"long_query_time|pganalyze|pgbadger|pghero|postgres[_-]exporter|mysqld[_-]exporter|performance_insights|"
    r"query_insights",
    re.IGNORECASE,
)
BY_HAND = frozenset({"command", "script"})
PAGES = frozenset({"template", "script"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the data layer of the project, and a match where nothing times its queries."""
    if not any(endpoint.kind in SERVING for endpoint in program.endpoints):
        return
    found = _data_layer(program)
    if found is None:
        return
    place, name, function = found
    yield Opportunity(place, "endpoint")
    if not _is_monitored(program):
        queries = sum(
            not DATABASE_ROUND_TRIPS.isdisjoint(site.effects)
            for site in program.sites()
            if site.function.role is Role.PRODUCTION
        )
        yield Match(
            place,
            {"database": name, "queries": str(queries)},
            function=function.qualname,
            exposure="endpoint",
        )


def _data_layer(program: Program) -> tuple[Location, str, FunctionNode] | None:
    """Return where the project's pool is made, or its database is set, with a name for it."""
    files = [file for file in program.files if file.role is Role.PRODUCTION]
    pool = _pool(program)
    if pool is not None:
        return pool
    for file in files:
        for bind in file.body.binds.get("DATABASES", ()):
            if bind.value is not None and not _is_embedded_setting(file.body, bind.value):
                return file.body.line(bind.line, bind.column), "DATABASES", file.body
    return _many_queries(program)


def _pool(program: Program) -> tuple[Location, str, FunctionNode] | None:
    libraries = program.libraries
    databases = frozenset(library.file for library in libraries.libraries if _is_queried(library))
    found = [
        (program.exposure_of(function).kind in BY_HAND, function.place(called.call), called)
        for called in library_calls(program).of_names(lambda name: libraries.pool(name) is not None)
        if (function := called.function).role is Role.PRODUCTION
        and _makes_pool(program, function, called.index, databases)
    ]
    if not found:
        return None
    _, place, called = min(found, key=lambda item: item[:2])
    return place, spelled(called.function, called.call.callee), called.function


def _makes_pool(
    program: Program, function: FunctionNode, index: int, databases: frozenset[str]
) -> bool:
    """Return whether a call makes a pool of connections to a database server."""
    call = function.facts.calls[index]
    for target in program.types.call(function, index).targets:
        if target.function is not None:
            continue
        name = target.behaviour.path if target.behaviour else target.name
        pool = program.libraries.pool(name)
        if pool is None or pool.kind not in POOL_KINDS or pool.file not in databases:
            continue
        given = argument(call, pool.url)
        at = (call.sequence, call.context)
        url = text_of(program.types, function, given, at) if given is not None else None
        if url is None and not _is_of_server(program, pool.file):
            return _names_a_server(program)
        if url is None or not EMBEDDED.match(url):
            return True
    return False


def _is_of_server(program: Program, file: str) -> bool:
    """Return whether the library of this file speaks to one kind of server only."""
    library = program.libraries.library(file)
    return library is not None and library.service is not None


def _names_a_server(program: Program) -> bool:
    """Return whether an address in the code, or a file beside it, names a database server."""
    libraries = program.libraries
    words = [*server_words(libraries), *libraries.provides("database-driver")]
    servers = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    if any(
        document.kind not in PAGES and servers.search(document.text)
        for document in program.documents
    ):
        return True
    schemes = {
        scheme
        for library in libraries.libraries
        if library.service is not None and _is_queried(library)
        for scheme in library.service.schemes
    }
    return any(
        "://" in text and text.partition("://")[0].partition("+")[0] in schemes
        for file in program.files
        if file.role is Role.PRODUCTION
        for function in file.functions
        for text in _texts(function)
    )


def _texts(function: FunctionNode) -> Iterator[str]:
    """Yield the beginnings of the strings that a function makes, passes on or has as defaults."""
    given: list[t.Expr | None] = [bind.value for bind in function.facts.binds]
    given += [item.value for item in function.facts.results]
    given += [param.default for param in function.facts.params]
    for call in function.facts.calls:
        given += call.given
    for value in given:
        if isinstance(value, t.Text) and value.parts:
            yield value.parts[0] if isinstance(value.parts[0], str) else ""
        elif value is not None:
            yield _word(value)


def _is_queried(library: Library) -> bool:
    """Return whether some call of a library asks a database."""
    behaviours = [*library.functions.values()]
    for kind in library.types.values():
        behaviours += kind.methods.values()
        behaviours += kind.on.values()
    return any("db.query" in behaviour.effects for behaviour in behaviours)


def _is_embedded_setting(body: FunctionNode, value: t.Expr) -> bool:
    """Return whether all database engines that settings name are files of the process."""
    engines = [
        part.value
        for part in parts(body, value)
        if isinstance(part, t.Const) and isinstance(part.value, str) and ".backends." in part.value
    ]
    return bool(engines) and all(EMBEDDED.search(engine) for engine in engines)


def _many_queries(program: Program) -> tuple[Location, str, FunctionNode] | None:
    """Return the first connection of a program that has many queries and no pool."""
    sites = [
        site
        for site in program.sites()
        if site.function.role is Role.PRODUCTION and not EMBEDDED.search(site.behaviour.path)
    ]
    queries = [site for site in sites if not DATABASE_ROUND_TRIPS.isdisjoint(site.effects)]
    connections = [site for site in sites if "db.connect" in site.effects]
    if len(queries) < MANY_SITES or not connections:
        return None
    first = connections[0]
    if not _is_of_server(program, first.behaviour.file) and not _names_a_server(program):
        return None
    return first.location, first.name, first.function


def _is_monitored(program: Program) -> bool:
    uses = program.once(uses_of)
    if first_use(uses, program.libraries.provides(CAPABILITY)) is not None:
        return True
    hooks = _hooks(program)
    if any(name.rpartition(".")[2] in hooks for name in uses):
        return True
    launchers = [
        launcher.lower()
        for library in program.libraries.libraries
        if CAPABILITY in library.provides
        for launcher in library.launchers
    ]
    for document in program.documents:
        if document.kind in PAGES:
            continue
        text = document.text.lower()
        if SERVER.search(text) or any(launcher in text for launcher in launchers):
            return True
    files = [file for file in program.files if file.role not in NOT_RUNNING]
    return any(_times_queries(program, file, hooks) for file in files)


def _hooks(program: Program) -> frozenset[str]:
    """Return the names of functions, classes and events by which code follows each query."""
    return frozenset(name.rpartition(".")[2] for name in program.libraries.provides("query-hook"))


def _times_queries(program: Program, file: FileNode, hooks: frozenset[str]) -> bool:
    """Return whether a file listens to queries, times them, or asks the server to."""
    if any(SERVER.search(sql.text) for sql in file.facts.sql):
        return True
    logs = program.libraries.provides("query-log")
    for bind in file.body.facts.binds:
        names = [bind.target] if bind.value is None else [bind.target, bind.value]
        for part in (part for name in names for part in parts(file.body, name)):
            if _word(part) in logs or SETTING.search(_word(part)):
                return True
    return any(
        _listens(function, hooks) or _is_timing(program, function) for function in file.functions
    )


def _word(part: t.Expr) -> str:
    if isinstance(part, t.Name):
        return part.id
    return part.value if isinstance(part, t.Const) and isinstance(part.value, str) else ""


def _listens(function: FunctionNode, hooks: frozenset[str]) -> bool:
    """Return whether a function registers for the events of queries, or makes a meter for them."""
    for call in function.facts.calls:
        given = call.given
        words = [_word(value) for value in given]
        if not hooks.isdisjoint(words):
            return True
        name = last_name(call.callee)
        if name in hooks or (name in METERS and any(OF_QUERIES.search(word) for word in words)):
            return True
    return False


def _is_timing(program: Program, function: FunctionNode) -> bool:
    """Return whether a function takes the time of statements that it is given."""
    if not any(last_name(call.callee) in CLOCKS for call in function.facts.calls):
        return False
    for site in program.sites_of(function):
        if DATABASE_ROUND_TRIPS.isdisjoint(site.effects) or site.call is None:
            continue
        for given in site.call.given:
            inner = given.value if isinstance(given, t.Star) else given
            if isinstance(inner, t.Name) and inner.id in function.params:
                return True
    return False
