"""Branches that calls leave off: parameters not given, halves of an object not there."""

from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.carried import Carried, carried, keyword_given
from perfaudit.program.conditions import LEAVING, guards_before
from perfaudit.program.edge_values import passed_as
from perfaudit.program.expressions import conjuncts
from perfaudit.program.language_calls import called_above, is_super
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, remembered
from perfaudit.program.questions import class_test
from perfaudit.program.sites import Site
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    LibrarySymbol,
    TupleType,
    Type,
    options_of,
)
from perfaudit.program.ways import Answers, Way
from perfaudit.program.written_out import constant_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfaudit.program.classes import Hierarchy
    from perfaudit.program.program import Program
    from perfaudit.program.reach import Reach
    from perfaudit.program.sites import Edge

PLAIN = frozenset(f"builtins.{name}" for name in ("str", "bytes", "int", "float", "bool"))
ABSTRACT = ("builtins.", "collections.", "typing.", "numbers.")
"""Where the classes stand that plain values may be of."""
SKIPPING = LEAVING | {"continue", "break"}
"""Kinds of jumps after which the rest of a block does not run, or not in this turn of a loop."""
MAX_STEPS = 6
MAX_FUNCTIONS = 300


def is_switched_off(program: "Program", edge: "Edge", reached: "Reach") -> bool:
    """Return whether the way from an edge is one that its calls do not take.

    It stands behind something that they leave off, or that was not so before, or leads through a
    method that the class of the object overrides.
    """
    trail = _begun(program, edge)
    for step in reached.chain(edge.callee):
        followed = _followed(program, trail, step.place)
        if followed is None:
            return True
        trail = followed
    return False


def has_open_way(
    program: "Program",
    edge: "Edge",
    reached: "Reach",
    places: "Callable[[FunctionNode], Iterable[Site | Edge]]",
) -> bool:
    """Return whether some way from an edge is one that its calls take, not only the shortest.

    ``places`` gives what counts in a function, and what leads on. Where there is too much to look
    at, there may be one.
    """
    if not is_switched_off(program, edge, reached):
        return True
    waiting = [_begun(program, edge)]
    seen = {edge.callee}
    for _ in range(MAX_FUNCTIONS):
        if not waiting:
            return False
        trail = waiting.pop()
        for place in places(trail.way[-1].callee):
            followed = _followed(program, trail, place)
            if followed is None:
                continue
            if followed.way == trail.way:
                return True
            callee = followed.way[-1].callee
            if callee not in seen:
                seen.add(callee)
                waiting.append(followed)
    return True


class _Trail(NamedTuple):
    """Calls in a row, the class of the object they run on, and what is known of that object."""

    way: "Sequence[Edge]"
    receiver: ClassNode | None
    known: dict[str, bool]


def _begun(program: "Program", edge: "Edge") -> _Trail:
    known = _own_state(edge.caller, edge.context, edge.sequence) if _is_of_own(edge) else {}
    return _Trail([edge], _receiver(program, edge), known)


def _followed(program: "Program", trail: _Trail, here: "Site | Edge") -> _Trail | None:
    """Return a trail with a place of its last callee added, or None where it is switched off."""
    if leaves_off(program, trail.way, here.context, here.sequence):
        return None
    needed = _own_state(trail.way[-1].callee, here.context, here.sequence)
    if any(trail.known.get(name, value) is not value for name, value in needed.items()):
        return None
    if isinstance(here, Site):
        return trail
    is_own = _is_of_own(here)
    if trail.receiver is not None and is_overridden(program.types.classes, here, trail.receiver):
        return None
    receiver = receiver_of(program, here, trail.receiver)
    return _Trail([*trail.way, here], receiver, trail.known | needed if is_own else {})


@remembered
def _own_state(function: FunctionNode, context: int, sequence: int) -> dict[str, bool]:
    """Return which attributes of its own object are true or not where a place of a method runs."""
    params, contexts = function.facts.params, function.facts.contexts
    if function.owner is None or not params:
        return {}
    chain = function.context_chain(context)
    tests = [(contexts[step], True) for step in chain if contexts[step].kind in ("if", "and")]
    tests += [(contexts[step], False) for step in chain if contexts[step].kind in ("else", "or")]
    tests += [(guard, False) for guard in guards_before(function, chain, sequence)]
    found = {}
    for tested, holds in tests:
        for part in conjuncts(tested.subject) if holds else (tested.subject,):
            test = None if part is None else _switch(part)
            if test is None or test.presence or not isinstance(test.value, t.Attr):
                continue
            if test.value.base == t.Name(params[0].name):
                found[test.value.name] = test.wanted is holds
    return found


