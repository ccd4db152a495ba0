"""Lists in memory that hold a key of every row of a table, or of all that a constant chooses."""

from typing import TYPE_CHECKING

from msgspec import Struct

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.row_types import IN_MEMORY
from perfaudit.program.sizes import passes_items
from perfaudit.program.values import ClassType, LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 24
WHOLE = frozenset(
    {"all", "order_by", "select_related", "prefetch_related", "only", "defer", "options"}
    | {"values_list", "scalars", "execute", "exec", "fetchall", "iterator", "unique", "query"}
    | {"select", "using", "yield_per", "execution_options", "stream_scalars", "get_queryset"}
)
"""Calls of a query that leave as many rows as there are."""
NARROWING = frozenset({"filter", "exclude", "where", "filter_by"})
FIRST = t.Const(0, "int")
COLLECTED = frozenset({"append", "add"})
At = tuple[int, int]


class GrownList(Struct, frozen=True):
    """The query that a list was made of, and whether constants choose among its rows."""

    location: Location
    node: ClassNode
    is_narrowed: bool


def grown_list(
    program: "Program", function: FunctionNode, value: t.Expr, at: At
) -> GrownList | None:
    """Return the query behind a list that grows with a table, or None where it may not."""
    search = _Search(program, function)
    return search.found if search.is_list(value, at, MAX_STEPS) else None


