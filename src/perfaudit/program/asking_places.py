"""Where the rows of an object are asked for: by a method that keeps them, or by an attribute."""

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.nodes import FunctionNode


def only_gives_kept(function: FunctionNode) -> bool:
    """Return whether a method gives nothing but what its object keeps in an attribute."""
    values = [item.value for item in function.facts.results]
    given = [value for value in values if value is not None and not isinstance(value, t.Const)]
    own = [t.Name(param.name) for param in function.facts.params[:1]]
    return (
        bool(given)
        and function.owner is not None
        and all(isinstance(value, t.Attr) and value.base in own for value in given)
    )


def place_of(function: FunctionNode, value: t.Attr, at: tuple[int, int]) -> Location | None:
    """Return where an attribute is read, alone or at the beginning of a chain of calls."""
    facts = function.facts
    found: list[t.Call | t.Read] = [
        *(call for call in facts.calls if _begins_with(call.callee, value)),
        *(read for read in facts.reads if _begins_with(read.value, value)),
    ]
    near = min(found, key=lambda fact: abs(fact.sequence - at[0]), default=None)
    return None if near is None else function.place(near)


def _begins_with(whole: t.Expr, value: t.Attr) -> bool:
    while isinstance(whole, t.Attr) and whole != value:
        whole = whole.base
    return whole == value
