"""What one template says: what it reads, loops over, includes and extends.

Both languages that are read, those of Django and of Jinja, are written in these words. Lines and
columns start at 1, columns count code points, ends are exclusive.
"""

from typing import Union

from msgspec import Struct

CALLED = "()"
"""The step of a path that calls what the path gives so far."""
PICKED = "[]"
"""The step of a path that takes one item."""


class Path(Struct, frozen=True, gc=False):
    """A name and what is read from it: ``order.items.all|length``.

    ``steps`` are names, ``CALLED`` or ``PICKED``; ``filters`` are the names after the bars.
    ``most``: how many items ``|slice:":3"`` leaves, None where nothing says it.
    """

    root: str
    steps: tuple[str, ...]
    filters: tuple[str, ...]
    line: int
    column: int
    end_column: int
    most: int | None = None

    @property
    def text(self) -> str:
        """Return the path as it is written, without filters and arguments."""
        found = self.root
        for step in self.steps:
            found += step if step in (CALLED, PICKED) else f".{step}"
        return found


class Read(Struct, frozen=True, gc=False):
    """A value that is asked for.

    ``shown``: it is written out, and so made a text. ``tested``: ``{% if %}`` asks whether it is
    there, or is another one.
    """

    path: Path
    shown: bool
    tested: bool = False


class Loop(Struct, frozen=True):
    """A loop. ``iterable`` is None where it is more than one path with filters."""

    targets: tuple[str, ...]
    iterable: Path | None
    body: "tuple[Node, ...]"
    line: int


class Let(Struct, frozen=True, gc=False):
    """A name that is set from here on; ``value`` is None where it is more than one path."""

    name: str
    value: Path | None


class Scope(Struct, frozen=True):
    """A part with names of its own."""

    names: tuple[Let, ...]
    body: "tuple[Node, ...]"


class Once(Struct, frozen=True):
    """A part that runs in one turn of a loop only, or seldom: its result is kept."""

    body: "tuple[Node, ...]"


class Changed(Struct, frozen=True):
    """A part that runs where a value is another one than in the turn of the loop before."""

    body: "tuple[Node, ...]"


class Regroup(Struct, frozen=True, gc=False):
    """Items put into groups by an attribute of theirs."""

    name: str
    items: Path
    steps: tuple[str, ...]


class Include(Struct, frozen=True):
    """Another template in this place. ``only``: it sees no names but those that are given."""

    template: str
    names: tuple[Let, ...]
    only: bool
    line: int


class Block(Struct, frozen=True):
    """A named part that a template that extends this one may replace."""

    name: str
    body: "tuple[Node, ...]"
    shows_parent: bool


class Macro(Struct, frozen=True):
    """A part that is run where it is called by name."""

    name: str
    params: tuple[str, ...]
    body: "tuple[Node, ...]"


class MacroCall(Struct, frozen=True):
    """A call with arguments, of a macro perhaps; ``name`` is dotted where it is imported."""

    name: str
    arguments: tuple[Path | None, ...]
    keywords: tuple[Let, ...]
    line: int


class Import(Struct, frozen=True, gc=False):
    """Macros of another template: all of them as ``name.macro``, or one under a name."""

    template: str
    macro: str
    name: str


class Tag(Struct, frozen=True):
    """A tag that the template language itself does not have, with the values that it is given."""

    name: str
    arguments: tuple[Path | None, ...]
    keywords: tuple[Let, ...]
    line: int
    column: int


Node = Union[  # noqa: UP007
    Read,
    Loop,
    Let,
    Scope,
    Once,
    Changed,
    Regroup,
    Include,
    Block,
    Macro,
    MacroCall,
    Import,
    Tag,
]


class Template(Struct, frozen=True):
    """All that one template says; ``extends`` is empty where it extends none that is named."""

    nodes: tuple[Node, ...]
    extends: str
    blocks: dict[str, Block]
    macros: dict[str, Macro]


NOTHING = Template((), "", {}, {})
