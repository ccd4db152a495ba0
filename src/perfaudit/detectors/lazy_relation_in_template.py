"""Find relations and queries that a template or a list page pays once per row that it shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.bounds import is_short
from perfaudit.program.eager_words import (
    leads_to_many,
    only_numbers,
    words_for,
    words_on_columns,
    words_on_new_rows,
)
from perfaudit.program.exposure import Exposure
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.list_pages import list_pages
from perfaudit.program.loaded_before import is_loaded_before
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.read_before import with_earlier_reads
from perfaudit.program.renderings import Known, renderings
from perfaudit.program.rows import Rows
from perfaudit.program.template_costs import Paid, paid_by
from perfaudit.program.template_values import Cost, is_joined, table_class
from perfaudit.program.view_exposures import exposure_of_page


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each read of rows in a template's loop, and a match where it takes a query per row."""
    if not program.schema.relation_names:
        return
    seen: set[tuple[object, ...]] = set()
    for rendering in program.once(renderings):
        page = _Page(rendering.function, rendering.view, rendering.location, at=rendering.at)
        costs = with_earlier_reads(program, rendering, paid_by(program, rendering))
        yield from _judged(program, page, costs, seen)
    for shown in list_pages(program):
        page = _Page(shown.node.body, shown.node, shown.node.location, shown.cure, shown.kept)
        yield from _judged(program, page, shown.paid, seen)


OWN_QUERY = (
    "Ask once for all rows, with the query of the rows, and read the answer here: an annotation, "
    "or the related rows loaded under the conditions and in the order that are asked for. To load "
    "a relation does not help where it is filtered or ordered again: that is a query again."
)
"""What cures a query of its own, which no relation that is loaded with the rows spares."""
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


def _judged(
    program: Program, page: _Page, costs: Iterable[Paid], seen: set[tuple[object, ...]]
) -> Iterator[Match | Opportunity]:
    costs = list(costs)
    told: set[tuple[object, ...]] = set()
    unsound: dict[Location, list[tuple[Paid, Rows]]] = {}
    for paid in costs:
        cost = paid.cost
        rows = _rows(program, cost)
        if rows is None:
            continue
        same = (cost.path or (cost.name,), rows.places)
        if same in told:
            continue
        # What an earlier page has told of is loaded on this one by then, too.
        told.add(same)
        if (paid.location, *same) in seen:
            continue
        seen.add((paid.location, *same))
        yield Opportunity(paid.location, _exposure(program, page).kind)
        if is_loaded_before(program, cost, cost.owner.known):
            continue
        if cost.relation is None or not (rows.covers(cost.path) or is_joined(program, cost)):
            if paid.is_before:
                # One place for the rows of all views that share it.
                if (paid.location, cost.path) in seen:
                    continue
                seen.add((paid.location, cost.path))
            unsound.setdefault(paid.location, []).append((paid, rows))
    for found in unsound.values():
        yield _match(program, page, found, costs)


def _by_key(found: Sequence[tuple[Paid, Rows]], costs: Sequence[Paid]) -> str:
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


def _match(
    program: Program, page: _Page, found: Sequence[tuple[Paid, Rows]], costs: Sequence[Paid]
) -> Match:
    """Return the match of one place, which may load several relations; ``costs``: all of a page."""
    paid, rows = found[0]
    exposure = _exposure(program, page)
    trace = list(exposure.chain)
    trace.append(TraceStep(page.location, "the rows are shown here"))
    if rows.query is not None:
        trace.append(TraceStep(rows.query, "the rows are queried"))
    if paid.cost.relation is not None:
        trace.extend(TraceStep(place, "others are loaded here") for place in rows.extended)
    trace.extend(paid.way)
    trace.append(TraceStep(paid.location, f"reads {paid.written}"))
    for other, _ in found:
        trace.extend(step for step in other.cost.steps if step not in trace)
    names = [other.cost.name for other, _ in found if other.cost.relation is not None]
    asks = len(names) < len(found)
    same = _is_same_for_all(found)
    return Match(
        paid.location,
        {
            "read": ", ".join(dict.fromkeys(other.written for other, _ in found)),
            "walked": paid.turn.walked,
            "does": _does(names),
            "why": _why(names, asks=asks, same=same),
        },
        trace=tuple(trace),
        confidence=weakest(
            min((other.cost.confidence for other, _ in found), key=lambda it: it.rank),
            Confidence.MEDIUM
            if rows.made
            or any(rows.is_apart(other.cost.path) for other, _ in found)
            or _are_few(program, paid.cost)
            or is_kept_answer(program, page.function)
            else Confidence.HIGH,
        ),
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


def _are_few(program: Program, cost: Cost) -> bool:
    """Return whether what is given to the page is a list that the code itself says is short."""
    known = cost.owner.known
    return known is not None and any(
        is_short(program.types, item.function, item.value, item.at) for item in known.givens
    )


def _does(names: Sequence[str]) -> str:
    if not names:
        return "runs a query"
    listed = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
    return f"loads the relation {listed}" if "," not in listed else f"loads the relations {listed}"


def _is_same_for_all(found: Sequence[tuple[Paid, Rows]]) -> bool:
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
    paths = _ends([cost.path for cost in costs if cost.relation is not None])
    if not paths:
        return OWN_QUERY
    if node is None:
        return ""
    # A query that joins by itself is left as it is by the class.
    if page.cure and page.view is not None and all(rows.loaded.values()):
        if not any(leads_to_many(program, node, path) for path in paths):
            named = '", "'.join("__".join(path) for path in _ends([*page.kept, *paths]))
            return f"Set {page.cure.replace('{path}', named)} in {page.view.name}."
    words = [
        words_on_new_rows(program, node, path)
        if rows.made
        else words_for(program, node, rows, path, numbers)
        for path in paths
    ]
    place = f" at {rows.query.path}:{rows.query.line}" if rows.query is not None else ""
    if not all(words):
        return ""
    if rows.made:
        return f"After the rows are written{place}, call {' and '.join(words)}."
    columns = [words_on_columns(program, node, path, rows.only) for path in paths]
    words = list(dict.fromkeys(words))
    return " ".join([f"Add {' and '.join(words)} to the query{place}.", *filter(None, columns)])


def _ends(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return chains of relations without those that others begin with: loading these loads them."""
    return [
        path
        for path in dict.fromkeys(paths)
        if not any(other[: len(path)] == path and other != path for other in paths)
    ]


def _exposure(program: Program, page: _Page) -> Exposure:
    """Return from where rows are shown: a view class also where it has no method."""
    found = program.exposure_within(page.function, page.at)
    return exposure_of_page(program, found, page.view, page.location)
