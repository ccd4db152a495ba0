"""A rule file is read, or refused with its line and the cure."""

from pathlib import Path

import pytest

from perfaudit.core.errors import DataError, UsageError
from perfaudit.core.levels import Confidence, Effort, Severity
from perfaudit.rules import load_rules

from .conftest import RULE, WriteRule


def test_a_rule_says_everything_that_reports_need(write_rule: WriteRule) -> None:
    path = write_rule()
    rule = load_rules([path.parents[1]])["slow-query"]

    assert (rule.id, rule.category, rule.detector) == ("PA550", "database", "fake_calls")
    assert (rule.severity, rule.confidence, rule.effort) == (
        Severity.HIGH,
        Confidence.HIGH,
        Effort.S,
    )
    assert (rule.offline, rule.in_tasks) == (Confidence.HIGH, Confidence.HIGH)
    assert rule.impact == {"latency": "One round trip."}
    assert (rule.path, rule.line) == (str(path), 4)
    assert [(case.name, case.shown) for case in rule.cases] == [
        ("plain (bad)", True),
        ("plain (good)", True),
        ("innocent", False),
        ("two files", False),
    ]
    assert rule.cases[2].files == {"app.py": "other()\n"}
    assert sorted(rule.cases[3].files) == ["app/models.py", "app/views.py"]


def test_a_rule_may_say_how_sure_it_is_where_nobody_waits(write_rule: WriteRule) -> None:
    text = f"{RULE}confidence-offline: medium\nconfidence-in-tasks: low\n"
    path = write_rule(text=text)
    rule = load_rules([path.parents[1]])["slow-query"]

    assert (rule.offline, rule.in_tasks) == (Confidence.MEDIUM, Confidence.LOW)


def test_rules_come_in_the_order_of_their_ids(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule()
    write_rule("database/early-query.yaml", id="PA502", name="early-query")
    write_rule("caching/old-cache.yaml", id="PA402", name="old-cache")

    assert list(load_rules([tmp_path / "rules"])) == ["old-cache", "early-query", "slow-query"]


def test_libraries_and_weights_are_not_rules(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule()
    for other in ("libraries/requests.yaml", "scoring.yaml"):
        write_rule(other, text="anything: 1\n")

    assert list(load_rules([tmp_path / "rules"])) == ["slow-query"]


def test_a_project_may_put_its_rules_side_by_side(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule("slow-query.yaml", text=f"category: database\n{RULE}")

    assert load_rules([tmp_path / "rules"])["slow-query"].category == "database"


def test_a_folder_given_twice_is_read_once(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule()

    assert len(load_rules([tmp_path / "rules", tmp_path / "rules" / ".." / "rules"])) == 1


def test_effect_within_is_all_data(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule(detect="{effect: db.query, within: loop, unless: [transaction]}")
    rule = load_rules([tmp_path / "rules"])["slow-query"]

    assert rule.detector == "effect_within"
    assert rule.options == {"effect": ("db.query",), "within": "loop", "unless": ("transaction",)}


@pytest.mark.parametrize(
    ("changes", "line", "words"),
    [
        ({"id": "PA450"}, 1, "is not an id of database: write PA5 and two digits"),
        ({"id": "P5"}, 1, "write PA5"),
        ({"name": "other-name"}, 2, 'write "slow-query", the name of the file'),
        ({"summary": "no end"}, 3, "ends in a full stop"),
        ({"message": '"{call.x} is slow."'}, 4, "no other braces"),
        ({"message": "no end"}, 4, "ends in a full stop"),
        ({"severity": "sever"}, 5, '"sever" is not known: known are advice, critical'),
        ({"confidence": "hihg"}, 6, 'did you mean "high"?'),
        ({"effort": "XXL"}, 7, 'did you mean "XL"?'),
        ({"since": "soon"}, 8, "is not a version"),
        ({"detect": "{detector: fake_call}"}, 9, 'did you mean "fake_calls"?'),
        ({"detect": "{detector: os.path}"}, 9, "there is no detector"),
        ({"detect": "{detector: effect_within}"}, 9, "write `effect` and `within`"),
        ({"detect": "{detector: fake_calls, within: loop}"}, 9, "`detector` stands alone"),
        ({"detect": "{effect: db.query}"}, 9, "both `effect` and `within`"),
        ({"detect": "{effect: db.qery, within: loop}"}, 9, 'did you mean "db.query"?'),
        ({"detect": "{effect: db.query, within: lop}"}, 9, 'did you mean "loop"?'),
        ({"why": '""'}, 10, "some text was expected"),
        ({"impact": "{speed: much}"}, 12, 'unknown key "speed"'),
        ({"fix": ""}, 1, 'the key "fix" is missing'),
    ],
)
def test_a_fault_names_its_line_and_the_cure(
    write_rule: WriteRule, tmp_path: Path, changes: dict[str, str], line: int, words: str
) -> None:
    path = write_rule(**changes)

    with pytest.raises(DataError) as fault:
        load_rules([tmp_path / "rules"])
    assert str(fault.value).startswith(f"{path}:{line}: ")
    assert words in str(fault.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("slow()  # finding\n    good", "slow()\n    good", "mark what is reported"),
        ("fast()", "fast()  # finding", "good code has no finding"),
        ("    good: |\n      fast()\n", "", "an example needs `good`"),
        ("name: innocent", "name: plain (bad)", "is given twice"),
        ("    code: |\n      other()\n", "", "either `code` or `files`"),
        ("app/models.py", "../models.py", "is not a path below the project"),
        ("      other()\n", "      \n", "some code was expected"),
    ],
)
def test_a_fault_in_the_cases_is_found(
    write_rule: WriteRule, tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in RULE
    write_rule(text=RULE.replace(old, new, 1))

    with pytest.raises(DataError, match=r"slow-query\.yaml:\d+: ") as fault:
        load_rules([tmp_path / "rules"])
    assert words in str(fault.value)


def test_a_name_is_taken_once(write_rule: WriteRule, tmp_path: Path) -> None:
    first = write_rule()
    write_rule("database/slower-query.yaml", name="slower-query")

    with pytest.raises(DataError, match='"PA550" is taken by') as fault:
        load_rules([tmp_path / "rules"])
    assert str(first) in str(fault.value)


def test_a_name_is_in_kebab_case(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule("database/Slow_Query.yaml", name="Slow_Query")

    with pytest.raises(DataError, match="kebab-case"):
        load_rules([tmp_path / "rules"])


def test_another_folder_needs_a_category(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule("databases/slow-query.yaml")

    with pytest.raises(DataError, match='did you mean "database"'):
        load_rules([tmp_path / "rules"])


def test_no_file_is_passed_over_for_its_suffix(write_rule: WriteRule, tmp_path: Path) -> None:
    write_rule("database/slow-query.yml")

    with pytest.raises(DataError, match=r"write slow-query\.yaml"):
        load_rules([tmp_path / "rules"])


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder of rule files"):
        load_rules([tmp_path / "nowhere"])
