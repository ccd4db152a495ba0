"""What attributes, items, iteration, entering and awaiting give."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import calls
from perfaudit.program.nodes import ClassNode, FileNode
from perfaudit.program.values import (
    NONE,
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
    UnionType,
    Unknown,
    union,
)

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

NO_ATTRIBUTE = Unknown("dynamic attribute")
DATA_ATTRIBUTES = frozenset({"__dict__", "__doc__", "__name__", "__module__"})


def member(types: "Types", owner: Type, name: str) -> Type:
    """Return what ``owner.name`` gives."""
    match owner:
        case UnionType(options=options):
            return union([member(types, option, name) for option in options])
        case Instance():
            return _instance_member(types, owner, name)
        case LibraryInstance():
            return library_member(types, owner, owner.path, name) or _missing(types, owner, name)
        case LibrarySymbol(path=path):
            return _symbol_member(types, path, name)
        case ClassType():
            return _class_attribute(types, owner, name)
        case ModuleType(node=node):
            found = types.export(node, name)
            return found if found is not None else Unknown("not defined in module")
        case Namespace(folder=folder):
            submodule = types.modules.submodule(folder, name)
            if isinstance(submodule, FileNode):
                return ModuleType(submodule)
            return Namespace(submodule) if submodule else Unknown("import not found")
        case External(origin=origin):
            return External(f"{origin}.{name}")
        case FunctionType() | Factory() | Partial():
            return _function_member(types, owner, name)
        case Awaitable():
            return Unknown("attribute of an awaitable")
        case TupleType():
            return (
                library_member(types, LibraryInstance("builtins.tuple"), "builtins.tuple", name)
                or NO_ATTRIBUTE
            )
    return owner if isinstance(owner, Unknown) else NO_ATTRIBUTE


def _function_member(types: "Types", owner: Type, name: str) -> Type:
    if isinstance(owner, FunctionType) and name not in ("setter", "getter", "deleter"):
        decorated = calls.decorator_type(types, owner.node)
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
    if isinstance(found, FunctionType) and found.receiver is None and found.node.owner is not None:
        return _bound(types, owner, found)
    if not isinstance(found, Unknown):
        return found
    for path in types.classes.library_bases(owner.node):
        inherited = library_member(types, owner, path, name)
        if inherited is not None:
            return inherited
    dynamic = types.classes.method(owner.node, "__getattr__")
    if dynamic is not None:
        return Unknown("__getattr__")
    return _open_member(types, owner.node, name, found)


def _open_member(types: "Types", node: ClassNode, name: str, found: Type) -> Type:
    """Return what a member that no project class defines may be: a library base's, or unknown."""
    for item in types.classes.order(node):
        if isinstance(item, LibrarySymbol) and item.path != "builtins.object":
            return External(f"{item.path}.{name}")
        if isinstance(item, External):
            return External(f"{item.origin}.{name}")
        if isinstance(item, Unknown):
            return Unknown("unknown base class")
    return found


def _bound(types: "Types", owner: Type, found: FunctionType) -> Type:
    kind = calls.method_kind(types, found.node)
    if kind == "property":
        return types.returned(found.node)
    if kind == "static":
        return found
    if kind == "class" and isinstance(owner, Instance):
        return FunctionType(found.node, ClassType(owner.node, owner.arguments))
    return FunctionType(found.node, owner)


def _class_attribute(types: "Types", owner: ClassType, name: str) -> Type:
    node = owner.node
    for candidate in types.classes.project_order(node):
        nested = candidate.body.inner_classes.get(name)
        if nested:
            return ClassType(nested[-1])
        method = candidate.methods.get(name)
        if method is not None:
            kind = calls.method_kind(types, method)
            if kind == "class":
                return FunctionType(method, owner)
            return FunctionType(method)
    for path in types.classes.library_bases(node):
        attribute = types.libraries.class_attribute(path, name)
        if attribute is not None and not _is_written(types, node, name):
            return types.instantiate(attribute, receiver=Instance(node, owner.arguments))
    found = types.attribute(node, name)
    if (
        isinstance(found, Instance | LibraryInstance)
        and is_enum(types, node)
        and name in node.body.binds
    ):
        return Instance(node)
    if not isinstance(found, Unknown):
        return _managed(types, owner, found)
    for path in types.classes.library_bases(node):
        behaviour = types.libraries.method(path, name)
        if behaviour is not None:
            return LibraryMethod(Instance(node, owner.arguments), path, behaviour)
    return _open_member(types, node, name, found)


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
    for owner in types.classes.project_order(node):
        found = _own_member(types, owner, name)
        if found is None:
            continue
        if not isinstance(found, Unknown):
            return found
        first_unknown = first_unknown or found
    return first_unknown or NO_ATTRIBUTE


