"""Rows that are read by their key from a database in a file, which takes no time to speak of."""

from collections.abc import Iterator, Sequence

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.addresses import server_words
from perfaudit.program.databases import imported_packages
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import Site
from perfaudit.program.values import ClassType, LibrarySymbol, Type, options_of

IN_PROCESS = "in-process"
"""The flag of what makes a database that lies in a file."""
BY_KEY = "by-key"
"""The flag of calls that give the one row with the key that is their argument."""
BY_CONDITION = "by-condition"
"""The flag of calls that give the one row that their arguments are conditions of."""
CONNECTS = frozenset({"db.connect", "pool.acquire"})


def is_row_of_file(program: Program, site: Site) -> bool:
    """Return whether a site reads one row by its key, once, and all databases lie in files."""
    return (
        not site.function.loops(site.context)
        and _reads_by_key(program, site)
        and program.once(_only_in_files)
    )


def _reads_by_key(program: Program, site: Site) -> bool:
    call, flags = site.call, site.behaviour.flags
    if BY_KEY in flags:
        return True
    if BY_CONDITION not in flags or call is None or not isinstance(call.callee, t.Attr):
        return False
    at = (site.sequence, site.context)
    for option in options_of(program.types.evaluate(site.function, call.callee.base, at)):
        table = program.schema.table_of(option.node) if isinstance(option, ClassType) else None
        if table is None:
            return False
        keys = {name for name, column in table.columns.items() if column.primary}
        if not keys or not keys <= _asked(call, call.callee.base):
            return False
    return True


def _asked(call: t.Call, row: t.Expr) -> set[str]:
    """Return the columns that a call asks to be equal to something: ``get(Film.id == key)``."""
    return {
        given.left.name
        for given in call.arguments
        if isinstance(given, t.Compare) and given.operator == "Eq"
        if isinstance(given.left, t.Attr) and given.left.base == row
    }


def _only_in_files(program: Program) -> bool:
    """Return whether objects of databases are made, and only such as open a file."""
    if not program.once(imported_packages).isdisjoint(server_words(program.libraries)):
        return False
    made = [kind for function in program.functions for kind in _made(program, function)]
    return bool(made) and all(made)


def _made(program: Program, function: FunctionNode) -> Iterator[bool]:
    """Yield for each database that a function outside tests makes, whether it lies in a file."""
    if function.role is Role.TEST:
        return
    for index in range(len(function.facts.calls)):
        for made in options_of(program.types.call(function, index).callee):
            paths = _classes_of(program, made)
            connects = [program.types.libraries.method(path, "connect") for path in paths]
            if any(item is not None and not CONNECTS.isdisjoint(item.effects) for item in connects):
                makers = [program.types.libraries.constructor(path) for path in paths]
                yield any(_is_in_file(item) for item in makers)


def _is_in_file(maker: Behaviour | None) -> bool:
    return maker is not None and IN_PROCESS in maker.flags


def _classes_of(program: Program, made: Type) -> Sequence[str]:
    """Return the library classes that a callee makes an object of, the nearest first."""
    if isinstance(made, ClassType):
        return program.types.classes.library_bases(made.node)
    if isinstance(made, LibrarySymbol) and program.types.libraries.type(made.path) is not None:
        return [made.path]
    return []
