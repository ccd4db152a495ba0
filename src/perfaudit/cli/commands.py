"""All commands together: how one is found and run, and what becomes of its errors."""

import contextlib
import gc
import io
import os
import sys
import traceback
from importlib import import_module

import click

from perfaudit import __version__
from perfaudit.cli.output import discard_output, note
from perfaudit.core.errors import PerfauditError

COMMANDS = {
    "scan": "Audit code: what will be slow, why, and what to do about it.",
    "endpoints": "Show what each endpoint costs per request.",
    "explain": "Explain a rule: why it matters, and the remedy.",
    "rules": "List the rules, or run their cases.",
    "show": "Show what the analysis believes, and why.",
    "baseline": "Accept the findings of today, and report only new ones.",
}
"""Each command is ``command`` in the module of its name, imported only when it runs."""

REPORT_A_FAULT = "please report it with the output of the same command under PERFAUDIT_DEBUG=1"

_INTERRUPTED = 130


class _Commands(click.Group):
    """The commands of ``COMMANDS``, and the one place where errors become exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"perfaudit.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except PerfauditError as mistake:
            note(str(mistake))
            ctx.exit(2)
        except BrokenPipeError:
            discard_output()
            ctx.exit(0)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except Exception as fault:
            if ctx.meta.get("perfaudit.verbose") or os.environ.get("PERFAUDIT_DEBUG"):
                click.echo(traceback.format_exc(), err=True, nl=False)
            summary = " ".join(str(fault).split()) or "no message"
            note(f"internal error: {type(fault).__name__}: {summary}; {REPORT_A_FAULT}.")
            ctx.exit(2)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="perfaudit", message="%(prog)s %(version)s")
def cli() -> None:
    """Find what will be slow in a Python code base, without running it.

    Exit codes: 0 clean or below the threshold, 1 findings at or above it, 2 a mistake in how
    perfaudit is used or configured.
    """


def run() -> None:
    """Run the command line of this process, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # The process ends with the run: looking for rings in a whole program would only cost time.
    gc.disable()
    try:
        cli(prog_name="perfaudit")
    except SystemExit as ending:
        _leave(ending.code)
        raise


def _leave(code: object) -> None:
    """End the process with all that it holds: taking a whole program apart would cost time too.

    Nothing is done where the output may be lost, or somebody measures this process.
    """
    if not isinstance(code, int) or sys.gettrace() is not None or sys.getprofile() is not None:
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
