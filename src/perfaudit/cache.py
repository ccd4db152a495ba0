"""What earlier runs found out: the facts of files, by content, and whole reports, by facts.

A cache that cannot be read or written is no cache, never an error.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

import perfaudit
from perfaudit.core.report import Report
from perfaudit.sources.reading import read_start

FOLDER = ".perfaudit_cache"
CHECK_BYTES = 16
MAX_FACTS = 3
"""How many files of facts are kept: those of other interpreters, and of other versions."""
MAX_REPORTS = 4
"""How many reports are kept: of other settings and paths, and of what the files were before."""
MAX_BYTES = 1 << 30
"""The size from which a file is neither kept nor read."""
ABANDONED = 3600
"""Seconds after which a draft belongs to a run that was killed."""

Entry = tuple[bytes, bytes]
"""The digest of a file, and its encoded facts."""
_Entries = dict[str, Entry]


@cache
def facts_version() -> str:
    """Return what facts depend on besides the bytes of their file, as one word.

    Two builds have the same word only where they give the same facts: the same interpreter, and the
    same code that reads files.
    """
    folder = Path(perfaudit.__file__).parent
    told = hashlib.blake2b(digest_size=8)
    for part in ("extraction.py", "core/*.py", "facts/*.py", "sources/*.py"):
        for file in sorted(folder.glob(part)):
            told.update(file.name.encode() + b"\0" + file.read_bytes())
    python = sys.version.partition(" ")[0]
    return f"{perfaudit.__version__}-{sys.implementation.name}-{python}-{told.hexdigest()}"


class FactCache:
    """One file of encoded facts below the project's root, for this version and interpreter."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / FOLDER / f"facts-{facts_version()}.msgpack"
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


class Reading(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a Python file was when it was read: the digest of its content, and what that came to.

    ``facts`` is the digest of all that it says; its number of lines is apart, since it decides
    nothing.
    """

    content: bytes
    facts: bytes
    lines: int

    @property
    def as_a_whole(self) -> "Reading":
        """Return the same of a file where all that it holds may decide."""
        return Reading(self.content, self.content, self.lines)


class ReadingCache:
    """What is known of the Python files below the project's root without reading their facts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / FOLDER / f"readings-{facts_version()}.msgpack"
        self._readings = _read_readings(self._path)

    def find(self, digests: Mapping[str, bytes | None]) -> dict[str, Reading]:
        """Return what is known of the files that have these digests, by path."""
        return {
            path: reading
            for path, reading in self._readings.items()
            if reading.content == digests.get(path)
        }

    def store(self, readings: Mapping[str, Reading]) -> None:
        """Keep these, and the earlier ones of other files that are still there."""
        others = {
            path: reading
            for path, reading in self._readings.items()
            if path not in readings and (self._root / path).is_file()
        }
        merged = {**others, **readings}
        if merged != self._readings:
            _write(self._path, msgspec.msgpack.encode(merged))
            self._readings = merged


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """The lines of one file that a report shows: their numbers, and a digest of their texts.

    ``content`` is the digest of the file that they were read from.
    """

    content: bytes | None
    numbers: tuple[int, ...]
    texts: bytes


class Kept(msgspec.Struct, frozen=True):
    """A report, and what it shows of files, by path, which its key does not say."""

    report: Report
    shown: dict[str, Shown]


class ReportCache:
    """The last reports below the project's root, by what they were made from."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def find(self, key: str) -> Kept | None:
        """Return what was kept of a run with this key, or None."""
        content = _read(self._folder / f"report-{key}.msgpack")
        if content is None:
            return None
        try:
            return msgspec.msgpack.decode(content, type=Kept)
        except (msgspec.MsgspecError, RecursionError):
            return None

    def store(self, key: str, kept: Kept) -> None:
        """Keep a report, and the newest of the others."""
        _write(self._folder / f"report-{key}.msgpack", msgspec.msgpack.encode(kept))


def _read_entries(path: Path) -> _Entries:
    content = _read(path)
    try:
        return {} if content is None else msgspec.msgpack.decode(content, type=_Entries)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _read_readings(path: Path) -> dict[str, Reading]:
    content = _read(path)
    try:
        return {} if content is None else msgspec.msgpack.decode(content, type=dict[str, Reading])
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _read(path: Path) -> bytes | None:
    """Return what a file of the cache holds, or None where it is not there or not whole."""
    data = read_start(str(path), CHECK_BYTES + MAX_BYTES)
    check, content = data[:CHECK_BYTES], data[CHECK_BYTES:]
    # A flipped byte could be something else, as well formed as the right thing.
    return content if check == _check(path, content) else None


def _check(path: Path, content: bytes) -> bytes:
    """Return what stands before a content: it holds for this content under this name only."""
    return hashlib.blake2b(path.name.encode() + content, digest_size=CHECK_BYTES).digest()


def _write(path: Path, content: bytes) -> None:
    """Replace a file of the cache as a whole, or leave it where that cannot be done."""
    if len(content) > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if not ignore.exists():
            _replace(ignore, b"*\n")
        _replace(path, _check(path, content), content)
    with contextlib.suppress(OSError):
        _remove_old(path.parent)


def _replace(path: Path, *parts: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(parts)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _remove_old(folder: Path) -> None:
    """Remove all but the newest files, and the drafts of runs that were killed."""
    facts = sorted(folder.glob("facts-*.msgpack"), key=_age)
    readings = sorted(folder.glob("readings-*.msgpack"), key=_age)
    reports = sorted(folder.glob("report-*.msgpack"), key=_age)
    drafts = [path for path in folder.glob(".new-*") if _age(path) > ABANDONED]
    old = (*facts[MAX_FACTS:], *readings[MAX_FACTS:], *reports[MAX_REPORTS:])
    for path in (*old, *drafts):
        with contextlib.suppress(OSError):
            path.unlink()


def _age(path: Path) -> float:
    """Return the seconds since a file was written; none where another run has removed it."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
