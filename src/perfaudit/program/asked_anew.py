"""Relations of an object that are asked for in a loop, and that nobody has loaded with it."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from perfaudit.program import expressions
from perfaudit.program.loads import relation_base
from perfaudit.program.loops import item_names
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_loaders import has_loaded
from perfaudit.program.row_queries import rows_of
from perfaudit.program.sites import Site

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def asked_anew(program: "Program", function: FunctionNode, site: Site) -> Site | None:
    """Return a site in a loop as a query of its own: its object is no item, and has not the rows.

    None where it is one, which the rules about relations tell of, or the rows may be there.
    """
    loops = function.loops(site.context)
    if site.relation is None or "db.query" not in site.effects or not loops:
        return None
    base = relation_base(function, site)
    items = {name for loop in loops for name in item_names(function, loop)}
    if not items.isdisjoint(expressions.names(function, base)):
        return None
    at = (site.sequence, site.context)
    rows = rows_of(program, function, base, at)
    if rows is None or rows.brings((site.relation.name,)) is not False:
        return None
    if has_loaded(program, function, base, at):
        return None
    return replace(site, relation=None, row=None)
