"""What look-ups by keyword, comparisons and functions ask of a column."""

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.relational import (
    ANYWHERE,
    EQUALITY,
    IN,
    JSON,
    LIKE,
    NULL,
    PREFIX,
    RANGE,
    WRAPPED,
)
from perfaudit.program.tables import Column

LOOKUPS = {
    "exact": EQUALITY,
    "in": IN,
    # A year is asked for as the range from its first day to its last.
    **dict.fromkeys(("gt", "gte", "lt", "lte", "range", "year"), RANGE),
    **dict.fromkeys(("contains", "icontains", "endswith", "iendswith"), ANYWHERE),
    **dict.fromkeys(("regex", "iregex"), LIKE),
    **dict.fromkeys(("iexact", "istartswith"), WRAPPED),
    **dict.fromkeys(("date", "month", "day", "hour", "week", "lower", "upper"), WRAPPED),
    "startswith": PREFIX,
    "isnull": NULL,
}
COMPARISONS = {
    "Eq": EQUALITY,
    "In": IN,
    "Is": NULL,
    **dict.fromkeys(("Lt", "LtE", "Gt", "GtE"), RANGE),
}
METHODS = {
    "in_": IN,
    "is_": NULL,
    "between": RANGE,
    **dict.fromkeys(("like", "ilike"), LIKE),
    **dict.fromkeys(("contains", "icontains", "endswith", "iendswith"), ANYWHERE),
    "startswith": PREFIX,
}
WRAPPERS = {
    **dict.fromkeys(("iexact", "istartswith", "icontains", "iendswith", "upper"), "UPPER({})"),
    "lower": "LOWER({})",
    "date": "({})::date",
    **{
        part: f"EXTRACT({part.upper()} FROM {{}})"
        for part in ("month", "day", "hour", "week", "quarter")
    },
}
"""What a look-up makes of its column, as SQL writes it."""
INNER = {"istartswith": PREFIX}
NAMED_FUNCTIONS = frozenset({"lower", "upper"})
"""Functions that are look-ups too."""
JSON_LOOKUPS = frozenset({"contains", "has_key", "has_keys", "has_any_keys", "contained_by"})
"""Look-ups of whole JSON values."""
FUNCTIONS = frozenset(
    {
        *("lower", "upper", "date", "date_trunc", "trim", "btrim", "coalesce", "extract", "cast"),
        *("to_char", "substr", "substring", "replace", "unaccent", "left", "right", "length"),
        *("char_length", "abs", "round", "md5", "concat", "to_tsvector", "strftime", "ifnull"),
    }
)
"""Functions of databases that hide a column from its index."""


def json_lookup(column: Column, rest: list[str]) -> tuple[str, str, str]:
    """Return how a look-up inside JSON compares, and what it compares as SQL writes it."""
    if rest[-1] in JSON_LOOKUPS:
        return JSON, rest[-1], key_path(column, rest[:-1]) if rest[:-1] else ""
    operator = LOOKUPS.get(rest[-1])
    keys = rest if operator is None else rest[:-1]
    if not keys:
        return operator or JSON, "", ""
    return JSON, operator or EQUALITY, key_path(column, keys, ">")


def key_path(column: Column, keys: list[str], kind: str = ">>") -> str:
    """Return a key of a JSON column as SQL takes it: its text, or its value with ``>``."""
    if len(keys) == 1:
        return f"({column.name} -{kind} '{keys[0]}')"
    return f"({column.name} #{kind} '{{{','.join(keys)}}}')"


def begins_with_wildcard(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a pattern surely begins with what stands for anything."""
    match value:
        case t.Const(value=str() as text):
            return text[:1] == "%"
        case t.Text(parts=parts):
            return bool(parts) and isinstance(parts[0], str) and parts[0][:1] == "%"
        case t.Binary(operator="Add" | "Mod", left=left):
            return begins_with_wildcard(function, left)
        case t.Name(id=name):
            values = [bind.value for bind in function.binds.get(name, ())]
            return bool(values) and all(
                value is not None
                and not isinstance(value, t.Name)
                and begins_with_wildcard(function, value)
                for value in values
            )
        case t.CallRef(index=index):
            callee = function.facts.calls[index].callee
            return (
                isinstance(callee, t.Attr)
                and callee.name == "format"
                and begins_with_wildcard(function, callee.base)
            )
    return False


def constant(value: t.Expr | None) -> str | None:
    """Return a value that the code writes out, else None."""
    return str(value.value) if isinstance(value, t.Const) else None


def annotated_lookups(function: FunctionNode, call: t.Call) -> dict[str, str]:
    """Return the names that a call gives to columns and to functions of them, as look-ups."""
    found: dict[str, str] = {}
    for name, value in call.keywords:
        lookup = "" if isinstance(value, t.Const) else _as_lookup(function, value)
        if lookup:
            found[name] = lookup
    return found


def _as_lookup(function: FunctionNode, value: t.Expr) -> str:
    """Return ``name`` of ``F("name")``, ``name__lower`` of ``Lower("name")``; else nothing."""
    if isinstance(value, t.Const):
        return value.value if isinstance(value.value, str) else ""
    if not isinstance(value, t.CallRef):
        return ""
    call = function.facts.calls[value.index]
    if len(call.arguments) != 1 or call.keywords:
        return ""
    name = last_name(call.callee)
    inner = _as_lookup(function, call.arguments[0])
    if name == "F":
        return inner
    return f"{inner}__{name.lower()}" if inner and name.lower() in NAMED_FUNCTIONS else ""
