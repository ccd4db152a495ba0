"""Find relations and queries that a template or a list page pays once per row that it shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.bounds import is_short
from perfaudit.program.eager_words import (
    OWN_QUERY,
    leads_to_many,
    only_numbers,
    whole,
    words_for,
    words_on_columns,
    words_on_new_rows,
    words_on_refined,
)
from perfaudit.program.exposure import Exposure
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.kept_objects import times_asked
from perfaudit.program.list_pages import list_pages
from perfaudit.program.loaded_before import is_loaded_before, may_be_loaded_before
from perfaudit.program.managers import first_manager
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.read_before import with_earlier_reads
from perfaudit.program.renderings import Known, renderings, view_of
from perfaudit.program.row_queries import is_brought_on_the_way
from perfaudit.program.rows import COMBINED, Rows
from perfaudit.program.tables_vocabulary import library_lineage
from perfaudit.program.template_costs import Paid, paid_by
from perfaudit.program.template_values import Cost, is_joined, table_class
from perfaudit.program.view_exposures import exposure_of_page


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each read of rows in a template's loop, and a match where it takes a query per row."""
    if not program.schema.relation_names:
        return
    seen: set[tuple[object, ...]] = set()
    lazies: list[_Lazy] = []
    for rendering in program.once(renderings):
        page = _Page(rendering.function, rendering.view, rendering.location, at=rendering.at)
        costs = list(with_earlier_reads(program, rendering, paid_by(program, rendering)))
        yield from _judged(program, page, costs, seen, lazies)
    for shown in list_pages(program):
        page = _Page(shown.node.body, shown.node, shown.node.location, shown.cure, shown.kept)
        yield from _judged(program, page, shown.paid, seen, lazies)
    yield from _matches(program, lazies)


_Found = tuple[Paid, Rows]
SAME_FOR_ALL = (
    "Ask once before the loop, in the view or under a name that `{% with %}` gives it, and read "
    "that in the loop."
)
"""What cures a relation of something that is the same in all turns."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What shows rows: a function, and the class of the view if it is one.

    ``cure``: how the class itself has relations to one row loaded, ``kept``: those that it has
    loaded already. ``at``: when the function shows them.
    """

    function: FunctionNode
    view: ClassNode | None
    location: Location
    cure: str = ""
    kept: tuple[tuple[str, ...], ...] = ()
    at: tuple[int, int] = AT_END


@dataclass(frozen=True, slots=True)
class _Lazy:
    """What a page reads that one change cures, and ``costs``: all that it reads."""

    page: _Page
    found: Sequence[_Found]
    costs: Sequence[Paid]
    confidence: Confidence
    exposure: Exposure


def _judged(
    program: Program,
    page: _Page,
    costs: Sequence[Paid],
    seen: set[tuple[object, ...]],
    lazies: list[_Lazy],
) -> Iterator[Opportunity]:
    """Yield what a page reads in loops, and add to ``lazies`` what takes a query per row."""
    told: set[tuple[object, ...]] = set()
    unsound: dict[Location, list[_Found]] = {}
    reached: dict[Location, Exposure] = {}
    for paid in costs:
        cost = paid.cost
        rows = _rows(program, cost)
        if rows is None:
            continue
        same = (cost.path or (cost.name,), rows.places)
        exposure = _exposure(program, page, cost)
        if same in told or exposure is None:
            continue
        # What an earlier page has told of is loaded on this one by then, too.
        told.add(same)
        if (paid.location, *same) in seen:
            continue
        seen.add((paid.location, *same))
        yield Opportunity(paid.location, exposure.kind)
        if is_loaded_before(program, cost, cost.owner.known):
            continue
        if cost.relation and any(is_brought_on_the_way(program, row, cost.path) for row in rows.of):
            continue
        if cost.relation is None or not (rows.covers(cost.path) or is_joined(program, cost)):
            if paid.is_before:
                # One place for the rows of all views that share it.
                if (paid.location, cost.path) in seen:
                    continue
                seen.add((paid.location, cost.path))
            unsound.setdefault(paid.location, []).append((paid, rows))
            reached.setdefault(paid.location, exposure)
    for found in _by_query(program, page, unsound.values(), costs):
        exposure = reached[found[0][0].location]
        lazies.append(_Lazy(page, found, costs, _confidence(program, page, found), exposure))


