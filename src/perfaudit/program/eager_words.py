"""How to say that a relation should be loaded with the rows, in the words of their library."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from perfaudit.libraries.types import EntityQueries
from perfaudit.program.nodes import ClassNode
from perfaudit.program.rows import COMBINED, Path, Rows
from perfaudit.program.tables import Relation
from perfaudit.program.values import LibraryInstance

if TYPE_CHECKING:
    from perfaudit.program.program import Program

KEPT = "__"
OWN_QUERY = (
    "Ask once for all rows, with the query of the rows, and read the answer here: an annotation, "
    "or the related rows loaded under the conditions and in the order that are asked for. To load "
    "a relation does not help where it is filtered or ordered again: that is a query again."
)
"""What cures a query of its own, which no relation that is loaded with the rows spares."""


def only_numbers(reads: Iterable[tuple[Path, bool]]) -> frozenset[Path]:
    """Return the paths of which only the number of rows is asked for, of all that are read.

    ``reads``: each path, and whether it is read for the number alone.
    """
    listed = list(reads)
    whole = {
        path[:length] for path, alone in listed if not alone for length in range(len(path) + 1)
    }
    return frozenset(path for path, alone in listed if alone and path not in whole)


def eager_words(
    program: "Program",
    node: ClassNode,
    path: Path,
    numbers: frozenset[Path] = frozenset(),
    *,
    apart: bool = False,
) -> str:
    """Return what loads a chain of relations with the rows of a class, empty if not known.

    Of the chains in ``numbers`` only how many rows they lead to, where that can be said. ``apart``:
    by a query of its own, as the rows cannot be joined with others.
    """
    queries = queries_of(program, node)
    if queries is None:
        return ""
    if path in numbers and queries.number:
        asked = KEPT.join(asked_as(program, node, path))
        return queries.number.replace("{path}", asked).replace("{relation}", path[-1])
    known = _known_part(program, node, path)
    if known != path and queries.load_any:
        return queries.load_any.replace("{path}", KEPT.join(known))
    many, steps = _walked(program, node, path)
    is_apart = many or apart
    pattern = queries.load if is_apart else queries.join
    each = queries.load_each if is_apart else queries.join_each
    written = [each.replace("{class}", owner).replace("{relation}", name) for owner, name in steps]
    return pattern.replace("{path}", KEPT.join(path)).replace("{steps}", ".".join(written))


def words_for(
    program: "Program",
    node: ClassNode,
    rows: Rows,
    paths: Sequence[Path],
    numbers: frozenset[Path] = frozenset(),
) -> str:
    """Return what loads chains of relations of rows, in the words of the query that loads them.

    Empty where several queries are combined: no one of them can load more by itself.
    """
    if COMBINED in rows.steps:
        return ""
    if not rows.written and rows.around is not None:
        node, paths = rows.around.row, [(*rows.around.path, *path) for path in paths]
        numbers = frozenset()
    return eager_words_of_all(program, node, paths, numbers, apart=rows.is_apart)


def eager_words_of_all(
    program: "Program",
    node: ClassNode,
    paths: Iterable[Path],
    numbers: frozenset[Path] = frozenset(),
    *,
    apart: Callable[[Path], bool],
) -> str:
    """Return what loads several chains of relations at once: calls of one name are one call.

    ``apart``: whether a chain must not be joined.
    """
    given: dict[str, list[str]] = {}
    for path in whole(paths):
        words = eager_words(program, node, path, numbers, apart=apart(path))
        call, _, arguments = words.partition("(")
        if arguments:
            given.setdefault(call, []).append(arguments.removesuffix(")"))
    calls = [f"{call}({', '.join(arguments)})" for call, arguments in given.items()]
    return calls[0] + "".join(f".{call.lstrip('.')}" for call in calls[1:]) if calls else ""


def whole(paths: Iterable[Path]) -> list[Path]:
    """Return paths without those that others begin with: loading a chain loads its beginning."""
    listed = list(dict.fromkeys(paths))
    return [
        path
        for path in listed
        if not any(other[: len(path)] == path and other != path for other in listed)
    ]


def words_on_columns(
    program: "Program", node: ClassNode, path: Sequence[str], only: frozenset[str] | None
) -> str:
    """Return what a query that fetches only the columns that it names must name for a chain."""
    queries = queries_of(program, node)
    if queries is None or only is None or only.issuperset(path):
        return ""
    relation = program.schema.relation(node, path[0])
    if relation is None or relation.column is None or relation.reverse:
        return ""
    if path[0] in only and not _names_columns_of(program, relation.target, node, only):
        # All columns of that row are fetched: to name one leaves out the others.
        return ""
    return queries.only_joined.replace("{path}", KEPT.join(path))


def _names_columns_of(
    program: "Program", target: ClassNode | None, node: ClassNode, names: frozenset[str]
) -> bool:
    """Return whether some names are columns of another table than that of a class."""
    tables = program.schema.table_of(target) if target else None, program.schema.table_of(node)
    theirs, own = (table.columns.keys() | table.relations if table else set() for table in tables)
    return not names.isdisjoint(theirs - own)


def words_on_refined(rows: Rows, path: Path) -> str:
    """Return what spares a query for some rows of a relation, where all of them are loaded."""
    if not path or rows.brings(path) is not True:
        return ""
    loaded = ".".join(path)
    return f"read `{loaded}` as it was loaded with the rows, and filter and order it in Python"


def refining_words(program: "Program", node: ClassNode, path: Sequence[str]) -> str:
    """Return what loads the chosen rows at the end of a chain of relations; empty if not known."""
    queries = queries_of(program, node)
    if queries is None:
        return ""
    return queries.refine.replace("{path}", KEPT.join(path)).replace("{relation}", path[-1])


def words_on_new_rows(program: "Program", node: ClassNode, path: Sequence[str]) -> str:
    """Return what loads a chain of relations into rows that are there; empty if not known."""
    queries = queries_of(program, node)
    return "" if queries is None else queries.into.replace("{path}", KEPT.join(path))


def joined_words(program: "Program", node: ClassNode, path: Sequence[str]) -> str:
    """Return what takes a relation of a class from a join that is there; empty if not known."""
    queries = queries_of(program, node)
    if queries is None or len(path) != 1:
        return ""
    return queries.joined.replace("{class}", node.name).replace("{relation}", path[0])


def words_on_expiry(program: "Program", node: ClassNode) -> str:
    """Return what to do about commits that make objects forget what was loaded, if they do."""
    queries = queries_of(program, node)
    return "" if queries is None else queries.expires


def queries_of(program: "Program", node: ClassNode) -> EntityQueries | None:
    """Return what the library of a class says of queries for its rows, None where it is silent."""
    bases = program.types.classes.library_bases(node)
    found = (program.libraries.queries(base) for base in bases)
    return next((item for item in found if item is not None), None)


def asked_as(program: "Program", node: ClassNode, path: Path) -> Path:
    """Return the names by which conditions and numbers of rows know a chain of relations."""
    names = []
    owner: ClassNode | None = node
    for name in path:
        relation = None if owner is None else program.schema.relation(owner, name)
        names.append(name if relation is None else relation.asked_as)
        owner = None if relation is None else relation.target
    return tuple(names)


def leads_to_many(program: "Program", node: ClassNode, path: Sequence[str]) -> bool:
    """Return whether a relation of a chain has many rows, or is not known."""
    return _walked(program, node, path)[0]


def _walked(
    program: "Program", node: ClassNode, path: Sequence[str]
) -> tuple[bool, list[tuple[str, str]]]:
    many = False
    steps = []
    owner: ClassNode | None = node
    for name in path:
        relation = None if owner is None else program.schema.relation(owner, name)
        steps.append(("..." if owner is None else owner.name, name))
        many = many or relation is None or relation.many or _is_of_any_class(relation)
        owner = None if relation is None else relation.target
    return many, steps


def _known_part(program: "Program", node: ClassNode, path: Path) -> Path:
    """Return a chain as far as the first relation to rows of any class, which may lack the rest."""
    owner: ClassNode | None = node
    for length, name in enumerate(path, 1):
        relation = None if owner is None else program.schema.relation(owner, name)
        if relation is None:
            return path
        if _is_of_any_class(relation):
            return path[:length]
        owner = relation.target
    return path


def _is_of_any_class(relation: Relation) -> bool:
    """Return whether a relation leads to rows of no one table, so that nothing can be joined."""
    return relation.target is None and not isinstance(relation.value, LibraryInstance)
