"""What attributes, items, iteration, entering and awaiting give."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program import decorators
from perfaudit.program.expressions import argument
from perfaudit.program.implementers import MAX_IMPLEMENTERS
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode, enclosing_class
from perfaudit.program.questions import GETATTR
from perfaudit.program.values import (
    MANAGED,
    NONE,
    OF_RECEIVER,
    Arguments,
    Awaitable,
    ClassType,
    External,
    Factory,
    FunctionType,
    Instance,
    LibraryInstance,
    LibraryMethod,
    LibrarySymbol,
    ModuleType,
    Namespace,
    Partial,
    TupleType,
    Type,
    TypeVariable,
    UnionType,
    Unknown,
    mentions_variable,
    options_of,
    refined,
    substitute,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

OBJECT_METHODS = frozenset(dir(object)) | {"__init_subclass__", "__getattr__"}
PROPERTY = t.Name("property")
NO_ATTRIBUTE = Unknown("dynamic attribute")

MAX_ITERATORS = 8
"""Iterators that are followed to what they give: code may well return them in a circle."""


def member(types: "Types", owner: Type, name: str) -> Type:
    """Return what ``owner.name`` gives."""
    if type(owner) is Unknown:
        return owner
    key = (owner, name)
    return types.members.get(key) or types.kept(
        types.members, key, lambda: _member(types, owner, name)
    )


def _member(types: "Types", owner: Type, name: str) -> Type:
    of_kind = _MEMBERS.get(type(owner))
    return NO_ATTRIBUTE if of_kind is None else of_kind(types, owner, name)


def _of_union(types: "Types", owner: UnionType, name: str) -> Type:
    return union([member(types, option, name) for option in owner.options])


def _of_instance(types: "Types", owner: Instance, name: str) -> Type:
    if name == "__class__":
        return ClassType(owner.node, owner.arguments)
    return _instance_member(types, owner, name)


def _of_object(types: "Types", owner: LibraryInstance, name: str) -> Type:
    """Return an attribute of a library's object, or of the class that ``type[Book]`` says."""
    made = owner.arguments[0] if len(owner.arguments) == 1 else None
    if owner.path != "builtins.type" or not isinstance(made, Instance | TypeVariable):
        return _of_library(types, owner, name)
    inner = made.bound if isinstance(made, TypeVariable) else made
    if isinstance(inner, Instance):
        return _class_attribute(types, ClassType(inner.node, inner.arguments), name)
    return Unknown("type parameter not known")


def _of_symbol(types: "Types", owner: LibrarySymbol, name: str) -> Type:
    return _symbol_member(types, owner.path, name)


def _of_namespace(types: "Types", owner: Namespace, name: str) -> Type:
    submodule = types.modules.submodule(owner.folder, name)
    if isinstance(submodule, FileNode):
        return ModuleType(submodule)
    return Namespace(submodule) if submodule else Unknown("import not found")


def _of_external(types: "Types", owner: External, name: str) -> Type:
    return types.given(owner, name) or External(f"{owner.origin}.{name}")


def _of_variable(types: "Types", owner: TypeVariable, name: str) -> Type:
    if owner.bound is None:
        return Unknown("type parameter not known")
    return member(types, owner.bound, name)


def _of_awaitable(types: "Types", owner: Awaitable, name: str) -> Type:
    return Unknown("attribute of an awaitable")


def _of_tuple(types: "Types", owner: TupleType, name: str) -> Type:
    path = "builtins.tuple"
    return library_member(types, LibraryInstance(path), path, name) or NO_ATTRIBUTE


def _of_library(types: "Types", owner: LibraryInstance, name: str) -> Type:
    """Return an attribute of a library's object: as its file says, or what the project puts in."""
    found = library_member(types, owner, owner.path, name)
    if found is not None and not isinstance(found, Unknown):
        return found
    given = types.given(owner, name)
    if given is not None:
        return given
    return _missing(types, owner, name) if found is None else found


def _of_module(types: "Types", owner: ModuleType, name: str) -> Type:
    found = types.export(owner.node, name)
    if found is None or found == NONE or isinstance(found, Unknown):
        given = types.given(owner, name)
        if given is not None:
            return given
    return Unknown("not defined in module") if found is None else found


