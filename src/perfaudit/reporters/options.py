"""What a reader may choose about a report. Every reporter takes the same options."""

from collections.abc import Callable
from dataclasses import dataclass


def read_nothing(path: str) -> str | None:
    """Return no text, whatever the path."""
    return None


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render a report.

    ``width``, ``color``, ``encoding``, ``verbose`` and ``limit`` (of findings shown, unless
    verbose) are for the terminal. ``read_text`` gives SARIF the text of a reported file, by its
    path in the report. ``sarif_category`` tells two audits of one repository apart.
    """

    width: int = 100
    color: bool = False
    encoding: str = "utf-8"
    verbose: bool = False
    limit: int = 10
    show_suppressed: bool = False
    read_text: Callable[[str], str | None] = read_nothing
    sarif_category: str = ""


DEFAULTS = RenderOptions()
