"""Where templates are rendered, and which values they are given."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.levels import Role
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.libraries.templates import TemplateCall, TemplateView, ViewWords
from perfaudit.program import members
from perfaudit.program.actions import is_for_others
from perfaudit.program.class_values import class_texts, class_value, texts_of
from perfaudit.program.expressions import argument
from perfaudit.program.given_names import Given, Names, given_back, names_in
from perfaudit.program.language_calls import SUPER
from perfaudit.program.names import AT_END, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode, enclosing_class
from perfaudit.program.row_costs import row_class
from perfaudit.program.row_queries import NO_ROWS, rows_of, rows_of_class
from perfaudit.program.row_spots import Doing
from perfaudit.program.rows import Rows, joined
from perfaudit.program.tables_columns import app_label
from perfaudit.program.values import (
    ClassType,
    External,
    Instance,
    LibraryInstance,
    Type,
    Unknown,
    list_of,
    options_of,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 6
FEW_ITEMS = 5


class Known(Struct, frozen=True):
    """A value that a template is given: its type, and the expressions that give it.

    ``query``: where the rows are named, if no expression asks for them: the class of the table.
    ``joined``: relations that are loaded with them besides; ``joins_required``: all that must be
    there are.
    """

    type: Type
    givens: tuple[Given, ...] = ()
    query: Location | None = None
    joined: tuple[tuple[str, ...], ...] = ()
    joins_required: bool = False

    def rows(self, program: "Program") -> Rows | None:
        """Return where its rows come from, or None where some way is not known."""
        found = [
            rows_of(program, given.function, given.value, given.at, given.owner, given.doing)
            for given in self.givens
        ]
        if self.query is not None:
            node = row_class(program, self.type)
            place = self.query
            found.append(Rows((place,)) if node is None else rows_of_class(program, node, place))
        return joined(found)


class Rendering(Struct, frozen=True):
    """A place that renders templates. ``runs_methods``: the language calls what can be called.

    ``at``: the number of the place in its function, and the block that it stands in.
    """

    function: FunctionNode
    location: Location
    templates: tuple[str, ...]
    names: dict[str, Known]
    runs_methods: bool
    view: ClassNode | None = None
    at: tuple[int, int] = AT_END


def renderings(program: "Program") -> tuple[Rendering, ...]:
    """Return the renderings of a program, in file order; ask for them with ``program.once``."""
    return tuple(
        replace(found, names={**_always(program, found), **found.names})
        for found in (*_by_calls(program), *_by_views(program))
    )


def _always(program: "Program", found: Rendering) -> dict[str, Known]:
    """Return the names that every template of a language has, whoever renders it."""
    if not found.runs_methods:
        return {}
    return {
        name: Known(LibraryInstance(path), query=found.location)
        for name, path in program.libraries.templates.always.items()
    }


def known_names(program: "Program", names: Names) -> dict[str, Known]:
    """Return the values of names, each of a type that all its expressions can have."""
    found = {}
    for name, givens in names.items():
        # An empty list stands for no rows: what else the name is given says what they are.
        kept = [given for given in givens if not _is_empty(program, given)]
        if not kept or any(_takes_few(given.value) for given in kept):
            continue
        found[name] = Known(
            union(
                [program.types.evaluate(given.function, given.value, given.at) for given in kept]
            ),
            tuple(kept),
        )
    return found


def _is_empty(program: "Program", given: Given) -> bool:
    value = given.value
    if isinstance(value, t.CallRef):
        return program.types.call(given.function, value.index).has_flag(NO_ROWS)
    if isinstance(value, t.Const):
        return value.kind == "NoneType"
    return isinstance(value, t.Seq) and not value.items


def _takes_few(value: t.Expr) -> bool:
    """Return whether a slice takes so few items that a query for each is no finding."""
    if not isinstance(value, t.Item) or not isinstance(value.key, t.Slice):
        return False
    upper = value.key.upper
    return isinstance(upper, t.Const) and isinstance(upper.value, int) and upper.value <= FEW_ITEMS


def _by_calls(program: "Program") -> Iterator[Rendering]:
    templates = program.libraries.templates
    last_names = {path.rpartition(".")[2] for path in templates.calls}
    for function in program.functions:
        for index, call in enumerate(function.facts.calls):
            if _last_name(function, call) not in last_names:
                continue
            found = _entry(program, function, index, templates.calls)
            if found is not None:
                rendering = _rendered(program, function, call, found)
                if rendering is not None:
                    yield rendering


def _last_name(function: FunctionNode, call: t.Call) -> str:
    """Return the last name of a callee as the library spells it, through ``import ... as``."""
    if isinstance(call.callee, t.Attr):
        return call.callee.name
    if not isinstance(call.callee, t.Name):
        return ""
    for item in function.file.body.imports.get(call.callee.id, ()):
        return item.name or ""
    return call.callee.id


def _entry(
    program: "Program", function: FunctionNode, index: int, entries: dict[str, TemplateCall]
) -> TemplateCall | None:
    for target in program.types.call(function, index).targets:
        path = target.behaviour.path if target.behaviour is not None else target.name
        found = entries.get(path)
        if found is not None:
            return found
    return None


def _rendered(
    program: "Program", function: FunctionNode, call: t.Call, found: TemplateCall
) -> Rendering | None:
    at = (call.sequence, call.context)
    owner = enclosing_class(function)
    if found.is_made:
        templates = _made(program, function, call)
    elif found.template is None:
        templates = (
            [] if owner is None else class_texts(program.types, owner, _words(program).template)
        )
    else:
        templates = _named_in(program, function, call, found.template)
    if not templates:
        return None
    names: Names = {}
    context = _context_argument(program, function, call, found)
    if context is not None:
        names = names_in(program, function, context, at)
    if found.keywords:
        for name, value in call.keywords:
            if name == "**":
                names |= names_in(program, function, value, at)
            else:
                names.setdefault(name, []).append(Given(function, value, at))
    view = owner if owner is not None and view_of(program, owner) is not None else None
    return Rendering(
        function,
        function.place(call),
        tuple(dict.fromkeys(templates)),
        known_names(program, names),
        found.runs_methods,
        view,
        at,
    )


def _words(program: "Program") -> ViewWords:
    views = program.libraries.templates.views
    return next((view.words for view in views.values()), ViewWords())


def _named_in(program: "Program", function: FunctionNode, call: t.Call, spec: str) -> list[str]:
    """Return the template names of the first argument of several that is a text."""
    at = (call.sequence, call.context)
    for choice in spec.split("|"):
        given = argument(call, choice)
        found = [] if given is None else texts_of(program.types, function, given, at)
        if found:
            return found
    return []


def _context_argument(
    program: "Program", function: FunctionNode, call: t.Call, found: TemplateCall
) -> t.Expr | None:
    """Return the argument that holds the context: of several, the one behind the template."""
    choices = (found.context or "").split("|")
    positions = [choice for choice in choices if choice.isdigit()]
    if len(positions) > 1 and found.template is not None:
        behind = [
            str(int(choice) + 1)
            for choice in found.template.split("|")
            if choice.isdigit() and _named_in(program, function, call, choice)
        ]
        choices = [*behind[:1], *(choice for choice in choices if not choice.isdigit())]
    return argument(call, "|".join(choices)) if choices != [""] else None


def _made(program: "Program", function: FunctionNode, call: t.Call) -> list[str]:
    """Return the names of the template that a call is a method of."""
    if not isinstance(call.callee, t.Attr):
        return []
    value, at = call.callee.base, (call.sequence, call.context)
    scope = function
    for _ in range(MAX_STEPS):
        if isinstance(value, t.CallRef):
            maker = _entry(program, scope, value.index, program.libraries.templates.makers)
            if maker is None or maker.template is None:
                return []
            return _named_in(program, scope, scope.facts.calls[value.index], maker.template)
        if not isinstance(value, t.Name):
            return []
        found = meanings(scope, value.id, at)
        if len(found) != 1 or not isinstance(found[0].definition, t.Bind):
            return []
        bind = found[0].definition
        if bind.value is None:
            return []
        scope, value, at = found[0].scope, bind.value, (bind.sequence, bind.context)
    return []


def view_of(program: "Program", node: ClassNode) -> TemplateView | None:
    """Return how a class renders a template by being a view, or None."""
    views = program.libraries.templates.views
    above = program.types.classes.ancestors(node)
    found = [view for path, view in views.items() if path in above]
    # The nearest says most: a list of rows is a view with a template too.
    return max(found, key=lambda view: (len(view.rows) + len(view.row), view.path), default=None)


def _by_views(program: "Program") -> Iterator[Rendering]:
    if not program.libraries.templates.views:
        return
    for file in program.files:
        for node in file.classes:
            view = view_of(program, node) if node.facts.bases else None
            if view is not None and not _is_base(program, node):
                rendering = _viewed(program, node, view)
                if rendering is not None:
                    yield rendering


def _is_base(program: "Program", node: ClassNode) -> bool:
    """Return whether a view class is there for others to inherit from, and no route names it."""
    below = program.types.classes.subclasses(node)
    return any(other.file.role is not Role.TEST for other in below) and not any(
        endpoint.view is node for endpoint in program.endpoints
    )


def _viewed(program: "Program", node: ClassNode, view: TemplateView) -> Rendering | None:
    words = view.words
    names: dict[str, Known] = {}
    model = _model_of(program, node, words)
    rows = rows_of_view(program, node, words, model)
    shown = rows
    if view.row:
        shown = _object_of_view(program, node, words, model)
    label = _label_of(shown) or _label_of(model)
    if shown is not None:
        names |= dict.fromkeys(_spelled(view.rows or view.row, label), shown)
        names |= dict.fromkeys(view.pages, shown)
        for text in class_texts(program.types, node, words.name):
            names[text] = shown
    given: Names = {}
    for owner in reversed(program.types.classes.project_order(node)):
        method = owner.methods.get(words.context)
        if method is not None:
            for item in method.facts.results:
                if item.value is not None:
                    at = (item.sequence, item.context)
                    given |= names_in(program, method, item.value, at)
    names |= known_names(program, given)
    names.setdefault("view", Known(Instance(node)))
    templates = _templates_of(program, node, view, label)
    if not templates:
        return None
    method = program.types.classes.method(node, words.context) or program.types.classes.method(
        node, words.rows
    )
    return Rendering(
        method or node.body, node.location, tuple(templates), names, view.runs_methods, node
    )


def _templates_of(
    program: "Program", node: ClassNode, view: TemplateView, label: ClassNode | None
) -> list[str]:
    method = program.types.classes.method(node, view.words.templates)
    if method is not None:
        return [
            text
            for item in method.facts.results
            if item.value is not None
            for text in texts_of(program.types, method, item.value, (item.sequence, item.context))
        ]
    named = class_texts(program.types, node, view.words.template)
    if named or not view.default or label is None:
        return named
    return _spelled((view.default,), label)


def _spelled(patterns: tuple[str, ...], label: ClassNode | None) -> list[str]:
    if label is None:
        return [pattern for pattern in patterns if "{" not in pattern]
    return [
        pattern.replace("{name}", label.name.lower()).replace("{app}", app_label(label))
        for pattern in patterns
    ]


def _label_of(shown: Known | None) -> ClassNode | None:
    """Return the table class that names are made from."""
    if shown is None:
        return None
    for option in options_of(shown.type):
        parts = option.arguments if isinstance(option, LibraryInstance) else (option,)
        for part in parts:
            if isinstance(part, Instance):
                return part.node
    return None


def _model_of(program: "Program", node: ClassNode, words: ViewWords) -> Known | None:
    """Return an object of the class that a view names as its model."""
    given = class_value(program.types, node, words.model)
    if given is None:
        return None
    for option in options_of(program.types.evaluate(given.function, given.value, given.at)):
        if isinstance(option, ClassType):
            line = next(
                (bind.line for bind in given.function.facts.binds if bind.value == given.value), 1
            )
            return Known(Instance(option.node), query=given.function.line(line))
    return None


def rows_of_view(
    program: "Program",
    node: ClassNode,
    words: ViewWords,
    model: Known | None,
    doing: Doing | None = None,
) -> Known | None:
    """Return the rows that a view shows, by its method, its attribute or its model.

    ``doing``: what it is there for now.
    """
    types = program.types
    method = types.classes.method(node, words.rows)
    attribute = class_value(program.types, node, words.queryset)
    if method is not None:
        givens = [
            given
            for given in given_back(method, node, doing)
            if not is_for_others(method, given.at, doing)
        ]
        # What the method gets from the library's own is the attribute.
        own = known_names(program, {"rows": givens}).get("rows")
        if own is None:
            return None
        element = members.element(types, own.type)
        if model is not None:
            element = model.type
        elif not _has_object(element) and attribute is not None:
            element = members.element(
                types, types.evaluate(attribute.function, attribute.value, attribute.at)
            )
        asks = attribute is not None and _may_ask_above(method, words.queryset)
        base = (attribute,) if attribute is not None and asks else ()
        return Known(list_of(element), (*own.givens, *base)) if _has_object(element) else None
    if attribute is not None:
        return known_names(program, {"rows": [attribute]}).get("rows")
    return None if model is None else Known(list_of(model.type), query=model.query)


def _may_ask_above(method: FunctionNode, attribute: str) -> bool:
    """Return whether a method of a view may give what its attribute or the class above gives.

    What it asks of another part of itself, such as the request, is neither.
    """
    facts = method.facts
    given = [*(read.value for read in facts.reads), *(item.value for item in facts.results)]
    given += [bind.value for bind in facts.binds if bind.value is not None]
    given += [value for call in facts.calls for value in call.arguments]
    if t.Name("self") in given or any(
        isinstance(value, t.Attr) and value.base == t.Name("self") for value in given
    ):
        return True
    return any(call.callee == SUPER or _is_of_self(call.callee, attribute) for call in facts.calls)


def _is_of_self(value: t.Expr, attribute: str) -> bool:
    """Return whether a call is of a method of the object, or of what an attribute of it holds."""
    if isinstance(value, t.Attr) and value.base == t.Name("self"):
        return True
    while isinstance(value, t.Attr):
        if value == t.Attr(t.Name("self"), attribute):
            return True
        value = value.base
    return False


def _has_object(value: Type) -> bool:
    return any(isinstance(option, Instance) for option in options_of(value))


def _is_certain(value: Type) -> bool:
    return not any(isinstance(option, Unknown | External) for option in options_of(value))


def _object_of_view(
    program: "Program", node: ClassNode, words: ViewWords, model: Known | None
) -> Known | None:
    """Return the one object that a view shows."""
    method = program.types.classes.method(node, words.row)
    if method is not None:
        givens = given_back(method, node)
        own = known_names(program, {"row": givens}).get("row")
        if own is not None and (_has_object(own.type) or _is_certain(own.type)):
            return own
        if model is None:
            return None
    rows = rows_of_view(program, node, words, model)
    if rows is None:
        return None
    element = members.element(program.types, rows.type)
    return Known(element, rows.givens, rows.query)
