"""What is read of a fetched result before it is out of sight."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import calls
from perfaudit.program.expressions import children, spelled
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.result_shapes import (
    ALL_ROWS,
    BOUNDING,
    COUNTING,
    DECODERS,
    EAGER_OPTIONS,
    KEEPERS,
    KEYED,
    MANY,
    MAP,
    NEUTRAL,
    OBJECT,
    ONE_ROW,
    ONE_VALUE,
    PAIRS,
    PICKERS,
    RESULT,
    ROW,
    ROWS,
    SAME,
    SELECTING,
    SILENT,
    STEPS,
    JsonPath,
    Shape,
    element,
    many,
)
from perfaudit.program.values import FunctionType, options_of

MAX_DEPTH = 6
PLAIN_DECORATORS = frozenset({"builtins.staticmethod", "builtins.classmethod"})
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A fetched result: the call that gives it, what that call holds, and the names of its columns.

    ``cursor`` is the object that the rows are fetched from where the call itself does not give them.
    ``entity`` is the class of the rows where they are objects of the project.
    """

    function: FunctionNode
    index: int
    shape: Shape
    columns: tuple[str, ...] = ()
    cursor: t.Expr | None = None
    entity: ClassNode | None = None


class SizedAt(NamedTuple):
    """A call of ``len``: the function it stands in, and its number there."""

    function: FunctionNode
    index: int


@dataclass(frozen=True, slots=True)
class Use:
    """What is read of a fetched result.

    ``columns`` are those that are named at all; ``keys`` the parts of JSON columns that are read, for
    those never used ``whole``; ``tested`` are columns only looked at for presence. ``entire``: rows
    are used as they are, such as ``dict(row)``. ``escapes`` says why not every reader is known, or is None.
    ``sized``: where the number of rows is taken. ``bounded``: a slice or limit is put on them.
    ``returned``: what the function returns of it. ``crossed``: readers were found by following that.
    ``steps``: where keys are read, in order.
    """

    columns: frozenset[str]
    keys: Mapping[str, frozenset[JsonPath]]
    whole: frozenset[str]
    tested: frozenset[str]
    entire: bool
    escapes: str | None
    sized: tuple["SizedAt", ...]
    iterated: bool
    bounded: bool
    returned: Shape | None
    crossed: bool
    steps: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class Readers:
    """The program, and the names of functions that may be called from where nobody can see."""

    program: Program
    loose: frozenset[str]
    entries: frozenset[FunctionNode]


def find_readers(program: Program) -> Readers:
    """Return what ``use_of`` needs to know of the whole program."""
    loose: set[str] = set()
    for function in program.functions:
        facts = function.facts
        for index, call in enumerate(facts.calls):
            name = _last_name(call.callee)
            if name is not None and not program.types.call(function, index).targets:
                loose.add(name)
            for given in (*call.arguments, *(value for _, value in call.keywords)):
                _mention(given, loose)
        for bind in facts.binds:
            if bind.value is not None:
                _mention(bind.value, loose)
        for item in facts.results:
            if item.value is not None:
                _mention(item.value, loose)
        for read in facts.reads:
            if isinstance(read.value, t.Attr):
                loose.add(read.value.name)
    entries = {item.handler for item in program.endpoints}
    entries.update(function for item in program.endpoints for function in item.dependencies)
    return Readers(program, frozenset(loose), frozenset(entries))


def _last_name(value: t.Expr) -> str | None:
    if isinstance(value, t.Attr):
        return value.name
    return value.id if isinstance(value, t.Name) else None


def _mention(value: t.Expr, loose: set[str]) -> None:
    if isinstance(value, t.Name):
        loose.add(value.id)
    elif isinstance(value, t.Seq):
        for item in value.items:
            _mention(item, loose)
    elif isinstance(value, t.Mapping):
        for item in value.values:
            _mention(item, loose)


def use_of(readers: Readers, source: Source, *, follow_returns: bool = True) -> Use:
    """Return what is read of a fetched result, in its function, in those it is given to and those it returns to."""
    reading = _Reading(readers, source)
    returned: Shape | None = None
    if source.function.kind not in ("function", "lambda"):
        reading.escape("at module level")
    else:
        walk = _Walk(reading, source.function, {("call", source.index): source.shape}, depth=0)
        walk.watch_cursor(source)
        walk.run()
        returned = walk.returned
        if follow_returns:
            _return_to_callers(reading, source.function, returned, depth=1)
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
        reading.iterated,
        reading.bounded,
        returned,
        reading.crossed,
        tuple(reading.steps),
    )


