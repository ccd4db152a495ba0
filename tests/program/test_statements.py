"""Statements that a program runs, also where the call of the driver is not seen."""

import time

import pytest

from perfaudit.audit import program_of
from perfaudit.program.relational import queries
from perfaudit.program.statements import is_statement, statements

SCHEMA = "CREATE TABLE agents (id BIGINT PRIMARY KEY, email TEXT, name TEXT);"
ONE = '"SELECT id FROM agents WHERE email = ?"'


def found(code: str) -> list[tuple[int, str]]:
    """Return the lines and texts of the statements of a program."""
    program = program_of({"schema.sql": SCHEMA, "app.py": code})
    return [(site.location.line, site.sql or "") for site in program.once(statements)]


def lines(code: str) -> list[int]:
    """Return the lines of the statements of a program."""
    return [line for line, _ in found(code)]


@pytest.mark.parametrize(
    "code",
    [
        # A method of the project hands it to a driver.
        f"""import sqlite3
class Store:
    def __init__(self, conn: sqlite3.Connection):
        self.conn = conn
    def all(self, query, values=()):
        return self.conn.execute(query, values).fetchall()
def ask(store: Store):
    return store.all({ONE}, (1,))
""",
        # Through two, and changed on the way.
        f"""import sqlite3
def run(conn: sqlite3.Connection, sql):
    return conn.execute(spelled(sql))
def spelled(sql):
    return sql.replace("?", ":a")
def every(conn: sqlite3.Connection, text, values):
    return list(run(conn, text))


def ask(conn: sqlite3.Connection):
    return every(conn, {ONE}, 1)
""",
        # With all other arguments as one.
        f"""import aiosqlite
class Store:
    def __init__(self, conn: aiosqlite.Connection):
        self.conn = conn
    def execute(self, *args, **kwargs):
        return self.conn.execute(*args, **kwargs)


async def ask(store: Store):
    return await store.execute({ONE}, (1,))
""",
        # In a function inside.
        f"""import sqlite3
async def run(pool, sql):
    def inner(conn: sqlite3.Connection):
        return conn.execute(sql)
    return await pool.run(inner)


async def ask(pool):
    return await run(pool, {ONE})
""",
    ],
)
def test_a_text_that_is_handed_over(code: str) -> None:
    assert found(code)[0][1] == ONE.strip('"')
    assert code.split("\n")[found(code)[0][0] - 1].count(ONE) == 1


@pytest.mark.parametrize(
    "call",
    [
        f"self.cursor.execute({ONE}, (1,))",
        f"run(lambda conn: conn.execute({ONE}))",
        f"self.db.fetch_all({ONE}, 1)",
        f"self.run(self.cursor.execute, {ONE}, 1)",
        f"loop.run_in_executor(None, self.cursor.execute, {ONE})",
    ],
)
def test_a_method_of_something_unknown(call: str) -> None:
    assert lines(f"class Store:\n    def ask(self):\n        return {call}\n") == [3]


@pytest.mark.parametrize(
    "call",
    [
        "self.agent.execute('select the best answer')",
        "self.agent.execute('update your plan')",
        "self.client.fetch('https://example.org')",
        "self.tool.execute(name)",
        f"print({ONE})",
        f"self.log.debug({ONE})",
        f"self.parser.parse({ONE})",
    ],
)
def test_what_is_no_statement_or_is_not_run(call: str) -> None:
    assert lines(f"class Store:\n    def ask(self, name):\n        return {call}\n") == []


RUNNING = f"""import sqlite3
class Store:
    def ask_all(self, name, sql):
        return sqlite3.connect(name).execute(sql)
class Page:
    def __init__(self, store):
        self.store = store
    def rows(self, name):
        return self.store.ask_all(name, {ONE})
"""


def test_a_method_of_something_unknown_that_every_class_runs() -> None:
    assert lines(RUNNING) == [9]
    other = "class Cluster:\n    def ask_all(self, name, sql):\n        self.c.execute(sql)\n"
    assert lines(RUNNING + other) == [9]


def test_a_method_that_another_class_does_something_else_with() -> None:
    other = "class Chat:\n    def ask_all(self, name, sql):\n        print(name, sql)\n"
    assert lines(RUNNING + other) == []


