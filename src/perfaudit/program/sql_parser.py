"""The parser of SQL, without what it says to the terminal and without what it raises."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any


def readings(
    texts: Iterable[str], dialects: Iterable[str | None]
) -> Iterator[tuple[str, list[Any]]]:
    """Yield each text with the trees of its statements, in each dialect that can read them.

    A statement of which nothing is left but a comment has None.
    """
    # Importing the parser shows in the start-up time, and many projects have no SQL in text.
    import sqlglot
    from sqlglot.errors import SqlglotError

    known = tuple(dialects)
    logger = logging.getLogger("sqlglot")
    for text in texts:
        for dialect in known:
            level = logger.level
            logger.setLevel(logging.CRITICAL)
            try:
                trees = list(sqlglot.parse(text, read=dialect))
            except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError):
                continue
            finally:
                logger.setLevel(level)
            yield text, trees
