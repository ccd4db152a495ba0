"""What makes a running event loop wait is what the audit reports, and nothing else.

Each file or folder of ``fixtures/async_programs`` is a small program. It is audited, and it is run:
see ``recorder.py``. No line of it is marked by hand.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.core.finding import Finding
from perfaudit.data import rules_root
from perfaudit.libraries import load_libraries
from perfaudit.rules import load_rules

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "async_programs"
RECORDER = Path(__file__).with_name("recorder.py")

DEAR = frozenset({"PA601", "PA602", "PA603", "PA604", "PA606", "PA608"})
LOCK = "PA608"
FILE_CONTENT = "PA602"
CHEAP = "PA611"
"""Speaks once in a coroutine, of the first question about a file's name, and leaves those to the
rule about content that ask for content too."""

DISAGREE = {
    "indirect_helpers": "defaultdict, methodcaller, iter with an end",
    "operators_more": "the facts keep neither `del` of items nor the minus before a value",
    "signals_and_readers": "a file descriptor that was told not to block",
}
"""Programs of which the audit does not yet say what running them shows, and why."""

BY_DECISION = {
    "first_use": "what runs once per process, such as the first call of a memoised function",
    "handlers_of_errors": "files that are written only when something has failed",
    "lazy_singleton": "what an object of the whole process does on its first use",
    "leaving": "what runs when a with statement is left",
    "pools_left": "a pool of threads is left while it works",
    "table_definitions": "statements that define tables belong to setting up",
}
"""Programs that do make their loop wait, of which the audit is silent on purpose: what a team would
not mend, it would read as noise."""

LEFT = DISAGREE | BY_DECISION

Line = tuple[str, int]
Waits = dict[Line, set[Line]]
"""The lines where a loop waits, each with the lines that wait."""


def programs() -> Iterator[Path]:
    """Yield the programs there are."""
    for path in sorted(PROGRAMS.iterdir()):
        if path.suffix == ".py" or (path / "main.py").is_file():
            yield path


def run_all(paths: Iterable[Path], scratch: Path) -> dict[str, Any]:
    """Return what programs did when they ran, by their paths; they write to a scratch folder."""
    done = subprocess.run(
        [sys.executable, str(RECORDER), *map(str, paths)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(scratch)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def reported(program: Path) -> list[Finding]:
    """Return what the audit says of a program, without what it is unsure of."""
    root = program if program.is_dir() else program.parent
    settings = Settings(cache=False, jobs=1)
    return [
        finding
        for finding in audit(root, [program], settings).report.findings
        if finding.rule in DEAR | {CHEAP} and finding.confidence.at_least(settings.min_confidence)
    ]


@pytest.fixture(scope="module", autouse=True)
def rules_read_once() -> Iterator[None]:
    """Many small audits: their rules and libraries are the same."""
    libraries = load_libraries([rules_root() / "libraries"])
    rules = load_rules([rules_root()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfaudit.audit.load_libraries", lambda folders: libraries)
        patch.setattr("perfaudit.runs.load_rules", lambda folders: rules)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_all(programs(), tmp_path_factory.mktemp("scratch"))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=pytest.mark.xfail(
                path.stem in LEFT,
                reason=LEFT.get(path.stem, ""),
                raises=AssertionError,
                strict=True,
            ),
        )
        for path in programs()
    ],
)
def test_the_audit_reports_what_makes_the_loop_wait(program: Path, runs: dict[str, Any]) -> None:
    run = runs[str(program)]
    found = reported(program)

    reported_places = {
        place for finding in found if finding.rule in DEAR for place in places_of(finding)
    }
    observed_waits = dear_waits(run["waits"], reported_places)
    assert sorted(reported_places) == sorted(observed_waits)
    once = waited_once(run["waits"])
    assert not [
        finding.trace
        for finding in found
        if finding.rule in DEAR
        for place in places_of(finding)
        if not sinks_of(finding) & (observed_waits[place] | once)
    ]
    assert cheap_findings(found) == cheap_waits(run["waits"], found)


def test_the_programs_run(runs: dict[str, Any]) -> None:
    assert [run["failure"] for run in runs.values() if run["failure"]] == []


def test_the_programs_wait_and_keep_from_waiting(runs: dict[str, Any]) -> None:
    """A recorder that sees nothing, or programs that all wait, would prove nothing."""
    waiting = [name for name, run in runs.items() if run["waits"]]
    assert len(waiting) >= 100
    assert len(runs) - len(waiting) >= 5
    assert set(LEFT) <= {Path(name).stem for name in runs}


def dear_waits(waits: list[dict[str, Any]], told: Iterable[Line] = ()) -> Waits:
    """Return where the loop waited for more than a question about a file's name.

    Who gives a coroutine a function that waits may be told in its place.
    """
    found: Waits = {}
    for wait in waits:
        if not wait["cheap"]:
            place, giver = tuple(wait["place"]), tuple(wait["giver"] or ())
            asking = giver if giver in told and place not in told else place
            found.setdefault(asking, set()).add(tuple(wait["sink"]))
    return found


def waited_once(waits: list[dict[str, Any]]) -> set[Line]:
    """Return the lines that waited only once: another place might have been the first to ask."""
    times: Counter[Line] = Counter()
    for wait in waits:
        times[tuple(wait["sink"])] += wait["times"]
    return {sink for sink, count in times.items() if count == 1}


def places_of(finding: Finding) -> set[Line]:
    """Return the lines that a finding is about: its own, and later uses of the file it opens."""
    steps = [step.location for step in finding.trace]
    is_opening = finding.rule == FILE_CONTENT and finding.location in steps[:-1]
    later = steps[steps.index(finding.location) :] if is_opening and finding.words["later"] else []
    return {_place(finding), *((place.path, place.line) for place in later)}


def sinks_of(finding: Finding) -> set[Line]:
    """Return which lines a finding may mean by what waits: the last of its trace.

    The trace of a lock goes on to what is done while it is held, that of a file to its later uses.
    """
    lines = [(step.location.path, step.location.line) for step in finding.trace]
    if finding.rule == FILE_CONTENT and finding.words["later"]:
        return places_of(finding)
    return set(lines if finding.rule == LOCK else lines[-1:])


def cheap_waits(waits: list[dict[str, Any]], findings: list[Finding]) -> dict[str, Line]:
    """Return where functions first asked about a file's name, if they asked for no content."""
    spoken_of = {finding.function for finding in findings if finding.rule == FILE_CONTENT}
    dear = dear_waits(waits)
    found: dict[str, Line] = {}
    for wait in sorted(waits, key=lambda wait: wait["place"], reverse=True):
        if tuple(wait["place"]) not in dear and wait["function"] not in spoken_of:
            found[wait["function"]] = tuple(wait["place"])
    return found


def cheap_findings(findings: list[Finding]) -> dict[str, Line]:
    """Return where the audit says that they do."""
    return {finding.function: _place(finding) for finding in findings if finding.rule == CHEAP}


def _place(finding: Finding) -> Line:
    return finding.location.path, finding.location.line