def _own_member(types: "Types", owner: ClassNode, name: str) -> Type | None:
    method = owner.methods.get(name)
    if method is not None:
        return calls.decorated(types, method)
    found: list[Type] = []
    binds = owner.body.binds.get(name, ())
    for bind in binds:
        if bind.annotation is not None or bind.value is not None:
            found.append(types.bound(owner.body, bind))
    declared = [
        item for bind, item in zip(binds, found, strict=False) if bind.annotation is not None
    ]
    known = [item for item in declared if not isinstance(item, Unknown)]
    if known:
        return union(known)
    for function, bind in owner.stores.get(name, ()):
        if bind.annotation is not None or bind.value is not None:
            found.append(types.bound(function, bind))
    if not found:
        nested = owner.body.inner_classes.get(name)
        return ClassType(nested[-1]) if nested else None
    return union(found)


def item(types: "Types", owner: Type, key: t.Expr) -> Type:
    """Return what ``owner[key]`` gives."""
    match owner:
        case UnionType(options=options):
            return union([item(types, option, key) for option in options])
        case TupleType(items=items):
            if (
                isinstance(key, t.Const)
                and isinstance(key.value, int)
                and -len(items) <= key.value < len(items)
            ):
                return items[key.value]
            return union(list(items))
        case LibraryInstance(path="builtins.dict", arguments=(_, value)):
            return value
        case LibraryInstance(path=path, arguments=arguments):
            if isinstance(key, t.Slice):
                return owner
            declared = types.libraries.items(path)
            if declared is not None:
                return types.instantiate(declared, receiver=owner)
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
                return types.returned(method)
            for path in types.classes.library_bases(node):
                if isinstance(key, t.Slice):
                    return owner
                declared = types.libraries.items(path)
                if declared is not None:
                    return types.instantiate(declared, receiver=owner)
            return Unknown("no __getitem__")
        case ClassType(node=node):
            return Instance(node) if is_enum(types, node) else owner
        case External(origin=origin):
            return External(f"{origin}[]")
    return owner if isinstance(owner, Unknown) else Unknown("element not known")


def element(types: "Types", owner: Type) -> Type:
    """Return what iterating gives."""
    match owner:
        case UnionType(options=options):
            return union([element(types, option) for option in options if option != NONE])
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
            return _instance_element(types, owner, node)
        case ClassType(node=node):
            return Instance(node) if is_enum(types, node) else Unknown("not iterable")
        case Awaitable(result=result):
            return element(types, result)
        case External(origin=origin):
            return External(f"{origin}[]")
    return owner if isinstance(owner, Unknown) else Unknown("element not known")


def _instance_element(types: "Types", owner: Instance, node: ClassNode) -> Type:
    for name in ("__iter__", "__aiter__"):
        method = types.classes.method(node, name)
        if method is not None:
            given = types.returned(method)
            if isinstance(given, Instance) and given.node is node:
                following = types.classes.method(
                    node, "__next__" if name == "__iter__" else "__anext__"
                )
                if following is None:
                    return Unknown("iterator without __next__")
                return awaited(types, types.returned(following), lenient=True)
            return element(types, given)
    for path in types.classes.library_bases(node):
        declared = types.libraries.iterates(path)
        if declared is not None:
            return types.instantiate(declared, receiver=owner)
    return Unknown("no __iter__")


def entered(types: "Types", owner: Type, *, is_async: bool = False) -> Type:
    """Return what ``with owner as`` gives, or ``async with``."""
    match owner:
        case UnionType(options=options):
            name = "__aenter__" if is_async else "__enter__"
            fitting = [
                option
                for option in options
                if not isinstance(option, Instance)
                or types.classes.method(option.node, name) is not None
            ]
            return union(
                [entered(types, option, is_async=is_async) for option in fitting or options]
            )
        case Instance(node=node):
            for name in ("__aenter__", "__enter__"):
                method = types.classes.method(node, name)
                if method is not None:
                    return _returned_self(
                        types, owner, awaited(types, types.returned(method), lenient=True)
                    )
            for path in types.classes.library_bases(node):
                declared = types.libraries.enters(path)
                if declared is not None:
                    return types.instantiate(declared, receiver=owner)
            return owner
        case LibraryInstance(path=calls.MANAGED, arguments=(managed,)):
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
            return types.returned(method)
        for path in types.classes.library_bases(left.node):
            behaviour = types.libraries.method(path, method_name)
            if behaviour is not None and behaviour.returns is not None:
                return types.instantiate(behaviour.returns, receiver=left)
    if isinstance(left, LibraryInstance) and left.path.startswith("builtins."):
        return left
    if isinstance(right, LibraryInstance) and right.path == "builtins.str":
        return right
    return left if isinstance(left, Unknown | External) else Unknown("operator")


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
