"""Mistakes of users and files that cannot be used, through the command line."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.data import rules_root
from perfaudit.reporters import FORMATS

from .conftest import Start, Write

NOBODY = 65534
RULE = (rules_root() / "database" / "query-in-loop.yaml").read_text("utf-8")
LIBRARY = """\
library: shelf
docs: https://shelf.example
packages: [shelf]
functions:
  shelf.fetch: {effects: [db.query]}
examples:
  - code: |
      import shelf
      shelf.fetch()  # effects: db.query
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scan", "gone"], "perfaudit: no such file or folder: gone"),
        (["scan", "--select", "query-in-lop"], 'Did you mean "query-in-loop"?'),
        (["scan", "--ignore", "PA999"], 'no rule matches "PA999"'),
        (["scan", "-f", "yaml"], "'yaml' is not one of"),
        (["scan", "-o", "report.docx"], "the suffix must be one of .txt, .json, .sarif, .md"),
        (["scan", "--rules", "gone"], "--rules gone: no such folder."),
        (["scan", "--jobs", "-1"], "-1 is not in the range"),
        (["scan", "--fail-under", "101"], "101.0 is not in the range"),
        (["explain", "query-in-lop"], 'Did you mean "query-in-loop"?'),
        (["endpoints", "gone"], "no such file or folder: gone"),
        (["show", "callgraf"], "'callgraf' is not one of"),
        (["scna"], "No such command 'scna'"),
    ],
)
def test_a_mistake_of_the_user_is_answered(
    write: Write, start: Start, arguments: list[str], said: str
) -> None:
    done = start(write({"app.py": ""}), *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("selct = []\n", 'perfaudit.toml:1: unknown setting "selct". Did you mean "select"?'),
        ("jobs = 1\nfail-on = 'hihg'\n", "perfaudit.toml:2: fail-on is not one of"),
        ("jobs = \n", "perfaudit.toml:1: is not valid TOML"),
        ("rules-dirs = ['gone']\n", "perfaudit.toml:1: rules-dirs names a folder that does not"),
        ("rules-dirs = ['..']\n", "perfaudit.toml:1: rules-dirs must stay inside"),
    ],
)
def test_a_mistake_in_the_settings_is_named_with_its_line(
    write: Write, start: Start, text: str, said: str
) -> None:
    done = start(write({"app.py": "", "perfaudit.toml": text}), "scan")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("house/house-rule.yaml", "id: [\n", "house-rule.yaml:2: not YAML:"),
        ("house/house-rule.yaml", "", "house-rule.yaml:1: the file is empty"),
        ("house/house-rule.yaml", "\xff", 'a mapping was expected, not "\xff"'),
        ("house/house-rule.yaml", "a: &a [*a]\n", "anchors and aliases"),
        ("house/house-rule.yaml", "a: " + "[" * 5000 + "]" * 5000, "house-rule.yaml:1: "),
        (
            "database/query-in-loops.yaml",
            RULE,
            'query-in-loops.yaml:2: write "query-in-loops", the name of the file',
        ),
        (
            "database/query-in-loop.yaml",
            RULE.replace("severity: high", "severity: sever"),
            '"sever" is not known',
        ),
        (
            "database/query-in-loop.yaml",
            RULE.replace("detector: query_in_loop", "detector: os"),
            'there is no detector "os"',
        ),
        ("libraries/shelf.yaml", LIBRARY.replace("db.query]", "db.qeury]"), "shelf.yaml:5: "),
        ("libraries/shelf.yaml", LIBRARY.replace("docs", "dcos"), "shelf.yaml:2: "),
        ("libraries/shelf.yaml", "{", "shelf.yaml:"),
    ],
)
def test_a_fault_in_rules_of_ones_own_is_named_with_its_line(
    write: Write, start: Start, name: str, text: str, said: str
) -> None:
    root = write({"app.py": "", f"mine/{name}": text})
    done = start(root, "scan", "--no-cache", "--rules", "mine")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_a_library_of_ones_own_is_known_to_every_rule(write: Write, start: Start) -> None:
    root = write(
        {
            "app.py": "import shelf\n\n\ndef load(names):\n    for name in names:\n"
            "        shelf.fetch(name)\n",
            "mine/libraries/shelf.yaml": LIBRARY,
        }
    )
    done = start(root, "scan", "--no-cache", "--rules", "mine", "-f", "json")

    assert [(each["rule"], each["line"]) for each in json.loads(done.stdout)["findings"]] == [
        ("PA501", 6)
    ]


