"""The relational form of a chain of calls: by keywords such as ``author__name__in``, and by
comparisons of the attributes of classes."""

import re
from typing import TYPE_CHECKING

from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.condition_lists import conditions_in
from perfaudit.program.names import meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.query_chains import OTHER_ROWS, Step, Way, result_of
from perfaudit.program.query_columns import column_of, part_of
from perfaudit.program.query_keywords import keywords_in
from perfaudit.program.query_lookups import (
    COMPARISONS,
    INNER,
    LOOKUPS,
    METHODS,
    WRAPPERS,
    annotated_lookups,
    begins_with_wildcard,
    constant,
    json_lookup,
)
from perfaudit.program.relational import (
    ANYWHERE,
    EQUALITY,
    JSON,
    LIKE,
    NULL,
    OTHER,
    WRAPPED,
    Condition,
    Join,
    Order,
    Query,
)
from perfaudit.program.sites import Site
from perfaudit.program.tables import Column, Table
from perfaudit.program.values import ClassType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

KEYWORD_STEPS = frozenset(
    {"filter", "get", "aget", "get_or_create", "update_or_create", "filter_by", "get_or_none"}
)
LOOKUP_CALLS = frozenset(
    {"get_object_or_404", "get_list_or_404", "aget_object_or_404", "aget_list_or_404"}
)
EXPRESSION_STEPS = frozenset({"where", "filter", "having", "and_", "filter_by"})
NEGATED = frozenset({"exclude"})
ANNOTATING = frozenset({"annotate", "alias"})
ORDERING = frozenset({"order_by"})
JOINING = frozenset({"join", "outerjoin"})
BOUNDING = frozenset({"slice", "limit", "fetch", "page", "fetch_one"})
ONE_ROW = frozenset(
    {
        *("get", "aget", "first", "afirst", "last", "alast", "earliest", "latest", "exists"),
        *("aexists", "count", "acount", "aggregate", "aaggregate", "index", "one", "one_or_none"),
        *("scalar", "scalar_one", "scalar_one_or_none", "get_or_create", "update_or_create"),
        *("get_object_or_404", "aget_object_or_404", "update", "delete", "aupdate", "adelete"),
        *("in_bulk", "contains", "get_or_none", "paginate", "paginate_queryset"),
    }
)
"""Steps that give one row or number, or rows that the caller has counted."""
PAGES = re.compile(r"_?(?:get_)?pag(?:e|inat)", re.IGNORECASE)
"""Names of what gives a page of rows."""
MAX_NESTING = 6
At = tuple[int, int]
Found = tuple[Table, Column]


def query_of_way(program: "Program", site: Site, way: Way) -> Query | None:
    """Return the relational form of a query that is built in one way."""
    table = program.schema.whole_table_of(way.node)
    if table is None:
        return None
    reader = _Reader(program, way.node, table)
    if way.relation is not None:
        reader.of_relation(way, site.location)
    for step in way.steps:
        reader.step(step)
    names = frozenset(step.name for step in way.steps)
    return Query(
        site=site,
        table=table,
        conditions=tuple(reader.conditions),
        joins=tuple(reader.joins),
        order=tuple(reader.order),
        optional=tuple(reader.optional),
        bounded=bool(names & (BOUNDING | ONE_ROW)) or any(map(PAGES.match, names)),
        unknown=way.unknown or reader.unknown,
        steps=names,
        via_relation=way.relation is not None,
        way=way,
    )


def looked_up(
    program: "Program", node: ClassNode, table: Table, lookup: str, place: Location
) -> Condition | None:
    """Return the condition of a look-up by keyword, of a column of the table itself, or None."""
    reader = _Reader(program, node, table)
    reader.lookup(node, lookup, None, place, sure=True)
    if reader.unknown or reader.joins or len(reader.conditions) != 1:
        return None
    (found,) = reader.conditions
    return found if found.table.name == table.name else None


