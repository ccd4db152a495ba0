"""What mending findings would do to the grade: the score computed again without them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from perfaudit.core.finding import Finding
from perfaudit.core.location import Location
from perfaudit.core.report import Coverage, Improvement, Opportunity, Scorecard
from perfaudit.core.rule import Rule
from perfaudit.scoring.score import Survey, judge_category, score, survey, total
from perfaudit.scoring.weights import ScoringTable

SHOWN = 3

# A large audit has thousands of sinks, and each what-if is a score of its own.
MOST_SINKS = 20


def scorecard(
    findings: Sequence[Finding],
    opportunities: Mapping[str, Sequence[Opportunity]],
    rules: Mapping[str, Rule],
    table: ScoringTable,
    coverage: Coverage,
) -> Scorecard:
    """Return the whole scorecard: the scores, the grade and the best what-ifs.

    ``opportunities`` and ``rules`` are keyed by rule name. Suppressed findings are not passed.
    """
    inspected = survey(opportunities, rules, table, findings)
    card = score(findings, inspected, table, coverage)

    single = improvements(card, findings, inspected, table, coverage)
    return replace(
        card,
        improvements=single,
        together=all_of(single, card, findings, inspected, table, coverage),
    )


def improvements(
    card: Scorecard,
    findings: Sequence[Finding],
    inspected: Survey,
    table: ScoringTable,
    coverage: Coverage,
) -> tuple[Improvement, ...]:
    """Return the three groups of findings whose mending raises the overall score most, best first.

    No finding is in two of them. There is none where the grade is withheld.
    """
    if card.overall is None:
        return ()
    gains = [
        improvement
        for group in _groups(card, findings, table)
        if (improvement := without(group, card, findings, inspected, table, coverage))
        and improvement.overall_after > improvement.overall_before
    ]
    gains.sort(key=lambda gain: (-gain.overall_after, len(gain.fingerprints), gain.fingerprints))
    chosen: list[Improvement] = []
    for gain in gains:
        taken = {fingerprint for other in chosen for fingerprint in other.fingerprints}
        if taken.isdisjoint(gain.fingerprints):
            chosen.append(gain)

    return tuple(chosen[:SHOWN])


def all_of(
    single: Sequence[Improvement],
    card: Scorecard,
    findings: Sequence[Finding],
    inspected: Survey,
    table: ScoringTable,
    coverage: Coverage,
) -> Improvement | None:
    """Return what all the improvements bring together, or None where there are not several."""
    if len(single) < 2 or card.overall is None:
        return None
    fingerprints = {fingerprint for each in single for fingerprint in each.fingerprints}
    left = [finding for finding in findings if finding.fingerprint not in fingerprints]
    mended = score(left, inspected, table, coverage)
    if mended.overall is None:
        return None

    return Improvement(
        tuple(sorted(fingerprints)),
        "",
        card.overall,
        mended.overall,
        card.overall,
        mended.overall,
        card.grade or "",
        mended.grade or "",
        tuple(sorted({rule for each in single for rule in each.rules})),
    )


def without(
    group: Sequence[Finding],
    card: Scorecard,
    findings: Sequence[Finding],
    inspected: Survey,
    table: ScoringTable,
    coverage: Coverage,
) -> Improvement | None:
    """Return what mending a group of one category would change, or None where no score applies."""
    category = group[0].category
    fingerprints = {finding.fingerprint for finding in group}
    left = [
        finding
        for finding in findings
        if finding.category == category and finding.fingerprint not in fingerprints
    ]
    before = next((each for each in card.categories if each.id == category), None)
    place = next((each for each in table.categories if each.id == category), None)
    if before is None or place is None or before.score is None:
        return None
    after = judge_category(place, left, inspected, table)
    mended = total(
        [after if each.id == category else each for each in card.categories], table, coverage
    )
    if after.score is None or card.overall is None or mended.overall is None:
        return None

    return Improvement(
        tuple(sorted(fingerprints)),
        category,
        before.score,
        after.score,
        card.overall,
        mended.overall,
        card.grade or "",
        mended.grade or "",
        tuple(sorted({finding.name for finding in group})),
    )


def _groups(
    card: Scorecard, findings: Sequence[Finding], table: ScoringTable
) -> Iterator[list[Finding]]:
    """Yield what one piece of work would mend.

    That is one rule, one sink, or all that holds a category at its cap.
    """
    by_rule: dict[tuple[str, ...], list[Finding]] = {}
    by_sink: dict[tuple[str, str, Location], list[Finding]] = {}
    for finding in findings:
        if table.loss(finding) == 0:
            continue
        by_rule.setdefault((finding.category, finding.name), []).append(finding)
        sink = finding.trace[-1].location if finding.trace else finding.location
        by_sink.setdefault((finding.category, finding.name, sink), []).append(finding)
    yield from by_rule.values()
    dearest = sorted(by_sink.items(), key=lambda item: (-fsum(map(table.loss, item[1])), item[0]))
    yield from (group for _, group in dearest[:MOST_SINKS])
    for category in card.categories:
        holding = [
            finding
            for finding in findings
            if finding.category == category.id
            and table.loss(finding) > 0
            and any(
                cap.holds(finding) and category.score is not None and cap.score <= category.score
                for cap in table.caps
            )
        ]
        if category.cap and holding:
            yield holding
