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
from perfaudit.runs import begun, report_of
from perfaudit.sources.reading import digest_of

from .conftest import SOURCES, until

SLOW = """\
import time, fastapi
app = fastapi.FastAPI()
@app.get("/slow")
async def slow() -> None:
    time.sleep(1)
"""

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

    assert scanned(project, program=("-c", LIMITED, "300")) == expected
    assert {file: file.read_bytes() for file in kept(project, "*")} == before


def test_no_flipped_bit_is_believed(project: Path) -> None:
    reported(project)
    digest = digest_of(SLOW.encode())
    key = begun(project, [project], Settings(jobs=1)).key
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