def test_a_method_of_that_name_with_something_that_is_no_statement() -> None:
    assert lines(RUNNING.replace(ONE, '"select one of these"')) == []


def test_a_parameter_is_no_statement_by_itself() -> None:
    code = "class Store:\n    def all(self, query):\n        return self.c.execute(query)\n"
    assert lines(code) == []
    assert lines(code + f"def ask(store: Store):\n    store.all({ONE})\n") == [5]


def test_a_method_that_only_says_what_others_are_like() -> None:
    code = f"""
from typing import Protocol


class Cursor(Protocol):
    def execute(self, sql, parameters): ...


class Transaction:
    def __init__(self, cursor: Cursor):
        self.cursor = cursor
    def run(self, sql, values):
        return self.guarded(self.cursor.execute, sql, values)
    def guarded(self, func, sql, values):
        return func(sql, values)


def ask(transaction: Transaction, cursor: Cursor):
    transaction.run({ONE}, 1)
    cursor.execute({ONE}, 1)
"""
    assert lines(code) == [19, 20]


def test_their_conditions_are_known() -> None:
    code = f"class Store:\n    def ask(self):\n        return self.c.execute({ONE}, (1,))\n"
    (query,) = queries(program_of({"schema.sql": SCHEMA, "app.py": code}))
    assert [condition.column.name for condition in query.conditions] == ["email"]
    assert query.site.location.line == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t", True),
        ("-- which\nselect a\nfrom t", True),
        ("INSERT OR REPLACE INTO t VALUES (1)", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("select one", False),
        ("update me", False),
        ("with care", False),
        ("", False),
    ],
)
def test_what_looks_like_a_statement(text: str, expected: bool) -> None:
    assert is_statement(text) is expected


def texts(code: str) -> set[str]:
    """Return what the statements of a program that have a WHERE ask for."""
    return {" ".join(text.split()).partition("WHERE ")[2] for _, text in found(code)} - {""}


HEAD = "import sqlite3\n\n\n"
FROM = "SELECT id FROM agents WHERE"


@pytest.mark.parametrize(
    "code",
    [
        # A name that each branch binds.
        f"""def ask(conn: sqlite3.Connection, flag):
    if flag:
        sql = "{FROM} email = ?"
    else:
        sql = "{FROM} name = ?"
    return conn.execute(sql, (flag,))
""",
        # What one of several returns gives, and a condition in an expression.
        f"""def sql_for(flag):
    if flag:
        return "{FROM} email = ?"
    return "{FROM} name = ?"
def ask(conn: sqlite3.Connection, flag):
    return conn.execute(sql_for(flag), (flag,))
""",
        f"""def ask(conn: sqlite3.Connection, flag):
    return conn.execute("{FROM} email = ?" if flag else "{FROM} name = ?", (flag,))
""",
        # An entry of a dictionary, by a key that is not known.
        f"""QUERIES = {{"mail": "{FROM} email = ?", "name": "{FROM} name = ?"}}
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(QUERIES[kind], (kind,))
""",
        f"""QUERIES = dict(mail=dict(sql="{FROM} email = ?"), name=dict(sql="{FROM} name = ?"))
def ask(conn: sqlite3.Connection, kind):
    query = QUERIES.get(kind)
    return conn.execute(query.get("sql"), (kind,))
""",
        # What is taken for a key that a dictionary does not have.
        f"""QUERIES = {{"mail": "{FROM} email = ?"}}
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(QUERIES.get(kind, "{FROM} name = ?"), (kind,))
""",
        # A method of the project that is named as that of dictionaries.
        f"""class Queries:
    def get(self, name, default=None):
        if name == "mail":
            return "{FROM} email = ?"
        return "{FROM} name = ?"
queries = Queries()
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(queries.get(kind), (kind,))
""",
        # Methods of the classes that an object may be of.
        f"""from typing import Protocol
class Runner(Protocol):
    def sql(self) -> str: ...
class ByMail(Runner):
    def sql(self):
        return "{FROM} email = ?"
class ByName(Runner):
    def sql(self):
        return "{FROM} name = ?"
def ask(conn: sqlite3.Connection, runner: Runner):
    return conn.execute(runner.sql(), (1,))
""",
        # Also of a class that only has the methods of the protocol.
        f"""from typing import Protocol
class Runner(Protocol):
    def sql(self) -> str: ...
class ByMail(Runner):
    def sql(self):
        return "{FROM} email = ?"
class Named:
    def sql(self):
        return "{FROM} name = ?"
class ByName(Named):
    pass
def ask(conn: sqlite3.Connection, runner: Runner):
    return conn.execute(runner.sql(), (1,))
""",
        # A wrapper that is given one of them.
        f"""def run(conn: sqlite3.Connection, sql):
    return conn.execute(sql)
def ask(conn, flag):
    sql = "{FROM} email = ?"
    if flag:
        sql = "{FROM} name = ?"
    return run(conn, sql)
""",
    ],
)
def test_all_texts_that_a_call_may_run_are_known(code: str) -> None:
    assert texts(HEAD + code) == {"email = ?", "name = ?"}