def _matches(program: Program, lazies: Iterable[_Lazy]) -> Iterator[Match]:
    """Yield a match for each query, at the first of its places that no other match tells of."""
    told: set[Location] = set()
    for lazy in sorted(lazies, key=lambda it: (it.confidence.rank, not it.exposure.endpoint)):
        found = sorted(lazy.found, key=lambda each: each[0].location in told)
        if len({paid.location for paid, _ in found}) == 1 or found[0][0].location not in told:
            told.update(paid.location for paid, _ in found)
            yield _match(program, lazy, found)


def _by_query(
    program: Program, page: _Page, unsound: Iterable[list[_Found]], costs: Sequence[Paid]
) -> Iterable[list[_Found]]:
    """Return what is read at each place; as one what one loop reads that one query could load."""
    together: dict[tuple[object, ...], list[_Found]] = {}
    for found in unsound:
        paid, rows = found[0]
        key: tuple[object, ...] = (paid.location,)
        is_loaded = all(each.cost.relation is not None for each, _ in found)
        if is_loaded and not _is_same_for_all(found) and not _by_key(found, costs):
            sureness = _confidence(program, page, found)
            key = (paid.turn.location, paid.turn.walked, rows.places, sureness)
        together.setdefault(key, []).extend(found)
    return together.values()


def _by_key(found: Sequence[_Found], costs: Sequence[Paid]) -> str:
    """Return how to ask for the keys of relations that a page only tests; empty where it reads."""
    written = []
    for paid, _ in found:
        relation, path = paid.cost.relation, paid.cost.path
        if relation is None or relation.column is None or relation.reverse:
            return ""
        if any(it.cost.path[: len(path)] == path and not it.is_asked_for for it in costs):
            return ""
        written.append(f"`{paid.written.removesuffix(relation.name)}{relation.column}`")
    return f"Ask for the key, which the row has: {', '.join(dict.fromkeys(written))}."


def _rows(program: Program, cost: Cost) -> Rows | None:
    known = cost.owner.known
    return None if known is None else program.once(_rows_of, known)


def _rows_of(program: Program, known: Known) -> Rows | None:
    return known.rows(program)


def _match(program: Program, lazy: _Lazy, found: Sequence[_Found]) -> Match:
    """Return the match of what one change cures, at the first place of ``found``."""
    page, costs, exposure = lazy.page, lazy.costs, lazy.exposure
    paid, rows = found[0]
    trace = list(exposure.chain)
    trace.append(TraceStep(page.location, "the rows are shown here"))
    if rows.query is not None:
        trace.append(TraceStep(rows.query, "the rows are queried"))
    if paid.cost.relation is not None:
        trace.extend(TraceStep(place, "others are loaded here") for place in rows.extended)
    for other, _ in found:
        read = TraceStep(other.location, f"reads {other.written}")
        trace.extend(step for step in (*other.way, read, *other.cost.steps) if step not in trace)
    names = [other.cost.name for other, _ in found if other.cost.relation is not None]
    asks = len(names) < len(found)
    same = _is_same_for_all(found)
    return Match(
        paid.location,
        {
            "read": ", ".join(dict.fromkeys(other.written for other, _ in found)),
            "often": _how_often(program, found, same=same),
            "does": _does(names),
            "why": _why(names, asks=asks, same=same),
        },
        trace=tuple(trace),
        confidence=lazy.confidence,
        function=page.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({paid.turn.walked})",
        role=page.function.role,
        fix=SAME_FOR_ALL
        if same
        else _by_key(found, costs)
        or _fix(
            program,
            page,
            [other.cost for other, _ in found],
            rows,
            only_numbers((each.cost.path, each.cost.is_number) for each in costs),
        ),
    )


def _confidence(program: Program, page: _Page, found: Sequence[_Found]) -> Confidence:
    paid, rows = found[0]
    is_unsure = (
        rows.made
        or COMBINED in rows.steps
        or any(rows.is_apart(other.cost.path) for other, _ in found)
        or paid.is_grouped
        or _are_few(program, paid.cost)
        or any(may_be_loaded_before(program, page.view, other.cost) for other, _ in found)
        or is_kept_answer(program, page.function)
    )
    surest = min((other.cost.confidence for other, _ in found), key=lambda it: it.rank)
    return weakest(surest, Confidence.MEDIUM if is_unsure else Confidence.HIGH)


