"""Statements in SQL files that have a name, and run as methods of that name."""

import re
from collections.abc import Iterable

_NAMED = re.compile(
    r"^[ \t]*--[ \t]*name[ \t]*:[ \t]*(?P<name>[\w-]+)[ \t]*(?:\([^()\n]*\))?[ \t]*"
    r"(?P<kind>\^|\$|<!|\*!|!|\#)?[ \t]*$",
    re.MULTILINE,
)
MANY, ONE, VALUE = "many", "one", "value"
KINDS = {"^": ONE, "<!": ONE, "$": VALUE}


def named_statements(contents: Iterable[str]) -> dict[str, str]:
    """Return the statements in the contents of SQL files by their names, each with its first line.

    A name that several have is left out.
    """
    found: dict[str, str] = {}
    several: set[str] = set()
    for content in contents:
        headers = list(_NAMED.finditer(content))
        for number, header in enumerate(headers):
            end = headers[number + 1].start() if number + 1 < len(headers) else len(content)
            name = header.group("name").replace("-", "_")
            if name in found:
                several.add(name)
            found[name] = content[header.start() : end].rstrip()
    return {name: text for name, text in found.items() if name not in several}


def gives(sql: str) -> str | None:
    """Return how many rows a statement is said to give: many, one or a value of one.

    None where it has no name.
    """
    header = _NAMED.match(sql)
    return None if header is None else KINDS.get(header.group("kind"), MANY)
