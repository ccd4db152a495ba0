"""Facts that are decoded only when somebody asks for them."""

from functools import cached_property

import msgspec

from perfaudit.facts.types import FileFacts

_decoder = msgspec.msgpack.Decoder(FileFacts)


class LaterFacts:
    """The facts of a file of which hardly anything is asked, encoded until something is."""

    def __init__(self, path: str, lines: int, encoded: bytes) -> None:
        self.path = path
        self.lines = lines
        self._encoded = encoded

    def may_say(self, name: str) -> bool:
        """Return whether the name stands anywhere in the facts: for sure not, where it does not."""
        return name.encode() in self._encoded

    @cached_property
    def facts(self) -> FileFacts:
        """Return the facts themselves."""
        return _decoder.decode(self._encoded)
