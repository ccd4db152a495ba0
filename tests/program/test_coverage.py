"""How many calls are understood, and what there is of each kind."""

import pytest

from perfaudit.audit import program_of
from perfaudit.program.coverage import (
    MEANINGS,
    OTHER_REASON,
    REASONS,
    coverage_of,
    reason_word,
)
from perfaudit.program.inventory import inventory_of, is_select


def test_known_callees_are_resolved() -> None:
    text = """
import json
import unheard_of
class Agent:
    pass
def helper():
    return 1
def f():
    helper()
    Agent()
    json.dumps({})
    len([])
    unheard_of.thing()
"""
    covered = coverage_of(program_of({"app.py": text}))
    assert (covered.calls, covered.resolved, covered.unresolved) == (5, 5, {})


def test_reasons_are_counted_most_frequent_first() -> None:
    text = """
def f(a, b, **more):
    a.run()
    b.run()
    more["x"].go()
    undefined_name()
"""
    covered = coverage_of(program_of({"app.py": text}))
    assert (covered.calls, covered.resolved) == (4, 0)
    assert covered.unresolved == {"untyped parameter": 3, "missing definition": 1}
    assert list(covered.unresolved) == ["untyped parameter", "missing definition"]


def test_tests_and_migrations_do_not_count() -> None:
    text = "def f(a):\n    a.run()\n"
    covered = coverage_of(
        program_of({"tests/test_app.py": text, "app/migrations/0001_initial.py": text})
    )
    assert covered.calls == 0


def test_program_without_calls() -> None:
    covered = coverage_of(program_of({"app.py": "x = 1\n"}))
    assert (covered.calls, covered.resolved, covered.unresolved) == (0, 0, {})


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("untyped parameter", "untyped parameter"),
        ("annotated Any", "unspecific annotation"),
        ("library does not say", "third party unknown"),
        ("no annotation", "untyped result"),
        ("not inferred", "untyped container"),
        ("dynamic attribute", "attribute not found"),
        ("getattr", "dynamic attribute"),
        ("awaited, but not awaitable", "type contradicted"),
        ("value of a column", "table column or relation"),
        ("exception", "caught exception"),
        ("chain too long", "chain cut short"),
        ("Yield", OTHER_REASON),
    ],
)
def test_reasons_become_documented_words(reason: str, word: str) -> None:
    assert reason_word(reason) == word


def test_each_word_says_what_it_means() -> None:
    assert MEANINGS.keys() == {*REASONS, OTHER_REASON}


REASONED = {
    "untyped result": "def g(a):\n    return a.b\ndef f(x):\n    g(x).run()\n",
    "untyped parameter": "def f(a):\n    a.run()\n",
    "unspecific annotation": (
        "from typing import Any\ndef g() -> Any: ...\ndef f():\n    g().run()\n"
    ),
    "dynamic attribute": "class A:\n    pass\ndef f(n):\n    getattr(A(), n).run()\n",
    "attribute not found": "class A:\n    pass\ndef f():\n    A().run()\n",
    "type contradicted": "def f():\n    1 .run()\n",
    "untyped container": "def f():\n    for a in []:\n        a.run()\n",
    "caught exception": (
        "def f():\n    try:\n        pass\n    except Exception as error:\n        error.x.run()\n"
    ),
    "missing definition": "from .gone import a\ndef f():\n    a.run()\n",
}


@pytest.mark.parametrize("word", REASONED)
def test_the_reason_is_that_of_the_code(word: str) -> None:
    covered = coverage_of(program_of({"app/__init__.py": "", "app/main.py": REASONED[word]}))
    assert list(covered.unresolved) == [word]


def test_resolved_calls_are_counted_by_what_they_run() -> None:
    text = """
from collections.abc import Callable
import json
import unheard_of
class Agent:
    pass
def helper(ask: Callable[[], int]):
    ask()
def f():
    helper(len)
    Agent()
    json.dumps({})
    len([])
    "a".upper()
    unheard_of.thing()
"""
    covered = coverage_of(program_of({"app.py": text}))
    assert covered.kinds == {
        "project": 2,
        "library": 1,
        "builtin": 2,
        "third party": 1,
        "callable": 1,
    }
    assert sum(covered.kinds.values()) == covered.resolved == covered.calls


def test_what_to_describe_next_is_named() -> None:
    text = """
import asyncpg
import unheard_of.deep
def f(a):
    unheard_of.deep.Thing().go().on()
    asyncpg.undescribed_thing()
    a.first.run()
    a.run()
    a()
"""
    covered = coverage_of(program_of({"app.py": text}))
    assert covered.undescribed == {"unheard_of": 3, "asyncpg.undescribed_thing": 1}
    assert covered.unresolved_names == {".run()": 2, "a()": 1}


def test_no_more_than_ten_are_named() -> None:
    text = "def f(a):\n" + "".join(f"    a.run{number:02}()\n" for number in range(12))
    assert len(coverage_of(program_of({"app.py": text})).unresolved_names) == 10


def test_no_reason_has_two_words() -> None:
    reasons = [reason for found in REASONS.values() for reason in found]
    assert len(reasons) == len(set(reasons))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", True),
        ("  -- all\n select a FROM b", True),
        ("(SELECT a) UNION (SELECT b)", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", False),
        ("INSERT INTO b SELECT * FROM a", False),
        ("SHOW server_version", False),
        ("selected", False),
    ],
)
def test_select_statements(text: str, expected: bool) -> None:
    assert is_select(text) is expected


def test_inventory_of_an_application() -> None:
    files = {
        "app.py": """
import asyncio
from functools import lru_cache

import asyncpg
import redis.asyncio
from fastapi import FastAPI

app = FastAPI()
store = redis.asyncio.Redis()

@lru_cache
def settings():
    return {}

@app.get("/agents")
async def listed(db: asyncpg.Connection):
    await store.get("agents")
    return await asyncio.gather(db.fetch("SELECT a FROM b"), db.execute("DELETE FROM b"))

async def start():
    return await asyncpg.create_pool("postgres://db")
""",
        "schema.sql": (
            "CREATE TABLE agents (id int PRIMARY KEY, name text);\n"
            "CREATE INDEX i ON agents (name);\n"
        ),
        "tests/test_app.py": 'async def test():\n    x = "SELECT a FROM b"\n',
    }
    found = inventory_of(program_of(files))
    assert (found.async_functions, found.gather_sites, found.select_statements) == (2, 1, 1)
    assert (found.tables, found.indexes) == (1, 2)
    # The Redis client has a pool of its own.
    assert (found.cache_sites, found.pools, found.endpoints) == (2, 2, 1)
