"""What a view class costs that a library lets answer: its rows, their pages, and showing them."""

from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.facts import types as t
from perfaudit.libraries.answers import AnsweringView, Answers
from perfaudit.program.answer_costs import cost_of_rows, of_rows
from perfaudit.program.bounds import at_most
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.expressions import argument
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO, Cost, Lazy, once
from perfaudit.program.row_costs import Costs, row_class
from perfaudit.program.shown_fields import cost_of_shown
from perfaudit.program.sizes import plural
from perfaudit.program.tables_vocabulary import attribute_value
from perfaudit.program.values import ClassType, Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

QUERY = "db.query"
Scope = tuple[FunctionNode, t.Expr, tuple[int, int]]
"""An expression, where it stands, and at which point."""


def cost_of_view(program: "Program", costs: Costs, endpoint: Endpoint) -> Cost | None:
    """Return what the library does to answer, or None where it is not known how it does."""
    view = endpoint.answering
    if view is None:
        return None
    for words in program.libraries.answers:
        action = action_of(program, words, view, endpoint)
        if action is not None:
            return _answered(program, costs, words, view, action)
    return None


def cost_before(program: "Program", costs: Costs, endpoint: Endpoint) -> Cost:
    """Return what the classes cost that a view names to run before it answers."""
    view = endpoint.answering
    total = ZERO
    for words in program.libraries.answers if view is not None else ():
        for attribute, name in words.before.items():
            found = None if view is None else class_attribute(program, view, attribute)
            if found is None or not isinstance(found[1], t.Seq):
                continue
            for item in found[1].items:
                value = program.types.evaluate(found[0], item, AT_END)
                if not isinstance(value, ClassType):
                    continue
                method = program.types.classes.method(value.node, name)
                if method is not None:
                    step = TraceStep(method.location, f"runs {method.facts.qualname}")
                    total = total + costs.get(method, ZERO).resolved(_not_known).along(step)
    return total


def cost_of_shown_here(program: "Program", costs: Costs, function: FunctionNode) -> Cost:
    """Return what a function pays for rows that it hands to a class that shows them."""
    total = ZERO
    made = [
        (call, callee.node)
        for index, call in enumerate(function.facts.calls)
        if isinstance(callee := program.types.call(function, index).callee, ClassType)
        and "data" not in dict(call.keywords)
    ]
    for words in program.libraries.answers:
        for call, node in made:
            if not _shows(program, words, node):
                continue
            given = argument(call, "0|instance")
            if given is None:
                continue
            at = (call.sequence, call.context)
            many = argument(call, words.many) is not None
            found = _shown(program, costs, words, node, (function, given, at), many=many)
            total = total + (found if call.context == -1 else found.at_least())
    return total


def _shows(program: "Program", words: Answers, node: ClassNode) -> bool:
    bases = program.types.classes.ancestors(node)
    return any(base in bases for base in words.showing)


def _shown(
    program: "Program",
    costs: Costs,
    words: Answers,
    shown: ClassNode,
    rows: Scope,
    *,
    many: bool,
) -> Cost:
    function, value, at = rows
    given = program.types.evaluate(function, value, at)
    row = row_class(program, given)
    if row is None:
        return ZERO.at_least()
    each = cost_of_shown(program, costs, words, shown, row)
    total = of_rows(program, function, value, at, each, row, many=many)
    asked = any(site.value == value and site.kind != "call" for site in program.sites_of(function))
    if many and not asked and _asks_when_walked(program, given):
        total = total + cost_of_rows(program, *rows, row.name)
    return total


def action_of(
    program: "Program", words: Answers, view: ClassNode, endpoint: Endpoint
) -> AnsweringView | None:
    """Return what the library does for a request, unless the project does it itself."""
    ancestors = program.types.classes.ancestors(view)
    found = [
        each
        for path, each in words.views.items()
        if path in ancestors
        and each.method == endpoint.method
        and program.types.classes.method(view, each.action) is None
    ]
    if len(found) > 1:
        is_one = endpoint.path.rstrip("/").endswith("}")
        found = [each for each in found if each.many != is_one]
    handled = {each.action for each in words.views.values()} | set(words.rows)
    is_own = endpoint.handler.kind == "function" and endpoint.handler.name not in handled
    return found[0] if len(found) == 1 and not is_own else None


def _answered(
    program: "Program", costs: Costs, words: Answers, view: ClassNode, action: AnsweringView
) -> Cost | None:
    rows = rows_of_view(program, words, view)
    shown = class_attribute(program, view, words.shown)
    if rows is None or shown is None:
        return None
    if program.types.classes.method(view, words.chosen) is not None:
        return None
    function, value, at = rows
    row = row_class(program, program.types.evaluate(function, value, at))
    serializer = program.types.evaluate(*shown, AT_END)
    if row is None or not isinstance(serializer, ClassType):
        return None
    each = cost_of_shown(program, costs, words, serializer.node, row)
    found = of_rows(program, function, value, at, each, row, many=False)
    total = cost_of_rows(program, *rows, row.name)
    if not action.many:
        return total + found
    size = plural(row.name.lower())
    pager = class_attribute(program, view, words.pager)
    if pager is not None:
        bound = _page_size(program, words, pager)
        if bound is None:
            return (total + found.times(size, view.location)).at_least()
        size = str(at_most(size, bound))
        if not _has_no_count(program, words, pager):
            total = total + once(QUERY, TraceStep(view.location, "counts the rows of the pages"))
    return total + found.times(size, view.location)


def rows_of_view(program: "Program", words: Answers, view: ClassNode) -> Scope | None:
    """Return the expression that gives the rows of a view, or None where there are several."""
    for name in words.rows:
        method = program.types.classes.method(view, name)
        if method is not None:
            results = [item for item in method.facts.results if item.value is not None]
            if len(results) != 1 or results[0].value is None:
                return None
            return method, results[0].value, (results[0].sequence, results[0].context)
        found = class_attribute(program, view, name)
        if found is not None:
            return found[0], found[1], AT_END
    return None


def _has_no_count(program: "Program", words: Answers, pager: tuple[FunctionNode, t.Expr]) -> bool:
    """Return whether pages of this class are made without asking how many rows there are."""
    found = program.types.evaluate(*pager, AT_END)
    above = program.types.classes.ancestors(found.node) if isinstance(found, ClassType) else ()
    return any(path in above for path in words.uncounted)


def _page_size(
    program: "Program", words: Answers, pager: tuple[FunctionNode, t.Expr]
) -> int | None:
    found = program.types.evaluate(*pager, AT_END)
    if not isinstance(found, ClassType):
        return None
    size = class_attribute(program, found.node, words.size)
    if size is None or not isinstance(size[1], t.Const):
        return None
    return size[1].value if type(size[1].value) is int else None


def class_attribute(
    program: "Program", node: ClassNode, name: str
) -> tuple[FunctionNode, t.Expr] | None:
    """Return what a class attribute is set to, by the class or the nearest base that sets it."""
    for owner in program.types.classes.project_order(node):
        found = attribute_value(owner, name)
        if found is not None:
            return found
    return None


def _asks_when_walked(program: "Program", value: Type) -> bool:
    for option in options_of(value):
        if isinstance(option, LibraryInstance):
            behaviour = program.libraries.on(option.path, "iterate")
            if behaviour is not None and QUERY in behaviour.effects:
                return True
        elif isinstance(option, Instance) and option.arguments:
            return True
    return False


def _not_known(_: Lazy) -> None:
    """Say that nobody knows what the library's arguments have loaded."""
