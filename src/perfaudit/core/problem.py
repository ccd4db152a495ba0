"""What could not be read or run. A problem is reported, never raised."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A file, or a part of one, that the audit could not use.

    ``kind`` is one of: unreadable, undecodable, syntax, too-large, too-deep, outside-root,
    unsupported, internal.
    """

    path: str
    line: int
    kind: str
    message: str
