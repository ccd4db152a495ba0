"""What a branch hangs on: nothing, the data of the call, or the state of the process."""

from collections.abc import Iterator, Sequence
from enum import IntEnum

from perfaudit.facts import types as t
from perfaudit.program.expressions import conjuncts
from perfaudit.program.loops import fills_gap, fills_object
from perfaudit.program.nodes import LOOP_KINDS, FunctionNode, is_handler, remembered
from perfaudit.program.questions import (
    HASATTR,
    asks_for_class,
    asks_for_entry,
    asks_for_kind,
    asks_whether_new,
    finds_missing,
    is_module_name,
    is_off_by_default,
    is_one_of_kinds,
    is_state,
)

BRANCHES = frozenset({"if", "else", "and", "or", "match", "except"})
LEAVING = frozenset({"raise", "return"})
"""Kinds of jumps that leave a function."""
MAX_BRANCHES = 2
"""A chain with more branches is taken by few of those who enter it."""
FILE_TESTS = frozenset({"exists", "isfile", "isdir", "is_file", "is_dir"})
OS_PATH = t.Attr(t.Name("os"), "path")


class Standing(IntEnum):
    """How surely a place runs when its function does.

    ALWAYS; REST: where earlier clauses, for special cases as a rule, have not left; on DATA that
    the function is called with; on STATE: settings, and halves of an object that were given, or
    not, when it was made; the class of what is given, too. Requests are of all kinds, so what hangs
    on data runs for some of them. What hangs on state may run for none.
    """

    ALWAYS = 0
    REST = 1
    DATA = 2
    STATE = 3


@remembered
def standing(function: FunctionNode, context: int, sequence: int) -> Standing:
    """Return what a place of a function hangs on: its blocks, and the guards that leave before."""
    return standing_where(function, context, sequence, ())


def standing_where(
    function: FunctionNode, context: int, sequence: int, passed: Sequence[t.Expr]
) -> Standing:
    """Return what a place hangs on where some tests of kinds are passed for sure."""
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    found = Standing.ALWAYS
    for step in chain:
        here = contexts[step]
        if here.kind not in BRANCHES:
            continue
        # A pattern asks for a class, as ``isinstance`` does.
        if here.kind == "except" or (here.kind == "match" and here.target is not None):
            return Standing.STATE
        found = max(found, Standing.DATA)
        if here.subject is None:
            continue
        if is_state(function, here.subject, here.sequence):
            return Standing.STATE
        if here.kind in ("if", "and") and (
            any(
                asks_for_kind(function, part)
                for part in conjuncts(here.subject)
                if part not in passed
            )
            or is_off_by_default(function, here.subject)
            or asks_whether_new(function, here.subject)
            or is_one_of_kinds(function, here)
        ):
            return Standing.STATE
        if _tries_again(function, step):
            return Standing.STATE
        if finds_missing(function, here.subject, holds=here.kind in ("if", "and")):
            return Standing.STATE
    if is_first_use(function, context, sequence) or ends_in_error(function, context, sequence):
        return Standing.STATE
    for guard, exit_ in _left_before(function, chain, sequence):
        if guard.subject and is_state(function, guard.subject, guard.sequence):
            return Standing.STATE
        if exit_.kind == "return":
            if guard.subject and finds_missing(
                function, guard.subject, holds=False, asks=frozenset({HASATTR})
            ):
                return Standing.STATE
            found = max(found, Standing.REST)
    return found


def branches_at(function: FunctionNode, hangs_on: Standing, context: int) -> int:
    """Return in how many branches a place stands; clauses that leave before it are one."""
    return max(1, branches_around(function, context)) if hangs_on > Standing.ALWAYS else 0


def is_often_taken(branches: int) -> bool:
    """Return whether a chain with so many branches is taken by more than a few who enter it."""
    return branches <= MAX_BRANCHES


def branches_around(function: FunctionNode, context: int) -> int:
    """Return how many branches a place stands in; all that ``elif`` excludes are one."""
    contexts = function.facts.contexts
    inner = ""
    found = 0
    for step in function.context_chain(context):
        kind = contexts[step].kind
        found += kind in BRANCHES and not (kind == "else" and inner == "if")
        inner = kind
    return found


