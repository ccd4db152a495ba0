"""What one file says.

Facts hold no library knowledge and no tree nodes, and serialise with msgspec.

Expressions are access paths: how a value is reached, not what it is. A call inside an expression is
a ``CallRef``, the index of a ``Call`` of the same function, so that every call is stored once.
Lines and columns start at 1, columns count code points, ends are exclusive.
"""

from typing import Union

from msgspec import Struct


class Name(Struct, frozen=True, array_like=True, gc=False, tag="n"):
    """A bare name."""

    id: str


class Attr(Struct, frozen=True, array_like=True, gc=False, tag="a"):
    """``base.name``."""

    base: "Expr"
    name: str


class CallRef(Struct, frozen=True, array_like=True, gc=False, tag="c"):
    """The result of call number ``index`` of the same function."""

    index: int


class Item(Struct, frozen=True, array_like=True, gc=False, tag="i"):
    """``base[key]``, also the n-th part of an unpacked value (key is then a Const)."""

    base: "Expr"
    key: "Expr"


class Slice(Struct, frozen=True, array_like=True, gc=False, tag="s"):
    """The ``lower:upper:step`` of a subscript."""

    lower: "Expr | None"
    upper: "Expr | None"
    step: "Expr | None"


class Const(Struct, frozen=True, array_like=True, gc=False, tag="k"):
    """A literal.

    ``kind`` is the type's name: str, bytes, int, float, bool, NoneType, ellipsis, complex.
    """

    value: str | int | float | bool | None
    kind: str


class Text(Struct, frozen=True, array_like=True, gc=False, tag="f"):
    """An f-string, or a concatenation with a literal: its text, and expressions in the holes."""

    parts: "tuple[str | Expr, ...]"


class Seq(Struct, frozen=True, array_like=True, gc=False, tag="q"):
    """A display: ``kind`` is list, tuple or set."""

    kind: str
    items: "tuple[Expr, ...]"


class Mapping(Struct, frozen=True, array_like=True, gc=False, tag="m"):
    """A dict display; a ``**`` part has the key None."""

    keys: "tuple[Expr | None, ...]"
    values: "tuple[Expr, ...]"


class Lambda(Struct, frozen=True, array_like=True, gc=False, tag="l"):
    """A lambda: the index of its function in the file."""

    function: int


class Await(Struct, frozen=True, array_like=True, gc=False, tag="w"):
    """``await value``."""

    value: "Expr"


class Either(Struct, frozen=True, array_like=True, gc=False, tag="e"):
    """One of several values. ``kind`` is or, and, if."""

    kind: str
    options: "tuple[Expr, ...]"
    test: "Expr | None"


class Binary(Struct, frozen=True, array_like=True, gc=False, tag="b"):
    """An arithmetic operation; ``operator`` names the node of ast, such as Add, Mod, BitOr."""

    operator: str
    left: "Expr"
    right: "Expr"


class Compare(Struct, frozen=True, array_like=True, gc=False, tag="p"):
    """A comparison; ``operator`` is the name of the ast node, such as Eq, Is, NotIn."""

    operator: str
    left: "Expr"
    right: "Expr"


class Not(Struct, frozen=True, array_like=True, gc=False, tag="t"):
    """``not value``."""

    value: "Expr"


class Inverted(Struct, frozen=True, array_like=True, gc=False, tag="v"):
    """``~value``: of conditions of queries, what does not hold."""

    value: "Expr"


class Comp(Struct, frozen=True, array_like=True, gc=False, tag="x"):
    """A comprehension.

    ``kind`` is list, set, dict or generator; ``context`` is its innermost loop.
    """

    kind: str
    element: "Expr"
    key: "Expr | None"
    context: int


class Star(Struct, frozen=True, array_like=True, gc=False, tag="r"):
    """``*value`` in a display or a call."""

    value: "Expr"


class Element(Struct, frozen=True, array_like=True, gc=False, tag="d"):
    """One item of what is iterated: the value of a loop's target."""

    iterable: "Expr"
    is_async: bool


class Entered(Struct, frozen=True, array_like=True, gc=False, tag="o"):
    """What ``with value as`` gives."""

    value: "Expr"
    is_async: bool


class Opaque(Struct, frozen=True, array_like=True, gc=False, tag="u"):
    """An expression that facts do not describe; ``reason`` says what it was."""

    reason: str


Expr = Union[  # noqa: UP007  (msgspec resolves the forward references of a Union)
    Name,
    Attr,
    CallRef,
    Item,
    Slice,
    Const,
    Text,
    Seq,
    Mapping,
    Lambda,
    Await,
    Either,
    Binary,
    Compare,
    Not,
    Inverted,
    Comp,
    Star,
    Element,
    Entered,
    Opaque,
]


