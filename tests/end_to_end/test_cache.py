"""Whatever happens to the cache, a run gives the bytes it would give without one."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfaudit.cache import ABANDONED, FOLDER, MAX_FACTS, FactCache, ReportCache, facts_version
from perfaudit.config import Settings
from perfaudit.core.report import Report
from perfaudit.runs import begun, key_of, report_of
from perfaudit.sources.reading import digest_of

from .conftest import SOURCES, until

SLOW = """\
import time, fastapi
app = fastapi.FastAPI()
@app.get("/slow")
async def slow() -> None:
    time.sleep(1)
"""

VIEWS = '''"""The pages of a shop."""

import time, fastapi

app = fastapi.FastAPI()


@app.get("/slow")
async def slow() -> None:
    """Show all of it."""
    time.sleep(1)


@app.get("/calm")
async def calm() -> int:
    return 1 + 1
'''

SAME_FACTS = {
    "a comment at the end": (VIEWS, VIEWS + "\n# The rest is elsewhere.\n"),
    "a comment behind a line": ("calm() -> int:", "calm() -> int:  # at once"),
    "a comment in an empty line": ('\n\n\n@app.get("/calm")', '\n# Quick.\n\n@app.get("/calm")'),
    "a space at the end of a line": ("return 1 + 1", "return 1 + 1 "),
    "spaces around an operator": ("return 1 + 1", "return 1+1"),
    "a docstring": ("Show all of it.", "Show some."),
    "line ends": ("\n", "\r\n"),
    "no line end": ("1 + 1\n", "1 + 1"),
}

OTHER_FACTS = {
    "a line above": ("\n\n\n@app", "\n\n\n\n@app"),
    "a comment in a line that is shown": ("time.sleep(1)", "time.sleep(1)  # a while"),
    "a space in a line that is shown": ("time.sleep(1)", "time.sleep(1) "),
    "a suppression": (
        "time.sleep(1)", "time.sleep(1)  # perfaudit: ignore[blocking-call-in-async] -- known"
    ),
    "a suppression of nothing": (
        "return 1 + 1", "return 1 + 1  # perfaudit: ignore[query-in-loop] -- known"
    ),
    "another call": ("time.sleep(1)", "time.sleep(2); time.sleep(3)"),
    "another function": ("    return 1 + 1\n", "    return 1 + 1\n\n\ndef more(): ...\n"),
    "a fault": ("return 1 + 1", "return 1 +"),
}  # fmt: skip

TESTED = """
import time

def waits():
    time.sleep(1)
"""

SLEEPS = "from time import sleep as waits\n"
COUNTS = "from math import floor as waits\n"

IN_TESTS = {
    "another call": (("time.sleep(1)", "time.sleep(2); open('x')"), False),
    "a name more": (("import time", "import time\nmore = len(())"), False),
    "a function above": (("import time", "import time\n\ndef before(): ..."), False),
    "a comment": (("time.sleep(1)", "time.sleep(1)  # long"), False),
    "a fault": (("time.sleep(1)", "time.sleep(1"), True),
    "a revision of the schema": (("import time", "import time\ndown_revision = None"), True),
}
"""Edits of a test, and whether a report depends on it though nothing imports the test."""

PAYLOADS = [bytes([number]) * 8_000_000 for number in range(4)]

WRITER = """
import sys
from pathlib import Path
from perfaudit.cache import FactCache
from perfaudit.sources.reading import digest_of
numbers, root = sys.argv[1], Path(sys.argv[2])
while True:
    for number in numbers:
        payload = bytes([int(number)]) * 8_000_000
        FactCache(root).store({"app.py": (digest_of(payload), payload)})
