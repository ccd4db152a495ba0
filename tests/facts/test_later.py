"""Facts that are extracted later are the same facts, and little is known of their file before."""

from pathlib import Path

import pytest

from perfaudit.core.levels import Role
from perfaudit.extraction import extract, extract_all, reading_of
from perfaudit.facts.later import LaterFacts
from perfaudit.sources import discover

TEXT = "def asked(store):\n    return store.rows()\n"


def read(root: Path) -> LaterFacts:
    (found,) = extract_all(root, discover(root, [root]).files, jobs=1, later=[Role.TEST])
    assert isinstance(found.facts, LaterFacts)
    return found.facts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "test_store.py").write_text(TEXT)
    return tmp_path


def test_they_are_the_facts_of_the_file(root: Path) -> None:
    later = read(root)

    assert (later.lines, later.is_asked) == (2, False)
    assert later.facts == extract("test_store.py", TEXT.encode()).facts
    assert later.facts is later.facts
    assert later.is_asked
    assert not later.is_damaged


@pytest.mark.parametrize("content", [None, "def asked("], ids=["gone", "a fault"])
def test_what_cannot_be_read_any_more_has_none(root: Path, content: str | None) -> None:
    later = read(root)
    (root / "test_store.py").unlink()
    if content is not None:
        (root / "test_store.py").write_text(content)

    assert len(later.facts.functions) == 1
    assert later.is_damaged


def test_a_fault_is_told_at_once(root: Path) -> None:
    (root / "test_store.py").write_text("def asked(:")
    (found,) = extract_all(root, discover(root, [root]).files, jobs=1, later=[Role.TEST])

    assert (found.facts, found.problem and found.problem.kind) == (None, "syntax")


@pytest.mark.parametrize(
    ("text", "is_revision"),
    [
        ("down_revision = None\n", True),
        ("down_revision: str | None = None\n", True),
        ("one = down_revision = None\n", True),
        ("revision, (down_revision, *more) = given\n", True),
        ("for one in two:\n    down_revision = one\n", True),
        ("if one:\n    pass\nelse:\n    down_revision = 1\n", True),
        ("try:\n    pass\nexcept OSError:\n    down_revision = 1\n", True),
        ("with one:\n    down_revision = 1\n", True),
        ("def one():\n    down_revision = 1\n", False),
        ("class One:\n    down_revision = 1\n", False),
        ("one.down_revision = two[down_revision] = 1\n", False),
        ("revision = 1\n", False),
    ],
)
def test_a_module_that_names_a_revision_is_known_at_once(
    root: Path, text: str, *, is_revision: bool
) -> None:
    (root / "test_store.py").write_text(text)

    assert read(root).is_revision is is_revision


def test_a_damaged_result_has_no_reading() -> None:
    assert reading_of(b"digest", b"\xc1") is None
