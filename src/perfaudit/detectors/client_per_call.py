"""Find clients with a pool of their own that are built each time a function runs."""

import re
from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Role
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.lifetimes import (
    Repetition,
    depends_on_parameters,
    is_kept,
    is_memoised,
    is_returned,
    is_run_by_hand,
    match_of,
    names_of,
    rebuilt,
    repetitions,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.values import LibraryInstance, Type, options_of

LENT = frozenset(
    {
        "connection_pool",
        "transport",
        "connector",
        "http_client",
        "http_async_client",
        "mounts",
        "app",
    }
)
"""Keywords that hand a client the connections of somebody else."""
HOLDS_CONNECTIONS = "holds-connections"
"""The flag of what, made for the call, is as new as the client itself."""
PERSONAL = frozenset(
    {"base_url", "endpoint_url", "url", "host", "region_name", "project", "proxy", "proxies"}
    | {"auth", "cert", "cookies", "cookie_jar", "verify", "ssl", "api_key", "token", "credentials"}
    | {"username", "password", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
)
"""Keywords that, made from the arguments, give each call a client of its own."""
ONCE = re.compile(
    r"^_*(?:main|run|start|setup|init|boot|connect|open|login|authenticate|shutdown|close|stop|lifespan|on_startup"
    r"|async_setup|__aenter__|__init__|__new__)(?:_|$)|(?:_main|_startup|_setup|_login|_lifespan)$"
)
"""Names of functions that run once in the life of a process or an object."""
MAKING: dict[tuple[str, ...], str] = {("http.client",): "client", ("pool.create",): "pool"}
COMMAND_LINE = "command-line"


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that builds a client, and a match for each that does so again and again."""
    repeated = program.once(repetitions)
    for site in program.sites():
        if not _builds(site) or site.function.role is not Role.PRODUCTION:
            continue
        yield Opportunity(site.location, program.exposure_of(site.function).kind)
        if _borrows(program, site) or _is_chosen(program, site):
            continue
        found = rebuilt(program, repeated, site) or _opened_inside(program, site)
        if found is not None and not (found.often != "request" and _is_amortised(site)):
            unsure = _is_personal(site) or _is_amortised(site)
            confidence = Confidence.LOW if unsure else _sureness(site)
            yield match_of(program, site, found, confidence, thing=MAKING[site.effects])


def _builds(site: Site) -> bool:
    """Return whether a site makes a client or a pool and does nothing else."""
    return site.kind == "call" and site.effects in MAKING and site.call is not None


def _borrows(program: Program, site: Site) -> bool:
    """Return whether a client is given connections that are shared, or stay in this process."""
    call, function = site.call, site.function
    if call is None:
        return False
    at = (call.sequence, call.context)
    for name, value in call.keywords:
        if name not in LENT or (isinstance(value, t.Const) and value.value is None):
            continue
        found = options_of(program.types.evaluate(function, value, at))
        is_fresh = any(_holds_connections(program, option) for option in found)
        if not (is_fresh and isinstance(_origin(function, value), t.CallRef)):
            return not isinstance(value, t.Either)
    return False


def _holds_connections(program: Program, option: Type) -> bool:
    if not isinstance(option, LibraryInstance):
        return False
    made = program.libraries.constructor(option.path)
    return made is not None and HOLDS_CONNECTIONS in made.flags


def _is_chosen(program: Program, site: Site) -> bool:
    """Return whether a pool is given what shows that it is not meant to be kept."""
    pool = program.libraries.pool(site.behaviour.path)
    call = site.call
    if pool is None or call is None or site.effects != ("pool.create",):
        return False
    return any(name in pool.quiet_with or name == "**" for name, _ in call.keywords)


def _origin(function: FunctionNode, value: t.Expr) -> t.Expr | None:
    """Return what a local name was last bound to, or the expression itself."""
    if not isinstance(value, t.Name):
        return value
    binds = function.binds.get(value.id, ())
    return binds[-1].value if binds else None


def _opened_inside(program: Program, site: Site) -> Repetition | None:
    """Return that a coroutine opens, uses and closes a client, by whatever it is called."""
    function = site.function
    facts = function.facts
    if (
        site.effects != ("http.client",)
        or not facts.is_async
        or facts.is_generator
        or is_memoised(program, function)
    ):
        return None
    if (
        ONCE.search(function.name)
        or _is_command_line(program, function)
        or not _is_closed_inside(site)
    ):
        return None
    if is_kept(program, function, site.value) or is_returned(function, site.value):
        return None
    if is_run_by_hand(program, function) or not any(_uses(site)):
        return None
    return Repetition("call", "", (), Confidence.MEDIUM)


def _is_closed_inside(site: Site) -> bool:
    """Return whether the function that makes a client also closes it."""
    function = site.function
    if any(
        context.kind in ("with", "async with") and context.subject == site.value
        for context in function.facts.contexts
    ):
        return True
    names = names_of(function, site.value)
    return any(
        isinstance(call.callee, t.Attr)
        and call.callee.name in ("close", "aclose")
        and isinstance(call.callee.base, t.Name)
        and call.callee.base.id in names
        for call in function.facts.calls
    )


def _uses(site: Site) -> Iterator[t.Call]:
    """Yield the calls of the client's methods, and those that it is passed to."""
    function = site.function
    names = names_of(function, site.value)
    for call in function.facts.calls:
        callee = call.callee
        if isinstance(callee, t.Attr) and callee.name in ("close", "aclose"):
            continue
        read = (callee, *call.given)
        if any(
            isinstance(part, t.Name) and part.id in names
            for value in read
            for part in expressions.parts(function, value)
        ):
            yield call


def _is_amortised(site: Site) -> bool:
    """Return whether one client serves a loop of requests."""
    function = site.function
    outer = set(function.loops(site.context))
    return any(set(function.loops(call.context)) - outer for call in _uses(site))


def _is_command_line(program: Program, function: FunctionNode) -> bool:
    body = function.file.body.facts
    parsers = program.libraries.provides(COMMAND_LINE)
    if any(item.module.partition(".")[0] in parsers for item in body.imports):
        return True
    return any(
        isinstance(context.subject, t.Compare) and context.subject.left == t.Name("__name__")
        for context in body.contexts
    )


def _is_personal(site: Site) -> bool:
    """Return whether the client depends on the call, or is made only where none was passed."""
    call, function = site.call, site.function
    if call is None:
        return False
    if depends_on_parameters(function, _given(site, call)):
        return True
    return bool(names_of(function, site.value) & set(function.params))


def _given(site: Site, call: t.Call) -> list[t.Expr]:
    """Return what may make a client one of its own: where it connects to, and as whom."""
    function = site.function
    given = [value for name, value in call.keywords if name in PERSONAL or name == "**"]
    given += _set_afterwards(function, names_of(function, site.value))
    return [*given, *call.arguments]


def _sureness(site: Site) -> Confidence:
    """Return how sure it is that one client does for all: not where the secret is fetched first.

    It may be another one each time: that of a tenant, whose row was read.
    """
    call, function = site.call, site.function
    if call is None:
        return Confidence.HIGH
    fetched: set[str] = set()
    for bind in function.facts.binds:
        if not isinstance(bind.target, t.Name) or bind.value is None:
            continue
        parts = tuple(expressions.parts(function, bind.value))
        if (
            bind.kind == "for"
            or any(isinstance(part, t.Await) for part in parts)
            or any(isinstance(part, t.Name) and part.id in fetched for part in parts)
        ):
            fetched.add(bind.target.id)
    is_fetched = any(expressions.names(function, value) & fetched for value in _given(site, call))
    return Confidence.MEDIUM if is_fetched else Confidence.HIGH


def _set_afterwards(function: FunctionNode, held: set[str]) -> list[t.Expr]:
    """Return what a function stores into a client that it has made, in place of a keyword."""
    return [
        bind.value
        for bind in function.facts.binds
        if isinstance(bind.target, t.Attr)
        and isinstance(bind.target.base, t.Name)
        and bind.target.base.id in held
        and bind.target.name in PERSONAL
        and bind.value is not None
    ]
