"""Text from audited code, made harmless for the place where it is shown.

Paths, names, messages and source lines may hold anything: terminal sequences, markup, characters
that turn the direction of writing or take no room. All of them are shown, and none of them acts.
"""

import re
from urllib.parse import quote

from perfaudit.core.visible import visible

MARKDOWN = re.compile(r"([\\`*\[\]#|~$]|(?<![^\W_])_|_(?![^\W_]))")
BLOCK_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=](?:\s|[-+=]|$)))")
TAB = "    "
HASHES_OF_COMMAND = re.compile("#(?=#[A-Za-z]*\\[)")


def visible_lines(text: str) -> str:
    """Return the text with its line ends kept, tabs as spaces, and the rest as in ``visible``."""
    return "\n".join(visible_source(line) for line in re.split("\r\n|\r|\n", text))


def visible_source(line: str) -> str:
    """Return one source line as it is shown: tabs as four spaces, the rest as in ``visible``."""
    return TAB.join(visible(part) for part in line.split("\t"))


def one_line(text: str) -> str:
    """Return the text with its white space folded, and the rest as in ``visible``."""
    return visible(" ".join(text.split()))


def markdown(text: str) -> str:
    """Return the text as Markdown that renders as just this text, on one line."""
    escaped = MARKDOWN.sub(r"\\\1", one_line(text))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Bare addresses become links in most renderers; without the colon or the dot they do not.
    escaped = escaped.replace("://", "&#58;//").replace("@", "&#64;")
    escaped = re.sub(r"\bwww\.", "www&#46;", escaped, flags=re.IGNORECASE)
    # At the start, a number or a dash would be a list, and a row of dashes a heading.
    return BLOCK_START.sub(r"\1\\", escaped)


def markdown_code(text: str) -> str:
    """Return the text as an inline code span, on one line."""
    shown = one_line(text) or " "
    ticks = "`" * (_longest_run(shown) + 1)
    space = " " if "`" in shown else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def cell(rendered: str) -> str:
    """Return rendered Markdown for a table's cell, where a bar would end the cell even in code."""
    return re.sub(r"(?<!\\)\|", r"\\|", rendered)


def markdown_block(text: str, language: str = "") -> str:
    """Return the text as a fenced block that nothing in it can close."""
    shown = visible_lines(text).rstrip("\n")
    ticks = "`" * max(3, _longest_run(shown) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def sarif_text(text: str) -> str:
    """Return the text for a SARIF plain-text message, where ``[text](id)`` would be a link."""
    return re.sub(r"([\\\[\]])", r"\\\1", visible_lines(text))


def json_text(text: str) -> str:
    """Return JSON, of the same meaning, that no runner of workflows takes for a command."""
    return HASHES_OF_COMMAND.sub(r"\\u0023", text)


def uri(path: str) -> str:
    """Return a relative path as a URI reference."""
    return quote(path.encode("utf-8", "surrogateescape" if _from_bytes(path) else "surrogatepass"))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _from_bytes(path: str) -> bool:
    """Return whether each half of a pair in the path stands for a byte of a file name."""
    return all("\udc80" <= half <= "\udcff" for half in re.findall("[\ud800-\udfff]", path))
