"""What a loop walks, and whether what it does for each item depends on the item."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.expressions import argument_for
from perfaudit.program.handfuls import FEW, gives_handful, is_counted_few
from perfaudit.program.names import AT_END, Meaning, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, is_handler, remembered
from perfaudit.program.questions import HASATTR
from perfaudit.program.sizes import iterable_size, passes_items
from perfaudit.program.values import (
    ClassType,
    External,
    FunctionType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    ModuleType,
    TupleType,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ADDING = frozenset({"append", "extend", "add", "insert", "update", "appendleft", "setdefault"})
MANY = 1 << 30
RARELY = 600
"""Seconds between two runs from which a place no longer belongs to each request."""
SET_ALGEBRA = frozenset({"copy", "difference", "intersection"})
"""Methods of a set that give no more than the set has."""

_PLURAL_ITEM = re.compile(
    r"(?:^|_)(?:batch|chunk|page|slice|window|bucket|partition|shard)(?:_|s?$)|_(?:batch|chunk)s?$"
)
_BATCH = re.compile(r"(?:^|_)(?:batch|chunk)(?:es|s)?$")
_BATCHES = re.compile(r"(?:^|_)(?:batches|chunks)$")
_CHUNKING = re.compile(r"batch|chunk|(?<!de)paginat|partition|window|iter_pages")
_INFRASTRUCTURE = re.compile(
    r"(?:^|_)(?:databases|connections|shards|backends|models|apps|app_configs|formats|languages|locales|regions|"
    r"plugins|providers|engines|schemas|queues|hosts|servers|nodes|tables|migrations|settings|environments)$",
    re.IGNORECASE,
)


class Walk(StrEnum):
    """What kind of loop it is."""

    DATA = "data"
    FEW_ITEMS = "few items"
    CHUNKS = "chunks"
    INFRASTRUCTURE = "infrastructure"
    MESSAGES = "messages"
    COUNTED = "counted"
    CONDITION = "condition"
    LEAVES_AT_ONCE = "leaves in the first pass"


def walk_of(program: "Program", function: FunctionNode, loop: int) -> Walk:
    """Return what a loop of a function walks."""
    context = function.facts.contexts[loop]
    if context.kind == "while" or context.subject is None:
        return Walk.CONDITION
    if leaves_at_once(function, loop):
        return Walk.LEAVES_AT_ONCE
    return _iterated(program, function, loop)


def gives_rows(
    program: "Program", function: FunctionNode, items: t.Expr, at: tuple[int, int]
) -> bool:
    """Return whether a call that is given items walks data: not few, no groups, no code."""
    subject = unwrapped(program, function, items)
    if is_few(program, function, subject, at) or _counted(program, function, subject, at):
        return False
    name = _last_name(function, subject)
    if name and (_BATCHES.search(name) or _INFRASTRUCTURE.search(name)):
        return False
    element = program.types.evaluate(function, t.Element(items, False), at)
    return not any(
        _is_code(option) or _is_list(option) or _is_asking(program, option)
        for option in options_of(element)
    )


def _iterated(program: "Program", function: FunctionNode, loop: int) -> Walk:
    context = function.facts.contexts[loop]
    subject = (
        unwrapped(program, function, context.subject)
        if context.subject is not None
        else t.Opaque("")
    )
    at = (context.sequence, context.parent)
    if is_few(program, function, subject, at) or is_counted_few(function, loop, subject):
        return Walk.FEW_ITEMS
    counted = _counted(program, function, subject, at)
    if counted is not None:
        return counted
    found = program.types.evaluate(function, context.subject or subject, at)
    element = program.types.evaluate(function, t.Element(context.subject or subject, False), at)
    if any(
        isinstance(option, Instance) and program.schema.table_of(option.node)
        for option in options_of(element)
    ):
        return Walk.DATA
    target = context.target
    if isinstance(target, t.Name) and _PLURAL_ITEM.search(target.id):
        return Walk.CHUNKS
    if _has_batch(program, function, loop):
        return Walk.CHUNKS
    if _BATCHES.search(_last_name(function, subject)) and _may_be_batch(function, loop, element):
        return Walk.CHUNKS
    if _last_name(function, subject) and _INFRASTRUCTURE.search(_last_name(function, subject)):
        return Walk.INFRASTRUCTURE
    if any(_is_code(option) or _is_asking(program, option) for option in options_of(element)):
        return Walk.INFRASTRUCTURE
    if any(_is_list(option) for option in options_of(element)):
        return Walk.CHUNKS
    if context.kind.startswith("async") and _is_stream(program, found):
        return Walk.MESSAGES
    if _is_endless_generator(program, function, subject):
        return Walk.MESSAGES
    return Walk.DATA


def _has_batch(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether one of several targets is named after a batch, and may be a list."""
    target = function.facts.contexts[loop].target
    if not isinstance(target, t.Seq):
        return False
    inside = (AT_END[0], loop)
    return any(
        _BATCH.search(name)
        and _may_be_batch(function, loop, program.types.evaluate(function, t.Name(name), inside))
        for name in sorted(target_names(target))
    )


