"""One pass over a function that notes what it does with a fetched result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.expressions import outcomes, parts, spelled
from perfaudit.program.language_calls import SUPER
from perfaudit.program.names import Meaning, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, inner_functions, remembered
from perfaudit.program.result_fills import ADDING_MANY, ADDING_ONE, Fill, fills_of
from perfaudit.program.result_roots import (
    TEST,
    VALUE,
    Point,
    Role,
    Root,
    arguments_of,
    is_eager_option,
    last_name,
    parts_of,
    roots_of,
)
from perfaudit.program.result_shapes import (
    ADDING,
    ALL_ROWS,
    BOUNDING,
    CHANGING,
    CONDITIONS,
    COUNTING,
    DECODERS,
    JOINING,
    KEEPERS,
    KEYED,
    MANY,
    MAP,
    NARROWING,
    NEUTRAL,
    OBJECT,
    OF_ROWS,
    ONE_ROW,
    ONE_VALUE,
    PAIRS,
    PICKERS,
    REGROUPING,
    RESULT,
    ROW,
    ROW_COPIES,
    ROWS,
    SAME,
    SELECTING,
    SILENT,
    STEPS,
    WRITING,
    JsonPath,
    Shape,
    element,
    many,
)
from perfaudit.program.result_shown import Shown, handed
from perfaudit.program.tables import Relation
from perfaudit.program.template_words import Words, given_to_templates, words_of
from perfaudit.program.values import FunctionType, Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_DEPTH = 6
MAX_NAMES = 400
"""Names and calls that may stand between a value and where it comes from."""

TAKING_COLLECTIONS = frozenset(
    {"builtins.enumerate", "builtins.len", "builtins.dict", "builtins.zip"}
)
"""Functions whose argument is no plain text or number."""

Origins = dict[tuple[str, int | str], Shape]
"""What a function is given of the result: by ``("call", index)`` or ``("param", name)``."""


@dataclass(frozen=True, slots=True)
class Source:
    """A fetched result: the call that gives it, what that holds, and the names of its columns.

    ``cursor``: the object that the rows are fetched from, where the call does not give them.
    ``entity`` is the class of the rows where they are objects of the project, ``relations`` are
    those of the class. ``queried``: the rows are those of a query that may be built on.
    """

    function: FunctionNode
    index: int
    shape: Shape
    columns: tuple[str, ...] = ()
    cursor: t.Expr | None = None
    entity: ClassNode | None = None
    relations: Mapping[str, Relation] = field(default_factory=dict, hash=False)
    queried: bool = False


class SizedAt(NamedTuple):
    """A call of ``len``: the function it stands in, and its number there."""

    function: FunctionNode
    call: int


class Reading:
    """What has been seen so far of one result."""

    def __init__(self, program: "Program", source: Source) -> None:
        self.program = program
        self.types = program.types
        self.source = source
        self.columns: dict[str, Location] = {}
        self.keys: dict[str, set[JsonPath]] = {}
        self.whole: set[str] = set()
        self.tested: set[str] = set()
        self.entire = False
        self.escapes: str | None = None
        self.sized: list[SizedAt] = []
        self.asked: list[Location] = []
        self.asked_rows = False
        self.touched = False
        self.iterated = False
        self.bounded = False
        self.crossed = False
        self.shows = False
        self.named: set[str] = set()
        self.as_objects = False
        self.changed = False
        self.added: set[str] = set()
        self.needed: set[str] = set()
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

    def note(self, column: str, place: Location) -> None:
        """Note that a column is named, at first at this place."""
        if not self.shows:
            self.named.add(column)
        self.columns.setdefault(column, place)

    def read(self, shape: Shape, place: Location, text: str) -> None:
        """Note that the value of a column, or a part of it, is used."""
        self.note(shape.column, place)
        if not shape.path:
            self.whole.add(shape.column)
            return
        paths = self.keys.setdefault(shape.column, set())
        if shape.path not in paths:
            paths.add(shape.path)
            self.steps.append(TraceStep(place, f"{text} is read"))


@dataclass(slots=True)
class _Cursor:
    """An object that rows are fetched from, between its statement and the next one."""

    receiver: t.Expr
    start: int
    end: int
    context: int


class Walk:
    """One pass over a function and the functions in it, from known origins."""

    def __init__(
        self,
        reading: Reading,
        function: FunctionNode,
        origins: Origins,
        *,
        depth: int,
    ) -> None:
        self.reading = reading
        self.types = reading.types
        self.function = function
        self.origins = origins
        self.depth = depth
        self.cursor: _Cursor | None = None
        self.returned: Shape | None = None
        self._at = (function, function.facts.line, function.facts.column)
        self._provisional: dict[object, Shape | None] = {}
        self._shapes: dict[object, Shape | None] = {}
        self._seen: set[tuple[FunctionNode, t.Expr]] = set()
        self._lambdas: dict[FunctionNode, tuple[FunctionNode, int]] = {}

    @property
    def place(self) -> Location:
        """Return where the expression stands that is looked at."""
        scope, line, column = self._at
        return scope.line(line, column)

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
        scopes = [self.function, *inner_functions(self.function)]
        if self._gives_row_to_base():
            self.reading.escape("used by its base class")
        for scope in scopes:
            self._lambdas |= {inner: (scope, index) for inner, index in _lambdas_given(scope)}
        for scope in scopes:
            for root in roots_of(scope):
                self._visit(scope, root)
        for scope in scopes:
            for read in scope.facts.reads:
                if (scope, read.value) not in self._seen:
                    at = (read.sequence, read.context)
                    self._visit(scope, Root(read.value, at, Role("read"), read.line, read.column))

    def _gives_row_to_base(self) -> bool:
        """Return whether a method of the row's class hands it to ``super()``."""
        params = self.function.facts.params
        if not params or self.origins.get(("param", params[0].name)) != ROW:
            return False
        return any(call.callee == SUPER for call in self.function.facts.calls)

    def _visit(self, scope: FunctionNode, root: Root) -> None:
        if self.reading.escapes:
            return
        self._at = (scope, root.line, root.column)
        self._walk(scope, root.value, root.at, root.role)

    def _walk(self, scope: FunctionNode, value: t.Expr, at: Point, role: Role) -> None:
        """Note the uses in an expression, whose own value goes where the role says."""
        shape = self.shape(scope, value, at)
        self._remember(scope, value)
        if shape is not None:
            self._used(scope, shape, role, value)
            self._walk_chain(scope, value, at)
            return
        for part, part_role, part_at in parts_of(scope, value, at, role):
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
                fetched = self._of_cursor(scope, value, at) if self.cursor else None
                return fetched or self._of_name(scope, name, at)
            case t.CallRef(index=index):
                return self._of_call(scope, index)
            case t.Await(value=inner) | t.Entered(value=inner):
                return self.shape(scope, inner, at)
            case t.Element(iterable=inner):
                found = self.shape(scope, inner, at)
                return None if found is None else element(found)
            case t.Attr(base=base, name=name):
                fetched = self._of_cursor(scope, value, at) if self.cursor else None
                found = fetched or self.shape(scope, base, at)
                if found is None:
                    return None
                if self.cursor is not None and value == self.cursor.receiver:
                    return found
                return self._attribute(found, name)
            case t.Item(base=base, key=key):
                found = self.shape(scope, base, at)
                return None if found is None else self._item(found, key)
            case t.Either():
                chosen = outcomes(value)
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
        meant = _meanings(scope, name, at)
        for home, definition in meant:
            shape: Shape | None = None
            if isinstance(definition, t.Param):
                shape = self._of_param(home, definition.name)
            elif isinstance(definition, t.Bind) and definition.value is not None:
                shape = self._of_bind(home, definition)
            if shape is not None:
                found.append(shape)
        if not found:
            homes = dict.fromkeys(home for home, _ in meant)
            filled = next((home for home in homes if name in self._filled(home)), None)
            if filled is not None:
                return self._once(("fill", filled, name), lambda: self._of_fills(filled, name))
        return self._agreed(found)

    def _filled(self, scope: FunctionNode) -> dict[str, list[Fill]]:
        return fills_of(scope) if scope.kind in ("function", "lambda") else {}

    def _of_fills(self, home: FunctionNode, name: str) -> Shape | None:
        """Return what a container holds that the function fills itself."""
        found: list[Shape] = []
        for fill in self._filled(home)[name]:
            shape = self.shape(home, fill.value, fill.at)
            if shape is None:
                continue
            if fill.form == "items":
                held: Shape | None = ROWS if shape.form in ("rows", "result") else None
            elif fill.form == "entry":
                held = MAP if shape.form == "row" else None
            else:
                held = many(shape)
            if held is None:
                self.reading.escape("kept in a collection")
                return None
            found.append(held)
        return self._agreed(found)

    def _of_param(self, home: FunctionNode, name: str) -> Shape | None:
        if home is self.function and ("param", name) in self.origins:
            return self.origins["param", name]
        given = self._lambdas.get(home)
        if given is None or not home.facts.params or home.facts.params[0].name != name:
            return None
        scope, index = given
        call = scope.facts.calls[index]
        if last_name(call.callee) not in KEYED:
            return None
        rows = call.arguments[-1] if last_name(call.callee) in ("map", "filter") else None
        if rows is None:
            rows = call.arguments[0] if call.arguments else None
            if isinstance(call.callee, t.Attr) and call.callee.name == "sort":
                rows = call.callee.base
        if rows is None or isinstance(rows, t.Lambda):
            return None
        shape = self.shape(scope, rows, (call.sequence, call.context))
        return None if shape is None else element(shape)

    def _of_bind(self, home: FunctionNode, bind: t.Bind) -> Shape | None:
        value = bind.value
        if value is None or home.kind in ("module", "class"):
            return None
        context = bind.context
        if bind.kind == "for":
            context = home.facts.contexts[context].parent
        at = (bind.sequence, context)
        return self._once(("bind", home, bind.sequence), lambda: self.shape(home, value, at))

    def _once(self, key: object, compute: Callable[[], Shape | None]) -> Shape | None:
        """Return the remembered answer, or compute it; what leads back to itself adds nothing.

        Answers found on the way may be cut short by such a ring, so they last only until the
        outermost question is answered.
        """
        if key in self._shapes:
            return self._shapes[key]
        if key in self._provisional:
            return self._provisional[key]
        if len(self._provisional) > MAX_NAMES:
            self.reading.escape("too many names")
            return None
        is_outermost = not self._provisional
        self._provisional[key] = None
        shape = self._provisional[key] = compute()
        if is_outermost:
            self._provisional.clear()
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
        return self._once(("result", scope, index), lambda: self._find_call(scope, index))

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
        if first is not None and first.form in MANY and self._passes_items(scope, index):
            return first
        if name in SELECTING and len(given) > SELECTING[name]:
            return given[SELECTING[name]]
        if name == "builtins.enumerate" and first is not None:
            return PAIRS if first.form in ("rows", "result") else None
        if name == "builtins.dict" and first == ROW and len(call.arguments) == 1:
            return ROW if not call.keywords and self.reading.source.entity is None else None
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
            case "rows" | "values" if self.reading.source.queried:
                return self._column_method(base, name)
            case "result":
                return self._result_method(name)
            case "rows":
                if name in ("copy", "__iter__", "all", "fetchall", "unique"):
                    return base
                return ROW if name in ("pop", *ONE_ROW) else None
            case "row" if name == "get" and key is not None:
                return self._item(base, key)
            case "row" if name in ROW_COPIES and self.reading.source.entity is None:
                return ROW
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
            if name in JOINING:
                self._need_joined(call)
            if name in ADDING:
                self.reading.as_objects = True
                self.reading.added.update(keyword for keyword, _ in call.keywords)
            return base
        if name in ("all", "fetchall", "scalars", "partitions", "to_list"):
            return ROWS
        if name in OBJECT or name in ("scalar_one", "scalar_one_or_none"):
            return ROW
        if name == "in_bulk":
            # Only objects are given by their keys.
            self.reading.as_objects = True
            return MAP
        if name == "options" and all(
            is_eager_option(self.function, given) for given in call.arguments
        ):
            return base
        return None

    def _column_method(self, base: Shape, name: str) -> Shape | None:
        """Return what a method of a query for columns gives."""
        if name in STEPS and name not in REGROUPING:
            self.reading.bounded |= name in BOUNDING
            return base
        if name == "all":
            return base
        return element(base) if name in OBJECT else None

    def _need_joined(self, call: t.Call) -> None:
        """Note the relations whose rows are fetched together with these."""
        for value in call.arguments:
            path = value.value if isinstance(value, t.Const) else None
            if isinstance(path, str):
                self._need_relation(path.partition("__")[0])
        if not all(isinstance(value, t.Const) for value in call.arguments) or not call.arguments:
            # Which ones these are is not known.
            for name in self.reading.source.relations:
                self._need_relation(name)

    def _passes_items(self, scope: FunctionNode, index: int) -> bool:
        return any(
            target.behaviour is not None
            and "passes-items" in target.behaviour.flags
            and not target.name.startswith("builtins.")
            for target in self.types.call(scope, index).targets
        )

    def _target_name(self, scope: FunctionNode, index: int) -> str:
        targets = self.types.call(scope, index).targets
        return targets[0].name if len(targets) == 1 else ""

    def _result_of_project_call(
        self, scope: FunctionNode, index: int, call: t.Call, at: Point
    ) -> Shape | None:
        found: list[Shape] = []
        for spec, value in arguments_of(call):
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
    ) -> Iterator[tuple[FunctionNode, Origins]]:
        """Yield the project functions that a call gives a value to, with what it is there."""
        if shape.form == "value" and shape.path:
            return
        resolved = self.types.call(scope, index)
        if resolved.targets and resolved.targets[0].name in ("builtins.map", "builtins.filter"):
            call = scope.facts.calls[index]
            item = element(shape)
            mapped = self.types.evaluate(scope, call.arguments[0], (call.sequence, call.context))
            for option in options_of(mapped):
                if (
                    isinstance(option, FunctionType)
                    and item is not None
                    and option.node.kind == "function"
                ):
                    param = _param(option.node, "0", shift=int(option.receiver is not None))
                    if param is not None:
                        yield option.node, {("param", param): item}
            return
        for target in resolved.targets:
            if target.function is None:
                continue
            shift = 1 if target.function.owner is not None and target.receiver is not None else 0
            for callee in self._with_overrides(target.function):
                param = _param(callee, spec, shift=shift)
                if param is not None:
                    yield callee, {("param", param): shape}

    def _with_overrides(self, method: FunctionNode) -> list[FunctionNode]:
        """Return a function and what subclasses put in its place: any of them may run."""
        if method.owner is None or method.name.startswith("__"):
            return [method]
        below = [
            node.methods.get(method.name) for node in self.types.classes.subclasses(method.owner)
        ]
        return list(dict.fromkeys([method, *(item for item in below if item is not None)]))

    def _enter(self, callee: FunctionNode, origins: Origins) -> Shape | None:
        """Note what a project function reads of what it is given; return what it gives back."""
        key = ("callee", callee, *sorted(origins.items()))
        if not self.reading.enter(key):
            return self.reading.returns.get(key)
        if self.depth >= MAX_DEPTH:
            self.reading.escape("given on through many calls")
            return None
        # What is written for objects takes no plain values.
        self.reading.as_objects |= any(shape.form in OF_ROWS for shape in origins.values())
        walk = Walk(self.reading, callee, origins, depth=self.depth + 1)
        walk.run()
        self.reading.returns[key] = walk.returned
        return walk.returned

    def _used(self, scope: FunctionNode, shape: Shape, role: Role, value: t.Expr) -> None:
        is_alias = role.kind == "alias"
        if shape.form in ("value", "values") and not (
            is_alias and self._is_dropped(scope, value, role.argument)
        ):
            self.reading.note(shape.column, self.place)
        if is_alias:
            return
        self._note_presence(scope, shape, role)
        if role.kind in ("entry", "argument", "put") and self._is_rendered(
            scope, shape, role, value
        ):
            return
        if role.kind in ("argument", "put") and self._is_put(scope, role):
            if shape.form in ("value", "values"):
                self.reading.read(shape, self.place, spelled_path(shape))
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

    def _is_dropped(self, scope: FunctionNode, value: t.Expr, name: str) -> bool:
        """Return whether a name takes its part of a row that is unpacked, and nothing reads it."""
        if not isinstance(value, t.Item) or not isinstance(value.key, t.Const):
            return False
        if value.key.kind != "int":
            return False
        return name not in _names_read(scope)

    def _is_put(self, scope: FunctionNode, role: Role) -> bool:
        """Return whether a value is put into a container whose readers are seen."""
        if role.kind == "put":
            return role.argument in self._filled(scope)
        call = scope.facts.calls[role.call]
        callee = call.callee
        return (
            isinstance(callee, t.Attr)
            and isinstance(callee.base, t.Name)
            and callee.base.id in self._filled(scope)
            and callee.name in (*ADDING_ONE, *ADDING_MANY)
        )

    def _note_presence(self, scope: FunctionNode, shape: Shape, role: Role) -> None:
        """Note where rows, or a row, are only asked for being there; or that there is more."""
        if shape.form in ("value", "values"):
            return
        name = self._target_name(scope, role.call) if role.kind == "argument" else ""
        if role.kind == "test" or name == "builtins.bool":
            self.reading.asked.append(self.place)
            self.reading.asked_rows |= shape.form in MANY
        elif role.kind in ("argument", "method"):
            is_sized = name == "builtins.len" and shape.form != "row"
            self.reading.touched |= not is_sized and self._of_call(scope, role.call) is None
        else:
            self.reading.touched = True

    def _used_value(self, scope: FunctionNode, shape: Shape, role: Role, value: t.Expr) -> None:
        if role.kind == "assigned":
            self.reading.changed = True
        if role.kind == "test" and not shape.path:
            self.reading.tested.add(shape.column)
        elif role.kind == "has key":
            self.reading.read(
                Shape("value", shape.column, (*shape.path, role.argument)),
                self.place,
                spelled(scope, value),
            )
        elif role.kind == "iterate" and shape.path:
            self.reading.read(shape, self.place, spelled_path(shape))
            self.reading.keys[shape.column].add((*shape.path, 0))
        else:
            self.reading.read(shape, self.place, spelled_path(shape))

    def _used_row(self, scope: FunctionNode, shape: Shape, role: Role) -> None:
        kind = role.kind
        if kind in ("test", "read", "enter"):
            return
        if kind == "attribute" and self.reading.source.entity is not None:
            self._read_property(role.argument)
        elif kind == "splat" and role.call >= 0 and self._is_shown(scope, shape, role, "**"):
            return
        elif kind in ("star", "splat", "iterate", "item"):
            self.reading.entire = True
        elif kind == "has key":
            self.reading.note(role.argument, self.place)
        elif kind in SPECIAL and self._runs_special(SPECIAL[kind]):
            return
        else:
            self.reading.escape(f"a row is {WHERE.get(kind, 'used')}")

    def _read_property(self, name: str) -> None:
        """Follow the row into a property of its class, or note the key of a relation.

        Other attributes hold no column.
        """
        source = self.reading.source
        spoken = name.removeprefix("get_").removesuffix("_display")
        if name == f"get_{spoken}_display" and self._is_column(spoken):
            self.reading.note(spoken, self.place)
            return
        relation = source.relations.get(name)
        if relation is not None:
            self.reading.as_objects = True
            for key in relation.keys:
                self.reading.note(key, self.place)
            return
        entity = source.entity
        method = None if entity is None else self.types.classes.method(entity, name)
        if method is None or not method.facts.params:
            if entity is not None and not self._is_plain_attribute(entity, name):
                self.reading.escape(f"{name} may be a column")
            return
        self.reading.as_objects = True
        self._enter(method, {("param", method.facts.params[0].name): ROW})

    def _is_rendered(self, scope: FunctionNode, shape: Shape, role: Role, value: t.Expr) -> bool:
        """Note what templates may read of rows; return whether these are given to known ones."""
        if shape.form not in ("row", "rows", "result") or (
            role.kind == "argument" and role.argument.isdigit()
        ):
            return False
        program = self.reading.program
        entries = program.once(given_to_templates).get(scope, ())
        names = [name for entry in entries if entry.value == value for name in entry.templates]
        if role.kind == "argument" and not self._renders(scope, role.call):
            return False
        words = [program.once(words_of, name) for name in dict.fromkeys(names)]
        if not words or any(found is None for found in words):
            return False
        self.reading.crossed = self.reading.as_objects = True
        self.reading.iterated |= shape.form != "row"
        for found in words:
            if found is not None:
                self._read_words(found)
        return True

    def _renders(self, scope: FunctionNode, index: int) -> bool:
        calls = self.reading.program.libraries.templates.calls
        return any(
            target.behaviour is not None and target.behaviour.path in calls
            for target in self.types.call(scope, index).targets
        )

    def _read_words(self, words: Words) -> None:
        """Note the columns that templates name at all, and what methods that they name read."""
        entity = self.reading.source.entity
        for word in sorted(words.read):
            if self._is_column(word):
                self.reading.note(word, self.place)
                self.reading.whole.add(word)
            elif entity is not None and (
                word in self.reading.source.relations
                or word.startswith("get_")
                or self.types.classes.method(entity, word) is not None
            ):
                self._read_property(word)
        if words.writes_objects and not self._runs_special(SPECIAL["format"]):
            self.reading.escape("written out by a template")

    def _is_shown(self, scope: FunctionNode, shape: Shape, role: Role, spec: str) -> bool:
        """Note what a class reads of rows that a call hands to it; return whether that is known."""
        entity = self.reading.source.entity
        if shape.form not in ("row", "rows", "result"):
            return False
        shown = handed(self.reading.program, scope, role.call, spec, entity)
        if shown is None:
            return False
        self.reading.iterated |= shape.form != "row"
        self.show(shown)
        return True

    def show(self, shown: Shown) -> None:
        """Note what a class reads of each row that it shows."""
        self.reading.crossed = True
        self.reading.as_objects = True
        self.reading.shows = True
        for path in shown.paths:
            self._read_path(path)
        self.reading.shows = False
        for method in shown.methods:
            if len(method.facts.params) > 1:
                self._enter(method, {("param", method.facts.params[1].name): ROW})

    def _read_path(self, path: tuple[str, ...]) -> None:
        source, name = self.reading.source, path[0]
        if self._is_column(name):
            self.reading.read(Shape("value", name, path[1:]), self.place, ".".join(path))
        elif source.entity is not None:
            self._read_property(name)
        elif not source.columns:
            self.reading.escape("shown by what names columns that are not known")

    def _runs_special(self, names: tuple[str, ...]) -> bool:
        """Follow a row into what a text or a comparison of it runs; return whether that is known.

        Without a method of its own, an object is named and told apart by its key.
        """
        entity = self.reading.source.entity
        if entity is None:
            return False
        self.reading.as_objects = True
        for name in names:
            method = self.types.classes.method(entity, name)
            if method is not None:
                if method.facts.params:
                    self._enter(method, {("param", method.facts.params[0].name): ROW})
                return True
        return not self.types.classes.is_open(entity)

    def _is_plain_attribute(self, entity: ClassNode, name: str) -> bool:
        """Return whether an attribute surely is no column that the schema does not know."""
        if name in self.reading.added:
            return True
        for owner in self.types.classes.project_order(entity):
            for bind in owner.body.binds.get(name, ()):
                return bind.value is not None and not isinstance(bind.value, t.CallRef)
        return name == "pk" or not self.types.classes.is_open(entity)

    def _need_relation(self, name: str) -> None:
        """Note that rows of a relation are fetched together with these, by its key."""
        relation = self.reading.source.relations.get(name)
        if relation is not None:
            self.reading.needed.update(relation.keys)

    def _used_rows(self, shape: Shape, role: Role) -> None:
        kind = role.kind
        if kind == "iterate":
            self.reading.iterated = True
        elif (
            kind in ("test", "read", "enter", "item")
            or (kind == "assigned" and shape.form == "map")
            or kind == "attribute"
            and role.argument in ("rowcount", "lastrowid")
        ):
            return
        elif shape.form == "values":
            self.reading.read(
                Shape("value", shape.column, shape.path), self.place, spelled_path(shape)
            )
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
        self, scope: FunctionNode, shape: Shape, role: Role, value: t.Expr
    ) -> None:
        name = self._target_name(scope, role.call)
        if name == "builtins.len" and shape.form != "value" and shape.form != "row":
            self.reading.sized.append(SizedAt(scope, role.call))
            return
        if name in NEUTRAL:
            if shape.form == "value" and not shape.path:
                self.reading.tested.add(shape.column)
            return
        if self._is_shown(scope, shape, role, role.argument):
            return
        if self._of_call(scope, role.call) is not None and not (
            shape.form == "value" and shape.path
        ):
            if shape.form in MANY and name not in KEEPERS:
                self.reading.iterated = True
            if name == "builtins.set" and shape.form in ("rows", "result"):
                self.reading.entire = True
            return
        if shape.form == "value" and shape.path:
            self.reading.read(shape, self.place, spelled_path(shape))
            if name in KEEPERS or name in TAKING_COLLECTIONS:
                self.reading.keys[shape.column].add((*shape.path, 0))
            return
        if shape.form == "row" and self._shows_text(scope, role.call):
            if self._runs_special(SPECIAL["format"]):
                return
        if shape.form in ("row", "rows", "result") and self._is_condition(scope, role):
            self.reading.as_objects = True
            return
        followed = list(self._given_to(scope, role.call, role.argument, shape))
        targets = self.types.call(scope, role.call).targets
        is_known = len(followed) >= len(targets) and not self._may_be_another(scope, role.call)
        if followed and is_known:
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

    def _may_be_another(self, scope: FunctionNode, index: int) -> bool:
        """Return whether a method is called on what may be of a class that has none of the name."""
        call = scope.facts.calls[index]
        if not isinstance(call.callee, t.Attr):
            return False
        found = self.types.evaluate(scope, call.callee.base, (call.sequence, call.context))
        name = call.callee.name
        return any(
            isinstance(option, Instance) and self.types.classes.method(option.node, name) is None
            for option in options_of(found)
        )

    def _shows_text(self, scope: FunctionNode, index: int) -> bool:
        targets = self.types.call(scope, index).targets
        return bool(targets) and all(
            target.behaviour is not None
            and ("shows-argument" in target.behaviour.flags or target.behaviour.effects == ("log",))
            for target in targets
        )

    def _is_condition(self, scope: FunctionNode, role: Role) -> bool:
        """Return whether a row or query is what another query compares with: by the key alone."""
        if self.reading.source.entity is None:
            return False
        callee = scope.facts.calls[role.call].callee
        targets = self.types.call(scope, role.call).targets
        return (
            isinstance(callee, t.Attr)
            and callee.name in CONDITIONS
            and bool(targets)
            and all(target.behaviour is not None for target in targets)
        )

    def _used_by_method(self, scope: FunctionNode, shape: Shape, role: Role, value: t.Expr) -> None:
        if shape.form == "value":
            self.reading.changed |= role.argument in CHANGING
        elif shape.form in ("rows", "result"):
            self.reading.changed |= role.argument in WRITING
        if self._of_call(scope, role.call) is not None:
            return
        call = scope.facts.calls[role.call]
        name = role.argument
        if self._is_put(scope, role):
            return
        if shape.form == "value":
            if not (name == "get" and shape.path):
                self.reading.read(shape, self.place, spelled_path(shape))
        elif shape.form == "row":
            self._row_method(scope, role.call, name)
        elif name in SILENT or (self._is_query() and name in (*COUNTING, *NARROWING)):
            return
        elif shape.form == "values":
            self.reading.read(Shape("value", shape.column, shape.path), self.place, "")
        else:
            self.reading.escape(f"narrowed or used by {spelled(scope, call.callee)}")

    def _is_query(self) -> bool:
        return self.reading.source.entity is not None or self.reading.source.queried

    def _row_method(self, scope: FunctionNode, index: int, name: str) -> None:
        if name == "keys":
            return
        if self.reading.source.entity is None:
            if name in ("values", "items", "get"):
                self.reading.entire = True
            else:
                self.reading.escape(f"used by .{name}()")
            return
        targets = self.types.call(scope, index).targets
        methods = [target.function for target in targets if target.function is not None]
        if not methods or len(methods) != len(targets):
            self.reading.escape(f"used by .{name}()")
            return
        self.reading.as_objects = True
        for method in methods:
            if method.facts.params:
                self._enter(method, {("param", method.facts.params[0].name): ROW})


