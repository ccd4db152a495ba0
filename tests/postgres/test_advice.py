"""What perfaudit advises, carried out on a real PostgreSQL with 100,000 rows in each table.

``fixtures/advised_postgres`` is audited. Each index that a finding prints is made as it is printed:
the plan of the query that asked for it must use it then. Each projection that a finding proposes is
put into its statement: the rows must take fewer bytes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Confidence
from perfaudit.program.program import Program

from .cluster import Database, cluster, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "a server can be started"),
]
SHOP = Path(__file__).parents[2] / "fixtures" / "advised_postgres"
ARGUMENTS = {
    "account_by_email": "'user777@example.org'",
    "account_in_any_case": "'user777@example.org'",
    "accounts_named": "'ser 7777'",
    "accounts_with": "'{\"serial\": 777}'",
    "order_tracked": "'T-777'",
    "account_by_token": "'ref-777'",
    "order_by_number": "'N-777'",
    "orders_of_account": "777",
    "payment_by_token": "md5('777')",
    "payments_of_order": "777",
}
OTHERS = "1000"
_INDEX = re.compile(r"CREATE INDEX .*?;", re.DOTALL)
_EXTENSION = re.compile(r"CREATE EXTENSION .*?;")
_NAME = re.compile(r"CREATE INDEX CONCURRENTLY (\S+)")
_LEAVE = re.compile(r"Leave (?P<old>\S+) out of the SELECT\.")
_REPLACE = re.compile(r"Select (?P<new>.+) in place of (?P<old>\S+)\.$")
_ONLY = re.compile(r"Select (?P<new>.+)\.$")
_LIST = re.compile(r"(?<=SELECT)\s+.*?\s+(?=FROM)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding, and the statement that it is about, with values in the place of parameters."""

    finding: Finding
    statement: str
    reads: str


@pytest.fixture(scope="module")
def advice() -> list[Advice]:
    """Return the findings of the shop about its statements."""
    settings = Settings(select=("PA51",), min_confidence=Confidence.LOW, cache=False, jobs=1)
    result = audit(SHOP, [SHOP], settings)
    return [Advice(found, *_statement(result.program, found)) for found in result.report.findings]


def _statement(program: Program, finding: Finding) -> tuple[str, str]:
    """Return the statement at the last step of a trace that is at a call, and its function."""
    places = [finding.location, *(step.location for step in reversed(finding.trace))]
    for place in places:
        for site in program.sites():
            if site.sql and (site.location.path, site.location.line) == (place.path, place.line):
                name = site.function.name
                return site.sql.replace("$1", ARGUMENTS.get(name, OTHERS)), name
    raise AssertionError(f"no statement for {finding.message}")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """Return a server with the tables of the shop and their rows."""
    with cluster() as running:
        running.ask((SHOP / "schema.sql").read_text("utf-8"))
        running.ask((SHOP / "rows.sql").read_text("utf-8"))
        running.ask("VACUUM ANALYZE;")
        yield running


def plan_of(database: Database, statement: str) -> dict[str, Any]:
    """Return the plan of a statement."""
    found: dict[str, Any] = json.loads(database.ask(f"EXPLAIN (FORMAT JSON) {statement};"))[0]
    plan: dict[str, Any] = found["Plan"]
    return plan


def indexes_of(plan: dict[str, Any]) -> set[str]:
    """Return the names of the indexes that a plan uses."""
    found = {plan["Index Name"]} if "Index Name" in plan else set()
    return found.union(*(indexes_of(inner) for inner in plan.get("Plans", ())))


def test_each_index_is_used(advice: list[Advice], database: Database) -> None:
    rows = []
    for item in advice:
        for extension in _EXTENSION.findall(item.finding.fix):
            database.ask(extension)
        for made in _INDEX.findall(item.finding.fix):
            named = _NAME.match(made)
            assert named is not None
            before = plan_of(database, item.statement)
            assert named.group(1) not in indexes_of(before)
            database.ask(made)
            database.ask("ANALYZE;")
            after = plan_of(database, item.statement)
            assert named.group(1) in indexes_of(after), item.finding.message
            assert after["Total Cost"] < before["Total Cost"]
            rows.append((made, before["Total Cost"], after["Total Cost"]))
    assert len(rows) >= 10
    for made, before_cost, after_cost in rows:
        print(f"| `{made}` | {before_cost:,.0f} | {after_cost:,.0f} |")


def test_each_projection_takes_fewer_bytes(advice: list[Advice], database: Database) -> None:
    rows = []
    for item in advice:
        projected = _projected(item)
        if projected is not None:
            before, after = database.size(item.statement), database.size(projected)
            assert after < before, item.finding.message
            rows.append((item.finding.fix, before, after))
    assert len(rows) >= 5
    for fix, whole, part in rows:
        print(f"| {fix} | {whole:,} | {part:,} |")


def test_every_statement_that_is_printed_is_carried_out(advice: list[Advice]) -> None:
    printed = [item for item in advice if "CREATE" in item.finding.fix or _projected(item)]
    assert len(printed) == len(advice)


def _projected(item: Advice) -> str | None:
    """Return the statement with what a finding proposes in the place of what it fetches."""
    fix = item.finding.fix
    found = _LEAVE.search(fix)
    if found is not None:
        return re.sub(rf",\s*{re.escape(found.group('old'))}\b", "", item.statement, count=1)
    found = _REPLACE.search(fix)
    if found is not None:
        return item.statement.replace(found.group("old"), found.group("new"), 1)
    found = _ONLY.search(fix)
    if found is not None:
        return _LIST.sub(f" {found.group('new')} ", item.statement, count=1)
    return None
