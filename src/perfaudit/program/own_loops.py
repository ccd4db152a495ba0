"""Event loops that are begun for one coroutine, or made for a thread: nobody else waits there."""

from perfaudit.facts import types as t
from perfaudit.program.arguments import passed_to
from perfaudit.program.names import meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.opt_ins import hangs_on_option
from perfaudit.program.program import Program
from perfaudit.program.result_roots import arguments_of
from perfaudit.program.sites import Edge

MAX_AWAITS = 5
"""How many awaits may lie between the coroutine that a loop is begun for and another one."""
LOOP_STARTERS = frozenset({"runs-event-loop", "nested-loop"})
"""Flags of calls that run a coroutine on an event loop of their own and wait for it."""
GIVEN_LOOP, MAKES_LOOP = "given-loop", "makes-loop"
"""Flags of a call that runs a coroutine on the loop it is given, and of one that makes a loop."""
MAX_STEPS = 3
"""How many names are followed to where a loop comes from."""
BY_WORKER = "worker"
"""How a job is run that is sent to a worker, which begins a loop for one that is a coroutine."""


def is_main(program: Program, function: FunctionNode, steps: int = MAX_AWAITS) -> bool:
    """Return whether a coroutine only ever runs on a loop that is begun for it, or made for such.

    Or is awaited there. Then nothing else waits for that loop but what is started there.
    """
    edges = program.edges_to(function)
    return bool(edges) and all(
        edge.how == BY_WORKER
        or _begins_loop(program, edge)
        or (
            steps > 0
            and edge.how == "call"
            and edge.caller.is_async
            and is_main(program, edge.caller, steps - 1)
        )
        for edge in edges
    )


def is_in_job(program: Program, function: FunctionNode) -> bool:
    """Return whether a coroutine is seen to run in jobs of a worker, and nowhere else for sure.

    Where it runs behind an option that is off by default, or is awaited by what nobody is seen to
    run, it is not sure that it ever runs on a loop that serves others.
    """
    seen, layer = {function}, [function]
    is_sent = False
    for _ in range(MAX_AWAITS):
        if any(_may_be_served(program, each) for each in layer):
            return False
        above: list[FunctionNode] = []
        for edge in (edge for each in layer for edge in program.edges_to(each)):
            if edge.how == BY_WORKER:
                is_sent = True
            elif hangs_on_option(program, edge) or _begins_loop(program, edge):
                continue
            elif edge.how != "call" or not edge.caller.is_async:
                return False
            elif edge.caller not in seen:
                seen.add(edge.caller)
                above.append(edge.caller)
        layer = above
    return is_sent and not layer


def _may_be_served(program: Program, function: FunctionNode) -> bool:
    """Return whether an entry point enters a function, or its decorator may make it one."""
    is_left_to_decorator = bool(function.facts.decorators) and not program.edges_to(function)
    return program.is_entry(function) or is_left_to_decorator


def _begins_loop(program: Program, edge: Edge) -> bool:
    """Return whether what an edge gives is what a new loop is begun for, here or by a function."""
    caller = edge.caller
    for index, call in enumerate(caller.facts.calls):
        given = [value for _, value in arguments_of(call)]
        if edge.call is call or edge.value in given:
            if starts_loop(program, caller, index) or _has_own_loop(program, caller, index):
                return True
        if edge.value in given and any(
            outer.call is call and _begins_loop_for(program, outer, edge.value)
            for outer in program.edges_from(caller)
        ):
            return True
    return False


def _has_own_loop(program: Program, function: FunctionNode, index: int) -> bool:
    """Return whether a call has a coroutine run on a loop that the program has made for itself."""
    call = function.facts.calls[index]
    if not program.types.call(function, index).has_flag(GIVEN_LOOP) or len(call.arguments) < 2:
        return False
    return _is_made_loop(program, function, call.arguments[1], (call.sequence, call.context))


def _is_made_loop(
    program: Program,
    function: FunctionNode,
    value: t.Expr,
    at: tuple[int, int],
    steps: int = MAX_STEPS,
) -> bool:
    """Return whether all that an expression may be, but nothing, is a loop made by a call."""
    match value:
        case t.CallRef(index=index):
            return program.types.call(function, index).has_flag(MAKES_LOOP)
        case t.Name(id=name):
            found = [(scope, bind) for scope, bind in meanings(function, name, at) if steps]
        case t.Attr(base=t.Name(id=name), name=attribute) if function.owner is not None:
            is_own = bool(function.facts.params) and function.facts.params[0].name == name
            found = list(function.owner.stores.get(attribute, ())) if is_own and steps else []
        case _:
            return False
    values = [
        (scope, bind)
        for scope, bind in found
        if not (isinstance(bind, t.Bind) and isinstance(bind.value, t.Const))
    ]
    return bool(values) and all(
        isinstance(bind, t.Bind)
        and bind.value is not None
        and _is_made_loop(program, scope, bind.value, (bind.sequence, bind.context), steps - 1)
        for scope, bind in values
    )


def _begins_loop_for(program: Program, edge: Edge, given: t.Expr) -> bool:
    """Return whether a function begins a loop for what a call gives it as a parameter."""
    if edge.call is None:
        return False
    names = {
        t.Name(param.name)
        for param in edge.callee.facts.params
        if passed_to(program, edge.callee, param, edge.call) == given
    }
    return any(
        not names.isdisjoint(call.arguments) and starts_loop(program, edge.callee, index)
        for index, call in enumerate(edge.callee.facts.calls)
    )


def starts_loop(program: Program, function: FunctionNode, index: int) -> bool:
    """Return whether a call of a function runs an event loop of its own until it is done."""
    return program.types.call(function, index).has_flag(*LOOP_STARTERS)
