"""What earlier runs found out: the facts of files, by content, and whole reports.

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
from perfaudit.core.report import Report
from perfaudit.facts.types import FORMAT

FOLDER = ".perfaudit_cache"
CHECK_BYTES = 16
MAX_REPORTS = 4
"""How many reports are kept: of other settings and paths, and of what the files were before."""

Entry = tuple[bytes, bytes]
"""The digest of a file, and its encoded facts."""
_Entries = dict[str, Entry]


class FactCache:
    """One file of encoded facts below the project's root, for this version and interpreter."""

    def __init__(self, root: Path) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        tag = f"facts-{__version__}.{FORMAT}-{python}.msgpack"
        self._root = root
        self._path = root / FOLDER / tag
        self._entries = _read_entries(self._path)

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
        _write(self._path, msgspec.msgpack.encode(merged))
        self._entries = merged


class ReportCache:
    """The last reports below the project's root, by what they were made from."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def find(self, key: str) -> Report | None:
        """Return the report of a run with this key, or None."""
        content = _read(self._folder / f"report-{key}.msgpack")
        if content is None:
            return None
        try:
            return msgspec.msgpack.decode(content, type=Report)
        except (msgspec.MsgspecError, RecursionError):
            return None

    def store(self, key: str, report: Report) -> None:
        """Keep a report, and the newest of the others."""
        _write(self._folder / f"report-{key}.msgpack", msgspec.msgpack.encode(report))
        with contextlib.suppress(OSError):
            kept = sorted(self._folder.glob("report-*.msgpack"), key=_age)
            for path in kept[MAX_REPORTS:]:
                path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    return -path.stat().st_mtime


def _read_entries(path: Path) -> _Entries:
    content = _read(path)
    try:
        return {} if content is None else msgspec.msgpack.decode(content, type=_Entries)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _read(path: Path) -> bytes | None:
    """Return what a file of the cache holds, or None where it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    check, content = data[:CHECK_BYTES], data[CHECK_BYTES:]
    # A flipped byte could be something else, as well formed as the right thing.
    return content if check == _check(content) else None


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=CHECK_BYTES).digest()


def _write(path: Path, content: bytes) -> None:
    """Replace a file of the cache as a whole, or leave it where that cannot be done."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_check(content) + content)
            os.replace(name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
