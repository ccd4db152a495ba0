"""The formula of each endpoint is what running it shows, whatever the number of rows.

``fixtures/counted_django`` and ``fixtures/counted_fastapi`` are two applications, with a list of
requests in ``requests.json``. Each is sent with several numbers of rows: see
``query_counting.py``. No count is written by hand.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.core.report import EndpointCard

FIXTURES = Path(__file__).parents[2] / "fixtures"
COUNTERS = {
    "counted_django": "django_counter.py",
    "counted_fastapi": "sqlalchemy_counter.py",
}
SIZES = [(1, 1), (5, 5), (20, 20), (20, 5), (5, 20)]
"""How many rows there are of what is listed by itself, and of what belongs to each of those."""

INNER = frozenset({"visits", "reviews", "lines", "beds"})
"""The sizes of what belongs to something. Every other size is that of what is listed by itself."""
OUTER = frozenset({"departments", "doctors", "invoices", "patients", "wards"})

FACTOR = re.compile(r"[A-Z]\((?P<name>\w+)(?:<=(?P<bound>\d+))?\)")
LOWER_BOUND = ">= "

DISAGREE: dict[str, dict[str, str]] = {
    "counted_django": {},
    "counted_fastapi": {
        "GRAPHQL Query.patients": "what the function behind a loader of keys costs",
    },
}
"""Endpoints of which the formula is not yet what running them shows, and why."""


@dataclass(frozen=True)
class Ran:
    """What one endpoint cost when it ran, with each of the sizes."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    statuses: frozenset[int]

    @property
    def grows(self) -> bool:
        """Return whether more rows mean more queries."""
        return len({sum(pair) for pair in zip(self.reads, self.writes, strict=True)}) > 1


def requests_of(application: str) -> list[dict[str, str]]:
    """Return the requests of an application, each with the endpoint that answers it."""
    return json.loads((FIXTURES / application / "requests.json").read_text())


ENDPOINTS = [
    (application, request["endpoint"])
    for application in COUNTERS
    for request in requests_of(application)
]


def every_endpoint(excuses: dict[str, dict[str, str]]) -> pytest.MarkDecorator:
    """Return the mark of a test of each endpoint, of which some are known to fail."""
    return pytest.mark.parametrize(
        ("application", "endpoint"),
        [
            pytest.param(
                application,
                endpoint,
                id=f"{application}: {endpoint}",
                marks=pytest.mark.xfail(
                    endpoint in excuses[application],
                    reason=excuses[application].get(endpoint, ""),
                    raises=AssertionError,
                    strict=True,
                ),
            )
            for application, endpoint in ENDPOINTS
        ],
    )


@cache
def ran(application: str) -> dict[str, Ran]:
    """Return what each endpoint of an application costs when it runs."""
    requests = requests_of(application)
    sent = [
        {"method": each["method"], "path": each["path"], "body": each.get("body", "")}
        | {"outer": outer, "inner": inner}
        for outer, inner in SIZES
        for each in requests
    ]
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name(COUNTERS[application])),
            str(FIXTURES / application),
        ],
        input=json.dumps(sent),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {
        each["endpoint"]: Ran(
            tuple(count["reads"] for count in counts[number :: len(requests)]),
            tuple(count["writes"] for count in counts[number :: len(requests)]),
            frozenset(count["status"] for count in counts[number :: len(requests)]),
        )
        for number, each in enumerate(requests)
    }


@cache
def cards(application: str) -> dict[str, EndpointCard]:
    """Return what the audit says of each endpoint."""
    root = FIXTURES / application
    report = audit(root, [root], Settings(cache=False, jobs=1)).report
    return {f"{card.method} {card.path}".strip(): card for card in report.endpoints}


def evaluated(formula: str) -> tuple[int, ...]:
    """Return the value of a formula with each of the sizes."""
    return tuple(
        sum(product(term, outer, inner) for term in formula.removeprefix(LOWER_BOUND).split(" + "))
        for outer, inner in SIZES
    )


def product(term: str, outer: int, inner: int) -> int:
    """Return the value of one term, such as ``2*N(orders)*M(items<=10)``."""
    result = 1
    for factor in term.split("*"):
        size = FACTOR.fullmatch(factor)
        if size is None:
            result *= int(factor)
            continue
        assert size["name"] in INNER | OUTER, f"the clinic has no {size['name']}"
        rows = inner if size["name"] in INNER else outer
        result *= min(rows, int(size["bound"])) if size["bound"] else rows
    return result


@pytest.mark.parametrize("application", COUNTERS)
def test_every_endpoint_has_a_request_that_succeeds(application: str) -> None:
    assert sorted(cards(application)) == sorted(ran(application))
    assert {status for each in ran(application).values() for status in each.statuses} == {200}


@every_endpoint(DISAGREE)
def test_the_formula_is_what_running_shows(application: str, endpoint: str) -> None:
    card, run = cards(application)[endpoint], ran(application)[endpoint]
    assert not card.queries.startswith(LOWER_BOUND)
    assert evaluated(card.reads) == run.reads
    assert evaluated(card.writes) == run.writes


@every_endpoint({application: {} for application in COUNTERS})
def test_growth_is_neither_missed_nor_invented(application: str, endpoint: str) -> None:
    """A lower bound says that there may be more, so it misses nothing."""
    card, run = cards(application)[endpoint], ran(application)[endpoint]
    if card.degree:
        assert run.grows
    elif run.grows:
        assert card.queries.startswith(LOWER_BOUND)


def test_nine_of_ten_formulas_are_exact() -> None:
    assert sum(map(len, DISAGREE.values())) <= len(ENDPOINTS) / 10


@pytest.mark.parametrize("application", COUNTERS)
def test_half_of_the_endpoints_grow(application: str) -> None:
    """Endpoints that all cost the same, or that all grow, would prove little."""
    growing = [endpoint for endpoint, run in ran(application).items() if run.grows]
    assert len(ran(application)) >= 25
    assert 0.4 <= len(growing) / len(ran(application)) <= 0.6
