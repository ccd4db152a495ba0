"""Middleware that the settings of a project name, as dotted paths in a list."""

from collections.abc import Iterator

from perfaudit.facts import types as t
from perfaudit.libraries.types import Framework
from perfaudit.program.infer import Types
from perfaudit.program.nodes import ClassNode, FileNode, FunctionNode


def middleware_of_settings(types: Types) -> Iterator[tuple[Framework, FunctionNode]]:
    """Yield what each request runs because a list of the settings names its class or function."""
    for framework in types.libraries.frameworks:
        for file in types.modules.files if framework.middleware else ():
            for text in _named(file, framework.middleware):
                node = _node(types, file, text)
                entered = _entered(types, node, framework.middleware_methods)
                yield from ((framework, function) for function in entered)


def _named(file: FileNode, settings: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts in lists that are bound to the names of settings, the first time each."""
    found: dict[str, None] = {}
    for setting in settings:
        for bind in file.body.binds.get(setting, ()):
            if isinstance(bind.value, t.Seq):
                for item in bind.value.items:
                    if isinstance(item, t.Const) and isinstance(item.value, str):
                        found[item.value] = None
    yield from found


def _node(types: Types, file: FileNode, text: str) -> ClassNode | FunctionNode | None:
    module, _, name = text.rpartition(".")
    home = types.modules.find(module, file) if module else None
    if not isinstance(home, FileNode):
        return None
    named = (*home.body.inner_classes.get(name, ()), *home.body.inner.get(name, ()))
    return named[-1] if named else None


def _entered(
    types: Types, node: ClassNode | FunctionNode | None, methods: tuple[str, ...]
) -> list[FunctionNode]:
    """Return the functions that a request runs: methods of a class, or what a function makes."""
    if isinstance(node, ClassNode):
        found = [types.classes.method(node, name) for name in methods]
        return [method for method in found if method is not None]
    return [] if node is None else [node]
