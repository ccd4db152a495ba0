"""What ``perfaudit show`` prints."""

import pytest

from perfaudit.audit import program_of
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
    assert "app.agents.work in thread by callback" in page
    assert "app.api.listed" in describe(program, "callgraph", "Agent.load")


def test_callgraph_says_what_is_not_resolved(program: Program) -> None:
    page = describe(program, "callgraph", "app.agents.work")
    assert "not resolved (1)" in page
    assert "thing.run()  Unknown: untyped parameter" in page


def test_types_of_a_function(program: Program) -> None:
    page = describe(program, "types", "listed")
    assert "  db: asyncpg.Connection" in page
    assert "  raw: Unknown: untyped parameter" in page
    assert "app/api.py:11:5  agents: list[Agent]" in page
    assert "agent.load() -> Awaitable[Agent]" in page
    assert "runs function app.agents.Agent.load" in page


def test_types_of_a_class(program: Program) -> None:
    page = describe(program, "types", "Agent")
    assert "order: app.agents.Agent, app.agents.Named" in page
    assert "  tasks: list[int]  app/agents.py:10:9" in page
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
    page = describe(program, topic, "lsted")
    assert "There is no function" in page
    assert "app.api.listed" in page


def test_part_of_a_name_is_no_name(program: Program) -> None:
    assert "There is no function" in describe(program, "callgraph", "isted")


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_a_page_without_a_name(program: Program, topic: str) -> None:
    assert describe(program, topic, "")


@pytest.mark.parametrize("topic", TOPICS)
def test_control_characters_do_not_act(program: Program, topic: str) -> None:
    page = describe(program, topic, "evil\x1b[31m\u202ename")
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\\x1b[31m\\u202ename" in page


def test_empty_program_has_pages() -> None:
    empty = program_of({})
    assert describe(empty, "schema", "") == "No table was found."
    assert describe(empty, "queries", "") == "No query was found."
