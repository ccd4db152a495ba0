"""The SQL of statements that calls build of table objects, and of what is none, or not known."""

import pytest

from perfaudit.audit import program_of
from perfaudit.program.sql_coverage import can_be_read

TABLES = """
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import declarative_base

metadata = MetaData()
Base = declarative_base()

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("city", String(20)),
    Column("data", JSONB),
)
orders = sa.Table(
    "order",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("user_id", ForeignKey("users.id")),
)


class Team(Base):
    __tablename__ = "teams"
    id = Column(Integer, primary_key=True)


class Badge(Base):
    __table__ = Table("badges", Base.metadata, Column("id", Integer), Column("text", String))
"""
HEAD = """
import sqlalchemy as sa
from sqlalchemy import and_, func, or_, select
from sqlalchemy.engine import Connection

import tables
from tables import Badge, Team, orders, users

teams = Team.__table__


def of_city(city):
    return select(users).where(users.c.city == city)


def ask(conn: Connection, given, flag):
"""


def sql(value: str, before: str = "") -> str | None:
    """Return the text of the statement that an expression is."""
    lines = "".join(f"    {line}\n" for line in before.splitlines())
    code = f"{HEAD}{lines}    conn.execute({value})\n"
    program = program_of({"tables.py": TABLES, "app.py": code})
    found = [site for site in program.sites() if site.name.endswith("Connection.execute")]
    assert len(found) == 1
    return found[0].sql


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("select(users)", "SELECT users.* FROM users"),
        ("sa.select([users.c.id, users.c.city])", "SELECT users.id, users.city FROM users"),
        ("tables.users.select()", "SELECT users.* FROM users"),
        ("select(*users.c)", "SELECT users.* FROM users"),
        ("select(orders.c.id)", 'SELECT "order".id FROM "order"'),
        ("select(teams)", "SELECT teams.* FROM teams"),
        ("select(Team.__table__.c.id)", "SELECT teams.id FROM teams"),
        ("select(Badge.__table__.c.text)", "SELECT badges.text FROM badges"),
        ('select(tables.metadata.tables["users"])', "SELECT users.* FROM users"),
        ('select(tables.metadata.tables["teams"].c.id)', "SELECT teams.id FROM teams"),
        ('tables.metadata.tables["other"].delete()', "DELETE FROM other"),
        (
            'select(sa.column("id"), sa.column("city")).select_from(users)',
            "SELECT id, city FROM users",
        ),
        (
            'select(sa.column("id")).select_from(sa.table("other")).where(sa.column("a") == given)',
            "SELECT id FROM other WHERE a = {}",
        ),
        ('select(users.alias("u").c.id)', "SELECT u.id FROM users AS u"),
        ('select(users.c["city"].label("town"))', "SELECT users.city AS town FROM users"),
        ("select(users).limit(5).offset(given)", "SELECT users.* FROM users LIMIT 5 OFFSET {}"),
        ("select(users).with_for_update()", "SELECT users.* FROM users FOR UPDATE"),
        (
            "select(users).order_by(users.c.city.desc(), sa.asc(users.c.id))",
            "SELECT users.* FROM users ORDER BY users.city DESC, users.id ASC",
        ),
        ("select(func.count()).select_from(users)", "SELECT COUNT(*) FROM users"),
        (
            "select(users.c.city, func.max(users.c.id)).group_by(users.c.city)",
            "SELECT users.city, MAX(users.id) FROM users GROUP BY users.city",
        ),
        (
            "select(users.c.id, orders.c.id).select_from(users.join(orders))",
            'SELECT users.id, "order".id FROM users JOIN "order" ON "order".user_id = users.id',
        ),
        (
            "select(users.c.id).outerjoin(orders, orders.c.user_id == users.c.id)",
            'SELECT users.id FROM users LEFT JOIN "order" ON "order".user_id = users.id',
        ),
        (
            "select(users.c.id).where(users.c.id == orders.c.user_id)",
            'SELECT users.id FROM users, "order" WHERE users.id = "order".user_id',
        ),
        (
            'users.update().where(users.c.id == given).values(city="x")',
            "UPDATE users SET city = {} WHERE users.id = {}",
        ),
        ("sa.delete(users).where(users.c.id == 1)", "DELETE FROM users WHERE users.id = 1"),
        (
            "sa.insert(users).values({users.c.city: given})",
            "INSERT INTO users (city) VALUES ({})",
        ),
        ("users.insert()", "INSERT INTO users VALUES ({})"),
        (
            "select(users).union(orders.select().limit(1))",
            'SELECT users.* FROM users UNION (SELECT "order".* FROM "order" LIMIT 1)',
        ),
        (
            "sa.union_all(select(users.c.id), select(orders.c.id)).order_by(given).limit(3)",
            'SELECT users.id FROM users UNION ALL SELECT "order".id FROM "order" '
            "ORDER BY {} LIMIT 3",
        ),
        (
            'select(users.c.id).subquery("mine").select()',
            "SELECT mine.* FROM (SELECT users.id FROM users) AS mine",
        ),
        (
            'select(sa.table("users", sa.column("id")).c.id)',
            "SELECT users.id FROM users",
        ),
        (
            "select(users.c.id, select(func.count()).select_from(orders)"
            '.where(orders.c.user_id == users.c.id).scalar_subquery().label("n"))',
            'SELECT users.id, (SELECT COUNT(*) FROM "order" WHERE "order".user_id = users.id) AS n'
            " FROM users",
        ),
    ],
)
def test_statement(value: str, text: str) -> None:
    assert sql(value) == text
    assert can_be_read(text)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ('users.c.city == "x\'y"', "users.city = 'x''y'"),
        ("users.c.city != None", "users.city IS NOT NULL"),
        ("users.c.city.is_(None)", "users.city IS NULL"),
        ("users.c.id.in_([1, given])", "users.id IN (1, {})"),
        ("users.c.id.not_in(given)", "users.id NOT IN ({})"),
        (
            "users.c.id.in_(select(orders.c.user_id))",
            'users.id IN (SELECT "order".user_id FROM "order")',
        ),
        ('users.c.city.like("x%")', "users.city LIKE 'x%'"),
        ('users.c.city.ilike(f"%{given}%")', "users.city ILIKE '%{}%'"),
        ("users.c.city.contains(given)", "users.city LIKE '%{}%'"),
        ("users.c.id.between(1, given)", "users.id BETWEEN 1 AND {}"),
        ("and_(users.c.id > 1, users.c.id < given)", "(users.id > 1 AND users.id < {})"),
        ("(users.c.id > 1) | (users.c.id < given)", "(users.id > 1 OR users.id < {})"),
        ("or_(users.c.id > 1, given)", "({} OR users.id > 1)"),
        ("func.lower(users.c.city) == given", "LOWER(users.city) = {}"),
        ('users.c.data["k"].astext == given', "users.data ->> 'k' = {}"),
        ('users.c.data["k"]["l"].as_string() == given', "users.data -> 'k' ->> 'l' = {}"),
        ("users.c.data.contains(given)", "users.data @> {}"),
        ("given", "{}"),
        ("users.c.id == Team.id", "{}"),
        ("users.c.id == given.c.id", "{}"),
        ("sa.exists(select(orders))", 'EXISTS (SELECT "order".* FROM "order")'),
    ],
)
def test_condition(condition: str, text: str) -> None:
    assert (
        sql(f"select(users.c.id).where({condition})") == f"SELECT users.id FROM users WHERE {text}"
    )


