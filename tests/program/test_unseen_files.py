"""Files of tests are linked only as far as other code imports them."""

import ast

from perfaudit.core.levels import Role
from perfaudit.data import rules_root
from perfaudit.extraction import extract
from perfaudit.facts.later import LaterFacts, glance_at
from perfaudit.facts.types import FileFacts
from perfaudit.libraries import load_libraries
from perfaudit.program.program import Program, link

LIBRARIES = load_libraries([rules_root() / "libraries"])
APP = """
from tests.shared import waits

class Store:
    def rows(self):
        return self.made()

def page():
    waits()
"""
SHARED = """
import time

def waits():
    time.sleep(1)
"""
SUBCLASS = """
from app import Store

class Fake(Store):
    def made(self):
        return [1]
"""
REVISION = "down_revision = None\n"


def facts_of(path: str, text: str) -> FileFacts:
    facts = extract(path, text.encode()).facts
    assert facts is not None
    return facts


def later(path: str, text: str | None) -> LaterFacts:
    """Return facts that are left for later; without a text they cannot be had then."""
    glance = glance_at(ast.parse(text or ""), 1)
    return LaterFacts(path, glance, lambda: None if text is None else facts_of(path, text))


def linked(*tests: LaterFacts) -> Program:
    facts = [facts_of("app.py", APP), *tests]
    roles = {test.path: Role.TEST for test in tests}
    return link(facts, roles, LIBRARIES)


def test_what_nobody_imports_is_never_asked() -> None:
    test = later("tests/test_app.py", SHARED)
    program = linked(test)

    assert not test.is_asked
    assert [file.path for file in program.files] == ["app.py"]
    assert program.roles["tests/test_app.py"] is Role.TEST


def test_what_code_imports_is_linked() -> None:
    program = linked(later("tests/shared.py", SHARED))

    (page,) = (function for function in program.functions if function.name == "page")
    assert [edge.callee.name for edge in program.edges_from(page)] == ["waits"]


def test_what_is_imported_and_gone_says_nothing() -> None:
    shared = later("tests/shared.py", None)
    program = linked(shared)

    assert shared.is_damaged
    (page,) = (function for function in program.functions if function.name == "page")
    assert program.edges_from(page) == ()


def test_a_class_below_another_one_in_a_test_says_nothing_of_that() -> None:
    program = linked(later("tests/shared.py", SUBCLASS))

    (store,) = program.files[0].classes
    assert program.types.classes.subclasses(store) == []


def test_a_revision_is_a_migration_wherever_it_is() -> None:
    program = linked(later("tests/revision.py", REVISION))

    assert program.roles["tests/revision.py"] is Role.MIGRATION
    assert [file.path for file in program.files] == ["app.py", "tests/revision.py"]
