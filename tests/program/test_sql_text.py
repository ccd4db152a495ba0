"""The SQL that calls run, however it is put together; and what is no SQL, or none that is known."""

import time

import pytest

from perfaudit.audit import program_of
from perfaudit.program.program import Program
from perfaudit.program.projection import parsed, projection
from perfaudit.program.query_reads import statement_reads
from perfaudit.program.relational import queries
from perfaudit.program.sql_bounds import is_parsable
from perfaudit.program.sql_coverage import can_be_read, sql_coverage

HEAD = "import asyncpg, string\n\n\n"
SCHEMA = "CREATE TABLE agents (id BIGINT PRIMARY KEY, name TEXT, notes TEXT, limits JSONB);"


def program(code: str, **files: str) -> Program:
    given = {f"{name}.py": text for name, text in files.items()}
    return program_of({"schema.sql": SCHEMA, **given, "app.py": HEAD + code})


def sql(code: str, **files: str) -> str | None:
    """Return the text that the one call of the program runs."""
    found = [site for site in program(code, **files).sites() if "db.query" in site.effects]
    assert len(found) == 1
    return found[0].sql


def run(value: str, before: str = "") -> str:
    """Return a program that runs an expression."""
    lines = "".join(f"    {line}\n" for line in before.splitlines())
    head = "async def ask(conn: asyncpg.Connection, table, flag):\n"
    return f"{head}{lines}    await conn.fetch({value})\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"SELECT a"', "SELECT a"),
        ('"SELECT a " "FROM t"', "SELECT a FROM t"),
        ('"SELECT a " + "FROM t"', "SELECT a FROM t"),
        ('f"SELECT a FROM {table}"', "SELECT a FROM {}"),
        ('"SELECT a FROM " + table', "SELECT a FROM {}"),
        ('"SELECT a FROM %s" % table', "SELECT a FROM {}"),
        ('"SELECT %(what)s FROM t LIKE \'x%%\'" % {"what": "a"}', "SELECT a FROM t LIKE 'x%'"),
        ('"SELECT %s FROM %s" % ("a", table)', "SELECT a FROM {}"),
        ('"SELECT {} FROM {}".format("a", table)', "SELECT a FROM {}"),
        ('"SELECT {1}, {0} FROM {name}".format("a", "b", name="t")', "SELECT b, a FROM t"),
        ("\"SELECT a -> '{{x}}' FROM {}\".format(table)", "SELECT a -> '{x}' FROM {}"),
        ('" ".join(["SELECT a", "FROM t"])', "SELECT a FROM t"),
        ('" ".join(["SELECT a FROM", table])', "SELECT a FROM {}"),
        (
            '"SELECT a FROM t WHERE id IN (" + ", ".join(table) + ")"',
            "SELECT a FROM t WHERE id IN ({})",
        ),
        ('"  SELECT a  ".strip()', "  SELECT a  "),
        ('"SELECT a".encode()', "SELECT a"),
        (
            'string.Template("SELECT $what FROM ${name}s").substitute(what="a", name=table)',
            "SELECT a FROM {}s",
        ),
        (
            'string.Template("SELECT \'$$\', $a FROM $b").safe_substitute({"b": "t"})',
            "SELECT '$', {} FROM t",
        ),
        ('table.substitute(what="a")', None),
    ],
)
def test_texts_are_put_together(value: str, text: str) -> None:
    assert sql(run(value)) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ('columns = "a, b"\nquery = f"SELECT {columns} FROM t"', "SELECT a, b FROM t"),
        ('query = "SELECT a FROM t"\nquery += " WHERE b"', "SELECT a FROM t WHERE b"),
        (
            'parts = ["SELECT a"]\nparts.append("FROM t")\nquery = " ".join(parts)',
            "SELECT a FROM t",
        ),
        (
            'parts = ["SELECT a FROM t"]\nif flag:\n    parts.append("WHERE b")\n'
            'query = " ".join(parts)',
            "SELECT a FROM t {}",
        ),
        (
            'parts = ["SELECT a"]\nfor each in table:\n    parts.append(each)\n'
            'query = " ".join(parts)',
            "{}",
        ),
        (
            'names = ("a", "b")\nquery = f"SELECT {\', \'.join(n for n in names)} FROM t"',
            "SELECT a, b FROM t",
        ),
        (
            'names = ("a", "b")\n'
            "query = f\"SELECT {', '.join(f't.{name}' for name in names)} FROM t\"",
            "SELECT t.a, t.b FROM t",
        ),
        (
            'names = ("a", "b")\nquery = f"SELECT {\', \'.join(n for n in names if flag)} FROM t"',
            "SELECT {} FROM t",
        ),
    ],
)
def test_names_are_followed(before: str, text: str) -> None:
    assert sql(run("query", before)) == text


