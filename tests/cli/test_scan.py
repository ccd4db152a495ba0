"""``perfaudit scan``: exit codes, what is reported, and where it goes."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perfaudit.cli import scan as scan_module

from .conftest import CLEAN, SLOW, Run, Start

RULE = "blocking-call-in-async"


def read_all(terminal: int) -> bytes:
    """Return what a process wrote to a terminal, until it is gone."""
    seen = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 65536):
            seen += chunk
    os.close(terminal)
    return seen


def findings(output: str) -> list[tuple[str, str]]:
    return [(item["path"], item["name"]) for item in json.loads(output)["findings"]]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (["--fail-on", "critical"], 0),
        (["--fail-on", "low"], 1),
        (["--fail-on", "never"], 0),
        (["--exit-zero"], 0),
        (["--fail-on", "never", "--fail-under", "100"], 1),
        (["--fail-on", "never", "--fail-under", "0"], 0),
        (["--fail-on", "never", "--fail-under", "100", "--exit-zero"], 0),
        (["--ignore", RULE], 0),
        (["--select", RULE], 1),
        (["--select", "PA601,PA5"], 1),
        (["--select", "PA5"], 0),
        (["--ignore", "PA1", "--ignore", "PA6"], 0),
        (["--exclude", "views.py"], 0),
        (["app/ok.py"], 0),
        (["gone.py"], 2),
        (["gone.py", "--exit-zero"], 2),
        (["--select", "no-such-rule", "--exit-zero"], 2),
        (["--no-such-option"], 2),
        (["--format", "no-such-format"], 2),
        (["--config", "gone.toml"], 2),
        (["--rules", "gone"], 2),
        (["--baseline", "gone.json"], 2),
        (["-o", "report.docx"], 2),
        (["-o", "gone/report.json"], 2),
    ],
)
def test_exit_codes(project: Path, run: Run, options: list[str], code: int) -> None:
    assert run("scan", *options).exit_code == code


def test_the_terminal_report_names_place_and_rule(project: Path, run: Run) -> None:
    result = run("scan")

    assert "app/views.py:5" in result.stdout
    assert RULE in result.stdout
    assert "1 finding at or above high (--fail-on)." in result.stderr


def test_quiet_writes_only_the_report(project: Path, run: Run) -> None:
    assert run("scan", "--quiet").stderr == ""


def test_a_missing_path_is_one_clear_line(project: Path, run: Run) -> None:
    result = run("scan", "gone", "app", "also-gone")

    assert result.stderr == "perfaudit: no such file or folder: gone, also-gone\n"
    assert result.stdout == ""


def test_an_unknown_rule_is_answered_with_the_nearest(project: Path, run: Run) -> None:
    result = run("scan", "--select", "blocking-calls-in-async")

    assert f'Did you mean "{RULE}"?' in result.stderr


def test_a_wrong_setting_is_answered_with_its_line(project: Path, run: Run) -> None:
    (project / "pyproject.toml").write_text("[tool.perfaudit]\nslect = []\n")
    result = run("scan")

    assert result.exit_code == 2
    assert "pyproject.toml:2: unknown setting" in result.stderr
    assert 'Did you mean "select"?' in result.stderr


def test_an_empty_folder_says_so_and_passes(project: Path, run: Run) -> None:
    (project / "empty").mkdir()
    result = run("scan", "empty")

    assert result.exit_code == 0
    assert "nothing to audit: there is no file to read in empty." in result.stderr


def test_options_win_over_settings(project: Path, run: Run) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.perfaudit]\nfail-on = 'never'\ncache = false\nignore = ['PA601']\n"
    )
    assert findings(run("scan", "-f", "json").stdout) == []

    (project / "pyproject.toml").write_text("[tool.perfaudit]\nfail-on = 'never'\ncache = false\n")
    assert run("scan").exit_code == 0
    assert run("scan", "--fail-on", "high").exit_code == 1


def test_standard_output_is_json_and_nothing_else(project: Path, run: Run) -> None:
    result = run("scan", "--format", "json", "--statistics", "--verbose")

    assert findings(result.stdout) == [("app/views.py", RULE)]
    assert f"1  PA601  {RULE}" in result.stderr
    assert "read 2 files" in result.stderr
    phases = re.search(r"phases: (.*)\.\n", result.stderr)
    assert phases and re.sub(r"[0-9.]+ s", "", phases[1]) == "read , link , detect , report "


def test_each_output_file_has_the_format_of_its_suffix(project: Path, run: Run) -> None:
    result = run("scan", "-o", "a.json", "-o", "a.sarif", "-o", "a.md", "-q")

    assert findings((project / "a.json").read_text()) == [("app/views.py", RULE)]
    assert json.loads((project / "a.sarif").read_text())["version"] == "2.1.0"
    assert (project / "a.md").read_text().startswith("#")
    assert RULE in result.stdout
    assert sorted(path.name for path in project.iterdir()) == [
        "a.json",
        "a.md",
        "a.sarif",
        "app",
        "pyproject.toml",
    ]


def test_an_output_file_has_no_colour(project: Path, run: Run) -> None:
    run("scan", "-o", "a.txt", "--color", "always")

    assert "\x1b" not in (project / "a.txt").read_text("utf-8")


def test_an_output_file_keeps_its_permissions_and_its_link(project: Path, run: Run) -> None:
    kept = project / "kept.json"
    kept.write_text("old")
    kept.chmod(0o600)
    (project / "link.json").symlink_to("kept.json")

    run("scan", "-o", "link.json")

    assert kept.stat().st_mode & 0o777 == 0o600
    assert (project / "link.json").is_symlink()
    assert findings(kept.read_text()) == [("app/views.py", RULE)]


def test_changed_only_limits_the_report_and_not_the_reading(project: Path, run: Run) -> None:
    changed = run("scan", "--changed-only", "-f", "json", "app/ok.py")
    read = json.loads(changed.stdout)["project"]["files"]

    assert (changed.exit_code, findings(changed.stdout), read) == (0, [], 2)
    touched = run("scan", "--changed-only", "-f", "json", "app/views.py")
    assert (touched.exit_code, findings(touched.stdout)) == (1, [("app/views.py", RULE)])
    assert run("scan", "--changed-only", "app").exit_code == 1


def test_changed_only_lets_files_be_gone(project: Path, run: Run) -> None:
    assert run("scan", "--changed-only", "app/deleted.py").exit_code == 0


def test_changed_only_does_not_confuse_folders_that_begin_alike(project: Path, run: Run) -> None:
    (project / "ap").mkdir()

    assert run("scan", "--changed-only", "ap").exit_code == 0


def test_the_order_of_paths_and_where_one_stands_change_nothing(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("scan", "-f", "json").stdout
    assert run("scan", "-f", "json", "app/views.py", "app/ok.py").stdout == whole
    assert run("scan", "-f", "json", "app/ok.py", "app/views.py", "app").stdout == whole
    monkeypatch.chdir(project / "app")
    assert run("scan", "-f", "json").stdout == whole
    assert run("scan", "-f", "json", str(project)).stdout == whole


def test_paths_without_a_common_project_are_read_together(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("one", SLOW), ("two", CLEAN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text(text)
    monkeypatch.chdir(tmp_path)

    assert findings(run("scan", "--no-cache", "-f", "json", "one", "two").stdout) == [
        ("one/code.py", RULE)
    ]


@pytest.mark.parametrize(
    ("options", "environment", "colored"),
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": ""}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours(
    project: Path, run: Run, options: list[str], environment: dict[str, str], colored: bool
) -> None:
    assert ("\x1b[" in run("scan", *options, **environment).stdout) is colored


@pytest.mark.parametrize("variable", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_colours_unless_it_wants_none(
    project: Path, variable: dict[str, str]
) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "perfaudit", "scan"],
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", **variable},
    ):
        os.close(slave)
        seen = read_all(master)

    assert (b"\x1b[" in seen) is not bool(variable)


def test_progress_shows_on_a_terminal_and_leaves_nothing_there(project: Path) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "perfaudit", "scan", "--exit-zero"],
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    ):
        os.close(slave)
        seen = read_all(master).decode()

    progress, _, rest = seen.partition("\r\x1b[K")
    assert progress.startswith("Auditing ")
    assert "Auditing" not in rest


def test_no_progress_without_a_terminal(project: Path, start: Start) -> None:
    assert start("scan", "--exit-zero", "--fail-on", "never").stderr == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_no_encoding_of_the_terminal_is_fatal(project: Path, start: Start, encoding: str) -> None:
    (project / "app" / "añb_日本.py").write_text(SLOW)
    result = start("scan", "--exit-zero", PYTHONIOENCODING=encoding, PYTHONUTF8="0")

    assert (result.returncode, b"Traceback" in result.stderr) == (0, False)
    assert b"views.py" in result.stdout


def test_json_is_utf8_whatever_the_terminal(project: Path, start: Start) -> None:
    (project / "app" / "日本.py").write_text(SLOW)
    result = start("scan", "-f", "json", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert ("app/日本.py", RULE) in findings(result.stdout.decode("utf-8"))


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_a_reader_that_leaves_early_is_no_error(project: Path, form: str) -> None:
    for number in range(200):
        (project / "app" / f"copy_{number}.py").write_text(SLOW * 20)
    command = [sys.executable, "-m", "perfaudit", "scan", "-f", form, "--fail-on", "never"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, b"")


def test_an_unexpected_error_is_one_line_with_what_to_do(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise KeyError("severity")

    monkeypatch.setattr(scan_module, "report_of", fail)
    result = run("scan", "--exit-zero")

    assert result.exit_code == 2
    assert result.stderr.startswith(
        "perfaudit: internal error: KeyError: 'severity'; please report"
    )
    assert result.stderr.count("\n") == 1
    for shown in (run("scan", "--verbose"), run("scan", PERFAUDIT_DEBUG="1")):
        assert shown.exit_code == 2
        assert "Traceback" in shown.stderr


def test_an_interrupted_run_says_nothing(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scan_module, "report_of", interrupt)
    result = run("scan")

    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")
