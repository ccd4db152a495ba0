"""The schema that files in SQL leave behind, where they take away and rename what they made.

The statements of one file run in their order. Files of one folder whose names begin with numbers
run one after the other; of all others nothing is known, so none takes anything from another.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from perfaudit.core.location import Location
from perfaudit.program.migrations_tables import Database
from perfaudit.program.sql_changes import changes_of
from perfaudit.program.tables import SqlTables
from perfaudit.program.tables_made import add_made_table

Document = tuple[str, str]
"""The path and the text of a file."""
_NUMBER = re.compile(r"[Vv]?(\d+(?:[._-]\d+)*)")
_COUNTED = re.compile(r"\d{3}")
"""In the number of a folder: others are those of versions and services."""
_BACKWARDS = re.compile(
    r"(?:^U\d)|(?:^|[._-])(?:down|rollback|undo|revert|teardown)\.sql$", re.IGNORECASE
)
"""Names of files that take back what another one does."""
_TOOL = r"(?:\+\w+[ \t]+|migrate:|(?://)?@)"
"""What tools write before the word that begins a part of a file."""


def _begins(word: str) -> str:
    """Return the pattern of the comment that begins a part: a mark of a tool, or the word alone."""
    alone = rf"{word}(?:[ \t]+migration)?[ \t\r:=-]*"
    return rf"^[ \t]*--[ \t=-]*(?:{_TOOL}{word}\b[^\n]*|{alone})$"


_DOWN = re.compile(
    rf"{_begins('(?:down|undo|rollback)')}\n.*?(?={_begins('up')}|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
"""The part of a file that takes back what the rest does."""
_CHANGES = re.compile(r"\b(?:drop|rename)\b", re.IGNORECASE)
_AROUND = re.compile(r"\s*(?:set|begin|commit|start|drop|use|pragma)\b", re.IGNORECASE)
"""What stands around statements that drop tables, and makes none."""
MAX_STATEMENTS = 3_000


def forwards(documents: Iterable[Document]) -> list[Document]:
    """Return files without those, and without their parts, that take something back."""
    return [
        (path, _DOWN.sub(lambda part: "\n" * part.group().count("\n"), text))
        for path, text in documents
        if not _BACKWARDS.search(path.rpartition("/")[2])
    ]


def replay_documents(documents: Sequence[Document]) -> tuple[SqlTables, list[Document]]:
    """Return what files leave behind that take something away, and the others."""
    found = SqlTables()
    unparsed = 0
    others: list[Document] = []
    for group in _groups(documents):
        texts = [text for _, text in group]
        if not any(map(_CHANGES.search, texts)) or _count(texts) > MAX_STATEMENTS:
            others += group
            continue
        database = Database()
        for path, text in group:
            if (path, text) == group[-1] and _takes_all(database, text):
                break
            database.run_sql(Location(path, 1), text)
        unparsed += database.unparsed
        for table in database.tables.values():
            if table.is_made:
                add_made_table(found, table.finished())
                continue
            found.indexes.setdefault(table.name, []).extend(table.finished().indexes)
            found.added.setdefault(table.name, {}).update(table.columns)
        for name, derived in database.derived.items():
            found.derived.setdefault(name, derived)
    return replace(found, unparsed=unparsed), others


def _takes_all(database: Database, text: str) -> bool:
    """Return whether a file takes away every table and does nothing else: it clears a database."""
    made = {name for name, table in database.tables.items() if table.is_made}
    changes = list(changes_of(Location("", 1), text))
    only_drops = all(
        change.does in ("drop_table", "drop_index") or _AROUND.match(change.text)
        for change in changes
    )
    gone = {name for change in changes if change.does == "drop_table" for name in change.names}
    return only_drops and bool(made) and made <= gone


def _groups(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Yield the files that run one after the other, in order; any other file alone."""
    numbered: list[tuple[str, tuple[int, ...], Document]] = []
    for document in documents:
        place = _place(document[0])
        if place is None:
            yield [document]
        else:
            numbered.append((*place, document))
    for _, items in groupby(sorted(numbered), key=lambda item: item[0]):
        yield [document for _, _, document in items]


def _place(path: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the folder and the number of a file; its own folder may have the number instead."""
    folder, _, name = path.rpartition("/")
    number = _NUMBER.match(name)
    if number is None:
        folder, _, name = folder.rpartition("/")
        number = _NUMBER.match(name)
        if number is None or not _COUNTED.search(number.group(1)):
            return None
    return folder, tuple(int(part) for part in re.split(r"[._-]", number.group(1)))


def _count(texts: Iterable[str]) -> int:
    return sum(text.count(";") + 1 for text in texts)