def _may_be_batch(function: FunctionNode, loop: int, item: Type) -> bool:
    """Return whether the item of a loop may be a list: no known object, nothing with attributes."""
    if not isinstance(item, Unknown | TupleType | External) and not _is_list(item):
        return False
    chunks = {t.Name(name) for name in target_names(function.facts.contexts[loop].target)}
    facts = function.facts
    used = [read.value for read in facts.reads if function.is_within(read.context, loop)]
    used += [call.callee for call in facts.calls if function.is_within(call.context, loop)]
    return not any(isinstance(value, t.Attr) and value.base in chunks for value in used)


def _is_code(value: Type) -> bool:
    """Return whether a value is code itself: a class, a function, a module, or a pair with one."""
    if isinstance(value, TupleType):
        return any(_is_code(part) for part in value.items)
    if isinstance(value, LibraryInstance) and value.path == "builtins.type":
        return True
    return isinstance(value, ClassType | LibrarySymbol | ModuleType | FunctionType)


def _is_asking(program: "Program", value: Type) -> bool:
    """Return whether a value is a query of its own, which no other can ask as well."""
    if isinstance(value, Instance):
        paths = tuple(program.types.classes.library_bases(value.node))
    else:
        paths = (value.path,) if isinstance(value, LibraryInstance) else ()
    walked = (program.libraries.on(path, "iterate") for path in paths)
    effects = {effect for behaviour in walked if behaviour for effect in behaviour.effects}
    return any(effect.startswith("db.") for effect in effects)


def _is_list(value: Type) -> bool:
    return isinstance(value, LibraryInstance) and value.path in ("builtins.list", "builtins.set")


def _is_stream(program: "Program", value: Type) -> bool:
    """Return whether an async iteration waits for messages of a library rather than for rows."""
    for option in options_of(value):
        if isinstance(option, External):
            return True
        if isinstance(option, LibraryInstance) and not option.path.startswith("builtins."):
            behaviour = program.libraries.on(option.path, "iterate")
            if behaviour is None or not any(
                effect.startswith("db.") for effect in behaviour.effects
            ):
                return "Result" not in option.path and "Cursor" not in option.path
    return False


def _is_endless_generator(program: "Program", function: FunctionNode, subject: t.Expr) -> bool:
    if not isinstance(subject, t.CallRef):
        return False
    for target in program.types.call(function, subject.index).targets:
        callee = target.function
        if callee is not None and callee.facts.is_generator:
            for context in callee.facts.contexts:
                if (
                    context.kind == "while"
                    and isinstance(context.subject, t.Const)
                    and context.subject.value
                ):
                    return True
    return False


def unwrapped(program: "Program", function: FunctionNode, subject: t.Expr) -> t.Expr:
    """Return what is walked behind ``enumerate``, ``sorted``, ``tqdm`` and other wrappers."""
    while True:
        if isinstance(subject, t.Await | t.Star):
            subject = subject.value
            continue
        if isinstance(subject, t.CallRef):
            call = function.facts.calls[subject.index]
            name = _last_name(function, call.callee)
            passes_on = name in WRAPPERS or passes_items(program.types, function, subject.index)
            if passes_on and call.arguments:
                subject = call.arguments[0]
                continue
            if (
                name in ("items", "keys", "values")
                and isinstance(call.callee, t.Attr)
                and not call.arguments
            ):
                subject = call.callee.base
                continue
        return subject


