"""Facts that are decoded only when somebody asks for them."""

import ast
from functools import cached_property

import msgspec

from perfaudit.facts.extract import extract_facts
from perfaudit.facts.types import FileFacts

_decoder = msgspec.msgpack.Decoder(FileFacts)


class LaterFacts:
    """The facts of a file of which hardly anything is asked, encoded until something is.

    ``is_damaged``: they were asked for, and could not be decoded.
    """

    def __init__(self, path: str, lines: int, encoded: bytes) -> None:
        self.path = path
        self.lines = lines
        self.is_damaged = False
        self._encoded = encoded

    def may_say(self, name: str) -> bool:
        """Return whether the name stands anywhere in the facts: for sure not, where it does not."""
        return name.encode() in self._encoded

    @cached_property
    def facts(self) -> FileFacts:
        """Return the facts themselves; those of an empty file where they are damaged."""
        try:
            return _decoder.decode(self._encoded)
        except (msgspec.MsgspecError, RecursionError):
            self.is_damaged = True
            return extract_facts(self.path, "", ast.parse(""))
