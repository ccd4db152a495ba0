"""Read the files that are not Python."""

import codecs
from collections.abc import Callable
from pathlib import Path

from perfaudit.core.problem import Problem
from perfaudit.sources.deployment import (
    Declared,
    read_compose,
    read_dockerfile,
    read_helm,
    read_manifests,
    read_procfile,
)
from perfaudit.sources.reading import read_bytes
from perfaudit.sources.types import Document, SourceFile

MAX_BYTES = 2_000_000
READERS: dict[str, Callable[[str, str], Declared | Problem]] = {
    "compose": read_compose,
    "dockerfile": read_dockerfile,
    "helm": read_helm,
    "kubernetes": read_manifests,
    "procfile": read_procfile,
}
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_document(root: Path, file: SourceFile) -> Document | Problem:
    """Return the text of a file, with what a deployment file declares, or the problem.

    Lines end in a line feed, whatever the file has.
    """
    data = read_bytes(root, file.path, MAX_BYTES)
    if isinstance(data, Problem):
        return data
    text = _decode(file.path, data)
    if isinstance(text, Problem):
        return text
    return parse_document(file.path, file.kind, text)


def parse_document(path: str, kind: str, text: str) -> Document | Problem:
    """Return a text of a kind of file, with what a deployment file declares, or the problem."""
    reader = READERS.get(kind)
    declared = reader(path, text) if reader else ((), ())
    if isinstance(declared, Problem):
        return declared
    services, commands = declared
    return Document(path, kind, text, services, commands)


def _decode(path: str, data: bytes) -> str | Problem:
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(path, line, "undecodable", f"The file is not {encoding} text.")
    return text.replace("\r\n", "\n").replace("\r", "\n")
