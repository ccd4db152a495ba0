"""Goldens at the edge: `pytest tests/reporters --accept` rewrites them, and the diff is read."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="Rewrite the goldens of the reporters.")


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that holds a text against the golden of that name."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--accept", default=False):
            path.write_text(text, "utf-8")
        assert path.exists(), f"there is no golden {name}: read the output, then --accept it"
        assert text == path.read_text("utf-8")

    return check
