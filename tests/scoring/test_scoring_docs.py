"""The page about the score tells the truth: its examples run."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    outcome = doctest.testfile(str(ROOT / "docs" / "scoring.md"), module_relative=False)

    assert outcome.attempted > 20
    assert outcome.failed == 0
