"""The command line: the only place that prints, reads the environment or exits."""

import sys

from perfaudit import __version__


def main() -> None:
    """Run the command line of this process, and exit."""
    if sys.argv[1:] == ["--version"]:
        # Programs ask for it each time they start perfaudit: nothing else is loaded for that.
        print(f"perfaudit {__version__}")
        return
    from perfaudit.cli.commands import run

    run()
