"""Relations whose rows are loaded, one object's, only to be counted."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import is_dotted, last_name, parts
from perfaudit.program.growing_tables import growing_tables, is_small
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.result_shapes import EAGER_OPTIONS
from perfaudit.program.sites import Site
from perfaudit.program.values import ClassType, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

LEN = t.Name("len")


def counted_relations(program: "Program") -> Iterator[tuple[Site, t.Call]]:
    """Yield each place that reads a relation to many rows for their number alone, with its ``len``.

    Not where some query loads the relation, or only speaks of it: there the rows may be there.
    """
    grows = program.once(growing_tables)
    for site in program.sites():
        relation, value = site.relation, site.value
        if relation is None or not relation.many or relation.lazy != "lazy":
            continue
        if not isinstance(value, t.Attr) or relation.target is None:
            continue
        table = program.schema.table_of(relation.target)
        if table is None or table.name not in grows or is_small(table):
            continue
        call = _only_length(site.function, value)
        if call is not None and relation.name not in program.once(_spoken_of):
            yield site, call


def _only_length(function: FunctionNode, value: t.Attr) -> t.Call | None:
    """Return the ``len`` that is the only thing that a function does with an expression."""
    if not is_dotted(value):
        return None
    facts = function.facts
    counts = [call for call in facts.calls if call.callee == LEN and call.arguments == (value,)]
    reads = [read for read in facts.reads if _speaks_of(function, read.value, value)]
    others = any(_speaks_of(function, call.callee, value) for call in facts.calls)
    if len(counts) != 1 or len(reads) != 1 or others:
        return None
    return counts[0]


def _speaks_of(function: FunctionNode, whole: t.Expr, value: t.Expr) -> bool:
    return isinstance(whole, t.Attr | t.Item) and value in parts(function, whole)


def _spoken_of(program: "Program") -> frozenset[str]:
    """Return the names of relations that code asks of their class, or names to have them loaded."""
    names = program.schema.relation_names
    found: set[str] = set()
    for function in program.functions:
        for read in function.facts.reads:
            value = read.value
            while isinstance(value, t.Attr):
                if value.name in names and is_dotted(value.base):
                    owner = program.types.evaluate(
                        function, value.base, (read.sequence, read.context)
                    )
                    if any(isinstance(option, ClassType) for option in options_of(owner)):
                        found.add(value.name)
                value = value.base
        for call in function.facts.calls:
            if last_name(call.callee) in EAGER_OPTIONS:
                for given in call.arguments:
                    if isinstance(given, t.Const) and isinstance(given.value, str):
                        found.update(given.value.split("."))
    return frozenset(found)
