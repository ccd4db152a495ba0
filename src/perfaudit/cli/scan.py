"""``perfaudit scan``: the audit."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from perfaudit.audit import Audited, AuditResult, audit, report_of
from perfaudit.cli.baseline import read_baseline
from perfaudit.cli.gate import failures, reported
from perfaudit.cli.options import (
    located,
    paths_argument,
    reading_options,
    remember_verbosity,
    shows_progress,
    with_reading_options,
)
from perfaudit.cli.output import check_writable, note, uses_color, width, write, write_file
from perfaudit.cli.statistics import statistics
from perfaudit.config import NEVER, Settings, with_overrides
from perfaudit.core.errors import UsageError
from perfaudit.core.levels import Confidence, Severity
from perfaudit.core.visible import visible
from perfaudit.program.sql_coverage import sql_coverage
from perfaudit.reporters import FORMATS, SUFFIXES, RenderOptions
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.reading import read_bytes

_SEVERITIES = tuple(str(severity) for severity in Severity)
_CONFIDENCES = tuple(str(confidence) for confidence in Confidence)
_THRESHOLDS = (*(name for name in _SEVERITIES if name != Severity.ADVICE), NEVER)


@click.command()
@paths_argument
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS)),
    default="terminal",
    show_default=True,
    help="What standard output gets.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file to write as well, in the format of its suffix; may be given again.",
)
@click.option("--select", multiple=True, metavar="RULES", help="Only these: ids, names, prefixes.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these: ids, names, prefixes.")
@click.option("--min-severity", type=click.Choice(_SEVERITIES), help="Report from here.")
@click.option("--min-confidence", type=click.Choice(_CONFIDENCES), help="Report from here.")
@click.option(
    "--fail-on", type=click.Choice(_THRESHOLDS), help="Exit with 1 from here; default high."
)
@click.option(
    "--fail-confidence",
    type=click.Choice(_CONFIDENCES),
    help="What --fail-on counts; default high.",
)
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="SCORE", help="Exit with 1 below it."
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where it would be 1.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Report only what is not in this file of `perfaudit baseline write`.",
)
@click.option(
    "--changed-only",
    is_flag=True,
    help="Read the whole project, but report only the PATHS, which need no longer be there.",
)
@click.option(
    "--sarif-category",
    default="",
    metavar="NAME",
    help="Keeps this upload apart from others of the same commit.",
)
@click.option("--statistics", "counts", is_flag=True, help="Count findings by rule, and calls.")
@click.option("--deep", is_flag=True, help="Take more time for calls that are not resolved.")
@click.option("--show-suppressed", is_flag=True, help="Show suppressed findings as well.")
@reading_options
@click.pass_context
def command(
    ctx: click.Context, /, paths: tuple[Path, ...], form: str, outputs: Sequence[Path], **given: Any
) -> None:
    """Audit code: what will be slow, why, and what to do about it.

    PATHS are files and folders; the current folder by default. Settings come from [tool.perfaudit]
    in pyproject.toml, or from perfaudit.toml.
    """
    remember_verbosity(ctx, given["verbose"])
    forms = {path: _form_of(path) for path in outputs}
    settings, root, present = located(paths, given["config"], may_be_gone=given["changed_only"])
    settings = _settings(settings, given)
    accepted = read_baseline(settings.baseline) if settings.baseline else frozenset()
    changed = _relative_paths(root, paths) if given["changed_only"] else None

    result = _audited(root, (root,) if given["changed_only"] else present, settings, given)
    report = reported(result.report, settings, changed=changed, accepted=accepted)
    result = replace(result, report=report)

    options = _render_options(root, settings, given)
    for path, its_form in forms.items():
        write_file(path, _rendered(result, its_form, options))
    if report.project.files == 0:
        note(f"nothing to audit: there is no file to read in {_named(paths)}.")
    if form != "terminal":
        write(_rendered(result, form, options), for_machines=True)
    elif report.project.files:
        color = uses_color(given["color"])
        options = replace(options, color=color, width=width(), encoding=sys.stdout.encoding)
        write(_rendered(result, form, options), color=color)
    if isinstance(result, AuditResult) and given["counts"]:
        _write_statistics(statistics(report, sql_coverage(result.program)), form)

    reasons = failures(report, settings)
    if not given["quiet"]:
        for reason in reasons:
            note(reason)
    ctx.exit(1 if reasons and not given["exit_zero"] else 0)


def _settings(settings: Settings, given: dict[str, Any]) -> Settings:
    settings = with_overrides(
        with_reading_options(settings, given),
        select=_words(given["select"]) or None,
        ignore=(*settings.ignore, *_words(given["ignore"])),
        min_severity=given["min_severity"] and Severity(given["min_severity"]),
        min_confidence=given["min_confidence"] and Confidence(given["min_confidence"]),
        fail_confidence=given["fail_confidence"] and Confidence(given["fail_confidence"]),
        fail_under=given["fail_under"],
        show_suppressed=given["show_suppressed"] or None,
        baseline=given["baseline"],
        deep=given["deep"] or None,
    )
    if given["fail_on"] is None:
        return settings
    threshold = None if given["fail_on"] == NEVER else Severity(given["fail_on"])
    return replace(settings, fail_on=threshold)


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.strip() for text in given for word in text.split(","))


def _form_of(path: Path) -> str:
    form = SUFFIXES.get(path.suffix)
    if form is None:
        raise UsageError(f"--output {path}: the suffix must be one of {', '.join(SUFFIXES)}.")
    check_writable(path)
    return form


def _relative_paths(root: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Return the named files and folders as reports name them; what is elsewhere is left out."""
    resolved = [path.resolve() for path in paths]
    return tuple(
        path.relative_to(root).as_posix() for path in resolved if path.is_relative_to(root)
    )


def _audited(
    root: Path, paths: Sequence[Path], settings: Settings, given: dict[str, Any]
) -> Audited:
    watched = shows_progress(given["quiet"])
    if watched:
        click.echo(f"Auditing {visible(str(root))} ...", err=True, nl=False)
    began = time.perf_counter()
    try:
        # The counts speak of the linked program, which a stored report does not hold.
        result = (audit if given["counts"] else report_of)(root, paths, settings)
    finally:
        if watched:
            click.echo("\r\x1b[K", err=True, nl=False)
    if given["verbose"]:
        project = result.report.project
        seconds = time.perf_counter() - began
        note(f"read {project.files} files, {project.lines} lines in {seconds:.2f} s.")
        if isinstance(result, AuditResult):
            parts = ", ".join(f"{phase} {taken:.2f} s" for phase, taken in result.phases)
            note(f"phases: {parts}.")
    return result


def _rendered(result: Audited, form: str, options: RenderOptions) -> str:
    return FORMATS[form](result.report, result.rules, options)


def _render_options(root: Path, settings: Settings, given: dict[str, Any]) -> RenderOptions:
    """Return how files are rendered; standard output differs in colour, width and encoding."""

    def read_text(path: str) -> str | None:
        content = read_bytes(root, path, MAX_BYTES)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else None

    return RenderOptions(
        verbose=given["verbose"],
        show_suppressed=settings.show_suppressed,
        read_text=read_text,
        sarif_category=given["sarif_category"],
    )


def _write_statistics(text: str, form: str) -> None:
    """Write the counts below a report for people, and beside one for machines."""
    if form == "terminal":
        write(text)
    else:
        click.echo(text, err=True)


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths) or "this folder"
