"""Bytes to parsed text, or a problem. Nothing here raises on what a user's project holds."""

from perfaudit.sources.discovery import discover
from perfaudit.sources.documents import parse_document, read_document
from perfaudit.sources.kinds import kind_of
from perfaudit.sources.masking import mask_secrets
from perfaudit.sources.python import parse_python
from perfaudit.sources.reading import read_bytes
from perfaudit.sources.roles import role_of
from perfaudit.sources.suppressions import find_template_suppressions
from perfaudit.sources.types import (
    Discovery,
    Document,
    PythonSource,
    ServerCommand,
    Service,
    SourceFile,
    Suppression,
)

__all__ = [
    "Discovery",
    "Document",
    "PythonSource",
    "ServerCommand",
    "Service",
    "SourceFile",
    "Suppression",
    "discover",
    "find_template_suppressions",
    "kind_of",
    "mask_secrets",
    "parse_document",
    "parse_python",
    "read_bytes",
    "read_document",
    "role_of",
]