def _return_to_callers(
    reading: "_Reading", function: FunctionNode, returned: Shape | None, *, depth: int
) -> None:
    """Follow what a function returns into every place that calls it."""
    if returned is None or reading.escapes:
        return
    program = reading.readers.program
    edges = program.edges_to(function)
    reason = _unknown_callers(reading.readers, function)
    if reason is not None or not edges or depth > MAX_DEPTH:
        if returned.form in ("value", "values"):
            reading.read(returned, function.location, returned.column)
        else:
            reading.escape(reason or "returned to callers that are not known")
        return
    reading.crossed = True
    for edge in edges:
        if edge.how != "call" or edge.via != "call" or not isinstance(edge.value, t.CallRef):
            reading.escape("returned to the code that calls back")
            return
        index = edge.value.index
        if not reading.enter(("caller", edge.caller, index)):
            continue
        walk = _Walk(reading, edge.caller, {("call", index): returned}, depth=depth)
        walk.run()
        _return_to_callers(reading, edge.caller, walk.returned, depth=depth + 1)


def _unknown_callers(readers: Readers, function: FunctionNode) -> str | None:
    """Return why a function may have callers that are not known, or None."""
    if function in readers.entries:
        return "returned as an answer"
    if function.kind != "function" or function.name in readers.loose:
        return "returned to callers that are not known"
    paths = calls.decorator_paths(readers.program.types, function)
    if function.facts.decorators and not set(paths) <= PLAIN_DECORATORS:
        return "returned through a decorator"
    return None


class _Reading:
    """What has been seen so far of one result."""

    def __init__(self, readers: Readers, source: Source) -> None:
        self.readers = readers
        self.source = source
        self.columns: set[str] = set()
        self.keys: dict[str, set[JsonPath]] = {}
        self.whole: set[str] = set()
        self.tested: set[str] = set()
        self.entire = False
        self.escapes: str | None = None
        self.sized: list[SizedAt] = []
        self.iterated = False
        self.bounded = False
        self.crossed = False
        self.steps: list[TraceStep] = []
        self._entered: set[object] = set()
        self.returns: dict[object, Shape | None] = {}

    def escape(self, reason: str) -> None:
        """Note that not every reader is known."""
        self.escapes = self.escapes or reason

    def enter(self, key: object) -> bool:
        """Return whether a place is entered for the first time."""
        if key in self._entered:
            return False
        self._entered.add(key)
        return True

    def read(self, shape: Shape, place: Location, text: str) -> None:
        """Note that the value of a column, or a part of it, is used."""
        self.columns.add(shape.column)
        if not shape.path:
            self.whole.add(shape.column)
            return
        paths = self.keys.setdefault(shape.column, set())
        if shape.path not in paths:
            paths.add(shape.path)
            self.steps.append(TraceStep(place, f"{text} is read"))


class _Role(NamedTuple):
    """What the surrounding code does with a value. ``call`` and ``argument`` say which call it is given to."""

    kind: str
    call: int = -1
    argument: str = ""


class _Root(NamedTuple):
    value: t.Expr
    at: Point
    role: _Role
    line: int
    column: int


@dataclass(slots=True)
class _Cursor:
    """An object that rows are fetched from, between its statement and the next one."""

    receiver: t.Expr
    start: int
    end: int
    context: int


ALIAS = _Role("alias")
TEST = _Role("test")
VALUE = _Role("value")
UNSET = object()