class _Search:
    """One search, back from a list to the query that it was filled from."""

    def __init__(self, program: "Program", function: FunctionNode) -> None:
        self.program = program
        self.function = function
        self.column = ""
        self.found: GrownList | None = None

    def is_list(self, value: t.Expr, at: At, steps: int) -> bool:
        """Return whether a value is in memory, and holds a key of each row of a whole table."""
        if steps == 0:
            return False
        match value:
            case t.Comp(kind="list" | "set" | "dict" | "generator", context=context):
                held = value.key if value.kind == "dict" else value.element
                loop = self.function.facts.contexts[context]
                if self.is_chosen(context) or not self.takes_key(held, loop):
                    return False
                return self.is_walked(loop, steps)
            case t.CallRef(index=index):
                call = self.function.facts.calls[index]
                here = (call.sequence, call.context)
                if call.arguments and passes_items(self.program.types, self.function, index):
                    given = call.arguments[0]
                    return self.is_list(given, here, steps - 1) or self.is_query(given, here, steps)
                if isinstance(call.callee, t.Attr) and call.callee.name == "keys":
                    return self.is_list(call.callee.base, here, steps - 1)
                return self.is_in_memory(value, at) and self.is_query(value, at, steps)
            case t.Name(id=name):
                found = meanings(self.function, name, at)
                bind = found[0].definition if len(found) == 1 else None
                if found and found[0].scope is not self.function:
                    return False
                if not isinstance(bind, t.Bind) or bind.value is None or bind.kind != "assign":
                    return False
                if _is_empty(self.function, bind.value):
                    return self.is_filled(name, at, steps)
                return self.is_list(bind.value, (bind.sequence, bind.context), steps - 1)
        return False

    def is_filled(self, name: str, at: At, steps: int) -> bool:
        """Return whether a list is filled in one loop over the rows of a whole table."""
        filling = [
            call
            for call in self.function.facts.calls
            if isinstance(call.callee, t.Attr)
            and call.callee.base == t.Name(name)
            and call.callee.name in COLLECTED
            and call.sequence < at[0]
        ]
        if len(filling) != 1 or len(filling[0].arguments) != 1:
            return False
        loops = self.function.loops(filling[0].context)
        if not loops or filling[0].context != loops[0] or loops[0] in self.around(at[1]):
            return False
        loop = self.function.facts.contexts[loops[0]]
        return self.takes_key(filling[0].arguments[0], loop) and self.is_walked(loop, steps)

    def around(self, context: int) -> set[int]:
        """Return the contexts around a place: what is emptied in a loop is a part of the whole."""
        return set(self.function.context_chain(context))

    def is_chosen(self, context: int) -> bool:
        """Return whether a comprehension keeps some of the items only."""
        return any(
            other.kind == "assert" and other.parent == context
            for other in self.function.facts.contexts
        )

    def takes_key(self, held: t.Expr | None, loop: t.Context) -> bool:
        """Return whether what is kept of an item is an attribute of it, or the item itself."""
        if isinstance(held, t.Attr) and held.base == loop.target:
            self.column = held.name
            return True
        if isinstance(held, t.Item) and held.key == FIRST:
            held = held.base
        return held is not None and held == loop.target

    def is_walked(self, loop: t.Context, steps: int) -> bool:
        at = (loop.sequence, loop.parent)
        return loop.subject is not None and self.is_query(loop.subject, at, steps - 1)

    def is_in_memory(self, value: t.Expr, at: At) -> bool:
        options = options_of(self.program.types.evaluate(self.function, value, at))
        return bool(options) and all(
            isinstance(option, LibraryInstance) and option.path.startswith(IN_MEMORY)
            for option in options
        )

    def is_query(self, value: t.Expr, at: At, steps: int) -> bool:
        """Return whether a value is a query of a whole table, and note where it is."""
        narrowed, node, place = False, None, None
        while steps > 0:
            steps -= 1
            match value:
                case t.Await(value=inner):
                    value = inner
                    continue
                case t.Name(id=name):
                    found = meanings(self.function, name, at)
                    bind = found[0].definition if len(found) == 1 else None
                    if not isinstance(bind, t.Bind) or bind.value is None or bind.kind != "assign":
                        return False
                    if found[0].scope is not self.function:
                        return False
                    value, at = bind.value, (bind.sequence, bind.context)
                    continue
                case t.CallRef(index=index):
                    call = self.function.facts.calls[index]
                    at = (call.sequence, call.context)
                    name = last_name(call.callee)
                    place = self.function.place(call)
                    if any(
                        target.function is not None
                        for target in self.program.types.call(self.function, index).targets
                    ):
                        return False
                    if name in NARROWING:
                        narrowed = True
                        if not self.are_constant(call):
                            return False
                    elif name not in WHOLE:
                        return False
                    self.note_column(call, name)
                    node = node or self.class_given(call, name, at)
                    inner_query = self.statement(call, name)
                    if inner_query is not None:
                        value = inner_query
                        continue
                    if node is not None:
                        break
                    if not isinstance(call.callee, t.Attr):
                        return False
                    value = call.callee.base
                    continue
                case t.Attr(base=base):
                    node = self.table_class(base, at)
                    break
            return False
        if node is None or place is None or not self.is_key(node):
            return False
        self.found = GrownList(place, node, narrowed)
        return True

    def statement(self, call: t.Call, name: str) -> t.Expr | None:
        """Return the statement that a call runs, where it is given one."""
        runs = name in ("scalars", "execute", "exec", "stream_scalars")
        return call.arguments[0] if runs and call.arguments else None

    def note_column(self, call: t.Call, name: str) -> None:
        """Note the one column that a query selects."""
        if name not in ("values_list", "select", "query") or len(call.arguments) != 1:
            return
        given = call.arguments[0]
        if isinstance(given, t.Const) and isinstance(given.value, str):
            self.column = given.value
        elif isinstance(given, t.Attr):
            self.column = given.name

    def class_given(self, call: t.Call, name: str, at: At) -> ClassNode | None:
        """Return the class, or the class of the column, that a query is made for."""
        if name not in ("select", "query") or len(call.arguments) != 1:
            return None
        given = call.arguments[0]
        found = self.table_class(given, at)
        if found is None and isinstance(given, t.Attr):
            return self.table_class(given.base, at)
        return found

    def table_class(self, value: t.Expr, at: At) -> ClassNode | None:
        for option in options_of(self.program.types.evaluate(self.function, value, at)):
            if isinstance(option, ClassType) and self.program.schema.table_of(option.node):
                return option.node
        return None

    def are_constant(self, call: t.Call) -> bool:
        """Return whether nothing but constants says which rows a call chooses."""
        given = call.given
        at = (call.sequence, call.context)
        return all(self.is_constant(value, at) for value in given)

    def is_constant(self, value: t.Expr, at: At) -> bool:
        match value:
            case t.Const():
                return True
            case t.Compare(operator="Lt" | "LtE" | "Gt" | "GtE", left=left):
                # What is older than some day grows like the table itself.
                return self.is_constant(left, at)
            case t.Compare(left=left, right=right) | t.Binary(left=left, right=right):
                return self.is_constant(left, at) and self.is_constant(right, at)
            case t.Not(value=inner):
                return self.is_constant(inner, at)
            case t.Attr(base=base):
                owner = self.program.types.evaluate(self.function, base, at)
                return all(isinstance(option, ClassType) for option in options_of(owner))
            case t.CallRef(index=index):
                call = self.function.facts.calls[index]
                on = call.callee.base if isinstance(call.callee, t.Attr) else None
                given = call.given
                is_part = on is None or self.is_constant(on, at)
                return is_part and bool(given) and all(self.is_constant(it, at) for it in given)
        return False

    def is_key(self, node: ClassNode) -> bool:
        """Return whether the column that is kept has as many values as there are rows, or nearly.

        Other columns may have a few values only.
        """
        table = self.program.schema.table_of(node)
        if table is None or not self.column:
            return False
        if self.column == "pk":
            return True
        column = table.column(self.column)
        if column is None:
            return self.column == "id" and not any(item.primary for item in table.columns.values())
        return column.primary or column.unique or bool(column.references)


def _is_empty(function: FunctionNode, value: t.Expr) -> bool:
    if isinstance(value, t.Seq):
        return not value.items
    if not isinstance(value, t.CallRef):
        return False
    call = function.facts.calls[value.index]
    return call.callee == t.Name("set") and not call.arguments