def receiver_of(program: "Program", edge: "Edge", own: ClassNode | None) -> ClassNode | None:
    """Return the class of the object that an edge runs a method of, where it is known.

    ``own``: that of the object whose method the caller is run as.
    """
    return own if _is_of_own(edge) else _receiver(program, edge)


def _receiver(program: "Program", edge: "Edge") -> ClassNode | None:
    """Return the one class, or base of it, of the object that an edge runs a method of."""
    if isinstance(edge.value, t.CallRef):
        found = {
            target.receiver.node
            for target in program.types.call(edge.caller, edge.value.index).targets
            if target.function is edge.callee and isinstance(target.receiver, Instance)
        }
    elif isinstance(edge.value, t.Attr):
        owner = program.types.evaluate(edge.caller, edge.value.base, (edge.sequence, edge.context))
        found = {each.node for each in options_of(owner) if isinstance(each, Instance)}
    else:
        return None
    return found.pop() if len(found) == 1 else None


def _is_of_own(edge: "Edge") -> bool:
    """Return whether a method runs another one, or a property, of the same object or its base."""
    asked = edge.value if edge.call is None else edge.call.callee
    params = edge.caller.facts.params
    if not isinstance(asked, t.Attr) or edge.caller.owner is None:
        return False
    base = asked.base
    if isinstance(base, t.CallRef):
        return is_super(edge.caller, base)
    return bool(params) and base == t.Name(params[0].name)


def is_call_of_base(edge: "Edge") -> bool:
    """Return whether a method calls the method of a base class: ``super().save()``."""
    return edge.call is not None and bool(called_above(edge.caller, edge.call))


def is_overridden(classes: "Hierarchy", edge: "Edge", receiver: ClassNode) -> bool:
    """Return whether a method's call of its own object runs another method than the edge says."""
    if not _is_of_own(edge) or edge.call is None or not isinstance(edge.call.callee, t.Attr):
        return False
    if isinstance(edge.call.callee.base, t.CallRef):
        return False
    name = edge.call.callee.name
    meant = classes.method(receiver, name)
    if meant is None or meant is edge.callee:
        return False
    if not classes.is_abstract(meant.owner or receiver, meant):
        return True
    standing = classes.subclasses(receiver) or classes.conforming(receiver)
    return all(classes.method(node, name) is not edge.callee for node in standing)


def is_left_off(program: "Program", way: "Sequence[Edge]", context: int, sequence: int) -> bool:
    """Return whether some calls in a row, from an entry point to a place, leave off one of them."""
    places = [(edge.context, edge.sequence) for edge in way[1:]] + [(context, sequence)]
    callers = [edge.caller for edge in way[1:]]
    return any(
        leaves_off(program, way[: number + 1], *place)
        for number, place in enumerate(places)
        if number < len(way)
        # A function inside another one counts as that, whose calls do not give it anything.
        and (number >= len(callers) or way[number].callee is callers[number])
    )


def leaves_off(
    program: "Program", way: "Sequence[Edge]", context: int, sequence: int, *, looks_on: bool = True
) -> bool:
    """Return whether the last of some calls does not give what a place of its callee needs.

    ``looks_on``: also where what it needs is carried through names, results and attributes.
    """
    incoming = way[-1]
    call = incoming.call
    if call is None or expressions.has_splat(call):
        return False
    conditions = _needed(incoming.callee, context, sequence)
    if not conditions:
        return False
    answers = program.once(_answers)
    row = answers.row(way)

    def stands_against(needed: t.Expr | t.Context) -> bool:
        # It stands in facts, or is remembered, so that its identity lasts.
        return answers.about(
            row,
            (id(needed), looks_on),
            lambda: _stands_against(program, row, needed, looks_on=looks_on),
        )

    return answers.about(
        row, (context, sequence, looks_on), lambda: any(map(stands_against, conditions))
    )


