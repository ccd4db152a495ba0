"""How sure it is that a loop pays for each of its items, and that another way would be cheaper."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.libraries.types import TypeExpr
from perfaudit.program import expressions
from perfaudit.program.belongings import walks_belongings
from perfaudit.program.bounds import is_short
from perfaudit.program.conditions import is_special
from perfaudit.program.dearer_work import does_dearer_work
from perfaudit.program.detours import is_detour
from perfaudit.program.edge_values import given_for
from perfaudit.program.handed_relations import handed_unknown, loads_of_handed
from perfaudit.program.handfuls import VIEWS, may_be_handful
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.library_rows import library_relation
from perfaudit.program.loops import is_fallback, target_names, writes_per_item
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.plurals import has_no_plural, skips_hooks
from perfaudit.program.questions import is_state
from perfaudit.program.reach import Reach
from perfaudit.program.read_again import read_again
from perfaudit.program.record_lists import is_of_list
from perfaudit.program.sites import WITH_KINDS, Edge, Site
from perfaudit.program.values import LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

CONNECTING = frozenset({"db.connect", "pool.create"})
FIRST = TypeExpr("argument", "0")
MAX_STEPS = 4
SECOND = t.Const(1, "int")
ANYTHING = (None, t.Name("Exception"), t.Name("BaseException"))
"""What a handler asks for that catches whatever goes wrong."""
FAR = 4
"""So many calls away, what a loop does per item is more often a job than a forgotten query."""


def sureness(
    program: "Program", place: Site | Edge, loop: int, reached: Reach, sink: Site
) -> Confidence:
    """Return how sure it is that a place in a loop costs a query for each item, for no need."""
    levels = [place.confidence]
    if (
        _is_doubtful(program, place, loop, reached)
        or _has_no_cure(program, sink)
        or library_relation(program.types, sink)
    ):
        levels.append(Confidence.MEDIUM)
    if isinstance(place, Site):
        return weakest(*levels)
    step = reached.step(place.callee)
    levels.append(step.confidence if step is not None else Confidence.LOW)
    if len(reached.chain(place.callee)) >= FAR or read_again(program, reached.way(place), sink):
        levels.append(Confidence.MEDIUM)
    if place.callee in program.reach_of(CONNECTING):
        # Another database for each item, as a rule: no query asks them all.
        levels.append(Confidence.MEDIUM)
    if any(load.site is sink for load in loads_of_handed(program, place)):
        # The rows may have them; what else is asked is further away.
        levels.append(Confidence.MEDIUM)
    if handed_unknown(program, place, sink) is not None:
        levels.append(Confidence.MEDIUM)
    if place.callee in program.job_reach or place.callee in program.cache_reach:
        levels.append(Confidence.LOW)
    return weakest(*levels)


def _has_no_cure(program: "Program", sink: Site) -> bool:
    """Return whether no call does for many objects all that one does for each."""
    return has_no_plural(sink) or skips_hooks(program, sink)


def _is_doubtful(program: "Program", place: Site | Edge, loop: int, reached: Reach) -> bool:
    """Return whether few items may pay, or all of them one by one on purpose."""
    function = place.function
    walked = function.facts.contexts[loop]
    return (
        # What is only made where it is missing may be made seldom.
        is_fallback(function, loop, place.context)
        or is_detour(program, place, loop, reached)
        or any(map(_is_special, reached.way(place)))
        or _is_aside(function, loop, place)
        or _is_where_missing(program, function, place.context)
        # The code of a module runs once, when it is imported.
        or function.kind == "module"
        or _is_few_on_way(program, function, loop)
        or is_short(program.types, function, walked.subject, (walked.sequence, walked.parent))
        or _is_of_state(function, walked.subject, walked.sequence, MAX_STEPS)
        or walks_belongings(program, function, loop)
        or _is_own_unit(program, function, loop, place.context)
        or _may_fail(function, loop, place.context, whatever=not _writes(program, place))
        or _asks_other_tables(program, function, loop, place)
        or is_kept_answer(program, function)
        or may_be_handful(function, loop)
        or is_of_list(program.types, function)
        or _is_for_new(function, loop, place.context)
        or does_dearer_work(program, function, loop, place)
        # What is written of each item costs as much again, and may need what is read just then.
        or (reached is program.query_reach and writes_per_item(program, function, loop))
    )


def _writes(program: "Program", place: Site | Edge) -> bool:
    if isinstance(place, Site):
        return "db.write" in place.effects
    return place.callee in program.write_reach


def _asks_other_tables(
    program: "Program", function: FunctionNode, loop: int, place: Site | Edge
) -> bool:
    """Return whether each item is a class of rows, or a key of one: no query asks them all."""
    items = {t.Name(name) for name in target_names(function.facts.contexts[loop].target)}
    for part in expressions.parts(function, place.value):
        if isinstance(part, t.Name) and _is_looked_up(program, function, part, items, place):
            return True
        if not isinstance(part, t.CallRef):
            continue
        given = function.facts.calls[part.index].arguments
        if given and given[0] in items:
            targets = program.types.call(function, part.index).targets
            behaviours = [target.behaviour for target in targets if target.behaviour is not None]
            if any(_is_of_class(behaviour.returns) for behaviour in behaviours):
                return True
    return False


def _is_looked_up(
    program: "Program",
    function: FunctionNode,
    name: t.Name,
    items: set[t.Name],
    place: Site | Edge,
) -> bool:
    """Return whether a name is one of several queries, that is looked up by the item of a loop."""
    value = function.only_value(name.id)
    keys = [
        part.key
        for part in (() if value is None else expressions.parts(function, value))
        if isinstance(part, t.Item)
    ]
    if items.isdisjoint(key for key in keys if isinstance(key, t.Name)):
        return False
    found = program.types.evaluate(function, name, (place.sequence, place.context))
    options = options_of(found)
    return len(options) > 1 and all(isinstance(option, LibraryInstance) for option in options)


def _is_special(place: Site | Edge) -> bool:
    function = place.function
    return is_special(function, place.context, place.sequence)


def _is_of_state(function: FunctionNode, walked: t.Expr | None, sequence: int, steps: int) -> bool:
    """Return whether a loop may walk what settings, or another object of a module, list."""
    match walked:
        case t.Attr():
            return is_state(function, walked, sequence)
        case t.Name(id=name) if steps:
            return _is_of_state(function, function.only_value(name), sequence, steps - 1)
        case t.Comp(context=context) if steps:
            inner = function.facts.contexts[context].subject
            return _is_of_state(function, inner, sequence, steps - 1)
        case t.Either(options=options) if steps:
            return any(_is_of_state(function, each, sequence, steps - 1) for each in options)
        case t.CallRef(index=index) if steps:
            call = function.facts.calls[index]
            return any(
                _is_of_state(function, given, sequence, steps - 1) for given in call.arguments[:1]
            )
    return False


def _is_of_class(returned: TypeExpr | None) -> bool:
    """Return whether a call gives objects of the class that it is given first, or asks for them."""
    if returned is None:
        return False
    if returned.kind == "instance" and returned.arguments == (FIRST,):
        return True
    return any(map(_is_of_class, returned.arguments))


def _within(function: FunctionNode, loop: int, context: int) -> Iterator[int]:
    """Yield the blocks between a loop and a context in it, the innermost first."""
    for step in function.context_chain(context):
        if step == loop:
            return
        yield step


def _is_own_unit(program: "Program", function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether each item has a transaction of its own: they go one by one on purpose."""
    blocks = [function.facts.contexts[step] for step in _within(function, loop, context)]
    entered = [block.subject for block in blocks if block.kind in WITH_KINDS]
    return bool(entered) and any(
        "db.transaction" in site.effects and site.value in entered
        for site in program.sites_of(function)
    )