def test_constants_of_modules_classes_and_dictionaries_are_followed() -> None:
    constant = 'ALL = "SELECT a"'
    assert sql("from queries import ALL\n" + run("ALL"), queries=constant) == "SELECT a"
    assert sql("import queries\n" + run("queries.ALL"), queries=constant) == "SELECT a"
    store = """
class Store:
    COLUMNS = "a, b"
    ALL = f"SELECT {COLUMNS} FROM t"

    async def ask(self, conn: asyncpg.Connection):
        await conn.fetch(self.ALL)
"""
    assert sql(store) == "SELECT a, b FROM t"
    assert (
        sql(run('QUERIES["all"]') + 'QUERIES = {"all": "SELECT a", "one": "SELECT b"}\n')
        == "SELECT a"
    )


QUERIES = """
COLUMNS = ("a", "b")
BY = {"all": "SELECT a FROM t", "one": "SELECT b FROM t"}

def select(column, table="t"):
    return f"SELECT {column} FROM {table}"

def either(flag):
    if flag:
        return "SELECT a FROM t"
    return "SELECT b FROM t"

def endless(column):
    return endless(column)

def worked_out(column):
    if column:
        return "SELECT a FROM t"
    return column.text
"""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("queries.BY['all']", "SELECT a FROM t"),
        ("queries.BY[flag]", "SELECT b FROM t"),
        ("f\"SELECT {', '.join(queries.COLUMNS)} FROM t\"", "SELECT a, b FROM t"),
        ("queries.select('a')", "SELECT a FROM t"),
        ("queries.select('a', table='u')", "SELECT a FROM u"),
        ("queries.select(table)", "SELECT {} FROM t"),
        ("queries.either(flag)", "SELECT b FROM t"),
        ("queries.endless('a')", None),
        ("queries.worked_out('a')", None),
    ],
)
def test_what_other_modules_hold_and_give_is_followed(value: str, text: str | None) -> None:
    assert sql("import queries\n" + run(value), queries=QUERIES) == text


def test_what_a_function_gives_on_one_way_or_another_is_not_judged() -> None:
    code = "import queries\n" + run("queries.either(flag)")
    assert statement_reads(program(code, queries=QUERIES)) == ()


def test_a_part_that_is_only_sometimes_added_is_left_out() -> None:
    before = 'query = "SELECT a FROM t"\nif flag:\n    query += " WHERE b"'
    assert sql(run("query", before)) == "SELECT a FROM t"


def test_composed_statements_are_read() -> None:
    code = """
import psycopg
from psycopg import sql

def ask(conn: psycopg.Connection, column):
    conn.execute(
        sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
            sql.SQL(", ").join([sql.Identifier("a"), sql.Identifier("b")]),
            sql.Identifier("shop", "t"),
            sql.Identifier(column),
        )
    )
"""
    assert sql(code) == 'SELECT "a", "b" FROM "shop"."t" WHERE {} = %s'


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ("map(sql.Identifier, COLUMNS)", '"a", "b"'),
        ("[sql.Identifier(name) for name in COLUMNS]", '"a", "b"'),
        ("(sql.Identifier(name) for name in columns)", "{}"),
        ("map(quoted, COLUMNS)", "{}"),
    ],
)
def test_composed_columns_are_read(columns: str, text: str) -> None:
    code = f"""
import psycopg
from psycopg import sql

COLUMNS = ["a", "b"]

def ask(conn: psycopg.Connection, columns, quoted):
    names = sql.SQL(", ").join({columns})
    conn.execute(sql.SQL("SELECT {{}} FROM t").format(names))
"""
    assert sql(code) == f"SELECT {text} FROM t"


@pytest.mark.parametrize(
    "value",
    [
        '(Path(__file__).parent / "sql" / "agents.sql").read_text()',
        "(FOLDER / 'agents.sql').read_text()",
        "FILE.read_text()",
        "TEXT",
        "loaded('agents')",
        "opened('agents.sql')",
        "resources.files('app').joinpath('sql/agents.sql').read_text()",
        "open('sql/agents.sql').read()",
    ],
)
def test_a_file_is_known_by_its_name(value: str) -> None:
    code = f"""
import os
from importlib import resources
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
FILE = FOLDER / "agents.sql"
TEXT = FILE.read_text()

def loaded(name):
    return (FOLDER / f"{{name}}.sql").read_text()

def opened(name):
    with open(os.path.join("sql", name)) as file:
        return file.read()

async def ask(conn: asyncpg.Connection):
    await conn.fetch({value})
"""
    found = program_of(
        {
            "sql/agents.sql": "SELECT name FROM agents",
            "sql/others.sql": "SELECT name FROM others",
            "app.py": HEAD + code,
        }
    )
    assert [site.sql for site in found.sites() if site.sql] == ["SELECT name FROM agents"]