def _answers(program: "Program") -> Answers:
    """Return what has been answered about calls in a row."""
    return Answers()


@remembered
def _needed(callee: FunctionNode, context: int, sequence: int) -> tuple[t.Expr | t.Context, ...]:
    """Return the conditions that hold where a place runs, and the blocks whose tests do not."""
    contexts = callee.facts.contexts
    chain = callee.context_chain(context)
    found: list[t.Expr | t.Context] = []
    for step in chain:
        here = contexts[step]
        if here.kind in ("if", "and"):
            found += conjuncts(here.subject)
        elif here.kind in ("else", "or", "match"):
            found.append(here)
    return (*found, *guards_before(callee, chain, sequence, SKIPPING))


def _stands_against(
    program: "Program", way: Way, needed: t.Expr | t.Context, *, looks_on: bool
) -> bool:
    """Return whether what the last of some calls gives surely fails what a place needs."""
    if not isinstance(needed, t.Context):
        return _is_off(program, way, needed, looks_on=looks_on)
    if needed.kind == "match":
        if needed.subject is None or needed.target is None:
            return False
        at = (needed.sequence, needed.parent)
        asked, wanted = needed.subject, needed.target
        return _is_given_of(program, way, asked, wanted, at, looks_on=looks_on) is False
    return _surely_holds(program, way, needed, looks_on=looks_on) or (
        needed.kind == "or" and _fills_in(program, way, needed.subject, looks_on=looks_on)
    )


def _fills_in(program: "Program", way: Way, asked: t.Expr | None, *, looks_on: bool) -> bool:
    """Return whether what stands behind ``or`` is there for calls that leave a parameter off.

    ``size = size or read_size()`` means what ``if not size:`` does.
    """
    options = asked.options if isinstance(asked, t.Either) and asked.kind == "or" else (asked,)
    return any(
        isinstance(option, t.Name) and _is_off(program, way, t.Not(option), looks_on=looks_on)
        for option in options
    )


def _is_off(program: "Program", way: Way, condition: t.Expr, *, looks_on: bool) -> bool:
    if _text_differs(way, condition):
        return True
    if _is_of(program, way, condition, looks_on=looks_on) is False:
        return True
    if looks_on and _compares(program, way, condition) is False:
        return True
    test = _switch(condition)
    if test is None:
        return False
    return _given(program, way, test, looks_on=looks_on) is (not test.wanted)


def _text_differs(way: Way, condition: t.Expr) -> bool:
    """Return whether a parameter is asked for a text, key or prefix that what is given lacks."""
    match condition:
        case t.Compare(operator="Eq", left=t.Name(id=name), right=t.Const(value=str() as wanted)):
            given = _passed(way, name)
            return (
                isinstance(given, t.Const)
                and isinstance(given.value, str)
                and given.value != wanted
            )
        case t.CallRef(index=index):
            call = way.last.callee.facts.calls[index]
            callee = call.callee
            if not isinstance(callee, t.Attr) or callee.name != "startswith":
                return False
            first = call.arguments[0] if call.arguments else None
            if not isinstance(callee.base, t.Name) or not isinstance(first, t.Const):
                return False
            given = _passed(way, callee.base.id)
            return (
                isinstance(given, t.Const)
                and isinstance(given.value, str)
                and not given.value.startswith(str(first.value))
            )
        case t.Compare(operator="In", left=t.Const() as key, right=t.Name(id=name)):
            given = _passed(way, name)
            return (
                isinstance(given, t.Mapping) and None not in given.keys and _lacks(given.keys, key)
            )
        case t.Compare(operator="In", left=t.Name(id=name), right=t.Seq(items=items)):
            given = _passed(way, name)
            return isinstance(given, t.Const) and _lacks(items, given)
    return False


