import os
from pathlib import Path

import pytest

from perfaudit.core.problem import Problem
from perfaudit.sources import read_bytes


def _kind(result: bytes | Problem) -> str:
    assert isinstance(result, Problem), result
    return result.kind


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\r\n")
    assert read_bytes(tmp_path, "a.py", 100) == b"x = 1\r\n"


def test_a_file_of_just_the_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"12345")
    assert read_bytes(tmp_path, "a.py", 5) == b"12345"


def test_one_byte_more_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"123456")
    assert _kind(read_bytes(tmp_path, "a.py", 5)) == "too-large"


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    assert _kind(read_bytes(tmp_path, "a.py", 5)) == "unreadable"


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.py").mkdir()
    assert _kind(read_bytes(tmp_path, "a.py", 5)) == "unreadable"


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert _kind(read_bytes(tmp_path, "a.py", 5)) == "unreadable"


@pytest.mark.parametrize("path", ["a\0.py", "x" * 5000])
def test_an_impossible_name_is_unreadable(tmp_path: Path, path: str) -> None:
    assert _kind(read_bytes(tmp_path, path, 5)) == "unreadable"


def test_a_link_inside_the_root_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x")
    (tmp_path / "b.py").symlink_to("a.py")
    assert read_bytes(tmp_path, "b.py", 5) == b"x"


@pytest.mark.parametrize("path", ["link.py", "folder/secret.py", "../secret.py", "../root2/b.py"])
def test_nothing_outside_the_root_is_read(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "b.py").write_bytes(b"x")
    (tmp_path / "secret.py").write_bytes(b"x")
    (root / "link.py").symlink_to(tmp_path / "secret.py")
    (root / "folder").symlink_to(tmp_path)
    assert _kind(read_bytes(root, path, 5)) == "outside-root"


def test_a_link_to_itself_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("a.py")
    assert _kind(read_bytes(tmp_path, "a.py", 5)) == "unreadable"


def test_a_root_that_is_a_link_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.py").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    assert read_bytes(tmp_path / "link", "a.py", 5) == b"x"
