"""What a value holds of a fetched result: rows, a row, a column, a key inside a column."""

from typing import NamedTuple

JsonPath = tuple[str | int, ...]


class Shape(NamedTuple):
    """What a value holds of a fetched result.

    ``form``: result (a cursor), rows, row, map (rows by some key), pairs (of something and a row),
    pair, values (one column of many rows), value (one column of a row). ``path`` leads into JSON.
    """

    form: str
    column: str = ""
    path: JsonPath = ()


RESULT = Shape("result")
ROWS = Shape("rows")
ROW = Shape("row")
MAP = Shape("map")
PAIRS = Shape("pairs")
PAIR = Shape("pair")

MANY = frozenset({"result", "rows", "map", "pairs", "values"})
"""Forms that hold more than one row."""

OF_ROWS = frozenset({"result", "rows", "row", "map", "pairs", "pair"})
"""Forms that hold rows, and not only values of one column."""

LOADERS = frozenset(
    f"{module}.loads"
    for module in ("json", "orjson", "ujson", "rapidjson", "simplejson", "msgspec.json")
)
DECODERS = LOADERS | {"msgspec.json.decode"}
"""Functions that decode a JSON text."""

KEEPERS = frozenset(
    f"builtins.{name}" for name in ("list", "tuple", "sorted", "reversed", "iter", "set", "aiter")
)
"""Functions that give the items of their first argument again."""

SELECTING = {"builtins.filter": 1, "itertools.islice": 0, "itertools.filterfalse": 1}
"""Functions that give some of the items of the argument with this number."""

PICKERS = frozenset({"builtins.next", "builtins.anext", "builtins.min", "builtins.max"})
"""Functions that give one item of their first argument."""

KEYED = frozenset({"sorted", "min", "max", "filter", "map", "sort", "groupby", "any", "all"})
"""Functions whose lambda is given the items of the rows beside it."""

NEUTRAL = frozenset(
    f"builtins.{name}" for name in ("isinstance", "bool", "type", "id", "any", "all", "issubclass")
)
"""Functions that look at no column."""

ALL_ROWS = frozenset({"fetchall", "all", "fetchmany", "fetch_all", "to_list"})
ONE_ROW = frozenset({"fetchone", "first", "one", "one_or_none", "fetch_one", "fetchrow"})
ONE_VALUE = frozenset({"scalar", "scalar_one", "scalar_one_or_none", "fetchval", "fetch_val"})
SAME = frozenset({"mappings", "unique", "yield_per", "tuples", "execution_options"})
ROW_COPIES = frozenset({"_asdict", "copy"})
"""Methods of a row that give its values by the same names."""
SILENT = frozenset({"close", "keys", "sort", "reverse", "append", "extend", "clear", "rollback"})
"""Methods of a result that show nothing of its rows."""

STEPS = frozenset(
    {
        "filter",
        "exclude",
        "complex_filter",
        "order_by",
        "distinct",
        "reverse",
        "using",
        "select_related",
        "prefetch_related",
        "filter_by",
        "where",
        "having",
        "join",
        "outerjoin",
        "limit",
        "offset",
        "annotate",
        "alias",
        "iterator",
        "aiterator",
        "enable_eagerloads",
        "execution_options",
        "populate_existing",
        "unique",
        "yield_per",
    }
)
"""Methods of a query of whole objects that give another such query; locking is not one."""

JOINING = frozenset({"select_related", "prefetch_related"})
"""Steps that fetch the rows of relations with these, by the keys that they hold."""

ADDING = frozenset({"annotate", "alias"})
"""Steps that give the rows more attributes than their columns."""

CONDITIONS = frozenset({"filter", "exclude", "get", "filter_by", "where"})
"""Methods of a query whose arguments are what it compares with."""

REGROUPING = frozenset({"annotate", "alias", "distinct", "reverse"})
"""Steps of a query for columns after which its rows depend on which columns there are."""

NARROWING = frozenset({"values", "values_list", "only", "defer", "dates", "datetimes", "none"})
"""Methods of a query of whole objects that give one that fetches other columns, or nothing."""

BOUNDING = frozenset({"limit", "slice", "fetch", "paginate"})
"""Steps that give a bounded number of rows."""

COUNTING = frozenset(
    {
        "count",
        "exists",
        "aggregate",
        "update",
        "delete",
        "explain",
        "contains",
        "acount",
        "aexists",
        "aaggregate",
        "aupdate",
        "adelete",
        "acontains",
        "scalar",
        "subquery",
        "with_entities",
    }
)
"""Methods of a query of whole objects that fetch none of them."""

WRITING = frozenset({"update", "delete", "aupdate", "adelete"})
"""Those of them that write to the rows."""

CHANGING = frozenset(
    [
        *("pop", "popitem", "update", "setdefault", "clear"),
        *("append", "extend", "insert", "remove", "sort", "reverse"),
    ]
)
"""Methods of dictionaries and lists that change them: the value of a JSON column is either."""

OBJECT = frozenset(
    [
        "get",
        "first",
        "last",
        "one",
        "one_or_none",
        "latest",
        "earliest",
        "aget",
        "afirst",
        "alast",
        "alatest",
        "aearliest",
        "get_or_404",
        "first_or_404",
    ]
)
"""Methods of a query of whole objects that fetch one."""

EAGER_OPTIONS = frozenset(
    {"joinedload", "selectinload", "subqueryload", "contains_eager", "immediateload"}
)
"""Loader options that leave the columns of the entity alone."""


def element(shape: Shape) -> Shape | None:
    """Return what one item of a value holds, or None where that is nothing of the result."""
    match shape.form:
        case "result" | "rows":
            return ROW
        case "pairs":
            return PAIR
        case "values":
            return Shape("value", shape.column, shape.path)
    return None


def many(shape: Shape) -> Shape | None:
    """Return what a list of such values holds."""
    match shape.form:
        case "row":
            return ROWS
        case "value":
            return Shape("values", shape.column, shape.path)
        case "pair":
            return PAIRS
    return None
