"""What an audit begins with, and whether an earlier one has told its report already.

Nothing here loads the analysis, so that a run over what has not changed ends soon.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfaudit.cache import Entry, Kept, Reading, ReadingCache, ReportCache, Shown
from perfaudit.config import Settings, selected_rules, with_severities
from perfaudit.core.report import Report
from perfaudit.core.rule import Rule
from perfaudit.data import rules_root
from perfaudit.rules import load_rules
from perfaudit.run_key import run_key
from perfaudit.sources import Discovery, SourceFile, discover
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.lines import line_reader
from perfaudit.sources.reading import content_digest, digest_of
from perfaudit.sources.roles import UNSEEN_ROLES

FEW = 1_500_000
"""Bytes of changed files up to which they are read first, to see whether any fact has changed."""


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
    """What an audit begins with.

    ``digests`` are those of the files, none without a cache. ``readings`` is what is known of the
    Python files, and ``read`` the facts of those few that had to be read for it.
    """

    root: Path
    paths: Sequence[Path]
    settings: Settings
    rules: Mapping[str, Rule]
    chosen: frozenset[str]
    found: Discovery
    digests: Mapping[str, bytes | None] | None
    readings: Mapping[str, Reading]
    read: Mapping[str, Entry]


def report_of(root: Path, paths: Sequence[Path], settings: Settings) -> Audited:
    """Return the report on the files below ``paths``: that of an earlier run if no fact changed.

    Raises PerfauditError for a fault in settings or rule files.
    """
    run = begun(root, paths, settings)
    stored = _stored(run)
    if stored is not None:
        return Audited(stored, run.rules)
    from perfaudit.audit import finished

    return finished(run)


def begun(root: Path, paths: Sequence[Path], settings: Settings) -> Run:
    """Return what a run begins with: its rules, its files, and what is known of these."""
    rules = with_severities(load_rules([rules_root(), *settings.rules_dirs]), settings.severities)
    chosen = selected_rules(rules, settings.select, settings.ignore)
    found = discover(root, paths, exclude=(*settings.exclude, *settings.extend_exclude))
    if not settings.cache:
        return Run(root, paths, settings, rules, chosen, found, None, {}, {})
    digests = digests_of(root, found)
    readings, read = _readings(root, found, digests)
    return Run(root, paths, settings, rules, chosen, found, digests, readings, read)


def digests_of(root: Path, found: Discovery) -> dict[str, bytes | None]:
    """Return the digests of the contents of files, by path; None where one cannot be read."""
    return {file.path: content_digest(root, file.path, MAX_BYTES) for file in found.files}


def _readings(
    root: Path, found: Discovery, digests: Mapping[str, bytes | None]
) -> tuple[dict[str, Reading], dict[str, Entry]]:
    """Return what is known of the Python files; the few that have changed are read for it."""
    readings = ReadingCache(root).find(digests)
    changed = [file for file in _readable(found, digests) if file.path not in readings]
    if not readings or not changed or sum(file.size for file in changed) > FEW:
        return readings, {}
    from perfaudit.extraction import read_entries, reading_of

    read = read_entries(root, changed, UNSEEN_ROLES)
    for path, (content, payload) in read.items():
        reading = reading_of(content, payload)
        if reading is not None:
            readings[path] = reading
    return readings, read


def _readable(found: Discovery, digests: Mapping[str, bytes | None]) -> Iterator[SourceFile]:
    return (file for file in found.files if file.kind == "python" and digests[file.path])


def key_of(run: Run, readings: Mapping[str, Reading]) -> str:
    """Return the key of a run's report; none without a cache, or where a file is not known yet."""
    if run.digests is None:
        return ""
    depends = dict(run.digests)
    for file in _readable(run.found, run.digests):
        reading = readings.get(file.path)
        if reading is None or reading.content != run.digests[file.path]:
            return ""
        if not run.settings.deep:  # Which looks at the text as well.
            depends[file.path] = reading.facts
    return run_key(run.paths, run.settings, run.found, depends)


def _stored(run: Run) -> Report | None:
    key = key_of(run, run.readings)
    kept = ReportCache(run.root).find(key) if key else None
    if kept is None or run.digests is None or not _shows_the_same(run, kept.shown):
        return None
    if run.read:
        ReadingCache(run.root).store(run.readings)
    lines = sum(run.readings[file.path].lines for file in _readable(run.found, run.digests))
    return replace(kept.report, project=replace(kept.report.project, lines=lines))


def _shows_the_same(run: Run, shown: Mapping[str, Shown]) -> bool:
    """Return whether the lines that a report shows of files are still what they were."""
    digests = run.digests or {}
    read_line = line_reader(run.root)
    return all(
        digests.get(path) == lines.content
        or _digest(read_line(path, number) for number in lines.numbers) == lines.texts
        for path, lines in shown.items()
    )


def _digest(texts: Iterable[str]) -> bytes:
    return digest_of("\n".join(texts).encode("utf-8", "surrogatepass"))


def keep(
    run: Run,
    report: Report,
    readings: Mapping[str, Reading],
    shown: Mapping[str, Mapping[int, str]],
) -> None:
    """Keep the report of a run for the next ones, with the lines that it shows of each file.

    What was saved meanwhile may have been read before or after: of that nothing is kept.
    """
    key = key_of(run, readings)
    if not key or run.digests is None or digests_of(run.root, run.found) != run.digests:
        return
    lines = {
        path: Shown(run.digests.get(path), tuple(texts), _digest(texts.values()))
        for path, texts in shown.items()
    }
    ReadingCache(run.root).store(readings)
    ReportCache(run.root).store(key, Kept(report, lines))
