"""Points of functions that are run by a call that is known: it says what parameters are."""

from typing import NamedTuple

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.nodes import ClassNode, FunctionNode

At = tuple[int, int]


class Doing(NamedTuple):
    """What a view does: the attribute that says it, and the action that it says."""

    attribute: str
    action: str


class Way(Struct, frozen=True):
    """The call by which a function is run: it says what its parameters are."""

    callee: FunctionNode
    call: t.Call
    caller: "Spot"


class Spot(Struct, frozen=True):
    """A point of a function, and how it was entered, where that is known.

    ``owner``: the class of the object whose method is run, which may be one below that which has
    the method. ``doing``: what that object, a view, is there for now.
    """

    function: FunctionNode
    at: At
    way: Way | None = None
    owner: ClassNode | None = None
    doing: Doing | None = None

    def moved(self, at: At) -> "Spot":
        """Return another point of the same run of the function."""
        return Spot(self.function, at, self.way, self.owner, self.doing)

    def of(self, scope: FunctionNode, at: At) -> "Spot":
        """Return a point of a scope around the function, or of the function itself."""
        way = self.way
        while way is not None and way.callee is not scope:
            way = way.caller.way
        if scope is not self.function:
            return Spot(scope, at, way)
        return Spot(scope, at, way, self.owner, self.doing)
