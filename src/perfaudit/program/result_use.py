"""What is read of a fetched result before it is out of sight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.decorators import decorator_paths
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.result_roots import last_name
from perfaudit.program.result_shapes import OF_ROWS, JsonPath, Shape
from perfaudit.program.result_shown import answered
from perfaudit.program.result_walk import MAX_DEPTH, Reading, SizedAt, Source, Walk

PLAIN_DECORATORS = frozenset({"builtins.staticmethod", "builtins.classmethod"})


@dataclass(frozen=True, slots=True)
class Use:
    """What is read of a fetched result.

    ``columns``: those that are named at all, ``places`` where at first. ``keys``: the parts that
    are read of JSON columns that are never used ``whole``. ``tested``: columns that are looked at
    for presence. ``entire``: rows are used as they are (``dict(row)``). ``escapes``: why not every
    reader is known, or None. ``sized``: where the number of rows is taken. ``asked``: where it is
    tested whether there is any row, ``one_row`` where it is a single one; ``touched``: something
    else is done with rows, whatever it reads of them. ``bounded``: a slice or limit is put on them.
    ``returned``: what the function returns of it; ``crossed``: readers were found by following
    that; ``named``: columns that code names, and not only a class that shows rows. ``steps``: where
    keys are read, in order. ``as_objects``: more than columns is read, such
    as relations and properties, or functions are given rows. ``changed``: values or rows are
    written to. ``needed``: keys of rows that are fetched together with these.
    """

    columns: frozenset[str]
    keys: Mapping[str, frozenset[JsonPath]]
    whole: frozenset[str]
    tested: frozenset[str]
    entire: bool
    escapes: str | None
    sized: tuple[SizedAt, ...]
    asked: tuple[Location, ...]
    one_row: bool
    touched: bool
    iterated: bool
    bounded: bool
    returned: Shape | None
    crossed: bool
    steps: tuple[TraceStep, ...]
    as_objects: bool
    changed: bool
    needed: frozenset[str]
    places: Mapping[str, Location]
    named: frozenset[str]

    def seen(self, limit: int = 3) -> tuple[TraceStep, ...]:
        """Return where columns are read, one step for each line, as far as the first few."""
        by_line: dict[Location, list[str]] = {}
        for column, place in self.places.items():
            by_line.setdefault(place, []).append(column)
        return tuple(
            TraceStep(place, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} read")
            for place, names in list(by_line.items())[:limit]
        )


class Readers:
    """The program, and which of its functions may be called from where nobody can see."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.begun: dict[Source, tuple[Reading, Shape | None]] = {}
        """What is read of results in their own functions, where callers have not been asked."""

    @cached_property
    def loose(self) -> frozenset[str]:
        """Return the names of functions that are passed about, or called on something unknown."""
        return frozenset(_loose_names(self.program))

    @cached_property
    def entries(self) -> frozenset[FunctionNode]:
        """Return the functions that a framework calls."""
        endpoints = self.program.endpoints
        return frozenset(
            function for item in endpoints for function in (item.handler, *item.dependencies)
        )

    @cached_property
    def protocol_methods(self) -> frozenset[str]:
        """Return the names of methods that a protocol declares."""
        return frozenset(
            name
            for file in self.program.files
            for node in file.classes
            if "typing.Protocol" in self.program.types.classes.ancestors(node)
            for name in node.methods
        )


def _loose_names(program: Program) -> set[str]:
    loose: set[str] = set()
    for function in program.functions:
        facts = function.facts
        passed = [bind.value for bind in facts.binds]
        passed += [item.value for item in facts.results]
        for index, call in enumerate(facts.calls):
            passed += call.given
            name = last_name(call.callee)
            if name is not None and name not in loose:
                if not program.types.call(function, index).targets:
                    loose.add(name)
        _mention(passed, loose)
        for read in facts.reads:
            if isinstance(read.value, t.Attr):
                loose.add(read.value.name)
    return loose


def _mention(values: Iterable[t.Expr | None], loose: set[str]) -> None:
    for value in values:
        if isinstance(value, t.Name):
            loose.add(value.id)
        elif isinstance(value, t.Seq):
            _mention(value.items, loose)
        elif isinstance(value, t.Mapping):
            _mention(value.values, loose)


