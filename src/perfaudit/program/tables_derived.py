"""Views, and tables made of queries: they have the columns that the query gives."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from perfaudit.program.projection import Output, projection
from perfaudit.program.tables import Column, Derived, Index, Table

if TYPE_CHECKING:
    from perfaudit.program.schema import Schema


def add_derived(
    schema: "Schema", derived: Iterable[Derived], indexes: dict[str, list[Index]]
) -> None:
    """Add views and tables made of queries to the tables; not those whose columns are not known.

    A query may ask those before it.
    """
    for made in derived:
        if made.name in schema.tables:
            continue
        given = projection(made.text, schema, "postgres")
        if given is None:
            continue
        columns = {output.name: _column(made, output) for output in given.outputs}
        own = tuple(indexes.get(made.name, ()))
        schema.tables[made.name] = Table(
            made.name, columns, {}, own, made.location, is_view=made.is_view
        )


def _column(made: Derived, output: Output) -> Column:
    """Return a column of a result. It has the type of the column it gives, and no key or index."""
    name, column = output.name, output.column
    if column is None:
        return Column(name, "other", True, False, False, made.location)
    return replace(column, name=name, primary=False, indexed=False, unique=False, references="")
