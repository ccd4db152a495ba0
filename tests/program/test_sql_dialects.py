"""Which dialect SQL is in: its driver says it, or the server that the project is seen to use."""

import pytest

from perfaudit.audit import program_of
from perfaudit.program.index_advice import Wanted, statement
from perfaudit.program.program import link
from perfaudit.program.projection import projection
from perfaudit.program.sql_dialects import dialect_of, main_dialect
from perfaudit.program.tables import Table


def dialect(**files: str) -> str:
    """Return the dialect of SQL whose driver does not say it."""
    return main_dialect(
        program_of({name.replace("__", "."): text for name, text in files.items()})
    ).name


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import psycopg", "postgres"),
        ("import asyncpg", "postgres"),
        ("import MySQLdb", "mysql"),
        ("import pymysql", "mysql"),
        ("import aiomysql", "mysql"),
        ("import sqlite3", "sqlite"),
        ("import aiosqlite", "sqlite"),
        ("import sqlite3\nimport psycopg", "postgres"),
        ("import pymysql\nimport psycopg", ""),
        ("import json", ""),
        (
            "from sqlalchemy import create_engine\n"
            'engine = create_engine("postgresql+asyncpg://db/shop")',
            "postgres",
        ),
        (
            "from sqlalchemy import create_engine\n"
            'engine = create_engine(f"mysql+pymysql://{user}@db/shop")',
            "mysql",
        ),
        (
            "from sqlalchemy.ext.asyncio import create_async_engine\n"
            'engine = create_async_engine("sqlite+aiosqlite:///shop.db")',
            "sqlite",
        ),
        ("from sqlalchemy.dialects.postgresql import JSONB", "postgres"),
        ('DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}', "postgres"),
        ('DATABASES = {"default": {"ENGINE": "django.db.backends.mysql"}}', "mysql"),
        ('DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}', "sqlite"),
    ],
)
def test_what_the_code_says(code: str, expected: str) -> None:
    assert dialect(settings__py=code) == expected


def test_what_tests_use_says_nothing() -> None:
    assert dialect(test_shop__py="import sqlite3", shop__py="import pymysql") == "mysql"


def test_what_deployment_says() -> None:
    compose = "services:\n  db:\n    image: mariadb:11\n"
    assert main_dialect(program_of({"compose.yaml": compose, "a.py": "x = 1"})).name == "mysql"


def test_a_driver_says_the_dialect_of_its_calls() -> None:
    code = """
import sqlite3
import asyncpg


async def ask(conn: asyncpg.Connection, file: sqlite3.Connection):
    await conn.fetch("SELECT a FROM t")
    file.execute("SELECT a FROM t")
"""
    program = program_of({"app.py": code})
    found = [dialect_of(program, site) for site in program.sites() if site.sql]
    assert found == ["postgres", "sqlite"]


def test_a_setting_says_it_where_nothing_else_does() -> None:
    program = program_of({"app.py": "import pymysql\nimport psycopg"})
    facts = [file.facts for file in program.files]
    assert main_dialect(link(facts, {}, program.libraries, dialect="mysql")).quote == "`"
    assert main_dialect(link(facts, {}, program.libraries, dialect="tsql")).name == "tsql"


def test_texts_are_read_in_their_dialect() -> None:
    schema = program_of({"a.py": "x = 1", "schema.sql": "CREATE TABLE t (a int, b text);"}).schema
    text = 'SELECT a, "b" FROM t'
    named = projection(text, schema, "postgres")
    quoted = projection(text, schema, "mysql")
    assert named is not None
    assert named.outputs[1].column is not None
    # There it is a text, and not a column.
    assert quoted is None or quoted.outputs[1].column is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import psycopg", 'CREATE INDEX CONCURRENTLY ix_user_name ON "user" (name);'),
        ("import json", 'CREATE INDEX CONCURRENTLY ix_user_name ON "user" (name);'),
        ("import pymysql", "CREATE INDEX ix_user_name ON `user` (name);"),
        ("import sqlite3", 'CREATE INDEX ix_user_name ON "user" (name);'),
    ],
)
def test_an_index_is_made_as_the_server_can(code: str, expected: str) -> None:
    ddl = 'CREATE TABLE "user" (id int primary key, name text);'
    program = program_of({"app.py": code, "schema.sql": ddl})
    table: Table = program.schema.tables["user"]
    assert statement(program, table, Wanted((table.columns["name"],))) == expected