@remembered
def ends_in_error(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place stands in a branch that ends in an exception, or makes that."""
    contexts = function.facts.contexts
    for step in function.context_chain(context):
        if contexts[step].kind not in BRANCHES:
            continue
        for exit_ in function.facts.exits:
            if exit_.sequence > sequence and function.is_within(exit_.context, step):
                if exit_.kind == "raise" and exit_.context == step:
                    return True
                if exit_.kind != "raise":
                    break
    return False


def is_on_way_to_error(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place runs after an exception only, and before the next one."""
    return is_handler(function, context) and ends_in_error(function, context, sequence)


def hangs_on_settings(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place runs only under some settings, or with a half that may be left out.

    A guard that raises is none: what follows is what the function is there for.
    """
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    tests = [
        (contexts[step].subject, contexts[step].sequence)
        for step in chain
        if contexts[step].kind in BRANCHES
    ]
    tests += [
        (guard.subject, guard.sequence)
        for guard, exit_ in _left_before(function, chain, sequence)
        if exit_.kind == "return"
    ]
    return any(test is not None and is_state(function, test, place) for test, place in tests)


def option_of(function: FunctionNode, context: int) -> str:
    """Return the parameter that a place waits for, off unless it is given; "" if there is none."""
    contexts = function.facts.contexts
    for step in function.context_chain(context):
        test = contexts[step].subject
        if contexts[step].kind != "if" or not isinstance(test, t.Name):
            continue
        param = function.params.get(test.id)
        if param is not None and isinstance(param.default, t.Const) and not param.default.value:
            return "" if function.binds.get(test.id) else test.id
    return ""


def is_special(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place runs in special cases only, which those who get there may not have.

    Under some settings, for the first use, for what is of one of several classes or has some entry,
    or with an option that is off by default.
    """
    if hangs_on_settings(function, context, sequence) or is_first_use(function, context, sequence):
        return True
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    if any(contexts[step].kind == "match" and contexts[step].target for step in chain):
        return True
    tests = [contexts[step] for step in chain if contexts[step].kind in ("if", "and")]
    return any(
        test.subject is not None
        and (
            asks_for_class(function, test.subject)
            or asks_for_entry(function, test.subject)
            or is_off_by_default(function, test.subject)
            or asks_whether_new(function, test.subject)
            or is_one_of_kinds(function, test)
        )
        for test in tests
    )


@remembered
def is_first_use(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place runs only until something is there that the function asks for.

    An attribute of its object, or the entry of a container that outlives the call.
    """
    if fills_object(function, context) or fills_gap(function, context):
        return True
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    return any(_is_gap(function, contexts[step]) for step in chain) or any(
        _is_there(function, guard.subject)
        or _is_filled(function, guard.subject)
        or _gives_what_was_found(function, guard, exit_)
        for guard, exit_ in _left_before(function, chain, sequence)
    )


def _is_gap(function: FunctionNode, block: t.Context) -> bool:
    """Return whether a block runs only where something that was asked for is missing."""
    if block.kind == "or":
        found = _waited(block.subject)
        return isinstance(found, t.CallRef) or _is_there(function, found)
    return block.kind == "if" and _is_missing(function, block.subject)


def _gives_what_was_found(function: FunctionNode, guard: t.Context, exit_: t.Exit) -> bool:
    """Return whether a guard leaves with what a call before it has found, so that it is kept.

    ``found = look_up(key)``, ``if found: return found``: what follows makes it for the first time.
    """
    tests = guard.subject
    if exit_.kind != "return":
        return False
    if isinstance(tests, t.CallRef) and _asks_for_file(function.facts.calls[tests.index]):
        return True
    first = tests.options[0] if isinstance(tests, t.Either) and tests.kind == "and" else tests
    if isinstance(first, t.Compare) and first.operator == "IsNot":
        first = first.left
    if not isinstance(first, t.Name):
        return False
    binds = function.binds.get(first.id, ())
    if not any(isinstance(_waited(bind.value), t.CallRef) for bind in binds):
        return False
    return any(
        item.context == exit_.context
        for item in function.facts.results
        if item.value is not None and _root(function, item.value) == first
    )


def _waited(value: t.Expr | None) -> t.Expr | None:
    return value.value if isinstance(value, t.Await) else value


def _root(function: FunctionNode, value: t.Expr) -> t.Expr:
    """Return the name that a chain of attributes, items and calls starts from."""
    while True:
        match value:
            case t.Attr(base=base) | t.Item(base=base):
                value = base
            case t.CallRef(index=index):
                callee = function.facts.calls[index].callee
                if not isinstance(callee, t.Attr):
                    return value
                value = callee.base
            case _:
                return value


def _is_missing(function: FunctionNode, test: t.Expr | None) -> bool:
    match test:
        case t.Not(value=t.CallRef(index=index)):
            return _asks_for_file(function.facts.calls[index])
        case t.Compare(operator="NotIn", right=right):
            return _is_kept_outside(function, right)
        case t.Not(value=t.Compare(operator="In", right=right)):
            return _is_kept_outside(function, right)
    return False


def _is_there(function: FunctionNode, test: t.Expr | None) -> bool:
    """Return whether a guard leaves where something of the object, or an entry, is there."""
    match test:
        case t.Attr(base=t.Name(id=name)):
            params = function.facts.params
            return function.owner is not None and bool(params) and params[0].name == name
        case t.Compare(operator="In", right=right):
            return _is_kept_outside(function, right)
    return False


def _is_filled(function: FunctionNode, test: t.Expr | None) -> bool:
    """Return whether a guard leaves where an attribute that the method sets is not None."""
    match test:
        case t.Compare(operator="IsNot", left=t.Attr() as kept, right=t.Const(value=None)):
            return _is_there(function, kept) and any(
                bind.target == kept for bind in function.facts.binds
            )
    return False


def _asks_for_file(call: t.Call) -> bool:
    """Return whether a call asks whether a file is there: ``os.path.exists`` or of a ``Path``."""
    callee = call.callee
    if not isinstance(callee, t.Attr) or callee.name not in FILE_TESTS:
        return False
    is_path = not call.arguments and isinstance(callee.base, t.Name | t.Attr)
    return callee.base == OS_PATH or is_path


def _is_kept_outside(function: FunctionNode, container: t.Expr) -> bool:
    """Return whether a container is an attribute of the object, or a variable of the module."""
    if isinstance(container, t.Attr) and isinstance(container.base, t.Name):
        params = function.facts.params
        return bool(params) and function.owner is not None and container.base.id == params[0].name
    if not isinstance(container, t.Name) or not is_module_name(function, container.id):
        return False
    return any(
        isinstance(bind.value, t.Mapping | t.Seq | t.CallRef)
        for bind in function.file.body.binds.get(container.id, ())
    ) and any(
        isinstance(bind.target, t.Item) and bind.target.base == container
        for bind in function.facts.binds
    )


def guards_before(
    function: FunctionNode, chain: Sequence[int], sequence: int, leaving: frozenset[str] = LEAVING
) -> Iterator[t.Context]:
    """Yield the tests of the clauses that leave the function before a place in some contexts.

    ``leaving``: the kinds of jumps; those that end the turn of a loop leave the place out as well.
    """
    for guard, _ in _left_before(function, chain, sequence, leaving):
        yield guard


def _left_before(
    function: FunctionNode, chain: Sequence[int], sequence: int, leaving: frozenset[str] = LEAVING
) -> Iterator[tuple[t.Context, t.Exit]]:
    """Yield the clauses that leave the function before a place, and how each leaves it."""
    contexts = function.facts.contexts
    around = (-1, *chain)
    for exit_ in function.facts.exits:
        if exit_.sequence >= sequence:
            return
        if exit_.kind not in leaving or exit_.context < 0:
            continue
        guard = contexts[exit_.context]
        if guard.kind == "if" and guard.parent in around:
            yield guard, exit_


def _tries_again(function: FunctionNode, block: int) -> bool:
    """Return whether a block ends in the next try of a loop whose first pass leaves as a rule."""
    contexts, exits = function.facts.contexts, function.facts.exits
    chain = tuple(function.context_chain(block))
    loop = next((step for step in chain if contexts[step].kind in LOOP_KINDS), -1)
    if loop < 0 or contexts[block].kind != "if":
        return False
    if not any(item.kind == "continue" and item.context == block for item in exits):
        return False
    return any(
        item.kind in ("break", "return") and _is_run_by_each_pass(function, item.context, loop)
        for item in exits
    )


def _is_run_by_each_pass(function: FunctionNode, context: int, loop: int) -> bool:
    """Return whether only ``try`` and ``with`` stand between a loop and a context inside it."""
    contexts = function.facts.contexts
    while context >= 0 and context != loop:
        if contexts[context].kind not in ("try", "with", "async with"):
            return False
        context = contexts[context].parent
    return context == loop
