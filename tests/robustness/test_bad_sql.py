"""SQL that is wrong, templated, foreign or no SQL at all: nothing is said of it, and soon."""

import time

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.core.levels import Confidence

from .conftest import Write

SCHEMA = """
CREATE TABLE agents (
    id BIGINT PRIMARY KEY, email TEXT NOT NULL, name TEXT, bio TEXT, notes TEXT, config JSONB
);
"""
APP = """
from fastapi import FastAPI
import asyncpg

app = FastAPI()


@app.get("/agents/{{email}}")
async def show(email: str, conn: asyncpg.Connection):
    row = await conn.fetchrow({text}, email)
    return {{"name": row["name"]}}


@app.post("/agents")
async def add(email: str, conn: asyncpg.Connection):
    await conn.execute("INSERT INTO agents (email) VALUES ($1)", email)
"""
GOOD = "SELECT * FROM agents WHERE email = $1"
RECURSIVE = """
WITH RECURSIVE tree AS (
    SELECT id, name FROM agents WHERE {first}
    UNION ALL
    SELECT agents.id, agents.name FROM agents JOIN tree ON tree.id = agents.id{further}
)
SELECT * FROM tree{last}
"""
LINES = 10_000


def about_sql(write: Write, text: str, **files: str) -> set[str]:
    """Return the rules about SQL with findings in a program that runs a text."""
    texts = {name.replace("__", "."): content for name, content in files.items()}
    root = write({"schema.sql": SCHEMA, "app.py": APP.format(text=repr(text)), **texts})
    settings = Settings(select=("PA51", "PA52"), min_confidence=Confidence.LOW, cache=False, jobs=1)
    result = audit(root, [root], settings)
    assert not [found for found in result.report.coverage.files_skipped if "app.py" in found.path]
    return {found.rule for found in result.report.findings}


def test_what_is_understood_has_findings(write: Write) -> None:
    assert about_sql(write, GOOD)


def test_the_first_part_of_a_recursion_is_a_search_of_its_own(write: Write) -> None:
    text = RECURSIVE.format(first="email = $1", further="", last="")
    assert about_sql(write, text) == {"PA515"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM agents WHERE email = $1 AND (",
        "SELECT * FORM agents WHERE email = $1",
        "SELECT * FROM agents WHERE email == == $1",
        "SELECT 'open FROM agents WHERE email = $1",
        "SELECT * FROM {{ table }} WHERE email = $1",
        "SELECT {% for c in columns %}{{ c }}{% endfor %} FROM agents WHERE email = $1",
        "SELECT * FROM agents {% if email %}WHERE email = $1{% endif %}",
        "SELECT * FROM agents QUALIFY ROW_NUMBER() OVER () SETTINGS x = 1 FORMAT JSON",
        "SELECT * FROM agents MATCH_RECOGNIZE (PATTERN (a b+) DEFINE b AS b.x > a.x) ;;",
        "FROM agents |> WHERE email = $1 |> SELECT *",
        "FOR doc IN agents FILTER doc.email == @email RETURN doc",
        "select the agent whose email is given, and tell me its name",
        "Select one of: agents, users",
        "with the email of an agent you can find all agents",
        "update: agents now have an email",
        RECURSIVE.format(first="id = 1", further=" WHERE agents.email = $1", last=""),
        RECURSIVE.format(first="id = 1", further="", last=" WHERE tree.name = $1"),
        "",
        "\x00",
        "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
    ],
)
def test_nothing_is_said_of_what_is_not_understood(write: Write, text: str) -> None:
    assert about_sql(write, text) == set()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "dump.sql",
            "\n".join(f"INSERT INTO agents VALUES ({n}, 'a''b;c');" for n in range(LINES)),
        ),
        ("dump.sql", "COPY agents FROM stdin;\n" + "1\tx\ty\n" * LINES + "\\.\n"),
        ("dump.sql", "\n".join(f"CREATE TABLE t{n} (id int, a text);" for n in range(LINES))),
        ("dump.sql", "\n".join(f"CREATE INDEX i{n} ON agents (name, id);" for n in range(LINES))),
        ("dump.sql", "$a$" * LINES + "'" * LINES + '"' * LINES + "/*" * LINES),
        ("dump.sql", "ALTER TABLE " * LINES),
        ("dump.sql", "-- name: x\n" * LINES),
        ("seed.py", "TEXT = '''" + "INSERT INTO agents VALUES (1);\n" * LINES + "'''\n"),
        ("seed.py", "TEXT = f'''SELECT {a}" + "{b} \\n" * LINES + "'''\n"),
        ("seed.py", "TEXT = (" + "\n".join(f"'SELECT {n} '" for n in range(LINES)) + ")\n"),
    ],
)
def test_ten_thousand_lines_take_a_bounded_time(write: Write, name: str, content: str) -> None:
    begun = time.process_time()
    found = about_sql(
        write, "SELECT name FROM agents WHERE id = 1", **{name.replace(".", "__"): content}
    )
    assert time.process_time() - begun < 20
    assert found == set()
