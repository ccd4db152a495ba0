"""Facts of earlier runs, by content.

A cache that cannot be read or written is no cache, never an error.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from perfaudit import __version__
from perfaudit.facts.types import FORMAT

FOLDER = ".perfaudit_cache"
CHECK_BYTES = 16
_Entries = dict[str, tuple[bytes, bytes]]


class FactCache:
    """One file of encoded facts below the project's root, for this version and interpreter."""

    def __init__(self, root: Path) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        tag = f"facts-{__version__}.{FORMAT}-{python}.msgpack"
        self._root = root
        self._path = root / FOLDER / tag
        self._entries = _read(self._path)

    def find(self, path: str, digest: bytes) -> bytes | None:
        """Return the encoded facts of a file with this content, or None."""
        found = self._entries.get(path)
        return found[1] if found is not None and found[0] == digest else None

    def store(self, entries: _Entries) -> None:
        """Keep these entries, and the earlier ones of other files that are still there."""
        others = {
            path: entry
            for path, entry in self._entries.items()
            if path not in entries and (self._root / path).is_file()
        }
        merged = {**others, **entries}
        if merged == self._entries:
            return
        with contextlib.suppress(OSError):
            _write(self._path, merged)
        self._entries = merged


def _read(path: Path) -> _Entries:
    try:
        data = path.read_bytes()
        check, content = data[:CHECK_BYTES], data[CHECK_BYTES:]
        # A flipped byte could be other facts, as well formed as the right ones.
        return msgspec.msgpack.decode(content, type=_Entries) if check == _check(content) else {}
    except (OSError, msgspec.MsgspecError, RecursionError):
        return {}


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=CHECK_BYTES).digest()


def _write(path: Path, entries: _Entries) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".facts-")
    try:
        with os.fdopen(handle, "wb") as stream:
            content = msgspec.msgpack.encode(entries)
            stream.write(_check(content) + content)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
