"""A small project as linked types with its schema."""

import ast

from perfaudit.core.levels import Role
from perfaudit.data import rules_root
from perfaudit.facts.extract import extract_facts
from perfaudit.libraries import load_libraries
from perfaudit.program.infer import Types
from perfaudit.program.modules import Modules
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.schema import Schema, build_schema
from perfaudit.program.values import Instance, LibraryInstance, Type

LIBRARIES = load_libraries([rules_root() / "libraries"])


class Project:
    """Types and schema of some files, with questions by name."""

    def __init__(self, types: Types, schema: Schema) -> None:
        self.types = types
        self.schema = schema

    def node(self, name: str) -> ClassNode:
        """Return the class of this name, or the qualified name where several have it."""
        return next(
            node
            for file in self.types.modules.files
            for node in file.classes
            if name in (node.name, node.qualname)
        )

    def function(self, name: str) -> FunctionNode:
        """Return the function of this name."""
        return next(
            function
            for file in self.types.modules.files
            for function in file.functions
            if function.name == name
        )

    def returned(self, name: str) -> str:
        """Return what the function's last ``return`` gives, in short."""
        function = self.function(name)
        value = function.facts.results[-1].value
        assert value is not None
        return short(self.types.evaluate(function, value, AT_END))

    def relations(self, name: str) -> dict[str, str]:
        """Return the relations of a class: attribute -> kind and target."""
        return {
            relation.name: f"{relation.kind} {relation.target.name if relation.target else '?'}"
            for relation in self.schema.relations_of(self.node(name)).values()
        }


def short(found: Type) -> str:
    """Return a type as short text: names of classes, containers with their element."""
    match found:
        case Instance(node=node, arguments=()):
            return node.name
        case Instance(node=node, arguments=arguments):
            return f"{node.name}[{', '.join(short(item) for item in arguments)}]"
        case LibraryInstance(path=path, arguments=()):
            return path.rpartition(".")[2]
        case LibraryInstance(path=path, arguments=arguments):
            inner = ", ".join(short(item) for item in arguments)
            return f"{path.rpartition('.')[2]}[{inner}]"
    return type(found).__name__


def project(
    files: dict[str, str],
    sql: dict[str, str] | None = None,
    roles: dict[str, Role] | None = None,
) -> Project:
    """Return the linked files with their schema."""
    facts = [extract_facts(path, text, ast.parse(text)) for path, text in sorted(files.items())]
    types = Types(Modules(facts, roles or {}, frozenset(LIBRARIES.packages)), LIBRARIES)
    return Project(types, build_schema(types, sorted((sql or {}).items())))
