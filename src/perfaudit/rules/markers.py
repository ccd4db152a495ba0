"""The comments that say what is expected of a line."""

import re
from collections.abc import Mapping

FINDING = re.compile(
    r"(?:#|--|//|<!--|\{#|/\*)\s*finding(?::\s*(?P<confidence>high|medium|low))?"
    r"\s*(?:-->|#\}|\*/)?\s*$"
)
EFFECTS = re.compile(r"#\s*effects:\s*(?P<effects>[a-z., ]+?)\s*$")


def marked_lines(files: Mapping[str, str]) -> set[tuple[str, int]]:
    """Return the path and number of each line that ends in the comment ``finding``.

    >>> marked_lines({"app.py": "quick()\\nslow()  # finding\\n"})
    {('app.py', 2)}
    """
    return {
        (path, number)
        for path, text in files.items()
        for number, line in enumerate(text.split("\n"), start=1)
        if FINDING.search(line)
    }


def marked_confidences(files: Mapping[str, str]) -> dict[tuple[str, int], str]:
    """Return the confidence that a mark asks for, by path and line: ``# finding: medium``.

    >>> marked_confidences({"app.py": "quick()\\nslow()  # finding: medium\\n"})
    {('app.py', 2): 'medium'}
    """
    found = {}
    for path, text in files.items():
        for number, line in enumerate(text.split("\n"), start=1):
            mark = FINDING.search(line)
            if mark and mark["confidence"]:
                found[path, number] = mark["confidence"]
    return found


def marked_effects(code: str) -> dict[int, frozenset[str]]:
    """Return the words after ``# effects:`` by line, ``blocking`` among them.

    >>> marked_effects("get(url)  # effects: http.request\\n")
    {1: frozenset({'http.request'})}
    """
    found = {}
    for number, line in enumerate(code.split("\n"), start=1):
        mark = EFFECTS.search(line)
        if mark:
            found[number] = frozenset(word.strip() for word in mark["effects"].split(","))
    return found
