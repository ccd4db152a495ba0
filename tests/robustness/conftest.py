"""The command line as a process of its own, on a tree that a test writes."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import perfaudit

Start = Callable[..., subprocess.CompletedProcess[str]]
Write = Callable[[Mapping[str, str | bytes]], Path]

SOURCES = str(Path(perfaudit.__file__).parents[1])
PLAIN = ("NO_COLOR", "FORCE_COLOR", "PERFAUDIT_DEBUG", "PYTHONIOENCODING")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a project and returns its root."""

    def write_files(files: Mapping[str, str | bytes]) -> Path:
        root = tmp_path / "project"
        (root / ".git").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return root

    return write_files


@pytest.fixture
def start() -> Start:
    """Return a function that runs ``perfaudit`` in a folder and never lets it show a traceback."""

    def start_arguments(
        folder: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in PLAIN}
        done = subprocess.run(
            [sys.executable, "-m", "perfaudit", *arguments],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**inherited, "PYTHONPATH": SOURCES, **environment},
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "internal" not in done.stderr
        return done

    return start_arguments
