"""Find connections to a database that are opened anew where a pool could give one."""

from collections.abc import Iterator

from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Role
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.lifetimes import (
    depends_on_parameters,
    match_of,
    names_of,
    rebuilt,
    repetitions,
)
from perfaudit.program.members import awaited
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.values import LibraryInstance, options_of

IN_PROCESS = "in-process"
"""The flag of a database that is a file or memory: opening it asks no server."""
LISTENING = frozenset(
    {"add_listener", "add_notification_handler", "notifies", "add_termination_listener"}
)
"""Methods that need a connection of their own."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each place that connects to a server, and a match for each that does so repeatedly."""
    repeated = program.once(repetitions)
    for site in program.sites():
        if not _connects(program, site) or site.function.role is not Role.PRODUCTION:
            continue
        exposure = program.exposure_of(site.function)
        yield Opportunity(site.location, exposure.kind)
        found = rebuilt(program, repeated, site)
        if found is not None and not _needs_its_own(site):
            yield match_of(program, site, found, _sureness(site))


def _connects(program: Program, site: Site) -> bool:
    """Return whether a site gives a new connection to a server."""
    if (
        "db.connect" not in site.effects
        or site.kind != "call"
        or not isinstance(site.value, t.CallRef)
    ):
        return False
    if IN_PROCESS in site.behaviour.flags:
        return False
    made = program.types.call(site.function, site.value.index).result
    return any(
        isinstance(option, LibraryInstance) and not option.path.startswith("builtins.")
        for option in options_of(awaited(program.types, made, lenient=True))
    )


def _needs_its_own(site: Site) -> bool:
    """Return whether the connection listens, or belongs to a loop without end."""
    function = site.function
    names = names_of(function, site.value)
    for call in function.facts.calls:
        callee = call.callee
        if (
            isinstance(callee, t.Attr)
            and callee.name in LISTENING
            and isinstance(callee.base, t.Name)
            and callee.base.id in names
        ):
            return True
    contexts = function.facts.contexts
    return any(
        context.kind == "while"
        and isinstance(context.subject, t.Const)
        and context.subject.value is True
        for context in contexts
    )


def _sureness(site: Site) -> Confidence:
    """Return low where the arguments say where to connect: no single pool could serve that."""
    call = site.call
    given = call.given if call is not None else ()
    is_chosen = depends_on_parameters(site.function, given)
    return Confidence.LOW if is_chosen else Confidence.HIGH
