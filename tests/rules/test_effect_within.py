"""The generic detector: an effect, within a context, unless in another."""

import pytest

from perfaudit.core.levels import Confidence, Effort, Severity
from perfaudit.core.rule import Case, Rule
from perfaudit.rules.harness import run_case

POOL = "import asyncpg\n\npool: asyncpg.Pool\n"
ENDPOINT = "from fastapi import FastAPI\nimport time\n\napp = FastAPI()\n"


def failure_of(code: str, **options: object) -> str:
    """Return how the code differs from its marks under a rule with these options."""
    rule = Rule(
        id="PA599",
        name="own-rule",
        category="database",
        summary="",
        message="{call} has {effect} in {function}, by {sink}.",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        effort=Effort.S,
        since="0.1",
        detector="effect_within",
        why="",
        fix="",
        options=options,
    )
    return run_case(rule, Case("case", {"app.py": code})).failure


@pytest.mark.parametrize(
    "body",
    [
        "    time.sleep(1)  # finding\n",
        "    wait()  # finding\n",
        "    await asyncio.to_thread(time.sleep, 1)\n",
        "    await later()\n",
        "    return wait\n",
        "    await asyncio.sleep(1)\n",
    ],
)
def test_blocking_in_async_functions(body: str) -> None:
    code = (
        "import asyncio\nimport time\n\ndef wait():\n    time.sleep(1)\n\n"
        f"async def later():\n    await asyncio.sleep(1)\n\nasync def f():\n{body}"
    )

    assert failure_of(code, effect=("blocking",), within="async_function", unless=()) == ""


@pytest.mark.parametrize(
    "body",
    [
        "    for key in keys:\n        await pool.fetch('SELECT 1')  # finding\n",
        "    for key in keys:\n        await one(key)  # finding\n",
        "    for row in await pool.fetch('SELECT 1'):\n        print(row)\n",
        "    return [await one(key) for key in keys]  # finding\n",
        "    await pool.execute('DELETE FROM t')\n",
        "    await one(keys)\n",
    ],
)
def test_queries_in_loops(body: str) -> None:
    code = (
        f"{POOL}\nasync def one(key):\n    return await pool.fetchrow('SELECT 1')\n\n"
        f"async def f(keys):\n{body}"
    )

    assert failure_of(code, effect=("db.query",), within="loop", unless=()) == ""


def test_sleeps_on_the_path_of_an_endpoint() -> None:
    code = (
        f"{ENDPOINT}\n@app.get('/')\ndef read():\n    return helper()\n\n"
        "def helper():\n    time.sleep(1)  # finding\n\n"
        "def elsewhere():\n    time.sleep(1)\n"
    )

    assert failure_of(code, effect=("sleep",), within="endpoint", unless=()) == ""


TRANSACTION = """\
import asyncpg
import httpx

async def f(connection: asyncpg.Connection, client: httpx.AsyncClient):
    await client.get("/before")  # outside
    async with connection.transaction():
        await client.get("/inside")  # inside
    for n in range(9):
        await client.get("/after")  # outside
"""


def test_requests_in_a_transaction() -> None:
    code = TRANSACTION.replace("# inside", "# finding")

    assert failure_of(code, effect=("http.request",), within="transaction", unless=()) == ""


def test_another_context_excuses() -> None:
    options = {"effect": ("http.request",), "within": "async_function"}

    outside = TRANSACTION.replace("# outside", "# finding")
    assert failure_of(outside, **options, unless=("transaction",)) == ""
    before = TRANSACTION.replace('before")  # outside', 'before")  # finding')
    assert failure_of(before, **options, unless=("transaction", "loop")) == ""


def test_the_message_says_what_costs() -> None:
    code = (
        f"{POOL}\nasync def one():\n    await pool.fetch('SELECT 1')\n\n"
        "async def f(n):\n    while n:\n        await one()\n"
    )

    assert failure_of(code, effect=("db.query",), within="loop", unless=()).endswith(
        ": one has db.query in f, by asyncpg.Pool.fetch."
    )