def test_what_a_function_runs_that_is_handed_on_is_known() -> None:
    code = f"""def fill(run):
    run("{FROM} email = 1")
    run("{FROM} name = 1")
def ask(conn: sqlite3.Connection):
    def run(text):
        return conn.execute(text)
    fill(run)
"""
    assert texts(HEAD + code) == {"email = 1", "name = 1"}


def test_what_is_chosen_twice_is_known_in_all_ways() -> None:
    code = f"""def ask(conn: sqlite3.Connection, first, second):
    column = "email" if first else "name"
    value = "1" if second else "2"
    return conn.execute(f"{FROM} {{column}} = {{value}}")
"""
    assert texts(HEAD + code) == {"email = 1", "email = 2", "name = 1", "name = 2"}


def test_very_many_ways_are_not_all_followed() -> None:
    binds = "".join(f"    a{i} = 'email' if flag{i} else 'name'\n" for i in range(9))
    holes = " AND ".join(f"{{a{i}}} = 1" for i in range(9))
    flags = ", ".join(f"flag{i}" for i in range(9))
    code = f"""def ask(conn: sqlite3.Connection, {flags}):
{binds}    return conn.execute(f"{FROM} {holes}")
"""
    assert len(texts(HEAD + code)) == 100


TWO = "SELECT id FROM {} WHERE {} = ?"
BOTH = {("agents", "email"), ("shops", "name")}


def two(code: str) -> set[tuple[str, str]]:
    """Return the tables and columns of the statements of a program."""
    return {
        (words[3], words[5])
        for _, text in found(HEAD + code)
        if len(words := text.split()) > 5 and words[0] == "SELECT"
    }


@pytest.mark.parametrize(
    "code",
    [
        # Branches that bind both.
        """def ask(conn: sqlite3.Connection, kind):
    if kind == "agent":
        table, column = "agents", "email"
        table = "agents"
        column = "email"
    else:
        table = "shops"
        column = "name"
    return conn.execute(f"SELECT id FROM {table} WHERE {column} = ?", (1,))
""",
        # A branch that replaces both.
        """def ask(conn: sqlite3.Connection, kind):
    table = "agents"
    column = "email"
    if kind == "shop":
        table = "shops"
        column = "name"
    return conn.execute(f"SELECT id FROM {table} WHERE {column} = ?", (1,))
""",
        # One test, asked twice.
        """def ask(conn: sqlite3.Connection, kind):
    table = "agents" if kind == "agent" else "shops"
    if kind == "agent":
        column = "email"
    else:
        column = "name"
    return conn.execute(f"SELECT id FROM {table} WHERE {column} = ?", (1,))
""",
        # Arms of a match.
        """def ask(conn: sqlite3.Connection, kind):
    match kind:
        case "agent":
            table = "agents"
            column = "email"
        case _:
            table = "shops"
            column = "name"
    return conn.execute(f"SELECT id FROM {table} WHERE {column} = ?", (1,))
""",
        # Dictionaries that are asked for one key, also by functions that are given it.
        """TABLES = {"agent": "agents", "shop": "shops"}
COLUMNS = {"shop": "name", "agent": "email", "other": "none"}
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(f"SELECT id FROM {TABLES[kind]} WHERE {COLUMNS[kind]} = ?", (1,))
""",
        """TABLES = {"agent": "agents", "shop": "shops"}
COLUMNS = {"shop": "name", "agent": "email"}
def table_of(what):
    return TABLES[what]
def column_of(which):
    return COLUMNS[which]
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(f"SELECT id FROM {table_of(kind)} WHERE {column_of(kind)} = ?", (1,))
""",
        # Attributes of one object.
        """class Store:
    def __init__(self, conn: sqlite3.Connection):
        self.conn = conn
    def find(self):
        return self.conn.execute(f"SELECT id FROM {self.table} WHERE {self.column} = ?", (1,))
class Agents(Store):
    table = "agents"
    column = "email"
class Shops(Store):
    table = "shops"
    column = "name"
""",
    ],
)
def test_what_is_chosen_together_stays_together(code: str) -> None:
    assert two(code) == BOTH


