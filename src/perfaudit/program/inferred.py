"""What astroid infers of receivers, from texts that were handed in and from nothing else.

Left to itself, astroid finds modules on the import path, reads them, and imports those that are
compiled. Here its manager, whose state is one for the process, stands for a while on a state that
finds nothing: no look-up reaches the path, and a module exists if its text is among those given.
Builtins are made by looking at the interpreter that runs, which is not the audited code. No plugin
of astroid is applied.
"""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any, TypeVar

# Constraints are imported here so that nothing is once the audited code is read.
from astroid import (  # type: ignore[import-untyped]
    bases,
    builder,
    constraint,  # noqa: F401
    exceptions,
    manager,
    nodes,
    transforms,
)
from msgspec import Struct

from perfaudit.program.second_opinion import Opinion

MAX_STEPS = 3_000_000
"""Steps of the interpreter that one question may take; nearly all take fewer than 100,000."""
MAX_STEPS_IN_ALL = 150_000_000
MAX_VALUES = 16
MAX_DEPTH = 1_500
NOWHERE = "/\0/"
"""Begins the paths that astroid is told: no file system has it, so that asking for it is free."""

_Result = TypeVar("_Result")


class Place(Struct, frozen=True, gc=False):
    """A call: the module that it stands in, and from where to where, as facts count."""

    module: str
    line: int
    column: int
    end_line: int
    end_column: int


class ModuleText(Struct, frozen=True, gc=False):
    """The text of a module of the project."""

    path: str
    text: str


def receivers(
    places: Sequence[Place],
    texts: Mapping[str, ModuleText],
    module_named: Callable[[str], str | None],
) -> dict[Place, Opinion]:
    """Return the receivers that could be inferred, by the place of the call.

    ``texts`` are those of the modules; ``module_named`` gives the module that an import means.
    Whatever goes wrong inside is no answer. The bounds are counts, so that every machine answers
    alike.
    """
    found = {}
    with _isolated():
        trees = _Trees(texts, module_named)
        left = MAX_STEPS_IN_ALL
        for place in places:
            receiver, steps = _bounded(partial(trees.receiver, place), min(MAX_STEPS, left))
            left -= steps
            if receiver is not None:
                found[place] = receiver
    return found


class _Exhausted(BaseException):
    """The steps are used up. No ``except Exception`` on the way may hold it."""


def _bounded(run: Callable[[], _Result], steps: int) -> tuple[_Result | None, int]:
    """Return what ``run`` gives, or None where it fails or takes too many steps, and the steps."""
    taken, bound = 0, steps

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal taken
        taken += 1
        if taken > bound:
            raise _Exhausted

    before = sys.getprofile()
    result = None
    try:
        sys.setprofile(count)
        result = run()
    except (Exception, _Exhausted):
        result = None
    finally:
        bound = sys.maxsize
        sys.setprofile(before)
    return result, min(taken, steps)


class _Unfindable(dict[Any, Any]):
    """The manager's memory of where modules are. It knows of each that it is nowhere."""

    def __getitem__(self, key: object) -> exceptions.AstroidImportError:
        return exceptions.AstroidImportError("Not among the texts.")


@contextmanager
def _isolated() -> Iterator[None]:
    """Let astroid's manager find nothing for a while, and remember nothing of it afterwards."""
    builder.AstroidBuilder(manager.AstroidManager())  # The first one makes the builtins.
    before, limit = manager.AstroidManager.brain, sys.getrecursionlimit()
    manager.AstroidManager.brain = {
        **before,
        "astroid_cache": {"builtins": before["astroid_cache"]["builtins"]},
        "_mod_file_cache": _Unfindable(),
        "_failed_import_hooks": [],
        "_transform": transforms.TransformVisitor(),
        "extension_package_whitelist": set(),
        "module_denylist": set(),
        "always_load_extensions": False,
        "optimize_ast": False,
        "prefer_stubs": False,
        "max_inferable_values": MAX_VALUES,
    }
    try:
        sys.setrecursionlimit(sum(1 for _ in traceback.walk_stack(None)) + MAX_DEPTH)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setrecursionlimit(limit)
        manager.AstroidManager.brain = before
        manager.AstroidManager().clear_cache()


