"""Migrations that functions carry out call by call, replayed in their order."""

from schema_project import project

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

"""
TABLE = """
    op.create_table("shops", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text), sa.Column("town", sa.Text), sa.Column("street", sa.Text))
"""


def indexes(code: str) -> dict[tuple[str, ...], int]:
    """Return the indexes of the shops, but for the key, and the lines that made them."""
    found = project({"versions/one.py": HEAD + code}).schema.tables["shops"].indexes
    return {item.columns: item.location.line for item in found if item.columns != ("id",)}


def line(code: str, text: str) -> int:
    """Return the line of a text."""
    return (HEAD + code)[: (HEAD + code).index(text)].count("\n") + 1


def test_helpers_are_given_names() -> None:
    code = f"""
def make(name, table, columns, unique=False):
    if name not in existing():
        op.create_index(name, table, columns, unique=unique)


def make_one(name, column):
    make(name, "shops", [column])


def upgrade():{TABLE}
    make("by_name", "shops", ["name"])
    make_one("by_town", "town")
    make("by_street", "shops", columns=["street", "town"])
    make(worked_out(), other(), columns=[each for each in all()])


def downgrade():
    op.drop_index("by_name", "shops")
"""
    assert indexes(code) == {
        ("name",): line(code, 'make("by_name"'),
        ("town",): line(code, 'make_one("by_town"'),
        ("street", "town"): line(code, 'make("by_street"'),
    }


def test_indexes_are_made_in_a_loop() -> None:
    code = f"""
def upgrade():{TABLE}
    for name, table, columns in [("a", "shops", ["name"]), ("b", "shops", ["town", "name"])]:
        op.create_index(name, table, columns)
    for column in ("street",):
        op.create_index(f"ix_{{column}}", "shops", [column])
"""
    assert set(indexes(code)) == {("name",), ("town", "name"), ("street",)}


def test_what_an_index_says_of_its_columns_is_kept() -> None:
    code = f"""
def upgrade():{TABLE}
    op.create_index("lower", "shops", [sa.text("lower(name)")], postgresql_include=["town"])
    op.create_index("like", "shops", ["town"], postgresql_ops={{"town": "varchar_pattern_ops"}})
    op.alter_column("shops", "street", new_column_name="road", nullable=False)
"""
    table = project({"versions/one.py": HEAD + code}).schema.tables["shops"]
    (lower, like) = table.indexes[1:]
    assert (lower.columns, lower.include, lower.operators) == (("(lower(name))",), ("town",), False)
    assert (like.columns, like.operators) == (("town",), True)
    assert table.columns["road"].nullable is False


def test_statements_are_carried_out_in_their_order() -> None:
    code = f"""
def upgrade():{TABLE}
    op.execute("CREATE INDEX by_name ON shops (name); CREATE INDEX by_town ON shops (town)")
    op.execute(sa.text("DROP INDEX IF EXISTS by_name"))
    op.execute('''
        CREATE INDEX by_street
            ON shops (street)
    ''')


def downgrade():
    op.execute("CREATE INDEX by_both ON shops (name, town)")
"""
    assert indexes(code) == {
        ("town",): line(code, "CREATE INDEX by_name"),
        ("street",): line(code, "CREATE INDEX by_street"),
    }


def test_statements_of_the_own_connection_are_carried_out_in_their_order() -> None:
    code = f"""
def upgrade():{TABLE}
    op.execute("CREATE INDEX by_name ON shops (name)")
    op.get_bind().execute(sa.text("CREATE INDEX by_town ON shops (town)"))
    connection = op.get_bind()
    connection.execute(sa.text("DROP INDEX by_name"))
    other.execute(sa.text("DROP INDEX by_town"))


def downgrade():
    op.get_bind().execute(sa.text("DROP INDEX by_town"))
"""
    assert indexes(code) == {("town",): line(code, '"CREATE INDEX by_town')}


def test_a_statement_that_another_connection_runs_counts() -> None:
    code = f"""
def upgrade():{TABLE}
    connection = op.get_bind()
    connection.execute(sa.text("CREATE INDEX by_name ON shops (name)"))
"""
    assert set(indexes(code)) == {("name",)}


def test_views_that_migrations_make_and_take_away() -> None:
    code = f"""
def upgrade():{TABLE}
    op.execute("CREATE VIEW towns AS SELECT town, name FROM shops")
    op.execute("CREATE VIEW gone AS SELECT town FROM shops")
    op.execute("DROP VIEW gone")
    op.rename_table("towns", "places")


def downgrade():
    op.execute("CREATE VIEW before AS SELECT town FROM shops")
"""
    tables = project({"versions/one.py": HEAD + code}).schema.tables
    assert set(tables) == {"shops", "places"}
    assert tables["places"].is_view
    assert list(tables["places"].columns) == ["town", "name"]
