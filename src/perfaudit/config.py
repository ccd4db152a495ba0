"""Settings of one audit, and the file they come from."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from os.path import isdir
from pathlib import Path
from typing import Any, TypeVar

from perfaudit.core.errors import DataError, UsageError
from perfaudit.core.levels import Confidence, Role, Severity
from perfaudit.core.rule import Rule

NEVER = "never"
"""The value of ``fail-on`` that lets every finding pass."""
DIALECTS = (
    *("postgres", "mysql", "sqlite", "tsql", "oracle"),
    *("clickhouse", "bigquery", "snowflake", "redshift", "duckdb"),
)
"""The dialects of SQL that can be asked for."""

_MARKERS = ("pyproject.toml", ".git")
_RULE_SUFFIXES = frozenset({".yaml", ".yml"})
_LINE_OF_SYNTAX_FAULT = re.compile(r"at line (\d+)")

_Level = TypeVar("_Level", Severity, Confidence, Role)
_Reader = Callable[[Any, Path], Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for.

    ``select`` and ``ignore`` hold ids, names or prefixes of either; an empty ``select`` is every
    rule. ``fail_on`` is None where no finding fails the run. ``jobs`` is 0 for one worker per core.
    ``severities`` replaces the severity of rules, by the same words. ``dialect``: that of the SQL,
    where neither its driver nor an address says it. ``executor`` is the address of who reads the
    files; no settings file may say it, since it is sent them.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    extend_exclude: tuple[str, ...] = ()
    min_severity: Severity = Severity.ADVICE
    min_confidence: Confidence = Confidence.MEDIUM
    fail_on: Severity | None = Severity.HIGH
    fail_confidence: Confidence = Confidence.HIGH
    fail_under: float | None = None
    rules_dirs: tuple[Path, ...] = ()
    jobs: int = 0
    cache: bool = True
    roles: frozenset[Role] = frozenset({Role.PRODUCTION, Role.COMMAND})
    severities: Mapping[str, Severity] = field(default_factory=dict)
    show_suppressed: bool = False
    baseline: Path | None = None
    deep: bool = False
    dialect: str = ""
    executor: str = ""


def load_settings(start: Path, explicit: Path | None = None) -> tuple[Settings, Path]:
    """Return the settings that hold at ``start``, and the root of the project it stands in.

    The settings come from ``explicit``, else from the nearest perfaudit.toml, or pyproject.toml
    with a ``[tool.perfaudit]`` table, in the folder of ``start`` or above. The root is the folder
    of that file; with an explicit file, or none, it is the nearest folder with a pyproject.toml or
    .git, else the folder of ``start``. Raises DataError where the file cannot be used.
    """
    start = start.resolve()
    folder = start if start.is_dir() else start.parent
    if explicit is not None:
        return _settings_of(explicit, _explicit_table(explicit)), _marked_folder(folder)
    for parent in (folder, *folder.parents):
        for name in ("perfaudit.toml", "pyproject.toml"):
            table = _find_table(parent / name)
            if table is not None:
                settings = _settings_of(parent / name, table)
                _check_rules_dirs(parent, parent / name, settings.rules_dirs)
                return settings, parent
    return Settings(), _marked_folder(folder)


def selected_rules(
    rules: Mapping[str, Rule], select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> frozenset[str]:
    """Return the names of the rules to run. Raises UsageError for a word that fits no rule.

    The more exact word wins: ``select=["PA5"], ignore=["PA501"]`` and ``select=["PA501"],
    ignore=["PA5"]`` both mean what they say. Of two equal words, ``ignore`` wins.
    """
    exactness: dict[str, int] = {} if select else dict.fromkeys(rules, 0)
    for word in select:
        for name in matching_rules(rules, word):
            exactness[name] = max(exactness.get(name, 0), _exactness(rules[name], word))
    for word in ignore:
        for name in matching_rules(rules, word):
            if name in exactness and _exactness(rules[name], word) >= exactness[name]:
                del exactness[name]
    return frozenset(exactness)


def matching_rules(rules: Mapping[str, Rule], word: str) -> list[str]:
    """Return the names of the rules that a word means: an id, a name, or the start of either.

    Raises UsageError, with the nearest name, where there is none.
    """
    lowered = word.lower()
    exact = [name for name, rule in rules.items() if lowered in (name, rule.id.lower())]
    if exact:
        return exact
    started = [
        name
        for name, rule in rules.items()
        if lowered and (name.startswith(lowered) or rule.id.lower().startswith(lowered))
    ]
    if started:
        return started
    words = [*rules, *(rule.id for rule in rules.values())]
    raise UsageError(
        f'no rule matches "{word}".{_nearest(word, words)} `perfaudit rules list` shows all.'
    )


def with_severities(
    rules: Mapping[str, Rule], severities: Mapping[str, Severity]
) -> dict[str, Rule]:
    """Return the rules with the user's severities, by words as in ``select``.

    Of two words for one rule the more exact one wins. Raises UsageError for a word that fits none.
    """
    changed = dict(rules)
    for word in sorted(severities, key=len):
        for name in matching_rules(rules, word):
            changed[name] = replace(rules[name], severity=severities[word])
    return changed


def with_overrides(settings: Settings, **given: Any) -> Settings:
    """Return the settings with those values replaced that are not None."""
    return replace(settings, **{key: value for key, value in given.items() if value is not None})


def _exactness(rule: Rule, word: str) -> int:
    if word.lower() in (rule.name, rule.id.lower()):
        return 1000
    return len(word)


def _marked_folder(folder: Path) -> Path:
    for parent in (folder, *folder.parents):
        if any((parent / marker).exists() for marker in _MARKERS):
            return parent
    return folder


def _explicit_table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: no such settings file.")
    table = _find_table(path)
    if table is None:
        raise DataError(str(path), 1, "there is no [tool.perfaudit] table in this file.")
    return table


def _find_table(path: Path) -> dict[str, Any] | None:
    """Return the settings table of a file, or None where it is missing or is not about us."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    # A fault in a pyproject.toml that does not speak of perfaudit is not ours to report.
    if path.name == "pyproject.toml" and b"perfaudit" not in content:
        return None
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise DataError(str(path), line, "is not UTF-8; save the file as UTF-8.") from fault
    except (ValueError, RecursionError) as fault:
        found = _LINE_OF_SYNTAX_FAULT.search(str(fault))
        line = int(found[1]) if found else content.count(b"\n") + 1
        raise DataError(str(path), line, f"is not valid TOML: {fault}.") from fault
    if path.name != "pyproject.toml" and "tool" not in document:
        return document
    tools = document.get("tool")
    table = tools.get("perfaudit") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        line = _line_of(content.decode("utf-8"), "perfaudit")
        raise DataError(str(path), line, "tool.perfaudit must be a table: [tool.perfaudit].")
    return table


