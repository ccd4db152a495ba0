"""What ``perfaudit scan --statistics`` counts, and how it is printed."""

import json
from dataclasses import replace
from pathlib import Path

from perfaudit.cli.statistics import statistics
from perfaudit.core.report import Coverage, Report

from .conftest import Run
from .test_gate import finding, report

ASKING = """\
import unheard_of


def ask(thing):
    thing.run()
    unheard_of.go()
    print(len([]))
"""


def with_coverage(coverage: Coverage) -> Report:
    return replace(report(), coverage=coverage)


def test_findings_are_counted_by_rule() -> None:
    assert statistics(report(finding(), finding())).startswith("     2  PA501  query-in-loop\n\n")
    assert statistics(report()).startswith("No findings.\n")


def test_a_program_without_calls_has_no_shares() -> None:
    assert statistics(with_coverage(Coverage(0, 0))).endswith("\n       0  calls")


def test_calls_are_counted_with_shares_and_meanings() -> None:
    coverage = Coverage(
        calls=2000,
        resolved=1500,
        chains_truncated=7,
        unresolved={"untyped parameter": 400, "a reason of tomorrow": 100},
        kinds={"project": 1000, "library": 500},
        unresolved_names={".get()": 300},
        undescribed={"numpy": 20},
    )
    lines = statistics(with_coverage(coverage)).splitlines()
    assert lines[2] == "   2,000  calls"
    assert lines[3] == "   1,500   75.0%  resolved"
    assert lines[4].split("  ")[0:4] == ["", " 1,000", " 50.0%", ""]
    assert any(
        line.startswith("     400   20.0%    untyped parameter ") and "annotation" in line
        for line in lines
    )
    assert "     100    5.0%    a reason of tomorrow" in lines
    assert "       7  call chains cut short" in lines
    assert lines[-5:] == [
        "Called most among those not resolved:",
        "     300  .get()",
        "",
        "Called most of what no library file describes:",
        "      20  numpy",
    ]


def test_scan_prints_what_to_describe_next(project: Path, run: Run) -> None:
    (project / "app" / "asking.py").write_text(ASKING)
    shown = run("scan", "--statistics", "--exit-zero").stdout

    assert "       1  .run()" in shown
    assert "       1  unheard_of" in shown
    assert "untyped parameter" in shown


def test_json_has_the_same_counts(project: Path, run: Run) -> None:
    (project / "app" / "asking.py").write_text(ASKING)
    coverage = json.loads(run("scan", "-f", "json", "--exit-zero").stdout)["coverage"]

    assert coverage["calls"] == coverage["resolved"] + sum(coverage["unresolved"].values())
    assert coverage["resolved"] == sum(coverage["kinds"].values())
    assert coverage["unresolved_names"] == [{"name": ".run()", "calls": 1}]
    assert coverage["undescribed"] == [{"name": "unheard_of", "calls": 1}]
