"""Find endpoints that read the database each time, although the answer is the same for all."""

import re
from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Role, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program.audience import (
    data_providers,
    is_personal,
    is_server_rendered,
    reached,
)
from perfaudit.program.capabilities import first_use, uses_of
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import label_of
from perfaudit.program.expressions import names, spelled
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.values import NONE, Instance, options_of
from perfaudit.program.windows import asks_for_window

CACHED = re.compile(r"cache|memoi[sz]|etag|last_modified|conditional", re.IGNORECASE)
STREAMS = frozenset(
    {"StreamingResponse", "EventSourceResponse", "StreamingHttpResponse", "StreamResponse",
     "WebSocketResponse", "FileResponse", "RedirectResponse", "HttpResponseRedirect", "send_file",
     "send_from_directory", "redirect", "stream_with_context"}
)  # fmt: skip
WHOLE_APPLICATION = re.compile(r"Middleware$|Config$")
OWN_PLACE = re.compile(
    r"(?:^|[/_-])(?:health\w*|live|liveness|livez|ready|readiness|readyz|ping|heartbeat|metrics|"
    r"status|version|probe|me|self|admin|login|logout|signin|signup|register|auth|oauth2?|sso|"
    r"callback|tokens?|sessions?|account|profile|password|verify|invite|invitation|webhooks?|csrf|"
    r"captcha|random|stream|sse|ws|download|export|backup)(?:$|[/_-])",
    re.IGNORECASE,
)
BY_KEY = re.compile(r"[{<(]")
HOUSE_KEEPERS = re.compile(r"super_?user|admin|staff", re.IGNORECASE)
HOOKS = frozenset({"get_queryset", "get_object", "get_serializer", "get_context_data"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each read endpoint whose answer could be shared, and those that nothing caches."""
    uses = program.once(uses_of)
    shared = [
        name
        for name in program.libraries.provides("response-cache")
        if WHOLE_APPLICATION.search(name)
    ]
    is_cached_everywhere = first_use(uses, shared) is not None
    has_cache = bool(
        first_use(uses, program.libraries.provides("cache"))
        or any("cache.read" in site.effects for site in program.sites())
    )
    has_sign_in = first_use(uses, program.libraries.provides("sign-in")) is not None
    judged: set[FunctionNode] = set()
    for endpoint in program.endpoints:
        if endpoint.handler in judged or not _is_read(program, endpoint):
            continue
        runs = [endpoint.handler, *data_providers(program, endpoint.handler)]
        queries = next((function for function in runs if function in program.query_reach), None)
        if queries is None or any(function in program.write_reach for function in runs):
            continue
        if has_sign_in and is_server_rendered(program, endpoint):
            continue
        if is_personal(program, endpoint) or asks_for_window(program, endpoint.handler):
            continue
        judged.add(endpoint.handler)
        yield Opportunity(endpoint.location, "endpoint")
        if not is_cached_everywhere and not _is_cached(program, endpoint, runs):
            yield _match(program, endpoint, queries, has_cache=has_cache)


def _is_read(program: Program, endpoint: Endpoint) -> bool:
    """Return whether an endpoint is asked for data, by its method and its names."""
    handler = endpoint.handler
    if endpoint.kind != "route" or endpoint.method != "GET" or handler.role is not Role.PRODUCTION:
        return False
    if handler.name in HOOKS or any(
        HOUSE_KEEPERS.search(function.name) for function in endpoint.dependencies
    ):
        return False
    if OWN_PLACE.search(endpoint.path) or OWN_PLACE.search(f"_{handler.name}_"):
        return False
    return not _streams(program, endpoint)


def _streams(program: Program, endpoint: Endpoint) -> bool:
    handler = endpoint.handler
    if handler.facts.is_generator:
        return True
    declared = handler.facts.returns
    if declared is not None and names(handler.parent or handler, declared) & STREAMS:
        return True
    return any(
        spelled(function, call.callee).rpartition(".")[2] in STREAMS
        for function in reached(program, handler)
        for call in function.facts.calls
    )


def _is_cached(program: Program, endpoint: Endpoint, runs: list[FunctionNode]) -> bool:
    """Return whether anything on the way of the answer keeps it."""
    handler = endpoint.handler
    if any(function in program.cache_reach or function in program.memoised for function in runs):
        return True
    if any(CACHED.search(path) for path in endpoint.decorators):
        return True
    view = endpoint.answering
    if view is not None and _is_cached_class(program, view):
        return True
    return any(_names_a_cache(function) for function in reached(program, handler))


def _is_cached_class(program: Program, owner: ClassNode) -> bool:
    for node in program.types.classes.project_order(owner):
        if any(
            CACHED.search(name)
            for value in node.facts.decorators
            for name in names(node.parent, value)
        ):
            return True
    paths = [*program.types.classes.library_bases(owner)]
    paths += [node.name for node in program.types.classes.project_order(owner)]
    return any(CACHED.search(path.rpartition(".")[2]) for path in paths)


def _names_a_cache(function: FunctionNode) -> bool:
    """Return whether a function's code, or its decorators, speak of a cache."""
    if function.name == "__init__":
        return False
    if CACHED.search(function.name):
        return True
    outer = function.parent
    if outer is not None:
        for decorator in function.facts.decorators:
            if any(CACHED.search(name) for name in names(outer, decorator)):
                return True
            if CACHED.search(spelled(outer, decorator)):
                return True
    if any(CACHED.search(spelled(function, call.callee)) for call in function.facts.calls):
        return True
    return any(CACHED.search(spelled(function, read.value)) for read in function.facts.reads)


def _match(
    program: Program, endpoint: Endpoint, queries: FunctionNode, *, has_cache: bool
) -> Match:
    handler = endpoint.handler
    step = program.query_reach.step(queries)
    confidence = step.confidence if step is not None else Confidence.LOW
    if not has_cache:
        confidence = weakest(confidence, Confidence.MEDIUM)
    label = label_of(endpoint)
    entered = TraceStep(endpoint.location, f"{label} enters {handler.facts.qualname}")
    steps = [entered]
    if queries is not handler:
        steps.append(
            TraceStep(queries.location, f"which is given what {queries.facts.qualname} returns")
        )
    site = program.query_reach.site(queries)
    return Match(
        endpoint.location,
        {"endpoint": label, "query": site.name if site is not None else "the query"},
        trace=(*steps, *program.query_reach.trace(queries)),
        confidence=confidence,
        severity=Severity.LOW if _is_small(program, endpoint) else None,
        function=handler.qualname,
        endpoint=label,
        exposure="endpoint",
        role=handler.role,
    )


def _is_small(program: Program, endpoint: Endpoint) -> bool:
    """Return whether an answer is about one thing: its path names it, or each query gives one."""
    return BY_KEY.search(endpoint.path) is not None or all(
        _gives_one(program, site)
        for function in reached(program, endpoint.handler)
        for site in program.sites_of(function)
        if "db.query" in site.effects and site.relation is None
    )


def _gives_one(program: Program, site: Site) -> bool:
    """Return whether what a query gives is one object of the program, or none."""
    at = (site.sequence, site.context)
    found = options_of(program.types.evaluate(site.function, site.value, at))
    is_one = any(isinstance(option, Instance) for option in found)
    return is_one and all(isinstance(option, Instance) or option == NONE for option in found)
