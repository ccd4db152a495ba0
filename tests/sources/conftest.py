"""Every test of this folder reads with the depth that a fresh interpreter allows."""

import sys
from collections.abc import Iterator

import pytest

FRESH = 1000


@pytest.fixture(autouse=True)
def fresh_recursion_limit() -> Iterator[None]:
    """Undo what an audit in the same process allowed itself."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(FRESH)
    yield
    sys.setrecursionlimit(before)
