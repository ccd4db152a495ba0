"""What the commands write, and where: standard output, files, and notes beside them."""

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path

import click

from perfaudit.core.errors import UsageError
from perfaudit.core.visible import visible

COLOR_CHOICES = ("auto", "always", "never")


def uses_color(choice: str) -> bool:
    """Return whether standard output gets colours: as chosen, else by environment and terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return the columns of the terminal, or 100 where output goes elsewhere."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def write(text: str, *, color: bool = False, for_machines: bool = False) -> None:
    """Write text to standard output; a reader that has left is no error.

    What machines read is UTF-8 whatever the locale says.
    """
    text = text if text.endswith("\n") else text + "\n"
    try:
        if for_machines and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        else:
            click.echo(text, nl=False, color=color)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()


def note(text: str) -> None:
    """Write a line beside the report, to standard error."""
    click.echo(f"perfaudit: {visible(text)}", err=True)


def discard_output() -> None:
    """Let what is still to be written vanish: whoever read our output has left."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def check_writable(path: Path) -> None:
    """Raise UsageError where a report cannot be written, before the work is done."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist: make it first.")


def write_file(path: Path, text: str) -> None:
    """Write a whole file or nothing: whoever reads it meanwhile sees the old one."""
    content = (text if text.endswith("\n") else text + "\n").encode("utf-8", "backslashreplace")
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            draft.write_bytes(content)
            if target.exists():
                shutil.copymode(target, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as fault:
        raise UsageError(f"{path} cannot be written: {fault.strerror}.") from fault
