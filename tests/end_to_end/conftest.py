"""Applications of fixtures/ as projects of their own, audited once for each."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import perfaudit

FIXTURES = Path(__file__).parents[2] / "fixtures"
SOURCES = str(Path(perfaudit.__file__).parents[1])
SUFFIXES = (".txt", ".json", ".sarif", ".md")

Scan = Callable[..., dict[str, str]]


@dataclass(frozen=True, slots=True)
class Audited:
    """What a scan of one application wrote, by suffix, and what was expected of it."""

    texts: dict[str, str]
    expected: list[dict[str, Any]]

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.texts[".json"])

    @property
    def sarif(self) -> dict[str, Any]:
        return json.loads(self.texts[".sarif"])["runs"][0]


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, a minute at most."""
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def scan_to_files(
    root: Path, out: Path, *arguments: str, paths: tuple[str, ...] = (".",), **environment: str
) -> dict[str, str]:
    """Return what ``perfaudit scan`` writes of a project in every format, by suffix."""
    out.mkdir(exist_ok=True)
    for file in out.iterdir():
        file.unlink()
    outputs = [f"--output={out / f'report{suffix}'}" for suffix in SUFFIXES]
    done = subprocess.run(
        [sys.executable, "-m", "perfaudit", "scan", "-v", "--exit-zero", *outputs, *arguments]
        + list(paths),
        cwd=root,
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {suffix: (out / f"report{suffix}").read_text("utf-8") for suffix in SUFFIXES}


def copied(name: str, folder: Path) -> Path:
    """Return a copy of an application that is a project of its own."""
    root = folder / name
    shutil.copytree(FIXTURES / name, root)
    (root / ".git").mkdir()
    return root


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Audited]:
    """Return a function that gives the audit of an application, made once."""
    known: dict[str, Audited] = {}

    def audit_of(name: str) -> Audited:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            texts = scan_to_files(copied(name, folder), folder / "out", "--no-cache")
            expected = json.loads((FIXTURES / name / "expected.json").read_text("utf-8"))
            known[name] = Audited(texts, expected)
        return known[name]

    return audit_of