HANDED = 4
"""So many names may hand on what a caller writes out."""
WRAPPERS = frozenset({"as_completed", "dict", "tqdm", "track", "zip"})
"""Other callables that walk their first argument."""


def is_few(
    program: "Program",
    function: FunctionNode,
    subject: t.Expr,
    at: tuple[int, int],
    *,
    follows: bool = True,
) -> bool:
    """Return whether an iterable is a literal, an enumeration or a constant: it does not grow.

    ``follows``: what a name is bound to counts too.
    """

    def some(part: t.Expr) -> bool:
        return is_few(program, function, part, at, follows=follows)

    match subject:
        case t.Seq(items=items):
            return not any(isinstance(item, t.Star) for item in items)
        case t.Mapping(keys=keys):
            return all(key is not None for key in keys)
        case t.Binary(operator="Add" | "BitOr" | "BitXor", left=left, right=right):
            return some(left) and some(right)
        case t.Binary(operator="BitAnd", left=left, right=right):
            return some(left) or some(right)
        case t.Binary(operator="Sub", left=left):
            return some(left)
        case t.Const():
            return True
        case t.Attr(name=name) if name.isupper() or name == "__members__":
            return True
        case t.Attr(base=base, name=name):
            owner = program.types.evaluate(function, base, at)
            return isinstance(owner, Instance | ClassType) and _is_fixed(program, owner.node, name)
        case t.CallRef(index=index):
            targets = program.types.call(function, index).targets
            if targets and all(gives_handful(target.function) for target in targets):
                return True
            if _is_part_of_few(program, function, subject, some):
                return True
        case t.Name(id=name):
            found = meanings(function, name, at)
            binds = [item for item in found if isinstance(item.definition, t.Bind)]
            if found and len(binds) == len(found):
                values = [item.definition.value for item in binds]  # type: ignore[union-attr]
                constant = all(
                    value is not None
                    and isinstance(value, t.Seq | t.Mapping)
                    and is_few(program, item.scope, value, at)
                    for item, value in zip(binds, values, strict=True)
                )
                if constant and _appended(function, name) <= FEW:
                    return True
            if follows and len(found) == 1 and _is_set_of_few(program, found[0]):
                return _appended(found[0].scope, name) <= FEW
            if name.isupper() and len(name) > 1:
                return True
            if found and all(_is_handed_few(program, item, name) for item in found):
                return True
            if len(found) == 1 and _is_imported_literal(program, found[0]):
                return True
    value = program.types.evaluate(function, subject, at)
    return any(isinstance(option, ClassType | TupleType) for option in options_of(value))


def _is_imported_literal(program: "Program", meaning: Meaning) -> bool:
    """Return whether a name is imported from where it is bound once, to a literal collection."""
    item = meaning.definition
    origin = None
    if isinstance(item, t.Import):
        origin = program.types.import_origin(meaning.scope, item)
    if origin is None:
        return False
    body, name = origin
    binds = body.binds.get(name, [])
    if len(binds) != 1:
        return False
    value = binds[0].value
    is_literal = isinstance(value, t.Seq | t.Mapping) and is_few(program, body, value, AT_END)
    return is_literal and _appended(body, name) <= FEW


def _is_part_of_few(
    program: "Program",
    function: FunctionNode,
    subject: t.CallRef,
    some: Callable[[t.Expr], bool],
) -> bool:
    """Return whether a call gives some of few things, as ``set(NAMES).difference(others)`` does."""
    inner = unwrapped(program, function, subject)
    if inner != subject:
        return some(inner)
    call = function.facts.calls[subject.index]
    if not isinstance(call.callee, t.Attr) or call.callee.name not in SET_ALGEBRA:
        return False
    if call.callee.name == "intersection" and any(some(given) for given in call.arguments):
        return True
    return some(call.callee.base)


