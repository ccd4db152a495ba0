"""Why a value is believed to have its type: the places that made it so."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.annotations import annotated, is_weak
from perfaudit.program.decorators import method_kind, receiver_of
from perfaudit.program.expressions import argument_for, spelled
from perfaudit.program.infer import BUILTIN_NAMES
from perfaudit.program.names import AT_END, Meaning, meanings
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.printing import annotation_text, printed
from perfaudit.program.values import (
    NONE,
    ClassType,
    External,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    ModuleType,
    Type,
    Unknown,
    options_of,
)

if TYPE_CHECKING:
    from perfaudit.libraries.types import Behaviour
    from perfaudit.program.program import Program

V = TypeVar("V")
MAX_STEPS = 10
"""How many places are named for one belief."""
MAX_DEPTH = 8
"""How many expressions in a row are followed."""
MAX_WAYS = 3
"""How many of several definitions are followed."""
METHODS = {
    "property": "property",
    "static": "static method",
    "class": "class method",
    "method": "method",
}
BOUND = {
    "for": "an item of",
    "with": "what is entered with",
    "augmented": "changed by",
    "match": "matched in",
}
"""The words for how a bind takes its value; ``assigned`` for the others."""


def of_bind(program: "Program", scope: FunctionNode, bind: t.Bind) -> list[TraceStep]:
    """Return the places that made the value of a bind what it is believed to be."""
    return _few(_bind(program, scope, bind, MAX_DEPTH))


def of_param(program: "Program", function: FunctionNode, param: t.Param) -> list[TraceStep]:
    """Return the places that made a parameter what it is believed to be."""
    return _few(_param(program, function, param, MAX_DEPTH))


def of_result(program: "Program", function: FunctionNode) -> list[TraceStep]:
    """Return the places that made the result of a function what it is believed to be."""
    return _few(_result(program, function, MAX_DEPTH))


def of_attribute(program: "Program", node: ClassNode, name: str) -> list[TraceStep]:
    """Return the places that made an attribute of a class's objects what it is believed to be."""
    return _few(_attribute(program, node, name, MAX_DEPTH))


def of_expression(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int]
) -> list[TraceStep]:
    """Return the places that made an expression what it is believed to be."""
    return _few(_expression(program, function, value, at, MAX_DEPTH))


def _few(steps: Iterable[TraceStep]) -> list[TraceStep]:
    """Return the steps, each once; a ring of definitions leads to the same ones again."""
    return list(islice(dict.fromkeys(islice(steps, 5 * MAX_STEPS)), MAX_STEPS))


def _expression(
    program: "Program", function: FunctionNode, value: t.Expr, at: tuple[int, int], left: int
) -> Iterator[TraceStep]:
    if left == 0:
        return
    match value:
        case t.Name(id=name):
            yield from _name(program, function, name, at, left)
        case t.Attr(base=base, name=name):
            yield from _member(program, function, base, name, at, left)
        case t.CallRef(index=index):
            yield from _call(program, function, index, left)
        case (
            t.Await(value=inner)
            | t.Star(value=inner)
            | t.Element(iterable=inner)
            | t.Entered(value=inner)
            | t.Item(base=inner)
            | t.Binary(left=inner)
        ):
            yield from _expression(program, function, inner, at, left)
        case t.Either(options=options):
            for option in _deciding(
                options, lambda each: program.types.evaluate(function, each, at)
            ):
                yield from _expression(program, function, option, at, left - 1)
        case t.Seq(items=items) if items:
            yield from _expression(program, function, items[0], at, left - 1)
        case t.Mapping(values=values) if values:
            yield from _expression(program, function, values[0], at, left - 1)
        case t.Comp(element=element, context=context):
            inside = (AT_END[0], context)
            yield from _expression(program, function, element, inside, left - 1)


def _deciding(options: Iterable[V], type_of: Callable[[V], Type]) -> list[V]:
    """Return the first few options that are known, or where none is, the first few."""
    everything = list(options)
    known = [option for option in everything if _says_something(type_of(option))]
    return (known or everything)[:MAX_WAYS]


def _says_something(value: Type) -> bool:
    return not isinstance(value, Unknown) and value != NONE


def _name(
    program: "Program", function: FunctionNode, name: str, at: tuple[int, int], left: int
) -> Iterator[TraceStep]:
    found = meanings(function, name, at)
    if not found:
        yield from _starred(program, function, name, at)
    annotations = [
        item
        for item in found
        if isinstance(item.definition, t.Bind) and item.definition.annotation is not None
    ]
    for item in _deciding(annotations or found, lambda each: _type_of_meaning(program, each)):
        yield from _meaning(program, item, left)


