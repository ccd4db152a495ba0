"""``perfaudit show``: what the analysis believes, and why."""

from pathlib import Path
from typing import Any

import click

from perfaudit.audit import audit
from perfaudit.cli.options import (
    located,
    reading_options,
    remember_verbosity,
    with_reading_options,
)
from perfaudit.cli.output import write
from perfaudit.core.visible import visible
from perfaudit.program.explain import describe
from perfaudit.sources import mask_secrets

TOPICS = ("callgraph", "types", "effects", "schema", "queries")


@click.command()
@click.argument("topic", type=click.Choice(TOPICS))
@click.argument("name", required=False)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@reading_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    topic: str,
    name: str | None,
    paths: tuple[Path, ...],
    **given: Any,
) -> None:
    """Show what the analysis believes about NAME, and why.

    NAME is a function, class, module or table, or the end of its dotted name; or such a name with
    wildcards; or PATH:LINE, for the function around a line. A NAME that is a file or folder is the
    first of the PATHS; without one, all is shown.
    """
    remember_verbosity(ctx, given["verbose"])
    if name is not None and Path(name).exists():
        paths = (Path(name), *paths)
        name = None
    settings, root, present = located(paths, given["config"])
    result = audit(root, present, with_reading_options(settings, given))
    lines = describe(result.program, topic, _in_project(name or "", root)).split("\n")
    write("\n".join(visible(mask_secrets(line)) for line in lines))


def _in_project(name: str, root: Path) -> str:
    """Return the name; ``path:line`` with the path as reports write it, where there is the file."""
    path, colon, line = name.rpartition(":")
    file = Path(path).resolve()
    if colon and line.isdigit() and file.is_file() and file.is_relative_to(root):
        return f"{file.relative_to(root).as_posix()}:{line}"
    return name