def _is_set_of_few(program: "Program", meaning: Meaning) -> bool:
    """Return whether a name is bound to a set that is made of few things."""
    bind = meaning.definition
    if not isinstance(bind, t.Bind) or bind.kind not in ("assign", "annotated"):
        return False
    if not isinstance(bind.value, t.Binary | t.CallRef):
        return False
    at = (bind.sequence, bind.context)
    return is_few(program, meaning.scope, bind.value, at, follows=False)


def _is_fixed(program: "Program", node: ClassNode, name: str) -> bool:
    """Return whether an attribute is a literal collection in the body of each class that has it."""
    bodies = [
        bind.value
        for owner in (
            *program.types.classes.project_order(node),
            *program.types.classes.subclasses(node),
        )
        for bind in owner.body.binds.get(name, ())
    ]
    stored = any(name in owner.stores for owner in program.types.classes.project_order(node))
    return (
        bool(bodies)
        and not stored
        and all(isinstance(value, t.Seq | t.Mapping) for value in bodies)
    )


def _is_handed_few(program: "Program", meaning: Meaning, name: str) -> bool:
    """Return whether a name stands for a short literal that callers pass, or for one instead."""
    item = meaning.definition
    is_instead = isinstance(item, t.Bind) and isinstance(item.value, t.Either)
    return (is_instead or isinstance(item, t.Param)) and _holds_few(program, meaning, name, HANDED)


def _few_passed(program: "Program", function: FunctionNode, name: str, steps: int) -> bool:
    """Return whether every caller passes a short literal for a parameter."""
    edges = program.edges_to(function)
    if not edges or len(edges) > 20:
        return False
    for edge in edges:
        given = argument_for(edge.call, function, name) if edge.call is not None else None
        at = (edge.sequence, edge.context)
        if given is None or not _is_written_out(program, edge.function, given, at, steps):
            return False
    return True


def _is_written_out(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int], steps: int
) -> bool:
    """Return whether a value is a literal collection, by way of names that only hand it on."""
    if isinstance(value, t.Seq):
        return not any(isinstance(item, t.Star) for item in value.items)
    if isinstance(value, t.Either):
        return all(_is_written_out(program, function, it, at, steps) for it in value.options)
    if not isinstance(value, t.Name) or not steps:
        return False
    found = [it for it in meanings(function, value.id, at) if not _is_later(it, function, at)]
    return bool(found) and all(_holds_few(program, item, value.id, steps - 1) for item in found)


def _is_later(meaning: Meaning, function: FunctionNode, at: tuple[int, int]) -> bool:
    """Return whether a name has a meaning only after a point of its function."""
    item = meaning.definition
    return meaning.scope is function and isinstance(item, t.Bind) and item.sequence >= at[0]


def _holds_few(program: "Program", meaning: Meaning, name: str, steps: int) -> bool:
    """Return whether a name stands for a literal collection that nobody adds to."""
    item, scope = meaning.definition, meaning.scope
    if isinstance(item, t.Param):
        return _few_passed(program, scope, name, steps)
    if not isinstance(item, t.Bind) or item.value is None or item.kind != "assign":
        return False
    handed = sum(t.Name(name) in call.arguments for call in scope.facts.calls)
    if handed > 1 or _appended(scope, name) > FEW:
        return False
    at = (item.sequence, item.context)
    return _is_written_out(program, scope, item.value, at, steps)


def _appended(function: FunctionNode, name: str) -> int:
    """Return how often a named collection is added to; many if in a loop or by many at once."""
    count = 0
    for call in function.facts.calls:
        callee = call.callee
        if (
            isinstance(callee, t.Attr)
            and isinstance(callee.base, t.Name)
            and callee.base.id == name
            and callee.name in ADDING
        ):
            if callee.name not in ("append", "add") or function.loops(call.context):
                return MANY
            count += 1
    for bind in function.facts.binds:
        target = bind.target
        if (
            isinstance(target, t.Item)
            and isinstance(target.base, t.Name)
            and target.base.id == name
        ):
            return MANY
        if isinstance(target, t.Name) and target.id == name and bind.kind == "augmented":
            return MANY
    return count


