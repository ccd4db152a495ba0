"""Tell one place once: the finding of a rule that tells the same goes, its advice stays."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from perfaudit.core.finding import Finding
from perfaudit.core.rule import Rule


def folded(findings: Iterable[Finding], rules: Mapping[str, Rule]) -> list[Finding]:
    """Return the findings without those that fold into another one, which has their advice too."""
    found = list(findings)
    advice: dict[str, str] = {}
    gone = set()
    for finding in found:
        into = rules[finding.name].folds_into
        hosts = [other for other in found if into and _tells(other, finding, into)]
        if hosts:
            gone.add(finding.fingerprint)
            advice |= dict.fromkeys((host.fingerprint for host in hosts), finding.fix)
    return [
        replace(finding, fix=_both(finding.fix, advice.get(finding.fingerprint, "")))
        for finding in found
        if finding.fingerprint not in gone
    ]


def _tells(host: Finding, finding: Finding, into: tuple[str, ...]) -> bool:
    """Return whether a finding of the named rules is about the same place of the same function."""
    return (
        host.name in into
        and host.function == finding.function
        and any(step.location == host.location for step in finding.trace)
    )


def _both(own: str, more: str) -> str:
    if not own or not more:
        return own or more
    return f"{own} Or {more[0].lower()}{more[1:]}"
