"""The arithmetic of the score: figures, properties and the file of weights."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfaudit.core.errors import DataError
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Confidence, Effort, Role, Severity
from perfaudit.core.location import Location
from perfaudit.core.report import CategoryScore, Coverage, Opportunity, Scorecard
from perfaudit.core.rule import Rule
from perfaudit.scoring import grade, load_weights, score, scorecard, survey, total

SCORING = Path(__file__).parents[2] / "rules" / "scoring.yaml"
TABLE = load_weights(SCORING)
UNDERSTOOD = Coverage(calls=100, resolved=95)
NAMES = {
    "sequential-awaits": ("PA101", "latency"),
    "missing-rate-limit": ("PA201", "throughput"),
    "query-in-loop": ("PA501", "database"),
    "unbounded-query": ("PA513", "database"),
    "blocking-call-in-async": ("PA601", "async"),
}


def rule(name: str) -> Rule:
    id, category = NAMES[name]
    return Rule(
        id, name, category, "", "", Severity.HIGH, Confidence.HIGH, Effort.M, "0.1", "", "", "", ""
    )


RULES = {name: rule(name) for name in NAMES}


def place(line: int) -> Location:
    return Location("app/api.py", line, 5)


def finding(
    name: str = "query-in-loop",
    line: int = 1,
    severity: Severity = Severity.HIGH,
    confidence: Confidence = Confidence.HIGH,
    exposure: str = "endpoint",
    role: Role = Role.PRODUCTION,
) -> Finding:
    id, category = NAMES[name]
    return Finding(
        rule=id,
        name=name,
        category=category,
        severity=severity,
        confidence=confidence,
        location=place(line),
        message="",
        function="",
        endpoint="",
        trace=(),
        cost="",
        effort=Effort.M,
        fix="",
        fingerprint=f"{id}-{line}",
        role=role,
        exposure=exposure,
        words={},
    )


def things(count: int, exposure: str = "endpoint", start: int = 1) -> list[Opportunity]:
    return [Opportunity(place(line), exposure) for line in range(start, start + count)]


def judge(findings: list[Finding], opportunities: dict[str, list[Opportunity]]) -> Scorecard:
    return scorecard(findings, opportunities, RULES, TABLE, UNDERSTOOD)


def database(card: Scorecard) -> CategoryScore:
    return next(each for each in card.categories if each.id == "database")


def test_the_analysts_table_adds_up_to_what_it_should() -> None:
    scores = (75, 70, 80, 90, 75, 95, 65)
    categories = [
        CategoryScore(category.id, category.title, category.weight, value, 0.0, 1, 0)
        for category, value in zip(TABLE.categories, scores, strict=True)
    ]

    card = total(categories, TABLE, UNDERSTOOD)

    assert [each.weighted for each in card.categories] == [15, 14, 12, 13.5, 11.25, 9.5, 3.25]
    assert card.overall == 78.5
    assert card.grade == "C"


@pytest.mark.parametrize(
    ("overall", "letter"),
    [(100, "A"), (90, "A"), (89.99, "B"), (80, "B"), (70, "C"), (60, "D"), (59.99, "F"), (0, "F")],
)
def test_grades_start_at_their_bounds(overall: float, letter: str) -> None:
    assert grade(overall, TABLE) == letter


def test_a_category_with_nothing_to_inspect_shares_its_weight() -> None:
    card = judge([], {"query-in-loop": things(3), "sequential-awaits": things(2)})

    assert card.overall == 100
    assert [each.id for each in card.categories if each.score is not None] == [
        "latency",
        "database",
    ]
    assert database(card).weighted == round(100 * 15 / 35, 2)


def test_a_category_is_the_share_of_sound_things() -> None:
    flawed = [finding("unbounded-query", line, Severity.MEDIUM, exposure="task") for line in (1, 2)]

    card = judge(flawed, {"unbounded-query": things(10, "task")})

    assert database(card).score == 94
    assert (database(card).inspected, database(card).failing) == (10, 2)


def test_what_an_endpoint_reaches_weighs_more_than_what_a_script_reaches() -> None:
    mixed = {"unbounded-query": things(5, "endpoint") + things(5, "script", start=11)}
    on_endpoint = judge([finding("unbounded-query", 1, Severity.LOW)], mixed)
    in_script = judge([finding("unbounded-query", 11, Severity.LOW, exposure="script")], mixed)

    assert (database(on_endpoint).score or 0) < (database(in_script).score or 0)


def test_the_size_of_the_code_base_does_not_matter() -> None:
    small = judge(
        [finding("unbounded-query", 1, Severity.MEDIUM, exposure="task")],
        {"unbounded-query": things(10, "task")},
    )
    large = judge(
        [finding("unbounded-query", n, Severity.MEDIUM, exposure="task") for n in range(1, 101)],
        {"unbounded-query": things(1000, "task")},
    )

    assert database(small).score == database(large).score == 97


@pytest.mark.parametrize(
    ("severity", "confidence", "exposure", "expected"),
    [
        (Severity.CRITICAL, Confidence.HIGH, "script", 50),
        (Severity.HIGH, Confidence.HIGH, "endpoint", 70),
        (Severity.HIGH, Confidence.MEDIUM, "endpoint", 80),
        (Severity.MEDIUM, Confidence.HIGH, "endpoint", 90),
    ],
)
def test_a_thousand_sound_sites_do_not_hide_a_bad_one(
    severity: Severity, confidence: Confidence, exposure: str, expected: float
) -> None:
    card = judge(
        [finding("query-in-loop", 1, severity, confidence, exposure)],
        {"query-in-loop": things(1000)},
    )

    assert database(card).score == expected
    assert database(card).cap.startswith(f"at most {expected}")


def test_a_cap_that_does_not_bite_is_not_printed() -> None:
    card = judge([finding("query-in-loop", 1)], {"query-in-loop": things(1)})

    assert database(card).score == 40
    assert database(card).cap == ""


def test_a_rule_that_judges_the_project_bites() -> None:
    flaw = finding("missing-rate-limit", 1, Severity.MEDIUM, exposure="unknown")

    card = judge([flaw], {"missing-rate-limit": things(1, "unknown")})

    assert card.overall == 70
    assert card.grade == "C"


def test_rules_do_not_dilute_each_other() -> None:
    flawed = [finding("query-in-loop", line, Severity.MEDIUM, exposure="task") for line in (1, 2)]
    alone = judge(flawed, {"query-in-loop": things(4)})
    beside = judge(flawed, {"query-in-loop": things(4), "unbounded-query": things(4000)})

    assert database(alone).score == database(beside).score


def test_advice_and_tests_cost_nothing() -> None:
    card = judge(
        [
            finding("query-in-loop", 1, Severity.ADVICE),
            finding("query-in-loop", 2, Severity.CRITICAL, role=Role.TEST),
        ],
        {"query-in-loop": things(2)},
    )

    assert card.overall == 100
    assert database(card).lost == ()


def test_a_finding_counts_where_its_rule_did_not_say_what_it_inspected() -> None:
    card = judge([finding("query-in-loop", 1, Severity.LOW)], {})

    assert database(card).score == 90
    assert database(card).inspected == 1


def test_lost_points_name_their_findings_dearest_first() -> None:
    card = judge(
        [
            finding("unbounded-query", 1, Severity.LOW),
            finding("query-in-loop", 2, Severity.HIGH),
            finding("query-in-loop", 3, Severity.ADVICE),
        ],
        {"query-in-loop": things(5), "unbounded-query": things(5)},
    )

    assert database(card).lost == ("PA501-2", "PA513-1")


def test_the_grade_is_withheld_where_too_little_was_resolved() -> None:
    card = scorecard([], {"query-in-loop": things(2)}, RULES, TABLE, Coverage(200, 60))

    assert (card.overall, card.grade) == (None, None)
    assert card.withheld == "only 30% of 200 calls could be resolved, and a grade needs 35%"
    assert database(card).score == 100


def test_a_small_project_is_graded_whatever_was_resolved() -> None:
    card = scorecard([], {"query-in-loop": things(2)}, RULES, TABLE, Coverage(20, 1))

    assert card.overall == 100


def test_nothing_to_inspect_is_not_a_perfect_score() -> None:
    card = judge([], {})

    assert card.overall is None
    assert card.withheld == "there was nothing to inspect"


def test_what_mending_brings_is_computed() -> None:
    flawed = [finding("query-in-loop", line) for line in (1, 2, 3)]
    low = finding("unbounded-query", 9, Severity.LOW)

    best = judge(
        [*flawed, low], {"query-in-loop": things(10), "unbounded-query": things(1, start=9)}
    ).improvements[0]

    assert best.fingerprints == ("PA501-1", "PA501-2", "PA501-3")
    assert (best.category, best.before, best.after) == ("database", 70, 90)
    assert (best.overall_before, best.overall_after) == (70, 90)
    assert (best.grade_before, best.grade_after) == ("C", "A")
    assert best.rules == ("query-in-loop",)


def test_what_all_of_it_brings_is_computed_too() -> None:
    card = judge(
        [finding("query-in-loop", 1), finding("missing-rate-limit", 1, Severity.MEDIUM)],
        {"query-in-loop": things(1), "missing-rate-limit": things(1)},
    )

    assert card.together is not None
    assert len(card.together.fingerprints) == 2
    assert (card.together.overall_after, card.together.grade_after) == (100, "A")
    assert card.together.rules == ("missing-rate-limit", "query-in-loop")


def test_no_finding_is_in_two_what_ifs() -> None:
    flawed = [
        finding(name, line, severity)
        for name in ("query-in-loop", "unbounded-query", "sequential-awaits")
        for line in (1, 2)
        for severity in (Severity.HIGH, Severity.LOW)
    ]

    improvements = judge(flawed, {name: things(4) for name in NAMES}).improvements
    named = [fingerprint for each in improvements for fingerprint in each.fingerprints]

    assert len(improvements) == 3
    assert len(named) == len(set(named))


FINDINGS = st.builds(
    finding,
    st.sampled_from(sorted(NAMES)),
    st.integers(1, 8),
    st.sampled_from(list(Severity)),
    st.sampled_from(list(Confidence)),
    st.sampled_from(["endpoint", "task", "command", "script", "unknown", "test"]),
    st.sampled_from(list(Role)),
)
OPPORTUNITIES = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(
            st.builds(
                Opportunity,
                st.builds(place, st.integers(1, 6)),
                st.sampled_from(["endpoint", "task", "script", "unknown", "test"]),
            ),
            min_size=1,
            max_size=8,
        )
        for name in NAMES
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FINDINGS, max_size=8), FINDINGS, OPPORTUNITIES)
def test_a_finding_never_raises_a_score_and_mending_never_lowers_one(
    others: list[Finding], added: Finding, opportunities: dict[str, list[Opportunity]]
) -> None:
    inspected = survey(opportunities, RULES, TABLE, [*others, added])
    before = score(others, inspected, TABLE, UNDERSTOOD)
    after = score([*others, added], inspected, TABLE, UNDERSTOOD)

    assert (after.overall is None) == (before.overall is None)
    assert (after.overall or 0) <= (before.overall or 0)
    for sooner, later in zip(before.categories, after.categories, strict=True):
        assert (later.score or 0) <= (sooner.score or 0)
        assert later.score is None or 0 <= later.score <= 100


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(FINDINGS, max_size=8), OPPORTUNITIES)
def test_order_does_not_matter(
    data: st.DataObject, findings: list[Finding], opportunities: dict[str, list[Opportunity]]
) -> None:
    shuffled = data.draw(st.permutations(findings))
    turned = {name: things[::-1] for name, things in reversed(opportunities.items())}

    assert judge(findings, opportunities) == judge(list(shuffled), turned)


@settings(max_examples=200, deadline=None)
@given(st.lists(FINDINGS, max_size=8), OPPORTUNITIES)
def test_the_printed_parts_add_up_to_the_printed_sum(
    findings: list[Finding], opportunities: dict[str, list[Opportunity]]
) -> None:
    card = judge(findings, opportunities)

    if card.overall is not None:
        assert f"{sum(each.weighted for each in card.categories):.2f}" == f"{card.overall:.2f}"
        assert all(each.overall_after > each.overall_before for each in card.improvements)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("title: Latency, digit: 1, weight: 20", "title: Latency, digit: 1, weight: 25", 5, "105"),
        ("high: 0.6", "hihg: 0.6", 17, '"hihg" is not one of critical, high, medium, low, advice'),
        ("critical: 1.0", "critical: 7", 17, "7 is not a share"),
        ("minimum_calls: 50", "minimum_calls: few", 36, '"few" is not a number'),
        (", F: 0", "", 14, "no grade starts at 0"),
        ("exposure: task,", "exposure: cron,", 31, '"cron" is not one of endpoint'),
        ("caps:", "tops:", 28, '"tops" is not one of categories'),
        ("[test, migration, example]", "test", 24, "a list belongs here"),
        ("id: latency,", "id: latency, id: x,", 5, '"id" stands twice'),
        ("weight: 5}", "weight: 5", 12, "is not YAML"),
    ],
)
def test_a_fault_in_the_table_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    text = SCORING.read_text("utf-8")
    assert old in text
    path = tmp_path / "scoring.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")

    with pytest.raises(DataError) as fault:
        load_weights(path)

    assert words in str(fault.value)
    assert fault.value.path == str(path)
    if "YAML" not in words:
        assert fault.value.line == line


def test_a_missing_table_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_weights(tmp_path / "none.yaml")


def test_suppressed_findings_are_the_callers_to_leave_out() -> None:
    accepted = replace(finding("query-in-loop", 1), suppressed="seeding only")

    assert judge([accepted], {"query-in-loop": things(4)}) == judge(
        [finding("query-in-loop", 1)], {"query-in-loop": things(4)}
    )
