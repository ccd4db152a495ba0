"""The analyst's report: its order, and that its figures are those of the audit."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sample_report import RULES, sample_finding, sample_report

from perfaudit.core.report import Coverage, Scorecard
from perfaudit.reporters import RenderOptions
from perfaudit.reporters.load_test import locust_file
from perfaudit.reporters.markdown import render


def test_the_report_is_the_golden(check_golden: Callable[[str, str], None]) -> None:
    check_golden("report.md", render(sample_report(), RULES, RenderOptions(show_suppressed=True)))


def test_a_clean_report_is_the_golden(check_golden: Callable[[str, str], None]) -> None:
    check_golden("report-clean.md", render(sample_report((), (), ()), RULES))


def test_the_sections_stand_in_the_analysts_order() -> None:
    headings = re.findall(r"^## (.+)$", render(sample_report(), RULES), re.MULTILINE)

    assert headings == [
        "Executive summary",
        "Coverage",
        "Findings",
        "Strengths",
        "Weaknesses",
        "Score",
        "Recommendations",
        "Roadmap",
        "Anti-patterns",
        "Appendix: what each endpoint costs",
        "Appendix: a load test",
        "Appendix: accepted findings",
        "Appendix: what could not be audited",
        "Conclusion",
    ]


def test_the_weighted_column_adds_up_to_the_overall_score() -> None:
    text = render(sample_report(), RULES)
    rows = re.findall(r"^\| [\w ]+ \| [\d.]+ \| [\d.]+ % \| ([\d.]+) \|", text, re.MULTILINE)

    assert len(rows) == 4
    assert f"| **{sum(map(float, rows)):.2f}** | **D** |" in text


def test_the_efforts_add_up() -> None:
    text = render(sample_report(), RULES)

    assert "| P1 | next | R-002, R-003 | 1 S + 2 M |" in text
    assert "| **All** |  |  | **1 XS + 2 S + 2 M** |" in text


def test_every_number_of_a_finding_that_is_named_exists() -> None:
    text = render(sample_report(), RULES)
    headed = re.findall(r"^### (F-\d+)", text, re.MULTILINE)

    assert headed == [f"F-{number:03}" for number in range(1, 7)]
    assert set(re.findall(r"F-\d+", text)) == set(headed)


def test_the_conclusion_gives_the_grade_after_mending() -> None:
    assert (
        "- Mending `missing-rate-limit` (1 finding) takes Throughput from 70.00 to 100.00,"
        " and the whole from 69.00 to 81.00: from D to B."
    ) in render(sample_report(), RULES)


def test_the_conclusion_gives_the_grade_after_all_of_it() -> None:
    assert "- Together they take the whole from 69.00 to 99.97: from D to A." in render(
        sample_report(), RULES
    )


def test_a_rule_explains_itself_once() -> None:
    text = render(sample_report(), RULES)

    assert text.count("Each item costs one round trip") == 1
    assert "Why it matters: as in F-002." in text


def test_what_cannot_be_computed_is_left_out() -> None:
    report = sample_report((), (), ())
    bare = replace(
        report,
        coverage=Coverage(0, 0),
        endpoints=(),
        strengths=(),
        scorecard=Scorecard(None, None, (), "there was nothing to inspect"),
    )
    text = render(bare, RULES)

    assert "**No grade**: there was nothing to inspect." in text
    assert "Calls resolved" not in text
    assert "Appendix" not in text
    assert "nan" not in text


def test_findings_of_one_sink_are_one_entry() -> None:
    text = render(sample_report(), RULES)

    assert "reached from 2 more callers: `app/api/reports.py:17:23`" in text


def test_a_bar_in_code_stays_in_its_cell() -> None:
    text = render(sample_report((sample_finding(cost="a | b"),)), RULES)

    assert "| Cost | `a \\| b` |" in text


def test_the_load_test_reads_the_projects_own_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        replace(sample_report().endpoints[0], method=method, path=path)
        for method, path in (
            ("GET", "/agents"),
            ("GET", "/agents/{agent_id}/goals"),
            ("GET", "/files/{path:path}"),
            ("GET", "/books/<int:pk>/"),
            ("GET", "/odd/{'}\n{x}"),
            ("GET", '/"odd"\\\udce9🧨'),
            ("POST", "/agents/{other}"),
        )
    ]
    locust = SimpleNamespace(HttpUser=object, between=lambda low, high: None, task=lambda f: f)
    monkeypatch.setitem(sys.modules, "locust", locust)  # type: ignore[arg-type]
    names: dict[str, Any] = {}

    exec(compile(locust_file(cards), "locustfile.py", "exec"), names)

    assert names["VALUES"] == {"agent_id": "1", "path": "1", "pk": "1", "x": "1"}
    assert {name: path.format(**names["VALUES"]) for name, path in names["ENDPOINTS"]} == {
        "/agents": "/agents",
        "/agents/{agent_id}/goals": "/agents/1/goals",
        "/files/{path:path}": "/files/1",
        "/books/<int:pk>/": "/books/1/",
        "/odd/{'}\n{x}": "/odd/{'}\n1",
        '/"odd"\\\udce9🧨': '/"odd"\\\udce9🧨',
    }


def test_without_reads_there_is_no_load_test() -> None:
    assert locust_file([replace(sample_report().endpoints[0], method="POST")]) == ""