class _Walk:
    """One pass over a function and the functions in it, from known origins."""

    def __init__(
        self,
        reading: _Reading,
        function: FunctionNode,
        origins: dict[tuple[str, int | str], Shape],
        *,
        depth: int,
    ) -> None:
        self.reading = reading
        self.types = reading.readers.program.types
        self.function = function
        self.origins = origins
        self.depth = depth
        self.cursor: _Cursor | None = None
        self.returned: Shape | None = None
        self.place = function.location
        self._busy: set[object] = set()
        self._shapes: dict[object, Shape | None] = {}
        self._seen: set[tuple[FunctionNode, t.Expr]] = set()
        self._lambdas: dict[FunctionNode, tuple[FunctionNode, int]] = {}

    def watch_cursor(self, source: Source) -> None:
        """Take what is fetched from the cursor, until its next statement, for the result."""
        if source.cursor is None:
            return
        here = source.function.facts.calls[source.index]
        others = [
            call
            for index, call in enumerate(source.function.facts.calls)
            if index != source.index
            and isinstance(call.callee, t.Attr)
            and call.callee.base == source.cursor
            and call.callee.name.startswith(("execute", "callproc", "stream"))
        ]
        later = [call.sequence for call in others if call.sequence > here.sequence]
        context = here.context if others else -1
        self.cursor = _Cursor(source.cursor, here.sequence, min(later, default=1 << 60), context)

    def run(self) -> None:
        """Note every use of the result in the function."""
        scopes = [self.function, *_inner_functions(self.function)]
        for scope in scopes:
            self._find_lambdas(scope)
        for scope in scopes:
            for root in _roots(scope):
                self._visit(scope, root)
        for scope in scopes:
            for read in scope.facts.reads:
                if (scope, read.value) not in self._seen:
                    at = (read.sequence, read.context)
                    self._visit(scope, _Root(read.value, at, _Role("read"), read.line, read.column))

    def _visit(self, scope: FunctionNode, root: _Root) -> None:
        if self.reading.escapes:
            return
        self.place = scope.line(root.line, root.column)
        self._walk(scope, root.value, root.at, root.role)

    def _find_lambdas(self, scope: FunctionNode) -> None:
        for index, call in enumerate(scope.facts.calls):
            for given in (*call.arguments, *(value for _, value in call.keywords)):
                if isinstance(given, t.Lambda):
                    self._lambdas[scope.file.functions[given.function]] = (scope, index)

    def _walk(self, scope: FunctionNode, value: t.Expr, at: Point, role: _Role) -> None:
        """Note the uses in an expression, whose own value goes where the role says."""
        shape = self.shape(scope, value, at)
        self._remember(scope, value)
        if shape is not None:
            self._used(scope, shape, role, value)
            self._walk_chain(scope, value, at)
            return
        for part, part_role, part_at in _parts(scope, value, at, role):
            self._walk(scope, part, part_at, part_role)

    def _remember(self, scope: FunctionNode, value: t.Expr) -> None:
        while isinstance(value, t.Attr | t.Item):
            self._seen.add((scope, value))
            value = value.base

    def _walk_chain(self, scope: FunctionNode, value: t.Expr, at: Point) -> None:
        """Note the uses in the parts of a chain that are not its spine: keys, tests, other arms."""
        self._remember(scope, value)
        match value:
            case t.Item(base=base, key=key):
                self._walk(scope, key, at, VALUE)
                self._walk_chain(scope, base, at)
            case t.Attr(base=base):
                self._walk_chain(scope, base, at)
            case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
                self._walk_chain(scope, inner, at)
            case t.Element(iterable=inner):
                shape = self.shape(scope, inner, at)
                if shape is not None and shape.form in MANY:
                    self.reading.iterated = True
                self._walk_chain(scope, inner, at)
            case t.Either(kind=kind, options=options, test=test):
                if test is not None:
                    self._walk(scope, test, at, TEST)
                for number, option in enumerate(options):
                    if kind == "and" and number < len(options) - 1:
                        self._walk(scope, option, at, TEST)
                    elif self.shape(scope, option, at) is None:
                        self._walk(scope, option, at, VALUE)
                    else:
                        self._walk_chain(scope, option, at)
            case t.Comp(key=key_part, element=part, context=context):
                inside = (at[0], context)
                if key_part is not None:
                    self._walk(scope, key_part, inside, VALUE)
                self._walk_chain(scope, part, inside)

    def shape(self, scope: FunctionNode, value: t.Expr, at: Point) -> Shape | None:
        """Return what an expression holds of the result, or None."""
        match value:
            case t.Name(id=name):
                return self._of_cursor(scope, value, at) or self._of_name(scope, name, at)
            case t.CallRef(index=index):
                return self._of_call(scope, index)
            case t.Await(value=inner) | t.Entered(value=inner):
                return self.shape(scope, inner, at)
            case t.Element(iterable=inner):
                found = self.shape(scope, inner, at)
                return None if found is None else element(found)
            case t.Attr(base=base, name=name):
                found = self._of_cursor(scope, value, at) or self.shape(scope, base, at)
                if found is None or isinstance(value, type(None)):
                    return None
                if self.cursor is not None and value == self.cursor.receiver:
                    return found
                return self._attribute(found, name)
            case t.Item(base=base, key=key):
                found = self.shape(scope, base, at)
                return None if found is None else self._item(found, key)
            case t.Either(kind=kind, options=options):
                chosen = options[-1:] if kind == "and" else options
                shapes = [self.shape(scope, option, at) for option in chosen]
                return self._agreed([item for item in shapes if item is not None])
            case t.Comp(kind=kind, element=part, context=context):
                found = self.shape(scope, part, (at[0], context))
                if found is None:
                    return None
                if kind == "dict":
                    return MAP if found.form == "row" else None
                return many(found)
        return None

    def _agreed(self, shapes: list[Shape]) -> Shape | None:
        if not shapes:
            return None
        if any(item != shapes[0] for item in shapes):
            self.reading.escape("several results meet in one name")
        return shapes[0]

    def _of_cursor(self, scope: FunctionNode, value: t.Expr, at: Point) -> Shape | None:
        cursor = self.cursor
        if cursor is None or scope is not self.function or value != cursor.receiver:
            return None
        if not cursor.start < at[0] < cursor.end:
            return None
        if not scope.is_within(at[1], cursor.context):
            return None
        return RESULT

    def _of_name(self, scope: FunctionNode, name: str, at: Point) -> Shape | None:
        found: list[Shape] = []
        for home, definition in meanings(scope, name, at):
            shape: Shape | None = None
            if isinstance(definition, t.Param):
                shape = self._of_param(home, definition.name)
            elif isinstance(definition, t.Bind) and definition.value is not None:
                shape = self._of_bind(home, definition)
            if shape is not None:
                found.append(shape)
        return self._agreed(found)

    def _of_param(self, home: FunctionNode, name: str) -> Shape | None:
        if home is self.function and ("param", name) in self.origins:
            return self.origins["param", name]
        given = self._lambdas.get(home)
        if given is None or not home.facts.params or home.facts.params[0].name != name:
            return None
        scope, index = given
        call = scope.facts.calls[index]
        if _last_name(call.callee) not in KEYED:
            return None
        rows = call.arguments[-1] if _last_name(call.callee) in ("map", "filter") else None
        if rows is None:
            rows = call.arguments[0] if call.arguments else None
            if isinstance(call.callee, t.Attr) and call.callee.name == "sort":
                rows = call.callee.base
        if rows is None or isinstance(rows, t.Lambda):
            return None
        shape = self.shape(scope, rows, (call.sequence, call.context))
        return None if shape is None else element(shape)

    def _of_bind(self, home: FunctionNode, bind: t.Bind) -> Shape | None:
        key = ("bind", home, bind.sequence)
        if key in self._shapes:
            return self._shapes[key]
        if key in self._busy or bind.value is None or home.kind in ("module", "class"):
            return None
        self._busy.add(key)
        context = bind.context
        if bind.kind == "for":
            context = home.facts.contexts[context].parent
        shape = self.shape(home, bind.value, (bind.sequence, context))
        self._busy.discard(key)
        if not self._busy:
            self._shapes[key] = shape
        return shape

    def _attribute(self, shape: Shape, name: str) -> Shape | None:
        if shape.form == "row":
            if name in ("_mapping", "_t", "_data"):
                return shape
            if self.reading.source.entity is not None and not self._is_column(name):
                return None
            return Shape("value", name)
        return None

    def _is_column(self, name: str) -> bool:
        return name in self.reading.source.columns

    def _item(self, shape: Shape, key: t.Expr) -> Shape | None:
        constant = key.value if isinstance(key, t.Const) and key.kind in ("str", "int") else None
        match shape.form:
            case "result" | "rows" if isinstance(key, t.Slice):
                self.reading.bounded = True
                return shape
            case "result" | "rows":
                return ROW
            case "map":
                return ROW
            case "pair":
                return ROW if constant == 1 else None
            case "values":
                if isinstance(key, t.Slice):
                    return shape
                return Shape("value", shape.column, shape.path)
            case "row" if isinstance(constant, str):
                return Shape("value", constant)
            case "row" if isinstance(constant, int):
                names = self.reading.source.columns
                if -len(names) <= constant < len(names) and self.reading.source.entity is None:
                    return Shape("value", names[constant])
                self.reading.escape("read by position")
            case "value" if constant is not None and not isinstance(constant, bool | float):
                return Shape("value", shape.column, (*shape.path, constant))
        return None

    def _of_call(self, scope: FunctionNode, index: int) -> Shape | None:
        if scope is self.function and ("call", index) in self.origins:
            return self.origins["call", index]
        key = ("result", scope, index)
        if key in self._shapes:
            return self._shapes[key]
        if key in self._busy:
            return None
        self._busy.add(key)
        shape = self._find_call(scope, index)
        self._busy.discard(key)
        if not self._busy:
            self._shapes[key] = shape
        return shape

    def _find_call(self, scope: FunctionNode, index: int) -> Shape | None:
        call = scope.facts.calls[index]
        at = (call.sequence, call.context)
        if isinstance(call.callee, t.Attr):
            base = self.shape(scope, call.callee.base, at)
            if base is not None:
                return self._method(base, call)
        given = [self.shape(scope, value, at) for value in call.arguments]
        if not any(given) and not any(self.shape(scope, value, at) for _, value in call.keywords):
            return None
        name = self._target_name(scope, index)
        first = given[0] if given else None
        if name in DECODERS:
            return first
        if name in KEEPERS and first is not None and first.form in MANY:
            return first if first.form != "map" else None
        if name in PICKERS and first is not None and len(given) - bool(name.endswith("next")) <= 1:
            return element(first)
        if name in SELECTING and len(given) > SELECTING[name]:
            return given[SELECTING[name]]
        if name == "builtins.enumerate" and first is not None:
            return PAIRS if first.form in ("rows", "result") else None
        if name == "builtins.getattr" and first == ROW and len(call.arguments) > 1:
            return self._item(first, call.arguments[1])
        if name in ("typing.cast", "copy.copy", "copy.deepcopy"):
            return given[-1]
        return self._result_of_project_call(scope, index, call, at)

    def _method(self, base: Shape, call: t.Call) -> Shape | None:
        name = call.callee.name if isinstance(call.callee, t.Attr) else ""
        key = call.arguments[0] if call.arguments else None
        match base.form:
            case "result" | "rows" if self.reading.source.entity is not None:
                return self._query_method(base, name, call)
            case "result":
                return self._result_method(name)
            case "rows":
                if name in ("copy", "__iter__", "all", "fetchall", "unique"):
                    return base
                return ROW if name in ("pop", *ONE_ROW) else None
            case "row" if name == "get" and key is not None:
                return self._item(base, key)
            case "map":
                return {"get": ROW, "pop": ROW, "values": ROWS, "items": PAIRS}.get(name)
            case "value" if name in ("get", "pop") and key is not None:
                return self._item(base, key)
            case "value" if name == "copy":
                return base
            case "values" if name in ("all", "fetchall", "copy", "unique"):
                return base
            case "values" if name in ("first", "one", "one_or_none", "pop"):
                return Shape("value", base.column, base.path)
        return None

    def _result_method(self, name: str) -> Shape | None:
        names = self.reading.source.columns
        if name in ALL_ROWS:
            return ROWS
        if name in ONE_ROW:
            return ROW
        if name in SAME:
            return RESULT
        if name == "scalars" and names:
            return Shape("values", names[0])
        if name in ONE_VALUE and names:
            return Shape("value", names[0])
        return None

    def _query_method(self, base: Shape, name: str, call: t.Call) -> Shape | None:
        if name in STEPS:
            self.reading.bounded |= name in BOUNDING
            return base
        if name in ("all", "fetchall", "scalars", "partitions", "to_list"):
            return ROWS
        if name in OBJECT or name in ("scalar_one", "scalar_one_or_none"):
            return ROW
        if name == "in_bulk":
            return MAP
        if name == "options" and all(_is_eager_option(self.function, given) for given in call.arguments):
            return base
        return None

    def _target_name(self, scope: FunctionNode, index: int) -> str:
        targets = self.types.call(scope, index).targets
        return targets[0].name if len(targets) == 1 else ""

    def _result_of_project_call(
        self, scope: FunctionNode, index: int, call: t.Call, at: Point
    ) -> Shape | None:
        found: list[Shape] = []
        for spec, value in _arguments(call):
            shape = self.shape(scope, value, at)
            if shape is None:
                continue
            for callee, given in self._given_to(scope, index, spec, shape):
                returned = self._enter(callee, given)
                if returned is not None:
                    found.append(returned)
        return self._agreed(found)

    def _given_to(
        self, scope: FunctionNode, index: int, spec: str, shape: Shape
    ) -> Iterator[tuple[FunctionNode, dict[tuple[str, int | str], Shape]]]:
        """Yield the project functions that a call gives a value to, with the origin it becomes there."""
        if shape.form == "value" and shape.path:
            return
        resolved = self.types.call(scope, index)
        if resolved.targets and resolved.targets[0].name in ("builtins.map", "builtins.filter"):
            call = scope.facts.calls[index]
            item = element(shape)
            mapped = self.types.evaluate(scope, call.arguments[0], (call.sequence, call.context))
            for option in options_of(mapped):
                if isinstance(option, FunctionType) and item is not None and option.node.kind == "function":
                    param = _param(option.node, "0", shift=int(option.receiver is not None))
                    if param is not None:
                        yield option.node, {("param", param): item}
            return
        for target in resolved.targets:
            if target.function is None:
                continue
            callee = target.function
            shift = 1 if callee.owner is not None and target.receiver is not None else 0
            param = _param(callee, spec, shift=shift)
            if param is not None:
                yield callee, {("param", param): shape}

    def _enter(
        self, callee: FunctionNode, origins: dict[tuple[str, int | str], Shape]
    ) -> Shape | None:
        """Note what a project function reads of what it is given; return what it gives back of it."""
        key = ("callee", callee, *sorted(origins.items()))
        if not self.reading.enter(key):
            return self.reading.returns.get(key)
        if self.depth >= MAX_DEPTH:
            self.reading.escape("given on through many calls")
            return None
        walk = _Walk(self.reading, callee, origins, depth=self.depth + 1)
        walk.run()
        self.reading.returns[key] = walk.returned
        return walk.returned

    def _used(self, scope: FunctionNode, shape: Shape, role: _Role, value: t.Expr) -> None:
        if shape.form == "value":
            self.reading.columns.add(shape.column)
        elif shape.form == "values":
            self.reading.columns.add(shape.column)
        if role.kind == "alias":
            return
        if role.kind == "argument":
            self._used_as_argument(scope, shape, role, value)
        elif role.kind == "method":
            self._used_by_method(scope, shape, role, value)
        elif role.kind in ("return", "yield", "yield from"):
            self._used_as_answer(shape, role.kind)
        elif shape.form == "value":
            self._used_value(scope, shape, role, value)
        elif shape.form in ("row", "pair"):
            self._used_row(scope, shape, role)
        else:
            self._used_rows(shape, role)

    def _used_value(self, scope: FunctionNode, shape: Shape, role: _Role, value: t.Expr) -> None:
        if role.kind == "test" and not shape.path:
            self.reading.tested.add(shape.column)
        elif role.kind == "has key":
            self.reading.read(
                Shape("value", shape.column, (*shape.path, role.argument)), self.place, spelled(scope, value)
            )
        elif role.kind == "iterate" and not shape.path:
            self.reading.read(shape, self.place, "")
        else:
            self.reading.read(shape, self.place, spelled_path(shape))

    def _used_row(self, scope: FunctionNode, shape: Shape, role: _Role) -> None:
        kind = role.kind
        if kind in ("test", "read", "enter"):
            return
        if kind == "attribute" and self.reading.source.entity is not None:
            self._read_property(role.argument)
        elif kind in ("star", "splat", "iterate", "item"):
            self.reading.entire = True
        elif kind == "has key":
            self.reading.columns.add(role.argument)
        else:
            self.reading.escape(f"a row is {WHERE.get(kind, 'used')}")

    def _read_property(self, name: str) -> None:
        """Follow the row into a property of its class; relations and unknown attributes hold no column."""
        entity = self.reading.source.entity
        method = None if entity is None else self.types.classes.method(entity, name)
        if method is None or not method.facts.params:
            return
        self._enter(method, {("param", method.facts.params[0].name): ROW})

    def _used_rows(self, shape: Shape, role: _Role) -> None:
        kind = role.kind
        if kind == "iterate":
            self.reading.iterated = True
        elif kind in ("test", "read", "enter", "item"):
            return
        elif shape.form == "values":
            self.reading.read(Shape("value", shape.column, shape.path), self.place, spelled_path(shape))
        else:
            self.reading.escape(f"the rows are {WHERE.get(kind, 'used')}")

    def _used_as_answer(self, shape: Shape, kind: str) -> None:
        given = shape if kind == "return" else many(shape)
        if kind == "yield from":
            given = shape
        if given is None:
            self.reading.escape("yielded")
        elif shape.path:
            self.reading.read(shape, self.place, spelled_path(shape))
        elif self.returned is not None and self.returned != given:
            self.reading.escape("several results are returned")
        else:
            self.returned = given

    def _used_as_argument(
        self, scope: FunctionNode, shape: Shape, role: _Role, value: t.Expr
    ) -> None:
        name = self._target_name(scope, role.call)
        if name == "builtins.len" and shape.form != "value" and shape.form != "row":
            self.reading.sized.append(SizedAt(scope, role.call))
            return
        if name in NEUTRAL:
            if shape.form == "value" and not shape.path:
                self.reading.tested.add(shape.column)
            return
        if self._of_call(scope, role.call) is not None and not (shape.form == "value" and shape.path):
            if shape.form in MANY:
                self.reading.iterated = True
            return
        if shape.form == "value" and shape.path:
            self.reading.read(shape, self.place, spelled_path(shape))
            return
        followed = list(self._given_to(scope, role.call, role.argument, shape))
        targets = self.types.call(scope, role.call).targets
        if followed and (len(followed) == len(targets)):
            for callee, origins in followed:
                self._enter(callee, origins)
            return
        if shape.form in ("value", "values"):
            self.reading.read(Shape("value", shape.column, shape.path), self.place, "")
        elif name == "builtins.dict" and shape.form == "row":
            self.reading.entire = True
        else:
            called = spelled(scope, scope.facts.calls[role.call].callee)
            self.reading.escape(f"given to {called}")

    def _used_by_method(
        self, scope: FunctionNode, shape: Shape, role: _Role, value: t.Expr
    ) -> None:
        if self._of_call(scope, role.call) is not None:
            return
        call = scope.facts.calls[role.call]
        name = role.argument
        if shape.form == "value":
            if not (name == "get" and shape.path):
                self.reading.read(shape, self.place, spelled_path(shape))
        elif shape.form == "row":
            self._row_method(scope, role.call, name)
        elif name in SILENT or (name in COUNTING and self.reading.source.entity is not None):
            return
        elif shape.form == "values":
            self.reading.read(Shape("value", shape.column, shape.path), self.place, "")
        else:
            self.reading.escape(f"narrowed or used by {spelled(scope, call.callee)}")

    def _row_method(self, scope: FunctionNode, index: int, name: str) -> None:
        if name == "keys":
            return
        if self.reading.source.entity is None:
            if name in ("values", "items", "_asdict", "get"):
                self.reading.entire = True
            else:
                self.reading.escape(f"used by .{name}()")
            return
        targets = self.types.call(scope, index).targets
        methods = [target.function for target in targets if target.function is not None]
        if not methods or len(methods) != len(targets):
            self.reading.escape(f"used by .{name}()")
            return
        for method in methods:
            if method.facts.params:
                self._enter(method, {("param", method.facts.params[0].name): ROW})


