"""Find relations and queries that a template pays once per row that it shows."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity
from perfaudit.program.exposure import Exposure, label_of
from perfaudit.program.program import Program
from perfaudit.program.renderings import Rendering, renderings
from perfaudit.program.rows import Rows
from perfaudit.program.template_costs import Paid, paid_by


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each read of rows in a template's loop, and a match where it takes a query per row."""
    if not program.schema.relation_names:
        return
    seen: set[tuple[Location, tuple[str, ...], tuple[Location, ...]]] = set()
    for rendering in program.once(renderings):
        told: set[tuple[object, ...]] = set()
        for paid in paid_by(program, rendering):
            rows = _rows(program, paid)
            if rows is None:
                continue
            cost = paid.cost
            key = (paid.location, cost.path or (cost.name,), rows.places)
            same = (cost.path or (cost.name,), rows.places)
            if key in seen or same in told:
                continue
            seen.add(key)
            told.add(same)
            yield from _judge(program, rendering, paid, rows)


def _rows(program: Program, paid: Paid) -> Rows | None:
    known = paid.cost.owner.known
    return None if known is None else program.once(_rows_of, known)


def _rows_of(program: Program, known: object) -> Rows | None:
    return known.rows(program)


def _judge(
    program: Program, rendering: Rendering, paid: Paid, rows: Rows
) -> Iterator[Match | Opportunity]:
    exposure = _exposure(program, rendering)
    yield Opportunity(paid.location, exposure.kind)
    cost = paid.cost
    if cost.relation is not None and rows.covers(cost.path):
        return
    trace = list(exposure.chain)
    trace.append(TraceStep(rendering.location, "the template is rendered"))
    trace.extend(TraceStep(place, "rows are queried") for place in rows.places[-1:])
    trace.extend(paid.way)
    trace.append(TraceStep(paid.location, f"reads {paid.written}"))
    trace.extend(cost.steps)
    yield Match(
        paid.location,
        {
            "read": paid.written,
            "walked": paid.turn.walked,
            "does": f"loads the relation `{cost.name}`" if cost.relation else "runs a query",
        },
        trace=tuple(trace),
        confidence=cost.confidence,
        function=rendering.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        cost=f"N({paid.turn.walked})",
        role=rendering.function.role,
    )


def _exposure(program: Program, rendering: Rendering) -> Exposure:
    """Return from where a rendering is reached: a view class also where it has no method."""
    found = program.exposure_of(rendering.function)
    if rendering.view is None or found.endpoint:
        return found
    for endpoint in program.endpoints:
        if endpoint.view is rendering.view:
            label = label_of(endpoint)
            step = TraceStep(rendering.view.location, f"{label} enters {rendering.view.name}")
            return Exposure("endpoint", label, None, (step,))
    return found


__all__ = ["Confidence", "Severity", "detect"]