def _starred(
    program: "Program", function: FunctionNode, name: str, at: tuple[int, int]
) -> Iterator[TraceStep]:
    """Yield the star imports that a name may come through, where the file does not define it."""
    body = function.file.body
    if name in BUILTIN_NAMES:
        return
    imports = body.imports.get("*", ())
    for item in imports:
        module = "." * item.level + item.module
        yield TraceStep(body.line(item.line), f"`{name}` may come with all of {module}")
    if not imports and isinstance(program.types.name(function, name, at), Unknown):
        yield TraceStep(function.location, f"`{name}` is defined nowhere in the file")


def _type_of_meaning(program: "Program", meaning: Meaning) -> Type:
    scope, definition = meaning
    if isinstance(definition, t.Bind):
        return program.types.bound(scope, definition)
    if isinstance(definition, t.Param):
        return program.types.param(scope, definition)
    return LibrarySymbol("builtins.object")


def _meaning(program: "Program", meaning: Meaning, left: int) -> Iterator[TraceStep]:
    scope, definition = meaning
    match definition:
        case FunctionNode():
            yield TraceStep(definition.location, f"defined as {_called(definition)}")
        case ClassNode():
            yield TraceStep(definition.location, f"defined as class {definition.qualname}")
        case t.Import():
            yield from _import(program, scope, definition, left)
        case t.Param():
            yield from _param(program, scope, definition, left)
        case _:
            yield from _bind(program, scope, definition, left)


def _import(
    program: "Program", scope: FunctionNode, item: t.Import, left: int
) -> Iterator[TraceStep]:
    target = program.types.import_target(scope.file, item)
    module = "." * item.level + item.module
    named = f"{item.name} from {module}" if item.name else module
    place = scope.line(item.line)
    if target is None and item.level:
        yield TraceStep(place, f"imported: {named}, which is not in the audited files")
        return
    yield TraceStep(place, f"imported: {named}")
    if target is None:
        yield from _library_name(program, item.module + (f".{item.name}" if item.name else ""))
    elif not isinstance(target, str) and item.name:
        yield from _name(program, target.body, item.name, AT_END, left - 1)


def _library_name(program: "Program", dotted: str) -> Iterator[TraceStep]:
    """Yield the line of the library file that describes a function or class, if one does."""
    libraries = program.libraries
    path = libraries.canonical(dotted)
    described = libraries.type(path)
    if described is not None:
        yield TraceStep(Location(described.file, described.line), f"describes {path}")
        return
    behaviour = libraries.function(path)
    if behaviour is not None:
        yield _library_step(behaviour)


def _library_step(behaviour: "Behaviour") -> TraceStep:
    return TraceStep(Location(behaviour.file, behaviour.line), f"describes {behaviour.path}")


def _bind(program: "Program", scope: FunctionNode, bind: t.Bind, left: int) -> Iterator[TraceStep]:
    place = scope.line(bind.line)
    if bind.annotation is not None:
        yield TraceStep(place, f"annotated {annotation_text(bind.annotation)}")
        declared = annotated(program.types, scope, bind.annotation)
        yield from _annotation(program, scope, bind.annotation, left - 1)
        if not isinstance(declared, Unknown | External):
            return
    if bind.kind == "except":
        yield TraceStep(place, "caught here; what exceptions hold is not followed")
        return
    if bind.value is None:
        yield TraceStep(place, "no value is given here")
        return
    value = bind.value.iterable if isinstance(bind.value, t.Element) else bind.value
    word = BOUND.get(bind.kind, "assigned")
    yield TraceStep(place, f"{word} {_written(scope, value)}")
    at = (bind.sequence, bind.context)
    if bind.kind == "for":
        at = (bind.sequence, scope.facts.contexts[bind.context].parent)
    yield from _expression(program, scope, bind.value, at, left - 1)


def _annotation(
    program: "Program", scope: FunctionNode, annotation: t.Expr, left: int
) -> Iterator[TraceStep]:
    """Yield where the class or alias that an annotation names comes from."""
    if left == 0:
        return
    match annotation:
        case t.Name() | t.Attr():
            yield from _expression(program, scope, annotation, AT_END, left)
        case t.Binary(left=first):
            yield from _annotation(program, scope, first, left - 1)
        case t.Item(key=t.Seq(items=items)) if items:
            yield from _annotation(program, scope, items[0], left - 1)
        case t.Item(key=key):
            yield from _annotation(program, scope, key, left - 1)


