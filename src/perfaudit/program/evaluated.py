"""Queries whose rows are there already: they were walked, counted or tested under the same name."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.evaluation import valued
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.one_path import has_run_before
from perfaudit.program.sites import Site
from perfaudit.program.tables_vocabulary import has_order
from perfaudit.program.values import Instance, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 3
KEEPS_ROWS = "keeps-rows"
ASKS_KEPT_ROWS = frozenset({"asks-kept-rows", "keeps-prefetch"})
IN_ORDER = "keeps-ordered-prefetch"
"""The flag of what rows that are there answer where they have an order."""
TESTS_ITEMS = "tests-items"
"""The flag of calls that ask the items of their first argument whether they are true."""
TESTING = frozenset({"if", "while", "and", "or"})
"""Kinds of blocks that are entered by what the truth of something says."""


class _Kept(Struct, frozen=True):
    """An object that has its rows from a point on."""

    rows: t.Expr
    context: int
    sequence: int


def without_kept(types: "Types", function: FunctionNode, sites: Iterable[Site]) -> Iterator[Site]:
    """Yield the sites that cost something: not those that ask an object for the rows it keeps."""
    keeping: list[_Kept] = []
    tested: tuple[_Kept, ...] | None = None
    for site in sorted(sites, key=lambda site: site.sequence):
        flags = site.behaviour.flags
        may_be_kept = not ASKS_KEPT_ROWS.isdisjoint(flags) or (
            IN_ORDER in flags and _has_order(types, site)
        )
        if may_be_kept:
            if tested is None:
                tested = tuple(_tested(types, function))
            known = (*keeping, *tested) if _is_kept_by_test(types, site) else keeping
            if any(_serves(types, function, kept, site) for kept in known) or _was_chosen(
                types, function, _asked(site), MAX_STEPS
            ):
                continue
        if KEEPS_ROWS in flags:
            keeping.append(_Kept(_asked(site), site.context, site.sequence))
        yield site


def _is_kept_by_test(types: "Types", site: Site) -> bool:
    """Return whether an object keeps its rows once it was asked whether it is true."""
    if not isinstance(site.receiver, LibraryInstance):
        return False
    behaviour = types.libraries.on(site.receiver.path, "bool")
    return behaviour is not None and KEEPS_ROWS in behaviour.flags


def _tested(types: "Types", function: FunctionNode) -> Iterator[_Kept]:
    """Yield what a function asks whether it is true, as all or part of a condition or a value."""
    facts = function.facts
    for number, block in enumerate(facts.contexts):
        if block.kind in TESTING and block.subject is not None:
            first, *others = _operands(block.subject)
            yield _Kept(first, block.parent, block.sequence)
            if isinstance(block.subject, t.Either) and block.subject.kind == "and":
                yield from (_Kept(other, number, block.sequence) for other in others)
    for fact, value in valued(facts):
        if isinstance(value, t.Not | t.Either) and not isinstance(fact, t.Context):
            yield _Kept(_operands(value)[0], fact.context, fact.sequence)
    for index, call in enumerate(facts.calls):
        match call.arguments:
            case [t.Seq(items=[item, *_])] if types.call(function, index).has_flag(TESTS_ITEMS):
                yield _Kept(item, call.context, call.sequence)


def _operands(test: t.Expr) -> tuple[t.Expr, ...]:
    """Return what a test asks whether it is true, the first of which it always does."""
    match test:
        case t.Not(value=value):
            return _operands(value)[:1]
        case t.Either(kind="and" | "or", options=options):
            return tuple(_operands(option)[0] for option in options)
    return (test,)


def _has_order(types: "Types", site: Site) -> bool:
    """Return whether the rows that a call asks for have an order by their class."""
    given = site.receiver.arguments if isinstance(site.receiver, LibraryInstance) else ()
    return any(
        isinstance(option, Instance) and has_order(types, option.node)
        for argument in given[:1]
        for option in options_of(argument)
    )


def _serves(types: "Types", function: FunctionNode, kept: _Kept, site: Site) -> bool:
    """Return whether the rows that one place has loaded are those that a later one asks for."""
    asked = _asked(site)
    if kept.rows != asked or not _holds_one(types, function, asked):
        return False
    # What a loop gives another value is that in its next turn.
    own_loops = set(function.loops(site.context)) - set(function.loops(kept.context))
    return has_run_before(function, kept, site) and not any(
        kept.sequence < bind.sequence < site.sequence
        or any(function.is_within(bind.context, loop) for loop in own_loops)
        for bind in function.facts.binds
        if bind.target == asked
    )


def _holds_one(types: "Types", function: FunctionNode, value: t.Expr) -> bool:
    """Return whether an expression is the same object each time: a name, an own attribute."""
    match value:
        case t.Name():
            return True
        case t.Attr(base=t.Name(id=name), name=attribute) if function.owner is not None:
            params = function.facts.params
            is_own = bool(params) and name == params[0].name
            return is_own and types.classes.method(function.owner, attribute) is None
    return False


def _was_chosen(types: "Types", function: FunctionNode, rows: t.Expr, steps: int) -> bool:
    """Return whether rows were chosen by asking them whether there are any: ``these or those``."""
    match rows:
        case t.Either(kind="or"):
            return True
        case t.Name(id=name) if steps and name not in function.params:
            values = [bind.value for bind in function.binds.get(name, ())]
            return any(
                value is not None and _was_chosen(types, function, value, steps - 1)
                for value in values
            )
        case t.CallRef(index=index) if steps:
            return any(
                item.value is not None
                and _was_chosen(types, target.function, item.value, steps - 1)
                for target in types.call(function, index).targets
                if target.function is not None
                for item in target.function.facts.results
            )
    return False


def _asked(site: Site) -> t.Expr:
    """Return the object that a place asks for its rows."""
    if site.call is not None and isinstance(site.call.callee, t.Attr):
        return site.call.callee.base
    # A slice of them is a query of its own.
    match site.value:
        case t.Item(base=base, key=key) if not isinstance(key, t.Slice):
            return base
    return site.value
