"""Find servers that the code needs, and that no deployment file provides or keeps alive."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Role, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.libraries.types import Service
from perfaudit.program.expressions import argument, names, parts
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.sql_text import text_of
from perfaudit.sources import Document, role_of
from perfaudit.sources.types import Service as Running

CLIENTS = frozenset({"http.client", "pool.create", "db.connect"})
HAND_RUN = frozenset({"command", "script"})
DECLARING = frozenset({"compose", "kubernetes", "helm", "procfile"})
MAIN_NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
NOT_DEPLOYED = re.compile(
    r"test|(?:^|[.-])ci\b|dev|local|example|sample|debug|override", re.IGNORECASE
)
WORKPLACE = re.compile(r"""-\s*["']?(?:\.{1,2}/?|\$\{?PWD\}?):/""")
"""A compose file that mounts the whole project serves those who write it."""
SERVICES_LINE = re.compile(r"^services\s*:", re.MULTILINE)
COMMENT = re.compile(r"(?:^|\s)#[^\n]*")
ENVIRONMENT_FILE = re.compile(r"(?:^|/)[^/]*\.?env(?:\.[^/]*)?$")
OUTSIDE = re.compile(r"^[a-z0-9+]+://(?:[^@/]*@)?(?P<host>[^:/?{]+)")
AT_HOME = re.compile(r"^(?:localhost|127\.|0\.0\.0\.0|::1|host\.docker)")
GUARD = re.compile(
    r"url|dsn|host|enable|backend|use_|config|settings|provider|driver", re.IGNORECASE
)
BRANCHES = frozenset({"if", "else", "match", "except"})
MAX_CALLERS = 3


class Need(NamedTuple):
    """A server that code needs, and the first place that makes a client of it."""

    service: Service
    site: Site


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each needed server that was judged, and those that are missing or not kept alive."""
    main = _main_file(program)
    if main is None:
        return
    needs = _needs(program)
    evidence = _evidence(program)
    missing: list[Need] = []
    start = SERVICES_LINE.search(main.text)
    line = main.text.count("\n", 0, start.start()) + 1 if start else 1
    place = Location(main.path, line, 1, line, len("services:") + 1)
    for need in needs:
        provided = _provided(program, main, need.service)
        if provided:
            yield from _judge_running(program, main, need, provided)
            continue
        if not _is_mentioned(need.service, evidence) and not _is_unknown(program, evidence):
            missing.append(need)
    if missing:
        yield Opportunity(place, "endpoint")
        yield _missing(program, main, place, missing)


def _main_file(program: Program) -> Document | None:
    """Return the compose file that deploys the project: one that builds it."""
    found = [
        document
        for document in program.documents
        if document.kind == "compose"
        and role_of(document.path) is Role.PRODUCTION
        and not NOT_DEPLOYED.search(document.path)
        and any(service.build for service in document.services)
        and not WORKPLACE.search(document.text)
    ]

    def order(document: Document) -> tuple[int, int, str]:
        name = document.path.rpartition("/")[2]
        rank = MAIN_NAMES.index(name) if name in MAIN_NAMES else len(MAIN_NAMES)
        return document.path.count("/"), rank, document.path

    return min(found, key=order, default=None)


def _judge_running(
    program: Program, main: Document, need: Need, provided: list[Running]
) -> Iterator[Match | Opportunity]:
    """Yield a server that the main file runs, and a match where nothing starts it again."""
    own = next((service for service in main.services if _is_image(service, need.service)), None)
    if own is None:
        return
    place = Location(main.path, own.line, 1, own.line, 2)
    yield Opportunity(place, "endpoint")
    if any(service.healthcheck or service.restart for service in provided):
        return
    yield _match(
        program,
        place,
        [need],
        f"the service {own.name} has neither a health check nor a restart policy",
        severity=Severity.MEDIUM,
        confidence=Confidence.MEDIUM,
    )


def _missing(program: Program, main: Document, place: Location, missing: list[Need]) -> Match:
    return _match(program, place, missing, f"no service of {main.path} provides it")


def _match(
    program: Program,
    place: Location,
    needs: list[Need],
    fault: str,
    *,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.HIGH,
) -> Match:
    steps = [
        TraceStep(need.site.location, f"{need.site.name} makes a client of {need.service.name}")
        for need in needs
    ]
    exposure = program.exposure_of(needs[0].site.function)
    levels = [confidence, *(need.site.confidence for need in needs)]
    confidence = weakest(*levels)
    return Match(
        place,
        {"service": " and ".join(need.service.name for need in needs), "fault": fault},
        trace=(*exposure.chain, *steps),
        confidence=confidence,
        severity=severity,
        function=needs[0].site.function.qualname,
        endpoint=exposure.endpoint,
        exposure="endpoint",
    )


def _needs(program: Program) -> list[Need]:
    """Return the servers that production code always makes a client of, each once."""
    found: dict[str, Need] = {}
    for site in program.sites():
        if site.function.role is not Role.PRODUCTION or CLIENTS.isdisjoint(site.effects):
            continue
        address = _address(program, site)
        library = program.libraries.library(site.behaviour.file)
        service = (library.service if library else None) or _by_scheme(program, address)
        if service is None or service.name in found or _is_outside(address):
            continue
        if _is_optional(program, site, service) or not _is_run(program, site.function):
            continue
        found[service.name] = Need(service, site)
    return list(found.values())


def _address(program: Program, site: Site) -> str:
    if site.call is None:
        return ""
    pool = program.libraries.pool(site.behaviour.path)
    given = argument(site.call, pool.url if pool is not None and pool.url else "0|url|dsn|uri")
    if given is None:
        return ""
    at = (site.call.sequence, site.call.context)
    return text_of(program.types, site.function, given, at) or ""


def _by_scheme(program: Program, address: str) -> Service | None:
    scheme = address.partition("://")[0].partition("+")[0]
    if "://" not in address:
        return None
    for service in program.libraries.services.values():
        if scheme in service.schemes:
            return service
    return None


def _is_outside(address: str) -> bool:
    """Return whether an address names a host that other people run."""
    found = OUTSIDE.match(address)
    return found is not None and "." in found["host"] and not AT_HOME.match(found["host"])


def _is_run(program: Program, function: FunctionNode) -> bool:
    """Return whether something runs the function; what is never called is no need."""
    if program.exposure_of(function).kind in HAND_RUN:
        return False
    if function.kind != "function" or program.edges_to(function):
        return True
    return _is_entry(program, function)


def _is_entry(program: Program, function: FunctionNode) -> bool:
    return any(
        function is endpoint.handler or function in endpoint.dependencies
        for endpoint in program.endpoints
    )


def _is_optional(program: Program, site: Site, service: Service) -> bool:
    """Return whether the code can do without: a setting decides, or it is one of several."""
    function = site.function
    if _is_decided(function, site.context) or _is_left_before(function, site, service):
        return True
    if _is_guarded_import(function, site):
        return True
    if function.owner is not None and _has_siblings(program, function):
        return True
    return _is_decided_by_callers(program, function, 0)


def _is_decided(function: FunctionNode, context: int) -> bool:
    """Return whether a condition on more than the client itself decides if a place runs."""
    for number in function.context_chain(context):
        here = function.facts.contexts[number]
        if here.kind in BRANCHES and not _is_lazy(function, here):
            return True
    return False


def _is_lazy(function: FunctionNode, context: t.Context) -> bool:
    """Return whether a condition only asks if the client was made before: ``if client is None``."""
    test = context.subject
    if isinstance(test, t.Not):
        test = test.value
    if isinstance(test, t.Compare) and isinstance(test.right, t.Const) and test.right.value is None:
        test = test.left
    if not isinstance(test, t.Name | t.Attr):
        return False
    stored = {bind.target for bind in function.facts.binds}
    return test in stored


def _is_left_before(function: FunctionNode, site: Site, service: Service) -> bool:
    """Return whether the function returns before the place where a setting says so."""
    for leave in function.facts.exits:
        if leave.kind not in ("return", "raise") or leave.sequence > site.sequence:
            continue
        for number in function.context_chain(leave.context):
            subject = function.facts.contexts[number].subject
            words = _words(function, subject) if subject is not None else ()
            if any(GUARD.search(word) or service.name in word.lower() for word in words):
                return True
    return False


def _words(function: FunctionNode, value: t.Expr) -> set[str]:
    found = names(function, value)
    for part in parts(function, value):
        if isinstance(part, t.Attr):
            found.add(part.name)
        elif isinstance(part, t.Const) and isinstance(part.value, str):
            found.add(part.value)
    return found


def _is_guarded_import(function: FunctionNode, site: Site) -> bool:
    """Return whether the client's package is imported inside ``try``: it may be absent."""
    root = site.behaviour.path.partition(".")[0]
    for scope in (function.file.body, function):
        for item in scope.facts.imports:
            if item.module.partition(".")[0] == root and any(
                context.kind == "try" and context.line <= item.line <= context.end_line
                for context in scope.facts.contexts
            ):
                return True
    return False