def _settings_of(path: Path, table: Mapping[str, Any]) -> Settings:
    values: dict[str, Any] = {}
    for key, value in table.items():
        reader = _READERS.get(key)
        if reader is None:
            cure = _nearest(key, list(_READERS)) or f" Known settings: {', '.join(_READERS)}."
            raise _fault(path, key, f'unknown setting "{key}".{cure}')
        try:
            values[key.replace("-", "_")] = reader(value, path.resolve().parent)
        except ValueError as fault:
            raise _fault(path, key, f"{key} {fault}") from fault
    return Settings(**values)


def _fault(path: Path, key: str, message: str) -> DataError:
    text = path.read_text("utf-8")
    return DataError(str(path), _line_of(text, key), message)


def _line_of(text: str, key: str) -> int:
    """Return the line where a key of our table is set, or of the table, or 1."""
    lines = text.splitlines()
    header = next(
        (number for number, line in enumerate(lines) if re.match(r"\s*\[tool\.perfaudit\b", line)),
        0,
    )
    word = re.escape(key)
    setting = re.compile(
        rf"""\s*(?:tool\.perfaudit\.|perfaudit\.)?["']?{word}["']?\s*[.=]"""
        rf"""|\s*\[(?:tool\.)?(?:perfaudit\.)?["']?{word}["']?[\].]"""
    )
    for number, line in enumerate(lines[header:], start=header + 1):
        if setting.match(line):
            return number
    return header + 1