def _compares(program: "Program", way: Way, condition: t.Expr) -> bool | None:
    """Return whether an attribute of what the calls carry is what a test compares it with."""
    callee = way.last.callee
    match condition:
        case t.Compare(operator="Eq" | "NotEq" as operator, left=t.Attr() as left, right=right):
            wanted: tuple[t.Expr, ...] = (right,)
        case t.Compare(
            operator="In" | "NotIn" as operator, left=t.Attr() as left, right=t.Seq(items=wanted)
        ):
            pass
        case _:
            return None
    constants = [constant_at(program.types, callee, value) for value in wanted]
    found = carried(program, Carried(callee, way, left), _leaves_off_itself)
    if found is None or not isinstance(found.value, t.Const) or None in constants:
        return None
    return (found.value in constants) is (operator in ("Eq", "In"))


def _lacks(written: "tuple[t.Expr | None, ...]", value: t.Const) -> bool:
    """Return whether a display of constants does not have one of them."""
    return all(isinstance(item, t.Const) for item in written) and value not in written


def _is_of(program: "Program", way: Way, condition: t.Expr, *, looks_on: bool) -> bool | None:
    """Return whether a class test holds of what the last call gives; None where not known.

    It is ``isinstance``, or compares ``type(given).__name__``.
    """
    if isinstance(condition, t.Not):
        found = _is_of(program, way, condition.value, looks_on=looks_on)
        return None if found is None else not found
    if isinstance(condition, t.Compare):
        return _is_of_class_named(program, way, condition)
    asked = class_test(way.last.callee, condition)
    if asked is None or not isinstance(condition, t.CallRef):
        return None
    call = way.last.callee.facts.calls[condition.index]
    return _is_given_of(program, way, *asked, (call.sequence, call.context), looks_on=looks_on)


def _is_of_class_named(program: "Program", way: Way, condition: t.Compare) -> bool | None:
    """Return whether the class of what the last call gives has the name that it is asked for."""
    edge = way.last
    match condition:
        case t.Compare(
            operator="Eq" | "NotEq" as operator,
            left=t.Attr(base=t.CallRef(index=index), name="__name__"),
            right=t.Const(value=str(wanted)),
        ):
            call = edge.callee.facts.calls[index]
        case _:
            return None
    given = passed_as(edge, call.arguments[0]) if call.arguments else None
    if call.callee != t.Name("type") or given is None:
        return None
    values = options_of(program.types.evaluate(edge.caller, given, (edge.sequence, edge.context)))
    nodes = [value.node for value in values if isinstance(value, Instance)]
    below = [each for node in nodes for each in program.types.classes.subclasses(node)]
    names = {node.name for node in (*nodes, *below)}
    if len(nodes) < len(values) or (wanted in names and len(names) > 1):
        return None
    return (wanted in names) is (operator == "Eq")


def _is_given_of(
    program: "Program",
    way: Way,
    asked: t.Expr,
    wanted: t.Expr,
    at: tuple[int, int],
    *,
    looks_on: bool,
) -> bool | None:
    """Return whether what the last call gives is of one of some classes; None where not known."""
    edge = way.last
    given = passed_as(edge, asked)
    if given is None:
        return None
    types = program.types
    classes = options_of(types.evaluate(edge.callee, wanted, at))
    if isinstance(classes[0], TupleType):
        classes = classes[0].items
    values = options_of(types.evaluate(edge.caller, given, (edge.sequence, edge.context)))
    answers = {_is_instance(program, value, tested) for value in values for tested in classes}
    if answers == {None} or len(answers) > 1:
        made = _made(program, way, asked) if looks_on else None
        answers = {None if made is None else _is_instance(program, made, each) for each in classes}
    return answers.pop() if len(answers) == 1 else None


def _made(program: "Program", way: Way, asked: t.Expr) -> Type | None:
    """Return the class of the object that the calls carry, where one of them made it."""
    found = carried(program, Carried(way.last.callee, way, asked), _leaves_off_itself)
    if found is None or not isinstance(found.value, t.CallRef):
        return None
    call = found.function.facts.calls[found.value.index]
    return program.types.evaluate(found.function, found.value, (call.sequence, call.context))


