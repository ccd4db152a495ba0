"""What the pages that a library makes of the rows of a table ask for, row by row."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.class_values import class_value, texts_of
from perfaudit.program.given_names import Given, given_back
from perfaudit.program.managers import manager_may_load
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.record_lists import ListClass
from perfaudit.program.renderings import Known, Rendering, renderings
from perfaudit.program.template_costs import Paid, Turn, paid_within
from perfaudit.program.template_values import Cost, Reading, Value, is_joined
from perfaudit.program.values import Instance, list_of, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

TEXT = "__str__"


class ListPage(Struct, frozen=True):
    """A page of rows: the class that makes it, and what each row costs.

    ``cure``: how the class has relations loaded with the rows. ``kept``: those that it has loaded
    now and that are read, which what is set in its place must name.
    """

    node: ClassNode
    paid: tuple[Paid, ...]
    cure: str
    kept: tuple[tuple[str, ...], ...]


def list_pages(program: "Program") -> Iterator[ListPage]:
    """Yield the pages of rows that the classes of the project make, in file order."""
    for shown in program.list_classes:
        if not shown.is_of_one:
            paid = tuple(_paid(program, shown))
            yield ListPage(shown.node, paid, shown.kind.cure, tuple(_kept(program, paid)))


def _kept(program: "Program", paid: Sequence[Paid]) -> Iterator[tuple[str, ...]]:
    """Yield the relations that a page has loaded with its rows: named, or read and there."""
    costs = [each.cost for each in paid]
    named = [path for cost in costs if cost.owner.known for path in cost.owner.known.joined]
    read = [cost.path for cost in costs if cost.relation and is_joined(program, cost)]
    yield from dict.fromkeys((*named, *read))


def _paid(program: "Program", shown: ListClass) -> Iterator[Paid]:
    known = _known(program, shown)
    if known is None:
        return
    node = shown.node
    turn = Turn(f"rows of {node.name}", node.location, is_rows=True)
    row = Value(Instance(shown.model), known, loop=1)
    is_sure = _is_known(program, node) and not shown.kind.staff
    for column in shown.columns:
        reading = Reading(program, runs_methods=True)
        if column.function is not None:
            given = {column.row: row} if column.row else {}
            if column.function not in program.memoised:
                reading.function(column.function, given)
            for rendering in _within(program, column.function):
                yield from paid_within(program, rendering, turn, given)
        else:
            _shown(program, reading, row, column.name)
        for cost in reading.costs:
            place = _own_place(node, cost) or column.location
            yield Paid(_as_sure(cost, is_sure=is_sure), place, turn, (), column.name)


def _is_known(program: "Program", node: ClassNode) -> bool:
    """Return whether all that a page inherits from is known: other libraries may hide its rows."""
    bases = program.types.classes.library_bases(node)
    return all(program.libraries.type(base) is not None for base in bases)


def _as_sure(cost: Cost, *, is_sure: bool) -> Cost:
    if is_sure:
        return cost
    return replace(cost, confidence=weakest(cost.confidence, Confidence.MEDIUM))


def _within(program: "Program", method: FunctionNode) -> Sequence[Rendering]:
    return [found for found in program.once(renderings) if found.function is method]


def _own_place(node: ClassNode, cost: Cost) -> Location | None:
    """Return the place of a cost that is written in the file of the page itself."""
    if cost.steps and cost.steps[0].location.path == node.file.path:
        return cost.steps[0].location
    return None


def _shown(program: "Program", reading: Reading, row: Value, name: str) -> None:
    """Note what a column costs that is an attribute of the row, or its text."""
    value = row
    for step in [] if name == TEXT else name.split("__"):
        value = reading.step(value, step)
    reading.asked(value)
    for option in options_of(value.type):
        if isinstance(option, Instance):
            method = program.types.classes.method(option.node, TEXT)
            if method is not None:
                reading.run(value, option, method)


def _known(program: "Program", shown: ListClass) -> Known | None:
    """Return the rows of a page with what is loaded with them, or None where that is not known."""
    node, found, model = shown.node, shown.kind, shown.model
    classes = program.types.classes
    if found.joins and classes.method(node, found.joins) is not None:
        return None
    if manager_may_load(program.types, model):
        return None
    joined: list[tuple[str, ...]] = []
    required = False
    given = class_value(program.types, node, found.joined) if found.joined else None
    if given is None or _is_false(given.value):
        required = bool(found.joined) and any(
            _is_key(program, model, column.name) for column in shown.columns
        )
    elif isinstance(given.value, t.Const):
        required = bool(given.value.value)
    else:
        names = texts_of(program.types, given.function, given.value, given.at)
        if not names:
            return None
        joined = [tuple(name.split("__")) for name in names]
    method = classes.method(node, found.rows)
    givens: tuple[Given, ...] = ()
    if method is not None:
        givens = tuple(given_back(method, node))
    return Known(
        list_of(Instance(model)),
        givens,
        None if givens else node.location,
        tuple(joined),
        required,
    )


def _is_false(value: t.Expr) -> bool:
    return isinstance(value, t.Const) and value.value is False


def _is_key(program: "Program", model: ClassNode, name: str) -> bool:
    """Return whether a column is a relation with a key in the table of the rows."""
    relation = program.schema.relation(model, name)
    return relation is not None and relation.column is not None and not relation.reverse