def _nearest(word: str, known: Sequence[str]) -> str:
    by_lowered = {name.lower(): name for name in known}
    close = get_close_matches(word.lower().replace("_", "-"), list(by_lowered), n=1)
    return f' Did you mean "{by_lowered[close[0]]}"?' if close else ""


def _check_rules_dirs(root: Path, path: Path, folders: Sequence[Path]) -> None:
    """Raise DataError where the project's own rules could bring in more than data."""
    for folder in folders:
        if not folder.is_relative_to(root):
            raise _fault(path, "rules-dirs", f"rules-dirs must stay inside {root}: {folder}.")
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.suffix not in _RULE_SUFFIXES:
                raise _fault(
                    path,
                    "rules-dirs",
                    f"rules-dirs may only hold YAML files, and {file} is not one.",
                )


def _strings(value: Any, folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of strings, as in ["PA5", "query-in-loop"].')
    return tuple(value)


def _flag(value: Any, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false.")
    return value


def _worker_count(value: Any, folder: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a number of workers, or 0 for one per core.")
    return value


def _score(value: Any, folder: Path) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 100:
        raise ValueError("must be a score from 0 to 100.")
    return float(value)


def _member(scale: type[_Level], value: Any) -> _Level:
    members = [str(member) for member in scale]
    if value not in members:
        raise ValueError(
            f'is not one of {", ".join(members)}: "{value}".{_nearest(str(value), members)}'
        )
    return scale(value)


def _threshold(value: Any, folder: Path) -> Severity | None:
    return None if value == NEVER else _member(Severity, value)


def _roles(value: Any, folder: Path) -> frozenset[Role]:
    return frozenset(_member(Role, item) for item in _strings(value, folder))


def _severities(value: Any, folder: Path) -> dict[str, Severity]:
    if not isinstance(value, dict):
        raise ValueError('must be a table, as in {query-in-loop = "medium"}.')
    return {name: _member(Severity, level) for name, level in value.items()}


def _folders(value: Any, folder: Path) -> tuple[Path, ...]:
    found = tuple((folder / item).resolve() for item in _strings(value, folder))
    for item in found:
        if not isdir(item):
            raise ValueError(f"names a folder that does not exist: {item}.")
    return found


def _dialect(value: Any, folder: Path) -> str:
    if value not in DIALECTS:
        raise ValueError(
            f'is not one of {", ".join(DIALECTS)}: "{value}".{_nearest(str(value), DIALECTS)}'
        )
    return str(value)


def _file(value: Any, folder: Path) -> Path:
    if not isinstance(value, str):
        raise ValueError("must be the path of a file.")
    return (folder / value).resolve()


_READERS: dict[str, _Reader] = {
    "select": _strings,
    "ignore": _strings,
    "exclude": _strings,
    "extend-exclude": _strings,
    "min-severity": lambda value, folder: _member(Severity, value),
    "min-confidence": lambda value, folder: _member(Confidence, value),
    "fail-on": _threshold,
    "fail-confidence": lambda value, folder: _member(Confidence, value),
    "fail-under": _score,
    "rules-dirs": _folders,
    "jobs": _worker_count,
    "cache": _flag,
    "roles": _roles,
    "severities": _severities,
    "show-suppressed": _flag,
    "baseline": _file,
    "deep": _flag,
    "dialect": _dialect,
}