def _function_member(types: "Types", owner: Type, name: str) -> Type:
    if isinstance(owner, FunctionType) and name not in ("setter", "getter", "deleter"):
        decorated = decorators.decorator_type(types, owner.node)
        if decorated is not None:
            return member(types, decorated, name)
    return Unknown("attribute of a function")


def _missing(types: "Types", owner: LibraryInstance, name: str) -> Type:
    """Return a member that the library file does not describe, as one of the library's."""
    if types.libraries.type(owner.path) is not None and owner.path.startswith("builtins."):
        return Unknown("builtin attribute")
    return External(f"{owner.path}.{name}")


def library_member(types: "Types", receiver: Type, path: str, name: str) -> Type | None:
    """Return a member of a library type as its file says, or None."""
    libraries = types.libraries
    attribute = libraries.attribute(path, name)
    if attribute is not None:
        return types.instantiate(attribute, receiver=receiver)
    behaviour = libraries.method(path, name) or libraries.method(path, "*")
    if behaviour is not None:
        return LibraryMethod(receiver, path, behaviour)
    attribute = libraries.attribute(path, "*")
    return None if attribute is None else types.instantiate(attribute, receiver=receiver)


def _symbol_member(types: "Types", path: str, name: str) -> Type:
    described = types.libraries.type(path)
    if described is not None:
        attribute = types.libraries.class_attribute(path, name)
        if attribute is not None:
            return types.instantiate(attribute, receiver=LibraryInstance(path))
        behaviour = types.libraries.method(path, name)
        if behaviour is not None:
            return LibraryMethod(LibraryInstance(path), path, behaviour)
    return types.symbol(f"{path}.{name}")


def _instance_member(types: "Types", owner: Instance, name: str) -> Type:
    relation = types.relations.get((owner.node, name))
    if relation is not None:
        return relation
    found = types.attribute(owner.node, name)
    if type(found) is FunctionType and found.receiver is None and found.node.owner is not None:
        return _bound(types, owner, found)
    if mentions_variable(found):
        return substitute(found, variables(types, owner, owner.node))
    if found == NONE:
        return _from_elsewhere(types, owner, name) or found
    if type(found) is not Unknown:
        return found
    for path in types.classes.library_bases(owner.node):
        inherited = library_member(types, owner, path, name)
        if inherited is not None:
            return inherited
    given = _from_elsewhere(types, owner, name)
    if given is not None:
        return given
    dynamic = types.classes.method(owner.node, "__getattr__")
    if dynamic is not None:
        return _delegated(types, dynamic, name)
    return _open_member(types, owner.node, name, found)


def _delegated(types: "Types", dynamic: FunctionNode, name: str) -> Type:
    """Return what ``__getattr__`` gives that asks another object: ``getattr(self.inner, name)``."""
    asked = t.Name(dynamic.facts.params[-1].name) if dynamic.facts.params else None
    under_way = (dynamic, name)
    if under_way in types.delegating:
        return NO_ATTRIBUTE
    for item in dynamic.facts.results:
        if not isinstance(item.value, t.CallRef):
            continue
        call = dynamic.facts.calls[item.value.index]
        if call.callee == GETATTR and call.arguments[1:2] == (asked,):
            types.delegating.add(under_way)
            inner = types.evaluate(dynamic, call.arguments[0], (call.sequence, call.context))
            found = member(types, inner, name)
            types.delegating.discard(under_way)
            return found
    return Unknown("__getattr__")


def _from_elsewhere(types: "Types", owner: Instance, name: str) -> Type | None:
    """Return an attribute that other code sets, or that a class leaves to its subclasses."""
    given = types.given(owner, name)
    return _of_subclasses(types, owner, name) if given is None else given


def _of_subclasses(types: "Types", owner: Instance, name: str) -> Type | None:
    """Return an attribute that a class leaves to its subclasses, or None."""
    found: list[Type] = []
    is_test = owner.node.file.role is Role.TEST
    for node in types.classes.subclasses_with(owner.node, name):
        if node.file.role is Role.TEST and not is_test:
            continue
        own = own_member(types, node, name)
        if own is None or own == NONE or isinstance(own, Unknown):
            continue
        if isinstance(own, FunctionType) and own.receiver is None and own.node.owner is not None:
            own = _bound(types, Instance(node), own)
        found.append(own)
    if not 0 < len(found) <= MAX_IMPLEMENTERS:
        return None
    types.supposed.setdefault(name, set()).add(owner.node)
    return union(found)


