"""Where settings come from, and what is said about wrong ones."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfaudit.config import (
    Settings,
    load_settings,
    matching_rules,
    selected_rules,
    with_severities,
)
from perfaudit.core.errors import DataError, PerfauditError, UsageError
from perfaudit.core.levels import Confidence, Effort, Role, Severity
from perfaudit.core.rule import Rule

EVERY_KEY = """\
select = ["PA5"]
ignore = ["select-star"]
exclude = ["build"]
extend-exclude = ["generated"]
min-severity = "low"
min-confidence = "low"
fail-on = "never"
fail-confidence = "medium"
fail-under = 80
rules-dirs = ["house-rules"]
jobs = 3
cache = false
roles = ["production", "script"]
severities = {query-in-loop = "low"}
show-suppressed = true
baseline = "accepted.json"
dialect = "mysql"
"""


def test_every_setting_is_read(tmp_path: Path) -> None:
    (tmp_path / "house-rules").mkdir()
    (tmp_path / "perfaudit.toml").write_text(EVERY_KEY)

    settings, root = load_settings(tmp_path)

    assert root == tmp_path
    assert settings == Settings(
        select=("PA5",),
        ignore=("select-star",),
        exclude=("build",),
        extend_exclude=("generated",),
        min_severity=Severity.LOW,
        min_confidence=Confidence.LOW,
        fail_on=None,
        fail_confidence=Confidence.MEDIUM,
        fail_under=80.0,
        rules_dirs=(tmp_path / "house-rules",),
        jobs=3,
        cache=False,
        roles=frozenset({Role.PRODUCTION, Role.SCRIPT}),
        severities={"query-in-loop": Severity.LOW},
        show_suppressed=True,
        baseline=tmp_path / "accepted.json",
        dialect="mysql",
    )


def test_the_nearest_file_with_a_table_decides(tmp_path: Path) -> None:
    deep = tmp_path / "service" / "app"
    deep.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.perfaudit]\njobs = 7\n")
    (tmp_path / "service" / "pyproject.toml").write_text("[tool.other]\n")

    settings, root = load_settings(deep / "views.py")

    assert (settings.jobs, root) == (7, tmp_path)


def test_perfaudit_toml_wins_over_pyproject_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.perfaudit]\njobs = 7\n")
    (tmp_path / "perfaudit.toml").write_text("jobs = 8\n")

    assert load_settings(tmp_path)[0].jobs == 8


def test_without_a_table_the_root_is_the_nearest_project(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")

    assert load_settings(tmp_path / "app") == (Settings(), tmp_path)


def test_without_a_project_the_root_is_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text("")

    assert load_settings(tmp_path / "views.py") == (Settings(), tmp_path)


def test_an_explicit_file_does_not_move_the_root(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "strict.toml").write_text("fail-on = 'low'\n")

    settings, root = load_settings(project, tmp_path / "strict.toml")

    assert (settings.fail_on, root) == (Severity.LOW, project)


def test_an_explicit_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone.toml: no such settings file"):
        load_settings(tmp_path, tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("min_severity = 'low'", 'unknown setting "min_severity". Did you mean "min-severity"?'),
        ("zzz = 1", 'unknown setting "zzz". Known settings: select, ignore,'),
        ("fail-on = 'hihg'", 'fail-on is not one of critical, high, medium, low, advice: "hihg".'),
        ("fail-on = 'hihg'", 'Did you mean "high"?'),
        ("select = 'PA5'", "select must be a list of strings"),
        ("cache = 1", "cache must be true or false"),
        ("jobs = -1", "jobs must be a number of workers"),
        ("fail-under = 101", "fail-under must be a score from 0 to 100"),
        ("roles = ['tests']", "roles is not one of production, test,"),
        ("severities = {x = 'bad'}", "severities is not one of critical,"),
        ("rules-dirs = ['gone']", "rules-dirs names a folder that does not exist"),
        ("dialect = 'postgrs'", 'Did you mean "postgres"?'),
        ("dialect = 3", "dialect is not one of postgres,"),
        ("baseline = 3", "baseline must be the path of a file"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[project]\nname = 'x'\nroles = 1\n\n[tool.perfaudit]\nexclude = []\n{line}\n")

    with pytest.raises(DataError) as caught:
        load_settings(tmp_path)

    assert str(caught.value).startswith(f"{file}:7: ")
    assert message in str(caught.value)


def test_a_wrong_key_in_a_table_of_its_own_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool.perfaudit]\njobs = 1\n\n[tool.perfaudit.severity]\nx = 'low'\n")

    with pytest.raises(DataError) as caught:
        load_settings(tmp_path)

    assert caught.value.line == 4


def test_a_file_that_is_not_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "perfaudit.toml").write_text("jobs = 1\nselect = [\n\n")

    with pytest.raises(DataError, match="is not valid TOML") as caught:
        load_settings(tmp_path)

    assert caught.value.line >= 2


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "perfaudit.toml").write_bytes(b"jobs = 1\nselect = ['\xff']\n")

    with pytest.raises(DataError, match=r"perfaudit.toml:2: is not UTF-8"):
        load_settings(tmp_path)


def test_a_fault_in_a_file_of_other_tools_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other\n")

    assert load_settings(tmp_path) == (Settings(), tmp_path)


def test_rules_of_an_audited_project_may_only_hold_yaml(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "trap.py").write_text("")
    (tmp_path / "perfaudit.toml").write_text("rules-dirs = ['house']\n")

    with pytest.raises(DataError, match="may only hold YAML files"):
        load_settings(tmp_path)


def test_rules_of_an_audited_project_stay_inside_it(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "perfaudit.toml").write_text("rules-dirs = ['../outside']\n")

    with pytest.raises(DataError, match="must stay inside"):
        load_settings(tmp_path / "project")


@given(st.binary() | st.text().map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_content_of_a_settings_file_is_an_internal_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "perfaudit.toml").write_bytes(content)

    with contextlib.suppress(PerfauditError):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "select = " + "[" * 100_000,
        "jobs = " + "1" * 10_000,
        "fail-under = nan",
        r'rules-dirs = ["\u0000"]',
        f'rules-dirs = ["{"x" * 10_000}"]',
    ],
)
def test_extreme_settings_are_named_with_their_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "perfaudit.toml").write_text(text)

    with pytest.raises(DataError, match="perfaudit.toml:"):
        load_settings(tmp_path)


def rule(id: str, name: str) -> Rule:
    return Rule(
        id=id,
        name=name,
        category="database",
        summary="",
        message="",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        effort=Effort.S,
        since="0.1",
        detector="",
        why="",
        fix="",
    )


RULES = {
    item.name: item
    for item in (
        rule("PA501", "query-in-loop"),
        rule("PA503", "query-in-template"),
        rule("PA601", "blocking-call-in-async"),
    )
}


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ([], [], {"query-in-loop", "query-in-template", "blocking-call-in-async"}),
        (["PA5"], [], {"query-in-loop", "query-in-template"}),
        (["pa501"], [], {"query-in-loop"}),
        (["query-in-loop", "PA6"], [], {"query-in-loop", "blocking-call-in-async"}),
        (["query"], ["query-in-loop"], {"query-in-template"}),
        (["PA501"], ["PA5"], {"query-in-loop"}),
        (["PA501"], ["PA501"], set()),
        ([], ["PA"], set()),
    ],
)
def test_the_more_exact_word_wins(select: list[str], ignore: list[str], expected: set[str]) -> None:
    assert selected_rules(RULES, select, ignore) == expected


def test_an_id_is_not_the_prefix_of_another() -> None:
    longer = {**RULES, "query-in-loop-header": rule("PA5011", "query-in-loop-header")}

    assert matching_rules(longer, "PA501") == ["query-in-loop"]
    assert matching_rules(longer, "query-in-loop") == ["query-in-loop"]


@pytest.mark.parametrize(("word", "cure"), [("qeury-in-loop", "query-in-loop"), ("PB501", "PA501")])
def test_an_unknown_word_is_an_error_with_the_nearest_name(word: str, cure: str) -> None:
    with pytest.raises(UsageError, match=f'no rule matches "{word}". Did you mean "{cure}"?'):
        selected_rules(RULES, [word])


def test_the_more_exact_severity_wins() -> None:
    changed = with_severities(RULES, {"PA501": Severity.ADVICE, "PA5": Severity.LOW})

    assert {name: item.severity for name, item in changed.items()} == {
        "query-in-loop": Severity.ADVICE,
        "query-in-template": Severity.LOW,
        "blocking-call-in-async": Severity.HIGH,
    }
