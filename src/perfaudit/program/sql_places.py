"""Where a part of a statement stands: the line and column of the file that it is written in."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program.expressions import argument
from perfaudit.program.nodes import FileNode
from perfaudit.program.projection import filled_offset, parsed
from perfaudit.program.sites import Site
from perfaudit.program.sql_dialects import dialect_of
from perfaudit.program.sql_text import lines_of_text
from perfaudit.program.table_statements import Statement, statement_run

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MIN_PART = 4
"""A shorter part of a text is found in too many places."""
MAX_TEXTS = 400
NEAR = 3
"""A text begins so many lines behind what binds it, at most."""
_HOLE = re.compile(r"\{[^{}]*\}|%(?:\(\w+\))?s")


def place_in_sql(program: "Program", site: Site, tree: Any) -> Location:
    """Return where a part of the statement of a site is written; the site where that is not known.

    ``tree`` is the part, out of the tree of ``projection.parsed``.
    """
    statement = built_statement(program, site)
    if statement is not None:
        return _built_place(statement, tree) or site.location
    offsets = _offsets(tree)
    if offsets is None or site.sql is None:
        return site.location
    first, last = (filled_offset(site.sql, tree.root(), offset) for offset in offsets)
    if first is None or last is None:
        return site.location
    begun = _place(program, site, first)
    ended = _place(program, site, last)
    if begun is None:
        return site.location
    if ended is None or ended.path != begun.path or ended < begun:
        return begun
    return Location(begun.path, begun.line, begun.column, ended.line, ended.column + 1)


def built_statement(program: "Program", site: Site) -> Statement | None:
    """Return the statement of a site where calls build it of table objects, and it is no text."""
    if site.call is None:
        return None
    return statement_run(program.types, site.function, site.call, site.behaviour)


def _built_place(statement: Statement, tree: Any) -> Location | None:
    """Return where the calls of a statement speak of the first column in a part of it."""
    from sqlglot import exp

    column = tree if isinstance(tree, exp.Column) else tree.find(exp.Column)
    spot = None if column is None else statement.spots.get(f"{column.table}.{column.name}")
    if spot is None:
        return None
    reads = [
        read
        for read in spot.function.facts.reads
        if read.sequence <= spot.at[0] and _is_read(spot.value, read.value)
    ]
    return spot.function.place(reads[-1]) if reads else None


def _is_read(value: t.Expr, longer: t.Expr) -> bool:
    """Return whether a chain of attributes and items begins with another."""
    while longer != value:
        if not isinstance(longer, t.Attr | t.Item):
            return False
        longer = longer.base
    return True


def clause_steps(program: "Program", site: Site, *names: str) -> tuple[TraceStep, ...]:
    """Return the step of a trace to what a SELECT fetches, where that stands on a line of its own.

    With names it leads to the first column that has one of them, else to the list of columns.
    """
    tree = parsed(site.sql or "", dialect_of(program, site))
    items = () if tree is None else tree.expressions
    item = next((each for each in items if each.alias_or_name in names), None)
    if item is None and items:
        item = items[0]
    place = site.location if item is None else place_in_sql(program, site, item)
    if (place.path, place.line) == (site.location.path, site.location.line):
        return ()
    return (TraceStep(place, "the statement says so here"),)


def _offsets(tree: Any) -> tuple[int, int] | None:
    """Return where a part of a statement begins and where its last character is."""
    found = [node.meta for node in tree.walk() if "start" in node.meta]
    if not found:
        return None
    return min(meta["start"] for meta in found), max(meta["end"] for meta in found)


def _place(program: "Program", site: Site, offset: int) -> Location | None:
    """Return where a character of the statement is written."""
    sql = site.sql or ""
    best: tuple[bool, int, int, Location] | None = None
    for file, item, is_near in _texts(program, site):
        for start, part in _parts(item.text):
            index = _covering(sql, part, offset)
            if index is None:
                continue
            place = _at_anchor(item, start + offset - index)
            if place is None:
                continue
            # What the statement is put together from counts before what reads alike, then the
            # longest part, and of several the one nearest before the call.
            rank = (is_near, len(part), -_distance(site, file, item))
            if best is None or rank > best[:3]:
                best = (*rank, Location(file.path, *place))
    if best is not None and best[1] == len(sql):
        return best[3]
    for path, text in program.types.sql_files.items():
        start = text.find(sql) if len(sql) > MIN_PART else -1
        if start >= 0:
            return _in_text(path, text, start + offset)
    return best[3] if best is not None else None


def _texts(program: "Program", site: Site) -> Iterator[tuple[FileNode, t.SqlText, bool]]:
    """Yield the texts of the files that the statement is put together from.

    With each whether it stands in the call, or right behind a line that the statement comes from.
    """
    own = site.function.file
    files = [own]
    lines: dict[tuple[FileNode, int], None] = {}
    given = None if site.call is None else argument(site.call, site.behaviour.sql)
    if site.call is not None and given is not None:
        at = (site.call.sequence, site.call.context)
        lines |= {(own, line): None for line in range(site.call.line, site.call.end_line + 1)}
        found = lines_of_text(program.types, site.function, given, at)
        files += [file for file, _ in found]
        lines |= {(file, line + below): None for file, line in found for below in range(NEAR)}
    for file in dict.fromkeys(files):
        for item in file.facts.sql[:MAX_TEXTS]:
            if item.anchors:
                yield file, item, (file, item.line) in lines


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text, and its parts between the holes, each with its offset."""
    yield 0, text
    position = 0
    for hole in _HOLE.finditer(text):
        yield position, text[position : hole.start()]
        position = hole.end()
    if position:
        yield position, text[position:]


def _covering(sql: str, part: str, offset: int) -> int | None:
    """Return where a part stands in the statement so that it covers the offset."""
    if len(part) < MIN_PART:
        return None
    index = sql.find(part, max(0, offset - len(part) + 1))
    return index if 0 <= index <= offset else None


def _at_anchor(item: t.SqlText, offset: int) -> tuple[int, int] | None:
    anchor = next((found for found in reversed(item.anchors) if found[0] <= offset), None)
    if anchor is None:
        return None
    start, line, column = anchor
    between = item.text[start:offset]
    below = between.count("\n")
    if below:
        return line + below, len(between) - between.rindex("\n")
    return line, column + len(between)


def _in_text(path: str, text: str, offset: int) -> Location:
    above = text.count("\n", 0, offset)
    return Location(path, above + 1, offset - text.rfind("\n", 0, offset))


def _distance(site: Site, file: FileNode, item: t.SqlText) -> int:
    if file is not site.function.file:
        return 1 << 30
    line = site.location.line
    own = item.function == site.function.index
    return abs(line - item.line) + (0 if own else 100_000) + (0 if item.line <= line else 1_000)