def variables(types: "Types", owner: Type, node: ClassNode) -> dict[str, Type]:
    """Return what ``Self`` and the type parameters of a class are for an object."""
    if not isinstance(owner, Instance | ClassType):
        return {}
    mapping: dict[str, Type] = {"Self": Instance(owner.node, owner.arguments)}
    if owner.arguments:
        mapping[OF_RECEIVER] = owner.arguments[0]
        mapping.update(zip(types.classes.parameters(owner.node), owner.arguments, strict=False))
    for item in types.classes.order(owner.node):
        if isinstance(item, ClassType) and item.arguments and item.node is not owner.node:
            names = types.classes.parameters(item.node)
            for key, given in zip(names, item.arguments, strict=False):
                mapping.setdefault(key, substitute(given, mapping))
    return mapping


def returned_by(types: "Types", owner: Instance, method: FunctionNode) -> Type:
    """Return what a method gives that is called on an object."""
    found = types.returned(method)
    if mentions_variable(found):
        return substitute(found, variables(types, owner, owner.node))
    return found


def super_member(types: "Types", function: FunctionNode, value: t.CallRef, name: str) -> Type:
    """Return ``super().name``: the member of the nearest class above that has it."""
    owner = enclosing_class(function)
    if owner is None:
        return Unknown("super outside a class")
    found = _first_of(types, Instance(owner), types.classes.order(owner)[1:], name)
    if found is not None:
        return found
    mixed = _above_mixin(types, owner, name)
    if mixed is not None:
        return mixed
    if name in OBJECT_METHODS and not types.classes.is_open(owner):
        return Factory(Instance(owner) if name == "__new__" else NONE)
    return _open_member(types, owner, name, NO_ATTRIBUTE)


def _first_of(
    types: "Types", receiver: Instance, bases: tuple[Type, ...], name: str
) -> Type | None:
    """Return the member of the first of some classes in a row that has it."""
    for base in bases:
        if isinstance(base, ClassType):
            found = own_member(types, base.node, name)
            if isinstance(found, FunctionType) and found.node.owner is not None:
                return _bound(types, receiver, found)
        elif isinstance(base, LibrarySymbol | LibraryInstance):
            items = types.libraries.is_made_of_items(base.path)
            above = receiver if items else LibraryInstance(base.path)
            found = library_member(types, above, base.path, name)
        else:
            return None
        if found is not None:
            return found
    return None


def _above_mixin(types: "Types", owner: ClassNode, name: str) -> Type | None:
    """Return the member of a library that stands above a class without bases where it is mixed in.

    None where that is not the same for all classes that it is mixed into and that have it.
    """
    if owner.facts.bases or name in OBJECT_METHODS:
        return None
    found: Type | None = None
    for node in types.classes.subclasses(owner):
        order = types.classes.order(node)
        place = next(
            (
                n
                for n, base in enumerate(order)
                if isinstance(base, ClassType) and base.node is owner
            ),
            None,
        )
        if node is owner or place is None:
            continue
        above = _first_of(types, Instance(owner), order[place + 1 :], name)
        if above is None and not types.classes.is_open(node):
            continue
        if not isinstance(above, LibraryMethod) or (found is not None and above != found):
            return None
        found = above
    return found


def accessor(
    types: "Types", node: ClassNode, name: str, special: str
) -> tuple[FunctionNode, Instance] | None:
    """Return the method that runs when an attribute is read (``__get__``) or set (``__set__``).

    It is of a property that a call makes, or of a descriptor of the project; None for others.
    """
    for owner in types.classes.project_order(node):
        for bind in owner.body.binds.get(name, ()):
            if type(bind.value) is not t.CallRef:
                continue
            call = owner.body.facts.calls[bind.value.index]
            if call.callee == PROPERTY:
                return _property_part(types, owner, call, special)
            made = types.call(owner.body, bind.value.index).result
            if isinstance(made, Instance):
                method = types.classes.method(made.node, special)
                return None if method is None else (method, made)
    return None


def _property_part(
    types: "Types", owner: ClassNode, call: t.Call, special: str
) -> tuple[FunctionNode, Instance] | None:
    given = argument(call, "0|fget" if special == "__get__" else "1|fset")
    if given is None:
        return None
    found = types.evaluate(owner.body, given, (call.sequence, call.context))
    return (found.node, Instance(owner)) if isinstance(found, FunctionType) else None


