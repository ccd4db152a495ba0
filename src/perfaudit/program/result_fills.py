"""Lists and dictionaries that a function makes empty and fills itself."""

from typing import NamedTuple

from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode, remembered
from perfaudit.program.result_roots import Point

ADDING_ONE = {"append": 0, "add": 0, "appendleft": 0, "insert": 1}
"""Methods of a container that put one item into it, and the argument that is that."""
ADDING_MANY = {"extend": 0, "update": 0}
EMPTY_MAKERS = frozenset({"list", "dict", "set", "deque", "OrderedDict"})


class Fill(NamedTuple):
    """What is put into a container. ``form``: item, items, or entry (of a dictionary)."""

    value: t.Expr
    at: Point
    form: str


@remembered
def fills_of(scope: FunctionNode) -> dict[str, list[Fill]]:
    """Return what is put into each local name that is only ever an empty container at first."""
    names = {
        name
        for name, binds in scope.binds.items()
        if binds and all(_is_empty(scope, bind) for bind in binds)
    }
    found: dict[str, list[Fill]] = {name: [] for name in sorted(names)}
    for call in scope.facts.calls:
        callee = call.callee
        if not isinstance(callee, t.Attr) or not isinstance(callee.base, t.Name):
            continue
        if callee.base.id not in found:
            continue
        at = (call.sequence, call.context)
        one, many = ADDING_ONE.get(callee.name), ADDING_MANY.get(callee.name)
        if one is not None and one < len(call.arguments):
            found[callee.base.id].append(Fill(call.arguments[one], at, "item"))
        elif many is not None and many < len(call.arguments):
            found[callee.base.id].append(Fill(call.arguments[many], at, "items"))
    for bind in scope.facts.binds:
        target = bind.target
        if isinstance(target, t.Item) and isinstance(target.base, t.Name) and bind.value:
            if target.base.id in found:
                at = (bind.sequence, bind.context)
                found[target.base.id].append(Fill(bind.value, at, "entry"))
    return found


def _is_empty(scope: FunctionNode, bind: t.Bind) -> bool:
    value = bind.value
    if bind.kind not in ("assign", "annotated") or not isinstance(bind.target, t.Name):
        return False
    if isinstance(value, t.Seq):
        return value.kind == "list" and not value.items
    if isinstance(value, t.Mapping):
        return not value.keys
    if isinstance(value, t.CallRef):
        call = scope.facts.calls[value.index]
        is_maker = isinstance(call.callee, t.Name) and call.callee.id in EMPTY_MAKERS
        return is_maker and not call.arguments and not call.keywords
    return False
