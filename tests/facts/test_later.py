"""Facts that are decoded later are the same facts, and what they do not say is known before."""

import msgspec

from perfaudit.extraction import extract, reading_of
from perfaudit.facts.later import LaterFacts

TEXT = b"def asked(store):\n    return store.rows()\n"


def test_they_are_the_facts_that_were_encoded() -> None:
    facts = extract("tests/test_store.py", TEXT).facts
    assert facts is not None
    later = LaterFacts(facts.path, facts.lines, msgspec.msgpack.encode(facts))

    assert later.may_say("rows")
    assert not later.may_say("columns")
    assert later.facts == facts
    assert later.facts is later.facts


def test_damaged_facts_are_none() -> None:
    damaged = LaterFacts("tests/test_store.py", 2, b"\xc1")
    assert not damaged.is_damaged
    assert len(damaged.facts.functions) == 1
    assert damaged.is_damaged
    assert reading_of(b"digest", b"\xc1") is None
