"""Find relations and queries that a class that shows rows pays once per row that it shows."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, weakest
from perfaudit.core.report import Opportunity
from perfaudit.program.eager_words import only_numbers, words_for, words_on_new_rows
from perfaudit.program.kept_answers import is_kept_answer
from perfaudit.program.loaded_before import is_loaded_before
from perfaudit.program.program import Program
from perfaudit.program.rows import Path, Rows
from perfaudit.program.showing_costs import Spent, spent_by, spent_to_fill
from perfaudit.program.showings import Showing, is_one, showings
from perfaudit.program.template_values import Value
from perfaudit.program.values import Instance
from perfaudit.program.view_exposures import exposure_of_list


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each cost of showing a row, and a match where the query of the rows did not load it."""
    if not program.schema.relation_names:
        return
    seen: set[tuple[object, ...]] = set()
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
        numbers = only_numbers((spent.cost.path, spent.cost.is_number) for spent in spending)
        for spent in _each_once(spending):
            if showing.is_together and spent.cost.relation is None:
                continue
            same = (spent.location, spent.cost.path or spent.location, rows.places)
            if same not in seen:
                seen.add(same)
                yield from _judge(program, showing, spent, rows, numbers)


def _each_once(spending: list[Spent]) -> list[Spent]:
    """Return one cost for each relation, the surest: who reads it next finds it loaded."""
    found: dict[object, Spent] = {}
    for spent in spending:
        key = spent.cost.path or spent.location
        if key not in found or not found[key].cost.confidence.at_least(spent.cost.confidence):
            found[key] = spent
    return list(found.values())


def _judge(
    program: Program, showing: Showing, spent: Spent, rows: Rows, numbers: frozenset[Path]
) -> Iterator[Match | Opportunity]:
    exposure = program.exposure_of(showing.function)
    if showing.view is not None:
        exposure = exposure_of_list(program, exposure, showing.words, showing.view)
    yield Opportunity(spent.location, exposure.kind)
    cost = spent.cost
    if cost.relation is not None and rows.covers(cost.path):
        return
    if is_loaded_before(program, cost, showing.rows):
        return
    trace = list(exposure.chain)
    without = f" without `{'.'.join(cost.path)}`" if cost.relation else ""
    if rows.query is not None:
        trace.append(TraceStep(rows.query, f"the rows are queried{without}"))
    if cost.relation:
        trace.extend(TraceStep(place, "others are loaded here") for place in rows.extended)
    trace.append(TraceStep(showing.location, f"shows each row with {showing.shown.name}"))
    trace.extend(spent.way)
    trace.append(TraceStep(spent.location, f"{spent.field} is shown"))
    trace.extend(cost.steps)
    cure = _cure(program, showing, spent, rows, numbers)
    yield Match(
        spent.location,
        {
            "field": spent.field,
            "row": showing.row.name,
            "does": f"loads the relation `{'.'.join(cost.path)}`"
            if cost.relation
            else f"runs a query{f' in `{cost.name}`' if cost.name else ''}",
            "cure": cure,
        },
        trace=tuple(trace),
        confidence=weakest(
            cost.confidence,
            showing.confidence,
            Confidence.MEDIUM
            if rows.made
            or rows.is_apart(cost.path)
            or is_kept_answer(program, showing.function)
            or exposure.entry in program.memoised
            else Confidence.HIGH,
        ),
        function=showing.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({showing.row.name})",
        role=showing.function.role,
    )


def _cure(
    program: Program, showing: Showing, spent: Spent, rows: Rows, numbers: frozenset[Path]
) -> str:
    """Return what spares the queries, and where it goes."""
    path, query = spent.cost.path, rows.query or showing.location
    if spent.cost.relation is not None and rows.made:
        words = words_on_new_rows(program, showing.row, path)
        if words:
            return f"call `{words}` after the rows are written in {query.path}:{query.line}"
    is_loaded = spent.cost.relation is not None
    words = words_for(program, showing.row, rows, path, numbers) if is_loaded else ""
    if words:
        return f"add `{words}` to the query in {query.path}:{query.line}"
    return "ask once for all rows, with the query of the rows, and read the answer here"
