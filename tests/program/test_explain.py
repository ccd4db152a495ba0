"""What ``perfaudit show`` prints."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.errors import UsageError
from perfaudit.program.explain import TOPICS, describe
from perfaudit.program.program import Program

FILES = {
    "app/__init__.py": "",
    "app/agents.py": """
import asyncio
import asyncpg

class Named:
    name: str

class Agent(Named):
    def __init__(self, tasks: list[int]):
        self.tasks = tasks

    async def load(self, db: asyncpg.Connection) -> "Agent":
        await db.fetchrow("SELECT *\\n  FROM agents")
        return self

def work(thing):
    return thing.run()
""",
    "app/api.py": """
import asyncio
import asyncpg
from fastapi import FastAPI
from app.agents import Agent, work

app = FastAPI()

@app.get("/agents")
async def listed(db: asyncpg.Connection, raw):
    agents = [Agent([1])]
    for agent in agents:
        await agent.load(db)
    await asyncio.to_thread(work, raw)
    return agents
""",
    "other/__init__.py": "",
    "other/jobs.py": "def work():\n    return 2\n",
    "schema.sql": (
        "CREATE TABLE agents (id int PRIMARY KEY, team_id int NOT NULL REFERENCES teams (id));\n"
        "CREATE TABLE teams (id int PRIMARY KEY, name text UNIQUE);\n"
        "CREATE INDEX agents_team ON agents (team_id);\n"
    ),
}


@pytest.fixture(scope="module")
def program() -> Program:
    return program_of(FILES)


def test_callgraph_shows_callers_and_callees_with_places(program: Program) -> None:
    page = describe(program, "callgraph", "listed")
    assert "async function app.api.listed  app/api.py:10:1" in page
    assert "called by (0)" in page
    assert "app/api.py:13:15  app.agents.Agent.load" in page
    assert "app.agents.work in a thread by callback" in page
    assert "app.api.listed" in describe(program, "callgraph", "Agent.load")


def test_callgraph_says_what_is_not_resolved(program: Program) -> None:
    page = describe(program, "callgraph", "app.agents.work")
    assert "not resolved (1)" in page
    assert "thing.run()  untyped parameter\n" in page


def test_types_of_a_function(program: Program) -> None:
    page = describe(program, "types", "listed")
    assert "  db: asyncpg.Connection" in page
    assert "  raw: Unknown: untyped parameter\n    app/api.py:10  no call in the" in page
    assert "app/api.py:11:5  agents: list[Agent]" in page
    assert "agent.load() -> Awaitable[Agent]" in page
    assert "runs function app.agents.Agent.load" in page


def test_types_of_a_class(program: Program) -> None:
    page = describe(program, "types", "Agent")
    assert "order: app.agents.Agent, app.agents.Named" in page
    assert "  tasks: list[int]\n    app/agents.py:10  assigned tasks\n" in page
    assert "  load() -> Awaitable[Agent]" in page


def test_effects_show_the_chain(program: Program) -> None:
    page = describe(program, "effects", "listed")
    assert "reached from: GET /agents" in page
    assert "database round trips: N(agents)" in page
    assert "listed calls Agent.load" in page
    assert "asyncpg.Connection.fetchrow (db.query)" in page


def test_queries_reachable_from_a_function_show_the_statement_on_one_line(program: Program) -> None:
    page = describe(program, "queries", "listed")
    assert "app/agents.py:13:15  db.query  app.agents.Agent.load" in page
    assert "    SELECT * FROM agents" in page
    assert "No query was found." in describe(program, "queries", "other.jobs.work")


def test_schema_lists_all_tables_without_a_name(program: Program) -> None:
    page = describe(program, "schema", "")
    assert "table agents  schema.sql:1" in page
    assert "column team_id: integer, indexed, references teams.id" in page
    assert "index on team_id" in page
    assert "table teams" in page
    assert "table teams" not in describe(program, "schema", "agents")


@pytest.mark.parametrize("topic", ["callgraph", "types", "effects", "queries"])
def test_ambiguous_names_list_the_choices(program: Program, topic: str) -> None:
    page = describe(program, topic, "work")
    assert page.startswith('"work" is the name of 2; say which:')
    assert "app.agents.work" in page
    assert "other.jobs.work" in page


@pytest.mark.parametrize("topic", ["callgraph", "types", "effects", "queries"])
def test_unknown_names_say_so_with_near_ones(program: Program, topic: str) -> None:
    with pytest.raises(UsageError, match="there is no function.*Near: app.api.listed"):
        describe(program, topic, "lsted")


def test_part_of_a_name_is_no_name(program: Program) -> None:
    with pytest.raises(UsageError, match='there is no function or module "isted"'):
        describe(program, "callgraph", "isted")


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_a_page_without_a_name(program: Program, topic: str) -> None:
    assert describe(program, topic, "")


@pytest.mark.parametrize("topic", TOPICS)
def test_control_characters_do_not_act(program: Program, topic: str) -> None:
    evil = "class Evil:\n    text = f()['\\x1b[31m\u202ename']\n"
    page = describe(program_of({"app/evil.py": evil, "\u202e\x1b.py": evil}), topic, "")
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_empty_program_has_pages() -> None:
    empty = program_of({})
    assert describe(empty, "schema", "") == "No table was found."
    assert describe(empty, "queries", "") == "No query was found."


WHY = {
    "shop/__init__.py": "",
    "shop/store.py": """