def _is_where_missing(program: "Program", function: FunctionNode, context: int) -> bool:
    """Return whether a place runs only where a query finds nothing: ``if not rows.exists():``."""
    contexts = function.facts.contexts
    around = (contexts[step] for step in function.context_chain(context))
    tests = [block.subject for block in around if block.kind == "if"]
    missing = [test.value for test in tests if isinstance(test, t.Not)]
    return bool(missing) and any(
        site.kind == "call" and "db.query" in site.effects and site.value in missing
        for site in program.sites_of(function)
    )


def _is_for_new(function: FunctionNode, loop: int, context: int) -> bool:
    """Return whether a place is only for what was not there: ``row, created = ...``."""
    for step in _within(function, loop, context):
        block = function.facts.contexts[step]
        if block.kind != "if" or not isinstance(block.subject, t.Name):
            continue
        values = [bind.value for bind in function.binds.get(block.subject.id, ())]
        if values and all(
            isinstance(value, t.Item) and value.key == SECOND and _is_called(value.base)
            for value in values
        ):
            return True
    return False


def _is_called(value: t.Expr) -> bool:
    return isinstance(value.value if isinstance(value, t.Await) else value, t.CallRef)


def _is_aside(function: FunctionNode, loop: int, place: Site | Edge) -> bool:
    """Return whether a place is for special items, of which the rest of the loop is left out."""
    blocks = {
        step
        for step in _within(function, loop, place.context)
        if function.facts.contexts[step].kind == "if"
    }
    return any(
        exit_.kind == "continue" and exit_.context in blocks and exit_.sequence > place.sequence
        for exit_ in function.facts.exits
    )


def _may_fail(function: FunctionNode, loop: int, context: int, *, whatever: bool) -> bool:
    """Return whether an item may fail without the others: they go one by one on purpose.

    ``whatever``: only where any error is caught, not just that there is no such row.
    """
    contexts = function.facts.contexts
    return any(
        (not whatever or contexts[number].subject in ANYTHING)
        and not any(
            exit_.context == number and exit_.kind in ("raise", "return", "break")
            for exit_ in function.facts.exits
        )
        for step in _within(function, loop, context)
        if contexts[step].kind == "try"
        for number in _handlers(function, step)
    )


def _handlers(function: FunctionNode, tried: int) -> Iterator[int]:
    """Yield the handlers of a ``try``: those beside it, as far as the next one."""
    contexts = function.facts.contexts
    for number in range(tried + 1, len(contexts)):
        if contexts[number].parent == contexts[tried].parent:
            if contexts[number].kind == "try":
                return
            if contexts[number].kind == "except":
                yield number


def _is_few_on_way(program: "Program", function: FunctionNode, loop: int) -> bool:
    """Return whether the entry point that is told gives a loop what is written out there."""
    walked = function.facts.contexts[loop].subject
    if isinstance(walked, t.CallRef):
        callee = function.facts.calls[walked.index].callee
        walked = callee.base if isinstance(callee, t.Attr) and callee.name in VIEWS else None
    for edge in reversed(program.way_to(function) or ()):
        if not isinstance(walked, t.Name) or walked.id not in edge.callee.params:
            return False
        walked = given_for(edge, walked.id)
        if isinstance(walked, t.Seq):
            return not any(isinstance(item, t.Star) for item in walked.items)
        if isinstance(walked, t.Mapping):
            return None not in walked.keys
    return False