class _Reader:
    """Gathers what the steps of one way say."""

    def __init__(self, program: "Program", node: ClassNode, table: Table) -> None:
        self.program = program
        self.node = node
        self.table = table
        self.joined = node
        """The class that ``filter_by`` speaks of: the one joined last."""
        self.conditions: list[Condition] = []
        self.optional: list[Condition] = []
        self.joins: list[Join] = []
        self.order: list[Order] = []
        self.unknown = ""
        self.annotated: dict[str, str] = {}
        """The look-ups that names stand for which a step has given to columns."""

    def of_relation(self, way: Way, place: Location) -> None:
        """Add the condition that rows are those of one object."""
        relation = way.relation
        if relation is None:
            return
        back = self.program.schema.relation(way.node, relation.inverse)
        column = self.table.columns.get(back.column) if back is not None and back.column else None
        if column is None:
            self.unknown = "rows of a relation whose key is not known"
        else:
            self.conditions.append(Condition(self.table, column, EQUALITY, None, place))

    def step(self, step: Step) -> None:
        call, function = step.call, step.function
        if call is None:
            return
        place = function.place(call)
        at = (call.sequence, call.context)
        if step.name in KEYWORD_STEPS | LOOKUP_CALLS | NEGATED:
            self.lookups(step, call, place)
        if step.name in EXPRESSION_STEPS | NEGATED | {"get"} | LOOKUP_CALLS:
            first = 1 if step.name in LOOKUP_CALLS else 0
            for given in call.arguments[first:]:
                self.expression(function, given, at, place, sure=step.name not in NEGATED)
        if step.name == "get" and len(call.arguments) == 2 and not call.keywords:
            self.by_key(place)
        if step.name in ANNOTATING:
            self.annotated |= annotated_lookups(function, call)
        if step.name in JOINING:
            self.join(function, call, at, place)
        if step.name in ORDERING:
            for given in call.arguments:
                self.ordered(function, given, at, place)
        for name, value in call.keywords:
            if name == "**":
                self.unpacked(step, value, at, place)

    def by_key(self, place: Location) -> None:
        for column in self.table.columns.values():
            if column.primary:
                self.conditions.append(Condition(self.table, column, EQUALITY, None, place))
                return

    def lookups(self, step: Step, call: t.Call, place: Location) -> None:
        for keyword, value in call.keywords:
            if (
                keyword in ("defaults", "**")
                or step.name == "get"
                and keyword in ("options", "populate_existing")
            ):
                continue
            node = self.joined if step.name == "filter_by" else self.node
            self.lookup(node, keyword, value, place, sure=step.name not in NEGATED)

    def unpacked(self, step: Step, value: t.Expr, at: At, place: Location) -> None:
        """Add the look-ups of a dictionary that is written out; more may be put into it."""
        held = keywords_in(self.program.types, step.function, value, at)
        if held is None:
            self.unknown = "keywords that are worked out"
            return
        if held.may_grow:
            self.unknown = "keywords that are worked out"
        if step.name in KEYWORD_STEPS | LOOKUP_CALLS | NEGATED:
            node = self.joined if step.name == "filter_by" else self.node
            for keyword, given in held.items:
                self.lookup(node, keyword, given, place, sure=step.name not in NEGATED)

    def lookup(
        self, node: ClassNode, keyword: str, value: t.Expr | None, place: Location, *, sure: bool
    ) -> None:
        """Add the condition of ``author__name__in=...``, with the joins on the way."""
        name, *lookup = keyword.split("__")
        found = self.path(node, [*self.annotated.get(name, name).split("__"), *lookup], place)
        if found is None:
            self.unknown = f"what {keyword} compares"
            return
        table, column, rest = found
        operator = LOOKUPS.get(rest[-1], OTHER) if rest else EQUALITY
        inner = spelled = ""
        if rest and column.type == "json":
            operator, inner, spelled = json_lookup(column, rest)
        elif operator == WRAPPED or len(rest) > 1:
            inner = INNER.get(rest[-1]) or LOOKUPS.get(rest[-1], EQUALITY)
            inner = EQUALITY if inner == WRAPPED else inner
            spelled = WRAPPERS.get(rest[0], "").format(column.name)
            operator = WRAPPED
        elif operator == ANYWHERE:
            spelled = WRAPPERS.get(rest[0], "").format(column.name)
        if isinstance(value, t.Const) and value.kind == "NoneType" and operator == EQUALITY:
            operator = NULL
        if not sure:
            operator, inner = OTHER, operator
        self.conditions.append(
            Condition(table, column, operator, constant(value), place, inner, spelled)
        )

    def path(
        self, node: ClassNode, steps: list[str], place: Location
    ) -> tuple[Table, Column, list[str]] | None:
        """Return the column that names lead to over relations, and what follows it."""
        schema = self.program.schema
        for position, name in enumerate(steps):
            table = schema.whole_table_of(node)
            if table is None:
                return None
            rest = steps[position + 1 :]
            column = self.column(table, name)
            if column is not None:
                return table, column, rest
            relation = schema.relation_asked(node, name)
            if relation is None:
                return None
            key = table.columns.get(relation.column) if relation.column else None
            if key is not None and (not rest or rest[0] in (*LOOKUPS, "id", "pk")):
                return table, key, [item for item in rest if item not in ("id", "pk")]
            if relation.target is None:
                return None
            target = schema.whole_table_of(relation.target)
            if key is not None:
                self.joins.append(Join(table, key, place))
            elif relation.inverse and target is not None:
                back = schema.relation(relation.target, relation.inverse)
                other = (
                    target.columns.get(back.column) if back is not None and back.column else None
                )
                if other is not None:
                    self.joins.append(Join(target, other, place))
            if not rest or rest[0] in LOOKUPS:
                # A condition on the rows at the other end, by their key.
                key = (
                    next((item for item in target.columns.values() if item.primary), None)
                    if target
                    else None
                )
                return None if key is None or target is None else (target, key, rest)
            node = relation.target
        return None

    def column(self, table: Table, name: str) -> Column | None:
        if name == "pk":
            return next((item for item in table.columns.values() if item.primary), None)
        return table.columns.get(name)

    def expression(
        self,
        function: FunctionNode,
        value: t.Expr,
        at: At,
        place: Location,
        *,
        sure: bool,
        nesting: int = MAX_NESTING,
    ) -> None:
        """Add the conditions of an expression, those of ``or`` and ``not`` as ``other``."""
        if nesting == 0:
            self.unknown = "a condition that is nested deeply"
            return
        match value:
            case t.Compare(operator=operator, left=left, right=right):
                self.compared(
                    function, COMPARISONS.get(operator, OTHER), left, right, at, place, sure=sure
                )
            case t.CallRef(index=index):
                self.called(
                    function, function.facts.calls[index], place, sure=sure, nesting=nesting
                )
            case t.Binary(operator=operator, left=left, right=right):
                together = sure and operator == "BitAnd"
                for part in (left, right):
                    self.expression(function, part, at, place, sure=together, nesting=nesting - 1)
            case t.Star(value=t.Name(id=name)):
                self.listed(function, name, at, place, sure=sure, nesting=nesting)
            case t.Star():
                self.unknown = "a list of conditions"
            case t.Name(id=name):
                self.named(function, name, at, place, sure=sure, nesting=nesting)
            case t.Attr():
                found = column_of(self.program, function, value, at)
                if found is not None:
                    self.conditions.append(
                        Condition(*found, EQUALITY if sure else OTHER, "TRUE", place)
                    )
                else:
                    self.unknown = "a condition that is made elsewhere"
            case t.Inverted(value=inner):
                self.expression(function, inner, at, place, sure=False, nesting=nesting - 1)
            case t.Const():
                return
            case _:
                self.unknown = "a condition that is worked out"

    def named(
        self,
        function: FunctionNode,
        name: str,
        at: At,
        place: Location,
        *,
        sure: bool,
        nesting: int,
    ) -> None:
        found = meanings(function, name, at)
        bind = found[0].definition if len(found) == 1 else None
        if (
            not isinstance(bind, t.Bind)
            or bind.value is None
            or bind.kind not in ("assign", "annotated")
        ):
            self.unknown = "a condition that is made elsewhere"
            return
        point = (bind.sequence, bind.context)
        self.expression(found[0].scope, bind.value, point, place, sure=sure, nesting=nesting - 1)

    def listed(
        self,
        function: FunctionNode,
        name: str,
        at: At,
        place: Location,
        *,
        sure: bool,
        nesting: int,
    ) -> None:
        """Add the conditions of a list, those apart that are put into it on some ways only."""
        found = conditions_in(function, name, at)
        if found is None:
            self.unknown = "a list of conditions"
            return
        for each in found:
            before = len(self.conditions)
            self.expression(function, each.value, each.at, place, sure=sure, nesting=nesting - 1)
            if each.is_optional:
                self.optional += self.conditions[before:]
                del self.conditions[before:]

    def called(
        self, function: FunctionNode, call: t.Call, place: Location, *, sure: bool, nesting: int
    ) -> None:
        at = (call.sequence, call.context)
        name = (
            call.callee.name if isinstance(call.callee, t.Attr) else getattr(call.callee, "id", "")
        )
        if name in ("and_", "or_", "not_", "Q"):
            together = sure and name in ("and_", "Q")
            for given in call.arguments:
                self.expression(function, given, at, place, sure=together, nesting=nesting - 1)
            for keyword, value in call.keywords:
                if keyword == "**":
                    self.unpacked(Step(function, call, "filter"), value, at, place)
                    continue
                self.lookup(self.node, keyword, value, place, sure=together)
            return
        if isinstance(call.callee, t.Attr) and name in METHODS and call.arguments:
            self.compared(
                function, METHODS[name], call.callee.base, call.arguments[0], at, place, sure=sure
            )
            return
        self.unknown = f"a condition that {name or 'a call'} makes"

    def compared(
        self,
        function: FunctionNode,
        operator: str,
        left: t.Expr,
        right: t.Expr,
        at: At,
        place: Location,
        *,
        sure: bool,
    ) -> None:
        own, other = (
            column_of(self.program, function, left, at),
            column_of(self.program, function, right, at),
        )
        if own is not None and other is not None and operator == EQUALITY:
            if sure:
                self.joins += [Join(*own, place), Join(*other, place)]
            return
        if own is None and other is not None:
            own, left, right = other, right, left
        if own is not None and result_of(right) is not None:
            self.unknown = self.unknown or OTHER_ROWS
            return
        if own is None:
            wrapped = part_of(self.program, function, left, at) or part_of(
                self.program, function, right, at
            )
            if wrapped is None:
                self.unknown = "what a condition compares"
                return
            found, inner, spelled = wrapped
            if isinstance(right, t.Const) and right.kind == "NoneType":
                operator = NULL
            self.conditions.append(
                Condition(
                    *found,
                    inner if sure else OTHER,
                    constant(right),
                    place,
                    operator if sure else inner,
                    spelled,
                )
            )
            return
        if operator == EQUALITY and isinstance(right, t.Const) and right.kind == "NoneType":
            operator = NULL
        if operator == NULL and isinstance(right, t.Const) and right.kind == "bool":
            operator = EQUALITY
        if operator == LIKE and begins_with_wildcard(function, right):
            operator = ANYWHERE
        if own[1].type in ("json", "array") and operator == ANYWHERE:
            operator = JSON
        inner = "" if sure else operator
        self.conditions.append(
            Condition(*own, operator if sure else OTHER, constant(right), place, inner)
        )

    def join(self, function: FunctionNode, call: t.Call, at: At, place: Location) -> None:
        types = self.program.types
        for given in call.arguments[:1]:
            for option in options_of(types.evaluate(function, given, at)):
                if isinstance(option, ClassType):
                    self.joined = option.node
            if isinstance(given, t.Attr):
                self.join_relation(function, given, at, place)
        linking = [value for name, value in call.keywords if name == "onclause"]
        for given in (*call.arguments[1:], *linking):
            if not isinstance(given, t.Attr):
                self.expression(function, given, at, place, sure=True)

    def join_relation(self, function: FunctionNode, given: t.Attr, at: At, place: Location) -> None:
        for option in options_of(self.program.types.evaluate(function, given.base, at)):
            if not isinstance(option, ClassType):
                continue
            relation = self.program.schema.relation(option.node, given.name)
            table = self.program.schema.whole_table_of(option.node)
            if relation is None or table is None:
                continue
            if relation.target is not None:
                self.joined = relation.target
            key = table.columns.get(relation.column) if relation.column else None
            if key is not None:
                self.joins.append(Join(table, key, place))

    def ordered(self, function: FunctionNode, given: t.Expr, at: At, place: Location) -> None:
        descending = False
        if isinstance(given, t.CallRef):
            call = function.facts.calls[given.index]
            name = (
                call.callee.name
                if isinstance(call.callee, t.Attr)
                else getattr(call.callee, "id", "")
            )
            descending = name == "desc"
            if isinstance(call.callee, t.Attr) and name in ("desc", "asc"):
                given = call.callee.base if not call.arguments else call.arguments[0]
            elif name in ("desc", "asc") and call.arguments:
                given = call.arguments[0]
        if isinstance(given, t.Const) and isinstance(given.value, str):
            words = given.value.removeprefix("-").split("__")
            found = self.path(self.node, words, place)
            if found is not None:
                self.order.append(Order(found[0], found[1], given.value.startswith("-"), place))
            return
        column = column_of(self.program, function, given, at)
        if column is not None:
            self.order.append(Order(*column, descending, place))
