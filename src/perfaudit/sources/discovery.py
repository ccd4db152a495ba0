"""Find the files of a project, the same ones in the same order on every machine."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perfaudit.core.problem import Problem
from perfaudit.sources.ignoring import (
    IGNORE_FILE,
    IgnoreRules,
    folder_rules,
    is_ignored,
    rules_above,
    user_rules,
)
from perfaudit.sources.kinds import PROBE_BYTES, kind_by_content, kind_of
from perfaudit.sources.reading import is_inside, read_start, too_large
from perfaudit.sources.roles import role_of
from perfaudit.sources.types import Discovery, SourceFile

MAX_BYTES = 2_000_000
EXCLUDED_FOLDERS = frozenset(
    {
        ".bzr",
        ".cache",
        ".direnv",
        ".eggs",
        ".git",
        ".hg",
        ".hypothesis",
        ".idea",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pants.d",
        ".perfaudit_cache",
        ".pytest_cache",
        ".pytype",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        ".vscode",
        "__pycache__",
        "__pypackages__",
        "_build",
        "bower_components",
        "htmlcov",
        "node_modules",
        "site-packages",
        "venv",
    }
)
OUTPUT_FOLDERS = frozenset({"build", "dist"})
ENVIRONMENT_MARKS = frozenset({"pyvenv.cfg", "conda-meta"})


@dataclass(slots=True)
class _Search:
    """What one discovery has seen so far."""

    root: str
    excluded: tuple[IgnoreRules, ...]
    max_bytes: int
    files: dict[str, SourceFile] = field(default_factory=dict)
    problems: set[Problem] = field(default_factory=set)
    folders: set[tuple[int, int]] = field(default_factory=set)
    real_files: set[str] = field(default_factory=set)
    links: list[tuple[str, str, tuple[IgnoreRules, ...]]] = field(default_factory=list)


def discover(
    root: Path,
    paths: Sequence[Path],
    *,
    exclude: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> Discovery:
    """Return the files under the paths that are worth reading, and what could not be looked at.

    A relative path starts at the root; without any path the whole root is searched. What git
    ignores or ``exclude`` (patterns as in .gitignore) names is left out, unless a path names that
    very file. Links are followed inside the root, and no folder is entered twice.
    """
    search = _Search(os.path.realpath(root), user_rules(exclude), max_bytes)
    above = rules_above(search.root)
    for start in sorted(set(paths)) or [root]:
        _add_start(search, start, above)
    while search.links:
        links, search.links = sorted(search.links, key=lambda link: link[0]), []
        for link in links:
            _add_link(search, *link)

    files = tuple(search.files[path] for path in sorted(search.files))
    return Discovery(files, tuple(sorted(search.problems)))


def _add_start(search: _Search, start: Path, above: tuple[IgnoreRules, ...]) -> None:
    shown = _shown(start.as_posix())
    try:
        real = os.path.realpath(os.path.join(search.root, start), strict=True)
        mode = os.stat(real).st_mode
    except (OSError, ValueError) as error:
        search.problems.add(_unreadable(shown, error))
        return
    if not is_inside(real, search.root):
        search.problems.add(_outside(shown))
        return
    path = _relative(search, real)
    if stat.S_ISDIR(mode):
        _walk(search, real, path, _rules_down_to(search, path, above))
    else:
        _add_named_file(search, real, path)


def _add_named_file(search: _Search, real: str, path: str) -> None:
    kind = _settled_kind(real, path, kind_of(path) or "?")
    if kind is None:
        message = "perfaudit does not know how to read this kind of file."
        search.problems.add(Problem(_shown(path), 1, "unsupported", message))
        return
    _add_file(search, real, path, kind)


def _rules_down_to(
    search: _Search, path: str, above: tuple[IgnoreRules, ...]
) -> tuple[IgnoreRules, ...]:
    """Return the rules that hold in a folder; those that leave out the folder itself do not."""
    rules = above
    parts = path.split("/") if path else []
    for depth, part in enumerate(parts):
        parent = "/".join(parts[:depth])
        child = f"{parent}/{part}" if parent else part
        rules += folder_rules(os.path.join(search.root, parent), parent)
        rules = tuple(rule for rule in rules if not is_ignored([rule], child, folder=True))
    return rules


def _walk(search: _Search, real: str, path: str, rules: tuple[IgnoreRules, ...]) -> None:
    pending = [(real, path, rules)]
    while pending:
        folder, inside, inherited = pending.pop()
        entries = _entries(search, folder, inside)
        names = {entry.name for entry in entries}
        if names & ENVIRONMENT_MARKS or _is_output(inside, names):
            continue
        if IGNORE_FILE in names:
            inherited += folder_rules(folder, inside)
        pending.extend(_add_entries(search, entries, inside, inherited))


def _entries(search: _Search, folder: str, path: str) -> list[os.DirEntry[str]]:
    try:
        state = os.stat(folder)
        identity = (state.st_dev, state.st_ino)
        if identity in search.folders:
            return []
        search.folders.add(identity)
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        search.problems.add(_unreadable(_shown(path or "."), error))
        return []


def _is_output(path: str, names: set[str]) -> bool:
    """Return whether a folder holds what a build made, and is not a package of that name."""
    return path.rpartition("/")[2] in OUTPUT_FOLDERS and "__init__.py" not in names


def _add_entries(
    search: _Search,
    entries: list[os.DirEntry[str]],
    parent: str,
    rules: tuple[IgnoreRules, ...],
) -> Iterator[tuple[str, str, tuple[IgnoreRules, ...]]]:
    """Take in the files of a folder and yield the folders in it that are to be walked."""
    for entry in entries:
        path = f"{parent}/{entry.name}" if parent else entry.name
        if entry.is_symlink():
            search.links.append((path, entry.path, rules))
        elif entry.is_dir(follow_symlinks=False):
            if entry.name not in EXCLUDED_FOLDERS and not _left_out(search, rules, path, True):
                yield entry.path, path, rules
        else:
            kind = kind_of(path)
            if kind is not None and not _left_out(search, rules, path, False):
                _add_found_file(search, entry.path, path, kind)


def _add_found_file(search: _Search, real: str, path: str, kind: str) -> None:
    settled = _settled_kind(real, path, kind)
    if settled is not None:
        _add_file(search, real, path, settled)


def _settled_kind(real: str, path: str, kind: str) -> str | None:
    if not kind.endswith("?"):
        return kind
    return kind_by_content(path, read_start(real, PROBE_BYTES))


def _add_file(search: _Search, real: str, path: str, kind: str) -> None:
    try:
        path.encode()
        state = os.stat(real)
    except (OSError, ValueError) as error:
        search.problems.add(_unreadable(_shown(path), error))
        return
    if not stat.S_ISREG(state.st_mode):
        search.problems.add(Problem(path, 1, "unreadable", "This is not a regular file."))
        return
    if state.st_size > search.max_bytes:
        search.problems.add(too_large(path, state.st_size, search.max_bytes))
        return
    search.files[path] = SourceFile(path, kind, role_of(path), state.st_size)
    search.real_files.add(real)


def _add_link(search: _Search, path: str, place: str, rules: tuple[IgnoreRules, ...]) -> None:
    name = path.rpartition("/")[2]
    if name in EXCLUDED_FOLDERS or name.startswith(".#"):
        return
    try:
        real = os.path.realpath(place, strict=True)
        is_folder = stat.S_ISDIR(os.stat(real).st_mode)
    except (OSError, ValueError) as error:
        if kind_of(path) is not None and not _left_out(search, rules, path, False):
            search.problems.add(_unreadable(_shown(path), error))
        return
    kind = kind_of(path)
    if (kind is None and not is_folder) or _left_out(search, rules, path, is_folder):
        return
    if not is_inside(real, search.root):
        search.problems.add(_outside(_shown(path)))
    elif is_folder:
        if EXCLUDED_FOLDERS.isdisjoint(_relative(search, real).split("/")):
            _walk(search, real, path, rules)
    elif kind is not None and real not in search.real_files:
        _add_found_file(search, real, path, kind)


def _left_out(search: _Search, rules: Sequence[IgnoreRules], path: str, folder: bool) -> bool:
    return is_ignored(search.excluded, path, folder=folder) or is_ignored(
        rules, path, folder=folder
    )


def _relative(search: _Search, real: str) -> str:
    return "" if real == search.root else Path(real).relative_to(search.root).as_posix()


def _shown(path: str) -> str:
    """Return a path that can be printed: file names need not be text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _outside(path: str) -> Problem:
    message = "This leads out of the project's root, so it is not read."
    return Problem(path, 1, "outside-root", message)


def _unreadable(path: str, error: Exception) -> Problem:
    if isinstance(error, UnicodeError):
        reason = "its name is not valid UTF-8"
    else:
        reason = (isinstance(error, OSError) and error.strerror) or "its name is not usable"
    return Problem(path, 1, "unreadable", f"This cannot be read: {reason}.")
