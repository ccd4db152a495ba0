"""The SQL of statements that calls build of table objects: ``select(users).where(...)``.

A table object is what a call of ``table_makers`` of a library file makes. A statement that speaks
of anything else is not known: it has no text.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.condition_lists import conditions_in
from perfaudit.program.expressions import argument, last_name
from perfaudit.program.names import AT_END, Definition, meanings
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sql_names import quoted
from perfaudit.program.table_expressions import HOLE, Clauses, holes_first
from perfaudit.program.table_objects import At, Named
from perfaudit.program.written_out import Spot

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 30
MAX_DEPTH = 3
"""How deep statements stand in the conditions of others."""
MAX_SOURCES = 8
"""How many joins lie in each other; each has two sides."""
VERBS = frozenset({"select", "insert", "update", "delete"})
BEGINNINGS = VERBS | {"query"}
"""Calls that a statement begins with."""
UNIONS = {
    "union": "UNION",
    "union_all": "UNION ALL",
    "intersect": "INTERSECT",
    "intersect_all": "INTERSECT ALL",
    "except_": "EXCEPT",
    "except_all": "EXCEPT ALL",
}
"""Calls that make one statement of several, and the word between those."""
KEEPING = frozenset(
    {
        *("execution_options", "prefix_with", "suffix_with", "with_hint", "params", "correlate"),
        *("options", "returning", "return_defaults", "inline", "with_dialect_options"),
        *("on_conflict_do_nothing", "on_conflict_do_update", "on_duplicate_key_update"),
        *("set_label_style", "with_statement_hint", "from_select"),
    }
)
"""Steps that leave tables, columns and conditions as they are."""
JOINS = frozenset({"join", "outerjoin"})
STEPS = BEGINNINGS | KEEPING | JOINS | UNIONS.keys() | {
    *("where", "filter", "filter_by", "having", "order_by", "group_by", "limit", "offset"),
    *("fetch", "slice", "distinct", "select_from", "with_for_update", "with_only_columns"),
    *("with_entities", "add_columns", "column", "values", "join_from", "outerjoin_from"),
}  # fmt: skip
"""The last call of a statement is one of these."""


@dataclass(slots=True)
class Statement:
    """A statement as its steps make it. ``spots``: where it speaks of each column last.

    ``parts``: the statements whose rows it gives together, with the word between them.
    """

    verb: str
    columns: list[str] = field(default_factory=list)
    roots: dict[str, str] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    having: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    ending: dict[str, str] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    is_distinct: bool = False
    tables: dict[str, Named] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    spots: dict[str, Spot] = field(default_factory=dict)
    parts: str = ""

    def text(self) -> str | None:
        """Return the SQL; None where it speaks of no table."""
        if self.parts:
            return f"{self.parts}{self._end()}"
        first = next(iter(self.tables.values()), None)
        if first is None:
            return None
        if self.verb == "insert":
            names = (
                f" ({', '.join(self.values)})" if self.values and HOLE not in self.values else ""
            )
            return f"INSERT INTO {first.source}{names} VALUES ({HOLE})"
        if self.verb == "update":
            changed = ", ".join(f"{name} = {HOLE}" for name in self.values or [HOLE])
            return f"UPDATE {first.source} SET {changed}{self._where()}"
        if self.verb == "delete":
            return f"DELETE FROM {first.source}{self._where()}"
        return self._select()

    def _select(self) -> str:
        rest = [
            table.source
            for name, table in self.tables.items()
            if name not in self.roots and name not in self.joined
        ]
        begun = list(self.roots.values())
        if not begun and rest:
            begun = [rest.pop(0)]
        sources = ", ".join([" ".join([*begun[:1], *self.joins]), *begun[1:], *rest])
        word = "SELECT DISTINCT" if self.is_distinct else "SELECT"
        grouped = f" GROUP BY {', '.join(self.groups)}" if self.groups else ""
        having = f" HAVING {' AND '.join(self.having)}" if self.having else ""
        columns = ", ".join(self.columns) or HOLE
        return f"{word} {columns} FROM {sources}{self._where()}{grouped}{having}{self._end()}"

    def _end(self) -> str:
        """Return the order, and which of the rows are given."""
        order = f" ORDER BY {', '.join(self.order)}" if self.order else ""
        words = ("LIMIT", "OFFSET", "FOR")
        return order + "".join(
            f" {word} {self.ending[word]}" for word in words if word in self.ending
        )

    def _where(self) -> str:
        if not self.conditions:
            return ""
        return f" WHERE {' AND '.join(holes_first(self.conditions))}"


def statement_of(
    types: "Types", function: FunctionNode, value: t.Expr, at: At, steps: int = MAX_STEPS
) -> Statement | None:
    """Return the statement that calls build, or None. It is one without what some ways add."""
    return Builder(types).statement(function, value, at, steps)


def statement_run(
    types: "Types", function: FunctionNode, call: t.Call, behaviour: Behaviour
) -> Statement | None:
    """Return the statement that a call runs, where calls build it of table objects."""
    if not types.has_table_objects:
        return None
    at = (call.sequence, call.context)
    if "runs-built" in behaviour.flags and isinstance(call.callee, t.Attr):
        found = statement_of(types, function, call.callee.base, at)
        return None if found is None else _ended(found, call.callee.name)
    given = argument(call, behaviour.sql)
    return None if given is None else statement_of(types, function, given, at)


def _ended(statement: Statement, name: str) -> Statement:
    """Return a statement as the call makes it that runs it."""
    if name in VERBS:
        statement.verb = name
    elif name == "count":
        statement.columns = ["COUNT(*)"]
    elif name == "first":
        statement.ending.setdefault("LIMIT", "1")
    return statement


class Builder:
    """Goes through the calls of a statement, from its first to its last."""

    def __init__(self, types: "Types", depth: int = 0) -> None:
        self.types = types
        self.depth = depth
        self.clauses = Clauses(types, self._inner)

    def _inner(
        self, function: FunctionNode, value: t.Expr, at: At, around: frozenset[str] = frozenset()
    ) -> str | None:
        """Return the text of a statement within this one.

        It speaks of the rows of the tables ``around`` where it has others of its own.
        """
        if self.depth >= MAX_DEPTH:
            return None
        found = Builder(self.types, self.depth + 1).statement(function, value, at, MAX_STEPS)
        if found is None:
            return None
        self.clauses.spots.update(found.spots)
        own = {name: found.tables[name] for name in found.tables if name not in around}
        found.tables = own or found.tables
        return found.text()

    def statement(
        self, function: FunctionNode, value: t.Expr, at: At, steps: int
    ) -> Statement | None:
        if steps <= 0:
            return None
        match value:
            case t.Name(id=name):
                return self._named(function, name, at, steps)
            case t.Await(value=inner):
                return self.statement(function, inner, at, steps - 1)
            case t.CallRef(index=index):
                return self._called(function, index, steps)
        return None

    def _named(self, function: FunctionNode, name: str, at: At, steps: int) -> Statement | None:
        """Return what a name stands for: what is sure, where it is made longer on some ways."""
        if steps <= 0:
            return None
        found: Statement | None = None
        known = sorted(meanings(function, name, at), key=lambda item: _when(item.definition))
        for scope, definition in known:
            if isinstance(definition, t.Import):
                origin = self.types.import_origin(scope, definition)
                return None if origin is None else self._named(*origin, AT_END, steps - 1)
            if not isinstance(definition, t.Bind) or definition.value is None:
                return None
            if definition.kind not in ("assign", "annotated", "walrus"):
                return None
            if found is not None and _lengthens(scope, definition, name):
                continue
            point = (definition.sequence, definition.context)
            made = self.statement(scope, definition.value, point, steps - 1)
            if made is None or found is not None and _gives_other(found, made):
                return None
            found = made
        return found

    def _called(self, function: FunctionNode, index: int, steps: int) -> Statement | None:
        call = function.facts.calls[index]
        name = last_name(call.callee)
        at = (call.sequence, call.context)
        if name not in STEPS:
            return self._returned(function, index, steps)
        if name in BEGINNINGS:
            return self._begun(function, call, "select" if name == "query" else name, at)
        if name in UNIONS:
            return self._together(function, call, UNIONS[name], at)
        if not isinstance(call.callee, t.Attr):
            return None
        before = self.statement(function, call.callee.base, at, steps - 1)
        if before is None or not self._step(before, function, call, name, at):
            return None
        return before

    def _returned(self, function: FunctionNode, index: int, steps: int) -> Statement | None:
        """Return the statement that the one function of the project gives which a call runs."""
        targets = self.types.call(function, index).targets
        callee = targets[0].function if len(targets) == 1 else None
        if callee is None or callee.facts.is_generator:
            return None
        results = [item for item in callee.facts.results if item.value is not None]
        if len(results) != 1 or results[0].value is None:
            return None
        point = (results[0].sequence, results[0].context)
        return self.statement(callee, results[0].value, point, steps - 2)

    def _begun(self, function: FunctionNode, call: t.Call, name: str, at: At) -> Statement | None:
        made = Statement(name, spots=self.clauses.spots)
        given = [item for each in call.arguments for item in _items(each)]
        own = None
        if isinstance(call.callee, t.Attr):
            own = self.clauses.objects.table(function, call.callee.base, at)
        if own is not None:
            made.tables[own.name] = own
            if name == "select":
                made.columns.append(f"{own.name}.*")
            if name == "insert":
                return made
            return made if self._where(made, function, at, given) else None
        if name == "select":
            return made if self._columns(made, function, given, at) else None
        target = self.clauses.objects.table(function, given[0], at) if given else None
        if target is None:
            return None
        made.tables[target.name] = target
        return made

    def _together(
        self, function: FunctionNode, call: t.Call, word: str, at: At
    ) -> Statement | None:
        """Return the statement that gives the rows of several."""
        given = [item for each in call.arguments for item in _items(each)]
        if isinstance(call.callee, t.Attr) and not _is_imported(function, call.callee.base, at):
            given.insert(0, call.callee.base)
        texts = [self._inner(function, item, at) for item in given]
        if not texts or None in texts:
            return None
        parts = f" {word} ".join(map(_bracketed, filter(None, texts)))
        return Statement("select", spots=self.clauses.spots, parts=parts)

    def _columns(
        self, made: Statement, function: FunctionNode, given: list[t.Expr], at: At
    ) -> bool:
        for item in given:
            found = self.clauses.output(made.tables, function, item, at)
            if found is None:
                return False
            made.columns.append(found)
        return bool(given)

    def _step(
        self, made: Statement, function: FunctionNode, call: t.Call, name: str, at: At
    ) -> bool:
        """Add what a call says; False where that is not known."""
        given = [item for each in call.arguments for item in _items(each)]
        if name in KEEPING:
            return True
        match name:
            case "where" | "filter":
                return self._where(made, function, at, given)
            case "filter_by":
                table = next(reversed(made.tables.values()), None)
                for keyword, _ in call.keywords:
                    is_known = table is not None and keyword != "**"
                    name = f"{table.name}.{quoted(keyword)}" if table and is_known else ""
                    made.conditions.append(f"{name} = {HOLE}" if name else HOLE)
                return True
            case "having":
                made.having += [self._condition(made, function, item, at) for item in given]
            case "order_by":
                made.order += [self._expression(made, function, item, at) for item in given]
            case "group_by":
                made.groups += [self._expression(made, function, item, at) for item in given]
            case "limit" | "fetch" | "offset":
                word = "OFFSET" if name == "offset" else "LIMIT"
                made.ending[word] = _number(given[0] if given else None)
            case "slice":
                made.ending |= {"LIMIT": HOLE, "OFFSET": _number(given[0] if given else None)}
            case "distinct":
                made.is_distinct = True
            case "with_for_update":
                made.ending["FOR"] = "UPDATE"
            case "with_only_columns" | "with_entities":
                made.columns.clear()
                return self._columns(made, function, given, at)
            case "add_columns" | "column":
                return self._columns(made, function, given, at)
            case "values":
                made.values += self.clauses.changed(function, call, at)
            case "select_from":
                return all(self._source(made, function, item, at) for item in given)
            case _:
                return self._joined(made, function, call, name, at)
        return True

    def _joined(
        self, made: Statement, function: FunctionNode, call: t.Call, name: str, at: At
    ) -> bool:
        given = list(call.arguments)
        if name.endswith("_from"):
            left = self.clauses.objects.table(function, given.pop(0), at) if given else None
            if left is None:
                return False
            made.tables.setdefault(left.name, left)
        join = self.clauses.join(made.tables, function, call, given, name, at)
        if join is None:
            return False
        target, text = join
        made.joined.add(target.name)
        made.joins.append(text)
        return True

    def _source(
        self,
        made: Statement,
        function: FunctionNode,
        value: t.Expr,
        at: At,
        steps: int = MAX_SOURCES,
    ) -> bool:
        """Add a table that rows come from, or several that are joined."""
        table = self.clauses.objects.table(function, value, at)
        if table is not None:
            made.tables.setdefault(table.name, table)
            made.roots[table.name] = table.source
            return True
        held = self.clauses.objects.written(function, value, at)
        if held is None or not isinstance(held.value, t.CallRef) or steps <= 0:
            return False
        function, call = held.function, held.function.facts.calls[held.value.index]
        name, at = last_name(call.callee), (call.sequence, call.context)
        if name not in JOINS:
            return False
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        given = list(call.arguments)
        if base is not None and self._source(made, function, base, at, steps - 1):
            return self._joined(made, function, call, name, at)
        if not given or not self._source(made, function, given.pop(0), at, steps - 1):
            return False
        join = self.clauses.join(made.tables, function, call, given, name, at)
        if join is None:
            return False
        made.joined.add(join[0].name)
        made.joins.append(join[1])
        return True

    def _where(self, made: Statement, function: FunctionNode, at: At, given: list[t.Expr]) -> bool:
        for item in given:
            for each, point, is_optional in self._conditions(function, item, at):
                if is_optional:
                    continue
                text = HOLE if each is None else self._condition(made, function, each, point)
                made.conditions.append(text)
        return True

    def _conditions(
        self, function: FunctionNode, value: t.Expr, at: At
    ) -> list[tuple[t.Expr | None, At, bool]]:
        """Return the conditions of an argument, those of a list one by one."""
        if not isinstance(value, t.Star):
            return [(value, at, False)]
        if isinstance(value.value, t.Name):
            found = conditions_in(function, value.value.id, at)
            if found is not None:
                return [(each.value, each.at, each.is_optional) for each in found]
        return [(None, at, False)]

    def _condition(self, made: Statement, function: FunctionNode, value: t.Expr, at: At) -> str:
        return self.clauses.condition(made.tables, function, value, at)

    def _expression(self, made: Statement, function: FunctionNode, value: t.Expr, at: At) -> str:
        return self.clauses.expression(made.tables, function, value, at) or HOLE


def _items(value: t.Expr) -> tuple[t.Expr, ...]:
    """Return the items of a list that is given in the place of arguments."""
    return value.items if isinstance(value, t.Seq) else (value,)


def _number(value: t.Expr | None) -> str:
    is_number = isinstance(value, t.Const) and isinstance(value.value, int)
    return str(value.value) if is_number and isinstance(value, t.Const) else HOLE


def _is_imported(function: FunctionNode, value: t.Expr, at: At) -> bool:
    """Return whether a name is that of a module."""
    found = meanings(function, value.id, at) if isinstance(value, t.Name) else []
    return bool(found) and all(isinstance(item.definition, t.Import) for item in found)


def _bracketed(text: str) -> str:
    """Return a statement as it stands between others."""
    return f"({text})" if " ORDER BY " in text or " LIMIT " in text else text


def _gives_other(first: Statement, second: Statement) -> bool:
    """Return whether two statements that a name may stand for give other columns."""
    return first.columns != second.columns or first.parts != second.parts


def _when(definition: Definition) -> int:
    return definition.sequence if isinstance(definition, t.Bind) else -1


def _lengthens(scope: FunctionNode, bind: t.Bind, name: str) -> bool:
    """Return whether a bind adds calls to what the name stood for."""
    value = bind.value
    while isinstance(value, t.CallRef):
        callee = scope.facts.calls[value.index].callee
        if not isinstance(callee, t.Attr) or callee.name in UNIONS:
            return False
        value = callee.base
    return value == t.Name(name)