def _open_member(types: "Types", node: ClassNode, name: str, found: Type) -> Type:
    """Return what a member that no project class defines may be: a library base's, or unknown."""
    for item in types.classes.order(node):
        if type(item) is LibrarySymbol and item.path != "builtins.object":
            return External(f"{item.path}.{name}")
        if type(item) is External:
            return External(f"{item.origin}.{name}")
        if type(item) is Unknown:
            return Unknown("unknown base class")
    return found


def _bound(types: "Types", owner: Type, found: FunctionType) -> Type:
    kind = decorators.method_kind(types, found.node)
    if kind == "property":
        return _property(types, owner, found.node)
    if kind == "static":
        return found
    if kind == "class" and isinstance(owner, Instance):
        return FunctionType(found.node, ClassType(owner.node, owner.arguments))
    return FunctionType(found.node, owner)


def _property(types: "Types", owner: Type, method: FunctionNode) -> Type:
    if not isinstance(owner, Instance):
        return types.returned(method)
    found = returned_by(types, owner, method)
    node = method.owner
    if isinstance(found, Unknown) and node is not None and types.classes.is_abstract(node, method):
        given = _of_subclasses(types, owner, method.name)
        return found if given is None else given
    return found


def _class_attribute(types: "Types", owner: ClassType, name: str) -> Type:
    node = owner.node
    for candidate in types.classes.project_order(node):
        nested = candidate.body.inner_classes.get(name)
        if nested:
            return ClassType(nested[-1])
        method = candidate.methods.get(name)
        if method is not None:
            kind = decorators.method_kind(types, method)
            if kind == "class":
                return FunctionType(method, owner)
            return FunctionType(method)
    for path in types.classes.library_bases(node):
        attribute = types.libraries.class_attribute(path, name)
        if attribute is not None and not _is_written(types, node, name):
            return types.instantiate(attribute, receiver=Instance(node, owner.arguments))
    found = types.attribute(node, name)
    if found in (NONE, NO_ATTRIBUTE):
        found = types.given(owner, name) or found
    if (
        isinstance(found, Instance | LibraryInstance)
        and is_enum(types, node)
        and name in node.body.binds
    ):
        return Instance(node)
    if isinstance(found, Unknown | External):
        described = _as_described(types, owner, name)
        if described is not None:
            return described
    if not isinstance(found, Unknown):
        return _managed(types, owner, found)
    for path in types.classes.library_bases(node):
        behaviour = types.libraries.method(path, name)
        if behaviour is not None:
            return LibraryMethod(Instance(node, owner.arguments), path, behaviour)
    return _open_member(types, node, name, found)


def _as_described(types: "Types", owner: ClassType, name: str) -> Type | None:
    """Return what the library says of a class attribute that holds something unknown instead.

    Whatever manager a table class has, it does what those of the library do.
    """
    for path in types.classes.library_bases(owner.node):
        attribute = types.libraries.class_attribute(path, name)
        if attribute is not None:
            return types.instantiate(attribute, receiver=Instance(owner.node, owner.arguments))
    return None


def _is_written(types: "Types", node: ClassNode, name: str) -> bool:
    """Return whether the class or a project base of it sets the attribute itself."""
    return any(name in owner.body.binds for owner in types.classes.project_order(node))


def _managed(types: "Types", owner: ClassType, found: Type) -> Type:
    """Return a class attribute that learns its owner, such as a custom manager of a table class."""
    if isinstance(found, LibraryInstance) and not found.arguments:
        described = types.libraries.type(found.path)
        if described is not None and described.parameters:
            return LibraryInstance(found.path, (Instance(owner.node),))
    if isinstance(found, Instance) and not found.arguments:
        for path in types.classes.library_bases(found.node):
            described = types.libraries.type(path)
            if described is not None and described.parameters:
                return Instance(found.node, (Instance(owner.node),))
    return found


def is_enum(types: "Types", node: ClassNode) -> bool:
    """Return whether the class is an enumeration."""
    return any(path.startswith("enum.") for path in types.classes.library_bases(node))


