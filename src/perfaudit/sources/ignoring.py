"""Which paths git and the user leave out."""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexPattern

from perfaudit.core.errors import UsageError
from perfaudit.core.problem import Problem
from perfaudit.sources.reading import read_bytes

IGNORE_FILE = ".gitignore"
IGNORE_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns of one folder. A path of the project becomes one of that folder by dropping
    its first ``skip`` characters and putting ``prefix`` in front."""

    patterns: tuple["IgnorePattern", ...]
    skip: int = 0
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class IgnorePattern:
    """One line of an ignore file. ``ignores`` is False for a line that begins with ``!``."""

    ignores: bool
    search: Callable[[str], re.Match[str] | None]
    finditer: Callable[[str], Iterator[re.Match[str]]]

    def matches(self, path: str, *, folder: bool) -> bool:
        """Return whether the line names this very path; what it says of a folder above is not it.

        The expressions of pathspec have one group: the slash that ends the name of a folder.
        """
        found = self.search(path)
        if found is not None and found.lastindex is None:
            return True
        return folder and any(
            match.lastindex is not None and match.end() == len(path) + 1
            for match in self.finditer(f"{path}/")
        )


def is_ignored(rules: Sequence[IgnoreRules], path: str, *, folder: bool) -> bool:
    """Return whether the deepest pattern that speaks of the path leaves it out."""
    for rule in reversed(rules):
        inside = rule.prefix + path[rule.skip :]
        for pattern in rule.patterns:
            if pattern.matches(inside, folder=folder):
                return pattern.ignores
    return False


def user_rules(patterns: Sequence[str]) -> tuple[IgnoreRules, ...]:
    """Return the rules of the user's own patterns, or raise where one of them means nothing."""
    if not patterns:
        return ()
    try:
        return (IgnoreRules(_patterns(patterns)),)
    except (ValueError, re.error) as error:
        raise UsageError(f"exclude: {error} Write it as in a .gitignore file.") from error


def folder_rules(folder: str, path: str) -> tuple[IgnoreRules, ...]:
    """Return the rules of the ignore file in a folder, given the folder's path in the project."""
    patterns = _read_patterns(folder, IGNORE_FILE)
    return (IgnoreRules(patterns, skip=len(path) + 1 if path else 0),) if patterns else ()


def rules_above(root: str) -> tuple[IgnoreRules, ...]:
    """Return the rules that hold for the root because it stands inside a git work tree.

    There are none where those rules leave out the root itself: somebody asked for it.
    """
    folders = _folders_to_work_tree(root)
    if not folders:
        return ()
    top = folders[-1]
    excludes = _read_patterns(os.path.join(top, ".git", "info"), "exclude")
    rules = [IgnoreRules(excludes, prefix=_prefix(root, top))]
    for folder in reversed(folders[1:]):
        patterns = _read_patterns(folder, IGNORE_FILE)
        rules.append(IgnoreRules(patterns, prefix=_prefix(root, folder)))
    return () if any(_leaves_out_root(rule) for rule in rules) else tuple(rules)


def _leaves_out_root(rule: IgnoreRules) -> bool:
    parts = rule.prefix.rstrip("/").split("/") if rule.prefix else []
    whole = [replace(rule, prefix="")]
    return any(
        is_ignored(whole, "/".join(parts[: depth + 1]), folder=True) for depth in range(len(parts))
    )


def _folders_to_work_tree(root: str) -> list[str]:
    folders = [root, *map(str, Path(root).parents)]
    for depth, folder in enumerate(folders, start=1):
        if os.path.lexists(os.path.join(folder, ".git")):
            return folders[:depth]
    return []


def _prefix(root: str, folder: str) -> str:
    between = Path(root).relative_to(folder).as_posix()
    return "" if between == "." else between + "/"


def _read_patterns(folder: str, name: str) -> tuple[IgnorePattern, ...]:
    data = read_bytes(Path(folder), name, IGNORE_FILE_BYTES)
    if isinstance(data, Problem):
        return ()
    lines = data.decode("utf-8-sig", "replace").splitlines()
    return _patterns(line for line in lines if _is_pattern(line))


def _patterns(lines: Iterable[str]) -> tuple[IgnorePattern, ...]:
    """Return the patterns, the last line first: it is the first to decide."""
    return tuple(
        IgnorePattern(pattern.include, pattern.regex.search, pattern.regex.finditer)
        for pattern in reversed(list(_compiled(lines).patterns))
        if isinstance(pattern, RegexPattern)
        and pattern.include is not None
        and pattern.regex is not None
    )


def _is_pattern(line: str) -> bool:
    try:
        _compiled([line])
    except (ValueError, re.error):
        return False
    return True


def _compiled(lines: Iterable[str]) -> GitIgnoreSpec:
    with warnings.catch_warnings():
        # Brackets that git reads literally make Python's expressions warn on standard error.
        warnings.simplefilter("ignore", FutureWarning)
        return GitIgnoreSpec.from_lines(lines)