def _param(
    program: "Program", function: FunctionNode, param: t.Param, left: int
) -> Iterator[TraceStep]:
    types = program.types
    outer = function.parent or function
    place = function.line(function.facts.line)
    if param.annotation is not None:
        yield TraceStep(place, f"annotated {annotation_text(param.annotation)}")
        yield from _annotation(program, outer, param.annotation, left - 1)
        if not is_weak(types, annotated(types, outer, param.annotation)):
            return
    if param.kind in ("*args", "**kwargs"):
        yield TraceStep(place, f"{param.kind}: what callers pass in it is not followed")
        return
    if receiver_of(types, function, param) is not None and function.owner is not None:
        yield TraceStep(function.owner.location, f"the receiver of {_called(function)}")
        return
    if param.default is not None:
        yield TraceStep(place, f"default {spelled(outer, param.default)}")
        at = (AT_END[0], function.facts.context)
        if types.evaluate(outer, param.default, at) != NONE:
            yield from _expression(program, outer, param.default, at, left - 1)
            return
    yield from _passed(program, function, param, left)


def _passed(
    program: "Program", function: FunctionNode, param: t.Param, left: int
) -> Iterator[TraceStep]:
    given = []
    for edge in program.edges_to(function):
        value = None
        if edge.call is not None and edge.via == "call":
            value = argument_for(edge.call, function, param.name)
        if value is not None:
            at = (edge.sequence, edge.context)
            given.append((edge, value, program.types.evaluate(edge.caller, value, at)))
    known = [item for item in given if _says_something(item[2])]
    for number, (edge, value, found) in enumerate((known or given)[:MAX_WAYS]):
        text = f"{_called(edge.caller)} passes {spelled(edge.caller, value)}: {printed(found)}"
        yield TraceStep(edge.location, text)
        if number == 0:
            at = (edge.sequence, edge.context)
            yield from _expression(program, edge.caller, value, at, left - 1)
    beside = program.types.callers.beside(program.types, function, param)
    for item in [] if known else beside[:MAX_WAYS]:
        call = item.caller.facts.calls[item.number]
        shown = f"{spelled(item.caller, item.value)}: {printed(item.type)}"
        text = f"{_called(item.caller)} hands the function on with {shown}"
        yield TraceStep(item.caller.place(call), text)
    if not given and not beside:
        text = "no call in the audited files passes it"
        yield TraceStep(function.line(function.facts.line), text)


def _result(program: "Program", function: FunctionNode, left: int) -> Iterator[TraceStep]:
    types, facts = program.types, function.facts
    if left == 0:
        return
    if facts.returns is not None and function.parent is not None:
        text = f"annotated -> {annotation_text(facts.returns)}"
        yield TraceStep(function.line(facts.line), text)
        yield from _annotation(program, function.parent, facts.returns, left - 1)
        if not is_weak(types, annotated(types, function.parent, facts.returns)):
            return
    wanted = ("yield", "yield from") if facts.is_generator else ("return",)
    results = [item for item in facts.results if item.kind in wanted and item.value is not None]

    def type_of(item: t.Return) -> Type:
        at = (item.sequence, item.context)
        return types.evaluate(function, item.value, at) if item.value is not None else NONE

    for item in _deciding(results, type_of):
        if item.value is not None:
            place = function.line(item.line)
            yield TraceStep(place, f"{item.kind}s {_written(function, item.value)}")
            at = (item.sequence, item.context)
            yield from _expression(program, function, item.value, at, left - 1)
    if not results and facts.returns is None:
        yield TraceStep(function.line(facts.line), f"no value is {wanted[0]}ed")


def _member(
    program: "Program",
    function: FunctionNode,
    base: t.Expr,
    name: str,
    at: tuple[int, int],
    left: int,
) -> Iterator[TraceStep]:
    owner = program.types.evaluate(function, base, at)
    match options_of(owner)[0]:
        case Instance(node=node) | ClassType(node=node):
            yield from _attribute(program, node, name, left - 1)
        case ModuleType(node=file):
            yield from _name(program, file.body, name, AT_END, left - 1)
        case LibraryInstance(path=path):
            yield from _library_member(program, path, name)
        case LibrarySymbol(path=path):
            yield from _expression(program, function, base, at, left - 1)
            yield from _library_name(program, f"{path}.{name}")
        case _:
            yield from _expression(program, function, base, at, left - 1)


