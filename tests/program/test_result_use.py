"""What is read of a fetched result, before it is out of sight."""

import pytest

from perfaudit.audit import program_of
from perfaudit.program.projection import projection
from perfaudit.program.result_use import Readers, Use, use_of
from perfaudit.program.row_sources import row_source

SCHEMA = """
CREATE TABLE agents (id BIGINT PRIMARY KEY, name TEXT, configuration JSONB);
CREATE TABLE goals (id BIGINT PRIMARY KEY, agent_id BIGINT, metadata JSONB);
"""
QUERY = 'await conn.fetch("SELECT id, name, configuration FROM agents")'


def used(code: str) -> Use:
    """Return the use of the first query of a program."""
    program = program_of({"schema.sql": SCHEMA, "app.py": f"import asyncpg\n\n{code}"})
    site = next(site for site in program.sites() if site.sql)
    selected = projection(site.sql or "", program.schema)
    assert selected is not None
    return use_of(Readers(program), row_source(site, selected.positions))


def test_columns_and_keys_are_told_apart() -> None:
    use = used(
        f"""
async def overview(conn: asyncpg.Connection):
    rows = {QUERY}
    for row in rows:
        print(row["name"], row["configuration"]["limits"]["cpu"])
"""
    )
    assert use.escapes is None
    assert use.columns == {"name", "configuration"}
    assert use.whole == {"name"}
    assert use.keys == {"configuration": {("limits", "cpu")}}


def test_positions_are_columns() -> None:
    use = used(
        f"""
async def overview(conn: asyncpg.Connection):
    return [number for number, _, configuration in {QUERY} if configuration["on"]]
"""
    )
    assert use.keys == {"configuration": {("on",)}}


def test_readers_behind_calls_and_returns_are_found() -> None:
    use = used(
        f"""
async def load(conn: asyncpg.Connection):
    rows = {QUERY}
    return {{row["id"]: row for row in rows}}

def label(row):
    return row["name"]

async def labels(conn: asyncpg.Connection):
    agents = await load(conn)
    return [label(agent) for agent in agents.values()]
"""
    )
    assert use.escapes is None
    assert use.crossed
    assert use.columns == {"id", "name"}


def test_presence_is_no_use_of_the_value() -> None:
    use = used(
        f"""
async def overview(conn: asyncpg.Connection):
    for row in {QUERY}:
        if row["configuration"] is not None:
            print(row["id"])
"""
    )
    assert use.tested == {"configuration"}
    assert use.whole == {"id"}


@pytest.mark.parametrize(
    "statement",
    [
        "return rows",
        "KEPT.append(rows)",
        "KEPT[0] = rows[0]",
        "print(rows)",
        "unknown(rows[0])",
        'print(f"{rows[0]}")',
        "return lambda: rows",
    ],
)
def test_what_goes_out_of_sight_is_not_known(statement: str) -> None:
    use = used(
        f"""
from elsewhere import unknown

KEPT = []

async def overview(conn: asyncpg.Connection):
    rows = {QUERY}
    {statement}
"""
    )
    assert use.escapes


@pytest.mark.parametrize("text", ["print(**row)", "[value for value in row]", "row.values()"])
def test_a_row_may_be_used_entire(text: str) -> None:
    use = used(
        f"""
async def overview(conn: asyncpg.Connection):
    for row in {QUERY}:
        {text}
"""
    )
    assert use.entire


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM agents", ("id", "name", "configuration")),
        ("SELECT a.*, 1 AS one FROM agents a", ("id", "name", "configuration", "one")),
        ("SELECT g.*, a.name FROM agents a, goals g", ("id", "agent_id", "metadata", "name")),
        ("SELECT id, configuration->>'x' AS x FROM agents WHERE id = %s", ("id", "x")),
        ("SELECT id FROM agents WHERE {} ORDER BY {}", ("id",)),
        ("SELECT name FROM agents {}", ("name",)),
    ],
)
def test_projection_names_the_columns(sql: str, names: tuple[str, ...]) -> None:
    found = projection(sql, program_of({"schema.sql": SCHEMA}).schema)
    assert found is not None
    assert found.names == names


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM agents RETURNING *",
        "SELECT * FROM strangers",
        "SELECT {} FROM agents",
        "SELECT id FROM agents UNION SELECT id FROM goals",
        "SELECT (",
        "",
    ],
)
def test_projection_says_when_it_does_not_know(sql: str) -> None:
    assert projection(sql, program_of({"schema.sql": SCHEMA}).schema) is None