def class_member(types: "Types", node: ClassNode, name: str) -> Type:
    """Return the declared or assigned type of an attribute of the class or its project bases."""
    first_unknown: Unknown | None = None
    nothing: Type | None = None
    for owner in types.classes.project_order(node):
        found = own_member(types, owner, name)
        if found is None:
            continue
        if found == NONE:
            nothing = NONE
        elif not isinstance(found, Unknown):
            return found
        else:
            first_unknown = first_unknown or found
    return nothing or first_unknown or NO_ATTRIBUTE


def own_member(types: "Types", owner: ClassNode, name: str) -> Type | None:
    """Return what a class itself says of an attribute of its objects, or None."""
    method = owner.methods.get(name)
    if method is not None:
        return decorators.decorated(types, method)
    found: list[Type] = []
    binds = owner.body.binds.get(name, ())
    if any(type(bind.value) is t.CallRef for bind in binds):
        getter = accessor(types, owner, name, "__get__")
        if getter is not None:
            return returned_by(types, getter[1], getter[0])
    for bind in binds:
        if bind.annotation is not None or bind.value is not None:
            found.append(types.bound(owner.body, bind))
    declared = [
        item for bind, item in zip(binds, found, strict=False) if bind.annotation is not None
    ]
    known = [item for item in declared if not isinstance(item, Unknown)]
    if known:
        return _kept_callable(types, owner, name, union(known))
    for function, bind in owner.stores.get(name, ()):
        if bind.annotation is not None or bind.value is not None:
            found.append(types.bound(function, bind))
    if not found:
        nested = owner.body.inner_classes.get(name)
        return ClassType(nested[-1]) if nested else None
    return union(found)


def _kept_callable(types: "Types", owner: ClassNode, name: str, declared: Type) -> Type:
    """Return a field's type; of a callable also the one function that all objects are made with."""
    if not isinstance(declared, Factory) or types.classes.method(owner, "__init__") is not None:
        return declared
    fields = fields_of(types, owner)
    if name not in fields:
        return declared
    found = types.callers.made_with(types, owner, fields.index(name), name)
    if not found or not isinstance(found[0], FunctionType) or found.count(found[0]) < len(found):
        return declared
    return refined(declared, found[0])


def fields_of(types: "Types", node: ClassNode) -> list[str]:
    """Return the names of the annotated attributes of a class and its bases, in order."""
    return [
        bind.target.id
        for owner in reversed(types.classes.project_order(node))
        for bind in owner.body.facts.binds
        if bind.kind == "annotated" and isinstance(bind.target, t.Name)
    ]


def item(types: "Types", owner: Type, key: t.Expr, asked: Arguments | None = None) -> Type:
    """Return what ``owner[key]`` gives; ``asked`` tells the type of the key."""
    match owner:
        case UnionType(options=options):
            return union([item(types, option, key, asked) for option in options])
        case TupleType(items=items):
            return _tuple_item(items, key)
        case LibraryInstance(path="builtins.dict", arguments=(_, value)):
            return value
        case LibraryInstance(path=path, arguments=arguments):
            if isinstance(key, t.Slice):
                if path == "builtins.iterator":
                    return LibraryInstance("builtins.list", arguments)
                return owner
            declared = types.libraries.items(path)
            if declared is not None:
                return types.instantiate(declared, receiver=owner, arguments=asked)
            if path.startswith("builtins.") and arguments:
                return arguments[-1]
            return (
                External(f"{path}[]")
                if not path.startswith("builtins.")
                else Unknown("element not known")
            )
        case Instance(node=node):
            method = types.classes.method(node, "__getitem__")
            if method is not None:
                return returned_by(types, owner, method)
            field = field_of(types, owner, key)
            if field is not None:
                return field
            for path in types.classes.library_bases(node):
                if isinstance(key, t.Slice):
                    return owner
                declared = types.libraries.items(path)
                if declared is not None:
                    return types.instantiate(declared, receiver=owner)
            if isinstance(key, t.Const) and types.classes.method(node, "__iter__") is not None:
                return _instance_element(types, owner, node)
            return Unknown("no __getitem__")
        case ClassType(node=node):
            return Instance(node) if is_enum(types, node) else owner
        case External(origin=origin):
            return External(f"{origin}[]")
    return owner if isinstance(owner, Unknown) else Unknown("element not known")


