"""Timers of page scripts that ask a server again and again, found in their text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE = 2_000
MAX_CALLS = 3
SCRIPT = re.compile(
    r"<script\b(?P<attributes>[^>]*)>(?P<body>.*?)</script", re.DOTALL | re.IGNORECASE
)
OTHER_TYPE = re.compile(
    r"""\btype\s*=\s*["']?(?!text/javascript|module|application/javascript)\w""", re.IGNORECASE
)
TEMPLATE_COMMENT = re.compile(
    r"<!--.*?-->|\{#.*?#\}|\{%-?\s*comment\b.*?endcomment\s*-?%\}", re.DOTALL
)
TEMPLATE_TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)""",
    re.DOTALL,
)
INTERVAL = re.compile(r"(?<![\w$])setInterval\s*\(")
TIMEOUT = re.compile(r"(?<![\w$])setTimeout\s*\(")
STOPS = re.compile(r"(?<![\w$])clear(?:Interval|Timeout)\s*\(")
REQUEST = re.compile(
    r"(?<![\w$.])fetch\s*\(|(?<![\w$.])axios(?:\.(?:get|request))?\s*\("
    r"|(?<![\w$])(?:\$|jQuery)\.(?:get|ajax|getJSON)\s*\(|\)\.load\s*\("
    r"|(?<![\w$])new\s+XMLHttpRequest\b|(?<![\w$])htmx\.ajax\s*\(|location\.reload\s*\("
)
SENDS = re.compile(
    r"""["']?\b(?:method|type)["']?\s*:\s*["'](?:post|put|patch|delete)""", re.IGNORECASE
)
DEFINITION = re.compile(
    r"(?:\bfunction\s*\*?\s+(?P<declared>[\w$]+)\s*\()"
    r"|(?:(?<![\w$.])(?:(?:const|let|var)\s+|(?:this|self|window)\.)?(?P<assigned>[\w$]+)"
    r"\s*[:=]\s*(?:async\s+)?(?:function\b[^(]*\(|(?:\([^()]*\)|[\w$]+)\s*=>))"
    r"|(?:^[ \t]*(?:async\s+)?"
    r"(?P<method>(?!if\b|for\b|while\b|switch\b|catch\b|function\b)[\w$]+)\s*\((?=[^()]*\)\s*\{))",
    re.MULTILINE,
)
NUMBER = re.compile(r"(?:const|let|var)\s+([\w$]+)\s*=\s*([\d_][\d_ \t*+.]*?)\s*(?:;|\n|$)")
CALLED = re.compile(r"(?<![\w$])([\w$]+)\s*\(")
LAST_NAME = re.compile(r"([\w$]+)(?:\.bind\s*\(.*|\s*\(\s*\))?\s*$", re.DOTALL)
CONDITION = re.compile(
    r"(?:^|[\s;}])(?:if|else|catch|case|while|for)\b[^;{}]*$|\?\s*$|&&\s*$|\.catch\s*\([^;]*$"
)
GUARD = re.compile(r"(?<![\w$])return\b")
EVERY = re.compile(
    r"""\bhx-trigger\s*=\s*(?P<quote>["'])(?:(?!(?P=quote)).)*?"""
    r"""\bevery\s+(?P<count>\d+(?:\.\d+)?)(?P<unit>ms|s|m)\b""",
    re.DOTALL,
)
HX_ADDRESS = re.compile(r"""\bhx-get\s*=\s*["']([^"']*)["']""")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
BRANCH = re.compile(r"\{%[-+]?\s*(?P<tag>if|elif|else|endif|for|endfor)\b.*?%\}", re.DOTALL)
ELEMENT = re.compile(r"<(?P<name>\w+)(?P<attributes>[^<>]*)>")
IDENTITY = re.compile(r"""\bid\s*=\s*["']([^"']*)["']""")
FIRST_TEXT = re.compile(r"""\s*["'`]([^"'`]*)["'`]""")


_Bodies = dict[str, tuple[int, int]]
"""Where the body of each function of a script begins and ends, by its name."""


class Timer(NamedTuple):
    """One timer that asks a server: where it is set, how often it runs and what it asks.

    ``address`` is empty where it is not known. ``ends``: the page that answers may come without it.
    """

    line: int
    column: int
    call: str
    seconds: float | None
    address: str
    ends: bool


class _Branch(NamedTuple):
    """The ranges of the branches of one ``if`` of a template, and which of them is meant."""

    begin: int
    ranges: tuple[tuple[int, int], ...]
    chosen: int


class _Script(NamedTuple):
    """A script twice, of equal length: without comments, and without comments and texts."""

    plain: str
    code: str


def timers(text: str, *, is_template: bool) -> Iterator[Timer]:
    """Yield the timers of a page or a script, in order; minified files give none."""
    if not re.search(r"setInterval|setTimeout|hx-trigger", text):
        return
    if any(len(line) > MAX_LINE for line in text.split("\n")):
        return
    found: list[tuple[int, str, float | None, str]] = []
    if is_template:
        text = TEMPLATE_COMMENT.sub(_blank, text)
        found += _attributes(text)
    script = _script(_scripts_only(text) if is_template else text)
    if INTERVAL.search(script.code) or TIMEOUT.search(script.code):
        bodies = _bodies(script)
        found += _intervals(script, bodies)
        found += _repeated_timeouts(script, bodies)
    for start, call, seconds, address in sorted(found):
        line = text.count("\n", 0, start) + 1
        column = start - text.rfind("\n", 0, start)
        known = "" if "{{" in address or "{%" in address else address.strip()
        ends = is_template and call == "hx-trigger" and _ends(text, start)
        yield Timer(line, column, call, seconds, known, ends)


def _attributes(text: str) -> Iterator[tuple[int, str, float | None, str]]:
    for found in EVERY.finditer(text):
        begin = text.rfind("<", 0, found.start())
        end = text.find(">", found.end())
        address = HX_ADDRESS.search(text, max(begin, 0), end if end > 0 else len(text))
        seconds = float(found["count"]) * UNITS[found["unit"]]
        yield found.start(), "hx-trigger", seconds, address[1] if address else ""


def _ends(text: str, start: int) -> bool:
    """Return whether a template also writes the element of a trigger without it."""
    branch = _branch(text, start)
    opened = text.rfind("<", 0, start)
    if branch is None or opened < 0:
        return False
    if opened < branch.begin:
        return True
    asking = ELEMENT.match(text, opened)
    if asking is None:
        return False
    others = [part for index, part in enumerate(branch.ranges) if index != branch.chosen]
    return any(_is_twin(asking, ELEMENT.search(text, *part)) for part in others)


def _is_twin(asking: re.Match[str], other: re.Match[str] | None) -> bool:
    """Return whether another branch begins with the same element, which does not ask."""
    if other is None or other["name"] != asking["name"] or EVERY.search(other["attributes"]):
        return False
    first, second = (IDENTITY.search(found["attributes"]) for found in (asking, other))
    return (first and first[1]) == (second and second[1])


def _branch(text: str, place: int) -> _Branch | None:
    """Return the innermost ``if`` of a template around a place."""
    around: list[tuple[str, list[int]]] = []
    found: _Branch | None = None
    for tag in BRANCH.finditer(text):
        kind = tag["tag"]
        if kind in ("if", "for"):
            around.append((kind, [tag.start(), tag.end()]))
        elif not around:
            return found
        elif kind in ("elif", "else"):
            around[-1][1].extend((tag.start(), tag.end()))
        else:
            opened, marks = around.pop()
            if opened == "if" and found is None and marks[0] < place < tag.start():
                found = _branch_of([*marks, tag.start()], place)
    return found


def _branch_of(marks: list[int], place: int) -> _Branch | None:
    """Return the branches between the tags of one ``if``: its begin, then pairs of edges."""
    ranges = tuple(zip(marks[1::2], marks[2::2], strict=True))
    chosen = next((n for n, (low, high) in enumerate(ranges) if low <= place < high), None)
    return None if chosen is None else _Branch(marks[0], ranges, chosen)


def _intervals(script: _Script, bodies: _Bodies) -> Iterator[tuple[int, str, float | None, str]]:
    for found in INTERVAL.finditer(script.code):
        arguments = _arguments(script.code, found.end() - 1)
        if not arguments:
            continue
        ranges = _reached(script, bodies, _callback(script, bodies, arguments[0]))
        address = _address(script, ranges)
        if address is None or any(STOPS.search(script.code, *part) for part in ranges):
            continue
        seconds = _seconds(script, arguments[1]) if len(arguments) > 1 else None
        yield found.start(), "setInterval", seconds, address


def _repeated_timeouts(
    script: _Script, bodies: _Bodies
) -> Iterator[tuple[int, str, float | None, str]]:
    """Yield the timeouts with which a function calls itself again, whatever the answer was."""
    for found in TIMEOUT.finditer(script.code):
        arguments = _arguments(script.code, found.end() - 1)
        if not arguments:
            continue
        given = script.code[slice(*arguments[0])]
        around = [
            (name, part)
            for name, part in bodies.items()
            if part[0] <= found.start() < part[1]
            and re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", given)
        ]
        if not around:
            continue
        part = min((item for _, item in around), key=lambda item: item[1] - item[0])
        if _is_conditional(script.code, part[0], found.start()):
            continue
        ranges = _reached(script, bodies, [part])
        address = _address(script, ranges)
        if address is None or any(STOPS.search(script.code, *item) for item in ranges):
            continue
        seconds = _seconds(script, arguments[1]) if len(arguments) > 1 else None
        yield found.start(), "setTimeout", seconds, address


def _scripts_only(text: str) -> str:
    """Return the page with everything but its scripts blanked."""
    kept = list(_blank_text(text))
    for found in SCRIPT.finditer(text):
        if OTHER_TYPE.search(found["attributes"]):
            continue
        begin, end = found.span("body")
        kept[begin:end] = TEMPLATE_TAG.sub(_blank, text[begin:end])
    return "".join(kept)


def _script(text: str) -> _Script:
    def without_comment(found: re.Match[str]) -> str:
        return _blank(found) if found["comment"] else found.group()

    return _Script(TOKEN.sub(without_comment, text), TOKEN.sub(_blank, text))


def _blank(found: re.Match[str]) -> str:
    return _blank_text(found.group())


def _blank_text(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _closing(code: str, opening: int) -> int:
    """Return where the bracket at ``opening`` is closed, or the end of the text."""
    depth = 0
    for place in range(opening, len(code)):
        if code[place] in "([{":
            depth += 1
        elif code[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place
    return len(code)


def _arguments(code: str, opening: int) -> list[tuple[int, int]]:
    """Return the ranges of the arguments of the call whose bracket is at ``opening``."""
    end = _closing(code, opening)
    found = []
    depth, begin = 0, opening + 1
    for place in range(opening + 1, end):
        if code[place] in "([{":
            depth += 1
        elif code[place] in ")]}":
            depth -= 1
        elif code[place] == "," and depth == 0:
            found.append((begin, place))
            begin = place + 1
    if begin < end:
        found.append((begin, end))
    return found


def _bodies(script: _Script) -> _Bodies:
    """Return the ranges of the functions with a name; the last one of a name wins."""
    code = script.code
    found = {}
    for item in DEFINITION.finditer(code):
        name = item["declared"] or item["assigned"] or item["method"]
        place = item.end()
        if code[place - 1] == "(":
            place = _closing(code, place - 1) + 1
        while place < len(code) and code[place].isspace():
            place += 1
        if code[place : place + 1] == "{":
            found[name] = (place, _closing(code, place))
        elif item["assigned"] and code[item.end() - 2 : item.end()] == "=>":
            end = re.compile(r"[;\n]").search(code, place)
            found[name] = (place, end.start() if end else len(code))
    return found


def _callback(script: _Script, bodies: _Bodies, given: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the code that a callback runs: itself, or the body of the function it names."""
    code = script.code[slice(*given)]
    if "=>" in code or re.match(r"\s*(?:async\s+)?function\b", code):
        return [given]
    quoted = FIRST_TEXT.match(script.plain[slice(*given)])
    if quoted:
        return [bodies[name] for name in CALLED.findall(quoted[1]) if name in bodies]
    name = LAST_NAME.search(re.sub(r"\.bind\s*\(.*", "", code, flags=re.DOTALL).strip())
    return [bodies[name[1]]] if name and name[1] in bodies else []


def _reached(
    script: _Script, bodies: _Bodies, ranges: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the ranges and those of the functions that they call, some calls deep."""
    reached = list(ranges)
    waiting = list(ranges)
    for _ in range(MAX_CALLS):
        called = {name for part in waiting for name in CALLED.findall(script.code, *part)}
        known = [bodies[name] for name in sorted(called) if name in bodies]
        waiting = [part for part in known if part not in reached]
        reached += waiting
    return reached


def _address(script: _Script, ranges: list[tuple[int, int]]) -> str | None:
    """Return what the code asks a server for, empty where not known; None if it asks nothing."""
    for part in ranges:
        for found in REQUEST.finditer(script.code, *part):
            if not found.group().endswith("("):
                return ""
            opening = found.end() - 1
            given = script.plain[opening + 1 : _closing(script.code, opening)]
            if SENDS.search(given):
                continue
            quoted = FIRST_TEXT.match(given)
            return quoted[1] if quoted else ""
    return None


def _seconds(script: _Script, given: tuple[int, int]) -> float | None:
    text = script.code[slice(*given)].strip()
    for _ in range(2):
        number = _product(text)
        if number is not None:
            return number / 1000
        known = dict(NUMBER.findall(script.code))
        text = known.get(text.rpartition(".")[2], "")
    return None


def _product(text: str) -> float | None:
    try:
        result = 1.0
        for factor in text.replace("_", "").split("*"):
            result *= float(factor)
    except ValueError:
        return None
    return result


def _is_conditional(code: str, begin: int, place: int) -> bool:
    """Return whether something decides if the code at a place of a function runs at all."""
    if GUARD.search(code, begin, place):
        return True
    depth = 0
    for position in range(place - 1, begin, -1):
        if code[position] == "}":
            depth += 1
        elif code[position] == "{":
            if depth == 0 and CONDITION.search(code[begin:position].rstrip()):
                return True
            depth = max(depth - 1, 0)
    statement = re.split(r"[;{}]", code[begin:place])[-1]
    return CONDITION.search(statement) is not None