def _has_siblings(program: Program, function: FunctionNode) -> bool:
    """Return whether the class is one of several that stand for each other."""
    owner = function.owner
    if owner is None:
        return False
    bases = [base for base in program.types.classes.project_order(owner) if base is not owner]
    return any(len(list(program.types.classes.subclasses(base))) > 1 for base in bases)


def _is_decided_by_callers(program: Program, function: FunctionNode, depth: int) -> bool:
    edges = [edge for edge in program.edges_to(function) if edge.caller.role is Role.PRODUCTION]
    if not edges or depth >= MAX_CALLERS:
        return False
    return all(
        _is_decided(edge.caller, edge.context)
        or (edge.caller is not function and _is_decided_by_callers(program, edge.caller, depth + 1))
        for edge in edges
    )


def _is_image(running: Running, service: Service) -> bool:
    """Return whether a service runs the server: by its image, or by its name where it has none."""
    image = running.image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    known = {name.rpartition("/")[2] for name in (*service.images, service.name)}
    if image in known or any(name in image.split("-") for name in known):
        return True
    return any(name in running.name.lower() for name in known)


def _provided(program: Program, main: Document, service: Service) -> list[Running]:
    """Return the services that run the server, in the compose files beside the main one."""
    folder = main.path.rpartition("/")[0]
    return [
        running
        for document in program.documents
        if document.kind == "compose" and document.path.rpartition("/")[0] == folder
        for running in document.services
        if _is_image(running, service)
    ]


def _evidence(program: Program) -> str:
    """Return what deployment files and files of variables say, without comments."""
    texts = [
        document.text
        for document in program.documents
        if document.kind in DECLARING
        or (document.kind == "settings" and ENVIRONMENT_FILE.search(document.path))
    ]
    return COMMENT.sub("", "\n".join(texts)).lower()


def _is_mentioned(service: Service, evidence: str) -> bool:
    words = (*service.words, service.name)
    schemes = tuple(f"{scheme}://" for scheme in service.schemes if scheme != "unix")
    return any(word in evidence for word in (*words, *schemes))


def _is_unknown(program: Program, evidence: str) -> bool:
    """Return whether variables come from a file that is not in the project."""
    has_file = any(
        document.kind == "settings" and ENVIRONMENT_FILE.search(document.path)
        for document in program.documents
    )
    return "env_file" in evidence and not has_file
