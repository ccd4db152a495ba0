"""The schema that migrations leave behind, replayed in the order in which they run."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.libraries.migrations import Migrations
from perfaudit.program.migrations_classes import ClassPlayer
from perfaudit.program.migrations_functions import FunctionPlayer
from perfaudit.program.migrations_tables import Database
from perfaudit.program.nodes import ClassNode, FileNode
from perfaudit.program.tables import Derived, Table
from perfaudit.program.tables_vocabulary import Vocabulary, library_lineage, text

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

Node = TypeVar("Node", bound=Hashable)


@dataclass(slots=True)
class Replay:
    """What migrations leave: the tables in which they end, and whose statements were carried out.

    A table without columns was made elsewhere: only its indexes are known. ``derived`` are the
    views and tables made of queries. ``spent``: the lines of each file whose statements were
    carried out in their turn, or only take something back.
    """

    tables: list[Table] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    spent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def is_spent(self, path: str, line: int) -> bool:
        """Return whether a statement on a line is known from the replay."""
        return any(first <= line <= last for first, last in self.spent.get(path, ()))


def replay(
    types: "Types", words: Vocabulary, names: dict[ClassNode, str], settings: dict[str, str]
) -> Replay:
    """Return what the migrations of the program leave behind.

    What a migration does to a table or an index whose name is worked out is not known, and left
    out. ``names`` are the tables of classes; ``settings`` those that name a class.
    """
    found = Replay()
    for library in types.libraries.libraries:
        section = library.migrations
        if section is None:
            continue
        database = Database()
        if section.classes:
            declaration = library.schema
            if declaration is None:
                continue
            player = ClassPlayer(types, words, section, declaration, settings, database)
            for item in _ordered_classes(types, section):
                player.play(item.node, item.label)
            player.finish()
        else:
            functions = FunctionPlayer(types, words, names, section, database)
            for file in _ordered_files(types, section):
                functions.play(file)
                _spend(database, file, section)
        found.tables += [table.finished() for table in database.tables.values()]
        found.derived += database.derived.values()
        for path, lines in database.spent.items():
            found.spent.setdefault(path, []).extend(lines)
    return found


def _spend(database: Database, file: FileNode, section: Migrations) -> None:
    """Note the lines of the function that takes a migration back."""
    for function in file.functions:
        if function.kind == "function" and function.name == section.backwards:
            database.spend(file.path, function.facts.line, function.facts.end_line)


def _ordered_files(types: "Types", section: Migrations) -> list[FileNode]:
    """Return the migrations of a library, each after those that it follows."""
    files: dict[str, FileNode] = {}
    for file in types.modules.files:
        if section.revision in file.body.binds and section.follows in file.body.binds:
            name = text(file.body.binds[section.revision][-1].value)
            if name:
                files.setdefault(name, file)

    def before(name: str) -> list[str]:
        value = files[name].body.binds[section.follows][-1].value
        items = value.items if isinstance(value, t.Seq) else (value,)
        return [found for found in map(text, items) if found in files]

    return [files[name] for name in _in_order(files, before)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A class that lists operations. ``label``: the application that it changes."""

    node: ClassNode
    label: str
    name: str

    @property
    def folder(self) -> str:
        """Return the folder of its application."""
        return self.node.file.path.rpartition("/")[0].rpartition("/")[0]


def _ordered_classes(types: "Types", section: Migrations) -> list[Listed]:
    """Return the migrations of a library, each after those that it follows.

    Those that another one stands for are left out.
    """
    bases = set(section.classes)
    found = [
        Listed(node, _label(file.path), file.path.rpartition("/")[2].removesuffix(".py"))
        for file in types.modules.files
        if file.role not in (Role.TEST, Role.EXAMPLE)
        for node in file.classes
        if section.listed in node.body.binds
        and any(path in bases for path in library_lineage(types, node))
    ]
    by_name: dict[tuple[str, str], list[Listed]] = {}
    for item in found:
        by_name.setdefault((item.label, item.name), []).append(item)
    replaced: dict[Listed, Listed] = {}
    for item in found:
        for pair in _pairs(item.node, section.replaces):
            for other in _nearest(item, by_name.get(pair, ())):
                replaced[other] = item
    follows: dict[Listed, list[Listed]] = {item: [] for item in found}

    def standing(item: Listed) -> Listed:
        for _ in range(len(replaced)):
            if item not in replaced:
                break
            item = replaced[item]
        return item

    for item in found:
        for pair in _pairs(item.node, section.follows):
            for other in _nearest(item, by_name.get(pair, ()) or _first(found, pair)):
                follows[standing(item)].append(standing(other))
        for pair in _pairs(item.node, section.precedes):
            for other in _nearest(item, by_name.get(pair, ())):
                follows[standing(other)].append(standing(item))
    kept = [item for item in found if item not in replaced]
    return _in_order(kept, lambda item: [other for other in follows[item] if other is not item])


def _label(path: str) -> str:
    """Return the application of a migration: the folder that its own folder lies in."""
    folders = path.split("/")[:-2]
    return folders[-1].lower() if folders else "app"


def _pairs(node: ClassNode, attribute: str) -> Iterator[tuple[str, str]]:
    binds = node.body.binds.get(attribute)
    value = binds[-1].value if binds else None
    for item in value.items if isinstance(value, t.Seq) else ():
        if isinstance(item, t.Seq) and len(item.items) == 2:
            app, name = text(item.items[0]), text(item.items[1])
            if app and name:
                yield app.lower(), name


def _first(found: list[Listed], pair: tuple[str, str]) -> list[Listed]:
    """Return the migrations of an application, where its first or last one is meant."""
    if not pair[1].startswith("__"):
        return []
    own = sorted((item for item in found if item.label == pair[0]), key=lambda item: item.name)
    return own[:1] if pair[1] == "__first__" else own[-1:]


def _nearest(item: Listed, others: Iterable[Listed]) -> list[Listed]:
    """Return the one whose folder is the nearest, where several projects lie side by side."""
    return sorted(others, key=lambda other: -_shared(item.folder, other.folder))[:1]


def _shared(first: str, second: str) -> int:
    count = 0
    for one, other in zip(first.split("/"), second.split("/"), strict=False):
        if one != other:
            break
        count += 1
    return count


def _in_order(nodes: Iterable[Node], before: Callable[[Node], list[Node]]) -> list[Node]:
    """Return the nodes, each after those before it; of a ring, the first stays first."""
    ordered: dict[Node, None] = {}
    waiting = list(reversed(list(nodes)))
    entered: set[Node] = set()
    while waiting:
        node = waiting[-1]
        if node not in entered:
            entered.add(node)
            waiting.extend(item for item in before(node) if item not in entered)
            continue
        ordered.setdefault(waiting.pop(), None)
    return list(ordered)
