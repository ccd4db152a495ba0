"""Counted facts of the code base."""

import re
from typing import TYPE_CHECKING

from perfaudit.core.report import Inventory
from perfaudit.program.called import library_calls
from perfaudit.program.sites import Site
from perfaudit.program.sql_verbs import sql_effects
from perfaudit.program.tables import Table

if TYPE_CHECKING:
    from perfaudit.program.program import Program

CACHE_EFFECTS = frozenset({"cache.read", "cache.write"})
_SELECT = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with)\b", re.IGNORECASE | re.DOTALL)


def inventory_of(program: "Program") -> Inventory:
    """Return what there is of asynchronous code, queries, caches and endpoints outside tests."""
    tables = [
        table for table in program.schema.tables.values() if not (table.abstract or table.is_view)
    ]
    files = {function.file for function in program.functions}
    return Inventory(
        async_functions=sum(function.is_async for function in program.functions),
        gather_sites=_gathers(program),
        indexes=sum(_indexes(table) for table in tables),
        tables=len(tables),
        select_statements=sum(is_select(sql.text) for file in files for sql in file.facts.sql),
        cache_sites=sum(_uses_cache(site) for site in program.sites()) + len(program.memoised),
        pools=_pools(program),
        endpoints=sum(endpoint.kind == "route" for endpoint in program.endpoints),
    )


def is_select(text: str) -> bool:
    """Return whether a text is a statement that reads: SELECT, or WITH that does not write."""
    return _SELECT.match(text) is not None and sql_effects(text) == ("db.query",)


def _gathers(program: "Program") -> int:
    """Return the number of calls that gather awaitables."""
    return sum(
        any(
            target.function is None
            and target.behaviour is not None
            and "gathers" in target.behaviour.flags
            for target in program.types.call(called.function, called.index).targets
        )
        for called in library_calls(program).with_flags("gathers")
    )


def _pools(program: "Program") -> int:
    """Return the number of calls that make a pool."""

    def is_pool(name: str) -> bool:
        return program.libraries.pool(name) is not None

    return sum(
        any(
            target.function is None and is_pool(target.name)
            for target in program.types.call(called.function, called.index).targets
        )
        for called in library_calls(program).of_names(is_pool)
    )


def _indexes(table: Table) -> int:
    """Return the number of indexes of a table; its primary key is not one."""
    leading = {index.columns[0] for index in table.indexes if index.columns}
    single = {
        column.name for column in table.columns.values() if column.indexed and not column.primary
    }
    return len(table.indexes) + len(single - leading)


def _uses_cache(site: Site) -> bool:
    return not CACHE_EFFECTS.isdisjoint(site.effects)
