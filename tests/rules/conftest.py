"""Rule files in a temporary folder, and detectors that stand for installed ones."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfaudit import detectors
from perfaudit.rules import loader

RULE = """\
id: PA550
name: slow-query
summary: A query is slow.
message: "{call} is slow."
severity: high
confidence: high
effort: S
since: "0.1"
detect: {detector: fake_calls}
why: It waits.
fix: Make it fast.
impact: {latency: One round trip.}
examples:
  - name: plain
    bad: |
      slow()  # finding
    good: |
      fast()
cases:
  - name: innocent
    code: |
      other()
  - name: two files
    files:
      app/models.py: |
        other()
      app/views.py: |
        slow()  # finding
"""

FAKE_CALLS = '''\
"""Find calls of slow()."""

from perfaudit.core.finding import Match
from perfaudit.core.location import Location
from perfaudit.core.report import Opportunity


def detect(program):
    for place, call, rule in program.calls:
        yield Opportunity(place)
        if call.startswith("slow"):
            yield Match(place, {"call": call}, function="app.f", rule=rule)
        if call == "broken":
            raise KeyError("odd code")
'''

WriteRule = Callable[..., Path]


@pytest.fixture
def write_rule(tmp_path: Path, fake_detectors: None) -> WriteRule:
    """Return a function that writes the sample rule with some lines replaced, by their keys."""

    def write(
        file: str = "database/slow-query.yaml", text: str | None = None, **changes: str
    ) -> Path:
        lines = (RULE if text is None else text).splitlines(keepends=True)
        for key, value in changes.items():
            number = next(n for n, line in enumerate(lines) if line.startswith(f"{key}:"))
            lines[number] = f"{key}: {value}\n" if value else ""
        path = tmp_path / "rules" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
        return path

    return write


@pytest.fixture
def fake_detectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the detector ``fake_calls``."""
    folder = tmp_path / "detectors"
    folder.mkdir()
    (folder / "fake_calls.py").write_text(FAKE_CALLS)
    monkeypatch.setattr(detectors, "__path__", [*detectors.__path__, str(folder)])
    loader.detector_names.cache_clear()
    yield
    sys.modules.pop("perfaudit.detectors.fake_calls", None)
    loader.detector_names.cache_clear()
