"""Whole applications: each known flaw is found in every format, and the fixed twin is silent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import FIXTURES, Audited

FLAWED = ("agent_platform", "django_shop")
QUIET = frozenset({"low", "advice"})
Place = tuple[str, str, int]
AuditOf = Callable[[str], Audited]


def entries(name: str) -> list[dict[str, Any]]:
    return json.loads((FIXTURES / name / "expected.json").read_text("utf-8"))


def places_of(entry: dict[str, Any]) -> set[Place]:
    """Return the rule with each place that an entry of expected.json accepts."""
    return {
        (entry["rule"], place["path"], place["line"]) for place in (entry, *entry.get("or", ()))
    }


def places_in_json(audited: Audited) -> set[Place]:
    return {(each["rule"], each["path"], each["line"]) for each in audited.report["findings"]}


def places_in_sarif(audited: Audited) -> set[Place]:
    found = set()
    for result in audited.sarif["results"]:
        place = result["locations"][0]["physicalLocation"]
        found.add(
            (
                result["ruleId"],
                place["artifactLocation"]["uri"],
                place["region"]["startLine"],
            )
        )
    return found


EXPECTED = [
    pytest.param(name, entry, id=f"{name} {entry['rule']} {entry['path']}:{entry['line']}")
    for name in FLAWED
    for entry in entries(name)
]


@pytest.mark.parametrize(("name", "entry"), EXPECTED)
def test_each_known_flaw_is_found_at_the_same_place_in_every_format(
    audited: AuditOf, name: str, entry: dict[str, Any]
) -> None:
    result = audited(name)
    found = places_of(entry) & places_in_json(result)

    assert found
    assert found <= places_in_sarif(result)
    for rule, path, line in found:
        for suffix in (".txt", ".md"):
            assert rule in result.texts[suffix]
            assert f"{path}:{line}" in result.texts[suffix]


@pytest.mark.parametrize("name", FLAWED)
def test_two_entries_are_not_answered_by_one_finding(audited: AuditOf, name: str) -> None:
    result = audited(name)
    answers = [places_of(entry) & places_in_json(result) for entry in result.expected]

    assert len(set().union(*answers)) >= len(answers)


@pytest.mark.parametrize("name", FLAWED)
def test_nothing_but_the_known_flaws_is_of_weight(audited: AuditOf, name: str) -> None:
    result = audited(name)
    known = set().union(*(places_of(entry) for entry in result.expected))
    weighty = {
        (each["rule"], each["path"], each["line"])
        for each in result.report["findings"]
        if each["severity"] not in QUIET
    }

    assert weighty - known == set()


@pytest.mark.parametrize("name", FLAWED)
def test_the_fixed_twin_is_silent_and_graded_a(audited: AuditOf, name: str) -> None:
    report = audited(f"{name}_fixed").report

    assert [
        (each["rule"], each["path"], each["line"])
        for each in report["findings"]
        if each["severity"] not in QUIET
    ] == []
    assert report["score"]["grade"] == "A"
    assert report["score"]["overall"] <= 100
    assert report["suppressed"] == []


@pytest.mark.parametrize("name", FLAWED)
def test_the_fixed_twin_lacks_every_rule_that_the_flawed_one_breaks(
    audited: AuditOf, name: str
) -> None:
    broken = {entry["rule"] for entry in entries(name)}
    fixed = {each["rule"] for each in audited(f"{name}_fixed").report["findings"]}

    assert broken & fixed == set()


@pytest.mark.parametrize("name", [*FLAWED, *(f"{name}_fixed" for name in FLAWED)])
def test_formats_agree(audited: AuditOf, name: str) -> None:
    result = audited(name)

    assert result.report["problems"] == []
    assert places_in_json(result) == places_in_sarif(result)
    for finding in result.report["findings"]:
        for suffix in (".txt", ".md"):
            assert f"{finding['path']}:{finding['line']}" in result.texts[suffix]
    fingerprints = [each["fingerprint"] for each in result.report["findings"]]
    assert len(fingerprints) == len(set(fingerprints))


@pytest.mark.parametrize("name", FLAWED)
def test_the_categories_add_up_to_the_score(audited: AuditOf, name: str) -> None:
    score = audited(name).report["score"]
    judged = [each for each in score["categories"] if each["score"] is not None]
    weight = sum(each["weight"] for each in judged)
    mean = sum(each["score"] * each["weight"] for each in judged) / weight

    assert score["overall"] == pytest.approx(mean, abs=0.02)
    assert score["grade"] not in ("A", None)


@pytest.mark.parametrize("name", [*FLAWED, *(f"{name}_fixed" for name in FLAWED)])
def test_every_trace_ends_where_there_is_code(audited: AuditOf, name: str) -> None:
    for finding in audited(name).report["findings"]:
        for place in (finding, *finding["trace"]):
            text = (FIXTURES / name / place["path"]).read_text("utf-8")
            assert 1 <= place["line"] <= text.count("\n") + 1
            assert place["column"] <= len(text.split("\n")[place["line"] - 1]) + 1