def use_of(readers: Readers, source: Source, *, follow_returns: bool = True) -> Use:
    """Return what is read of a fetched result, in its function and in those it is given to.

    With ``follow_returns``, also in those it returns to.
    """
    begun = readers.begun.pop(source, None)
    reading, returned = _read_at_home(readers.program, source) if begun is None else begun
    if follow_returns:
        _return_to_callers(readers, reading, source.function, returned, depth=1)
    else:
        readers.begun[source] = reading, returned
    return _use(reading, returned)


def _read_at_home(program: Program, source: Source) -> tuple[Reading, Shape | None]:
    """Return what is read of a result in its own function, and what that returns of it."""
    reading = Reading(program, source)
    if source.function.kind not in ("function", "lambda"):
        reading.escape("at module level")
        return reading, None
    walk = Walk(reading, source.function, {("call", source.index): source.shape}, depth=0)
    walk.watch_cursor(source)
    walk.run()
    return reading, walk.returned


def _use(reading: Reading, returned: Shape | None) -> Use:
    """Return what has been seen of a result so far."""
    whole = frozenset(reading.whole)
    return Use(
        frozenset(reading.columns),
        {
            column: frozenset(paths)
            for column, paths in sorted(reading.keys.items())
            if column not in whole
        },
        whole,
        frozenset(reading.tested),
        reading.entire,
        reading.escapes,
        tuple(dict.fromkeys(reading.sized)),
        tuple(dict.fromkeys(reading.asked)),
        bool(reading.asked) and not reading.asked_rows,
        reading.touched,
        reading.iterated,
        reading.bounded,
        returned,
        reading.crossed,
        tuple(reading.steps),
        reading.as_objects,
        reading.changed,
        frozenset(reading.needed),
        dict(reading.columns),
        frozenset(reading.named),
    )


def _return_to_callers(
    readers: Readers,
    reading: Reading,
    function: FunctionNode,
    returned: Shape | None,
    *,
    depth: int,
) -> None:
    """Follow what a function returns into every place that calls it."""
    if returned is None or reading.escapes:
        return
    program = readers.program
    edges = program.edges_to(function)
    reason = _unknown_callers(readers, function)
    if function in readers.entries and returned.form in ("row", "rows", "result"):
        shown = answered(program, program.endpoints, function)
        if shown is not None:
            reading.iterated |= returned.form != "row"
            Walk(reading, function, {}, depth=0).show(shown)
            return
    if reason is not None or not edges or depth > MAX_DEPTH:
        if returned.form in ("value", "values"):
            reading.read(returned, function.location, returned.column)
        else:
            reading.escape(reason or "returned to callers that are not known")
        return
    reading.crossed = True
    reading.as_objects |= returned.form in OF_ROWS
    for edge in edges:
        if edge.how != "call" or edge.via != "call" or not isinstance(edge.value, t.CallRef):
            reading.escape("returned to the code that calls back")
            return
        index = edge.value.index
        if not reading.enter(("caller", edge.caller, index)):
            continue
        walk = Walk(reading, edge.caller, {("call", index): returned}, depth=depth)
        walk.run()
        _return_to_callers(readers, reading, edge.caller, walk.returned, depth=depth + 1)


def _unknown_callers(readers: Readers, function: FunctionNode) -> str | None:
    """Return why a function may have callers that are not known, or None."""
    if function in readers.entries:
        return "returned as an answer"
    if function.kind != "function" or function.name in readers.loose:
        return "returned to callers that are not known"
    if function.owner is not None and _is_called_by_another_name(readers, function):
        return "called through another class"
    paths = decorator_paths(readers.program.types, function)
    if function.facts.decorators and not set(paths) <= PLAIN_DECORATORS:
        return "returned through a decorator"
    return None


def _is_called_by_another_name(readers: Readers, function: FunctionNode) -> bool:
    """Return whether calls of a base class or a protocol may run the method."""
    if function.owner is None:
        return False
    if function.name in readers.protocol_methods:
        return True
    classes = readers.program.types.classes
    return any(
        function.name in node.methods and not classes.is_abstract(node, node.methods[function.name])
        for node in classes.project_order(function.owner)[1:]
    )