def _is_instance(program: "Program", value: Type, tested: Type) -> bool | None:
    """Return whether an object is surely, or surely not, of a class."""
    if isinstance(tested, LibrarySymbol) and isinstance(value, LibraryInstance):
        # What the language itself makes is of no class of a library, but for the abstract ones.
        is_plain = value.path in PLAIN
        return False if is_plain and not tested.path.startswith(ABSTRACT) else None
    if not isinstance(tested, ClassType):
        return None
    if isinstance(value, LibraryInstance) and value.path.startswith("builtins."):
        return False
    if not isinstance(value, Instance):
        return None
    if tested.node in program.types.classes.project_order(value.node):
        return True
    is_base = value.node in program.types.classes.project_order(tested.node)
    shared = set(program.types.classes.subclasses(value.node)) & set(
        program.types.classes.subclasses(tested.node)
    )
    return None if is_base or shared else False


def _passed(way: Way, name: str) -> t.Expr | None:
    """Return what the calls in a row give for a parameter of the last callee.

    Also where one only passes on its own parameter; the default where nothing is given.
    """
    edge = way.last
    param = edge.callee.params.get(name)
    if param is None or edge.call is None:
        return None
    given = expressions.argument_for(edge.call, edge.callee, name)
    if given is None:
        given = param.default
    elif isinstance(given, t.Name) and given.id in edge.caller.params and way.before.is_any:
        given = _passed(way.before, given.id) or given
    if name in edge.callee.binds:
        is_there = not isinstance(given, t.Const) or bool(given.value)
        return given if is_there and _only_filled(edge.callee, name) else None
    return given


def _only_filled(function: FunctionNode, name: str) -> bool:
    """Return whether a parameter is bound nowhere but where it was found to be missing."""
    return all(
        _is_default_for(bind.value, name)
        or any(
            (around := function.facts.contexts[step]).kind == "if"
            and around.subject is not None
            and (test := _switch(around.subject)) is not None
            and test.value == t.Name(name)
            and not test.wanted
            for step in function.context_chain(bind.context)
        )
        for bind in function.binds[name]
    )


def _is_default_for(value: t.Expr | None, name: str) -> bool:
    """Return whether an expression is a name, or another value where that is empty."""
    return isinstance(value, t.Either) and value.kind == "or" and value.options[0] == t.Name(name)


def _surely_holds(program: "Program", way: Way, context: t.Context, *, looks_on: bool) -> bool:
    """Return whether the test of a branch surely holds: by what the call gives, or does not."""
    return context.subject is not None and _holds(program, way, context.subject, looks_on=looks_on)


def _holds(program: "Program", way: Way, asked: t.Expr, *, looks_on: bool) -> bool:
    """Return whether a test surely holds: by what the calls give, or do not."""
    if isinstance(asked, t.Either) and asked.kind in ("and", "or"):
        found = [_holds(program, way, option, looks_on=looks_on) for option in asked.options]
        return all(found) if asked.kind == "and" else any(found)
    if _is_of(program, way, asked, looks_on=looks_on):
        return True
    if looks_on and _compares(program, way, asked):
        return True
    test = _switch(asked)
    if test is None:
        return False
    # What is given is there, as a rule; whether it is true, nobody knows.
    if test.wanted and not test.presence:
        value = _value(program, way, test.value, looks_on=looks_on)
        if not isinstance(value, t.Const) and not _is_filled(value):
            return False
    return _given(program, way, test, looks_on=looks_on) is test.wanted


def _is_filled(value: t.Expr | None) -> bool:
    """Return whether an expression is a display with something in it, which is always true."""
    if isinstance(value, t.Mapping):
        return None not in value.keys and bool(value.keys)
    return isinstance(value, t.Seq) and any(not isinstance(item, t.Star) for item in value.items)


class _Switch(NamedTuple):
    """What decides a branch, whether the branch wants it, and whether its presence is enough."""

    value: t.Name | t.Attr | t.CallRef
    wanted: bool
    presence: bool


def _switch(test: t.Expr) -> _Switch | None:
    """Return what decides a branch by being there or not, or by being true."""
    match test:
        case t.Name() | t.Attr() | t.CallRef():
            return _Switch(test, wanted=True, presence=False)
        case t.Not(value=(t.Name() | t.Attr() | t.CallRef()) as inner):
            return _Switch(inner, wanted=False, presence=False)
        case t.Compare(
            operator="Is" | "IsNot" as operator,
            left=(t.Name() | t.Attr() | t.CallRef()) as inner,
            right=t.Const(kind="NoneType"),
        ):
            return _Switch(inner, wanted=operator == "IsNot", presence=True)
    return None


