"""Find tasks that nobody keeps: the event loop itself holds them only weakly."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.facts import types as t
from perfaudit.program.expressions import parts, spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.reach import site_step
from perfaudit.program.sites import Edge, Site

FLAG = "weakly-held"
KEEPING_FLAGS = frozenset({"runs-event-loop", "all-tasks"})
"""What runs the loop on this thread until its end, or asks for the tasks that are not done."""
GATHERED = "gathers"
FUNCTIONS = frozenset({"function", "lambda"})


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each task that is started, and a match for each that nothing keeps."""
    for function in program.costly:
        if function.kind not in FUNCTIONS:
            continue
        for site in program.sites_of(function):
            if FLAG in site.behaviour.flags and site.call is not None:
                yield Opportunity(site.location, program.exposure_of(function).kind)
                yield from _judge(program, function, site, site.call)


def _judge(
    program: Program, function: FunctionNode, site: Site, call: t.Call
) -> Iterator[Match | Opportunity]:
    if _is_gathered(program, function, call):
        return
    index = function.facts.calls.index(call)
    if _gives_back(function, index):
        yield from _callers(program, function, site)
        return
    confidence = _loss(program, function, call, index)
    if confidence is not None and not _is_waited_for(program, function, call):
        yield _match(program, site, weakest(confidence, site.confidence))


def _is_gathered(program: Program, function: FunctionNode, call: t.Call) -> bool:
    """Return whether what is started was already running: ``ensure_future(gather(...))``."""
    given = call.arguments[0] if call.arguments else None
    if not isinstance(given, t.CallRef):
        return False
    return GATHERED in _flags(program, function, given.index)


def _flags(program: Program, function: FunctionNode, index: int) -> frozenset[str]:
    targets = program.types.call(function, index).targets
    return frozenset(
        flag for target in targets if target.behaviour for flag in target.behaviour.flags
    )


def _loss(program: Program, function: FunctionNode, call: t.Call, index: int) -> Confidence | None:
    """Return how surely nothing keeps the result of a call; None where something may."""
    if call.discarded:
        return None if call.awaited else Confidence.HIGH
    made = t.CallRef(index)
    for other in function.facts.calls:
        callee = other.callee
        if isinstance(callee, t.Attr) and callee.base == made:
            # What is done with the task itself, such as a callback, keeps no reference to it.
            return Confidence.LOW if other.discarded and not other.awaited else None
    bound = [bind for bind in function.facts.binds if bind.value == made]
    if len(bound) != 1 or not isinstance(bound[0].target, t.Name):
        return None
    name = bound[0].target.id
    if name in function.facts.outer_names or _lives_on(function, call):
        return None
    return _use(function, name)


def _lives_on(function: FunctionNode, call: t.Call) -> bool:
    """Return whether the function waits after a call, and so keeps its names that long.

    In a loop the next turn takes the name away.
    """
    if function.loops(call.context):
        return False
    facts = function.facts
    waits = [other.sequence for other in facts.calls if other.awaited]
    waits += [item.sequence for item in facts.contexts if item.kind.startswith("async ")]
    waits += [item.sequence for item in facts.results if item.kind != "return"]
    waits += [read.sequence for read in facts.reads if isinstance(read.value, t.Await)]
    waits += [bind.sequence for bind in facts.binds if isinstance(bind.value, t.Await)]
    return any(sequence > call.sequence for sequence in waits)


def _use(function: FunctionNode, name: str) -> Confidence | None:
    """Return how surely a name that holds a task is not read; None where it is."""
    wanted = t.Name(name)
    asked = False
    for call in function.facts.calls:
        if isinstance(call.callee, t.Attr) and call.callee.base == wanted and call.discarded:
            asked = True
        elif any(wanted in parts(function, value) for value in _inputs(call)):
            return None
    if any(wanted in parts(function, value) for value in _others(function)):
        return None
    if any(_reads(inner, wanted) for inner in _inside(function)):
        return None
    return Confidence.LOW if asked else Confidence.MEDIUM


def _inputs(call: t.Call) -> Iterator[t.Expr]:
    yield call.callee
    yield from call.given


