"""Find relations and queries that a class that shows rows pays once per row that it shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.eager_words import (
    OWN_QUERY,
    only_numbers,
    whole,
    words_for,
    words_on_new_rows,
    words_on_refined,
)
from perfaudit.program.exposure import Exposure
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.kept_objects import times_asked
from perfaudit.program.loaded_before import is_loaded_before
from perfaudit.program.nodes import ClassNode
from perfaudit.program.program import Program
from perfaudit.program.row_queries import is_brought_on_the_way
from perfaudit.program.rows import COMBINED, Path, Rows
from perfaudit.program.showing_costs import Spent, spent_by, spent_to_fill
from perfaudit.program.showings import Showing, is_one, showings
from perfaudit.program.template_values import Cost, Value, table_class
from perfaudit.program.values import Instance
from perfaudit.program.view_exposures import exposure_of_list

ASKED_ONCE = "ask once for all rows, with the query of the rows, and read the answer here"


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A cost that showing rows has once per row, and of what relations only numbers are shown.

    ``rows`` and ``row``: those whose relation is read, and their class: the rows that are shown, or
    those that a method of them asks for.
    """

    showing: Showing
    spent: Spent
    rows: Rows
    row: ClassNode
    numbers: frozenset[Path]
    exposure: Exposure
    confidence: Confidence


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each cost of showing a row, and a match where the query of the rows did not load it.

    Relations that one change of one query loads are one match.
    """
    if not program.schema.relation_names:
        return
    seen: set[tuple[object, ...]] = set()
    found: dict[tuple[object, ...], list[_Lazy]] = {}
    for showing in showings(program):
        rows = showing.rows.rows(program)
        if rows is None or is_one(program, showing, rows):
            continue
        row = Value(Instance(showing.row), showing.rows, loop=1)
        spending = (
            spent_to_fill(program, showing.shown, row)
            if showing.is_filled
            else spent_by(program, showing.words, showing.shown, row)
        )
        for spent in _each_once(spending):
            if showing.is_together and spent.cost.relation is None:
                continue
            read = _rows_read(program, showing, spent, rows)
            if read is None:
                continue
            same = (spent.location, spent.cost.path or spent.location, read[0].places)
            if same in seen:
                continue
            seen.add(same)
            lazy = _judge(program, showing, spent, *read, _numbers(spending, spent))
            yield Opportunity(spent.location, lazy.exposure.kind)
            if _is_paid(program, lazy):
                found.setdefault(_query_of(lazy), []).append(lazy)
    yield from _matches(program, found.values())


def _rows_read(
    program: Program, showing: Showing, spent: Spent, rows: Rows
) -> tuple[Rows, ClassNode] | None:
    """Return the rows whose relation a cost is paid for, and their class, if they are known.

    They are those that are shown, or those that a method of them asks for.
    """
    known = spent.cost.owner.known
    if spent.cost.relation is None or known is showing.rows:
        return rows, showing.row
    own = None if known is None else known.rows(program)
    node = None if known is None else table_class(known.type)
    return None if own is None or node is None else (own, node)


def _numbers(spending: Iterable[Spent], spent: Spent) -> frozenset[Path]:
    """Return the relations of which only numbers are shown, of the same rows as one of them."""
    same = [it.cost for it in spending if it.cost.owner.known == spent.cost.owner.known]
    return only_numbers((cost.path, cost.is_number) for cost in same)


def _query_of(lazy: _Lazy) -> tuple[object, ...]:
    """Return what costs share that one change of one query spares."""
    showing, spent = lazy.showing, lazy.spent
    own = (spent.location, spent.field) if spent.cost.relation is None else ()
    return (showing.function, showing.location, lazy.row, lazy.rows.places, own, lazy.confidence)


def _matches(program: Program, found: Iterable[list[_Lazy]]) -> Iterator[Match]:
    """Yield a match for each query, at the first of its places that no other match tells of."""
    told: set[Location] = set()
    for lazies in sorted(found, key=_gravity):
        new = [lazy for lazy in lazies if lazy.spent.location not in told]
        if new:
            told.update(lazy.spent.location for lazy in new)
            yield _match(program, new, lazies)


def _gravity(lazies: list[_Lazy]) -> tuple[int, bool]:
    return lazies[0].confidence.rank, not lazies[0].exposure.endpoint


def _each_once(spending: list[Spent]) -> list[Spent]:
    """Return one cost for each relation, the surest: who reads it next finds it loaded."""
    found: dict[object, Spent] = {}
    for spent in spending:
        key = (spent.cost.owner.known, spent.cost.path or spent.location)
        if key not in found or not found[key].cost.confidence.at_least(spent.cost.confidence):
            found[key] = spent
    return list(found.values())


def _judge(
    program: Program,
    showing: Showing,
    spent: Spent,
    rows: Rows,
    row: ClassNode,
    numbers: frozenset[Path],
) -> _Lazy:
    exposure = program.exposure_of(showing.function)
    if showing.view is not None:
        exposure = exposure_of_list(
            program, exposure, showing.view_words or showing.words, showing.view
        )
    is_known = not (
        rows.made
        or COMBINED in rows.steps
        or rows.is_apart(spent.cost.path)
        or is_kept_answer(program, showing.function)
        or exposure.entry in program.memoised
    )
    confidence = weakest(
        spent.cost.confidence,
        showing.confidence,
        Confidence.HIGH if is_known else Confidence.MEDIUM,
    )
    return _Lazy(showing, spent, rows, row, numbers, exposure, confidence)


def _is_paid(program: Program, lazy: _Lazy) -> bool:
    """Return whether nothing has loaded what is shown of a row before."""
    cost = lazy.spent.cost
    if cost.relation is not None and (
        lazy.rows.covers(cost.path) or is_brought_on_the_way(program, lazy.showing.row, cost.path)
    ):
        return False
    return not is_loaded_before(program, cost, cost.owner.known or lazy.showing.rows)


def _match(program: Program, new: Sequence[_Lazy], lazies: Sequence[_Lazy]) -> Match:
    """Return the match of the costs that one query spares; it stands at the first new one."""
    first, rows, exposure = new[0], new[0].rows, new[0].exposure
    showing, cost = first.showing, first.spent.cost
    paths = list(dict.fromkeys(".".join(lazy.spent.cost.path) for lazy in lazies))
    fields = _short(lazy.spent.field for lazy in (first, *lazies))
    cure = _cure(program, first, lazies)
    trace = list(exposure.chain)
    without = f" without `{'`, `'.join(paths)}`" if cost.relation else ""
    if rows.query is not None:
        trace.append(TraceStep(rows.query, f"the rows are queried{without}"))
    if cost.relation:
        trace.extend(TraceStep(place, "others are loaded here") for place in rows.extended)
    trace.append(TraceStep(showing.location, f"shows each row with {showing.shown.name}"))
    for lazy in (*new, *lazies):
        spent = lazy.spent
        shown = TraceStep(spent.location, f"{spent.field} is shown")
        trace.extend(step for step in (*spent.way, shown, *spent.cost.steps) if step not in trace)
    return Match(
        first.spent.location,
        {
            "field": "`, `".join(fields),
            "often": _how_often(program, first, lazies),
            "does": _what_is_done(first, paths, several=len(fields) > 1),
            "cure": cure if len(paths) == 1 else "one change of their query loads all",
        },
        trace=tuple(trace),
        confidence=first.confidence,
        function=showing.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({first.row.name})",
        role=showing.function.role,
        fix=_fix(cost, paths, cure),
    )


def _fix(cost: Cost, paths: Sequence[str], cure: str) -> str:
    """Return the remedy in full, empty where that of the rule and the message say all."""
    if cost.relation is not None and len(paths) == 1:
        return ""
    if cure == ASKED_ONCE:
        return OWN_QUERY
    return f"{cure[0].upper()}{cure[1:]}."


def _short(fields: Iterable[str]) -> list[str]:
    """Return each field once, as ``Class.name`` where the one before is of another class."""
    names: list[str] = []
    before = ""
    for field in dict.fromkeys(fields):
        owner, _, name = field.rpartition(".")
        names.append(name if owner == before else field)
        before = owner
    return names


def _what_is_done(lazy: _Lazy, paths: Sequence[str], *, several: bool) -> str:
    cost = lazy.spent.cost
    if cost.relation is None:
        return f"runs a query{f' in `{cost.name}`' if cost.name else ''}"
    if len(paths) == 1:
        return f"loads the relation `{paths[0]}`"
    verb = "load" if several else "loads"
    return f"{verb} the relations `{'`, `'.join(paths)}`"


def _how_often(program: Program, first: _Lazy, lazies: Sequence[_Lazy]) -> str:
    """Return how often it is asked: for each row, or for each object that the rows lead to."""
    otherwise = f"once per `{first.row.name}` that is shown"
    if first.spent.cost.relation is None:
        return otherwise
    paths = [lazy.spent.cost.path for lazy in lazies]
    often = times_asked(program, first.row, paths, "")
    return f"{often} of the rows that are shown" if often else otherwise


def _cure(program: Program, first: _Lazy, lazies: Sequence[_Lazy]) -> str:
    """Return what spares the queries, and where it goes."""
    showing, rows, cost = first.showing, first.rows, first.spent.cost
    query = rows.query or showing.location
    paths = [lazy.spent.cost.path for lazy in lazies]
    if cost.relation is not None and rows.made:
        words = "`, `".join(
            filter(None, (words_on_new_rows(program, first.row, path) for path in whole(paths)))
        )
        if words:
            return f"call `{words}` after the rows are written in {query.path}:{query.line}"
    is_loaded = cost.relation is not None
    words = words_for(program, first.row, rows, paths, first.numbers) if is_loaded else ""
    if words and showing.only_names_rows and showing.view_words is not None:
        layer = showing.view_words.layer
        named = f"`{layer.query}` in the `{layer.attribute}` of {query.path}:{query.line}"
        return f"give a query with `{words}` as {named}"
    if words:
        return f"add `{words}` to the query in {query.path}:{query.line}"
    return words_on_refined(rows, cost.refined) or ASKED_ONCE