def _chunked(
    program: "Program", function: FunctionNode, name: str, at: tuple[int, int]
) -> Walk | None:
    """Return the kind of a loop over a name that what a chunking call gives was put under."""
    found = meanings(function, name, at)
    bind = found[0].definition if len(found) == 1 else None
    if not isinstance(bind, t.Bind) or bind.kind not in ("assign", "annotated"):
        return None
    if not isinstance(bind.value, t.CallRef):
        return None
    given = unwrapped(program, found[0].scope, bind.value)
    if not isinstance(given, t.CallRef):
        return None
    walk = _counted(program, found[0].scope, given, (bind.sequence, bind.context))
    return walk if walk is Walk.CHUNKS else None


def _counted(
    program: "Program", function: FunctionNode, subject: t.Expr, at: tuple[int, int]
) -> Walk | None:
    """Return the kind of a loop over ``range`` or over what a chunking call gives, else None."""
    if isinstance(subject, t.Name):
        return _chunked(program, function, subject.id, at)
    if not isinstance(subject, t.CallRef):
        return None
    call = function.facts.calls[subject.index]
    name = _last_name(function, call.callee)
    if name == "range":
        if len(call.arguments) >= 3:
            return Walk.CHUNKS
        last = call.arguments[-1] if call.arguments else None
        if isinstance(last, t.Const) and isinstance(last.value, int):
            return Walk.FEW_ITEMS if last.value <= FEW else Walk.COUNTED
        if isinstance(last, t.CallRef):
            measured = function.facts.calls[last.index]
            if _last_name(function, measured.callee) == "len":
                return None
        return Walk.COUNTED
    if name == "count":
        return Walk.COUNTED
    for target in program.types.call(function, subject.index).targets:
        if target.behaviour is not None and "chunks" in target.behaviour.flags:
            return Walk.CHUNKS
    return Walk.CHUNKS if _CHUNKING.search(name.lower()) else None


def _last_name(function: FunctionNode, value: t.Expr) -> str:
    match value:
        case t.Name(id=name):
            return name
        case t.Attr(name=name):
            return name
        case t.CallRef(index=index):
            return _last_name(function, function.facts.calls[index].callee)
        case t.Await(value=inner):
            return _last_name(function, inner)
    return ""


def name_of_walked(program: "Program", function: FunctionNode, loop: int) -> str:
    """Return the short name of what a loop walks, such as ``agents``."""
    context = function.facts.contexts[loop]
    if context.subject is None:
        return "items"
    return str(iterable_size(program.types, function, context.subject, context))


