"""A report as an audit of a small agent platform would give it, for the reporters to render."""

from dataclasses import replace
from pathlib import Path

from perfaudit.core.finding import Finding, TraceStep
from perfaudit.core.levels import Confidence, Effort, Role, Severity
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem
from perfaudit.core.report import (
    Coverage,
    EndpointCard,
    Inventory,
    Opportunity,
    ProjectSummary,
    Report,
    Strength,
)
from perfaudit.core.rule import Case, Rule
from perfaudit.scoring import load_weights, scorecard

TABLE = load_weights(Path(__file__).parents[2] / "rules" / "scoring.yaml")

RULES = {
    rule.name: rule
    for rule in (
        Rule(
            id="PA201",
            name="missing-rate-limit",
            category="throughput",
            summary="A web application without any limit on the rate of requests.",
            message="Nothing limits the rate of requests to {app}.",
            severity=Severity.MEDIUM,
            confidence=Confidence.HIGH,
            effort=Effort.S,
            since="0.1",
            detector="missing_rate_limit",
            why="One client can take all workers, and all others wait.",
            fix="Add a limiter as middleware, or set one in the gateway.",
            impact={"throughput": "One client can use all of it."},
        ),
        Rule(
            id="PA501",
            name="query-in-loop",
            category="database",
            summary="A query runs once for each item of a loop.",
            message="{call} queries {table} once per item of {items}.",
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            effort=Effort.M,
            since="0.1",
            detector="query_in_loop",
            why="Each item costs one round trip to the database, one after the other.\n"
            "With a hundred items, a request waits a hundred times.\n",
            fix="Fetch all rows with one query before the loop, and look them up by key.",
            impact={
                "latency": "One round trip per item.",
                "throughput": "A connection is held for all of them.",
                "resources": "Each round trip is parsed and planned by the server.",
            },
            cases=(
                Case(
                    "rows of rows (bad)",
                    {"app.py": "for agent in agents:\n    goals(agent.id)  # finding\n"},
                    shown=True,
                ),
            ),
        ),
        Rule(
            id="PA601",
            name="blocking-call-in-async",
            category="async",
            summary="A call that blocks the thread runs on the event loop.",
            message="{call} blocks the event loop in {function}.",
            severity=Severity.CRITICAL,
            confidence=Confidence.HIGH,
            effort=Effort.S,
            since="0.1",
            detector="blocking_call_in_async",
            why="While the call waits, every other request of the process waits with it.",
            fix="Use the async client of the library, or hand the call to `asyncio.to_thread`.",
            impact={"latency": "All requests wait for this one."},
        ),
        Rule(
            id="PA511",
            name="select-star",
            category="database",
            summary="All columns are fetched from a wide table.",
            message="SELECT * on {table}, which has {count} columns.",
            severity=Severity.LOW,
            confidence=Confidence.HIGH,
            effort=Effort.XS,
            since="0.1",
            detector="select_star",
            why="Columns that nobody reads are read from disk and sent.",
            fix="Name the columns.",
        ),
        Rule(
            id="PA704",
            name="missing-tracing",
            category="bottlenecks",
            summary="No tracing or metrics.",
            message="Nothing traces or measures {app}.",
            severity=Severity.ADVICE,
            confidence=Confidence.HIGH,
            effort=Effort.M,
            since="0.1",
            detector="missing_tracing",
            why="What is not measured is guessed.",
            fix="Add OpenTelemetry.",
        ),
    )
}

SNIPPET = "        goals = await store.list_goals(agent.id)"
GOALS = Location("app/store/goals.py", 31, 18, 34, 10)


def sample_finding(
    name: str = "query-in-loop", line: int = 42, number: int = 1, **changes: object
) -> Finding:
    """Return a finding of a rule of the sample, with changes."""
    rule = RULES[name]
    finding = Finding(
        rule=rule.id,
        name=name,
        category=rule.category,
        severity=rule.severity,
        confidence=Confidence.HIGH,
        location=Location("app/api/agents.py", line, 23, line, 49),
        message="store.list_goals() queries goals once per item of agents.",
        function="app.api.agents.list_agents",
        endpoint="GET /agents",
        trace=(
            TraceStep(Location("app/api/agents.py", 35, 1), "GET /agents enters list_agents"),
            TraceStep(Location("app/api/agents.py", 41, 5), "for each agent of agents"),
            TraceStep(Location("app/api/agents.py", line, 23), "calls store.list_goals"),
            TraceStep(GOALS, "SELECT ... FROM goals WHERE agent_id = $1"),
        ),
        cost="1 + 2*N(agents)",
        effort=rule.effort,
        fix="",
        fingerprint=f"{rule.id.lower()}{number:028x}",
        role=Role.PRODUCTION,
        exposure="endpoint",
        words={"call": "store.list_goals()", "table": "goals", "items": "agents"},
        snippet=SNIPPET,
    )
    return replace(finding, **changes)  # type: ignore[arg-type]


