"""Whether the plural twin of a call could take its place."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import expressions
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables import Table
from perfaudit.program.values import (
    ClassType,
    Instance,
    LibraryInstance,
    TupleType,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

SKIPS_HOOKS = "batch-skips-hooks"
BY_KEY = "batch-by-key"
NO_BATCH = "no-batch"
NEEDS_ONE_TABLE = "batch-needs-one-table"
HEARS_SAVES = "hears-saves"
OWN_SAVING = ("save", "asave")
OWN_DELETION = ("delete", "adelete")
"""Methods of a class of rows that run for one object only."""


def skips_hooks(program: "Program", site: Site) -> bool:
    """Return whether the plural twin of a call leaves out what saving one object runs."""
    if SKIPS_HOOKS not in site.behaviour.flags:
        return False
    own = OWN_DELETION if site.name.endswith("delete") else OWN_SAVING
    if site.function.owner is not None and site.function.name in own:
        return True
    node = _table_class(program, site)
    if node is None:
        return False
    if any(_is_own(program, node, name) for name in own):
        return True
    if own is OWN_DELETION:
        # A query that deletes tells those who listen, too.
        return False
    heard = program.once(_heard_classes)
    return any(owner in heard for owner in program.types.classes.project_order(node))


def has_no_plural(site: Site) -> bool:
    """Return whether nothing does what a call does for many objects at once."""
    return NO_BATCH in site.behaviour.flags


def is_of_new_row(program: "Program", places: Sequence[Site | Edge]) -> bool:
    """Return whether what is saved at the end of a way was made on it, so that it is inserted.

    ``row = Row(...)``, ``row.pk = None``.
    """
    for place in places:
        function = place.function
        callee = place.call.callee if place.call is not None else None
        held = callee.base if isinstance(callee, t.Attr) else None
        before = [bind for bind in function.facts.binds if bind.sequence < place.sequence]
        if any(
            isinstance(bind.target, t.Attr)
            and bind.target.base == held
            and bind.target.name in ("pk", "id")
            and bind.value == t.Const(None, "NoneType")
            for bind in before
        ):
            return True
        made = [bind.value for bind in before if bind.target == held]
        if made and all(_is_made(program, function, value) for value in made):
            return True
    return False


def _is_made(program: "Program", function: FunctionNode, value: t.Expr | None) -> bool:
    return isinstance(value, t.CallRef) and isinstance(
        program.types.call(function, value.index).callee, ClassType
    )


def can_be_plural(program: "Program", site: Site) -> bool:
    """Return whether the plural twin of a call can do what the call does, as far as is known."""
    if not site.behaviour.batch or skips_hooks(program, site) or _reckons(site):
        return False
    # What runs a statement many times gives no rows.
    if site.behaviour.sql is not None and "db.write" not in site.effects:
        return False
    node = _table_class(program, site)
    if BY_KEY in site.behaviour.flags and not _is_by_key(program, site, node):
        return False
    if site.receiver is not None and _is_of_unknown(program, site.receiver):
        return False
    if NEEDS_ONE_TABLE not in site.behaviour.flags:
        return True
    if node is not None and _has_two_tables(program, node):
        return False
    return not _is_pair_read(program, site)


def _reckons(site: Site) -> bool:
    """Return whether an update has the database work out a value of each row: ``F("n") + 1``."""
    return (
        BY_KEY in site.behaviour.flags
        and "db.write" in site.effects
        and site.call is not None
        and any(
            isinstance(part, t.CallRef)
            for _, given in site.call.keywords
            for part in expressions.parts(site.function, given)
        )
    )


def _is_by_key(program: "Program", site: Site, node: ClassNode | None) -> bool:
    """Return whether a query is of the one row with a key, which is all that its twin can ask."""
    table = program.schema.table_of(node) if node is not None else None
    keys = {"pk", "id"} if table is None else {"pk", *_keys(table)}
    conditions = [
        call
        for call in _chain(site.function, site.value)
        if call.keywords and not (call is site.call and "db.write" in site.effects)
    ]
    return (
        len(conditions) == 1
        and not conditions[0].arguments
        and {name for name, _ in conditions[0].keywords} <= keys
    )


def _keys(table: Table) -> set[str]:
    return {name for name, column in table.columns.items() if column.primary}


def _chain(function: FunctionNode, value: t.Expr) -> Iterator[t.Call]:
    """Yield the calls that a query is made of, last one first."""
    while isinstance(value, t.CallRef | t.Attr | t.Await):
        if isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            yield call
            value = call.callee
        else:
            value = value.base if isinstance(value, t.Attr) else value.value


def _is_of_unknown(program: "Program", receiver: Type) -> bool:
    """Return whether a query is of a table that nobody knows."""
    if not isinstance(receiver, Instance | LibraryInstance):
        return False
    if isinstance(receiver, LibraryInstance) and not receiver.arguments:
        known = program.libraries.type(receiver.path)
        return known is not None and bool(known.parameters)
    return any(isinstance(given, Unknown) for given in receiver.arguments)


def _table_class(program: "Program", site: Site) -> ClassNode | None:
    """Return the class whose rows a call reads or writes."""
    for option in options_of(site.receiver) if site.receiver is not None else ():
        if isinstance(option, Instance) and program.schema.table_of(option.node):
            return option.node
        if isinstance(option, Instance | LibraryInstance):
            for given in option.arguments[:1]:
                if isinstance(given, Instance):
                    return given.node
    return None


def _is_own(program: "Program", node: ClassNode, name: str) -> bool:
    return program.types.classes.method(node, name) is not None


def _has_two_tables(program: "Program", node: ClassNode) -> bool:
    """Return whether a base of a table's class has a table of its own."""
    for base in program.types.classes.project_order(node)[1:]:
        table = program.schema.table_of(base)
        if table is not None and not table.abstract:
            return True
    return False


def _is_pair_read(program: "Program", site: Site) -> bool:
    """Return whether a call gives a pair, such as a row and whether it is new, that is used."""
    if site.call is None or site.call.discarded:
        return False
    found = program.types.evaluate(site.function, site.value, (site.sequence, site.context))
    return isinstance(found, TupleType)


def _heard_classes(program: "Program") -> frozenset[ClassNode]:
    """Return the classes for which something runs whenever one of their objects is saved."""
    found: set[ClassNode] = set()
    for function in program.functions:
        for call in function.facts.calls:
            sender = dict(call.keywords).get("sender")
            if sender is None or not _hears_saves(program, function, call):
                continue
            value = program.types.evaluate(function, sender, AT_END)
            found.update(
                option.node for option in options_of(value) if isinstance(option, ClassType)
            )
    return frozenset(found)


def _hears_saves(program: "Program", function: FunctionNode, call: t.Call) -> bool:
    """Return whether a call registers a listener with one of the signals given or called on."""
    signals = [*call.arguments[:1]]
    if isinstance(call.callee, t.Attr):
        signals.append(call.callee.base)
    if signals and isinstance(signals[0], t.Seq):
        signals.extend(signals[0].items)
    for signal in signals:
        for option in options_of(program.types.evaluate(function, signal, AT_END)):
            if isinstance(option, LibraryInstance):
                behaviour = program.libraries.method(option.path, "connect")
                if behaviour is not None and HEARS_SAVES in behaviour.flags:
                    return True
    return False
