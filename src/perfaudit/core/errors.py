"""Errors that end the run: they name the file, the line, the mistake and the cure."""


class PerfauditError(Exception):
    """A mistake in how perfaudit is used or configured, or in its own data.

    The CLI prints it and exits with 2.
    """


class UsageError(PerfauditError):
    """An argument or a setting that perfaudit does not know or cannot use."""


class DataError(PerfauditError):
    """A fault in a rule, library or settings file."""

    def __init__(self, path: str, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path = path
        self.line = line
