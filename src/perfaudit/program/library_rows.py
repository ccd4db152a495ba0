"""Relations of tables that libraries declare, of whose rows little more is known."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.asked_relations import asked_of, query_run
from perfaudit.program.expressions import unless_nothing
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Site
from perfaudit.program.values import LibraryInstance, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

MAX_STEPS = 12


def library_relation(types: "Types", site: Site) -> str:
    """Return the relation of a library's table that a site asks for; empty for anything else."""
    query = query_run(site)
    at = (site.sequence, site.context)
    asked = None if query is None else asked_of(types, site.function, query, at)
    if asked is None or not isinstance(asked[0], t.Attr):
        return ""
    name = asked[0].name
    row = types.evaluate(site.function, asked[0].base, asked[1])
    is_relation = any(
        name in described.relations
        for option in options_of(row)
        if isinstance(option, LibraryInstance)
        for described in types.libraries.linear(option.path)
    )
    return name if is_relation else ""


def is_loaded_with_rows(types: "Types", function: FunctionNode, loop: int, site: Site) -> bool:
    """Return whether a loop walks a query that names the relation which a site asks for."""
    name = library_relation(types, site)
    value: t.Expr | None = function.facts.contexts[loop].subject if name else None
    for _ in range(MAX_STEPS):
        if isinstance(value, t.Name):
            value = unless_nothing(function.only_value(value.id))
        if not isinstance(value, t.CallRef):
            return False
        call = function.facts.calls[value.index]
        if types.call(function, value.index).has_flag("query-option") and any(
            isinstance(given, t.Const) and str(given.value).partition("__")[0] == name
            for given in call.arguments
        ):
            return True
        value = call.callee.base if isinstance(call.callee, t.Attr) else None
    return False