def test_conditions_that_are_not_known_stand_first() -> None:
    text = sql("select(users.c.id).where(users.c.id > 1).where(given)")
    assert text == "SELECT users.id FROM users WHERE {} AND users.id > 1"


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("q = select(users)\nq = q.where(users.c.id > 1)", " WHERE users.id > 1"),
        ("q = select(users)\nif flag:\n    q = q.where(users.c.id > 1)", ""),
        ("q = of_city(given).limit(1)", " WHERE users.city = {} LIMIT 1"),
        (
            "found = [users.c.id > 1]\nif flag:\n    found.append(users.c.city == given)\n"
            "q = select(users).where(*found)",
            " WHERE users.id > 1",
        ),
        ("q = select(users).where(*given)", " WHERE {}"),
        ("city = users.c.city\nq = select(users).where(city == given)", " WHERE users.city = {}"),
    ],
)
def test_statement_that_is_built_step_by_step(before: str, text: str) -> None:
    assert sql("q", before) == f"SELECT users.* FROM users{text}"


@pytest.mark.parametrize(
    "value",
    [
        "select(Team)",
        "select(Team.id, users.c.id)",
        "select(given)",
        "select(given.c.id)",
        "select(users).union(given)",
        "sa.union_all(select(users), select(Team))",
        "select(users).join(given)",
        "select(given.subquery().c.id)",
        "select(sa.table(given))",
        "given.select()",
        "select(given.tables['users'])",
        "select(tables.metadata.tables[given])",
    ],
)
def test_statement_of_anything_else_is_not_known(value: str) -> None:
    assert sql(value) is None