NAMED = """-- name: get-agent(id)^
-- One of them.
SELECT id, name, notes FROM agents WHERE id = :id;

-- name: all_names
SELECT name, notes FROM agents;

-- name: count$
SELECT count(*) FROM agents

-- name: rename!
UPDATE agents SET name = :name WHERE id = :id;
"""


def test_statements_of_files_are_known_by_their_names() -> None:
    code = """
import aiosql

queries = aiosql.from_path("sql", "asyncpg")


async def show(conn):
    row = await queries.get_agent(conn, id=1)
    print(row["name"])
    for name, notes in await queries.all_names(conn):
        print(name)
    print(await queries.count(conn))
    await queries.rename(conn, id=1, name="x")
    await queries.nothing(conn)
"""
    found = program_of({"schema.sql": SCHEMA, "sql/agents.sql": NAMED, "app.py": code})
    sites = [site for site in found.sites() if "log" not in site.effects]
    assert [site.effects for site in sites] == [
        ("db.query",), ("db.query",), ("db.query",), ("db.write",), ("db.query",),
    ]  # fmt: skip
    assert sites[-1].sql is None
    uses = [sorted(item.use.columns) for item in statement_reads(found)]
    assert uses[:2] == [["name"], ["name"]]
    (first, *_) = queries(found)
    place = first.conditions[0].place
    assert (place.path, place.line, place.column) == ("sql/agents.sql", 3, 42)


@pytest.mark.parametrize(
    "before",
    [
        'query = "SELECT name, notes FROM agents"\nif flag:\n    query = "SELECT id FROM agents"',
        'query = "SELECT name, notes FROM agents" if flag else "SELECT notes, id FROM agents"',
    ],
)
def test_what_may_be_one_of_several_statements_is_not_judged(before: str) -> None:
    code = run("query", before) + "\n"
    assert statement_reads(program(code)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "select the best option from this list please",
        "SELECT {% if x %}a{% endif %} FROM agents",
        "SELECT {{ columns }} FROM agents",
        "SELECT {} FROM agents",
        "SELECT {}.{} FROM agents",
        "SELECT a FROM",
        "SELECT a, FROM agents WHERE ((",
        "SELECT 'never closed FROM agents",
        "",
        "--",
        "/* never closed",
        "SELECT a FROM t UNION SELECT b FROM u",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) UPDATE t SET a = 1",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "EXEC sp_who2; GO",
    ],
)
def test_what_is_not_understood_gives_no_columns(text: str) -> None:
    schema = program_of({"schema.sql": SCHEMA}).schema
    assert projection(text, schema) is None


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO agents VALUES " + ", ".join(["(1, 'x')"] * 10_000),
        "SELECT " + ", ".join(f"a{n}" for n in range(10_000)) + " FROM agents",
        "SELECT a FROM agents WHERE " + " OR ".join(["a = 1"] * 4_000),
        "SELECT " + "CASE WHEN a THEN 1 ELSE " * 500 + "0" + " END" * 500 + " FROM agents",
        "SELECT a FROM agents WHERE a LIKE '" + "%" * 15_000,
        "{" * 10_000,
        "SELECT " + "{" * 10_000 + "}" * 10_000,
        "-- x\n" * 4_000 + "SELECT a",
        "/**/" * 4_000,
        "(" * 15_000,
        "SELECT \x00\ud800 FROM agents",
        "SELECT a" + "[1]" * 5_000 + " FROM agents",
    ],
)
def test_one_text_takes_a_bounded_time(text: str) -> None:
    begun = time.process_time()
    projection(text, program_of({"schema.sql": SCHEMA}).schema)
    parsed(text)
    can_be_read(text)
    assert time.process_time() - begun < 10
    assert is_parsable(text) or parsed(text) is None


def test_statements_that_cannot_be_read_are_counted_and_shown() -> None:
    code = """
async def ask(conn: asyncpg.Connection):
    await conn.fetch("SELECT name FROM agents")
    await conn.fetch("SELECT name FROM agents WHERE ((")
"""
    found = sql_coverage(program(code))
    assert found.known == 2
    assert [(place.line, text) for place, text in found.unread] == [
        (7, "SELECT name FROM agents WHERE ((")
    ]