WHERE = {
    "store": "kept in a collection",
    "kept": "kept in an object",
    "format": "written into a text",
    "compare": "compared",
    "compute": "combined",
    "star": "unpacked",
    "splat": "unpacked",
    "assigned": "changed",
    "attribute": "read by attribute",
}


def spelled_path(shape: Shape) -> str:
    """Return a column and the keys in it, for messages."""
    return shape.column + "".join(f"[{key!r}]" for key in shape.path)


def _is_eager_option(scope: FunctionNode, given: t.Expr) -> bool:
    """Return whether a loader option only names relations."""
    while isinstance(given, t.CallRef):
        callee = scope.facts.calls[given.index].callee
        name = _last_name(callee)
        if name not in EAGER_OPTIONS:
            return False
        given = callee.base if isinstance(callee, t.Attr) else callee
    return True


def _arguments(call: t.Call) -> Iterator[tuple[str, t.Expr]]:
    for position, value in enumerate(call.arguments):
        yield str(position), value
    yield from call.keywords


def _param(callee: FunctionNode, spec: str, *, shift: int) -> str | None:
    """Return the parameter that takes an argument, or None where that is not one plain parameter."""
    if spec.isdigit():
        positional = [param for param in callee.facts.params if param.kind == "positional"][shift:]
        position = int(spec)
        return positional[position].name if position < len(positional) else None
    param = callee.params.get(spec)
    return spec if param is not None and param.kind in ("positional", "keyword") else None