def _are_few(program: Program, cost: Cost) -> bool:
    """Return whether what is given to the page is a list that the code itself says is short."""
    known = cost.owner.known
    return known is not None and any(
        is_short(program.types, item.function, item.value, item.at) for item in known.givens
    )


def _how_often(program: Program, found: Sequence[_Found], *, same: bool) -> str:
    """Return how often it is asked: for each item, or for each object that the items lead to."""
    paid = found[0][0]
    known = paid.cost.owner.known
    often = "once per item"
    if known is not None and not same:
        paths = [other.cost.path for other, _ in found]
        often = times_asked(program, table_class(known.type), paths, often)
    return f"{often} of `{paid.turn.walked}`"


def _does(names: Sequence[str]) -> str:
    if not names:
        return "runs a query"
    listed = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
    return f"loads the relation {listed}" if "," not in listed else f"loads the relations {listed}"


def _is_same_for_all(found: Sequence[_Found]) -> bool:
    """Return whether what is read belongs to something that does not change with the loop."""
    return all(not paid.cost.owner.loop and paid.cost.relation is not None for paid, _ in found)


def _why(names: Sequence[str], *, asks: bool, same: bool) -> str:
    if not names:
        return ""
    if same:
        return ", though its owner is the same for all items"
    return ", whose query does not load it" + (", and runs a query of its own" if asks else "")


def _fix(
    program: Program,
    page: _Page,
    costs: Sequence[Cost],
    rows: Rows,
    numbers: frozenset[tuple[str, ...]],
) -> str:
    """Return what loads the relations with the rows, and where it goes."""
    known = costs[0].owner.known
    node = None if known is None else table_class(known.type)
    paths = whole([cost.path for cost in costs if cost.relation is not None])
    if not paths:
        spared = next(filter(None, (words_on_refined(rows, cost.refined) for cost in costs)), "")
        return f"{spared[0].upper()}{spared[1:]}." if spared else OWN_QUERY
    if node is None:
        return ""
    # A query that joins by itself is left as it is by the class.
    if page.cure and page.view is not None and all(rows.loaded.values()):
        if not any(leads_to_many(program, node, path) for path in paths):
            named = '", "'.join("__".join(path) for path in whole([*page.kept, *paths]))
            return f"Set {page.cure.replace('{path}', named)} in {page.view.name}."
    place = f" at {rows.query.path}:{rows.query.line}" if rows.query is not None else ""
    if rows.made:
        calls = [words_on_new_rows(program, node, path) for path in paths]
        return (
            f"After the rows are written{place}, call {' and '.join(calls)}." if all(calls) else ""
        )
    words = words_for(program, node, rows, paths, numbers)
    if not words:
        return ""
    cure = _cure_of_view(program, page.view, known, rows)
    manager = _manager_of(program, node) if cure else ""
    if manager and page.view is not None:
        written = cure.replace("{objects}", manager)
        written = written.replace("{model}", node.name).replace("{words}", words.lstrip("."))
        return f"Set `{written}` in {page.view.name}."
    columns = [words_on_columns(program, node, path, rows.only) for path in paths]
    return " ".join([f"Add {words} to the query{place}.", *filter(None, columns)])


def _manager_of(program: Program, node: ClassNode) -> str:
    """Return the manager of the rows of a class: its own, or its library's; empty if none."""
    manager = first_manager(program.types, node)
    if manager is not None:
        return manager[0]
    bases = set(library_lineage(program.types, node))
    names = (
        schema.default_manager
        for schema in program.libraries.schemas
        if schema.default_manager and not bases.isdisjoint(schema.table_bases)
    )
    return next(names, "")


def _cure_of_view(program: Program, view: ClassNode | None, known: Known | None, rows: Rows) -> str:
    """Return what a view says that only names the class of its rows; empty where a query is."""
    if view is None or known is None or known.givens or rows.query != known.query:
        return ""
    found = view_of(program, view)
    return "" if found is None else found.words.cure


def _exposure(program: Program, page: _Page, cost: Cost) -> Exposure | None:
    """Return from where rows are shown, None where all calls leave off what gives or shows them.

    A view class is asked for also where it has no method.
    """
    known = cost.owner.known
    givens = () if known is None else known.givens
    given = [givens[0].at] if len(givens) == 1 and givens[0].function is page.function else []
    reached = program.exposure_within(page.function, page.at, *given)
    if reached.kind == "unreached" and program.way_to(page.function) is not None:
        return None
    return exposure_of_page(program, reached, page.view, page.location)