class _Trees:
    """Modules as astroid sees them, each built when something first asks for it."""

    def __init__(
        self, texts: Mapping[str, ModuleText], module_named: Callable[[str], str | None]
    ) -> None:
        self.texts = texts
        self.module_named = module_named
        self.built: dict[str, Any] = {}
        self.calls: dict[str, dict[tuple[int, int, int, int], nodes.Call]] = {}
        manager.AstroidManager().register_failed_import_hook(self.imported)

    def imported(self, name: str) -> nodes.Module:
        """Return the module that an import names; raises as astroid expects where there is none."""
        module = self.module_named(name)
        tree = None if module is None else self.tree(module)
        if tree is None:
            raise exceptions.AstroidImportError("Not among the texts.")
        return tree

    def tree(self, module: str) -> nodes.Module | None:
        """Return the tree of a module, or None: not known, not readable, or just being built."""
        if module not in self.built:
            self.built[module] = None
            if module in self.texts:
                self.built[module] = self.build(module, self.texts[module])
        return self.built[module]

    def build(self, module: str, given: ModuleText) -> nodes.Module:
        """Return a new tree; one that is left half built is not kept."""
        keeper = manager.AstroidManager()
        made_by = builder.AstroidBuilder(keeper, apply_transforms=False)
        try:
            return made_by.string_build(given.text, module, NOWHERE + given.path)
        except BaseException:
            keeper.astroid_cache.pop(module, None)
            raise

    def receiver(self, place: Place) -> Opinion | None:
        """Return what the call's method is called on, where all that it may be is the same."""
        call = self.calls_of(place.module).get(
            (place.line, place.column, place.end_line, place.end_column)
        )
        if call is None or not isinstance(call.func, nodes.Attribute):
            return None
        values = list(islice(call.func.expr.infer(), MAX_VALUES + 1))
        found = {self.described(value) for value in values if not _is_none(value)}
        return found.pop() if len(found) == 1 else None

    def calls_of(self, module: str) -> dict[tuple[int, int, int, int], nodes.Call]:
        """Return the calls of a module by where they stand, in the columns that facts count."""
        found = self.calls.get(module)
        if found is None:
            found = self.calls[module] = {}
            tree = self.tree(module)
            if tree is not None:
                column = _columns(self.texts[module].text)
                for call in tree.nodes_of_class(nodes.Call):
                    start = (call.lineno, column(call.lineno, call.col_offset))
                    end = (call.end_lineno, column(call.end_lineno, call.end_col_offset))
                    found[(*start, *end)] = call
        return found

    def described(self, value: Any) -> Opinion | None:
        """Return what a value is, if it is a module or a class of the project, or made of one."""
        kind = "class"
        # Generators, bound methods and the like are subclasses, and are no objects of a class here.
        if type(value) is bases.Instance:
            kind, value = "instance", value._proxied
        if not isinstance(value, nodes.ClassDef | nodes.Module):
            return None
        name = value.root().name
        if self.built.get(name) is not value.root():
            return None
        if isinstance(value, nodes.Module):
            return Opinion("module", name, 0)
        return Opinion(kind, name, value.lineno)


def _is_none(value: object) -> bool:
    """Return whether a value is None: a method is then called on the others."""
    return isinstance(value, nodes.Const) and value.value is None


def _columns(text: str) -> Callable[[int, int], int]:
    """Return what turns a line and an offset in bytes into a column that counts characters."""
    if text.isascii():
        return lambda line, offset: offset + 1
    lines = [line.encode() for line in text.split("\n")]
    return lambda line, offset: len(lines[line - 1][:offset].decode(errors="replace")) + 1
