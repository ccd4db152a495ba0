"""What fails a run."""

from dataclasses import replace

import pytest

from perfaudit.cli.gate import ACCEPTED, failures, reported
from perfaudit.config import Settings
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Confidence, Effort, Role, Severity
from perfaudit.core.location import Location
from perfaudit.core.report import (
    Coverage,
    Inventory,
    ProjectSummary,
    Report,
    Scorecard,
)


def finding(
    severity: Severity = Severity.HIGH,
    confidence: Confidence = Confidence.HIGH,
    path: str = "app/views.py",
    fingerprint: str = "one",
) -> Finding:
    return Finding(
        rule="PA501",
        name="query-in-loop",
        category="database",
        severity=severity,
        confidence=confidence,
        location=Location(path, 3),
        message="",
        function="",
        endpoint="",
        trace=(),
        cost="",
        effort=Effort.M,
        fix="",
        fingerprint=fingerprint,
        role=Role.PRODUCTION,
        exposure="unknown",
        words={},
    )


def report(*findings: Finding, overall: float | None = 90.0, withheld: str = "") -> Report:
    return Report(
        version="0",
        project=ProjectSummary(".", 1, 1, 0),
        coverage=Coverage(0, 0),
        findings=findings,
        suppressed=(),
        endpoints=(),
        scorecard=Scorecard(overall, None, (), withheld),
        inventory=Inventory(),
        problems=(),
    )


@pytest.mark.parametrize(
    ("severity", "confidence", "fails"),
    [
        (Severity.CRITICAL, Confidence.HIGH, True),
        (Severity.HIGH, Confidence.HIGH, True),
        (Severity.MEDIUM, Confidence.HIGH, False),
        (Severity.CRITICAL, Confidence.MEDIUM, False),
    ],
)
def test_by_default_sure_and_high_findings_fail(
    severity: Severity, confidence: Confidence, fails: bool
) -> None:
    assert bool(failures(report(finding(severity, confidence)), Settings())) is fails


def test_advice_never_fails() -> None:
    settings = Settings(fail_on=Severity.ADVICE, fail_confidence=Confidence.LOW)

    assert failures(report(finding(Severity.ADVICE)), settings) == []
    assert failures(report(finding(Severity.LOW)), settings) != []


@pytest.mark.parametrize(
    ("overall", "withheld", "fails"),
    [
        (79.94, "", True),
        (79.95, "", False),
        (80.0, "", False),
        (None, "only 20 % of calls were resolved", True),
        (None, "", False),
    ],
)
def test_a_score_under_the_threshold_fails(
    overall: float | None, withheld: str, fails: bool
) -> None:
    graded = report(overall=overall, withheld=withheld)

    assert bool(failures(graded, Settings(fail_under=80))) is fails
    assert failures(graded, Settings()) == []


def test_every_reason_is_given() -> None:
    reasons = failures(report(finding(), finding(), overall=10.0), Settings(fail_under=20))

    assert reasons == [
        "2 findings at or above high (--fail-on).",
        "the score is 10.0, under 20 (--fail-under).",
    ]


def test_only_what_was_asked_for_is_reported() -> None:
    weak = finding(confidence=Confidence.LOW)
    mild = finding(severity=Severity.LOW)

    seen = reported(report(finding(), weak, mild), Settings(min_severity=Severity.MEDIUM))

    assert seen.findings == (finding(),)
    assert reported(report(weak), Settings(min_confidence=Confidence.LOW)).findings == (weak,)


def test_accepted_findings_are_suppressed_and_the_score_stays() -> None:
    old, new = finding(fingerprint="old"), finding(fingerprint="new")

    seen = reported(report(old, new), Settings(), accepted={"old", "gone"})

    assert seen.findings == (new,)
    assert seen.suppressed == (replace(old, suppressed=ACCEPTED),)
    assert seen.scorecard == report().scorecard
