"""Which dialect of SQL a text is in: its driver says it, or what the project connects to."""

from typing import TYPE_CHECKING

from perfaudit.libraries.types import Dialect
from perfaudit.program.capabilities import uses_of
from perfaudit.program.databases import seen_words
from perfaudit.program.sites import Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program

UNKNOWN = Dialect("")


def dialect_of(program: "Program", site: Site) -> str:
    """Return the dialect of the SQL that a site runs, empty where it is not known."""
    library = program.libraries.library(site.behaviour.file)
    if library is not None and library.dialect is not None:
        return library.dialect.name
    return program.once(main_dialect).name


def main_dialect(program: "Program") -> Dialect:
    """Return the dialect of the one kind of database that is seen. Ask it ``once``.

    A database in a file counts only where no server is seen. What the settings of the audit say
    goes before what is seen.
    """
    known = {
        library.dialect.name: library.dialect
        for library in reversed(program.libraries.libraries)
        if library.dialect is not None
    }
    if program.dialect:
        return known.get(program.dialect, Dialect(program.dialect))
    words: dict[str, tuple[bool, Dialect]] = {}
    for library in program.libraries.libraries:
        dialect, service = library.dialect, library.service
        if dialect is None:
            continue
        names = {*library.packages, *dialect.schemes, *dialect.engines}
        if service is not None:
            names.update((service.name, *service.schemes, *service.images))
        for name in names:
            words[name] = (service is not None, dialect)
    seen = seen_words(program, frozenset(words))
    seen.update(words.keys() & program.once(uses_of).keys())
    for kind in (True, False):
        found = {words[word][1].name for word in seen if words[word][0] is kind}
        if found:
            return known[found.pop()] if len(found) == 1 else UNKNOWN
    return UNKNOWN
