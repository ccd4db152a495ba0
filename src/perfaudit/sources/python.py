"""Parse one Python file."""

import ast
import codecs
import io
import re
import sys
import tokenize
import warnings

from perfaudit.core.problem import Problem
from perfaudit.sources.newer_syntax import parse_newer
from perfaudit.sources.suppressions import MARK, find_suppressions
from perfaudit.sources.type_parameters import with_type_variables
from perfaudit.sources.types import PythonSource

# Decoding these takes time that grows with the square of the text.
REFUSED_ENCODINGS = frozenset({"idna", "punycode"})
TEMPLATE_STRING = re.compile(r"""\b(?:[rR]?[tT]|[tT][rR])["']""")
DEPTH_MESSAGES = ("too many nested", "too many levels of indentation", "too many statically nested")


def parse_python(path: str, data: bytes) -> PythonSource | Problem:
    """Return the parsed file, or the problem that stands in the way.

    Syntax that is newer than this interpreter is read too: see ``newer_syntax``.
    """
    text = _decode(path, data)
    if isinstance(text, Problem):
        return text
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Problem(path, line, "syntax", "The file holds a NUL byte.")
    parsed = _parse(path, text)
    if isinstance(parsed, Problem):
        return parsed
    tree, plain_text = parsed
    suppressions = find_suppressions(plain_text) if MARK in data else ()
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    return PythonSource(path, text, tree, lines, suppressions)


def _decode(path: str, data: bytes) -> str | Problem:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if codecs.lookup(encoding).name in REFUSED_ENCODINGS:
            return Problem(path, 1, "undecodable", f"{encoding} is no encoding for source files.")
        text = data.decode(encoding)
        text.encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"The file is not {error.encoding} text."
        return Problem(path, line, "undecodable", message)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        return Problem(path, line, "undecodable", "The file holds half of a surrogate pair.")
    except (SyntaxError, LookupError, ValueError, AssertionError) as error:
        return Problem(path, _undecodable_line(data), "undecodable", _sentence(error))
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _undecodable_line(data: bytes) -> int:
    """Return the line that the default encoding stops at, or else the one with the cookie."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    first = data.split(b"\n", 1)[0]
    return 1 if b"coding" in first else 2


def _parse(path: str, text: str) -> tuple[ast.Module, str] | Problem:
    """Return the tree, and the text that it was parsed from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree, read = _template_free(ast.parse(text), text)
            return with_type_variables(tree, text), read
        except (RecursionError, MemoryError):
            return _too_deep(path, 1)
        except ValueError as error:
            return Problem(path, 1, "syntax", _sentence(error))
        except SyntaxError as error:
            line = error.lineno or 1
            if (error.msg or "").startswith(DEPTH_MESSAGES):
                return _too_deep(path, line)
            newer = parse_newer(text, error)
            if isinstance(newer, SyntaxError):
                return Problem(path, newer.lineno or line, "syntax", _sentence(newer))
            return with_type_variables(newer[0], text), newer[1]


def _template_free(tree: ast.Module, text: str) -> tuple[ast.Module, str]:
    """Return the tree in which t-strings are f-strings, as they are where they are newer syntax."""
    if sys.version_info >= (3, 14) and TEMPLATE_STRING.search(text):
        newer = parse_newer(text, SyntaxError())
        if not isinstance(newer, SyntaxError):
            return newer
    return tree, text


def _too_deep(path: str, line: int) -> Problem:
    message = "The code is nested too deeply to be parsed."
    return Problem(path, line, "too-deep", message)


def _sentence(error: Exception) -> str:
    text = (error.msg if isinstance(error, SyntaxError) else str(error)) or "invalid source"
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
