"""Findings in the order and the company in which people read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perfaudit.core.finding import Finding
from perfaudit.core.levels import Effort, Severity
from perfaudit.core.location import Location

EFFORT_WORDS = {
    Effort.XS: "minutes",
    Effort.S: "hours",
    Effort.M: "days",
    Effort.L: "a week",
    Effort.XL: "weeks",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Findings of one rule that end in one sink: the worst of them, and the others."""

    first: Finding
    others: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return all findings of the cluster, worst first."""
        return (self.first, *self.others)


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The findings of one rule, worst first."""

    name: str
    rule: str
    clusters: tuple[Cluster, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return all findings of the rule, in the order of their clusters."""
        return tuple(finding for cluster in self.clusters for finding in cluster.findings)

    @property
    def severity(self) -> Severity:
        """Return the severity of the worst finding."""
        return self.clusters[0].first.severity


def by_rule(findings: Iterable[Finding]) -> list[RuleGroup]:
    """Return the findings by rule, the rule with the worst finding first."""
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=Finding.sort_key):
        groups.setdefault(finding.name, []).append(finding)
    return [RuleGroup(name, found[0].rule, tuple(by_sink(found))) for name, found in groups.items()]


def by_sink(findings: Sequence[Finding]) -> list[Cluster]:
    """Return findings of one rule by the place that costs, keeping their order."""
    clusters: dict[Location, list[Finding]] = {}
    for finding in findings:
        clusters.setdefault(sink_of(finding), []).append(finding)
    return [Cluster(found[0], tuple(found[1:])) for found in clusters.values()]


def sink_of(finding: Finding) -> Location:
    """Return the place that costs: the end of the trace, or the finding's own place."""
    return finding.trace[-1].location if finding.trace else finding.location


def counts_by_severity(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Return how many findings there are of each severity that occurs, worst first."""
    found = [finding.severity for finding in findings]
    return {severity: found.count(severity) for severity in Severity if severity in found}


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 finding``, ``1,200 findings``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(parts: Sequence[str]) -> str:
    """Return words joined as in a sentence: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
