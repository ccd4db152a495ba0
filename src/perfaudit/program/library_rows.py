"""Relations of tables that libraries declare, of whose rows little more is known."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.asked_relations import asked_of, query_run
from perfaudit.program.expressions import unless_nothing
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Site
from perfaudit.program.values import ClassType, LibraryInstance, LibrarySymbol, options_of

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


def may_be_loaded_with_rows(types: "Types", function: FunctionNode, loop: int, site: Site) -> bool:
    """Return whether the rows of a loop may have the relation of a library that a site asks for.

    They have not where their query is written out in the function, and says nothing of relations.
    """
    if not library_relation(types, site):
        return False
    value: t.Expr | None = function.facts.contexts[loop].subject
    for _ in range(MAX_STEPS):
        if isinstance(value, t.Name):
            value = unless_nothing(function.only_value(value.id))
        if isinstance(value, t.Attr):
            owner = types.evaluate(function, value.base, AT_END)
            return not isinstance(owner, LibrarySymbol | ClassType)
        if not isinstance(value, t.CallRef):
            return True
        if types.call(function, value.index).has_flag("query-option"):
            return True
        callee = function.facts.calls[value.index].callee
        value = callee.base if isinstance(callee, t.Attr) else None
    return True
