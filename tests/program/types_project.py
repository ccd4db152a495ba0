"""Small projects whose lines say what they run."""

import re

from perfaudit.audit import program_of
from perfaudit.core.levels import Confidence
from perfaudit.program.program import Program

STORE = """
import time


class Store:
    def flush(self):
        time.sleep(1)

    async def aflush(self):
        return 1


class Other:
    def flush(self):
        time.sleep(2)
"""
"""The module ``store`` of every project: two classes that have a method in common."""

_MARK = re.compile(r"#\s*->\s*(?P<names>.+)$")
_FILE = re.compile(r"^# file: (\S+)\n", re.MULTILINE)


def files_of(code: str) -> dict[str, str]:
    """Return the files of a case: ``app.py``, or those that ``# file:`` lines begin."""
    parts = _FILE.split(code.lstrip("\n"))
    found = {"store.py": STORE, "app.py": parts[0]}
    found.update(zip(parts[1::2], parts[2::2], strict=True))
    return found


def wrong_lines(code: str) -> list[str]:
    """Return the marked lines that run something else than they say, each with what it runs.

    ``# -> Store.flush`` names the project functions and the library calls with effects that the
    line runs; ``(medium)`` behind a name is the confidence; ``nothing`` is nothing.
    """
    files = files_of(code)
    program = program_of(files)
    wrong = []
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), start=1):
            mark = _MARK.search(line)
            if mark is None:
                continue
            expected = {name.strip() for name in mark["names"].split(",")} - {"nothing"}
            found = runs_at(program, path, number)
            if found != expected:
                wrong.append(f"{path}:{number}: {line.strip()} but runs {sorted(found)}")
    return wrong


def runs_at(program: Program, path: str, line: int) -> set[str]:
    """Return the names of what a line runs."""
    found = set()
    for function in program.functions:
        if function.file.path != path:
            continue
        for edge in program.edges_from(function):
            if edge.location.line == line:
                found.add(_worded(edge.callee.facts.qualname, edge.confidence))
        for site in program.sites_of(function):
            if site.location.line == line:
                found.add(_worded(site.behaviour.path, site.confidence))
    return found


def _worded(name: str, confidence: Confidence) -> str:
    return name if confidence is Confidence.HIGH else f"{name} ({confidence.value})"
