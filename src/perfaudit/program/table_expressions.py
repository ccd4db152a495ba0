"""The SQL of what steps of statements are given: columns, conditions, joins and changed values."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sql_names import quoted
from perfaudit.program.table_objects import COLUMNS, At, Named, StatementText, TableObjects
from perfaudit.program.values import ClassType, options_of
from perfaudit.program.written_out import Spot

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

HOLE = "{}"
"""Stands for what is not known, as in ``sql_text``."""
MAX_NESTING = 8
COMPARED = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}
COMBINED = {"BitAnd": "AND", "BitOr": "OR"}
COUNTED = {"Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Mod": "%"}
CONNECTIVES = {"and_": " AND ", "or_": " OR "}
DIRECTIONS = {"desc": " DESC", "asc": " ASC"}
SAME = frozenset({"nullsfirst", "nullslast", "nulls_first", "nulls_last", "collate"})
"""Calls that leave the order of a column to it."""
WRAPPING = frozenset({*DIRECTIONS, *SAME, "not_", "distinct", "cast", "type_coerce"})
"""Calls that are given an expression, and make another of it alone."""
STATEMENTS = {"scalar_subquery": "", "as_scalar": "", "exists": "EXISTS "}
"""Calls that let a statement stand in a condition, and the word before it."""
BARE = frozenset({"text", "literal_column", "column"})
"""Calls that are given what stands in the statement, or the name of a column of whatever table."""
CONSTANTS = {"null": "NULL", "true": "TRUE", "false": "FALSE"}
ENTRIES = {"as_string": "->>", "as_integer": "->>", "as_float": "->>", "as_boolean": "->>"}
PATTERNS = frozenset({"like", "ilike"})
NEGATED_PATTERNS = {
    "notlike": "LIKE",
    "not_like": "LIKE",
    "notilike": "ILIKE",
    "not_ilike": "ILIKE",
}
PARTS = {
    "contains": "'%{}%'",
    "icontains": "'%{}%'",
    "endswith": "'%{}'",
    "startswith": "{} || '%'",
}
NEGATED = frozenset({"notin_", "not_in"})
TESTS = {"is_": "IS", "isnot": "IS NOT", "is_not": "IS NOT"}
JSON_TESTS = {"contains": "@>", "has_key": "?", "has_any": "?|", "has_all": "?&"}
Tables = dict[str, Named]


def holes_first(conditions: list[str]) -> list[str]:
    """Return conditions with those that are not known before the others.

    There nobody takes the hole for a value, as the one behind ``BETWEEN x AND``.
    """
    return sorted(conditions, key=lambda text: text != HOLE)


class Clauses:
    """Writes expressions over columns of table objects as SQL.

    ``inner`` gives the text of a statement within an expression. ``spots``: the last place of
    each column that was written.
    """

    def __init__(self, types: "Types", inner: StatementText) -> None:
        self.types = types
        self.objects = TableObjects(types, inner)
        self.inner = inner
        self.spots: dict[str, Spot] = {}

    def output(self, tables: Tables, function: FunctionNode, value: t.Expr, at: At) -> str | None:
        """Return what a SELECT gives for an argument: a column, all of a table, or a hole.

        None where it may be of something that is no table object.
        """
        value = value.value if isinstance(value, t.Star) else value
        if isinstance(value, t.Attr) and value.name in COLUMNS:
            value = value.base
        whole = self.objects.table(function, value, at)
        if whole is not None:
            tables.setdefault(whole.name, whole)
            return f"{whole.name}.*"
        if isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            if isinstance(call.callee, t.Attr) and call.callee.name == "label":
                return self._labelled(tables, function, call, at)
        return self.expression(tables, function, value, at)

    def _labelled(self, tables: Tables, function: FunctionNode, call: t.Call, at: At) -> str | None:
        base = call.callee.base if isinstance(call.callee, t.Attr) else call.callee
        found = self.expression(tables, function, base, at)
        name = argument(call, "0|name")
        if found is None or not isinstance(name, t.Const) or not isinstance(name.value, str):
            return None
        return f"{found} AS {quoted(name.value)}"

    def condition(self, tables: Tables, function: FunctionNode, value: t.Expr, at: At) -> str:
        """Return a condition, a hole where it is not known."""
        found = self.expression(tables, function, value, at)
        return HOLE if found is None else found

    def expression(
        self,
        tables: Tables,
        function: FunctionNode,
        value: t.Expr,
        at: At,
        nesting: int = MAX_NESTING,
    ) -> str | None:
        """Return the SQL of an expression over columns; None where it is none, or not known."""
        if nesting <= 0:
            return None
        found = self.objects.column(function, value, at)
        if found is not None:
            table, name, _ = found
            tables.setdefault(table.name, table)
            self.spots[f"{table.name}.{name}".replace('"', "")] = Spot(function, value, at)
            return f"{table.name}.{quoted(name)}"
        match value:
            case t.Compare(operator=operator, left=left, right=right) if operator in COMPARED:
                return self._compared(
                    tables, function, COMPARED[operator], left, right, at, nesting
                )
            case t.Binary(operator=operator, left=left, right=right):
                return self._binary(tables, function, operator, left, right, at, nesting)
            case t.Inverted(value=base):
                inner = self.expression(tables, function, base, at, nesting - 1)
                return None if inner is None else f"NOT ({inner})"
            case t.Item(base=base, key=key):
                inner = self.expression(tables, function, base, at, nesting - 1)
                return None if inner is None else f"{inner} -> {literal(key)}"
            case t.Attr(base=t.Item() as base, name="astext"):
                return self._as_text(tables, function, base, at, nesting)
            case t.CallRef(index=index):
                return self._called(tables, function, function.facts.calls[index], nesting)
            case t.Name():
                held = self.objects.written(function, value, at)
                if held is not None and not isinstance(held.value, t.Name | t.Const):
                    return self.expression(tables, held.function, held.value, held.at, nesting - 1)
        return None

    def _as_text(
        self, tables: Tables, function: FunctionNode, value: t.Expr, at: At, nesting: int
    ) -> str | None:
        """Return a key of JSON as text."""
        found = self.expression(tables, function, value, at, nesting - 1)
        if found is None or " -> " not in found:
            return None
        before, _, key = found.rpartition(" -> ")
        return f"{before} ->> {key}"

    def _compared(
        self,
        tables: Tables,
        function: FunctionNode,
        operator: str,
        left: t.Expr,
        right: t.Expr,
        at: At,
        nesting: int,
    ) -> str | None:
        """Return a comparison of which at least one side is known."""
        sides = [self.expression(tables, function, side, at, nesting - 1) for side in (left, right)]
        if sides == [None, None]:
            return None
        texts = [
            found if found is not None else self._value(function, side, at)
            for found, side in zip(sides, (left, right), strict=True)
        ]
        if None in texts:
            return None
        if texts[1] == "NULL":
            operator = {"=": "IS", "<>": "IS NOT"}.get(operator, operator)
        return f"{texts[0]} {operator} {texts[1]}"

    def _value(self, function: FunctionNode, value: t.Expr, at: At) -> str | None:
        """Return a value that is compared; None where it may be a column of something else."""
        return None if self._may_be_column(function, value, at) else literal(value)

    def _may_be_column(self, function: FunctionNode, value: t.Expr, at: At) -> bool:
        if isinstance(value, t.Item):
            value = value.base
        if not isinstance(value, t.Attr):
            return False
        if value.name in COLUMNS or isinstance(value.base, t.Attr) and value.base.name in COLUMNS:
            return True
        return any(
            isinstance(option, ClassType) and (option.node, value.name) in self.types.relations
            for option in options_of(self.types.evaluate(function, value.base, at))
        )

    def _binary(
        self,
        tables: Tables,
        function: FunctionNode,
        operator: str,
        left: t.Expr,
        right: t.Expr,
        at: At,
        nesting: int,
    ) -> str | None:
        parts = [self.expression(tables, function, side, at, nesting - 1) for side in (left, right)]
        if operator in COMBINED:
            return _together(f" {COMBINED[operator]} ", parts)
        if operator not in COUNTED or parts == [None, None]:
            return None
        first, second = (
            part if part is not None else literal(side)
            for part, side in zip(parts, (left, right), strict=True)
        )
        return f"({first} {COUNTED[operator]} {second})"

    def _called(
        self, tables: Tables, function: FunctionNode, call: t.Call, nesting: int
    ) -> str | None:
        at = (call.sequence, call.context)
        name = last_name(call.callee)
        given = call.arguments
        if name in CONNECTIVES:
            parts = [
                None
                if isinstance(item, t.Star)
                else self.expression(tables, function, item, at, nesting - 1)
                for item in given
            ]
            return _together(CONNECTIVES[name], parts)
        if name in CONSTANTS and not given:
            return CONSTANTS[name]
        if name in BARE and given:
            first = given[0].value if isinstance(given[0], t.Const) else None
            if not isinstance(first, str):
                return None
            return quoted(first) if name == "column" else first
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        if base is not None and last_name(base) == "func":
            return self._function(tables, function, name, given, at, nesting)
        own = None if base is None else self.expression(tables, function, base, at, nesting - 1)
        if own is not None:
            return self._method(tables, function, own, call, name, nesting)
        if name in STATEMENTS:
            within = base if base is not None and not given else next(iter(given), None)
            text = None if within is None else self.inner(function, within, at, frozenset(tables))
            return None if text is None else f"{STATEMENTS[name]}({text})"
        if not given or name not in WRAPPING:
            return None
        first_text = self.expression(tables, function, given[0], at, nesting - 1)
        return None if first_text is None else _wrapped(name, first_text)

    def _function(
        self,
        tables: Tables,
        function: FunctionNode,
        name: str,
        given: tuple[t.Expr, ...],
        at: At,
        nesting: int,
    ) -> str:
        """Return a call of a function of the database."""
        if name == "count" and not given:
            return "COUNT(*)"
        texts = [
            self.expression(tables, function, item, at, nesting - 1) or literal(item)
            for item in given
        ]
        return f"{name.upper()}({', '.join(texts)})"

    def _method(
        self,
        tables: Tables,
        function: FunctionNode,
        own: str,
        call: t.Call,
        name: str,
        nesting: int,
    ) -> str | None:
        """Return what a method makes of a column."""
        at = (call.sequence, call.context)
        first = call.arguments[0] if call.arguments else None
        if name in ENTRIES:
            before, _, key = own.rpartition(" -> ")
            return f"{before} ->> {key}" if before else None
        if first is None:
            return _wrapped(name, own)
        is_json = self._is_json(function, call)
        if is_json and name in JSON_TESTS:
            return f"{own} {JSON_TESTS[name]} {HOLE}"
        if name in PATTERNS:
            return f"{own} {name.upper()} {literal(first)}"
        if name in NEGATED_PATTERNS:
            return f"{own} NOT {NEGATED_PATTERNS[name]} {literal(first)}"
        if name in PARTS:
            return f"{own} LIKE {PARTS[name]}"
        if name == "in_" or name in NEGATED:
            word = "IN" if name == "in_" else "NOT IN"
            return f"{own} {word} ({self._listed(tables, function, first, at)})"
        if name in TESTS:
            return f"{own} {TESTS[name]} {literal(first)}"
        if name == "between" and len(call.arguments) > 1:
            return f"{own} BETWEEN {literal(first)} AND {literal(call.arguments[1])}"
        if name in ("cast", "label"):
            return f"CAST({own} AS TEXT)" if name == "cast" else own
        return None

    def _is_json(self, function: FunctionNode, call: t.Call) -> bool:
        """Return whether a method is asked of a JSON column, or of a key in one."""
        at = (call.sequence, call.context)
        base: t.Expr = call.callee.base if isinstance(call.callee, t.Attr) else call.callee
        while True:
            found = self.objects.column(function, base, at)
            if found is not None:
                return found[2] is not None and found[2].type in ("json", "array")
            if not isinstance(base, t.Item):
                return False
            base = base.base

    def _listed(self, tables: Tables, function: FunctionNode, value: t.Expr, at: At) -> str:
        """Return what stands between the brackets of IN."""
        if isinstance(value, t.Seq):
            items = [literal(item) for item in value.items]
            return ", ".join(items) or HOLE
        return self.inner(function, value, at, frozenset(tables)) or HOLE

    def join(
        self,
        tables: Tables,
        function: FunctionNode,
        call: t.Call,
        given: list[t.Expr],
        name: str,
        at: At,
    ) -> tuple[Named, str] | None:
        """Return the table that a call joins, and the text of that; None where it is not known."""
        target = self.objects.table(function, given[0], at) if given else None
        if target is None:
            return None
        before = list(tables.values())
        tables.setdefault(target.name, target)
        given_on = given[1] if len(given) > 1 else argument(call, "onclause")
        on = (
            self.condition(tables, function, given_on, at)
            if given_on is not None
            else _by_key(before, target)
        )
        is_said = argument(call, "isouter") not in (None, t.Const(False, "bool"))
        outer = name.startswith("outerjoin") or is_said
        return target, f"{'LEFT JOIN' if outer else 'JOIN'} {target.source} ON {on}"

    def changed(self, function: FunctionNode, call: t.Call, at: At) -> list[str]:
        """Return the columns that ``values`` is given something for; a hole for those not known."""
        names = [quoted(key) if key != "**" else HOLE for key, _ in call.keywords]
        for item in call.arguments:
            if not isinstance(item, t.Mapping):
                names.append(HOLE)
                continue
            for key in item.keys:
                found = None if key is None else self.objects.column(function, key, at)
                if found is not None:
                    names.append(quoted(found[1]))
                elif isinstance(key, t.Const) and isinstance(key.value, str):
                    names.append(quoted(key.value))
                else:
                    names.append(HOLE)
        return names


def _together(word: str, parts: list[str | None]) -> str | None:
    """Return several conditions as one; None where none of them is known."""
    if not any(part is not None for part in parts):
        return None
    texts = holes_first([HOLE if part is None else part for part in parts])
    return f"({word.join(texts)})"


def _wrapped(name: str, text: str) -> str | None:
    """Return what a call makes of an expression that it is given alone."""
    if name in DIRECTIONS:
        return text + DIRECTIONS[name]
    if name in SAME:
        return text
    if name in ("not_", "distinct"):
        return f"NOT ({text})" if name == "not_" else f"DISTINCT {text}"
    return f"CAST({text} AS TEXT)" if name in ("cast", "type_coerce") else None


def _by_key(before: list[Named], target: Named) -> str:
    """Return the condition of a join that the one foreign key between tables gives."""
    found = [
        f"{left.name}.{quoted(name)} = {right.name}.{quoted(key)}"
        for other in before
        for left, right in ((other, target), (target, other))
        for name, key in _references(left, right)
    ]
    return found[0] if len(found) == 1 else HOLE


def _references(left: Named, right: Named) -> Iterator[tuple[str, str]]:
    for column in left.table.columns.values():
        table, _, key = (column.references or "").rpartition(".")
        if table == right.table.name:
            yield column.name, key


def literal(value: t.Expr) -> str:
    """Return a value as SQL writes it; a hole where the code does not write it out."""
    if isinstance(value, t.Text):
        parts = [part if isinstance(part, str) else HOLE for part in value.parts]
        return HOLE if parts[:1] == [HOLE] else _quoted_text("".join(parts))
    if isinstance(value, t.Binary) and value.operator == "Add":
        begun = literal(value.left)
        return f"{begun} || {literal(value.right)}" if begun.startswith("'") else HOLE
    if not isinstance(value, t.Const):
        return HOLE
    match value.value:
        case None:
            return "NULL"
        case bool() as truth:
            return "TRUE" if truth else "FALSE"
        case str() as text:
            return HOLE if "{" in text else _quoted_text(text)
    return str(value.value)


def _quoted_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