def _library_member(program: "Program", path: str, name: str) -> Iterator[TraceStep]:
    described = program.libraries.type(path)
    if described is None:
        return
    behaviour = program.libraries.method(path, name)
    if behaviour is not None:
        yield _library_step(behaviour)
        return
    known = program.libraries.attribute(path, name) is not None
    says = "describes" if known else "does not describe"
    place = Location(described.file, described.line)
    yield TraceStep(place, f"{says} {path.removeprefix('builtins.')}.{name}")


def _attribute(program: "Program", node: ClassNode, name: str, left: int) -> Iterator[TraceStep]:
    types = program.types
    if left == 0:
        return
    if (node, name) in types.relations:
        yield TraceStep(_relation_place(program, node, name), f"a relation of {node.qualname}")
        return
    for owner in types.classes.project_order(node):
        method = owner.methods.get(name)
        if method is not None:
            kind = method_kind(types, method)
            yield TraceStep(method.location, f"{METHODS[kind]} {method.qualname}")
            if kind == "property":
                yield from _result(program, method, left - 1)
            return
        found = _stores(owner, name)
        if found:
            declared = [item for item in found if item[1].annotation is not None]
            for scope, bind in _deciding(declared or found, lambda each: types.bound(*each)):
                yield from _bind(program, scope, bind, left - 1)
            return
    yield from _inherited(program, node, name)


def _stores(owner: ClassNode, name: str) -> list[tuple[FunctionNode, t.Bind]]:
    """Return the binds that set an attribute in a class's body and in its methods."""
    found = [(owner.body, bind) for bind in owner.body.binds.get(name, ())]
    found += owner.stores.get(name, [])
    return [item for item in found if item[1].annotation is not None or item[1].value is not None]


def _relation_place(program: "Program", node: ClassNode, name: str) -> Location:
    for table in program.schema.tables.values():
        if table.node is node and name in table.relations:
            return table.relations[name].location
    return node.location


def _inherited(program: "Program", node: ClassNode, name: str) -> Iterator[TraceStep]:
    """Yield what says, beyond the classes of the project, what an attribute is."""
    types = program.types
    for path in types.classes.library_bases(node):
        if types.libraries.method(path, name) or types.libraries.attribute(path, name):
            yield from _library_member(program, path, name)
            return
    dynamic = types.classes.method(node, "__getattr__")
    if dynamic is not None:
        yield TraceStep(dynamic.location, f"`{name}` may be made by {dynamic.qualname}")
        return
    text = f"nothing in {node.qualname} or its bases sets `{name}`"
    for base in types.classes.order(node):
        if isinstance(base, External | Unknown):
            text = f"`{name}` may come from a base of {node.qualname}: {printed(base)}"
    yield TraceStep(node.location, text)


def _call(program: "Program", function: FunctionNode, index: int, left: int) -> Iterator[TraceStep]:
    call = function.facts.calls[index]
    resolved = program.types.call(function, index)
    if not resolved.targets:
        yield from _expression(
            program, function, call.callee, (call.sequence, call.context), left - 1
        )
        return
    place = function.place(call)
    target = resolved.targets[0]
    callee = options_of(resolved.callee)[0]
    if isinstance(callee, ClassType):
        yield TraceStep(place, f"constructed: {callee.node.qualname}")
        yield TraceStep(callee.node.location, f"defined as class {callee.node.qualname}")
    elif target.function is not None:
        yield TraceStep(place, f"returned by {target.name}")
        yield from _result(program, target.function, left - 1)
    elif target.behaviour is not None:
        yield TraceStep(place, f"returned by {target.name}")
        yield _library_step(target.behaviour)
    elif target.kind == "external":
        yield TraceStep(place, f"returned by {target.name}, which no library file describes")
    else:
        yield TraceStep(place, f"returned by {target.name.removeprefix('builtins.')}")
        if isinstance(callee, LibrarySymbol | LibraryMethod):
            yield from _library_name(program, target.name)


def _written(scope: FunctionNode, value: t.Expr) -> str:
    """Return an expression as short text, displays and comprehensions by their kind."""
    match value:
        case t.Seq(kind="list", items=()):
            return "[]"
        case t.Mapping(keys=keys):
            return "{...}" if keys else "{}"
        case t.Comp(kind=kind):
            return "a generator" if kind == "generator" else f"a {kind} comprehension"
        case t.Text():
            return "an f-string"
        case t.Opaque():
            return "what is not followed"
    return spelled(scope, value)


def _called(function: FunctionNode) -> str:
    if function.kind == "module":
        return f"module {function.file.module}"
    return function.qualname