def _inner_functions(function: FunctionNode) -> list[FunctionNode]:
    """Return the functions and lambdas inside a function, which see its names."""
    found = {function}
    for other in function.file.functions:
        if other.parent in found and other is not function:
            found.add(other)
    return [other for other in function.file.functions if other in found and other is not function]


def _roots(scope: FunctionNode) -> Iterator[_Root]:
    """Yield the expressions of a function that stand by themselves, each with where its value goes."""
    facts = scope.facts
    for bind in facts.binds:
        yield from _bind_roots(scope, bind)
    for index, call in enumerate(facts.calls):
        at = (call.sequence, call.context)
        if isinstance(call.callee, t.Attr):
            role = _Role("method", index, call.callee.name)
            yield _Root(call.callee.base, at, role, call.line, call.column)
        elif not isinstance(call.callee, t.Name):
            yield _Root(call.callee, at, VALUE, call.line, call.column)
        for spec, value in _arguments(call):
            role = _Role("splat") if spec == "**" else _Role("argument", index, spec)
            yield _Root(value, at, role, call.line, call.column)
    for item in facts.results:
        if item.value is not None:
            inner = scope.kind == "lambda"
            role = VALUE if inner else _Role(item.kind)
            yield _Root(item.value, (item.sequence, item.context), role, item.line, 1)
    for number, context in enumerate(facts.contexts):
        if context.subject is None or context.kind in ("except", "else"):
            continue
        inside = number if context.kind == "while" else context.parent
        kind = {"if": "test", "while": "test", "with": "enter", "async with": "enter"}.get(
            context.kind, "value" if context.kind == "match" else "iterate"
        )
        yield _Root(context.subject, (context.sequence, inside), _Role(kind), context.line, 1)


