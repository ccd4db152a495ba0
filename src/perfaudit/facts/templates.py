"""Read a template: a function of its text that never raises."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from msgspec import Struct

from perfaudit.facts.template_expressions import Token, only_path, paths_of, split, tokens_of
from perfaudit.facts.template_types import (
    NOTHING,
    Block,
    Changed,
    Import,
    Include,
    Let,
    Loop,
    Macro,
    Node,
    Once,
    Path,
    Read,
    Regroup,
    Scope,
    Tag,
    Template,
)

PIECE = re.compile(
    r"\{#.*?#\}|\{%[-+]?\s*(?P<word>\w+)(?P<rest>.*?)[-+]?%\}|\{\{[-+]?(?P<shown>.*?)[-+]?\}\}",
    re.DOTALL,
)
RAW = {"comment": "endcomment", "verbatim": "endverbatim", "raw": "endraw"}
"""Tags whose content is no template, and what ends them."""
BRANCHES = frozenset({"else", "elif", "elseif", "empty", "pluralize", "plural"})
ENDS = re.compile(r"end\w+")
KEPT = frozenset({"cache"})
"""Tags whose content is kept, so that it runs seldom."""
ONE_TURN = re.compile(
    r"(?<!not )\b(?:for)?loop\.(?:first|last)\b|\b(?:for)?loop\.(?:counter|index)0?\s*==|"
    r"\bifchanged\b"
)
QUIET = frozenset({"load", "csrf_token", "extends", "break", "continue", "debug", "lorem", "now"})
"""Tags that ask for no value."""
MAX_DEPTH = 60
MAX_PIECES = 20_000


class _Piece(Struct, frozen=True, gc=False):
    """A tag or an output: ``word`` is empty for an output."""

    word: str
    text: str
    line: int
    column: int


def read_template(text: str) -> Template:
    """Return what a template says."""
    if "{%" not in text and "{{" not in text:
        return NOTHING
    pieces = _pieces(text)
    reader = _Reader(pieces)
    nodes: list[Node] = []
    while reader.index < len(pieces):
        nodes.extend(reader.body(0))
        reader.index += 1
    return Template(tuple(nodes), reader.extends, reader.blocks, reader.macros)


def _pieces(text: str) -> list[_Piece]:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found: list[_Piece] = []
    index = 0
    while len(found) < MAX_PIECES and (match := PIECE.search(text, index)):
        index = match.end()
        word = match["word"] or ""
        if word in RAW:
            end = re.compile(r"\{%[-+]?\s*" + RAW[word] + r"\b.*?%\}").search(text, index)
            index = end.end() if end else len(text)
            continue
        content = match["rest"] if word else match["shown"]
        if content is None:
            continue
        start = match.start("rest" if word else "shown")
        line = bisect_right(starts, start)
        # A tag over several lines has its place where it begins.
        found.append(_Piece(word, content, line, start - starts[line - 1] + 1))
    return found


class _Reader:
    """One walk over the pieces of a template, which gathers its blocks and macros."""

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        self.pieces = pieces
        self.index = 0
        self.extends = ""
        self.watched = ""
        self.blocks: dict[str, Block] = {}
        self.macros: dict[str, Macro] = {}
        self.paired = {
            piece.word.removeprefix("end") for piece in pieces if ENDS.fullmatch(piece.word)
        }

    def body(self, depth: int) -> list[Node]:
        """Return the nodes up to the next end or branch, which is not taken."""
        nodes: list[Node] = []
        while self.index < len(self.pieces):
            piece = self.pieces[self.index]
            if ENDS.fullmatch(piece.word) or piece.word in BRANCHES:
                return nodes
            self.index += 1
            if not piece.word:
                nodes.extend(_reads(piece, shown=True))
            elif piece.word not in QUIET:
                nodes.extend(self.tag(piece, depth))
            elif piece.word == "extends":
                self.extends = self.extends or _first_text(tokens_of(piece.text))
        return nodes

    def parts(self, word: str, depth: int) -> list[tuple[_Piece | None, list[Node]]]:
        """Return the parts of a tag up to its end, each with the branch that begins it."""
        if depth > MAX_DEPTH:
            return []
        found: list[tuple[_Piece | None, list[Node]]] = [(None, self.body(depth + 1))]
        while self.index < len(self.pieces):
            piece = self.pieces[self.index]
            if piece.word in BRANCHES:
                self.index += 1
                found.append((piece, self.body(depth + 1)))
                continue
            # Another tag's end closes this one too: it was left open.
            if piece.word == f"end{word}" or depth == 0:
                self.index += 1
            break
        return found

    def tag(self, piece: _Piece, depth: int) -> list[Node]:
        reader = READERS.get(piece.word)
        if reader is not None:
            return reader(self, piece, depth)
        if piece.word in self.paired:
            inside = [node for _, nodes in self.parts(piece.word, depth) for node in nodes]
            if piece.word in KEPT:
                return [Once(tuple(inside))]
            return [*_tag(piece), *inside]
        return _tag(piece)


def _reads(piece: _Piece, *, shown: bool = False) -> list[Node]:
    tokens = tokens_of(piece.text)
    whole = only_path(tokens, piece.line, piece.column) if shown else None
    found = paths_of(tokens, piece.line, piece.column)
    return [*(Read(path, shown and path == whole) for path in found.paths), *found.calls]


def _loop(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    middle = next((i for i, token in enumerate(tokens) if token.text == "in"), len(tokens))
    targets = tuple(token.text for token in tokens[:middle] if token.kind == "name")
    rest = [token for token in tokens[middle + 1 :] if token.text not in ("reversed", "recursive")]
    test = next((i for i, token in enumerate(rest) if token.text == "if"), len(rest))
    iterable = only_path(rest[:test], piece.line, piece.column)
    header = paths_of(rest[:test], piece.line, piece.column)
    tested = paths_of(rest[test:], piece.line, piece.column)
    before: list[Node] = [Read(path, shown=False) for path in header.paths if path != iterable]
    inside: list[Node] = [Read(path, shown=False) for path in tested.paths]
    parts = reader.parts("for", depth)
    inside += parts[0][1] if parts else []
    loop = Loop(targets, iterable, tuple(inside), piece.line)
    return [*before, loop, *(node for _, nodes in parts[1:] for node in nodes)]


def _if(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    nodes = _tests(piece)
    test = piece.text
    for branch, inside in reader.parts(piece.word, depth):
        if branch is not None:
            nodes += _tests(branch)
            test = branch.text
        is_once = ONE_TURN.search(test) or _is_of_one_group(test, reader.watched)
        nodes += [Once(tuple(inside))] if is_once else inside
    return nodes


def _is_of_one_group(test: str, watched: str) -> bool:
    """Return whether a test is for one value of what changes, so that one turn passes it."""
    return (
        bool(watched)
        and re.fullmatch(re.escape(watched) + r"\s*==\s*(?:'[^']*'|\"[^\"]*\"|\d+)", test.strip())
        is not None
    )


def _tests(piece: _Piece) -> list[Node]:
    """Return what a test reads; what filters are given they may read more of."""
    is_plain = "|" not in piece.text
    return [
        Read(node.path, shown=False, tested=is_plain) if isinstance(node, Read) else node
        for node in _reads(piece)
    ]


def _ifchanged(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    nodes = _reads(piece)
    outer, reader.watched = reader.watched, piece.text.strip()
    for branch, inside in reader.parts(piece.word, depth):
        # Without a value it looks at what is shown, which is worked out in each turn.
        is_seldom = branch is None and reader.watched
        nodes += [Changed(tuple(inside))] if is_seldom else inside
    reader.watched = outer
    return nodes


def _with(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    names = _named(tokens, piece)
    spoken = next((i for i, token in enumerate(tokens) if token.text == "as"), 0)
    if spoken and spoken + 1 < len(tokens):
        value = only_path(tokens[:spoken], piece.line, piece.column)
        names = [Let(tokens[spoken + 1].text, value)]
        tokens = tokens[:spoken]
    inside = [node for _, nodes in reader.parts("with", depth) for node in nodes]
    return [*_asked(tokens, piece), Scope(tuple(names), tuple(inside))]


def _asked(tokens: Sequence[Token], piece: _Piece) -> list[Node]:
    """Return the reads of more than plain names, where giving a name costs nothing."""
    found = paths_of(tokens, piece.line, piece.column)
    return [Read(path, shown=False) for path in found.paths if path.steps]


def _named(tokens: Sequence[Token], piece: _Piece) -> list[Let]:
    """Return the ``name=value`` of a tag: values end where the next name begins."""
    begins = [
        i
        for i, token in enumerate(tokens[:-1])
        if token.kind == "name" and tokens[i + 1].text == "=" and tokens[i + 2 : i + 3]
    ]
    found = []
    for number, begin in enumerate(begins):
        end = begins[number + 1] if number + 1 < len(begins) else len(tokens)
        part = [token for token in tokens[begin + 2 : end] if token.text not in ("only", ",")]
        found.append(Let(tokens[begin].text, only_path(part, piece.line, piece.column)))
    return found


def _set(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    sides = split(tokens, "=")
    names = [token.text for token in sides[0] if token.kind == "name"]
    if len(sides) < 2:
        inside = [node for _, nodes in reader.parts("set", depth) for node in nodes]
        return [*inside, *(Let(name, None) for name in names[:1])]
    value = only_path(sides[1], piece.line, piece.column) if len(names) == 1 else None
    return [*_asked(sides[1], piece), *(Let(name, value) for name in names)]


def _include(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    only = any(token.text == "only" for token in tokens) or "without context" in piece.text
    names = _named(tokens, piece)
    template = _first_text(tokens[:1]) if tokens and tokens[0].kind == "text" else ""
    return [Include(template, tuple(names), only, piece.line)]


def _block(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    name = tokens[0].text if tokens else ""
    inside = tuple(node for _, nodes in reader.parts("block", depth) for node in nodes)
    shows_parent = any(
        isinstance(node, Read)
        and (node.path.root, node.path.steps[:1]) == ("block", ("super",))
        or isinstance(node, Read)
        and node.path.root == "super"
        for node in inside
    )
    block = Block(name, inside, shows_parent)
    reader.blocks[name] = block
    return [block]


def _macro(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    params = tuple(
        part[0].text for part in split(tokens[2:-1], ",") if part and part[0].kind == "name"
    )
    inside = tuple(node for _, nodes in reader.parts("macro", depth) for node in nodes)
    if tokens:
        reader.macros[tokens[0].text] = Macro(tokens[0].text, params, inside)
    return []


def _call(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    inside = [node for _, nodes in reader.parts("call", depth) for node in nodes]
    return [*_reads(piece), *inside]


def _import(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    tokens = tokens_of(piece.text)
    template = _first_text(tokens[:1])
    names = [token.text for token in tokens[1:] if token.kind == "name"]
    if piece.word == "import":
        return [Import(template, "", names[1])] if names[:1] == ["as"] and names[1:] else []
    if names[:1] != ["import"]:
        return []
    found: list[Node] = []
    for part in split([token for token in tokens[2:] if token.text not in ("with",)], ","):
        words = [token.text for token in part if token.kind == "name"]
        if words:
            found.append(Import(template, words[0], words[2] if len(words) > 2 else words[0]))
    return found


def _regroup(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    """Read ``regroup orders by customer.name as groups``."""
    tokens = tokens_of(piece.text)
    words = [token.text for token in tokens]
    if "by" not in words or "as" not in words[words.index("by") :]:
        return []
    by, spoken = words.index("by"), len(words) - 1 - words[::-1].index("as")
    items = only_path(tokens[:by], piece.line, piece.column)
    by_path = paths_of(tokens[by + 1 : spoken], piece.line, piece.column).paths
    if items is None or not by_path or spoken + 1 >= len(words):
        return []
    return [Regroup(words[spoken + 1], items, (by_path[0].root, *by_path[0].steps))]


def _filter(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    return [node for _, nodes in reader.parts(piece.word, depth) for node in nodes]


def _plain(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    return _reads(piece)


def _translate(reader: _Reader, piece: _Piece, depth: int) -> list[Node]:
    """Read ``blocktrans``: names are given with ``with`` and ``count``."""
    tokens = tokens_of(piece.text)
    inside = [node for _, nodes in reader.parts(piece.word, depth) for node in nodes]
    return [*_asked(tokens, piece), Scope(tuple(_named(tokens, piece)), tuple(inside))]


def _tag(piece: _Piece) -> list[Node]:
    """Return a tag with the values that it is given, and the name that it gives."""
    tokens = tokens_of(piece.text)
    line, column = piece.line, piece.column
    named = next((i for i, token in enumerate(tokens) if token.text == "as"), len(tokens))
    given = tokens[:named]
    found = paths_of(given, line, column)
    keywords = _named(given, piece)
    first = next((i for i, token in enumerate(given[:-1]) if given[i + 1].text == "="), len(given))
    nodes: list[Node] = [Read(path, shown=False) for path in found.paths]
    positions = tuple(_positions(given[:first], line, column))
    nodes.append(Tag(piece.word, positions, tuple(keywords), line, column))
    if named + 1 < len(tokens):
        nodes.append(Let(tokens[named + 1].text, None))
    return nodes


def _positions(tokens: Sequence[Token], line: int, column: int) -> list[Path | None]:
    """Return the arguments of a tag, which are parted by spaces."""
    found: list[Path | None] = []
    begin = 0
    for index in range(1, len(tokens) + 1):
        if index < len(tokens):
            last, token = tokens[index - 1], tokens[index]
            if token.start == last.start + len(last.text):
                continue
        found.append(only_path(tokens[begin:index], line, column))
        begin = index
    return found


def _first_text(tokens: Sequence[Token]) -> str:
    """Return the first written-out text, without its quotes."""
    return next((token.text[1:-1] for token in tokens if token.kind == "text"), "")


READERS: dict[str, Callable[[_Reader, _Piece, int], list[Node]]] = {
    "for": _loop,
    "if": _if,
    "ifequal": _if,
    "ifnotequal": _if,
    "ifchanged": _ifchanged,
    "with": _with,
    "set": _set,
    "include": _include,
    "block": _block,
    "macro": _macro,
    "call": _call,
    "import": _import,
    "from": _import,
    "regroup": _regroup,
    "filter": _filter,
    "autoescape": _filter,
    "spaceless": _filter,
    "do": _plain,
    "blocktrans": _translate,
    "blocktranslate": _translate,
    "trans": _plain,
    "translate": _plain,
}
