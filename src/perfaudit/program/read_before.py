"""Relations that a view has read of every row of its page before the template is rendered."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.language_calls import calls_above, given_above
from perfaudit.program.late_reads import is_read_late
from perfaudit.program.nodes import WALK_KINDS, FunctionNode
from perfaudit.program.questions import HASATTR
from perfaudit.program.renderings import Rendering, view_of
from perfaudit.program.template_costs import Paid, Turn

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class _Read(Struct, frozen=True):
    """A relation that is read of each of the rows under a name of the context."""

    rows: str
    relation: str
    location: Location
    loop: Location
    written: str


def with_earlier_reads(
    program: "Program", rendering: Rendering, costs: list[Paid]
) -> Iterator[Paid]:
    """Yield the costs of a page, each where it is paid: by who reads the relation first."""
    reads = list(_reads(program, rendering))
    for paid in costs:
        cost = paid.cost
        is_one = cost.relation is not None and not cost.relation.many
        first = next(
            (
                read
                for read in reads
                if is_one
                and cost.path == (read.relation,)
                and cost.owner.known is not None
                and cost.owner.known == rendering.names.get(read.rows)
            ),
            None,
        )
        yield paid if first is None else _paid_at(paid, first)


def _paid_at(paid: Paid, read: _Read) -> Paid:
    turn = Turn(read.rows, read.loop, is_rows=True)
    way = (TraceStep(read.loop, f"loop over {read.rows}"),)
    return Paid(paid.cost, read.location, turn, way, read.written, is_before=True)


def _reads(program: "Program", rendering: Rendering) -> Iterator[_Read]:
    """Yield what the methods that fill the context read of all rows, in the order they run."""
    node = rendering.view
    view = None if node is None else view_of(program, node)
    if node is None or view is None or rendering.location != node.location:
        return
    run: list[FunctionNode] = []
    for owner in program.types.classes.project_order(node):
        method = owner.methods.get(view.words.context)
        if method is not None:
            run.append(method)
            if not calls_above(method):
                break
    for method in reversed(run):
        for index, block in enumerate(method.facts.contexts):
            if block.kind in WALK_KINDS and block.parent == -1:
                rows = _rows_under(method, block.subject)
                if rows:
                    yield from _read_in(method, index, block, rows)


def _rows_under(method: FunctionNode, subject: t.Expr | None) -> str:
    """Return the name of the context, as the class above has filled it, whose rows are walked."""
    match subject:
        case t.Item(base=t.Name() as context, key=t.Const(value=str() as key)):
            binds = [bind for bind in method.facts.binds if bind.target == context]
            changed = any(bind.target == subject for bind in method.facts.binds)
            if (
                len(binds) == 1
                and not changed
                and given_above(method, binds[0].value) == method.name
            ):
                return key
    return ""


def _read_in(method: FunctionNode, loop: int, block: t.Context, rows: str) -> Iterator[_Read]:
    """Yield the attributes that a loop reads of each of its items, whatever they are."""
    facts = method.facts
    for read in facts.reads:
        attribute = _attribute_of(read.value, block.target)
        if attribute is None or read.context != loop or is_read_late(method, read.value):
            continue
        if any(
            item.sequence < read.sequence or loop in method.context_chain(item.context)
            for item in facts.exits
        ):
            continue
        if all(
            _asks_for(method, test, attribute)
            for test in facts.contexts
            if test.kind == "assert" and test.parent == loop and test.sequence < read.sequence
        ):
            place, start = method.place(read), method.line(block.line)
            written = f"{getattr(block.target, 'id', '')}.{attribute.name}"
            yield _Read(rows, attribute.name, place, start, written)


def _attribute_of(value: t.Expr, item: t.Expr | None) -> t.Attr | None:
    """Return the attribute of an item that a value is, or begins with."""
    while isinstance(value, t.Attr):
        if value.base == item and isinstance(item, t.Name):
            return value
        value = value.base
    return None


def _asks_for(method: FunctionNode, test: t.Context, attribute: t.Attr) -> bool:
    """Return whether a condition is that the item has the attribute."""
    if not isinstance(test.subject, t.CallRef):
        return False
    call = method.facts.calls[test.subject.index]
    given = (attribute.base, t.Const(attribute.name, "str"))
    return call.callee == HASATTR and tuple(call.arguments) == given
