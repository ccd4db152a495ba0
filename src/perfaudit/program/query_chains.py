"""The chains of calls that build a query, from the table that it begins at to where it runs."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import last_name
from perfaudit.program.managers import gives_own_rows, has_unread_manager
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.table_objects import COLUMNS
from perfaudit.program.tables import Relation
from perfaudit.program.values import ClassType, Instance, LibraryInstance, Type, options_of
from perfaudit.program.written_out import Spot, written_out

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 40
MAX_WAYS = 6
MAX_RETURNS = 3
OTHER_ROWS = "the rows of another statement"
"""Why there may be more to a query: it is joined to those, or is of those alone."""
At = tuple[int, int]
STARTS = frozenset({"select", "query", "delete", "update"})
"""Calls that are given the class whose rows a query is of."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain: a call, or where ``call`` is None what is taken by ``key``."""

    function: FunctionNode
    call: t.Call | None
    name: str
    key: t.Expr | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a query may have been built.

    ``node`` is the class of its rows. ``relation``: it begins at the rows that an object of another
    table leads to. ``unknown``: why there may be more steps than these.
    """

    node: ClassNode
    steps: tuple[Step, ...] = ()
    relation: Relation | None = None
    unknown: str = ""


def ways_of(program: "Program", function: FunctionNode, value: t.Expr, at: At) -> list[Way]:
    """Return the ways in which the query behind an expression is built; none where it is none."""
    return _Search(program).ways(function, value, at, MAX_STEPS)[:MAX_WAYS]


class _Search:
    def __init__(self, program: "Program") -> None:
        self.program = program
        self.bound: dict[tuple[FunctionNode, int], list[Way]] = {}
        """The ways to what names were bound to, and functions return; none while under way."""

    def ways(self, function: FunctionNode, value: t.Expr, at: At, steps: int) -> list[Way]:
        if steps <= 0:
            return []
        match value:
            case t.Await(value=inner) | t.Star(value=inner) | t.Entered(value=inner):
                return self.ways(function, inner, at, steps - 1)
            case t.Element(iterable=inner):
                return self.ways(function, inner, at, steps - 1)
            case t.Item(base=base, key=key):
                name = "slice" if isinstance(key, t.Slice) else "index"
                found = self.ways(function, base, at, steps - 1)
                return [_then(way, Step(function, None, name, key)) for way in found]
            case t.Either(options=options):
                return [
                    way for option in options for way in self.ways(function, option, at, steps - 1)
                ]
            case t.Binary(
                operator="BitAnd" | "BitOr" | "BitXor" as operator, left=left, right=right
            ):
                first = self.ways(function, left, at, steps - 1)
                second = self.ways(function, right, at, steps - 1)
                return _combined(operator, first, second)
            case t.Name(id=name):
                return self.named(function, name, at, steps)
            case t.CallRef(index=index):
                return self.called(function, index, steps)
            case t.Attr():
                return self.attribute(function, value, at)
        return []

    def named(self, function: FunctionNode, name: str, at: At, steps: int) -> list[Way]:
        found: list[Way] = []
        for scope, definition in meanings(function, name, at):
            if not isinstance(definition, t.Bind) or definition.value is None:
                found += self.begun_elsewhere(function, t.Name(name), at, "a parameter")
                continue
            key = (scope, definition.sequence)
            if key not in self.bound:
                self.bound[key] = []
                inner = (definition.sequence, definition.context)
                if definition.kind == "for":
                    inner = (inner[0], scope.facts.contexts[definition.context].parent)
                self.bound[key] = self.ways(scope, definition.value, inner, steps - 1)[:MAX_WAYS]
            found += self.bound[key]
        return found[:MAX_WAYS]

    def called(self, function: FunctionNode, index: int, steps: int) -> list[Way]:
        call = function.facts.calls[index]
        at = (call.sequence, call.context)
        resolved = self.program.types.call(function, index)
        callees = [target.function for target in resolved.targets if target.function is not None]
        if callees:
            return self.returned(callees, function, index, steps)
        name = last_name(call.callee)
        step = Step(function, call, name)
        base = call.callee.base if isinstance(call.callee, t.Attr) else None
        if base is not None and self.is_query(function, base, at):
            return [_then(way, step) for way in self.ways(function, base, at, steps - 1)]
        given = call.arguments[0] if call.arguments else None
        if base is not None and given is None and name == "select":
            given = base
        if given is None:
            return []
        result = result_of(given) if name in STARTS else None
        if result is not None:
            return [_then(way, step) for way in self.ways(function, result, at, steps - 1)]
        node = self.entity(function, given, at)
        if self.is_query(function, given, at) and (node is None or name not in STARTS):
            return [_then(way, step) for way in self.ways(function, given, at, steps - 1)]
        if node is None or not self.program.schema.table_of(node):
            return []
        made = self.program.types.call(function, index).result
        if name in STARTS or _is_query_value(self.program, made):
            return [Way(node, (step,), unknown=self.of_result(function, given, at))]
        if any(target.behaviour is not None for target in resolved.targets):
            return [Way(node, (step,))]
        return []

    def returned(
        self, callees: list[FunctionNode], function: FunctionNode, index: int, steps: int
    ) -> list[Way]:
        """Return the ways of what project functions return, with what they may add not known."""
        found: list[Way] = []
        for callee in callees[:MAX_RETURNS]:
            key = (callee, -1)
            if key not in self.bound:
                self.bound[key] = []
                self.bound[key] = [
                    way
                    for item in callee.facts.results
                    if item.value is not None and item.kind == "return"
                    for way in self.ways(
                        callee, item.value, (item.sequence, item.context), steps - 5
                    )
                ][:MAX_WAYS]
            found += self.bound[key]
        if found:
            return found
        value = t.CallRef(index)
        at = (function.facts.calls[index].sequence, function.facts.calls[index].context)
        return self.begun_elsewhere(function, value, at, "a function of the project")

    def attribute(self, function: FunctionNode, value: t.Attr, at: At) -> list[Way]:
        types = self.program.types
        for option in options_of(types.evaluate(function, value.base, at)):
            if isinstance(option, ClassType):
                made = types.evaluate(function, value, at)
                if has_unread_manager(types, option.node) or gives_own_rows(types, made):
                    return [Way(option.node, unknown="a manager of the project")]
                if value.name in self.program.libraries.query_attributes:
                    return [Way(option.node)]
            elif isinstance(option, Instance):
                relation = self.program.schema.relation(option.node, value.name)
                if relation is not None:
                    if relation.target is None:
                        return []
                    return [Way(relation.target, relation=relation)]
            elif isinstance(option, LibraryInstance) and self.is_query(function, value.base, at):
                # A page of a query, whose attribute holds its rows.
                found = self.ways(function, value.base, at, MAX_STEPS // 2)
                return [_then(way, Step(function, None, "page")) for way in found]
        return self.begun_elsewhere(function, value, at, "an attribute")

    def begun_elsewhere(
        self, function: FunctionNode, value: t.Expr, at: At, reason: str
    ) -> list[Way]:
        """Return a way of which only the class of the rows is known."""
        found = self.program.types.evaluate(function, value, at)
        for option in options_of(found):
            if isinstance(option, LibraryInstance | Instance) and option.arguments:
                row = options_of(option.arguments[0])[0]
                if isinstance(row, Instance) and self.program.schema.table_of(row.node):
                    return [Way(row.node, unknown=reason)]
        return []

    def is_query(self, function: FunctionNode, value: t.Expr, at: At) -> bool:
        if isinstance(value, t.CallRef):
            call = function.facts.calls[value.index]
            if last_name(call.callee) in STARTS and not isinstance(call.callee, t.Attr):
                return True
        if isinstance(value, t.Const | t.Seq | t.Mapping | t.Compare | t.Text):
            return False
        return _is_query_value(self.program, self.program.types.evaluate(function, value, at))

    def of_result(self, function: FunctionNode, value: t.Expr, at: At) -> str:
        """Return why the rows of a class are only those that another statement gives, if so."""
        name = value.base if isinstance(value, t.Attr) else value
        if not isinstance(name, t.Name):
            return ""
        found = written_out(self.program.types, Spot(function, name, at))
        if found is None or not isinstance(found.value, t.CallRef):
            return ""
        call = found.function.facts.calls[found.value.index]
        return OTHER_ROWS if len(call.given) > 1 else ""

    def entity(self, function: FunctionNode, value: t.Expr, at: At) -> ClassNode | None:
        """Return the class that an argument names: itself, or by one of its columns."""
        types = self.program.types
        for part in (value, value.base if isinstance(value, t.Attr) else None):
            if part is None or not isinstance(part, t.Name | t.Attr):
                continue
            for option in options_of(types.evaluate(function, part, at)):
                if isinstance(option, ClassType):
                    return option.node
        return None


def result_of(value: t.Expr) -> t.Expr | None:
    """Return the result that an expression is a column of: ``found`` of ``found.c.title``."""
    holder = value.base if isinstance(value, t.Attr | t.Item) else None
    return holder.base if isinstance(holder, t.Attr) and holder.name in COLUMNS else None


def _is_query_value(program: "Program", value: Type) -> bool:
    """Return whether a value is a query, a manager or a statement of a library with queries."""
    for option in options_of(value):
        if isinstance(option, LibraryInstance) and option.arguments:
            if program.libraries.queries(option.path) is not None:
                return True
        elif isinstance(option, Instance) and option.arguments:
            bases = program.types.classes.library_bases(option.node)
            if any(program.libraries.queries(base) is not None for base in bases):
                return True
    return False


def _combined(operator: str, first: list[Way], second: list[Way]) -> list[Way]:
    """Return the ways of the rows that are in both of two queries, or in one of them at least."""
    if not second:
        return [replace(way, unknown=way.unknown or "another query") for way in first]
    if operator == "BitAnd":
        return [
            replace(way, steps=(*way.steps, *other.steps), unknown=way.unknown or other.unknown)
            for way in first
            for other in second
            if other.relation is None
        ]
    return [Way(way.node, unknown="one of several queries") for way in first]


def _then(way: Way, step: Step) -> Way:
    return replace(way, steps=(*way.steps, step))
