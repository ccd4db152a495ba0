"""What showing the pages of an endpoint costs: the rows of its templates, and what is read of them.

This walks templates as the rules do, and multiplies what is paid by the loops around it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import template_types as n
from perfaudit.facts import types as t
from perfaudit.program.answer_costs import cost_of_rows
from perfaudit.program.bounds import at_most, bounded_size
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.lazy_costs import meaning_of
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost, Lazy, dearest, once
from perfaudit.program.renderings import Known, Rendering, renderings, view_of
from perfaudit.program.row_costs import row_class
from perfaudit.program.sizes import VAGUE_NAMES, Size, plural
from perfaudit.program.template_costs import Walk
from perfaudit.program.template_files import TemplateFiles, template_files
from perfaudit.program.template_values import Cost as Read
from perfaudit.program.template_values import Reading, Value, is_joined
from perfaudit.program.view_costs import class_attribute

if TYPE_CHECKING:
    from perfaudit.program.program import Program

QUERY = "db.query"
NAMELESS = frozenset({"all", "items", "list", "object_list", "page_obj", "values", n.CALLED})
"""Steps and names of templates that say nothing of what they give."""


def cost_of_pages(
    program: "Program", endpoint: Endpoint, entered: Sequence[FunctionNode]
) -> Cost | None:
    """Return what the pages of an endpoint cost, or None where it shows none that is known."""
    shown = program.once(_numbers_of_renderings)
    found = sorted({number for by in (endpoint.view, *entered) for number in shown.get(by, ())})
    files = program.once(template_files)
    pages = [
        program.once(_cost_of_page, number, name)
        for number in found
        for name in program.once(renderings)[number].templates
        if files.find(name) is not None
    ]
    return dearest(pages) if pages else None


def _numbers_of_renderings(
    program: "Program",
) -> dict[FunctionNode | ClassNode | None, list[int]]:
    """Return the numbers of the renderings of each function, and of each view class."""
    found: dict[FunctionNode | ClassNode | None, list[int]] = {}
    for number, rendering in enumerate(program.once(renderings)):
        found.setdefault(rendering.function, []).append(number)
        if rendering.view is not None:
            found.setdefault(rendering.view, []).append(number)
    return found


def is_only_shown(program: "Program", endpoint: Endpoint) -> bool:
    """Return whether a view class does no more than show its page, with hooks of the project."""
    view = endpoint.view
    if view is None or view_of(program, view) is None:
        return False
    method = program.types.classes.method(view, endpoint.method.lower())
    return endpoint.method == "GET" and method is None


def _cost_of_page(program: "Program", number: int, name: str) -> Cost:
    """Return what a page costs that one of the renderings, by its number, shows."""
    rendering = program.once(renderings)[number]
    files = program.once(template_files)
    path = files.find(name)
    walk = _Counting(program, files, rendering, runs_methods=rendering.runs_methods)
    if path is not None:
        walk.page(path, {key: Value(known.type, known) for key, known in rendering.names.items()})
    step = TraceStep(rendering.location, f"renders {name}")
    return (_cost_of_view(program, rendering) + walk.total).along(step)


def _cost_of_view(program: "Program", rendering: Rendering) -> Cost:
    """Return what a view class asks before it shows its page: its object, or how many rows."""
    if rendering.view is None:
        return ZERO
    view = view_of(program, rendering.view)
    if view is None:
        return ZERO
    step = TraceStep(rendering.view.location, "asks for the object, or counts the rows of pages")
    if view.row or (view.rows and _page_size(program, rendering) is not None):
        return once(QUERY, step)
    return ZERO


def _page_size(program: "Program", rendering: Rendering) -> int | None:
    if rendering.view is None:
        return None
    for words in program.libraries.answers:
        found = class_attribute(program, rendering.view, words.view_size)
        if found is not None and isinstance(found[1], t.Const) and type(found[1].value) is int:
            return found[1].value
    return None


class _Counting(Walk):
    """One walk that adds up what it costs."""

    def __init__(
        self, program: "Program", files: TemplateFiles, rendering: Rendering, *, runs_methods: bool
    ) -> None:
        super().__init__(program, files, runs_methods=runs_methods)
        self.rendering = rendering
        self.total = ZERO
        self.sizes: list[tuple[Size, Location]] = []
        self.kept: set[tuple[int, tuple[str, ...]]] = set()
        self.queried: set[int] = set()

    def loop(self, node: n.Loop, names: dict[str, Value]) -> None:
        items = node.iterable
        size: Size = "items"
        if items is not None and items.root in names:
            value = self.value(items, names, quiet=True)
            size = self.size(items, value)
            self.query(value, Location(self.path, node.line))
        self.sizes.append((size, Location(self.path, node.line)))
        super().loop(node, names)
        self.sizes.pop()
        self.kept = {key for key in self.kept if key[0] <= len(self.sizes)}

    def note(self, costs: Sequence[Read], path: n.Path, written: str = "") -> None:
        """Add what reading a path costs, for each turn of the loops in which it is paid."""
        for read in costs:
            depth = len(self.turns) if read.again else read.owner.loop
            if not read.again:
                key = (depth, read.path)
                if key in self.kept:
                    continue
                self.kept.add(key)
            place = Location(self.path, path.line, path.column, path.line, path.end_column)
            paid = self.is_paid(read)
            if paid is None:
                self.total = self.total.at_least()
            elif paid:
                cost = once(QUERY, TraceStep(place, f"reads {written or path.text} (db.query)"))
                for size, location in reversed(self.sizes[:depth]):
                    cost = cost.times(size, location)
                self.total = self.total + cost

    def is_paid(self, read: Read) -> bool | None:
        """Return whether a read asks the database, or None where its rows are not known."""
        if read.relation is None:
            return True
        known = read.owner.known
        if known is None:
            return None
        if is_joined(self.program, read):
            return False
        lazy = Lazy("", read.path, not read.again)
        found = [
            meaning_of(self.program, given.function, given.value, given.at, lazy)
            for given in known.givens
        ]
        if not found:
            return True if known.query is not None else None
        if any(not isinstance(each, bool) or each is not found[0] for each in found):
            return None
        return found[0] is True

    def query(self, value: Value, place: Location) -> None:
        """Add the query of rows that nothing has asked for before the page shows them."""
        known = value.known
        reading = Reading(self.program, runs_methods=self.runs_methods)
        if known is None or value.path or value.asked or id(known) in self.queried:
            return
        if not reading.is_query(value.type):
            return
        self.queried.add(id(known))
        row = row_class(self.program, value.type)
        options = [
            cost_of_rows(self.program, given.function, given.value, given.at, "rows")
            for given in known.givens
        ]
        step = TraceStep(place, f"queries {row.name if row is not None else 'rows'}")
        self.total = self.total + (dearest(options) if options else once(QUERY, step))

    def size(self, items: n.Path, value: Value) -> Size:
        """Return how many items a loop walks, with the bound that the program sets."""
        steps = [step for step in (items.root, *items.steps) if step not in NAMELESS]
        row = row_class(self.program, value.type)
        name = steps[-1] if steps else ""
        if not name or name in VAGUE_NAMES:
            name = plural(row.name.lower()) if row is not None else "items"
        bound = self.bound(value.known) if value.known is not None and not value.path else None
        return name if bound is None else at_most(name, bound)

    def bound(self, known: Known) -> int | None:
        """Return how many rows there are at most, as a slice or the size of a page says."""
        if self.rendering.view is not None and self.is_of_view(known):
            return _page_size(self.program, self.rendering)
        sizes = {
            bounded_size(self.program.types, given.function, given.value, None)
            for given in known.givens
        }
        size = next(iter(sizes)) if len(sizes) == 1 else ""
        if isinstance(size, int):
            return size
        bound = size.partition("<=")[2]
        return int(bound) if bound else None

    def is_of_view(self, known: Known) -> bool:
        """Return whether these are the rows that the view class itself shows."""
        view = None if self.rendering.view is None else view_of(self.program, self.rendering.view)
        names: Mapping[str, Known] = self.rendering.names
        pages = view.pages if view is not None else ()
        return any(names.get(page) is known for page in pages)