def _bind_roots(scope: FunctionNode, bind: t.Bind) -> Iterator[_Root]:
    context = bind.context
    if bind.kind == "for":
        context = scope.facts.contexts[context].parent
    at = (bind.sequence, context)
    target = bind.target
    if isinstance(target, t.Attr | t.Item):
        yield _Root(target.base, (bind.sequence, bind.context), _Role("assigned"), bind.line, bind.column)
    if isinstance(target, t.Item):
        yield _Root(target.key, (bind.sequence, bind.context), VALUE, bind.line, bind.column)
    if bind.value is None:
        return
    if not isinstance(target, t.Name) or target.id in scope.facts.outer_names:
        role = _Role("kept")
    elif bind.kind in ("augmented", "match"):
        role = VALUE
    else:
        role = ALIAS
    yield _Root(bind.value, at, role, bind.line, bind.column)


def _parts(
    scope: FunctionNode, value: t.Expr, at: Point, role: _Role
) -> Iterator[tuple[t.Expr, _Role, Point]]:
    """Yield the direct parts of an expression that holds nothing of the result as a whole."""
    match value:
        case t.CallRef() | t.Lambda() | t.Name() | t.Const():
            return
        case t.Attr(base=base, name=name):
            yield base, _Role("attribute", argument=name), at
        case t.Item(base=base, key=key):
            yield base, _Role("item"), at
            yield key, VALUE, at
        case t.Await(value=inner):
            yield inner, role, at
        case t.Star(value=inner):
            yield inner, _Role("star"), at
        case t.Not(value=inner):
            yield inner, TEST, at
        case t.Element(iterable=inner):
            yield inner, _Role("iterate"), at
        case t.Entered(value=inner):
            yield inner, _Role("enter"), at
        case t.Text():
            for part in children(scope, value):
                yield part, _Role("format"), at
        case t.Seq():
            for part in value.items:
                yield part, _Role("store"), at
        case t.Mapping(keys=keys, values=values):
            for key_part, part in zip(keys, values, strict=True):
                if key_part is not None:
                    yield key_part, VALUE, at
                yield part, _Role("splat" if key_part is None else "store"), at
        case t.Either(kind=kind, options=options, test=test):
            if test is not None:
                yield test, TEST, at
            for number, option in enumerate(options):
                tested = kind == "and" and number < len(options) - 1
                yield option, TEST if tested else role, at
        case t.Compare(operator=operator, left=left, right=right):
            yield from _compared(operator, left, right, at)
        case t.Comp(element=part, key=key_part, context=context):
            inside = (at[0], context)
            if key_part is not None:
                yield key_part, VALUE, inside
            yield part, _Role("store"), inside
        case _:
            for part in children(scope, value):
                yield part, _Role("compute"), at


def _compared(
    operator: str, left: t.Expr, right: t.Expr, at: Point
) -> Iterator[tuple[t.Expr, _Role, Point]]:
    none = t.Const(None, "NoneType")
    role = TEST if none in (left, right) else _Role("compare")
    yield left, role, at
    if operator in ("In", "NotIn") and isinstance(left, t.Const) and isinstance(left.value, str):
        role = _Role("has key", argument=left.value)
    yield right, role, at
