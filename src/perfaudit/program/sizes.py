"""How often a loop runs: a number where the code says it, else the name of what is iterated."""

from perfaudit.facts import types as t
from perfaudit.program.expressions import argument, last_name
from perfaudit.program.infer import Types
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType

Size = int | str

CHUNKS = "chunks"
UNNAMED = "items"
PASSES_ITEMS = "passes-items"
"""The flag of what gives the items of its first argument, or pairs with them, and as many."""
AS_LONG = frozenset(
    {"as_completed", "chain", "dict", "gather", "len", "tqdm", "zip", "zip_longest"}
)
"""Other callables whose result is as long as their first argument, or that very length."""
SECOND_PASSED_ON = frozenset({"map", "filter", "filterfalse", "starmap"})
CHUNKERS = frozenset({"batched", "chunked", "chunks", "grouper", "ichunked"})
VIEWS = frozenset({"items", "values", "keys", "copy", "split", "splitlines", "strip"})
"""Methods whose result is named after their receiver."""
NAMELESS = frozenset(
    {
        "all",
        "exclude",
        "execute",
        "exec",
        "fetch",
        "fetchall",
        "fetchmany",
        "filter",
        "get",
        "iterator",
        "json",
        "limit",
        "list",
        "mappings",
        "order_by",
        "partitions",
        "prefetch_related",
        "query",
        "scalars",
        "select_related",
        "stream",
        "to_list",
        "unique",
        "yield_per",
    }
)
"""Methods whose name says nothing of what they give."""
VERBS = ("list_", "get_", "fetch_", "find_", "load_", "iter_", "query_", "select_", "read_", "all_")
MAX_STEPS = 8
VAGUE_NAMES = frozenset(
    {
        "data",
        "elements",
        "entries",
        "found",
        "items",
        "iterable",
        "lst",
        "objects",
        "objs",
        "qs",
        "queryset",
        "records",
        "res",
        "response",
        "result",
        "results",
        "rows",
        "values",
    }
)
"""Names of what is walked that say less than the name of the loop's variable."""
VAGUE_TARGETS = frozenset(
    {"element", "entry", "item", "key", "line", "obj", "object", "record", "result", "row", "value"}
)
ENUMERATION = "enum.Enum"


def iterable_size(
    types: Types, function: FunctionNode, value: t.Expr, loop: t.Context | None
) -> Size:
    """Return how many items an iterable has: a number, or the name to call that number by."""
    members = _members(types, function, value)
    if members is not None:
        return members
    found = _size(types, function, value, MAX_STEPS)
    if found is not None and found not in VAGUE_NAMES:
        return found
    target = loop.target if loop is not None else None
    if isinstance(target, t.Name) and target.id.strip("_") and not _is_vague_target(target.id):
        return plural(target.id)
    return found or UNNAMED


def passes_items(types: Types, function: FunctionNode, index: int) -> bool:
    """Return whether a call gives the items of its first argument, or pairs with them."""
    return types.call(function, index).has_flag(PASSES_ITEMS)


def _members(types: Types, function: FunctionNode, value: t.Expr) -> int | None:
    """Return the number of members where an enumeration is walked, else None."""
    if not isinstance(value, t.Name | t.Attr) or not last_name(value)[:1].isupper():
        return None
    found = types.evaluate(function, value, AT_END)
    if not isinstance(found, ClassType) or ENUMERATION not in types.classes.ancestors(found.node):
        return None
    return _assigned(found.node)


def _assigned(node: ClassNode) -> int:
    return sum(not name.startswith("_") for name in node.body.binds)


def _is_vague_target(name: str) -> bool:
    return len(name) <= 2 or name in VAGUE_TARGETS


def while_size(types: Types, function: FunctionNode, test: t.Expr | None) -> Size | None:
    """Return what a ``while`` walks, as in ``while stack:``; None where the test does not say."""
    match test:
        case t.Name() | t.Attr():
            return _size(types, function, test, MAX_STEPS)
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            if isinstance(call.callee, t.Name) and call.callee.id == "len" and call.arguments:
                return _size(types, function, call.arguments[0], MAX_STEPS)
        case t.Compare(left=t.CallRef() as left, right=t.Const()):
            return while_size(types, function, left)
    return None


def _size(types: Types, function: FunctionNode, value: t.Expr, steps: int) -> Size | None:
    if steps == 0:
        return None
    match value:
        case t.Name(id=name):
            literal = _constant_length(types, function, name)
            return name if literal is None else literal
        case t.Attr(name=name):
            return name
        case t.Seq(items=items):
            return None if any(isinstance(item, t.Star) for item in items) else len(items)
        case t.Mapping(keys=keys):
            return None if None in keys else len(keys)
        case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
            return _size(types, function, inner, steps - 1)
        case t.Item(key=t.Const(value=str(key))) if key.isidentifier():
            return key
        case t.Element(iterable=inner) | t.Item(base=inner) | t.Binary(left=inner):
            found = _size(types, function, inner, steps - 1)
            return found if isinstance(found, str) else None
        case t.Either(options=options):
            return _size(types, function, options[0], steps - 1)
        case t.Comp(context=context):
            loop = function.facts.contexts[context]
            return None if loop.subject is None else _size(types, function, loop.subject, steps - 1)
        case t.CallRef(index=index):
            return _called_size(types, function, index, steps - 1)
    return None


def _called_size(types: Types, function: FunctionNode, index: int, steps: int) -> Size | None:
    call = function.facts.calls[index]
    callee = call.callee
    name = last_name(callee)
    if isinstance(callee, t.Name) and name == "range":
        return _range_size(types, function, call, steps)
    if name in CHUNKERS:
        return CHUNKS
    is_first = name in AS_LONG or passes_items(types, function, index)
    if is_first or name in SECOND_PASSED_ON:
        given = argument(call, "0" if is_first else "1")
        if given is not None:
            return _size(types, function, given, steps)
    if isinstance(callee, t.Attr) and name in VIEWS:
        return _size(types, function, callee.base, steps)
    if name in NAMELESS:
        return None
    for verb in VERBS:
        if name.startswith(verb) and len(name) > len(verb):
            return name.removeprefix(verb)
    return name.strip("_") or None


def _range_size(types: Types, function: FunctionNode, call: t.Call, steps: int) -> Size | None:
    bounds = call.arguments
    constants = [value.value for value in bounds if isinstance(value, t.Const)]
    numbers = [value for value in constants if isinstance(value, int)]
    if bounds and len(numbers) == len(bounds) and 0 not in numbers[2:]:
        return len(range(*numbers))
    if len(bounds) == 3:
        return CHUNKS
    if not bounds:
        return None
    found = _size(types, function, bounds[-1], steps)
    return found if isinstance(found, str) else None


def _constant_length(types: Types, function: FunctionNode, name: str) -> int | None:
    """Return the length of a tuple, or of a constant in capitals, that a name is bound to once."""
    found = meanings(function, name, AT_END)
    if len(found) != 1:
        return None
    bind = found[0].definition
    if not isinstance(bind, t.Bind) or bind.kind not in ("assign", "annotated"):
        return None
    value = bind.value
    is_fixed = name.isupper() or (isinstance(value, t.Seq) and value.kind == "tuple")
    if not is_fixed or not isinstance(value, t.Seq | t.Mapping):
        return None
    length = _size(types, found[0].scope, value, 1)
    return length if isinstance(length, int) else None


def plural(name: str) -> str:
    """Return the plural of a name."""
    name = name.strip("_")
    if name.endswith("s"):
        return name
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"