def _others(function: FunctionNode) -> Iterator[t.Expr]:
    """Yield the expressions of a function that are not calls."""
    facts = function.facts
    for bind in facts.binds:
        if bind.value is not None and not isinstance(bind.value, t.CallRef):
            yield bind.value
        if not isinstance(bind.target, t.Name):
            yield bind.target
    yield from (read.value for read in facts.reads)
    for item in facts.results:
        if item.value is not None and not isinstance(item.value, t.CallRef):
            yield item.value
    for context in facts.contexts:
        if context.subject is not None and not isinstance(context.subject, t.CallRef):
            yield context.subject


def _inside(function: FunctionNode) -> Iterator[FunctionNode]:
    """Yield the functions that are defined in a function, at any depth."""
    for other in function.file.functions[function.index + 1 :]:
        scope = other.parent
        while scope is not None and scope is not function:
            scope = scope.parent
        if scope is function:
            yield other


def _reads(function: FunctionNode, name: t.Name) -> bool:
    values = [value for call in function.facts.calls for value in _inputs(call)]
    values += _others(function)
    return any(name in parts(function, value) for value in values)


def _is_waited_for(program: Program, function: FunctionNode, call: t.Call) -> bool:
    """Return whether the function runs the loop itself, or waits for all that is not done."""
    return any(
        not KEEPING_FLAGS.isdisjoint(_flags(program, function, index))
        for index, other in enumerate(function.facts.calls)
        if other.sequence > call.sequence
    )


def _gives_back(function: FunctionNode, index: int) -> bool:
    """Return whether the function gives the task that it starts to its caller."""
    made: set[t.Expr] = {t.CallRef(index)}
    made |= {bind.target for bind in function.facts.binds if bind.value == t.CallRef(index)}
    return any(item.value in made for item in function.facts.results if item.kind == "return")


def _callers(program: Program, wrapper: FunctionNode, site: Site) -> Iterator[Match | Opportunity]:
    """Yield the calls of a function that starts a task, and those that drop what it gives."""
    if wrapper.kind == "lambda" or wrapper.facts.decorators or _is_kept(wrapper, site):
        return
    for edge in program.edges_to(wrapper):
        call = edge.call
        if call is None or edge.via != "call" or edge.how != "call":
            continue
        yield Opportunity(edge.location, program.exposure_of(edge.caller).kind)
        if call.discarded and call.awaited == wrapper.is_async:
            if not _is_waited_for(program, edge.caller, call):
                confidence = weakest(edge.confidence, site.confidence, Confidence.MEDIUM)
                yield _match_of_caller(program, edge, call, site, confidence)


def _is_kept(wrapper: FunctionNode, site: Site) -> bool:
    """Return whether a function keeps the task that it also returns: it does more with it."""
    facts = wrapper.facts
    names = {
        bind.target.id
        for bind in facts.binds
        if site.call is not None
        and bind.value == t.CallRef(facts.calls.index(site.call))
        and isinstance(bind.target, t.Name)
    }
    for call in facts.calls:
        receiver = call.callee.base if isinstance(call.callee, t.Attr) else None
        asks = isinstance(receiver, t.Name) and receiver.id in names
        inputs = call.given if asks else (call.callee, *call.given)
        if any(isinstance(part, t.Name) and part.id in names for part in inputs):
            return True
    stored = [bind for bind in facts.binds if not isinstance(bind.target, t.Name)]
    return bool(stored) or any(
        _reads(inner, t.Name(name)) for name in names for inner in _inside(wrapper)
    )


def _match(program: Program, site: Site, confidence: Confidence) -> Match:
    function = site.function
    call = site.call
    given = call.arguments[0] if call is not None and call.arguments else site.value
    exposure = program.exposure_at(site)
    return Match(
        site.location,
        {
            "call": spelled(function, site.value),
            "task": spelled(function, given),
            "function": function.facts.qualname,
        },
        trace=(*exposure.chain, site_step(site)),
        confidence=confidence,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )


def _match_of_caller(
    program: Program, edge: Edge, call: t.Call, site: Site, confidence: Confidence
) -> Match:
    caller = edge.caller
    exposure = program.exposure_at(edge)
    given = call.arguments[0] if call.arguments else edge.value
    step = f"{caller.facts.qualname} drops the task that {edge.callee.facts.qualname} starts"
    return Match(
        edge.location,
        {
            "call": spelled(caller, edge.value),
            "task": spelled(caller, given),
            "function": caller.facts.qualname,
        },
        trace=(*exposure.chain, TraceStep(edge.location, step), site_step(site)),
        confidence=confidence,
        function=caller.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=caller.role,
    )
