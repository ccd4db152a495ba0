"""Where the parts of a statement stand in the files that it is put together from."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.location import Location
from perfaudit.program.relational import queries
from perfaudit.program.sql_places import clause_steps

SCHEMA = "CREATE TABLE agents (id BIGINT PRIMARY KEY, email TEXT, day DATE);"
HEAD = "import asyncpg\n\n\nasync def ask(conn: asyncpg.Connection, table, more):\n"


def condition(code: str, **files: str) -> Location:
    """Return the place of the one condition that a program asks for."""
    texts = {f"{name}.py": text for name, text in files.items() if name != "sql"}
    if "sql" in files:
        texts["queries/agents.sql"] = files["sql"]
    program = program_of({"schema.sql": SCHEMA, **texts, "app.py": code})
    (query,) = queries(program)
    (found,) = query.conditions
    return found.place


def spelled(files: dict[str, str], place: Location) -> str:
    """Return what stands at a place of one line."""
    line = files[place.path].split("\n")[place.line - 1]
    return line[place.column - 1 : (place.end_column or place.column) - 1]


@pytest.mark.parametrize(
    "body",
    [
        'return await conn.fetch("SELECT id FROM agents WHERE email = $1", 1)',
        'return await conn.fetch("SELECT id " "FROM agents " "WHERE email = $1", 1)',
        'return await conn.fetch("SELECT id FROM agents " + "WHERE email = $1", 1)',
        "return await conn.fetch('''\n  SELECT id,\n\tday FROM agents\n  WHERE email = $1''', 1)",
        'return await conn.fetch(f"SELECT {more} FROM agents WHERE email = $1", 1)',
        'return await conn.fetch(f"SELECT {more[0]!r} FROM agents\\nWHERE email = $1", 1)',
        "return await conn.fetch(f'''SELECT {more}\n  FROM agents WHERE email = $1''', 1)",
        "return await conn.fetch(\"SELECT id, \\'x\\' AS e FROM agents\\n\\tWHERE email = $1\", 1)",
        'return await conn.fetch(r"SELECT id FROM agents WHERE email = $1", 1)',
        'return await conn.fetch("SELECT id FROM agents \\\n WHERE email = $1", 1)',
        'return await conn.fetch("SELECT {} FROM agents WHERE email = $1".format(more), 1)',
        'return await conn.fetch("SELECT %s FROM agents WHERE email = $1" % more, 1)',
        'return await conn.fetch("\\n".join(["SELECT id", "FROM agents", "WHERE email = $1"]), 1)',
        'query = "SELECT id FROM agents"\n    query += " WHERE email = $1"\n'
        "    return await conn.fetch(query, 1)",
        'return await conn.fetch(  # "email"\n        "SELECT id FROM agents "  # the "email"\n'
        '        "WHERE email = $1", 1)',
        'return await conn.fetch("SELECT \u00e9\u4e2d FROM agents WHERE email = $1", 1)',
    ],
)
def test_a_condition_is_where_it_is_written(body: str) -> None:
    code = f"{HEAD}    {body}\n"
    place = condition(code)
    assert spelled({"app.py": code}, place) == "email"
    line = code.split("\n")[place.line - 1]
    assert "email = $1" in line
    assert line[place.column - 1 :].startswith("email = $1")


def test_a_text_of_another_module() -> None:
    constants = (
        'OTHER = "SELECT id FROM agents WHERE day = $1"\n'
        'BY = """\nSELECT id\nFROM agents\nWHERE email = $1"""\n'
    )
    code = f"import queries\n{HEAD}    return await conn.fetch(queries.BY, 1)\n"
    place = condition(code, queries=constants)
    assert (place.path, place.line, place.column) == ("queries.py", 5, 7)


def test_a_text_of_a_file() -> None:
    code = (
        f"from pathlib import Path\n{HEAD}"
        '    return await conn.fetch(Path("queries/agents.sql").read_text(), 1)\n'
    )
    place = condition(code, sql="SELECT id\nFROM agents\n  WHERE email = $1\n")
    assert (place.path, place.line, place.column) == ("queries/agents.sql", 3, 9)


def test_of_equal_texts_the_one_of_the_call_counts() -> None:
    text = '    return await conn.fetch("SELECT id FROM agents WHERE email = $1", 1)\n'
    first = HEAD + text
    program = program_of(
        {"schema.sql": SCHEMA, "app.py": first + HEAD.replace("ask", "again") + text}
    )
    places = [query.conditions[0].place.line for query in queries(program)]
    assert places == [query.site.location.line for query in queries(program)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"""\n        SELECT *\n        FROM agents"""', (6, 16)),
        ('"""\n        SELECT id, email\n        FROM agents"""', (6, 20)),
        ('"SELECT id, email FROM agents"', None),
    ],
)
def test_the_step_to_what_a_statement_fetches(text: str, found: tuple[int, int] | None) -> None:
    code = f"{HEAD}    return await conn.fetch({text})\n"
    program = program_of({"schema.sql": SCHEMA, "app.py": code})
    site = next(site for site in program.sites() if site.sql)
    steps = clause_steps(program, site, "email")
    assert [(step.location.line, step.location.column) for step in steps] == (
        [found] if found else []
    )


def test_what_is_worked_out_stands_where_it_runs() -> None:
    code = f"{HEAD}    return await conn.fetch(load(more))\n"
    assert not queries(program_of({"schema.sql": SCHEMA, "app.py": code}))
