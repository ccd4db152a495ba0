"""What running a text in SQL does, by its first word."""

import re

_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_WRITES = re.compile(
    r"\b(?:insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into)\b", re.IGNORECASE
)
_COPIES_OUT = re.compile(r"\bto\s+(?:stdout|program|')", re.IGNORECASE)
READS = frozenset(
    {"select", "with", "show", "values", "table", "explain", "call", "exec", "execute"}
)
WRITES = frozenset({"insert", "update", "delete", "merge", "replace", "truncate", "copy"})


def sql_effects(text: str) -> tuple[str, ...] | None:
    """Return the effects of running the SQL: db.query, db.write or none.

    None where the text does not say.
    """
    stripped = text
    while True:
        match = _COMMENT.match(stripped)
        if match is None or not match.group():
            break
        stripped = stripped[match.end() :]
    word = _WORD.match(stripped.lstrip("("))
    if word is None:
        return None
    verb = word.group().lower()
    if verb == "with":
        return ("db.write",) if _WRITES.search(text) else ("db.query",)
    if verb in READS or verb == "copy" and _COPIES_OUT.search(text):
        return ("db.query",)
    if verb in WRITES:
        return ("db.write",)
    return ()
