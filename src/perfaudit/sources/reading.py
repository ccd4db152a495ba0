"""Read the bytes of one file of the project, or say why not."""

import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path

from perfaudit.core.problem import Problem

# Should a file become a FIFO or a terminal after we looked at it, opening it must not block.
OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def read_bytes(root: Path, path: str, max_bytes: int) -> bytes | Problem:
    """Return what a regular file inside the root holds, or the problem of reading it."""
    try:
        return _read_inside(root, path, max_bytes)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "its name is not usable"
        return Problem(path, 1, "unreadable", f"This cannot be read: {reason}.")


def content_digest(root: Path, path: str, max_bytes: int) -> bytes | None:
    """Return a digest of what a file holds, or None where it cannot be read."""
    data = read_bytes(root, path, max_bytes)
    return None if isinstance(data, Problem) else digest_of(data)


def digest_of(data: bytes) -> bytes:
    """Return the digest by which contents are told apart."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _read_inside(root: Path, path: str, max_bytes: int) -> bytes | Problem:
    folder, _, name = path.rpartition("/")
    real_root, real_folder = _real_folders(str(root), folder)
    real = os.path.join(real_folder, name)
    if os.path.islink(real) or name in ("", ".", ".."):
        real = os.path.realpath(real)
    if not is_inside(real, real_root):
        message = "This leads out of the project's root, so it is not read."
        return Problem(path, 1, "outside-root", message)
    data = _read_regular(real, max_bytes + 1)
    if data is None:
        return Problem(path, 1, "unreadable", "This is not a regular file.")
    if len(data) > max_bytes:
        return too_large(path, os.stat(real).st_size, max_bytes)

    return data


@lru_cache(maxsize=1)
def _real_folders(root: str, folder: str) -> tuple[str, str]:
    """Return the real paths of the root, and of a folder in it.

    Files come folder by folder, and what is remembered longer may have been replaced by a link.
    """
    return os.path.realpath(root), os.path.realpath(os.path.join(root, folder))


def read_start(real: str, count: int) -> bytes:
    """Return the first bytes of a regular file, or none where it cannot be read."""
    try:
        return _read_regular(real, count) or b""
    except (OSError, ValueError):
        return b""


def _read_regular(real: str, count: int) -> bytes | None:
    if not stat.S_ISREG(os.stat(real).st_mode):
        return None
    descriptor = os.open(real, OPEN_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(count)
    finally:
        os.close(descriptor)


def too_large(path: str, size: int, max_bytes: int) -> Problem:
    """Return the problem of a file that has more bytes than are read."""
    message = f"The file has {size} bytes; files above {max_bytes} are not read."
    return Problem(path, 1, "too-large", message)


def is_inside(path: str, root: str) -> bool:
    """Return whether a real path is the real root or stands below it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
