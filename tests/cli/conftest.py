"""A small project with one sure finding, and the command line to run on it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from perfaudit.cli.commands import cli

SLOW = """\
import time, fastapi
app = fastapi.FastAPI()
@app.websocket("/slow")
async def slow() -> None:
    time.sleep(1)
"""

CLEAN = """\
import asyncio


async def quick() -> None:
    await asyncio.sleep(1)
"""

Run = Callable[..., Result]
Start = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder: a project where app/views.py has a finding and app/ok.py none."""
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.perfaudit]\ncache = false\njobs = 1\n")
    (root / "app" / "views.py").write_text(SLOW)
    (root / "app" / "ok.py").write_text(CLEAN)
    monkeypatch.chdir(root)
    for name in ("NO_COLOR", "FORCE_COLOR", "PERFAUDIT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def run() -> Run:
    """Return a function that runs the command line in this process."""

    def run_arguments(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), env=environment, prog_name="perfaudit")

    return run_arguments


@pytest.fixture
def start() -> Start:
    """Return a function that runs the command line as a process of its own."""

    def start_arguments(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "perfaudit", *arguments],
            capture_output=True,
            env={**os.environ, **environment},
            check=False,
        )

    return start_arguments