def test_an_empty_folder_says_so_and_passes(write: Write, start: Start) -> None:
    root = write({"docs/notes.rst": "nothing to read"})
    done = start(root, "scan", "--no-cache", "docs")

    assert done.returncode == 0
    assert done.stderr.strip() == "perfaudit: nothing to audit: there is no file to read in docs."


UNUSABLE: dict[str, tuple[str | bytes, str]] = {
    "bytes.py": (b"x = '\xff\xfe\x80'\n", "undecodable"),
    "nul.py": (b"x = 1\n\0\n", "syntax"),
    "syntax.py": ("def f(:\n", "syntax"),
    "generated.py": ("TABLE = [\n" + "    1,\n" * 720_000 + "]\n", "too-large"),
    "brackets.py": ("x = " + "(" * 1000 + ")" * 1000 + "\n", "too-deep"),
    "blocks.py": ("\n".join(" " * n + "if a:" for n in range(200)) + "\n", "too-deep"),
    "docker-compose.yml": ("services: [\n", "syntax"),
    "compose.bomb.yml": ("a: &a [x]\n" + "b: [" * 2000 + "*a" + "]" * 2000, "too-deep"),
    "schema.sql": (b"CREATE TABLE t (\xff);\n", "undecodable"),
}


def test_every_file_that_cannot_be_used_is_a_problem_in_every_format(
    write: Write, start: Start
) -> None:
    root = write({name: content for name, (content, _) in UNUSABLE.items()} | {"ok.py": "x = 1\n"})
    (root / "away.py").symlink_to("/etc/hostname")
    (root / "broken.py").symlink_to("nowhere.py")
    (root / "loop.py").symlink_to("loop.py")
    expected = {name: kind for name, (_, kind) in UNUSABLE.items()}
    expected |= {"away.py": "outside-root", "broken.py": "unreadable", "loop.py": "unreadable"}

    outputs = [f"--output=report{suffix}" for suffix in (".txt", ".json", ".sarif", ".md")]
    done = start(root, "scan", "--no-cache", "-v", *outputs)

    assert done.returncode == 0
    report = json.loads((root / "report.json").read_text())
    assert {each["path"]: each["kind"] for each in report["problems"]} == expected
    assert report["project"]["lines"] == 1
    sarif = json.loads((root / "report.sarif").read_text())
    notes = sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    places = [note["locations"][0]["physicalLocation"]["artifactLocation"] for note in notes]
    assert {place["uri"] for place in places} == set(expected)
    for shown in (done.stdout, (root / "report.txt").read_text(), (root / "report.md").read_text()):
        assert [name for name in expected if f"{name}:" not in shown] == []
    assert len(FORMATS) == len(outputs)


def test_what_is_not_allowed_to_be_read_is_a_problem() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        for name in ("closed/app.py", "open/secret.py", "open/app.py"):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text("x = 1\n")
        settings = Settings(cache=False, jobs=1)
        # All that perfaudit itself reads late is read before the rights are gone.
        assert audit(root, [root], settings).report.problems == ()
        (root / "closed").chmod(0)
        (root / "open" / "secret.py").chmod(0)
        with without_rights():
            report = audit(root, [root], settings).report
        (root / "closed").chmod(0o755)

    assert [(problem.path, problem.kind) for problem in report.problems] == [
        ("closed", "unreadable"),
        ("open/secret.py", "unreadable"),
    ]
    assert report.project.lines == 1


@contextmanager
def without_rights() -> Iterator[None]:
    """Be a user who may not read everything, where we are one who may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        if not os.access(rules_root(), os.R_OK, effective_ids=True):
            pytest.skip("Other users may not read the rules.")
        yield
    finally:
        os.seteuid(0)


def test_a_long_function_and_a_long_text_are_read(write: Write, start: Start) -> None:
    calls = "".join(f"    value_{n} = other(value_{n - 1}, {n})\n" for n in range(1, 20_000))
    chain = "def other(a, b):\n    return a\n\n\ndef long(value_0):\n" + calls
    root = write({"long.py": chain, "text.py": "x = '" + "SELECT " * 250_000 + "'\n"})
    done = start(root, "scan", "--no-cache", "-f", "json")

    assert json.loads(done.stdout)["problems"] == []


def test_handlers_made_of_one_another_end_no_audit(write: Write, start: Start) -> None:
    names = [f"view_{n}" for n in range(9)]
    wrapped = "".join(f"{name} = wrap({', '.join(names)})\n" for name in names)
    code = "from django.urls import path\nfrom elsewhere import wrap\n" + wrapped
    root = write({"urls.py": code + "urlpatterns = [path('x/', view_0)]\n"})
    done = start(root, "scan", "--no-cache", "-f", "json")

    assert json.loads(done.stdout)["problems"] == []
