"""Copies and builds of the working tree, made once for all tests of a run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def run(
    *command: str | Path, cwd: Path, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Return a finished process that knows nothing of this checkout or this git repository."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV") and not name.startswith("GIT_")
    }
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{command} failed:\n{result.stdout}\n{result.stderr}")
    return result


def git(*arguments: str, cwd: Path) -> str:
    """Return what git says, with an author that needs no settings of the machine."""
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    quiet = ("-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
    return run("git", *author, *quiet, *arguments, cwd=cwd).stdout


@pytest.fixture(scope="session")
def working_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a git repository that holds this working tree, uncommitted files and all."""
    target = tmp_path_factory.mktemp("tree") / "perfaudit"
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=CHECKOUT)
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)
    git("init", "--quiet", cwd=target)
    git("add", "--all", cwd=target)
    git("commit", "--quiet", "--message", "The working tree", cwd=target)
    return target


@pytest.fixture(scope="session")
def distribution(working_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist, and the wheel that was built from it."""
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", target, working_tree, cwd=target)
    return target
