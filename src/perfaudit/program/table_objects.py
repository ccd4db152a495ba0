"""The table objects and columns that expressions stand for: ``users``, ``users.c.name``."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, last_name, spelled
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sql_names import quoted
from perfaudit.program.tables import Column, Table
from perfaudit.program.values import ClassType, LibraryInstance, Type, options_of
from perfaudit.program.written_out import MAX_STEPS, Spot, stands_for, written_out

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

At = tuple[int, int]

MAKERS = frozenset({"subquery", "cte", "lateral", "alias"})
"""Calls that let a statement stand where a table does."""
NAMES_TABLE = "sql-table"
"""What a library file says of calls whose first argument is the name of a table."""
COLUMNS = frozenset({"c", "columns"})
"""Attributes of a table that hold its columns."""


def is_table_object(types: "Types", found: Type) -> bool:
    """Return whether something is an object of a table."""
    makers = {path for schema in types.libraries.schemas for path in schema.table_makers}
    return any(
        isinstance(option, LibraryInstance) and option.path in makers
        for option in options_of(found)
    )


class StatementText(Protocol):
    """Gives the text of a statement that stands within another."""

    def __call__(
        self, function: FunctionNode, value: t.Expr, at: At, around: frozenset[str] = frozenset()
    ) -> str | None:
        """Return the text, without those tables that are around it; None where it is not known."""


class Named(NamedTuple):
    """A table in a statement: its name there, what it comes from, and how the code calls it."""

    name: str
    source: str
    table: Table
    variable: str


class TableObjects:
    """Follows names, imports and attributes to the calls that make tables.

    ``within`` gives the text of a statement whose result stands for a table.
    """

    def __init__(self, types: "Types", within: StatementText) -> None:
        self.types = types
        self.within = within
        self.results: dict[tuple[FunctionNode, int], Named | None] = {}
        """What calls make of statements; None while under way."""

    def table(
        self, function: FunctionNode, value: t.Expr, at: At, steps: int = MAX_STEPS
    ) -> Named | None:
        """Return the table that an expression stands for, also by another name."""
        spot = Spot(function, value, at)
        variable = spelled(function, value)
        for _ in range(steps):
            own = self._own(spot)
            if own is not None:
                return Named(quoted(own.name), quoted(own.name), own, variable)
            if isinstance(spot.value, t.CallRef):
                return self._made(spot.function, spot.value.index, variable, steps - 1)
            found = stands_for(self.types, spot)
            if found is None:
                return None
            spot = found
        return None

    def _own(self, spot: Spot) -> Table | None:
        """Return the table that an expression makes, or asks of a class."""
        if isinstance(spot.value, t.CallRef):
            made = self.types.made_tables.get((spot.function, spot.value.index))
            return made if made is not None else self._light(spot.function, spot.value.index)
        if isinstance(spot.value, t.Item):
            return self._by_name(spot.function, spot.value, spot.at)
        return self._of_class(spot.function, spot.value, spot.at)

    def _by_name(self, function: FunctionNode, value: t.Item, at: At) -> Table | None:
        """Return the table that the metadata has by a name: ``metadata.tables["users"]``."""
        name = value.key.value if isinstance(value.key, t.Const) else None
        if not isinstance(name, str) or not is_table_object(
            self.types, self.types.evaluate(function, value, at)
        ):
            return None
        known = (*self.types.made_tables.values(), *self.types.class_tables.values())
        line = Location(function.file.path, 1)
        light = Table(name, {}, {}, (), line)
        return next((table for table in known if table.name == name), light)

    def _light(self, function: FunctionNode, index: int) -> Table | None:
        """Return the table of which a call gives the name alone."""
        call = function.facts.calls[index]
        name = call.arguments[0] if call.arguments else None
        if not isinstance(name, t.Const) or not isinstance(name.value, str):
            return None
        for target in self.types.call(function, index).targets:
            if target.behaviour is not None and NAMES_TABLE in target.behaviour.flags:
                return Table(name.value, {}, {}, (), function.place(call))
        if is_table_object(self.types, self.types.call(function, index).result):
            return Table(name.value, {}, {}, (), function.place(call))
        return None

    def _made(self, function: FunctionNode, index: int, variable: str, steps: int) -> Named | None:
        """Return the table that a call stands for: one by another name, or a result."""
        call = function.facts.calls[index]
        name = last_name(call.callee)
        aliased = None
        if name == "alias":
            aliased = self._aliased(function, call, variable, steps)
        if aliased is not None or name not in MAKERS or not isinstance(call.callee, t.Attr):
            return aliased
        if (function, index) not in self.results:
            self.results[function, index] = None
            self.results[function, index] = self._result(function, call, call.callee.base, variable)
        return self.results[function, index]

    def _result(
        self, function: FunctionNode, call: t.Call, base: t.Expr, variable: str
    ) -> Named | None:
        """Return the result of a statement as a table, of which no columns are known."""
        text = self.within(function, base, (call.sequence, call.context))
        if text is None:
            return None
        given = argument(call, "0|name")
        is_text = isinstance(given, t.Const) and isinstance(given.value, str)
        name = variable if variable.isidentifier() else f"anon_{call.sequence}"
        name = quoted(str(given.value) if is_text and isinstance(given, t.Const) else name)
        table = Table("?", {}, {}, (), function.place(call))
        return Named(name, f"({text}) AS {name}", table, variable)

    def _aliased(
        self, function: FunctionNode, call: t.Call, variable: str, steps: int
    ) -> Named | None:
        """Return a table by the name that ``alias`` gives it."""
        at = (call.sequence, call.context)
        given = list(call.given)
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        own = None if base is None else self.table(function, base, at, steps)
        if own is None and given:
            own = self.table(function, given.pop(0), at, steps)
        if own is None:
            return None
        named = given[0] if given else None
        is_text = isinstance(named, t.Const) and isinstance(named.value, str)
        name = str(named.value) if is_text and isinstance(named, t.Const) else f"{own.name}_1"
        variable = variable if variable.isidentifier() else name
        return Named(quoted(name), f"{own.source} AS {quoted(name)}", own.table, variable)

    def written(self, function: FunctionNode, value: t.Expr, at: At) -> Spot | None:
        """Return the expression that a name or an attribute stands for."""
        return written_out(self.types, Spot(function, value, at))

    def _of_class(self, function: FunctionNode, value: t.Expr, at: At) -> Table | None:
        """Return the table that is asked of its class."""
        if not isinstance(value, t.Attr) or value.name not in self.types.table_attributes:
            return None
        for option in options_of(self.types.evaluate(function, value.base, at)):
            if isinstance(option, ClassType):
                return self.types.class_tables.get(option.node)
        return None

    def column(
        self, function: FunctionNode, value: t.Expr, at: At, steps: int = MAX_STEPS
    ) -> tuple[Named, str, Column | None] | None:
        """Return the table and the column that ``users.c.name`` or ``users.c["name"]`` names.

        The column is None where the table is not known to have it.
        """
        match value:
            case t.Attr(base=t.Attr(base=base, name=holder), name=name) if holder in COLUMNS:
                pass
            case t.Item(base=t.Attr(base=base, name=holder), key=t.Const(value=str() as name)) if (
                holder in COLUMNS
            ):
                pass
            case t.Attr() | t.Name() if steps > 0:
                return self._kept(function, value, at, steps - 1)
            case _:
                return None
        found = self.table(function, base, at)
        if found is None:
            return None
        column = found.table.columns.get(name)
        return found, (column.name if column is not None else name), column

    def _kept(
        self, function: FunctionNode, value: t.Expr, at: At, steps: int
    ) -> tuple[Named, str, Column | None] | None:
        """Return the column that a name was bound to."""
        held = stands_for(self.types, Spot(function, value, at))
        if held is None or not isinstance(held.value, t.Attr | t.Item | t.Name):
            return None
        return self.column(held.function, held.value, held.at, steps)
