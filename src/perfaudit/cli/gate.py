"""What of a report is shown, and whether it passes."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from perfaudit.config import Settings
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Severity
from perfaudit.core.report import Report

ACCEPTED = "baseline"
"""Why a finding of the baseline is suppressed."""


def reported(
    report: Report,
    settings: Settings,
    *,
    changed: Sequence[str] | None = None,
    accepted: Collection[str] = (),
) -> Report:
    """Return the report with the findings that the user asked for; its scores stay as they are.

    ``changed`` holds the files and folders whose findings are wanted, or is None for all. Findings
    whose fingerprint is ``accepted`` move to the suppressed ones.
    """
    wanted = [finding for finding in report.findings if _is_wanted(finding, settings, changed)]
    old = tuple(
        replace(finding, suppressed=ACCEPTED)
        for finding in wanted
        if finding.fingerprint in accepted
    )
    new = tuple(finding for finding in wanted if finding.fingerprint not in accepted)
    suppressed = tuple(
        finding for finding in report.suppressed if _is_among(finding.location.path, changed)
    )
    return replace(report, findings=new, suppressed=suppressed + old)


def failures(report: Report, settings: Settings) -> list[str]:
    """Return why the run fails, one sentence for each reason; none where it passes."""
    reasons = []
    bad = [finding for finding in report.findings if _fails(finding, settings)]
    if bad:
        number = "1 finding" if len(bad) == 1 else f"{len(bad)} findings"
        reasons.append(f"{number} at or above {settings.fail_on} (--fail-on).")
    if settings.fail_under is not None:
        reasons.extend(_grade_failures(report, settings.fail_under))
    return reasons


def _is_wanted(finding: Finding, settings: Settings, changed: Sequence[str] | None) -> bool:
    return (
        finding.severity.at_least(settings.min_severity)
        and finding.confidence.at_least(settings.min_confidence)
        and (_is_among(finding.location.path, changed))
    )


def _is_among(path: str, changed: Sequence[str] | None) -> bool:
    if changed is None or "." in changed:
        return True
    return any(path == name or path.startswith(f"{name}/") for name in changed)


def _fails(finding: Finding, settings: Settings) -> bool:
    return (
        settings.fail_on is not None
        and finding.severity.at_least(settings.fail_on)
        and finding.confidence.at_least(settings.fail_confidence)
        and finding.severity is not Severity.ADVICE
    )


def _grade_failures(report: Report, least: float) -> list[str]:
    overall = report.scorecard.overall
    if overall is not None:
        # Compared as printed, so that "78.5 is under 78.5" is never said.
        if round(overall, 1) < least:
            return [f"the score is {overall:.1f}, under {least:g} (--fail-under)."]
        return []
    if report.scorecard.withheld:
        return [f"there is no score to hold against --fail-under: {report.scorecard.withheld}"]
    return []