def _tuple_item(items: tuple[Type, ...], key: t.Expr) -> Type:
    match key:
        case t.Const(value=int(index)) if -len(items) <= index < len(items):
            return items[index]
        case t.Slice(lower=lower, upper=upper, step=None):
            first, last = _bound_of(lower, 0), _bound_of(upper, len(items))
            if first is not None and last is not None:
                return TupleType(items[first:last])
    return union(list(items))


def _bound_of(part: t.Expr | None, default: int) -> int | None:
    if part is None:
        return default
    return part.value if isinstance(part, t.Const) and isinstance(part.value, int) else None


def field_of(types: "Types", owner: Instance, key: t.Expr) -> Type | None:
    """Return a field of a named tuple by its position, or of a typed dictionary by its name."""
    if not isinstance(key, t.Const):
        return None
    bases = types.classes.library_bases(owner.node)
    name = key.value
    if isinstance(name, int) and any(path.endswith(".NamedTuple") for path in bases):
        fields = fields_of(types, owner.node)
        name = fields[name] if -len(fields) <= name < len(fields) else None
    elif not any(path.endswith(".TypedDict") for path in bases):
        return None
    return member(types, owner, name) if isinstance(name, str) else None


def element(types: "Types", owner: Type, steps: int = MAX_ITERATORS) -> Type:
    """Return what iterating gives."""
    if steps == 0:
        return Unknown("iterators without end")
    match owner:
        case UnionType(options=options):
            return union(
                [element(types, option, steps - 1) for option in options if option != NONE]
            )
        case TupleType(items=items):
            return union(list(items)) if items else Unknown("empty")
        case LibraryInstance(path="builtins.dict", arguments=(key, _)):
            return key
        case LibraryInstance(path="builtins.str"):
            return owner
        case LibraryInstance(path=path, arguments=arguments):
            declared = types.libraries.iterates(path)
            if declared is not None:
                return types.instantiate(declared, receiver=owner)
            if arguments:
                return arguments[0]
            return (
                External(f"{path}[]")
                if not path.startswith("builtins.")
                else Unknown("element not known")
            )
        case Instance(node=node):
            return _instance_element(types, owner, node, steps)
        case ClassType(node=node):
            return Instance(node) if is_enum(types, node) else Unknown("not iterable")
        case Awaitable(result=result):
            return element(types, result, steps - 1)
        case External(origin=origin):
            return External(f"{origin}[]")
    return owner if isinstance(owner, Unknown) else Unknown("element not known")


def _instance_element(
    types: "Types", owner: Instance, node: ClassNode, steps: int = MAX_ITERATORS
) -> Type:
    for name, following in (("__iter__", "__next__"), ("__aiter__", "__anext__")):
        method = types.classes.method(node, name)
        if method is not None:
            given = options_of(awaited(types, returned_by(types, owner, method), lenient=True))
            return union(
                [
                    _next_of(types, option, following)
                    if isinstance(option, Instance)
                    else element(types, option, steps - 1)
                    for option in given
                ]
            )
    declared = _iterates(types, owner)
    if declared is not None:
        return declared
    for name in ("__next__", "__anext__", "__getitem__"):
        method = types.classes.method(node, name)
        if method is not None:
            return awaited(types, returned_by(types, owner, method), lenient=True)
    return Unknown("no __iter__")


def _next_of(types: "Types", iterator: Instance, following: str) -> Type:
    """Return what an iterator of the project gives, by its method for the next item."""
    method = types.classes.method(iterator.node, following)
    if method is not None:
        return awaited(types, returned_by(types, iterator, method), lenient=True)
    return _iterates(types, iterator) or Unknown("iterator without __next__")


def _iterates(types: "Types", owner: Instance) -> Type | None:
    """Return what the library class gives that an object's class inherits from, or None."""
    for path in types.classes.library_bases(owner.node):
        declared = types.libraries.iterates(path)
        if declared is not None:
            return types.instantiate(declared, receiver=owner)
    return None


