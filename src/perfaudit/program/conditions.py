"""What a branch hangs on: nothing, the data of the call, or the state of the process."""

from collections.abc import Iterator, Sequence
from enum import IntEnum

from perfaudit.facts import types as t
from perfaudit.program.loops import fills_gap, fills_object
from perfaudit.program.nodes import ClassNode, FunctionNode

BRANCHES = frozenset({"if", "else", "and", "or", "match", "except"})
MAX_BRANCHES = 2
"""A chain with more calls in branches is taken by few of those who enter it."""
MAX_STEPS = 4
FILE_TESTS = frozenset({"exists", "isfile", "isdir", "is_file", "is_dir"})
OS_PATH = t.Attr(t.Name("os"), "path")
ENVIRONMENT = frozenset({"environ", "getenv"})


class Standing(IntEnum):
    """How surely a place runs when its function does.

    ALWAYS; on DATA that the function is called with; on STATE: settings, and halves of an object
    that were given, or not, when it was made; the class of what is given, too. Requests are of all
    kinds, so what hangs on data runs for some of them. What hangs on state may run for none.
    """

    ALWAYS = 0
    DATA = 1
    STATE = 2


def standing(function: FunctionNode, context: int, sequence: int) -> Standing:
    """Return what a place of a function hangs on: its blocks, and the guards that leave before."""
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    found = Standing.ALWAYS
    for step in chain:
        here = contexts[step]
        if here.kind not in BRANCHES:
            continue
        if here.kind == "except":
            return Standing.STATE
        found = max(found, Standing.DATA)
        if here.subject is None:
            continue
        if _is_state(function, here.subject, here.sequence, MAX_STEPS):
            return Standing.STATE
        if here.kind in ("if", "and") and _asks_for_kind(function, here.subject):
            return Standing.STATE
    if is_first_use(function, context, sequence):
        return Standing.STATE
    for guard, exit_ in _left_before(function, chain, sequence):
        if guard.subject and _is_state(function, guard.subject, guard.sequence, MAX_STEPS):
            return Standing.STATE
        if exit_.kind == "return":
            found = max(found, Standing.DATA)
    return found


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
    return any(
        test is not None and _is_state(function, test, place, MAX_STEPS) for test, place in tests
    )


def is_first_use(function: FunctionNode, context: int, sequence: int) -> bool:
    """Return whether a place runs only until something is there that the function asks for.

    An attribute of its object, or the entry of a container that outlives the call.
    """
    if fills_object(function, context) or fills_gap(function, context):
        return True
    contexts = function.facts.contexts
    chain = tuple(function.context_chain(context))
    return any(_is_gap(function, contexts[step]) for step in chain) or any(
        _is_there(function, guard.subject) or _gives_what_was_found(function, guard, exit_)
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
    if not isinstance(container, t.Name) or not _is_module_name(function, container.id):
        return False
    return any(
        isinstance(bind.value, t.Mapping | t.Seq | t.CallRef)
        for bind in function.file.body.binds.get(container.id, ())
    ) and any(
        isinstance(bind.target, t.Item) and bind.target.base == container
        for bind in function.facts.binds
    )


def guards_before(
    function: FunctionNode, chain: Sequence[int], sequence: int
) -> Iterator[t.Context]:
    """Yield the tests of the clauses that leave the function before a place in some contexts."""
    for guard, _ in _left_before(function, chain, sequence):
        yield guard


def _left_before(
    function: FunctionNode, chain: Sequence[int], sequence: int
) -> Iterator[tuple[t.Context, t.Exit]]:
    """Yield the clauses that leave the function before a place, and how each leaves it."""
    contexts = function.facts.contexts
    for exit_ in function.facts.exits:
        if exit_.sequence >= sequence:
            return
        if exit_.kind not in ("raise", "return") or exit_.context < 0:
            continue
        guard = contexts[exit_.context]
        if guard.kind == "if" and guard.parent in (-1, *chain):
            yield guard, exit_


def _asks_for_kind(function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test asks what kind of value is given: of which class, which word."""
    parts = test.options if isinstance(test, t.Either) and test.kind == "and" else (test,)
    for part in parts:
        if isinstance(part, t.Compare) and part.operator == "Eq":
            if isinstance(part.right, t.Const) and isinstance(part.right.value, str):
                return True
        callee = function.facts.calls[part.index].callee if isinstance(part, t.CallRef) else None
        if callee == t.Name("isinstance"):
            return True
        if isinstance(callee, t.Attr) and callee.name in ("startswith", "endswith"):
            return True
    return False


def _is_state(function: FunctionNode, test: t.Expr, sequence: int, steps: int) -> bool:
    """Return whether a test asks only for what does not change from call to call."""
    match test:
        case t.Not(value=inner):
            return _is_state(function, inner, sequence, steps)
        case t.Either(kind="and", options=options):
            return any(_is_state(function, option, sequence, steps) for option in options)
        case t.Either(options=options):
            return all(_is_state(function, option, sequence, steps) for option in options)
        case t.Compare(left=left, right=right):
            parts = [part for part in (left, right) if not isinstance(part, t.Const | t.Seq)]
            return bool(parts) and all(_is_state(function, p, sequence, steps) for p in parts)
        case t.Name(id=name):
            return _is_state_name(function, name, sequence, steps)
        case t.Attr():
            return _is_state_attribute(function, test)
        case t.CallRef(index=index):
            return _reads_environment(function.facts.calls[index].callee)
        case t.Item(base=base):
            return _reads_environment(base)
    return False


def _is_state_name(function: FunctionNode, name: str, sequence: int, steps: int) -> bool:
    """Return whether a name is of the module, or bound once to what is."""
    if name in function.params:
        return False
    binds = function.binds.get(name)
    if binds is None:
        outer = function.parent
        if outer is None or outer.kind == "module":
            return True
        return _is_state_name(outer, name, sequence, steps)
    if function.kind == "module":
        return True
    if len(binds) != 1 or binds[0].value is None or binds[0].kind != "assign" or not steps:
        return False
    return _is_state(function, binds[0].value, binds[0].sequence, steps - 1)


def _is_state_attribute(function: FunctionNode, test: t.Attr) -> bool:
    """Return whether an attribute is of a module's object, or an optional half of its own."""
    base = test.base
    while isinstance(base, t.Attr):
        test, base = base, base.base
    if not isinstance(base, t.Name):
        return False
    owner = function.owner
    if owner is not None and function.facts.params and function.facts.params[0].name == base.id:
        return _is_optional_half(owner, test.name)
    return _is_module_name(function, base.id)


def _is_module_name(function: FunctionNode, name: str) -> bool:
    scope: FunctionNode | None = function
    while scope is not None and scope.kind != "module":
        if name in scope.params or name in scope.binds:
            return False
        scope = scope.parent
    return True


def _is_optional_half(owner: ClassNode, attribute: str) -> bool:
    """Return whether only ``__init__`` sets an attribute, to a parameter that may be left out."""
    stores = owner.stores.get(attribute, [])
    if not stores:
        return False
    for maker, bind in stores:
        if maker.name != "__init__":
            return False
        value = bind.value
        if isinstance(value, t.Either):
            value = value.options[0]
        if isinstance(value, t.Const):
            continue
        param = maker.params.get(value.id) if isinstance(value, t.Name) else None
        if param is None or not isinstance(param.default, t.Const):
            return False
    return True


def _reads_environment(callee: t.Expr) -> bool:
    while isinstance(callee, t.Attr):
        if callee.name in ENVIRONMENT:
            return True
        callee = callee.base
    return isinstance(callee, t.Name) and callee.id in ENVIRONMENT
