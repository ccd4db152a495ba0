"""YAML as plain nodes with their lines, within bounds that no file can pass."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from perfaudit.core.problem import Problem

MAX_DEPTH = 60
MAX_NODES = 100_000
MAX_MERGES = 20
MERGE_KEY = "<<"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True, eq=False)
class Node:
    """A scalar (``text``), a sequence (``items``) or a mapping (``entries``).

    An alias is the very node that it names, so a node can be met again, and even hold itself:
    walk down a known number of steps only.
    """

    line: int
    text: str | None = None
    items: list["Node"] = field(default_factory=list)
    entries: dict[str, "Node"] = field(default_factory=dict)

    def entry(self, *keys: str) -> "Node":
        """Return the node under the keys, or an empty one."""
        node = self
        for key in keys:
            node = _merged(node).get(key) or Node(node.line)
        return node

    def pairs(self) -> dict[str, "Node"]:
        """Return the entries of a mapping with those that ``<<`` brings in."""
        return _merged(self)

    def scalar(self) -> str:
        """Return the text of a scalar; null and what is no scalar are empty."""
        return "" if self.text in (None, "null", "~", "Null", "NULL") else str(self.text)

    def scalars(self) -> tuple[str, ...]:
        """Return the texts of a sequence's scalars, or the one text of a scalar."""
        if self.text is not None:
            return (self.text,) if self.scalar() else ()
        return tuple(item.text for item in self.items if item.text is not None)


def parse_yaml(path: str, text: str) -> tuple[Node, ...] | Problem:
    """Return the root node of each document in the text, or the problem."""
    try:
        return _compose(text)
    except _TooMuch as error:
        return Problem(path, error.line, "too-deep", "The YAML has too many or too deep nodes.")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(path, line, "syntax", f"The YAML is not valid: {error.problem}.")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Problem(path, 1, "syntax", f"The YAML is not valid: {str(error).splitlines()[0]}.")


class _TooMuch(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _compose(text: str) -> tuple[Node, ...]:
    """Return the documents, from the parser's events: those need no stack and expand no alias."""
    documents: list[Node] = []
    open_nodes: list[Node] = []
    keys: list[str | None] = []
    anchors: dict[str, Node] = {}
    for count, event in enumerate(yaml.parse(text, Loader=LOADER)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if len(open_nodes) > MAX_DEPTH or count > MAX_NODES:
            raise _TooMuch(line)
        if isinstance(event, yaml.DocumentStartEvent):
            anchors = {}
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            open_nodes.pop()
            keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            node = _node(event, line, anchors)
            _attach(node, documents, open_nodes, keys)
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(node)
                keys.append("" if isinstance(event, yaml.SequenceStartEvent) else None)
    return tuple(documents)


def _node(event: yaml.NodeEvent, line: int, anchors: dict[str, Node]) -> Node:
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(event.anchor or "") or Node(line)
    node = Node(line, event.value if isinstance(event, yaml.ScalarEvent) else None)
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _attach(
    node: Node, documents: list[Node], open_nodes: list[Node], keys: list[str | None]
) -> None:
    """Put a node into the innermost open one. The key that waits for its value is None in a
    mapping that waits for a key, and empty in a sequence."""
    if not open_nodes:
        documents.append(node)
    elif keys[-1] == "":
        open_nodes[-1].items.append(node)
    elif keys[-1] is None:
        keys[-1] = node.text or "?"
    else:
        _set(open_nodes[-1], keys[-1], node)
        keys[-1] = None


def _set(mapping: Node, key: str, node: Node) -> None:
    if key != MERGE_KEY or key not in mapping.entries:
        mapping.entries[key] = node
    else:
        mapping.entries[key] = Node(node.line, items=[mapping.entries[key], node])


def _merged(node: Node) -> dict[str, Node]:
    if MERGE_KEY not in node.entries:
        return node.entries
    entries: dict[str, Node] = {}
    pending = [node]
    for _ in range(MAX_MERGES):
        if not pending:
            break
        current = pending.pop(0)
        for key, value in current.entries.items():
            entries.setdefault(key, value)
        merge = current.entries.get(MERGE_KEY)
        if merge is not None:
            pending += merge.items or [merge]
    return {key: value for key, value in entries.items() if key != MERGE_KEY}
