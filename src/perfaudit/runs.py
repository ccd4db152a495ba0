"""What an audit begins with, and whether an earlier one has told its report already.

Nothing here loads the analysis, so that a run over what has not changed ends soon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perfaudit.cache import ReportCache
from perfaudit.config import Settings, selected_rules, with_severities
from perfaudit.core.report import Report
from perfaudit.core.rule import Rule
from perfaudit.data import rules_root
from perfaudit.rules import load_rules
from perfaudit.run_key import run_key
from perfaudit.sources import Discovery, discover
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.reading import content_digest


@dataclass(frozen=True, slots=True)
class Audited:
    """The report of an audit, and the rules that it speaks of.

    ``phases`` are the seconds that each part of the work took, in order; none where a stored report
    was found.
    """

    report: Report
    rules: Mapping[str, Rule]
    phases: tuple[tuple[str, float], ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Run:
    """What an audit begins with. ``digests`` are those of the files, none without a cache."""

    root: Path
    settings: Settings
    rules: Mapping[str, Rule]
    chosen: frozenset[str]
    found: Discovery
    digests: Mapping[str, bytes | None] | None
    key: str


def report_of(root: Path, paths: Sequence[Path], settings: Settings) -> Audited:
    """Return the report on the files below ``paths``: that of an earlier run if nothing changed.

    Raises PerfauditError for a fault in settings or rule files.
    """
    run = begun(root, paths, settings)
    stored = ReportCache(root).find(run.key) if run.key else None
    if stored is not None:
        return Audited(stored, run.rules)
    from perfaudit.audit import finished

    return finished(run)


def begun(root: Path, paths: Sequence[Path], settings: Settings) -> Run:
    """Return what a run begins with: its rules, its files, and the key of its report."""
    rules = with_severities(load_rules([rules_root(), *settings.rules_dirs]), settings.severities)
    chosen = selected_rules(rules, settings.select, settings.ignore)
    found = discover(root, paths, exclude=(*settings.exclude, *settings.extend_exclude))
    digests = digests_of(root, found) if settings.cache else None
    key = "" if digests is None else run_key(paths, settings, found, digests)
    return Run(root, settings, rules, chosen, found, digests, key)


def digests_of(root: Path, found: Discovery) -> dict[str, bytes | None]:
    """Return the digests of the contents of files, by path; None where one cannot be read."""
    return {file.path: content_digest(root, file.path, MAX_BYTES) for file in found.files}
