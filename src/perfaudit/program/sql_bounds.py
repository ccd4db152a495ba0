"""What is asked of a text before it is parsed as SQL, so that this takes a bounded time."""

import re

MAX_TEXT = 20_000
MAX_NESTING = 120
"""Parsing recurses with each bracket, below Python's own guard of the stack."""
MAX_SUBSCRIPTS = 60
"""Parsing a chain of subscripts takes the cube of their number."""
_BRACKET = re.compile(r"[()\[\]{}]")


def is_parsable(text: str, limit: int = MAX_TEXT) -> bool:
    """Return whether a text is short and flat enough to be given to a parser of SQL."""
    if len(text) > limit or text.count("[") > MAX_SUBSCRIPTS:
        return False
    if text.count("(") + text.count("{") <= MAX_NESTING:
        return True
    depth = 0
    for found in _BRACKET.finditer(text):
        depth += 1 if found.group() in "([{" else -1
        if depth > MAX_NESTING:
            return False
    return True
