"""Types as people write them, for the pages of ``perfaudit show``."""

from perfaudit.facts import types as t
from perfaudit.program.values import (
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
)

MAX_NESTING = 5


def printed(value: Type, nesting: int = MAX_NESTING) -> str:
    """Return a type as text: ``list[Agent]``, ``asyncpg.Pool``, ``Unknown: untyped parameter``."""
    if nesting == 0:
        return "..."
    match value:
        case Unknown(reason="annotated Any"):
            return "Any"
        case Unknown(reason=reason):
            return f"Unknown: {reason}"
        case Instance(node=node, arguments=arguments):
            return node.name + _arguments(arguments, nesting)
        case ClassType(node=node, arguments=arguments):
            return f"type[{node.name}{_arguments(arguments, nesting)}]"
        case LibraryInstance(path=path, arguments=arguments):
            short = path.removeprefix("builtins.")
            return ("None" if short == "NoneType" else short) + _arguments(arguments, nesting)
        case LibrarySymbol(path=path):
            return f"{path.removeprefix('builtins.')} (name)"
        case External(origin=origin):
            return f"Unknown: what {origin} gives"
        case FunctionType(node=node):
            return f"function {node.facts.qualname}"
        case LibraryMethod(behaviour=behaviour):
            return f"method {behaviour.path}"
        case ModuleType(node=node):
            return f"module {node.module}"
        case Namespace(folder=folder):
            return f"package {folder}"
        case TypeVariable(name=name):
            return name
        case Awaitable(result=result):
            return f"Awaitable[{printed(result, nesting - 1)}]"
        case TupleType(items=items):
            return f"tuple{_arguments(items, nesting) or '[()]'}"
        case Partial(target=target):
            return f"partial of {printed(target, nesting - 1)}"
        case Factory(result=result):
            return f"callable giving {printed(result, nesting - 1)}"
        case UnionType(options=options):
            return " | ".join(printed(option, nesting) for option in options)


def _arguments(values: tuple[Type, ...], nesting: int) -> str:
    if not values:
        return ""
    return f"[{', '.join(printed(item, nesting - 1) for item in values)}]"


def annotation_text(annotation: t.Expr) -> str:
    """Return an annotation as it is written, with what is not a type left out."""
    match annotation:
        case t.Name(id=name):
            return name
        case t.Attr(base=base, name=name):
            return f"{annotation_text(base)}.{name}"
        case t.Item(base=base, key=key):
            return f"{annotation_text(base)}[{annotation_text(key)}]"
        case t.Seq(kind=kind, items=items):
            inner = ", ".join(annotation_text(item) for item in items)
            return f"[{inner}]" if kind == "list" else inner
        case t.Binary(operator="BitOr", left=left, right=right):
            return f"{annotation_text(left)} | {annotation_text(right)}"
        case t.Const(value=value, kind=kind):
            return "..." if kind == "ellipsis" else repr(value)
    return "..."
