"""``perfaudit baseline``: accept the findings of today."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import click

from perfaudit.cli.options import (
    located,
    paths_argument,
    reading_options,
    remember_verbosity,
    with_reading_options,
)
from perfaudit.cli.output import check_writable, note, write_file
from perfaudit.config import Settings
from perfaudit.core.errors import DataError, UsageError
from perfaudit.core.finding import Finding
from perfaudit.runs import report_of

DEFAULT_FILE = Path("perfaudit-baseline.json")
VERSION = 1


@click.group()
def command() -> None:
    """Accept the findings of today, and report only new ones.

    The file that `baseline write` makes is for `perfaudit scan --baseline FILE`.
    """


@command.command("write")
@paths_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=f"The file to write; by default that of the settings, else {DEFAULT_FILE}.",
)
@reading_options
@click.pass_context
def write_command(
    ctx: click.Context, /, paths: tuple[Path, ...], output: Path | None, **options: Any
) -> None:
    """Accept every finding of this audit."""
    settings, findings = _audited(ctx, paths, options)
    target = output or settings.baseline or DEFAULT_FILE
    check_writable(target)
    write_file(target, render_baseline(findings))
    if not options["quiet"]:
        note(f"{target}: {_counted(len(findings))} accepted.")


@command.command("prune")
@paths_argument
@click.option(
    "-b",
    "--baseline",
    "given",
    type=click.Path(path_type=Path),
    help=f"The file to prune; by default that of the settings, else {DEFAULT_FILE}.",
)
@reading_options
@click.pass_context
def prune_command(
    ctx: click.Context, /, paths: tuple[Path, ...], given: Path | None, **options: Any
) -> None:
    """Drop the accepted findings that are there no more."""
    settings, findings = _audited(ctx, paths, options)
    target = given or settings.baseline or DEFAULT_FILE
    accepted = read_baseline(target)
    kept = [finding for finding in findings if finding.fingerprint in accepted]
    write_file(target, render_baseline(kept))
    if not options["quiet"]:
        gone = len(accepted) - len({finding.fingerprint for finding in kept})
        note(f"{target}: {_counted(gone)} dropped, {len(kept)} kept.")


def read_baseline(path: Path) -> frozenset[str]:
    """Return the accepted fingerprints of a baseline file.

    Raises DataError where the file is not a baseline: it is never read as an empty one.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise UsageError(
            f"the baseline {path} cannot be read: {fault.strerror}. "
            "Make one with `perfaudit baseline write`."
        ) from fault
    except json.JSONDecodeError as fault:
        raise DataError(str(path), fault.lineno, f"is not JSON: {fault.msg}.") from fault
    except (ValueError, RecursionError) as fault:
        raise DataError(str(path), 1, "is not a perfaudit baseline.") from fault
    match document:
        case {"version": 1, "findings": list(entries)}:
            return _fingerprints(path, entries)
        case {"version": version} if version != VERSION:
            cure = "write it again with `perfaudit baseline write`."
            raise DataError(str(path), 1, f"baseline version {version} is not {VERSION}: {cure}")
        case _:
            raise DataError(str(path), 1, "is not a perfaudit baseline.")


def render_baseline(findings: Collection[Finding]) -> str:
    """Return the text of a baseline file: sorted, one finding on a line, so that it merges well."""
    entries = sorted(
        (finding.location.path, finding.rule, finding.function, finding.fingerprint)
        for finding in findings
    )
    lines = [
        json.dumps(dict(zip(("path", "rule", "function", "fingerprint"), entry, strict=True)))
        for entry in entries
    ]
    body = ",\n    ".join(lines)
    inside = f"\n    {body}\n  " if lines else ""
    return f'{{\n  "version": {VERSION},\n  "findings": [{inside}]\n}}\n'


def _fingerprints(path: Path, entries: Iterable[Any]) -> frozenset[str]:
    found = set()
    for entry in entries:
        match entry:
            case {"fingerprint": str(fingerprint)}:
                found.add(fingerprint)
            case _:
                raise DataError(str(path), 1, f"an entry has no fingerprint: {entry!r}.")
    return frozenset(found)


def _audited(
    ctx: click.Context, paths: tuple[Path, ...], options: dict[str, Any]
) -> tuple[Settings, tuple[Finding, ...]]:
    remember_verbosity(ctx, options["verbose"])
    settings, root, present = located(paths, options["config"])
    settings = with_reading_options(settings, options)
    return settings, report_of(root, present, settings).report.findings


def _counted(number: int) -> str:
    return "1 finding" if number == 1 else f"{number} findings"
