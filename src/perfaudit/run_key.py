"""What the report of a run depends on, as one key: files, settings, and perfaudit itself."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import perfaudit
from perfaudit.config import Settings
from perfaudit.data import rules_root
from perfaudit.sources import Discovery

READ_WITH = ("sqlglot", "astroid", "libcst")
"""Packages whose versions decide what is understood of a file."""

SHOWN_ONLY = frozenset(
    {
        *("min_severity", "min_confidence", "fail_on", "fail_confidence", "fail_under"),
        *("show_suppressed", "baseline", "jobs", "cache", "executor"),
    }
)
"""Settings that choose what is shown or how it is worked out, not what is found."""


def run_key(
    paths: Sequence[Path],
    settings: Settings,
    found: Discovery,
    digests: Mapping[str, bytes | None],
) -> str:
    """Return a key that two runs share only where they give the same report.

    ``digests`` say what a report depends on of each file: all that it holds, or what is read of it.
    """
    told = hashlib.blake2b(digest_size=16)
    for part in _parts(paths, settings, found, digests):
        told.update(repr(part).encode("utf-8", "surrogatepass"))
        told.update(b"\0")
    return told.hexdigest()


def _parts(
    paths: Sequence[Path],
    settings: Settings,
    found: Discovery,
    digests: Mapping[str, bytes | None],
) -> Iterator[object]:
    yield perfaudit.__version__, sys.version_info[:3]
    yield from ((name, version(name)) for name in READ_WITH)
    for folder in (Path(perfaudit.__file__).parent, rules_root(), *settings.rules_dirs):
        yield from _stamps(folder)
    for item in fields(settings):
        if item.name not in SHOWN_ONLY:
            value = getattr(settings, item.name)
            yield item.name, sorted(value) if isinstance(value, frozenset) else value
    yield sorted(str(path) for path in paths)
    yield found.problems
    for file in found.files:
        yield file.path, file.kind, file.role, digests[file.path]


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the files of perfaudit's own code or rules, with size and time of the last change."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            status = os.stat(os.path.join(place, name))
            yield os.path.join(place, name), status.st_size, status.st_mtime_ns
