"""Where a function makes its thread wait: what blocks there, or is reached by plain calls."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.finding import TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.alternatives import is_one_of_several
from perfaudit.program.conditions import ends_in_error, hangs_on_settings, is_first_use
from perfaudit.program.databases import are_in_files
from perfaudit.program.exposure import BY_HAND, Exposure
from perfaudit.program.file_databases import is_row_of_file
from perfaudit.program.handles import is_used_elsewhere
from perfaudit.program.nodes import FunctionNode, is_handler
from perfaudit.program.occasions import begins_or_ends
from perfaudit.program.opt_ins import hangs_on_begun, hangs_on_option
from perfaudit.program.own_loops import is_main
from perfaudit.program.program import BLOCKING_KINDS, Program
from perfaudit.program.proved_kinds import sureness_of_way
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site
from perfaudit.program.switches import is_switched_off

SHORT = frozenset({"in-process", "if-begun", "small-work"})
"""Flags of calls that are done soon as a rule: they work on a database in a file, on one thing of
usual size, or do nothing where nothing was done before."""
UNTIL_END = "until-end"
"""The flag of calls that wait for the end of something, which has only one."""
ENDS = "ends"
"""The flag of calls that have something end."""
WAITING = frozenset({"network", "database"})
"""Kinds of blocking that wait for others."""
FILE_KINDS = frozenset({"file", "stat"})
ALONE = dict.fromkeys(BY_HAND, Severity.LOW)
"""Where nobody else waits for the loop, a blocked loop matters little."""


class Blocking(Struct, frozen=True):
    """A place of a function that blocks its thread.

    ``kind`` is one of ``BLOCKING_KINDS``. ``sink`` is the site that blocks: the place itself, or
    what it reaches; ``steps`` lead from the place to it.
    """

    place: Site | Edge
    kind: str
    sink: Site
    steps: tuple[TraceStep, ...]
    confidence: Confidence

    def less_sure(self) -> "Blocking":
        """Return the same with medium confidence at most."""
        return replace(self, confidence=weakest(self.confidence, Confidence.MEDIUM))

    @property
    def through(self) -> str:
        """Return how the place leads to what blocks, or nothing where it is the same."""
        if isinstance(self.place, Site):
            return ""
        return f", through {self.sink.name} in {self.sink.function.facts.qualname}"

    @property
    def sink_name(self) -> str:
        """Return how messages name what blocks."""
        sink = self.sink
        return sink.name if sink.kind == "call" else f"{sink.kind} of {sink.name}"


def places_of(program: Program, function: FunctionNode) -> Iterator[Site | Edge]:
    """Yield what a function costs and runs: its sites, then its edges."""
    yield from program.sites_of(function)
    yield from program.edges_from(function)


def blocking_at(
    program: Program, function: FunctionNode, place: Site | Edge, kinds: Iterable[str]
) -> Blocking | None:
    """Return how a place blocks its thread, by the first kind that it has, or None.

    Of waiting for others, which is dear in any form, the surest is told.
    """
    first = None
    for kind in kinds:
        if first is not None and kind not in WAITING:
            break
        found = _blocking_by(program, function, place, kind)
        if found is not None and found.confidence is Confidence.HIGH:
            return found
        first = first or found
    return first


def _blocking_by(
    program: Program, function: FunctionNode, place: Site | Edge, kind: str
) -> Blocking | None:
    """Return how a place blocks its thread by one kind, or None."""
    if kind in FILE_KINDS and is_handler(function, place.context):
        # A file that is put away after an error does not belong to each request.
        return None
    if isinstance(place, Site):
        is_meant = not BLOCKING_KINDS[kind].isdisjoint(place.effects) and _blocks(program, place)
        if not is_meant or (kind == "file" and is_used_elsewhere(program, place)):
            return None
        sure = weakest(
            place.confidence,
            _usually(program, function, place),
            _for_long(program, place),
            _meant(program, [place], kind),
        )
        return Blocking(place, kind, place, (site_step(place),), sure)
    reached = program.blocking_reach[kind]
    if not runs_here(program, place) or place.callee not in reached:
        return None
    found = _reached(program, place, kind)
    if is_switched_off(program, place, reached):
        return None
    is_given = _gives_result_of(place, found.sink) and _is_entered_by_loop(function, place)
    return None if is_given else found


def blocking_places(
    program: Program, function: FunctionNode, kinds: Iterable[str]
) -> Iterator[Blocking]:
    """Yield the places of a function that block its thread, each once."""
    seen: set[tuple[int, int]] = set()
    for place in places_of(program, function):
        key = (place.location.line, place.location.column)
        if key in seen:
            continue
        found = blocking_at(program, function, place, kinds)
        if found is not None:
            seen.add(key)
            yield found


def _usually(program: Program, function: FunctionNode, place: Site | Edge) -> Confidence:
    """Return how sure a place runs: not only once, after an error, or where settings say so."""
    rarely = (
        is_handler(function, place.context)
        or is_first_use(function, place.context, place.sequence)
        or hangs_on_settings(function, place.context, place.sequence)
        or ends_in_error(function, place.context, place.sequence)
        or (begins_or_ends(function) and not program.is_entry(function))
    )
    return Confidence.MEDIUM if rarely else Confidence.HIGH


def _meant(program: Program, way: Sequence[Site | Edge], kind: str) -> Confidence:
    """Return how sure the places of a way run what they are taken to, and not only once."""
    reached = program.blocking_reach[kind]
    doubtful = any(
        is_one_of_several(program, place, reached)
        or hangs_on_option(program, place)
        or hangs_on_begun(program, place)
        or (isinstance(place, Edge) and begins_or_ends(place.callee))
        for place in way
    )
    return Confidence.MEDIUM if doubtful else Confidence.HIGH


def _for_long(program: Program, site: Site) -> Confidence:
    """Return how sure what blocks is felt."""
    is_short = (
        not SHORT.isdisjoint(site.behaviour.flags)
        or _is_told_to_end(program, site)
        or (not BLOCKING_KINDS["database"].isdisjoint(site.effects) and program.once(are_in_files))
        or is_row_of_file(program, site)
    )
    return Confidence.MEDIUM if is_short else Confidence.HIGH


def _is_told_to_end(program: Program, site: Site) -> bool:
    """Return whether a call waits for the end of what has been told to end."""
    if UNTIL_END not in site.behaviour.flags or site.call is None:
        return False
    function = site.function
    return any(
        call.sequence < site.sequence
        and _receiver(call) == _receiver(site.call)
        and program.types.call(function, index).has_flag(ENDS)
        for index, call in enumerate(function.facts.calls)
    )


def _blocks(program: Program, site: Site) -> bool:
    return (
        site.blocking
        and site.relation is None
        # What is awaited is not the plain call that it seems to be.
        and not (site.call is not None and site.call.awaited)
        and not _is_entered_by_loop(site.function, site)
        and not _has_ended(program, site)
    )


def _has_ended(program: Program, site: Site) -> bool:
    """Return whether a call before has waited already for the end that a call waits for."""
    if UNTIL_END not in site.behaviour.flags or site.call is None:
        return False
    chain = (-1, *site.function.context_chain(site.context))
    return any(
        UNTIL_END in other.behaviour.flags
        and other.sequence < site.sequence
        and other.context in chain
        and other.call is not None
        and _receiver(other.call) == _receiver(site.call)
        for other in program.sites_of(site.function)
    )


def _receiver(call: t.Call) -> t.Expr | None:
    return call.callee.base if isinstance(call.callee, t.Attr) else None


def _is_entered_by_loop(function: FunctionNode, place: Site | Edge) -> bool:
    """Return whether ``async with`` enters what a call gives, or ``async for`` walks it.

    What a blocking call of a library gives cannot be used so: it is not what it seems to be.
    """
    return place.call is not None and any(
        context.kind.startswith("async ") and context.subject == place.value
        for context in function.facts.contexts
    )


def _gives_result_of(edge: Edge, sink: Site) -> bool:
    """Return whether a function gives its caller what a call of its own gives."""
    return sink.function is edge.callee and any(
        item.value == sink.value for item in edge.callee.facts.results
    )


def _reached(program: Program, edge: Edge, kind: str) -> Blocking:
    reached = program.blocking_reach[kind]
    sink = reached.site(edge.callee)
    step = reached.step(edge.callee)
    if sink is None or step is None:
        raise ValueError("a function that reaches a site has a chain to it")
    verb = "steps" if edge.is_step else "calls"
    called = TraceStep(
        edge.location, f"{edge.caller.facts.qualname} {verb} {edge.callee.facts.qualname}"
    )
    sure = weakest(
        edge.confidence,
        sureness_of_way(program, edge, reached),
        _usually(program, edge.caller, edge),
        _for_long(program, sink),
        _meant(program, reached.way(edge), kind),
    )
    return Blocking(edge, kind, sink, (called, *reached.trace(edge.callee)), sure)


def runs_here(program: Program, edge: Edge) -> bool:
    """Return whether an edge runs a plain function on the thread that it stands on."""
    return (
        edge.how == "call"
        and not edge.callee.is_async
        and not program.is_kept(edge)
        and edge.via != "exit"
        and not _gives_twin(edge)
    )


def _gives_twin(edge: Edge) -> bool:
    """Return whether what a decorated plain function gives is awaited: its body does not run."""
    if edge.call is None or not edge.callee.facts.decorators:
        return False
    if edge.call.awaited:
        return True
    facts = edge.caller.facts
    held = {
        bind.target
        for bind in facts.binds
        if bind.value == edge.value and isinstance(bind.target, t.Name)
    }
    if not held:
        return False
    values = [item.value for item in facts.results if item.value is not None]
    values += [bind.value for bind in facts.binds if bind.value is not None]
    awaited = {
        part.value
        for value in values
        for part in expressions.parts(edge.caller, value)
        if isinstance(part, t.Await)
    }
    return bool(held & awaited)


def severity_on_loop(
    program: Program, function: FunctionNode, exposure: Exposure
) -> Severity | None:
    """Return LOW where nobody else waits for the loop, or None for what the rule says."""
    if is_main(program, function):
        return Severity.LOW
    if exposure.entry is not None and exposure.entry in program.once(_jobs_of_processes):
        return Severity.LOW
    return ALONE.get(exposure.kind)


def is_one_message(program: Program, function: FunctionNode, blocked: Blocking) -> bool:
    """Return whether a place hands one message to a broker: short, as long as the broker is up."""
    if set(blocked.sink.effects) != {"queue.send"}:
        return False
    if function.loops(blocked.place.context):
        return False
    if isinstance(blocked.place, Site):
        return True
    steps = program.blocking_reach[blocked.kind].chain(blocked.place.callee)
    return not any(
        step.edge.caller.loops(step.edge.context)
        if step.edge is not None
        else step.site is None or step.site.function.loops(step.site.context)
        for step in steps
    )


def _jobs_of_processes(program: Program) -> frozenset[FunctionNode]:
    """Return the jobs that a worker runs one at a time, each on a loop of its own."""
    return frozenset(
        endpoint.handler for endpoint in program.endpoints if endpoint.dispatch == "process"
    )