def test_no_default_is_taken_for_a_key_that_is_there() -> None:
    code = f"""QUERIES = {{"mail": "{FROM} email = ?"}}
def ask(conn: sqlite3.Connection, kind, given):
    conn.execute(given.get(kind, "{FROM} phone = ?"), (kind,))
    return conn.execute(QUERIES.get("mail", "{FROM} name = ?"), (kind,))
"""
    assert texts(HEAD + code) == {"email = ?"}


def test_the_default_of_an_empty_dictionary_is_known() -> None:
    code = f"""QUERIES = {{}}
def ask(conn: sqlite3.Connection, kind):
    return conn.execute(QUERIES.get(kind, "{FROM} name = ?"), (kind,))
"""
    assert texts(HEAD + code) == {"name = ?"}


def test_methods_and_attributes_of_one_object_stay_together() -> None:
    code = """class Store:
    column = "email"
    def __init__(self, conn: sqlite3.Connection):
        self.conn = conn
    def table(self):
        return "agents"
    def find(self):
        return self.conn.execute(f"SELECT id FROM {self.table()} WHERE {self.column} = ?", (1,))
class Shops(Store):
    column = "name"
    def table(self):
        return "shops"
"""
    assert two(code) <= BOTH


def test_of_what_may_belong_together_only_the_first_text_is_known() -> None:
    for other in ('kind != "agent"', "is_shop(kind)", "kind in SHOPS"):
        code = f"""def ask(conn: sqlite3.Connection, kind):
    table = "agents" if kind == "agent" else "shops"
    column = "name" if {other} else "email"
    return conn.execute(f"SELECT id FROM {{table}} WHERE {{column}} = ?", (1,))
"""
        assert len(two(code)) == 1


def test_texts_of_very_many_ways_take_a_bounded_time() -> None:
    lines = ["s0 = 'SELECT id FROM agents WHERE id = 1 '"]
    for i in range(9):
        for j, word in enumerate(("if", "elif", "elif", "else")):
            test = "" if word == "else" else f" {{}} == {j}"
            lines.append(f"{word}{test}: s{i + 1} = s{i} + ' AND {j} = {j} ' + s{i}")
    for name in ("a", "a{}"):
        body = "\n    ".join(
            line.format(name.format(number // 4)) for number, line in enumerate(lines)
        )
        flags = ", ".join(dict.fromkeys(name.format(i) for i in range(10)))
        code = (
            f"{HEAD}def ask(conn: sqlite3.Connection, {flags}):\n    {body}\n    conn.execute(s9)"
        )
        program = program_of({"schema.sql": SCHEMA, "app.py": code})
        before = time.process_time()
        assert program.once(statements)
        assert time.process_time() - before < 10


@pytest.mark.parametrize(
    "cursor", ["conn: psycopg2.extensions.connection", "conn"], ids=["known", "unknown"]
)
def test_what_is_copied_out_of_a_query_is_known(cursor: str) -> None:
    code = f"""import psycopg2
QUERIES = dict(mail="{FROM} email = %(key)s", name="{FROM} name = %(key)s")
def ask({cursor}, kind, key, into):
    cur = conn.cursor()
    query = cur.mogrify(QUERIES[kind], dict(key=key)).decode("utf-8")
    cur.copy_expert("COPY (%s) TO STDOUT" % query, into)
"""
    program = program_of({"schema.sql": SCHEMA, "app.py": code})
    copied = [site for site in program.once(statements) if "COPY" in (site.sql or "")]
    assert {site.effects for site in copied} == {("db.query",)}
    assert {(site.sql or "").split()[-5] for site in copied} == {"email", "name"}
