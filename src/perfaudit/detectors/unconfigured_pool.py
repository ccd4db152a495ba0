"""Find pools and engines of servers that are made with none of the settings that bound them."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Role, Severity
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.libraries.types import Pool
from perfaudit.program import expressions
from perfaudit.program.addresses import beginnings, server_words
from perfaudit.program.arguments import Given, given_arguments
from perfaudit.program.called import library_calls
from perfaudit.program.calls import Target
from perfaudit.program.lifetimes import (
    Repetitions,
    is_kept,
    is_returned,
    names_of,
    rebuilt,
    repetitions,
)
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.values import Instance, LibraryInstance, options_of

BOUNDED_KINDS = frozenset({"pool", "engine"})
KEEPING = frozenset({"configure", "bind", "init_app", "append", "add", "set", "update"})
"""Names of methods that put what they are given where it stays."""
MANY = 3
"""So many missing settings are named in the message."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each constructor of a server's pool, and a match for each that is given no bounds."""
    repeated = program.once(repetitions)
    libraries = program.libraries
    for called in library_calls(program).of_names(lambda name: libraries.pool(name) is not None):
        function, index, call = called.function, called.index, called.call
        if function.role is not Role.PRODUCTION or _is_migration_environment(program, function):
            continue
        for target in program.types.call(function, index).targets:
            pool = _pool_of(program, target)
            if pool is not None:
                if not _is_rebuilt(program, repeated, function, call):
                    yield from _judge(program, function, index, call, pool, target.name)
                break


def _is_migration_environment(program: Program, function: FunctionNode) -> bool:
    if not function.file.path.endswith("env.py"):
        return False
    imported = {item.module.partition(".")[0] for item in function.file.body.facts.imports}
    return not program.libraries.provides("migrations").isdisjoint(imported)


def _pool_of(program: Program, target: Target) -> Pool | None:
    path = target.name
    if target.behaviour is not None:
        path = target.behaviour.path
    elif target.function is not None:
        return None
    found = program.libraries.pool(path)
    if found is None and isinstance(target.receiver, Instance):
        bases = program.types.classes.library_bases(target.receiver.node)
        pools = [program.libraries.pool(base) for base in bases]
        found = next((pool for pool in pools if pool is not None), None)
    return found if found is not None and found.kind in BOUNDED_KINDS else None


def _is_rebuilt(
    program: Program, repeated: Repetitions, function: FunctionNode, call: t.Call
) -> bool:
    """Return whether the pool is made again and again: its size is then no matter."""
    return any(
        rebuilt(program, repeated, site) is not None
        for site in program.sites_of(function)
        if site.call is call
    )


def _judge(
    program: Program, function: FunctionNode, index: int, call: t.Call, pool: Pool, name: str
) -> Iterator[Match | Opportunity]:
    exposure = program.exposure_of(function)
    if exposure.kind in ("command", "script") or _is_short_lived(function, index):
        return
    if not _outlives(program, function, index, pool):
        return
    address = _address(program, function, call, pool)
    if _is_quiet_address(pool, address) or _chose_quiet_address(function, call, pool):
        return
    place = function.place(call)
    yield Opportunity(place, exposure.kind)
    given = given_arguments(program, function, call)
    if not given.is_complete or _is_configured(call, pool, given):
        return
    wanted = [setting.keyword for setting in pool.settings]
    steps = [site_step(site) for site in program.sites_of(function) if site.call is call]
    yield Match(
        place,
        {
            "call": name,
            "missing": _listed(wanted[:MANY]),
            "advice": pool.advice,
            "function": function.facts.qualname,
        },
        trace=(*exposure.chain, *steps[:1]),
        confidence=_confidence(program, pool, address),
        # A pool that only has a size makes nobody wait: its default is too large, not too small.
        severity=Severity.MEDIUM if len(pool.settings) == 1 else None,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=f"Pass {pool.advice} and choose the numbers for your server.",
    )


def _confidence(program: Program, pool: Pool, address: str) -> Confidence:
    """Return medium where nothing shows that the address is a server's."""
    if "://" in address or not pool.quiet_urls:
        return Confidence.HIGH
    servers = server_words(program.libraries)
    if address.startswith(servers):
        return Confidence.HIGH
    texts = [
        text
        for file in program.files
        if file.role is Role.PRODUCTION
        for function in file.functions
        for text in _texts(function)
    ]
    if any(word in text for text in texts for word in pool.quiet_urls):
        return Confidence.MEDIUM
    return Confidence.HIGH if any(text.startswith(servers) for text in texts) else Confidence.MEDIUM


