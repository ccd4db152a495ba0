"""What rendering a template asks the database for each turn of its loops."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import template_types as n
from perfaudit.facts import types as t
from perfaudit.program.bounds import SHORT
from perfaudit.program.renderings import Known, Rendering, known_names
from perfaudit.program.template_files import TemplateFiles, template_files
from perfaudit.program.template_functions import read_by
from perfaudit.program.template_tags import TemplateTag, template_tags
from perfaudit.program.template_values import NOT_KNOWN, Cost, Reading, Value
from perfaudit.program.values import Instance, TupleType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DEPTH = 12
MAX_NODES = 4_000
KEEPING = frozenset({"dictsort", "dictsortreversed", "sort", "reverse", "list", "unique", "slice"})
"""Filters that give the items that they are given."""
PLAIN = frozenset({"default", "default_if_none", "safe", "escape", "force_escape", "d", "e"})
"""Filters that do not walk what they are given."""

LENGTH = "length"
WALKING = frozenset({LENGTH, "first", "join", "last", "random"})
"""Filters that ask a query for its rows."""


class Turn(Struct, frozen=True):
    """A loop that is under way. ``is_rows``: its items are rows of the database."""

    walked: str
    location: Location
    is_rows: bool


class Paid(Struct, frozen=True):
    """A cost that is paid in each turn of a loop, and the place in the template that pays it.

    ``way`` leads to it: the loop, and what is included. ``written``: the path as it stands there.
    ``is_before``: the place is in the view, which reads it before the template is rendered.
    ``is_asked_for``: it is a test whether the relation leads somewhere, or where to.
    ``is_grouped``: it is paid only in the turns that begin another group.
    """

    cost: Cost
    location: Location
    turn: Turn
    way: tuple[TraceStep, ...]
    written: str
    is_before: bool = False
    is_asked_for: bool = False
    is_grouped: bool = False


Names = Mapping[str, Value]


def paid_by(program: "Program", rendering: Rendering) -> list[Paid]:
    """Return what a rendering pays once per turn of the loops of its templates."""
    files = program.once(template_files)
    found: list[Paid] = []
    for name in rendering.templates:
        path = files.find(name)
        if path is not None:
            walk = Walk(program, files, runs_methods=_runs_methods(program, rendering, path))
            walk.page(path, {key: _value(known) for key, known in rendering.names.items()})
            found.extend(walk.paid)
    return found


def paid_within(
    program: "Program", rendering: Rendering, turn: Turn, given: Mapping[str, Value]
) -> list[Paid]:
    """Return what a rendering pays that is done once per turn of a loop.

    ``given`` are parameters of its function that are values of the turn.
    """
    files = program.once(template_files)
    found: list[Paid] = []
    for name in rendering.templates:
        path = files.find(name)
        if path is None:
            continue
        walk = Walk(program, files, runs_methods=_runs_methods(program, rendering, path))
        walk.turns.append(turn)
        walk.way.append(TraceStep(rendering.location, f"renders {name}"))
        names = {key: _passed(known, given) for key, known in rendering.names.items()}
        walk.page(path, names)
        found.extend(walk.paid)
    return found


def _passed(known: Known, given: Mapping[str, Value]) -> Value:
    """Return a value that is given to a template as it was given to the function."""
    for item in known.givens:
        if isinstance(item.value, t.Name) and item.value.id in given:
            return given[item.value.id]
    return _value(known)


def _runs_methods(program: "Program", rendering: Rendering, path: str) -> bool:
    """Return whether the language of a template calls what can be called."""
    folders = program.libraries.templates.folders
    return rendering.runs_methods and not any(part in folders for part in path.split("/"))


def _value(known: Known) -> Value:
    return Value(known.type, known)


class Walk:
    """One walk through a template and those that it extends and includes."""

    def __init__(self, program: "Program", files: TemplateFiles, *, runs_methods: bool) -> None:
        self.program = program
        self.files = files
        self.runs_methods = runs_methods
        self.turns: list[Turn] = []
        self.way: list[TraceStep] = []
        self.paid: list[Paid] = []
        self.is_test = False
        self.grouped = 0
        self.path = ""
        self.root = ""
        self.blocks: dict[str, list[tuple[str, n.Block]]] = {}
        self.macros: dict[str, tuple[str, n.Macro]] = {}
        self.left = MAX_NODES
        self.depth = 0

    def page(self, path: str, names: Names) -> None:
        """Walk a template, within those that it extends."""
        self.root = path
        seen: list[str] = []
        found: str | None = path
        while found is not None and found not in seen:
            seen.append(found)
            template = self.files.read(found)
            for name, block in template.blocks.items():
                self.blocks.setdefault(name, []).append((found, block))
            found = self.files.find(template.extends, found) if template.extends else None
            if template.extends and found is None:
                # What it extends is not known: the blocks are shown somewhere in that.
                for inner in seen[:-1]:
                    self.template(inner, names)
        self.template(seen[-1], names)

    def template(self, path: str, names: Names) -> None:
        """Walk the nodes of one template."""
        if self.depth > MAX_DEPTH:
            return
        self.depth += 1
        outer, self.path = self.path, path
        template = self.files.read(path)
        macros = self.macros
        self.macros = {**macros, **{key: (path, macro) for key, macro in template.macros.items()}}
        self.nodes(template.nodes, dict(names))
        self.macros = macros
        self.path = outer
        self.depth -= 1

    def nodes(self, nodes: Sequence[n.Node], names: dict[str, Value]) -> None:
        for node in nodes:
            self.left -= 1
            if self.left <= 0:
                return
            self.node(node, names)

    def node(self, node: n.Node, names: dict[str, Value]) -> None:
        match node:
            case n.Read(path=path, shown=shown):
                if path.root in names:
                    self.is_test = node.tested
                    self.ask(self.value(path, names), path, shown=shown)
                    self.is_test = False
            case n.Loop():
                self.loop(node, names)
            case n.Let(name=name, value=value):
                names[name] = self.named(value, names)
            case n.Scope(names=given, body=body):
                self.nodes(body, {**names, **self.given(given, names)})
            case n.Once(body=body):
                pass
            case n.Changed(body=body):
                outer, self.grouped = self.grouped, len(self.turns)
                self.nodes(body, names)
                self.grouped = outer
            case n.Regroup(name=name, items=items, steps=steps):
                self.regroup(name, items, steps, names)
            case n.Include():
                self.include(node, names)
            case n.Block():
                self.block(node, names)
            case n.MacroCall():
                self.macro(node, names)
            case n.Import():
                self.imported(node)
            case n.Tag():
                self.tag(node, names)

    def given(self, given: Sequence[n.Let], names: Names) -> dict[str, Value]:
        return {item.name: self.named(item.value, names) for item in given}

    def named(self, path: n.Path | None, names: Names) -> Value:
        """Return a value that is put under a name."""
        if path is None:
            return NOT_KNOWN
        value = self.value(path, names, quiet=True)
        return value if value is NOT_KNOWN else msgspec.structs.replace(value, held=True)

    def value(self, path: n.Path, names: Names, *, quiet: bool = False) -> Value:
        """Return what a path gives, and note what its steps cost, unless that is noted elsewhere.

        Filters that are not known give what is not known.
        """
        value = names.get(path.root, NOT_KNOWN)
        reading = Reading(self.program, runs_methods=self.runs_methods)
        for index, step in enumerate(path.steps):
            if step == n.CALLED:
                value = reading.called(value)
            elif step == n.PICKED:
                reading.asked(value)
                value = reading.element(value, value.loop)
            else:
                value = reading.step(value, step)
            if value is NOT_KNOWN and index + 1 < len(path.steps):
                break
        tag = self.program.once(template_tags).get(path.filters[0]) if path.filters else None
        if tag is not None:
            filtered = Reading(self.program, runs_methods=self.runs_methods)
            given = tag.bound([value], {})
            filtered.function(tag.function, given, may_give_more=True)
            filtered.costs.extend(read_by(self.program, tag.function, given))
            if not quiet:
                self.note(filtered.costs, path, f"{path.text}|{path.filters[0]}")
        other = next((it for it in path.filters if it not in KEEPING and it not in PLAIN), "")
        if other in WALKING:
            reading.asked(value, is_number=other == LENGTH)
        if not quiet:
            self.note(reading.costs, path)
        if other:
            return NOT_KNOWN
        is_few = value is not NOT_KNOWN and path.most is not None and path.most <= SHORT
        return msgspec.structs.replace(value, few=True) if is_few else value

    def ask(self, value: Value, path: n.Path, *, shown: bool) -> None:
        """Note what showing or testing a value costs."""
        reading = Reading(self.program, runs_methods=self.runs_methods)
        reading.asked(value)
        if shown and not path.filters:
            for option in options_of(value.type):
                if isinstance(option, Instance):
                    method = self.program.types.classes.method(option.node, "__str__")
                    if method is not None:
                        reading.run(value, option, method)
        self.note(reading.costs, path)

    def note(self, costs: Sequence[Cost], path: n.Path, written: str = "") -> None:
        """Keep the costs that are paid in each turn of a loop over rows.

        ``written``: what pays them, where it is more than the path.
        """
        for cost in costs:
            turn = self.turn_of(cost)
            if turn is not None:
                location = Location(self.path, path.line, path.column, path.line, path.end_column)
                is_last = cost.relation is not None and path.steps[-1:] == (cost.relation.name,)
                self.paid.append(
                    Paid(
                        cost,
                        location,
                        turn,
                        tuple(self.way),
                        written or path.text,
                        is_asked_for=self.is_test and is_last,
                        is_grouped=self.turns.index(turn) < self.grouped,
                    )
                )

    def turn_of(self, cost: Cost) -> Turn | None:
        """Return the loop in whose turns a cost is paid anew, or None where it is paid once."""
        if cost.owner.loop:
            turn = self.turns[cost.owner.loop - 1]
            return turn if turn.is_rows else None
        if not cost.again or not self.turns:
            return None
        return next((turn for turn in reversed(self.turns) if turn.is_rows), None)

    def loop(self, node: n.Loop, names: dict[str, Value]) -> None:
        items = NOT_KNOWN
        if node.iterable is not None and node.iterable.root in names:
            items = self.value(node.iterable, names)
            self.ask(items, node.iterable, shown=False)
        walked = node.iterable.text if node.iterable is not None else "..."
        location = Location(self.path, node.line)
        reading = Reading(self.program, runs_methods=self.runs_methods)
        element = reading.element(items, len(self.turns) + 1)
        is_rows = items.known is not None or items.items is not None or items.asked
        is_rows = is_rows and not items.few
        self.turns.append(Turn(walked, location, is_rows))
        self.way.append(TraceStep(location, f"loop over {walked}"))
        inner = dict(names)
        if len(node.targets) == 1:
            inner[node.targets[0]] = element
        else:
            inner.update(self.unpacked(node.targets, element))
        self.nodes(node.body, inner)
        self.way.pop()
        self.turns.pop()

    def unpacked(self, targets: Sequence[str], element: Value) -> dict[str, Value]:
        found = dict.fromkeys(targets, NOT_KNOWN)
        if isinstance(element.type, TupleType):
            for name, part in zip(targets, element.type.items, strict=False):
                found[name] = Value(part, loop=element.loop)
        return found

    def regroup(
        self, name: str, items: n.Path, steps: tuple[str, ...], names: dict[str, Value]
    ) -> None:
        """Walk the items once, for what they are grouped by."""
        value = self.value(items, names, quiet=True)
        location = Location(self.path, items.line)
        reading = Reading(self.program, runs_methods=self.runs_methods)
        self.turns.append(Turn(items.text, location, value.known is not None))
        element = reading.element(value, len(self.turns))
        by = n.Path("item", steps, (), items.line, items.column, items.end_column)
        self.way.append(TraceStep(location, f"groups of {items.text}"))
        self.node(n.Read(by, shown=False), {"item": element})
        self.way.pop()
        self.turns.pop()
        # The groups hold the rows: showing them asks for nothing again.
        names[name] = Value(NOT_KNOWN.type, items=msgspec.structs.replace(value, asked=False))

    def include(self, node: n.Include, names: dict[str, Value]) -> None:
        path = self.files.find(node.template, self.path) if node.template else None
        if path is None:
            return
        inner = self.given(node.names, names)
        self.way.append(TraceStep(Location(self.path, node.line), f"includes {node.template}"))
        self.template(path, inner if node.only else {**names, **inner})
        self.way.pop()

    def block(self, node: n.Block, names: dict[str, Value]) -> None:
        """Walk what the template that extends this one most puts in the place of a block."""
        known = self.blocks.get(node.name, ())
        stack = list(known) if any(block is node for _, block in known) else [(self.path, node)]
        outer = self.path
        for path, block in stack:
            self.path = path
            self.nodes(block.body, dict(names))
            if not block.shows_parent:
                break
        self.path = outer

    def macro(self, node: n.MacroCall, names: dict[str, Value]) -> None:
        found = self.macros.get(node.name)
        if found is None or self.depth > MAX_DEPTH:
            return
        path, macro = found
        inner = dict.fromkeys(macro.params, NOT_KNOWN)
        for param, argument in zip(macro.params, node.arguments, strict=False):
            if argument is not None:
                inner[param] = self.value(argument, names, quiet=True)
        inner.update(self.given(node.keywords, names))
        self.way.append(TraceStep(Location(self.path, node.line), f"calls {macro.name}"))
        outer, self.path = self.path, path
        self.depth += 1
        self.nodes(macro.body, inner)
        self.depth -= 1
        self.path = outer
        self.way.pop()

    def imported(self, node: n.Import) -> None:
        path = self.files.find(node.template, self.path)
        if path is None:
            return
        for name, macro in self.files.read(path).macros.items():
            if not node.macro:
                self.macros[f"{node.name}.{name}"] = (path, macro)
            elif name == node.macro:
                self.macros[node.name] = (path, macro)

    def tag(self, node: n.Tag, names: dict[str, Value]) -> None:
        """Walk what a tag of the project asks for, and the template that it renders."""
        found = self.program.once(template_tags).get(node.name)
        if found is None or self.depth > MAX_DEPTH:
            return
        arguments = [
            NOT_KNOWN if path is None else self.value(path, names, quiet=True)
            for path in node.arguments
        ]
        given = found.bound(arguments, self.given(node.keywords, names))
        reading = Reading(self.program, runs_methods=self.runs_methods)
        reading.function(found.function, given)
        reading.costs.extend(read_by(self.program, found.function, given))
        place = n.Path(node.name, (), (), node.line, node.column, node.column)
        self.note(reading.costs, place)
        if not found.template:
            return
        path = self.files.find(found.template)
        if path is None:
            return
        self.way.append(TraceStep(Location(self.path, node.line), f"runs {found.function.name}"))
        self.depth += 1
        self.template(path, dict(_of_tag(self.program, found, given)))
        self.depth -= 1
        self.way.pop()


def _of_tag(
    program: "Program", tag: TemplateTag, given: Mapping[str, Value]
) -> Iterator[tuple[str, Value]]:
    """Yield the names that a tag gives to its template."""
    for name, values in tag.names(program).items():
        parameters = [item.value.id for item in values if isinstance(item.value, t.Name)]
        if parameters and parameters[0] in given:
            yield name, given[parameters[0]]
            continue
        known = known_names(program, {name: values}).get(name)
        if known is not None:
            yield name, _value(known)