def _given(program: "Program", way: Way, test: _Switch, *, looks_on: bool) -> bool | None:
    """Return whether a call gives what is tested: True, False, or None where that is not known."""
    value = _value(program, way, test.value, looks_on=looks_on)
    if isinstance(value, t.Const) and value.kind != "ellipsis":
        return value.kind != "NoneType" if test.presence else bool(value.value)
    return None if value is None or isinstance(test.value, t.Attr) else True


def _value(
    program: "Program", way: Way, tested: t.Name | t.Attr | t.CallRef, *, looks_on: bool
) -> t.Expr | None:
    """Return what the calls give for what is tested, or None where that is not known."""
    here = Carried(way.last.callee, way, tested)
    if isinstance(tested, t.Name):
        value = _passed(way, tested.id)
    elif isinstance(tested, t.Attr):
        value = _half(program, way.last, tested)
    else:
        taken = keyword_given(here, here.function.facts.calls[tested.index])
        return None if taken is None else taken.value
    if not looks_on or isinstance(value, t.Const) or _is_filled(value):
        return value
    found = carried(program, here, _leaves_off_itself)
    return found.value if found is not None and isinstance(found.value, t.Const) else value


def _leaves_off_itself(program: "Program", way: Way, context: int, sequence: int) -> bool:
    return leaves_off(program, way.edges, context, sequence, looks_on=False)


def _half(program: "Program", incoming: "Edge", test: t.Attr) -> t.Expr | None:
    """Return what the object of a method call was made with, for what the attribute keeps."""
    callee = incoming.callee
    if callee.owner is None or not isinstance(test.base, t.Name) or incoming.call is None:
        return None
    if not callee.facts.params or callee.facts.params[0].name != test.base.id:
        return None
    if not isinstance(incoming.call.callee, t.Attr):
        return None
    made = _constructor(program, incoming.caller, incoming.call.callee.base, MAX_STEPS)
    if made is None:
        return None
    maker = program.types.classes.method(callee.owner, "__init__")
    param = None if maker is None else _kept_param(program, callee.owner, maker, test.name, made)
    if maker is None or param is None or expressions.has_splat(made):
        return None
    given = expressions.argument_for(made, maker, param)
    return given if given is not None else maker.params[param].default


def _kept_param(
    program: "Program", owner: ClassNode, maker: FunctionNode, attribute: str, made: t.Call
) -> str | None:
    """Return the ``__init__`` parameter that an attribute keeps, if nothing else sets it."""
    stores = owner.stores.get(attribute, [])
    own = [bind for function, bind in stores if function is maker]
    others = [function for function, _ in stores if function is not maker]
    if len(own) != 1 or any(_is_called_on(program, function, made) for function in others):
        return None
    value = own[0].value
    return value.id if isinstance(value, t.Name) and value.id in maker.params else None


def _is_called_on(program: "Program", method: FunctionNode, made: t.Call) -> bool:
    """Return whether a method is called on the object that a call made."""
    for edge in program.edges_to(method):
        if edge.call is not None and isinstance(edge.call.callee, t.Attr):
            base = edge.call.callee.base
            if _constructor(program, edge.caller, base, MAX_STEPS) is made:
                return True
    return False


def _constructor(
    program: "Program", function: FunctionNode, value: t.Expr, steps: int
) -> t.Call | None:
    """Return the one call that made the object held in a name, or None."""
    if isinstance(value, t.CallRef):
        resolved = program.types.call(function, value.index)
        is_made = isinstance(resolved.callee, ClassType)
        return function.facts.calls[value.index] if is_made else None
    if steps == 0 or not isinstance(value, t.Name):
        return None
    found = meanings(function, value.id, AT_END)
    if len(found) != 1:
        return None
    scope, definition = found[0]
    if isinstance(definition, t.Import):
        origin = program.types.import_origin(scope, definition)
        if origin is None:
            return None
        return _constructor(program, origin[0], t.Name(origin[1]), steps - 1)
    if not isinstance(definition, t.Bind) or not isinstance(definition.value, t.CallRef):
        return None
    return _constructor(program, scope, definition.value, steps - 1)
