"""Equal parts of facts become one object, and nothing else changes."""

from pathlib import Path

import msgspec

import perfaudit
from perfaudit.extraction import extract
from perfaudit.facts.sharing import Known, share_parts
from perfaudit.facts.types import Attr, Bind, FileFacts, Name

FILES = sorted((Path(perfaudit.__file__).parent / "program").glob("*.py"))[:12]


def facts_of(text: bytes) -> FileFacts:
    facts = extract("some.py", text).facts
    assert facts is not None
    return msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=FileFacts)


def test_sharing_changes_no_value() -> None:
    known: Known = {}
    for file in FILES:
        facts, other = facts_of(file.read_bytes()), facts_of(file.read_bytes())
        share_parts(facts, known)

        assert facts == other
        assert msgspec.msgpack.encode(facts) == msgspec.msgpack.encode(other)


def bases(text: str, known: Known) -> list[object]:
    facts = facts_of(text.encode())
    share_parts(facts, known)
    callees = [call.callee for function in facts.functions for call in function.calls]
    return [callee.base for callee in callees if isinstance(callee, Attr)]


def test_equal_names_of_two_files_are_one_object() -> None:
    known: Known = {}
    first = bases("def a(store):\n    store.one()\n    store.two()\n", known)
    second = bases("def b(store):\n    store.three()\n", known)

    assert [*first, *second] == [Name("store")] * 3
    assert first[0] is first[1] is second[0]


def test_what_names_are_bound_to_stays_apart() -> None:
    facts = facts_of(b"def a(x):\n    one = x\n    two = x\n")
    share_parts(facts, {})
    one, two = (bind for bind in facts.functions[-1].binds if isinstance(bind, Bind))

    assert one.value == two.value
    assert one.value is not two.value
