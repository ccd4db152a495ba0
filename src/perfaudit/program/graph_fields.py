"""One field of a graph type that a function of the project resolves."""

from msgspec import Struct

from perfaudit.program.nodes import FunctionNode


class GraphField(Struct, frozen=True):
    """A field and its resolver.

    ``parent``: the parameter that gets the object that the field belongs to; empty where the
    resolver does not get it. ``is_mutation``: the function runs a mutation, and is no field of what
    that gives.
    """

    name: str
    resolver: FunctionNode
    parent: str
    is_mutation: bool = False