def entered(types: "Types", owner: Type, *, is_async: bool = False) -> Type:
    """Return what ``with owner as`` gives, or ``async with``."""
    names = ("__aenter__", "__enter__") if is_async else ("__enter__", "__aenter__")
    match owner:
        case UnionType(options=options):
            fitting = [
                option
                for option in options
                if not isinstance(option, Instance)
                or types.classes.method(option.node, names[0]) is not None
            ]
            return union(
                [entered(types, option, is_async=is_async) for option in fitting or options]
            )
        case Instance(node=node):
            for name in names:
                method = types.classes.method(node, name)
                if method is not None:
                    return _returned_self(
                        types,
                        owner,
                        awaited(types, returned_by(types, owner, method), lenient=True),
                    )
            for path in types.classes.library_bases(node):
                declared = types.libraries.enters(path)
                if declared is not None:
                    return types.instantiate(declared, receiver=owner)
            return owner
        case LibraryInstance(path=path, arguments=(managed,)) if path == MANAGED:
            return managed
        case LibraryInstance(path=path):
            declared = types.libraries.enters(path)
            return owner if declared is None else types.instantiate(declared, receiver=owner)
        case Awaitable(result=result):
            return entered(types, result, is_async=is_async)
    return owner


def _returned_self(types: "Types", owner: Instance, found: Type) -> Type:
    """Return the receiver where a method of it returns itself."""
    if isinstance(found, Instance) and owner.node in [
        found.node,
        *types.classes.subclasses(found.node),
    ]:
        return owner
    return found


def awaited(types: "Types", value: Type, *, lenient: bool = False) -> Type:
    """Return what ``await value`` gives; with ``lenient``, what is not awaitable gives itself."""
    match value:
        case UnionType(options=options):
            return union([awaited(types, option, lenient=lenient) for option in options])
        case Awaitable(result=result):
            return result
        case External(origin=origin):
            return value if lenient else External(origin)
        case Instance(node=node):
            method = types.classes.method(node, "__await__")
            if method is not None and not lenient:
                return Unknown("custom awaitable")
        case LibraryInstance(path=path):
            behaviour = types.libraries.method(path, "__await__")
            if behaviour is not None and behaviour.returns is not None:
                return types.instantiate(behaviour.returns, receiver=value)
    # What is awaited and is not known to be awaitable gives itself (pool = await create_pool()).
    return value


def operation(types: "Types", operator: str, left: Type, right: Type) -> Type:
    """Return what an arithmetic operation gives."""
    method_name = OPERATORS.get(operator)
    if operator == "BitOr" and _is_class(types, left) and _is_class(types, right):
        return union([left, right])
    for side in (left, right):
        if (
            isinstance(side, LibraryInstance)
            and not side.path.startswith("builtins.")
            and method_name
        ):
            behaviour = types.libraries.method(side.path, method_name)
            if behaviour is not None and behaviour.returns is not None:
                return types.instantiate(behaviour.returns, receiver=side)
    if isinstance(left, Instance) and method_name:
        method = types.classes.method(left.node, method_name)
        if method is not None:
            return returned_by(types, left, method)
        for path in types.classes.library_bases(left.node):
            behaviour = types.libraries.method(path, method_name)
            if behaviour is not None and behaviour.returns is not None:
                return types.instantiate(behaviour.returns, receiver=left)
    if isinstance(left, LibraryInstance) and left.path.startswith("builtins."):
        return left
    if isinstance(right, LibraryInstance) and right.path == "builtins.str":
        return right
    return left if isinstance(left, Unknown | External) else Unknown("operator")


def _is_class(types: "Types", value: Type) -> bool:
    """Return whether a value is a class, or None, as one side of ``A | B``."""
    if isinstance(value, LibrarySymbol):
        return types.libraries.function(value.path) is None
    return value == NONE or all(
        isinstance(option, ClassType | LibrarySymbol) or option == NONE
        for option in options_of(value)
    )


OPERATORS = {
    "Add": "__add__",
    "Sub": "__sub__",
    "Mult": "__mul__",
    "Div": "__truediv__",
    "Mod": "__mod__",
    "BitOr": "__or__",
    "BitAnd": "__and__",
    "RShift": "__rshift__",
    "LShift": "__lshift__",
    "MatMult": "__matmul__",
}


_MEMBERS: dict[type, Callable[["Types", Any, str], Type]] = {
    UnionType: _of_union,
    Instance: _of_instance,
    LibraryInstance: _of_object,
    LibrarySymbol: _of_symbol,
    ClassType: _class_attribute,
    ModuleType: _of_module,
    Namespace: _of_namespace,
    External: _of_external,
    TypeVariable: _of_variable,
    FunctionType: _function_member,
    Factory: _function_member,
    Partial: _function_member,
    Awaitable: _of_awaitable,
    TupleType: _of_tuple,
}
"""How an attribute of a value of each kind is found; others have none."""
