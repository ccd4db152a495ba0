"""Views, and tables made of queries: they have the columns that the query gives."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from perfaudit.program.projection import Output, projection
from perfaudit.program.tables import Column, Derived, Index, Table

if TYPE_CHECKING:
    from perfaudit.program.schema import Schema

_WORD = re.compile(r"\w+")


def add_derived(
    schema: "Schema", derived: Iterable[Derived], indexes: dict[str, list[Index]]
) -> None:
    """Add views and tables made of queries to the tables; not those whose columns are not known.

    A query may ask others of them, in whichever order they are read.
    """
    waiting: dict[str, Derived] = {}
    for made in derived:
        if made.name not in schema.tables:
            waiting.setdefault(made.name, made)
    words = {made.name: frozenset(_WORD.findall(made.text)) for made in waiting.values()}
    while waiting:
        ready = [
            made
            for name, made in waiting.items()
            if not any(other in words[name] for other in waiting if other != name)
        ]
        for made in ready or list(waiting.values()):
            del waiting[made.name]
            _add(schema, made, tuple(indexes.get(made.name, ())))


def _add(schema: "Schema", made: Derived, indexes: tuple[Index, ...]) -> None:
    given = projection(made.text, schema, "postgres")
    if given is None:
        return
    columns = {output.name: _column(made, output) for output in given.outputs}
    schema.tables[made.name] = Table(
        made.name, columns, {}, indexes, made.location, is_view=made.is_view
    )


def _column(made: Derived, output: Output) -> Column:
    """Return a column of a result. It has the type of the column it gives, and no key or index."""
    name, column = output.name, output.column
    if column is None:
        return Column(name, "other", True, False, False, made.location)
    return replace(column, name=name, primary=False, indexed=False, unique=False, references="")