def sample_findings() -> tuple[Finding, ...]:
    """Return findings of several rules, some of which end in one sink."""
    blocking = sample_finding(
        "blocking-call-in-async",
        18,
        5,
        location=Location("app/hooks.py", 18, 5, 18, 36),
        message="requests.post() blocks the event loop in notify.",
        function="app.hooks.notify",
        endpoint="POST /agents/{agent_id}/runs",
        trace=(
            TraceStep(
                Location("app/api/runs.py", 12, 1), "POST /agents/{agent_id}/runs enters run"
            ),
            TraceStep(Location("app/api/runs.py", 20, 11), "calls notify"),
            TraceStep(Location("app/hooks.py", 18, 5), "requests.post blocks the thread"),
        ),
        cost="",
        fix="Use httpx.AsyncClient, as app/api/search.py does.",
        snippet="    requests.post(url, json=event)",
    )
    return (
        blocking,
        sample_finding(),
        *(
            sample_finding(
                line=line,
                number=number,
                location=Location("app/api/reports.py", line, 23, line, 49),
                function=f"app.api.reports.{function}",
                endpoint=f"GET /reports/{function}",
            )
            for number, (line, function) in enumerate([(17, "weekly"), (44, "monthly")], 2)
        ),
        sample_finding(
            line=61,
            number=6,
            location=Location("app/jobs.py", 61, 9, 61, 27),
            message="tool.load() queries tools once per item of tool_ids.",
            function="app.jobs.refresh",
            endpoint="",
            trace=(),
            confidence=Confidence.MEDIUM,
            exposure="task",
            cost="N(tool_ids)",
            snippet="        tool.load(tool_id)",
        ),
        sample_finding(
            "missing-rate-limit",
            9,
            7,
            location=Location("app/main.py", 9, 7, 9, 16),
            message="Nothing limits the rate of requests to app.",
            function="",
            endpoint="",
            trace=(),
            exposure="unknown",
            cost="",
            snippet="app = FastAPI()",
        ),
        sample_finding(
            "select-star",
            31,
            8,
            location=Location("app/store/goals.py", 31, 18, 34, 10),
            message="SELECT * on goals, which has 24 columns.",
            function="app.store.goals.list_goals",
            endpoint="",
            trace=(),
            exposure="endpoint",
            cost="",
            snippet='    return await conn.fetch("""',
        ),
        sample_finding(
            "missing-tracing",
            9,
            9,
            location=Location("app/main.py", 9, 7, 9, 16),
            message="Nothing traces or measures app.",
            function="",
            endpoint="",
            trace=(),
            exposure="unknown",
            cost="",
            snippet="app = FastAPI()",
        ),
    )


def sample_report(
    findings: tuple[Finding, ...] | None = None,
    suppressed: tuple[Finding, ...] | None = None,
    problems: tuple[Problem, ...] | None = None,
) -> Report:
    """Return a whole report, by default with findings, problems and strengths."""
    found = sample_findings() if findings is None else findings
    broken = Problem("app/legacy.py", 7, "syntax", "expected an indented block")
    coverage = Coverage(
        calls=1480,
        resolved=1391,
        files_skipped=(broken,) if problems is None else problems,
        chains_truncated=2,
        unresolved={"dynamic": 61, "untyped parameter": 28},
    )
    opportunities = {
        "missing-rate-limit": [Opportunity(Location("app/main.py", 9, 7))],
        "query-in-loop": _sites(96),
        "select-star": _sites(96),
        "blocking-call-in-async": _sites(58),
        "missing-tracing": [Opportunity(Location("app/main.py", 9, 7))],
    }
    return Report(
        version="0.1.0",
        project=ProjectSummary(root="agent_platform", files=62, lines=9314, entry_points=23),
        coverage=coverage,
        findings=found,
        suppressed=(
            (sample_finding(line=88, number=10, suppressed="at most three rows"),)
            if suppressed is None
            else suppressed
        ),
        endpoints=(
            EndpointCard(
                method="GET",
                path="/agents",
                handler="app.api.agents.list_agents",
                location=Location("app/api/agents.py", 35, 1),
                queries="1 + 2*N(agents)",
                degree=1,
                http_calls="0",
                blocking=(),
                cached=False,
                dispatch="event-loop",
                resolved=0.97,
            ),
            EndpointCard(
                method="POST",
                path="/agents/{agent_id}/runs",
                handler="app.api.runs.run",
                location=Location("app/api/runs.py", 12, 1),
                queries="3",
                degree=0,
                http_calls="1",
                blocking=("requests.post",),
                cached=False,
                dispatch="event-loop",
                resolved=1.0,
            ),
        ),
        scorecard=scorecard(found, opportunities, RULES, TABLE, coverage),
        inventory=Inventory(
            async_functions=72,
            gather_sites=9,
            indexes=42,
            tables=42,
            select_statements=34,
            cache_sites=8,
            pools=1,
            endpoints=21,
        ),
        problems=(broken,) if problems is None else problems,
        strengths=(
            Strength("database", "Filtered columns lead an index", 42),
            Strength("async", "Coroutines wait together with gather", 9),
        ),
    )


def _sites(count: int) -> list[Opportunity]:
    return [Opportunity(Location("app/sites.py", line), "endpoint") for line in range(1, count + 1)]
