"""Query classes of the project that load relations with their rows, whatever they are asked."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.eager_options import OPTION, flags_of, named_by
from perfaudit.program.expressions import last_name
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.rows import Rows, made_of
from perfaudit.program.values import Instance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ALL_PASS = "all-queries-pass"
LOADING = frozenset({"loads-joined", "loads-apart", "loads-any", "loads-into"})
MAX_CALLS = 3
"""Through so many calls of the project its own loading is followed."""


def own_loads(program: "Program", query: Type) -> Rows:
    """Return what the class of a query or manager may load, where that is one of the project.

    A query passes some of its methods only: what they load may be there, and may not.
    """
    classes = [option.node for option in options_of(query) if isinstance(option, Instance)]
    return made_of([program.once(_loads_of, node) for node in classes]) or Rows()


def _loads_of(program: "Program", node: ClassNode) -> Rows:
    """Return what the methods of a class load through which all queries pass."""
    libraries = program.types.libraries
    found = [
        _named_in(program, function)
        for name in sorted(libraries.passed_methods)
        if (method := program.types.classes.method(node, name)) is not None
        and _is_passed(program, node, name)
        for function in _run_by(program, method)
    ]
    return made_of(found) or Rows()


def _is_passed(program: "Program", node: ClassNode, name: str) -> bool:
    """Return whether a library has a method that all queries pass, which a class overrides."""
    libraries = program.types.libraries
    behaviours = (
        libraries.method(path, name) for path in program.types.classes.library_bases(node)
    )
    return any(found is not None and ALL_PASS in found.flags for found in behaviours)


def _run_by(program: "Program", method: FunctionNode) -> list[FunctionNode]:
    """Return a method and what it calls of the project."""
    found, near = [method], [method]
    for _ in range(MAX_CALLS):
        called = [edge.callee for function in near for edge in program.edges_from(function)]
        near = [callee for callee in dict.fromkeys(called) if callee not in found]
        found += near
    return found


def _named_in(program: "Program", function: FunctionNode) -> Rows:
    """Return the relations that a function names for loading; any where that is not clear."""
    calls = function.facts.calls
    options = [index for index in range(len(calls)) if _is_option(program, function, index)]
    said = [
        named_by(program, function, calls[index], flags_of(program, function, index), _not_known)
        for index in options
    ]
    loading = program.types.libraries.eager_methods
    spoken = [call.callee for index, call in enumerate(calls) if index not in options]
    spoken += [bind.target for bind in function.facts.binds if bind.target is not None]
    return Rows(
        named=frozenset().union(
            *(rows.named for rows in said),
            *(path for rows in said for path in rows.loaded),
        ),
        all_eager=any(rows.all_eager for rows in said)
        or any(_speaks_of(value, loading) for value in spoken),
    )


def _is_option(program: "Program", function: FunctionNode, index: int) -> bool:
    flags = flags_of(program, function, index)
    return OPTION in flags and not LOADING.isdisjoint(flags)


def _not_known(value: t.Expr, at: tuple[int, int]) -> Rows | None:
    return None


def _speaks_of(value: t.Expr, loading: frozenset[str]) -> bool:
    """Return whether a name has that of a method in it that loads: it may do so its own way."""
    name = last_name(value)
    return any(word in name for word in loading)