@pytest.mark.parametrize(
    "before",
    [
        "for each in given:\n    u = u.alias()\nq = select(u)",
        "for each in given:\n    j = j.join(users)\nq = select(users).select_from(j)",
        "for each in given:\n    q = q.where(users.c.id == each)",
        "while q:\n    q = select(q).where(q)",
        "while q:\n    q = select(q.subquery())",
        "while q:\n    q = q.union_all(q, q)",
        "while q:\n    q = select(q.subquery().c.id).where(q.subquery().c.id == 1)",
        "c = c & (users.c.id == 1)\nq = select(users.c.id).select_from(given).where(c)",
    ],
)
def test_what_is_made_of_itself_ends(before: str) -> None:
    assert sql("q", before) is None


@pytest.mark.parametrize(
    ("value", "before"),
    [
        ("query", "from tables import query"),
        ("nested(3)", "def nested(n): return select(users.c.id).where(users.c.id.in_(nested(n)))"),
        ("query", "for one in given:\n    query = select(users).where(users.c.id.in_(query))"),
        ("select(users.c.id).select_from(all)", "for one in given:\n    all = all.join(all, True)"),
    ],
)
def test_statements_that_lead_to_themselves_end(value: str, before: str) -> None:
    tables = f"{TABLES}\nfrom app import query\n"
    lines = "".join(f"    {line}\n" for line in before.splitlines())
    code = f"{HEAD}{lines}    conn.execute({value})\n\nfrom tables import query\n"
    program = program_of({"tables.py": tables, "app.py": code})
    assert any(site.name.endswith("Connection.execute") for site in program.sites())


def test_names_that_import_each_other_end() -> None:
    program = program_of(
        {
            "app.py": f"{HEAD}    conn.execute(query)\n\nfrom other import query\n",
            "other.py": "from app import query\n",
            "tables.py": TABLES,
        }
    )
    assert any(site.name.endswith("Connection.execute") for site in program.sites())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('select(users.c.id).where(users.c.city == f"")', "users.city = ''"),
        ("users.select().filter_by(**given)", "WHERE {}"),
        ("select(users.c.id).join(orders, users.c.id == 3, isouter=False)", " JOIN "),
    ],
)
def test_odd_words(value: str, text: str) -> None:
    found = sql(value)
    assert found is not None
    assert text in found
    assert "LEFT" not in found


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (
            'found = sa.Table("found", sa.MetaData(), autoload_with=conn)',
            "SELECT found.id FROM found WHERE found.name = {}",
        ),
        ("found = sa.Table(given, sa.MetaData(), autoload_with=conn)", None),
    ],
)
def test_tables_that_a_function_reads_from_the_database_are_known_by_name(
    before: str, text: str | None
) -> None:
    assert sql("select(found.c.id).where(found.c.name == given)", before) == text


def test_a_program_may_have_no_other_tables() -> None:
    code = """
import sqlalchemy as sa

def ask(engine: sa.Engine, given):
    found = sa.Table("found", sa.MetaData(), autoload_with=engine)
    with engine.connect() as conn:
        conn.execute(sa.select(found.c.id).where(found.c.name == given))
"""
    program = program_of({"app.py": code})
    texts = [site.sql for site in program.sites() if site.sql]
    assert texts == ["SELECT found.id FROM found WHERE found.name = {}"]