def _texts(function: FunctionNode) -> Iterator[str]:
    """Yield the texts of a function where an address may stand, and the modules it imports."""
    facts = function.facts
    yield from (item.module for item in facts.imports)
    values = [bind.value for bind in facts.binds]
    values += [context.subject for context in facts.contexts if context.kind in ("if", "else")]
    for call in facts.calls:
        values += call.given
    for value in values:
        for part in (value, getattr(value, "left", None)):
            if isinstance(part, t.Const) and isinstance(part.value, str):
                yield part.value
            elif isinstance(part, t.Text) and isinstance(part.parts[0], str):
                yield part.parts[0]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _is_configured(call: t.Call, pool: Pool, given: Given) -> bool:
    keywords = given.keywords.keys()
    if any(word in keywords for word in pool.quiet_with):
        return True
    return any(
        setting.keyword in keywords
        or (setting.position is not None and setting.position < len(call.arguments))
        for setting in pool.settings
    )


def _is_short_lived(function: FunctionNode, index: int) -> bool:
    """Return whether the function that makes the pool also disposes of it, or runs as a script."""
    contexts = function.facts.contexts
    call = function.facts.calls[index]
    if any(_is_main_guard(contexts[step]) for step in function.context_chain(call.context)):
        return True
    if function.facts.is_generator:
        return False
    names = names_of(function, t.CallRef(index))
    return any(
        isinstance(other.callee, t.Attr)
        and other.callee.name in ("dispose", "close", "aclose", "terminate", "disconnect")
        and isinstance(other.callee.base, t.Name)
        and other.callee.base.id in names
        for other in function.facts.calls
    )


def _outlives(program: Program, function: FunctionNode, index: int, pool: Pool) -> bool:
    """Return whether the pool, or something made of it, leaves the function that makes it."""
    if function.kind != "function" or function.facts.is_generator:
        return True
    made = t.CallRef(index)
    if is_kept(program, function, made) or is_returned(function, made):
        return True
    if _is_part_of_call(function, made):
        return True
    names = names_of(function, made)
    return any(
        _takes(call, names) and _may_hold(program, function, number, pool)
        for number, call in enumerate(function.facts.calls)
    )


def _is_part_of_call(function: FunctionNode, made: t.CallRef) -> bool:
    return any(made in call.given for call in function.facts.calls)


def _takes(call: t.Call, names: set[str]) -> bool:
    given = call.given
    return any(isinstance(value, t.Name) and value.id in names for value in given)


def _may_hold(program: Program, function: FunctionNode, index: int, pool: Pool) -> bool:
    """Return whether a call, or what it gives, may hold the pool that it is given."""
    call = function.facts.calls[index]
    resolved = program.types.call(function, index)
    if call.discarded:
        name = call.callee.name if isinstance(call.callee, t.Attr) else ""
        callees = [target.function for target in resolved.targets if target.function is not None]
        return name in KEEPING or any(_stores_a_parameter(callee) for callee in callees)
    for option in options_of(resolved.result):
        if not isinstance(option, LibraryInstance):
            return True
        described = program.libraries.type(option.path)
        if described is None or described.file == pool.file:
            return True
    return False


def _stores_a_parameter(callee: FunctionNode) -> bool:
    """Return whether a function puts what it is given where it stays."""
    if callee.name == "__init__":
        return True
    return any(
        isinstance(bind.value, t.Name)
        and bind.value.id in callee.params
        and (
            isinstance(bind.target, t.Attr | t.Item)
            or (isinstance(bind.target, t.Name) and bind.target.id in callee.facts.outer_names)
        )
        for bind in callee.facts.binds
    )


def _is_main_guard(context: t.Context) -> bool:
    return isinstance(context.subject, t.Compare) and context.subject.left == t.Name("__name__")


def _chose_quiet_address(function: FunctionNode, call: t.Call, pool: Pool) -> bool:
    """Return whether the call stands in the branch for an address that needs no pool."""
    contexts = function.facts.contexts
    for step in function.context_chain(call.context):
        test = contexts[step].subject
        if contexts[step].kind not in ("if", "match") or test is None or isinstance(test, t.Not):
            continue
        if isinstance(test, t.Compare) and test.operator in ("NotIn", "NotEq", "IsNot"):
            continue
        for part in expressions.parts(function, test):
            spelled = part.value if isinstance(part, t.Const) else getattr(part, "name", "")
            if isinstance(spelled, str) and any(word in spelled for word in pool.quiet_urls):
                return True
    return False


def _is_quiet_address(pool: Pool, address: str) -> bool:
    return bool(address) and any(address.startswith(word) for word in pool.quiet_urls)


def _address(program: Program, function: FunctionNode, call: t.Call, pool: Pool) -> str:
    """Return how the address or its default begins, or an empty text where that is not known."""
    given = expressions.argument(call, pool.url)
    if given is None:
        return ""
    texts = [text for text in beginnings(program.types, function, given) if text]
    quiet = [text for text in texts if _is_quiet_address(pool, text)]
    return (quiet or texts or [""])[0]