import asyncpg
from shop.settings import Settings as Chosen

class Store:
    limit: int = 5

    def __init__(self, pool: asyncpg.Pool, chosen=None):
        self.pool = pool
        self.chosen = chosen or Chosen()
        self.rows = []

    @property
    def size(self):
        return self.limit

    async def find(self, key):
        async with self.pool.acquire() as conn:
            row = await conn.fetchrow("SELECT 1", key)
        return row

async def made() -> Store:
    return Store(await asyncpg.create_pool("x"))
""",
    "shop/settings.py": "class Settings:\n    name = 'shop'\n",
    "shop/use.py": """
import json
import unheard_of
from shop.store import made

store = None

async def use(raw, key: int = 3, *more):
    store = await made()
    got = store.size
    answer = unheard_of.ask(raw)
    answer.go()
    raw.run()
    for item in json.loads("[]"):
        item.run()
    helper(store)
    helper(key)

def helper(thing):
    thing.find(1)
""",
}


@pytest.fixture(scope="module")
def shop() -> Program:
    return program_of(WHY)


def believed(page: str, line: str) -> list[str]:
    """Return the places below the first line of a page that begins with some text."""
    lines = page.splitlines()
    start = next(number for number, found in enumerate(lines) if found.startswith(line))
    margin = len(lines[start]) - len(lines[start].lstrip()) + 2
    found = []
    for text in lines[start + 1 :]:
        if not text.startswith(" " * margin):
            break
        found.append(text.strip())
    return found


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        (
            "Store",
            "  pool: asyncpg.Pool",
            ["shop/store.py:9  assigned pool", "shop/store.py:8  annotated asyncpg.Pool"],
        ),
        (
            "Store",
            "  chosen: Settings",
            [
                "shop/store.py:10  assigned chosen",
                "shop/store.py:10  constructed: shop.settings.Settings",
                "shop/settings.py:1  defined as class shop.settings.Settings",
            ],
        ),
        ("Store", "  limit: int", ["shop/store.py:6  annotated int"]),
        ("Store", "  rows: list", ["shop/store.py:11  assigned []"]),
        ("Store", "  size() -> int", ["shop/store.py:15  returns self.limit"]),
        (
            "made",
            "returns Awaitable[Store]",
            ["shop/store.py:22  annotated -> Store", "shop/store.py:5  defined as class"],
        ),
        (
            "Store.find",
            "  shop/store.py:18:43  conn: asyncpg.Connection",
            [
                "shop/store.py:18  what is entered with self.pool.acquire()",
                "shop/store.py:18  returned by asyncpg.Pool.acquire",
                "asyncpg.yaml:",
            ],
        ),
        ("use", "  key: int", ["shop/use.py:8  annotated int"]),
        ("use", "  more: tuple", ["shop/use.py:8  *args: what callers pass"]),
        (
            "use",
            "  shop/use.py:9:5  store: Store",
            ["shop/use.py:9  assigned made()", "shop/use.py:9  returned by shop.store.made"],
        ),
        (
            "use",
            "  shop/use.py:10:5  got: int",
            ["shop/use.py:10  assigned store.size", "shop/store.py:14  property"],
        ),
        (
            "use",
            "  shop/use.py:11:5  answer: Unknown: what unheard_of.ask() gives",
            [
                "shop/use.py:11  assigned unheard_of.ask()",
                "shop/use.py:11  returned by unheard_of.ask, which no library file describes",
            ],
        ),
        (
            "use",
            "  shop/use.py:14:9  item: Unknown",
            ["shop/use.py:14  an item of json.loads()", "shop/use.py:14  returned by json.loads"],
        ),
        (
            "helper",
            "  thing: Store | int",
            ["shop/use.py:16:5", "shop/use.py:9  assigned made()"],
        ),
    ],
)
def test_each_belief_names_the_places_that_made_it(
    shop: Program, name: str, line: str, expected: list[str]
) -> None:
    found = believed(describe(shop, "types", name), line)
    position = 0
    for step in expected:
        wanted = step.replace(":16:5", ":16")
        rest = [number for number, text in enumerate(found) if text.startswith(wanted)]
        assert rest, (step, found)
        assert rest[0] >= position, found
        position = rest[0]


def test_an_unknown_call_names_the_line_where_the_trail_ends(shop: Program) -> None:
    page = describe(shop, "types", "use")
    found = believed(page, "    not resolved: untyped parameter")
    assert found == ["shop/use.py:8  no call in the audited files passes it"]


def test_a_star_import_is_named_where_a_name_may_come_through_it() -> None:
    text = "from unheard_of import *\n\ndef f():\n    thing.run()\n"
    page = describe(program_of({"app.py": text}), "types", "f")
    assert "app.py:1  `thing` may come with all of unheard_of" in page


def test_a_module_shows_what_it_defines(shop: Program) -> None:
    page = describe(shop, "types", "shop.store")
    assert page.startswith("module shop.store")
    assert "  class Store  shop/store.py:5:1" in page
    assert "  made() -> Awaitable[Store]  shop/store.py:22:1" in page


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("shop/store.py:19", "async function shop.store.Store.find"),
        ("store.py:19", "async function shop.store.Store.find"),
        ("shop/store.py:6", "class shop.store.Store"),
        ("shop/store.py:2", "module shop.store"),
        ("shop/store.py:19:4", "async function shop.store.Store.find"),
    ],
)
def test_a_place_means_what_stands_around_it(shop: Program, place: str, title: str) -> None:
    assert describe(shop, "types", place).startswith(title)


def test_a_place_outside_the_files_is_no_name(shop: Program) -> None:
    with pytest.raises(UsageError):
        describe(shop, "types", "shop/gone.py:3")


def test_wildcards_show_all_that_they_mean(shop: Program) -> None:
    page = describe(shop, "callgraph", "Store.*")
    assert page.count("called by (") == 3
    assert "function shop.store.Store.__init__" in page
    assert "async function shop.store.Store.find" in page


def test_effects_name_the_line_of_the_library_file(shop: Program) -> None:
    page = describe(shop, "effects", "Store.find")
    assert believed(page, "  shop/store.py:19:25  asyncpg.Connection.fetchrow")[0].startswith(
        "asyncpg.yaml:"
    )
    assert "says that asyncpg.Connection.fetchrow costs db.query" in page


def test_effects_say_what_leaves_the_thread() -> None:
    text = """
import asyncio
import time
import requests

def slow():
    time.sleep(1)

def asked():
    requests.get("x")

async def both():
    slow()
    await asyncio.to_thread(asked)
"""
    page = describe(program_of({"app.py": text}), "effects", "both")
    assert "runs on the event loop" in page
    assert "  sleep on this thread, which waits" in page
    assert "  http.request in a thread" in page
    assert "runs where its callers run, and in a thread" in describe(
        program_of({"app.py": text}), "effects", "asked"
    )
