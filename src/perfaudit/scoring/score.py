"""Findings and what was inspected, turned into a scorecard; docs/scoring.md explains how."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor, fsum
from typing import TypeVar

from perfaudit.core.finding import Finding
from perfaudit.core.location import Location
from perfaudit.core.report import CategoryScore, Coverage, Opportunity, Scorecard
from perfaudit.core.rule import Rule
from perfaudit.scoring.weights import Cap, Category, ScoringTable

Place = tuple[str, int, int]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one rule judged: the weight of each place, and their sum."""

    weights: dict[Place, float]
    by_line: dict[tuple[str, int], Place]
    total: float

    def place_of(self, finding: Finding) -> Place:
        """Return the inspected place that the finding is about, or the finding's own."""
        place = _place(finding.location)
        if place in self.weights:
            return place
        return self.by_line.get(place[:2], place)


NOTHING = Inspected({}, {}, 0.0)


@dataclass(frozen=True, slots=True)
class Survey:
    """What all rules judged, by category and rule, and how many places that is by category.

    Every what-if is scored against the same survey.
    """

    rules: dict[str, dict[str, Inspected]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, category: str, rule: str) -> Inspected:
        """Return what the rule inspected."""
        return self.rules.get(category, {}).get(rule, NOTHING)


def survey(
    opportunities: Mapping[str, Sequence[Opportunity]],
    rules: Mapping[str, Rule],
    table: ScoringTable,
    findings: Iterable[Finding] = (),
) -> Survey:
    """Return what was inspected, by category and rule; both mappings are keyed by rule name.

    Places that weigh nothing, such as tests, are left out. What a finding is about was inspected,
    so a category with findings applies even where its rules did not say what they judged.
    """
    inspected: dict[str, dict[str, Inspected]] = {}
    for name, things in opportunities.items():
        weights: dict[Place, float] = {}
        for thing in things:
            _keep_heaviest(weights, _place(thing.location), table.weight_of(thing.exposure))
        if name in rules and weights:
            by_line = {place[:2]: place for place in sorted(weights, reverse=True)}
            inspected.setdefault(rules[name].category, {})[name] = Inspected(
                weights, by_line, fsum(weights.values())
            )
    found: dict[str, set[Place]] = {}
    for finding in findings:
        if table.loss(finding) > 0:
            found.setdefault(finding.category, set()).add(_place(finding.location))
    judged = {
        category: set().union(*(each.weights for each in of_rules.values()))
        for category, of_rules in inspected.items()
    }

    return Survey(
        inspected, {category: len(places) for category, places in (found | judged).items()}
    )


def score(
    findings: Sequence[Finding], inspected: Survey, table: ScoringTable, coverage: Coverage
) -> Scorecard:
    """Return the scorecard of the findings, without what-ifs.

    Suppressed findings are the caller's to leave out.
    """
    by_category: dict[str, list[Finding]] = {}
    for finding in findings:
        by_category.setdefault(finding.category, []).append(finding)
    judged = [
        judge_category(category, by_category.get(category.id, ()), inspected, table)
        for category in table.categories
    ]

    return total(judged, table, coverage)


def total(
    categories: Sequence[CategoryScore], table: ScoringTable, coverage: Coverage
) -> Scorecard:
    """Return the scorecard of the categories: their weighted sum, or the reason why it is withheld.

    The weight of a category that does not apply is shared by the others. The parts are rounded
    before they are added, so that a reader who adds the printed column gets the printed sum.
    """
    applying = fsum(each.weight for each in categories if each.score is not None)
    parts = _weighed(categories, applying)
    withheld = _reason_to_withhold(parts, table, coverage)
    if withheld:
        return Scorecard(None, None, parts, withheld)
    overall = round(fsum(each.weighted for each in parts), 2)

    return Scorecard(overall, grade(overall, table), parts)


def grade(overall: float, table: ScoringTable) -> str:
    """Return the letter of an overall score."""
    return next(letter for letter, bound in table.grades if overall >= bound)