class Context(Struct, frozen=True, array_like=True, gc=False):
    """A block that calls stand in.

    ``kind``: for, async for, while, comprehension, async comprehension, with, async with, try,
    except, finally, if, else (of an ``if`` or a conditional expression), and, or (a later operand
    that calls something), loop-else, match, assert (a condition, also of a comprehension, that
    holds from there on; nothing stands in it).
    ``subject``: what is iterated, matched or tested (of an operand: those before it, which are all
    true for ``and``, all false for ``or``), or the context manager. ``target``: what a
    loop or ``as`` binds, or the class that a pattern asks for. ``parent`` is the enclosing context,
    -1 at the top of the function.
    """

    kind: str
    parent: int
    subject: Expr | None
    target: Expr | None
    line: int
    end_line: int
    sequence: int


class Call(Struct, frozen=True, array_like=True, gc=False):
    """One call.

    ``sequence`` orders the events of a function as they run. ``awaited``: directly under ``await``.

    ``discarded``: the whole of an expression statement, so the result is thrown away.
    A ``**`` argument has the keyword name ``**``.
    """

    callee: Expr
    arguments: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...]
    context: int
    sequence: int
    line: int
    column: int
    end_line: int
    end_column: int
    awaited: bool
    discarded: bool

    @property
    def given(self) -> tuple[Expr, ...]:
        """All that is given: the positional arguments, then the values of the keywords."""
        if not self.keywords:
            return self.arguments
        return (*self.arguments, *(value for _, value in self.keywords))


class Bind(Struct, frozen=True, array_like=True, gc=False):
    """A name, attribute or item that receives a value.

    ``kind``: assign, annotated, augmented, for, with, walrus, except, match, delete.
    """

    target: Expr
    value: Expr | None
    annotation: Expr | None
    kind: str
    context: int
    sequence: int
    line: int
    column: int


class Read(Struct, frozen=True, array_like=True, gc=False):
    """The longest chain of attributes and items that is read as a value, not called."""

    value: Expr
    context: int
    sequence: int
    line: int
    column: int
    end_line: int
    end_column: int


class Return(Struct, frozen=True, array_like=True, gc=False):
    """``return value`` or ``yield value``. ``kind``: return, yield, yield from."""

    kind: str
    value: Expr | None
    context: int
    sequence: int
    line: int


class Exit(Struct, frozen=True, array_like=True, gc=False):
    """A jump: ``kind`` is break, continue, return or raise."""

    kind: str
    context: int
    sequence: int
    line: int


class Param(Struct, frozen=True, array_like=True, gc=False):
    """A parameter. ``kind``: positional, keyword, *args, **kwargs. Defaults and annotations are
    expressions of the enclosing function."""

    name: str
    kind: str
    annotation: Expr | None
    default: Expr | None


class Import(Struct, frozen=True, array_like=True, gc=False):
    """``import module as bound``, or ``from module import name as bound``.

    The name is None in the first, and may be ``*`` in the second.

    ``level`` is the number of leading dots. ``import a.b`` without ``as`` binds ``a``.
    """

    module: str
    name: str | None
    bound: str
    level: int
    line: int


class Function(Struct, frozen=True, array_like=True, gc=False):
    """A body of code: ``kind`` is module, class (its body), function or lambda.

    ``parent`` is the index of the enclosing function, -1 for the module, which is always function
    0. ``decorators``, parameter defaults and the return annotation are expressions of the parent.
    ``context`` is the block of the parent that defines it.
    """

    name: str
    qualname: str
    kind: str
    parent: int
    context: int
    is_async: bool
    is_generator: bool
    line: int
    column: int
    end_line: int
    body_line: int
    decorators: tuple[Expr, ...]
    params: tuple[Param, ...]
    returns: Expr | None
    contexts: tuple[Context, ...]
    calls: tuple[Call, ...]
    binds: tuple[Bind, ...]
    reads: tuple[Read, ...]
    results: tuple[Return, ...]
    exits: tuple[Exit, ...]
    imports: tuple[Import, ...]
    outer_names: tuple[str, ...]


class Class(Struct, frozen=True, array_like=True, gc=False):
    """A class.

    Its body is function number ``body``; bases and decorators are expressions of ``parent``.
    """

    name: str
    qualname: str
    parent: int
    body: int
    bases: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...]
    decorators: tuple[Expr, ...]
    line: int
    end_line: int


class SqlText(Struct, frozen=True, array_like=True, gc=False):
    """A string that begins like SQL, or like a part of it; holes are written ``{}``.

    ``function`` is where it stands. ``anchors``: offsets in the text, each with the line and column
    that it stands at; what follows stands behind it, as far as the next one.
    """

    text: str
    function: int
    line: int
    column: int
    anchors: tuple[tuple[int, int, int], ...] = ()


class FileFacts(Struct, frozen=True, array_like=True, gc=False):
    """All that one Python file says."""

    path: str
    lines: int
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    sql: tuple[SqlText, ...]
    exported: tuple[str, ...]
