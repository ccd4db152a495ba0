"""A function while it is being read."""

from typing import Self

from perfaudit.facts import types as t


class Scope:
    """Gathers the facts of one function, and freezes them."""

    __slots__ = (
        "index", "name", "qualname", "kind", "parent", "outer_context", "is_async", "is_generator",
        "line", "column", "end_line", "body_line", "decorators", "params", "returns", "contexts",
        "calls", "binds", "reads", "results", "exits", "imports", "outer_names", "context",
        "sequence",
    )  # fmt: skip

    def __init__(
        self,
        *,
        index: int,
        name: str,
        qualname: str,
        kind: str,
        parent: Self | None,
        outer_context: int,
        is_async: bool,
        line: int,
        column: int,
        end_line: int,
        body_line: int,
    ) -> None:
        self.index = index
        self.name = name
        self.qualname = qualname
        self.kind = kind
        self.parent = parent
        self.outer_context = outer_context
        self.is_async = is_async
        self.is_generator = False
        self.line = line
        self.column = column
        self.end_line = end_line
        self.body_line = body_line
        self.decorators: tuple[t.Expr, ...] = ()
        self.params: tuple[t.Param, ...] = ()
        self.returns: t.Expr | None = None
        self.contexts: list[t.Context] = []
        self.calls: list[t.Call] = []
        self.binds: list[t.Bind] = []
        self.reads: list[t.Read] = []
        self.results: list[t.Return] = []
        self.exits: list[t.Exit] = []
        self.imports: list[t.Import] = []
        self.outer_names: list[str] = []
        self.context = -1
        self.sequence = 0

    @classmethod
    def outermost(cls) -> Self:
        """Return the scope around the module, which holds nothing."""
        return cls(
            index=-1,
            name="",
            qualname="",
            kind="module",
            parent=None,
            outer_context=-1,
            is_async=False,
            line=1,
            column=1,
            end_line=1,
            body_line=1,
        )

    def freeze(self) -> t.Function:
        """Return the finished facts."""
        return t.Function(
            name=self.name,
            qualname=self.qualname,
            kind=self.kind,
            parent=-1 if self.parent is None else self.parent.index,
            context=self.outer_context,
            is_async=self.is_async,
            is_generator=self.is_generator,
            line=self.line,
            column=self.column,
            end_line=self.end_line,
            body_line=self.body_line,
            decorators=self.decorators,
            params=self.params,
            returns=self.returns,
            contexts=tuple(self.contexts),
            calls=tuple(self.calls),
            binds=tuple(self.binds),
            reads=tuple(self.reads),
            results=tuple(self.results),
            exits=tuple(self.exits),
            imports=tuple(self.imports),
            outer_names=tuple(self.outer_names),
        )