def judge_category(
    category: Category, findings: Sequence[Finding], inspected: Survey, table: ScoringTable
) -> CategoryScore:
    """Return the score of one category, not yet weighed against the others."""
    count = inspected.counts.get(category.id, 0)
    if count == 0:
        return CategoryScore(category.id, category.title, category.weight, None, 0.0, 0, 0)
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        if table.loss(finding) > 0:
            by_rule.setdefault(finding.name, []).append(finding)
    sound = 100.0
    costs: dict[str, float] = {}
    failing: set[Place] = set()
    for rule, found in sorted(by_rule.items()):
        judged = inspected.of(category.id, rule)
        sound *= 1 - spoilt_share(found, judged, table)
        for finding in found:
            place = judged.place_of(finding)
            failing.add(place)
            share = judged.weights.get(place, 1.0) / judged.total if judged.total else 1.0
            _keep_heaviest(costs, finding.fingerprint, table.loss(finding) * share)
    cap = _cap_of(by_rule, table)
    bites = cap is not None and cap.score < sound

    return CategoryScore(
        category.id,
        category.title,
        category.weight,
        round(cap.score if cap is not None and bites else sound, 2),
        0.0,
        count,
        len(failing),
        str(cap) if bites else "",
        tuple(sorted(costs, key=lambda fingerprint: (-costs[fingerprint], fingerprint))),
    )


def spoilt_share(findings: Sequence[Finding], inspected: Inspected, table: ScoringTable) -> float:
    """Return the share, from 0 to 1, of what a rule inspected that its findings spoil.

    A place with several findings loses what the worst of them takes. Where the rule did not say
    what it inspected, the worst finding speaks for all of it.
    """
    if inspected.total == 0:
        return max((table.loss(finding) for finding in findings), default=0.0)
    losses: dict[Place, float] = {}
    for finding in findings:
        place = inspected.place_of(finding)
        weight = inspected.weights.get(place, table.weight_of(finding.exposure))
        _keep_heaviest(losses, place, table.loss(finding) * weight)

    return min(1.0, fsum(losses.values()) / inspected.total)


def _place(location: Location) -> Place:
    return (location.path, location.line, location.column)


def _keep_heaviest(weights: dict[Key, float], place: Key, weight: float) -> None:
    if weight > weights.get(place, 0.0):
        weights[place] = weight


def _cap_of(by_rule: Mapping[str, Sequence[Finding]], table: ScoringTable) -> Cap | None:
    found = [finding for findings in by_rule.values() for finding in findings]
    holding = [cap for cap in table.caps if any(cap.holds(finding) for finding in found)]
    return min(holding, key=lambda cap: cap.score, default=None)


def _weighed(categories: Sequence[CategoryScore], applying: float) -> tuple[CategoryScore, ...]:
    """Return the categories with their parts of the sum, in hundredths that add up to the rounded
    sum.
    """
    exact = [(each.score or 0.0) * each.weight * 100 / (applying or 1.0) for each in categories]
    hundredths = [floor(part + 1e-6) for part in exact]
    missing = round(fsum(exact)) - sum(hundredths)
    # Those that lose most by rounding down are rounded up, until the parts add up.
    by_loss = sorted(range(len(exact)), key=lambda index: hundredths[index] - exact[index])
    for index in by_loss[: max(0, missing)]:
        hundredths[index] += 1

    return tuple(
        each if each.score is None else replace(each, weighted=part / 100)
        for each, part in zip(categories, hundredths, strict=True)
    )


def _reason_to_withhold(
    categories: Sequence[CategoryScore], table: ScoringTable, coverage: Coverage
) -> str:
    if all(each.score is None for each in categories):
        return "there was nothing to inspect"
    share = coverage.share
    if share is None or coverage.calls < table.minimum_calls or share >= table.minimum_share:
        return ""
    return (
        f"only {share:.0%} of {coverage.calls:,} calls could be resolved,"
        f" and a grade needs {table.minimum_share:.0%}"
    )
