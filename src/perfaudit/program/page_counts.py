"""Pages of a query whose number of all rows is asked for too, and read by nobody."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.facts import types as t
from perfaudit.libraries.types import Counts
from perfaudit.program.expressions import argument_for, children
from perfaudit.program.nodes import FunctionNode, inner_functions
from perfaudit.program.result_roots import Root, roots_of
from perfaudit.program.sites import Edge, Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program


class UnreadCount(NamedTuple):
    """A call that has all rows counted for a page, where nobody reads their number.

    ``function`` and ``value`` are the call, which may be one of a function of the project that
    gives the page on. ``keyword`` is its argument that leaves the number out.
    """

    function: FunctionNode
    value: t.CallRef
    site: Site
    keyword: str


class _Page(NamedTuple):
    """What a function reads of a page, and whether it gives it to its callers."""

    names: frozenset[str]
    returned: bool


def unread_counts(program: "Program") -> Iterator[UnreadCount]:
    """Yield the calls that have a number counted which nobody reads, in the order of the sites."""
    for site in program.sites():
        counts = site.behaviour.counts
        if counts is None or site.call is None or not isinstance(site.value, t.CallRef):
            continue
        page = _page(site.function, site.value)
        if page is None or page.names & counts.told:
            continue
        switch = dict(site.call.keywords).get(counts.keyword)
        if switch is None and not page.returned:
            yield UnreadCount(site.function, site.value, site, counts.keyword)
        elif page.returned:
            yield from _given_on(program, site, counts, switch)


def _given_on(
    program: "Program", site: Site, counts: Counts, switch: t.Expr | None
) -> Iterator[UnreadCount]:
    """Yield what callers of a function that gives its page on ask for without reading it.

    Where the function says by itself that it counts, only if that is true of all of them.
    """
    function = site.function
    edges = [edge for edge in program.edges_to(function) if edge.via == "call"]
    unread = [edge for edge in edges if _reads_none(edge, counts)]
    if switch is None:
        if edges and len(unread) == len(edges) and isinstance(site.value, t.CallRef):
            yield UnreadCount(function, site.value, site, counts.keyword)
        return
    if not isinstance(switch, t.Name) or not _counts_by_default(function, switch.id):
        return
    for edge in unread:
        given = None if edge.call is None else argument_for(edge.call, function, switch.id)
        if given is None and isinstance(edge.value, t.CallRef):
            yield UnreadCount(edge.caller, edge.value, site, switch.id)


def _counts_by_default(function: FunctionNode, name: str) -> bool:
    return name not in function.binds and any(
        param.name == name and isinstance(param.default, t.Const) and param.default.value is True
        for param in function.facts.params
    )


def _reads_none(edge: Edge, counts: Counts) -> bool:
    if edge.call is None or not isinstance(edge.value, t.CallRef) or edge.how != "call":
        return False
    if any(isinstance(given, t.Star) for given in edge.call.arguments):
        return False
    if any(keyword == "**" for keyword, _ in edge.call.keywords):
        return False
    page = _page(edge.caller, edge.value)
    return page is not None and not page.returned and not page.names & counts.told


def _page(function: FunctionNode, value: t.CallRef) -> _Page | None:
    """Return what is read of the page that a call gives; None where not every reader is seen."""
    if function.kind not in ("function", "lambda"):
        return None
    found = _Readers(function, value)
    scopes = (function, *inner_functions(function))
    if not all(found.sees(scope, root) for scope in scopes for root in roots_of(scope)):
        return None
    return _Page(frozenset(found.names), found.returned)


class _Readers:
    def __init__(self, function: FunctionNode, value: t.CallRef) -> None:
        self.function = function
        self.value = value
        self.held = {
            name for name in function.binds if _awaited(function.only_value(name)) == value
        }
        self.names: set[str] = set()
        self.returned = False

    def sees(self, scope: FunctionNode, root: Root) -> bool:
        """Note what an expression reads of the page; false where it goes out of sight."""
        if not self.is_page(scope, root.value):
            return self.within(scope, root.value)
        if root.role.kind == "method":
            self.names.add(root.role.argument)
            return True
        if root.role.kind == "return" and scope is self.function:
            self.returned = True
            return True
        return root.role.kind == "alias" and bool(self.held)

    def within(self, scope: FunctionNode, value: t.Expr) -> bool:
        """Note the attributes that are read; false where the page itself is a part of a value."""
        if isinstance(value, t.Attr) and self.is_page(scope, value.base):
            self.names.add(value.name)
            return True
        if self.is_page(scope, value):
            return False
        if isinstance(value, t.CallRef):
            # Its parts stand by themselves.
            return True
        return all(self.within(scope, part) for part in children(scope, value))

    def is_page(self, scope: FunctionNode, value: t.Expr) -> bool:
        value = _awaited(value) or value
        if isinstance(value, t.Name):
            if value.id not in self.held:
                return False
            return scope is self.function or not (
                value.id in scope.params or value.id in scope.binds
            )
        return scope is self.function and value == self.value


def _awaited(value: t.Expr | None) -> t.Expr | None:
    return value.value if isinstance(value, t.Await) else value
