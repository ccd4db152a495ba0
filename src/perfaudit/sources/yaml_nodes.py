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

    ``line`` is that of the key where the node is the value of one. An alias is the very node that
    it names, so a node can be met again, and even hold itself: walk down a known number of steps.
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
    except _NoAnchor as error:
        return Problem(path, error.line, "syntax", "The YAML has an alias that names nothing.")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(path, line, "syntax", f"The YAML is not valid: {error.problem}.")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Problem(path, 1, "syntax", f"The YAML is not valid: {str(error).splitlines()[0]}.")


class _Refused(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _TooMuch(_Refused):
    """The YAML has more or deeper nodes than are read."""


class _NoAnchor(_Refused):
    """An alias has no anchor."""


@dataclass(slots=True)
class _Open:
    """A collection whose end is still to come; in a mapping, with the key that lacks a value."""

    node: Node
    is_sequence: bool
    key: Node | None = None


def _compose(text: str) -> tuple[Node, ...]:
    """Return the documents, from the parser's events: those need no stack and expand no alias."""
    documents: list[Node] = []
    stack: list[_Open] = []
    anchors: dict[str, Node] = {}
    for count, event in enumerate(yaml.parse(text, Loader=LOADER)):
        if len(stack) > MAX_DEPTH or count > MAX_NODES:
            raise _TooMuch(_line(event))
        if isinstance(event, yaml.DocumentStartEvent):
            anchors = {}
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            node = _node(event, anchors)
            if not stack:
                documents.append(node)
            else:
                _attach(stack[-1], node, is_new=not isinstance(event, yaml.AliasEvent))
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(_Open(node, isinstance(event, yaml.SequenceStartEvent)))
    return tuple(documents)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _node(event: yaml.NodeEvent, anchors: dict[str, Node]) -> Node:
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise _NoAnchor(_line(event))
        return anchors[event.anchor]
    node = Node(_line(event), event.value if isinstance(event, yaml.ScalarEvent) else None)
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _attach(parent: _Open, node: Node, *, is_new: bool) -> None:
    if parent.is_sequence:
        parent.node.items.append(node)
    elif parent.key is None:
        parent.key = node
    else:
        if is_new:
            node.line = parent.key.line
        _set(parent.node, parent.key.text or "", node)
        parent.key = None


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