def leaves_at_once(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop's body always ends in break or return."""
    return any(
        exit_.context == loop and exit_.kind in ("break", "return")
        for exit_ in function.facts.exits
    )


def item_names(function: FunctionNode, loop: int) -> set[str]:
    """Return the names that hold the item of a loop, or something made from it."""
    context = function.facts.contexts[loop]
    found = target_names(context.target)
    for bind in function.facts.binds:
        if not isinstance(bind.target, t.Name) or bind.value is None:
            continue
        if not function.is_within(bind.context, loop) or bind.target.id in found:
            continue
        if expressions.names(function, bind.value) & found:
            found.add(bind.target.id)
    return found


def target_names(target: t.Expr | None) -> set[str]:
    """Return the names that a loop's target binds."""
    match target:
        case t.Name(id=name):
            return {name}
        case t.Seq(items=items):
            return set().union(*(target_names(item) for item in items))
    return set()


def leaves_after(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether the block of a place always ends the loop: a search has found its item."""
    for step in function.context_chain(context):
        if step == loop:
            return False
        for exit_ in function.facts.exits:
            if exit_.context == step and exit_.kind in ("return", "break", "raise"):
                return True
    return False


def is_search(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop looks for one item: it returns what it has made of it, else nothing."""
    items = item_names(function, loop)
    returned = any(
        item.kind == "return"
        and function.is_within(item.context, loop)
        and _is_find(function, item, items)
        for item in function.facts.results
    )
    return returned and _ends_empty(function, loop)


def _is_find(function: FunctionNode, result: t.Return, items: set[str]) -> bool:
    value = result.value
    if value is None or isinstance(value, t.Const | t.Text) or is_handler(function, result.context):
        return False
    if not expressions.names(function, value) & items:
        return False
    test = _test_of(function, result.context)
    return absent_subject(test) is None or isinstance(value, t.Name | t.Attr)


def _ends_empty(function: FunctionNode, loop: int) -> bool:
    """Return whether a function that has not returned in a loop ends with nothing, or an error."""
    context = function.facts.contexts[loop]
    around = {-1, *function.context_chain(context.parent)}
    around.update(
        number
        for number, other in enumerate(function.facts.contexts)
        if other.kind == "loop-else" and other.line == context.line
    )

    def is_after(event: t.Call | t.Return | t.Exit | t.Bind) -> bool:
        return event.sequence > context.sequence and not function.is_within(event.context, loop)

    facts = function.facts
    if any(
        exit_.kind == "raise" and exit_.context in around and is_after(exit_)
        for exit_ in facts.exits
    ):
        return True
    if any(map(is_after, facts.calls)) or any(map(is_after, facts.binds)):
        return False
    return all(_is_nothing(item.value) for item in facts.results if is_after(item))


def _is_nothing(value: t.Expr | None) -> bool:
    return value is None or isinstance(value, t.Const) and not value.value


def runs_each_turn(function: FunctionNode, loop: int, context: int, value: t.Expr) -> bool:
    """Return whether a place runs in each turn of a loop: no search, no fallback, no exit."""
    if is_handler(function, loop) or is_search(function, loop):
        return False
    if is_fallback(function, loop, context) or is_periodic(function, loop, context):
        return False
    return not leaves_after(function, loop, context) and not decides_exit(function, loop, value)


def decides_exit(
    function: FunctionNode, loop: int, value: t.Expr, *, but_for_guards: bool = False
) -> bool:
    """Return whether an expression's result ends the loop: a search, a retry, a drain.

    ``but_for_guards``: what leaves the loop when an item fails is none of these, as all items are
    looked at when nothing is wrong.
    """
    results = _result_names(function, loop, value)
    facts = function.facts
    is_chained = not results.isdisjoint(expressions.names(function, value))
    for exit_ in facts.exits:
        if exit_.kind == "continue" or not function.is_within(exit_.context, loop):
            continue
        if exit_.kind == "break" and _inner_loop(function, exit_.context, loop):
            continue
        if exit_.kind == "raise" and absent_subject(_test_of(function, exit_.context)) is not None:
            # A row that must be there is a check of each item, not a search.
            continue
        if but_for_guards and not is_chained and _is_guard(function, loop, exit_, value, results):
            continue
        for step in function.context_chain(exit_.context):
            if step == loop:
                break
            here = facts.contexts[step]
            if here.kind not in ("if", "else", "match") or here.subject is None:
                continue
            if _mentions(function, here.subject, value, results):
                return True
    return False


def _is_guard(
    function: FunctionNode, loop: int, exit_: t.Exit, value: t.Expr, results: set[str]
) -> bool:
    """Return whether a function gives up where an expression of an item is false or nothing.

    What it returns then says nothing of the item: a search would return what it has found.
    """
    test = _test_of(function, exit_.context)
    if exit_.kind not in ("return", "raise") or function.facts.contexts[exit_.context].kind != "if":
        return False
    options = test.options if isinstance(test, t.Either) and test.kind != "if" else (test,)
    failed = (absent_subject(option) for option in options)
    if not any(
        subject is not None and _mentions(function, subject, value, results) for subject in failed
    ):
        return False
    items = item_names(function, loop)
    return exit_.kind == "raise" or all(
        item.value is None or expressions.names(function, item.value).isdisjoint(items)
        for item in function.facts.results
        if item.context == exit_.context
    )


def _test_of(function: FunctionNode, context: int) -> t.Expr:
    """Return the test of a block, or an opaque expression."""
    subject = function.facts.contexts[context].subject if context >= 0 else None
    return subject if subject is not None else t.Opaque("no test")


@remembered
def is_rare(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs only where ten minutes or more have passed since it last ran."""
    for step in function.context_chain(context):
        here = function.facts.contexts[step]
        test = here.subject
        if (
            here.kind != "if"
            or not isinstance(test, t.Compare)
            or test.operator not in ("Gt", "GtE")
        ):
            continue
        if (
            isinstance(test.left, t.Binary)
            and test.left.operator == "Sub"
            and isinstance(test.right, t.Const)
        ):
            if isinstance(test.right.value, int | float) and test.right.value >= RARELY:
                return True
    return False


def fills_object(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs only while an attribute of the object is not set."""
    if not function.facts.params:
        return False
    receiver = function.facts.params[0].name
    for step in function.context_chain(context):
        here = function.facts.contexts[step]
        if here.kind != "if" or here.subject is None:
            continue
        subject = absent_subject(here.subject)
        if isinstance(subject, t.Attr) and subject.base == t.Name(receiver):
            return True
    return False


def _inner_loop(function: FunctionNode, context: int, loop: int) -> bool:
    """Return whether a break in a context leaves a loop inside the given one."""
    loops = function.loops(context)
    return bool(loops) and loops[0] != loop


def _mentions(function: FunctionNode, test: t.Expr, value: t.Expr, results: set[str]) -> bool:
    for part in expressions.parts(function, test):
        if part == value or isinstance(part, t.Name) and part.id in results:
            return True
    return False


def _result_names(function: FunctionNode, loop: int, value: t.Expr) -> set[str]:
    """Return the names that hold the result of an expression, or something made from it."""
    found: set[str] = set()
    for bind in function.facts.binds:
        if not isinstance(bind.target, t.Name) or bind.value is None:
            continue
        if not function.is_within(bind.context, loop):
            continue
        made = any(
            part == value or isinstance(part, t.Name) and part.id in found
            for part in expressions.parts(function, bind.value)
        )
        if made:
            found.add(bind.target.id)
    return found


def is_fallback(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether a place runs only in an ``except``, or where a mapping lacks the item."""
    facts = function.facts
    for step in function.context_chain(context):
        if step == loop:
            return False
        here = facts.contexts[step]
        if here.kind == "except":
            return True
        if (
            here.kind == "if"
            and here.subject is not None
            and _tests_absence(function, loop, here.subject)
        ):
            return True
        if here.kind in ("else", "or") and here.subject and _tests_presence(here.subject):
            return True
    return False


def fills_mapping(function: FunctionNode, loop: int) -> bool:
    """Return whether a loop keeps by a key what it was missing, so that it is made once for all."""
    return any(
        isinstance(bind.target, t.Item) and function.is_within(bind.context, loop)
        for bind in function.facts.binds
    ) or any(
        isinstance(call.callee, t.Attr)
        and call.callee.name == "setdefault"
        and function.is_within(call.context, loop)
        for call in function.facts.calls
    )


@remembered
def fills_gap(function: FunctionNode, context: int) -> bool:
    """Return whether a place runs only where a kept answer is missing, and keeps the answer."""
    facts = function.facts
    for step in function.context_chain(context):
        here = facts.contexts[step]
        if here.kind != "if" or here.subject is None:
            continue
        if _fills_attribute(function, step, here.subject):
            return True
        name = _absent_name(here.subject)
        if name is None or not is_kept(function, name):
            continue
        if any(
            isinstance(bind.target, t.Name)
            and bind.target.id == name
            and function.is_within(bind.context, step)
            for bind in facts.binds
        ):
            return True
    return False


def _fills_attribute(function: FunctionNode, step: int, test: t.Expr) -> bool:
    """Return whether a block runs while an attribute is not set, and sets it: once per object."""
    subject = absent_subject(test)
    if isinstance(subject, t.CallRef):
        return _sets_what_is_asked_for(function, step, function.facts.calls[subject.index])
    return isinstance(subject, t.Attr) and any(
        bind.target == subject and function.is_within(bind.context, step)
        for bind in function.facts.binds
    )


def _sets_what_is_asked_for(function: FunctionNode, step: int, asked: t.Call) -> bool:
    """Return whether a block sets the attribute that ``hasattr`` has asked for."""
    if asked.callee != HASATTR or len(asked.arguments) != 2:
        return False
    base, name = asked.arguments
    if isinstance(name, t.Const) and isinstance(name.value, str):
        target = t.Attr(base, name.value)
        if any(
            bind.target == target and function.is_within(bind.context, step)
            for bind in function.facts.binds
        ):
            return True
    return any(
        call.callee == t.Name("setattr")
        and call.arguments[:2] == asked.arguments
        and function.is_within(call.context, step)
        for call in function.facts.calls
    )


def _absent_name(test: t.Expr) -> str | None:
    """Return the name that ``x is None`` or ``not x`` tests."""
    subject = absent_subject(test)
    return subject.id if isinstance(subject, t.Name) else None


def absent_subject(test: t.Expr) -> t.Expr | None:
    """Return what ``x is None`` or ``not x`` tests."""
    subject: t.Expr | None = None
    if isinstance(test, t.Either) and test.kind == "or":
        # Missing, or out of date.
        return absent_subject(test.options[0])
    if isinstance(test, t.Compare) and test.operator in ("Is", "Eq"):
        if isinstance(test.right, t.Const) and test.right.kind == "NoneType":
            subject = test.left
    elif isinstance(test, t.Not):
        subject = test.value
    return subject


def is_kept(function: FunctionNode, name: str) -> bool:
    """Return whether a name holds what was kept: a mapping's entry, or an attribute if there."""
    for bind in function.binds.get(name, ()):
        values = bind.value.options if isinstance(bind.value, t.Either) else (bind.value,)
        if any(_looks_up(function, value) for value in values):
            return True
    return False


def _looks_up(function: FunctionNode, value: t.Expr | None) -> bool:
    """Return whether an expression asks a mapping, cache or object for what it may not have."""
    inner = value.value if isinstance(value, t.Await) else value
    if not isinstance(inner, t.CallRef):
        return False
    call = function.facts.calls[inner.index]
    callee = call.callee
    if isinstance(callee, t.Attr):
        return callee.name in ("get", "pop")
    return isinstance(callee, t.Name) and callee.id == "getattr" and len(call.arguments) == 3


def is_periodic(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether a place in a loop runs once per so many items: a full bucket or n-th turn."""
    facts = function.facts
    for step in function.context_chain(context):
        if step == loop:
            return False
        here = facts.contexts[step]
        if (
            here.kind == "if"
            and here.subject is not None
            and _tests_fullness(function, here.subject)
        ):
            return True
    return False


def _tests_fullness(function: FunctionNode, test: t.Expr) -> bool:
    inner = test.value if isinstance(test, t.Not) else test
    if isinstance(inner, t.Binary) and inner.operator == "Mod":
        return True
    if not isinstance(inner, t.Compare):
        return False
    if isinstance(inner.left, t.Binary) and inner.left.operator == "Mod":
        return True
    if inner.operator not in ("GtE", "Gt", "Eq") or not isinstance(inner.left, t.CallRef):
        return False
    measured = function.facts.calls[inner.left.index]
    return (
        isinstance(measured.callee, t.Name)
        and measured.callee.id == "len"
        and not (isinstance(inner.right, t.Const) and inner.right.value in (0, 1))
    )


def _tests_presence(test: t.Expr) -> bool:
    return isinstance(test, t.Compare) and test.operator == "In"


def _tests_absence(function: FunctionNode, loop: int, test: t.Expr) -> bool:
    if isinstance(test, t.Compare) and test.operator == "NotIn":
        return True
    name = _absent_name(test)
    if name is None:
        return False
    for bind in function.binds.get(name, ()):
        if not function.is_within(bind.context, loop) or bind.value is None:
            continue
        if isinstance(bind.value, t.Item):
            return True
        if isinstance(bind.value, t.CallRef):
            callee = function.facts.calls[bind.value.index].callee
            if isinstance(callee, t.Attr) and callee.name in ("get", "pop", "setdefault"):
                return not function.facts.calls[bind.value.index].awaited
    return False


def writes_per_item(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether each turn of a loop writes to the database anyway."""
    return any(
        "db.write" in site.effects and function.is_within(site.context, loop)
        for site in program.sites_of(function)
    ) or any(
        edge.callee in program.write_reach
        and edge.how == "call"
        and function.is_within(edge.context, loop)
        for edge in program.edges_from(function)
    )