SPECIAL = {"format": ("__format__", "__str__", "__repr__"), "compare": ("__eq__",)}
"""Methods that run where a row is written into a text, or compared: the first that is there."""

WHERE = {
    "store": "kept in a collection",
    "entry": "kept in a collection",
    "kept": "kept in an object",
    "put": "kept in an object",
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


def _param(callee: FunctionNode, spec: str, *, shift: int) -> str | None:
    """Return the one plain parameter that takes an argument, or None."""
    if spec.isdigit():
        positional = [param for param in callee.facts.params if param.kind == "positional"][shift:]
        position = int(spec)
        return positional[position].name if position < len(positional) else None
    param = callee.params.get(spec)
    return spec if param is not None and param.kind in ("positional", "keyword") else None


@remembered
def _meanings(scope: FunctionNode, name: str, at: Point) -> list[Meaning]:
    """Return what a name can mean at a point: each result of a function is asked for there."""
    return meanings(scope, name, at)


@remembered
def _lambdas_given(scope: FunctionNode) -> list[tuple[FunctionNode, int]]:
    """Return the lambdas that the calls of a function are given, each with the number of that."""
    return [
        (scope.file.functions[given.function], index)
        for index, call in enumerate(scope.facts.calls)
        for given in call.given
        if isinstance(given, t.Lambda)
    ]


@remembered
def _names_read(scope: FunctionNode) -> frozenset[str]:
    """Return the names that a function or one inside it reads."""
    return frozenset(
        part.id
        for inner in (scope, *inner_functions(scope))
        for root in roots_of(inner)
        for part in parts(inner, root.value)
        if isinstance(part, t.Name)
    )
