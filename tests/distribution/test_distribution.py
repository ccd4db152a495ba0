"""The wheel, built from the sdist, works far from the checkout, and as the checkout does."""

import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .conftest import CHECKOUT, run

pytestmark = pytest.mark.slow

RULES = {path.relative_to(CHECKOUT / "rules") for path in (CHECKOUT / "rules").rglob("*.yaml")}


def test_the_wheel_has_every_rule_and_library(distribution: Path) -> None:
    with zipfile.ZipFile(next(distribution.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    data = {
        Path(name).relative_to("perfaudit/rules_data") for name in names if name.endswith(".yaml")
    }

    assert data == RULES
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"perfaudit"}


def test_the_sdist_has_every_rule_and_library(distribution: Path) -> None:
    with tarfile.open(next(distribution.glob("*.tar.gz"))) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]

    found = {Path(name).relative_to("rules") for name in names if name.endswith(".yaml")}
    assert found == RULES


def test_an_installed_wheel_audits_as_the_checkout_does(distribution: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    wheel = next(distribution.glob("*.whl"))
    run(environment / "bin" / "pip", "install", "--quiet", wheel, cwd=tmp_path)
    shutil.copytree(CHECKOUT / "fixtures" / "agent_platform", tmp_path / "platform")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    scan = ("scan", "../platform", "--no-cache", "--format", "json")

    installed = run(environment / "bin" / "perfaudit", *scan, cwd=elsewhere, check=False)
    here = run(
        sys.executable,
        "-m",
        "perfaudit",
        *scan,
        cwd=elsewhere,
        check=False,
        PYTHONPATH=str(CHECKOUT / "src"),
    )

    assert (installed.returncode, installed.stderr) == (1, here.stderr)
    assert installed.stdout == here.stdout
    assert json.loads(installed.stdout)["findings"] != []
