"""The hooks, run by pre-commit itself in a small project of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import git, run

pytestmark = pytest.mark.slow

SLOW = """\
import time, fastapi
app = fastapi.FastAPI()
@app.websocket("/slow")
async def slow() -> None:
    time.sleep(1)
"""
CLEAN = "async def quick() -> None:\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a git project whose last commit has a finding in app/views.py."""
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "app" / "views.py").write_text(SLOW)
    (root / ".pre-commit-config.yaml").write_text("repos: []\n")
    git("init", "--quiet", cwd=root)
    git("add", "--all", cwd=root)
    git("commit", "--quiet", "--message", "One finding", cwd=root)
    return root


def try_hook(project: Path, hooks: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return how pre-commit ran a hook of the working tree in the project."""
    command = (sys.executable, "-m", "pre_commit", "try-repo", hooks, *arguments, "--verbose")
    return run(
        *command, cwd=project, check=False, PRE_COMMIT_HOME=str(project.parent / "pre-commit")
    )


def test_a_commit_answers_for_its_own_files(project: Path, working_tree: Path) -> None:
    (project / "app" / "new.py").write_text(CLEAN)
    git("add", "app/new.py", cwd=project)
    clean = try_hook(project, working_tree, "perfaudit")

    (project / "app" / "new.py").write_text(SLOW)
    git("add", "app/new.py", cwd=project)
    guilty = try_hook(project, working_tree, "perfaudit")

    assert (clean.returncode, "views.py" in clean.stdout) == (0, False), clean.stdout
    assert guilty.returncode == 1
    assert "app/new.py:5" in guilty.stdout
    assert "views.py" not in guilty.stdout


def test_a_push_answers_for_the_whole_project(project: Path, working_tree: Path) -> None:
    arguments = ("perfaudit-project", "--hook-stage", "pre-push", "--all-files")
    result = try_hook(project, working_tree, *arguments)

    assert result.returncode == 1
    assert "app/views.py:5" in result.stdout


def test_the_hooks_are_valid(working_tree: Path) -> None:
    for check, name in (
        ("validate-manifest", ".pre-commit-hooks.yaml"),
        ("validate-config", ".pre-commit-config.yaml"),
    ):
        run(sys.executable, "-m", "pre_commit", check, name, cwd=working_tree)
