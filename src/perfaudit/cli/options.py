"""Options that several commands share, and the settings they add up to."""

import sys
from collections.abc import Callable, Sequence
from os.path import commonpath, exists, isdir
from pathlib import Path
from typing import Any, TypeVar

import click

from perfaudit.cli.output import COLOR_CHOICES
from perfaudit.config import Settings, load_settings, with_overrides
from perfaudit.core.errors import UsageError
from perfaudit.core.levels import Role
from perfaudit.executors import checked_address

_Command = TypeVar("_Command", bound=Callable[..., Any])

ROLES = tuple(str(role) for role in Role)


def paths_argument(command: _Command) -> _Command:
    """Add ``[PATHS]...``: files and folders, the current folder by default."""
    return click.argument("paths", nargs=-1, type=click.Path(path_type=Path))(command)


def color_option(command: _Command) -> _Command:
    """Add ``--color``."""
    return click.option(
        "--color",
        type=click.Choice(COLOR_CHOICES),
        default="auto",
        show_default=True,
        help="Colours; auto obeys NO_COLOR, FORCE_COLOR and the terminal.",
    )(command)


def rules_option(command: _Command) -> _Command:
    """Add ``--rules``."""
    return click.option(
        "--rules",
        "rules_dirs",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="A folder with more rules; may be given again.",
    )(command)


def reading_options(command: _Command) -> _Command:
    """Add the options on what is read, and how."""
    options = [
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The settings file, in place of the nearest one.",
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave out what matches, as in .gitignore; may be given again.",
        ),
        click.option(
            "--role",
            "roles",
            multiple=True,
            type=click.Choice(ROLES),
            help="Report this kind of file, in place of production and command.",
        ),
        click.option(
            "-j", "--jobs", type=click.IntRange(min=0), help="Workers; 0 is one for each core."
        ),
        click.option(
            "--executor",
            metavar="dask://HOST:PORT",
            help="Let the workers of this Dask scheduler read the files; sends them there.",
        ),
        click.option("--no-cache", is_flag=True, help="Neither read nor write the cache."),
        click.option("-v", "--verbose", is_flag=True, help="Say more, and show tracebacks."),
        click.option("-q", "--quiet", is_flag=True, help="Write nothing beside the report."),
    ]
    for option in reversed(options):
        command = option(command)
    return color_option(rules_option(command))


def located(
    paths: Sequence[Path], config: Path | None, *, may_be_gone: bool = False
) -> tuple[Settings, Path, tuple[Path, ...]]:
    """Return the settings, the root and the paths of an audit.

    A path that does not exist is left out where it ``may_be_gone``, and else raises UsageError.
    """
    given = tuple(paths) or (Path(),)
    missing = [path for path in given if not exists(path)]
    if missing and not may_be_gone:
        names = ", ".join(str(path) for path in missing)
        raise UsageError(f"no such file or folder: {names}")
    present = tuple(path.resolve() for path in given if path not in missing)
    start = present[0] if present else Path.cwd()
    settings, root = load_settings(start, config)
    if any(not path.is_relative_to(root) for path in present):
        root = Path(commonpath([root, *present]))
    return settings, root, present


def with_reading_options(settings: Settings, options: dict[str, Any]) -> Settings:
    """Return the settings with those of ``reading_options`` that were given."""
    return with_overrides(
        settings,
        extend_exclude=(*settings.extend_exclude, *options["exclude"]),
        rules_dirs=(*settings.rules_dirs, *rules_folders(options["rules_dirs"])),
        roles=frozenset(Role(role) for role in options["roles"]) or None,
        jobs=options["jobs"],
        cache=False if options["no_cache"] else None,
        executor=None if options["executor"] is None else checked_address(options["executor"]),
    )


def rules_folders(given: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of ``--rules``; raises UsageError for one that is not there."""
    for folder in given:
        if not isdir(folder):
            raise UsageError(f"--rules {folder}: no such folder.")
    return tuple(folder.resolve() for folder in given)


def remember_verbosity(ctx: click.Context, verbose: bool) -> None:
    """Let an unexpected error of this run show its traceback."""
    ctx.meta["perfaudit.verbose"] = verbose


def shows_progress(quiet: bool) -> bool:
    """Return whether someone watches standard error."""
    return not quiet and sys.stderr.isatty()