"""

LIMITED = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from perfaudit.cli import main
main()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "app.py").write_text(SLOW)
    return root


def scanned(root: Path, *arguments: str, program: tuple[str, ...] = ("-m", "perfaudit")) -> bytes:
    """Return what a process of its own says of a project."""
    done = subprocess.run(
        [sys.executable, *program, "scan", "-q", "-f", "json", "--exit-zero", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"blocking-call-in-async" in done.stdout
    return done.stdout


def reported(root: Path) -> Report:
    """Return what this process says of a project."""
    report = report_of(root, [root], Settings(jobs=1)).report
    assert [finding.rule for finding in report.findings if finding.rule == "PA601"]
    return report


def kept(root: Path, pattern: str) -> list[Path]:
    return sorted((root / FOLDER).glob(pattern))


@pytest.fixture
def writers(project: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Return two processes that keep other facts in the cache of the project, over and over."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, numbers, str(project)],
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        for numbers in ("01", "23")
    ]
    yield started
    for process in started:
        process.kill()
        process.wait()


def found(root: Path) -> list[bytes]:
    """Return what is found of what the writers keep."""
    cache = FactCache(root)
    every = (cache.find("app.py", digest_of(payload)) for payload in PAYLOADS)
    return [payload for payload in every if payload is not None]


def test_readers_see_whole_entries_of_two_writers(
    project: Path, writers: list["subprocess.Popen[bytes]"]
) -> None:
    seen = set()

    def both_have_written() -> bool:
        for payload in found(project):
            seen.add(PAYLOADS.index(payload))
        return bool(seen & {0, 1} and seen & {2, 3})

    until(both_have_written)


def test_a_writer_that_is_killed_leaves_the_entries_before(
    project: Path, writers: list["subprocess.Popen[bytes]"]
) -> None:
    until(lambda: found(project))
    for process in writers:
        until(lambda: kept(project, ".new-*"))
        process.kill()
        process.wait()

    (payload,) = found(project)
    assert payload in PAYLOADS
    assert scanned(project) == scanned(project, "--no-cache")


def test_drafts_of_killed_runs_are_removed(project: Path) -> None:
    expected = reported(project)
    old, young = (project / FOLDER / name for name in (".new-old", ".new-young"))
    for draft in (old, young):
        draft.write_bytes(b"begun")
    stamp = time.time() - ABANDONED - 60
    os.utime(old, (stamp, stamp))
    for file in (*kept(project, "facts-*"), *kept(project, "report-*")):
        file.unlink()

    assert reported(project) == expected
    assert kept(project, ".new-*") == [young]


@pytest.mark.parametrize("limit", [0, 300])
def test_a_disk_that_is_full_is_no_cache(project: Path, limit: int) -> None:
    expected = scanned(project, "--no-cache")
    program = ("-c", LIMITED, str(limit))

    assert scanned(project, program=program) == expected
    assert kept(project, ".new-*") == []
    assert all(file.stat().st_size for file in kept(project, "*"))
    assert scanned(project) == expected
    assert kept(project, ".gitignore") and kept(project, "facts-*") and kept(project, "report-*")


def test_a_disk_that_has_become_full_keeps_what_was_there(project: Path) -> None:
    scanned(project)
    before = {file: file.read_bytes() for file in kept(project, "*")}
    (project / "more.py").write_text(SLOW)
    expected = scanned(project, "--no-cache")

    assert scanned(project, program=("-c", LIMITED, "50")) == expected
    assert {file: file.read_bytes() for file in kept(project, "*")} == before


def test_no_flipped_bit_is_believed(project: Path) -> None:
    reported(project)
    digest = digest_of(SLOW.encode())
    run = begun(project, [project], Settings(jobs=1))
    key = key_of(run, run.readings)
    (facts,), (report,) = kept(project, "facts-*"), kept(project, "report-*")
    chance = random.Random(1)
    assert FactCache(project).find("app.py", digest) and ReportCache(project).find(key)

    for file in (facts, report):
        whole = file.read_bytes()
        for place in (*range(64), *range(64, len(whole), 7)):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << chance.randrange(8)
            file.write_bytes(flipped)
            if file is facts:
                assert FactCache(project).find("app.py", digest) is None
            else:
                assert ReportCache(project).find(key) is None
        file.write_bytes(whole)


def test_flipped_bits_change_no_report(project: Path) -> None:
    expected = reported(project)
    chance = random.Random(2)
    for _ in range(3):
        for file in (*kept(project, "facts-*"), *kept(project, "report-*")):
            flipped = bytearray(file.read_bytes())
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
            file.write_bytes(flipped)

        assert reported(project) == expected


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 15, b"\0" * 16, b"\xc1" * 5000, b"SQLite format 3\0" + bytes(4096)],
    ids=["empty", "short", "no content", "no format", "another program's"],
)
def test_foreign_content_is_no_cache(project: Path, content: bytes) -> None:
    expected = reported(project)
    for file in (*kept(project, "facts-*"), *kept(project, "report-*")):
        file.write_bytes(content)

    assert reported(project) == expected


def test_what_is_no_file_is_not_waited_for(project: Path) -> None:
    expected = reported(project)
    for file in (*kept(project, "facts-*"), *kept(project, "report-*")):
        file.unlink()
        os.mkfifo(file)

    assert reported(project) == expected


def test_a_report_under_another_name_is_not_given(project: Path) -> None:
    reported(project)
    (before,) = kept(project, "report-*")
    (project / "more.py").write_text(SLOW)
    expected = reported(project)
    (after,) = (file for file in kept(project, "report-*") if file != before)
    shutil.copyfile(before, after)

    assert reported(project) == expected


@pytest.fixture
def shop(project: Path) -> Path:
    """Return a project whose report is kept, with a view that is found fault with."""
    (project / "views.py").write_text(VIEWS)
    (project / "models.py").write_text("NAMES = ('a', 'b')\n")
    reported(project)
    return project


def edit(file: Path, change: tuple[str, str]) -> None:
    before = file.read_bytes()
    file.write_bytes(before.replace(*(text.encode() for text in change)))
    assert file.read_bytes() != before


@pytest.mark.parametrize("change", SAME_FACTS.values(), ids=SAME_FACTS)
def test_an_edit_that_changes_no_fact_links_nothing_again(
    shop: Path, change: tuple[str, str]
) -> None:
    edit(shop / "views.py", change)
    expected = report_of(shop, [shop], Settings(jobs=1, cache=False))

    for _ in range(2):
        result = report_of(shop, [shop], Settings(jobs=1))
        assert result.report == expected.report
        assert expected.phases and not result.phases


@pytest.mark.parametrize("change", OTHER_FACTS.values(), ids=OTHER_FACTS)
def test_an_edit_of_what_a_report_says_or_shows_is_seen(
    shop: Path, change: tuple[str, str]
) -> None:
    before = reported(shop)
    edit(shop / "views.py", change)
    expected = report_of(shop, [shop], Settings(jobs=1, cache=False)).report

    first = report_of(shop, [shop], Settings(jobs=1))
    assert (first.report, bool(first.phases)) == (expected, True)
    again = report_of(shop, [shop], Settings(jobs=1))
    assert (again.report, bool(again.phases)) == (expected, False)
    (shop / "views.py").write_text(VIEWS)
    assert reported(shop) == before


@pytest.mark.parametrize("is_imported", [False, True])
@pytest.mark.parametrize(("change", "decides"), IN_TESTS.values(), ids=IN_TESTS)
def test_an_edited_test_links_again_only_where_code_imports_it(
    shop: Path, change: tuple[str, str], *, decides: bool, is_imported: bool
) -> None:
    (shop / "tests").mkdir()
    (shop / "tests" / "shared.py").write_text(TESTED)
    if is_imported:
        edit(shop / "views.py", ("import time", "from tests.shared import waits\nimport time"))
        edit(shop / "views.py", ("return 1 + 1", "return waits()"))
    reported(shop)
    edit(shop / "tests" / "shared.py", change)
    expected = report_of(shop, [shop], Settings(jobs=1, cache=False)).report

    first = report_of(shop, [shop], Settings(jobs=1))
    assert (first.report, bool(first.phases)) == (expected, decides or is_imported)
    again = report_of(shop, [shop], Settings(jobs=1))
    assert (again.report, bool(again.phases)) == (expected, False)


def test_a_test_counts_whole_once_code_imports_it(shop: Path) -> None:
    (shop / "tests").mkdir()
    shared = shop / "tests" / "shared.py"
    shared.write_text(COUNTS)
    reported(shop)
    edit(shop / "views.py", ("import time", "from tests.shared import waits\nimport time"))
    edit(shop / "views.py", ("return 1 + 1", "return waits(1)"))
    seen = []
    for text in (COUNTS, SLEEPS, COUNTS, SLEEPS):
        shared.write_text(text)
        expected = report_of(shop, [shop], Settings(jobs=1, cache=False)).report
        assert reported(shop) == expected
        seen.append(sum(finding.name == "blocking-call-in-async" for finding in expected.findings))
    assert seen == [2, 3, 2, 3]


def test_lines_that_are_shown_are_read_again_whatever_was_shown_last(shop: Path) -> None:
    for text in ("time.sleep(1)  # a", "time.sleep(1)  # b", "time.sleep(1)", "time.sleep(1)  # a"):
        (shop / "views.py").write_text(VIEWS.replace("time.sleep(1)", text))
        expected = report_of(shop, [shop], Settings(jobs=1, cache=False)).report
        assert reported(shop) == expected


def test_a_deep_audit_reads_the_text_of_what_has_changed(shop: Path) -> None:
    settings = Settings(jobs=1, deep=True)
    report_of(shop, [shop], settings)
    edit(shop / "views.py", (VIEWS, VIEWS + "# more\n"))

    assert report_of(shop, [shop], settings).phases
    assert not report_of(shop, [shop], settings).phases


def test_a_file_of_another_kind_is_known_by_all_that_it_holds(shop: Path) -> None:
    (shop / "queries.sql").write_text("SELECT 1;\n")
    assert report_of(shop, [shop], Settings(jobs=1)).phases
    (shop / "queries.sql").write_text("SELECT 1;\n-- more\n")

    assert report_of(shop, [shop], Settings(jobs=1)).phases
    assert not report_of(shop, [shop], Settings(jobs=1)).phases


def test_facts_of_other_versions_are_kept_in_bounds(project: Path) -> None:
    (project / FOLDER).mkdir()
    for number in range(6):
        file = project / FOLDER / f"facts-0.0.{number}.msgpack"
        file.write_bytes(b"another version's")
        os.utime(file, (number, number))
    reported(project)

    names = [file.name for file in kept(project, "facts-*")]
    others = ["facts-0.0.4.msgpack", "facts-0.0.5.msgpack"]
    assert names == [*others, f"facts-{facts_version()}.msgpack"]
    assert len(names) == MAX_FACTS
