"""What the audited code does well, by what was inspected and found sound."""

from collections.abc import Mapping

from perfaudit.core.report import Strength
from perfaudit.core.rule import Rule
from perfaudit.rules.engine import Judgement


def strengths_of(judgement: Judgement, rules: Mapping[str, Rule]) -> tuple[Strength, ...]:
    """Return a strength for each rule that inspected something and had nothing to say.

    Those come first that would have been worst.
    """
    broken = {finding.name for finding in (*judgement.findings, *judgement.suppressed)}
    kept = [
        (rules[name], len(inspected))
        for name, inspected in judgement.opportunities.items()
        if inspected and name not in broken | judgement.unfinished
    ]
    kept.sort(key=lambda each: (each[0].severity.rank, -each[1], each[0].id))
    return tuple(
        Strength(rule.category, f"No {rule.name.replace('-', ' ')}", count) for rule, count in kept
    )
