"""Tables and indexes that SQL declares."""

from schema_project import project

from perfaudit.core.location import Location
from perfaudit.program.tables_sql import read_sql_tables

DDL = """
-- the first; table
CREATE TABLE IF NOT EXISTS public.users (
    id SERIAL PRIMARY KEY,
    email VARCHAR(255) NOT NULL UNIQUE,
    profile JSONB,
    avatar BYTEA,
    bio TEXT DEFAULT 'a;b'
);

CREATE TABLE orders (
    id bigint NOT NULL,
    user_id bigint REFERENCES users(id),
    shop_id bigint,
    created timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT shop FOREIGN KEY (shop_id) REFERENCES shops (key),
    UNIQUE (shop_id, created)
);
CREATE INDEX ix_orders_user ON orders (user_id) WHERE created IS NOT NULL;
CREATE UNIQUE INDEX CONCURRENTLY ix_lower ON users USING gin (lower(email), bio DESC);
ALTER TABLE orders ADD COLUMN note text;
ALTER TABLE ONLY orders ADD CONSTRAINT one UNIQUE (note);
CREATE TABLE broken (((;
INSERT INTO orders VALUES (1);
"""


def test_tables_and_columns() -> None:
    schema = project({}, sql={"schema.sql": DDL}).schema
    users = schema.find("public.users")
    assert users is not None
    assert users.node is None
    assert {name: column.type for name, column in users.columns.items()} == {
        "id": "integer",
        "email": "text",
        "profile": "json",
        "avatar": "binary",
        "bio": "text",
    }
    assert users.columns["id"].primary
    assert users.columns["email"].unique
    assert users.columns["email"].nullable is False
    assert users.columns["profile"].nullable is True
    assert users.location.path == "schema.sql"
    assert users.location.line == 3


def test_keys_constraints_and_added_columns() -> None:
    orders = project({}, sql={"schema.sql": DDL}).schema.tables["orders"]
    assert orders.columns["id"].primary
    assert orders.columns["user_id"].references == "users.id"
    assert orders.columns["shop_id"].references == "shops.key"
    assert orders.columns["note"].type == "text"
    assert orders.columns["note"].indexed
    assert orders.columns["shop_id"].indexed


def test_a_partial_index_does_not_mark_its_column() -> None:
    orders = project({}, sql={"schema.sql": DDL}).schema.tables["orders"]
    partial = next(index for index in orders.indexes if index.where)
    assert partial.columns == ("user_id",)
    assert not orders.columns["user_id"].indexed


def test_an_index_keeps_its_method_and_its_expressions() -> None:
    users = project({}, sql={"schema.sql": DDL}).schema.tables["users"]
    index = next(index for index in users.indexes if index.method)
    assert (index.method, index.unique) == ("gin", True)
    assert index.columns == ("(LOWER(email))", "bio")


def test_what_does_not_parse_is_counted() -> None:
    assert project({}, sql={"schema.sql": DDL}).schema.unparsed == 1


def test_sql_in_strings_adds_to_the_tables_of_classes() -> None:
    found = project(
        {
            "models.py": """
from django.db import models

class Item(models.Model):
    name = models.TextField()
    size = models.IntegerField()
""",
            "setup_tables.py": """
def prepare(cursor, prefix):
    cursor.execute("CREATE INDEX size_index ON app_item (size)")
    cursor.execute("CREATE TABLE notes (id int primary key, body text)")
    cursor.execute(f"CREATE TABLE {prefix} (id int)")
""",
        }
    )
    assert sorted(found.schema.tables) == ["app_item", "notes"]
    assert found.schema.tables["app_item"].columns["size"].indexed
    assert not found.schema.tables["app_item"].columns["name"].indexed
    assert found.schema.tables["notes"].location.line == 4


def test_a_huge_text_without_statements_is_passed_over() -> None:
    huge = "CREATE TABLE big (" + ", ".join(f"c{number} int" for number in range(30_000)) + ")"
    schema = project({}, sql={"big.sql": huge, "small.sql": "create table small (id int)"}).schema
    assert list(schema.tables) == ["small"]


def test_statements_that_declare_no_column_or_index_are_not_read() -> None:
    text = """
CREATE TEMP TABLE moved ON COMMIT DROP AS SELECT * FROM users;
ALTER TABLE users VALIDATE CONSTRAINT positive;
ALTER TABLE users RENAME TO people;
"""
    schema = project({}, sql={"changes.sql": text}).schema
    assert schema.tables == {}
    assert schema.unparsed == 0


def test_rows_of_dumps_hide_no_statement() -> None:
    dump = """CREATE TABLE agents (id int PRIMARY KEY, name text);
COPY public.agents (id, name) FROM stdin;
1\tit's
2\ta;b
\\.

CREATE INDEX by_name ON agents (name);
"""
    (index,) = read_sql_tables([(Location("dump.sql", 1), dump)]).indexes["agents"][-1:]
    assert (index.columns, index.location.line) == (("name",), 7)


def test_a_backslash_takes_a_quote_its_meaning_where_the_server_says_so() -> None:
    head = "CREATE TABLE a (id int PRIMARY KEY) ENGINE=InnoDB;\n"
    rows = "INSERT INTO a VALUES ('it\\'s');\n"
    table = "CREATE TABLE b (id int PRIMARY KEY)"
    found = read_sql_tables([(Location("dump.sql", 1), f"{head}{rows}{table} ENGINE=InnoDB;")])
    assert sorted(found.tables) == ["a", "b"]
    other = "SELECT name LIKE 'a' ESCAPE '\\';\n"
    assert sorted(read_sql_tables([(Location("a.sql", 1), other + table)]).tables) == ["b"]


def test_keys_of_other_servers_are_indexes() -> None:
    table = """CREATE TABLE `agents` (
  `id` int NOT NULL AUTO_INCREMENT, `email` varchar(99), `name` varchar(99) DEFAULT 'it\\'s',
  PRIMARY KEY (`id`), UNIQUE KEY `by_email` (`email`), KEY `by_name` (`name`(10), `email`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;"""
    found = read_sql_tables([(Location("dump.sql", 1), table)])
    assert sorted(found.tables["agents"].columns) == ["email", "id", "name"]
    keys = {index.columns: index.unique for index in found.indexes["agents"]}
    assert keys == {("id",): True, ("email",): True, ("name", "email"): False}


DERIVED = """
CREATE VIEW totals (shop, count, latest) AS
    SELECT orders.shop_id, count(*), max(created) FROM orders GROUP BY shop_id;
CREATE MATERIALIZED VIEW people AS
    SELECT u.*, o.note AS remark FROM users u JOIN orders o ON o.user_id = u.id;
CREATE UNIQUE INDEX ON people (id);
CREATE OR REPLACE VIEW named AS
    SELECT people.remark, profile FROM people UNION ALL SELECT 'a', NULL FROM users;
CREATE TEMP TABLE found AS WITH big AS (SELECT id, bio FROM users) SELECT big.id, big.bio FROM big;
CREATE TABLE unknown AS SELECT * FROM nowhere;
CREATE TABLE archived (LIKE orders INCLUDING ALL, archived_at timestamptz);
"""


def test_views_and_tables_made_of_queries_have_the_columns_that_these_give() -> None:
    tables = project({}, sql={"a.sql": DDL, "b.sql": DERIVED}).schema.tables

    def columns(name: str) -> dict[str, str]:
        return {column.name: column.type for column in tables[name].columns.values()}

    assert columns("totals") == {"shop": "integer", "count": "other", "latest": "other"}
    assert list(columns("people")) == ["id", "email", "profile", "avatar", "bio", "remark"]
    assert columns("named") == {"remark": "text", "profile": "json"}
    assert list(columns("found")) == ["id", "bio"]
    assert "unknown" not in tables
    assert {name for name, table in tables.items() if table.is_view} == {
        "totals",
        "people",
        "named",
    }
    assert [index.columns for index in tables["people"].indexes] == [("id",)]
    assert not tables["found"].columns["id"].primary


def test_a_table_is_made_like_another() -> None:
    table = project({}, sql={"a.sql": DDL, "b.sql": DERIVED}).schema.tables["archived"]
    assert list(table.columns) == ["id", "user_id", "shop_id", "created", "note", "archived_at"]


TEMPLATE = """
{% for kind in kinds %}
CREATE TABLE {{ prefix }}_{{ kind }} (id int);
{% endfor %}
CREATE TABLE places (
  id BIGINT NOT NULL,
  name TEXT
) {{ tablespace.data }};
{% if indexed %}
CREATE UNIQUE INDEX ix ON places USING BTREE (id) {{ tablespace.index }} WHERE name IS NOT NULL;
{% endif %}
"""


def test_files_that_are_templates_declare_what_stands_in_them() -> None:
    tables = project({}, sql={"a.sql": TEMPLATE}).schema.tables
    assert list(tables) == ["places"]
    assert [index.columns for index in tables["places"].indexes] == [("id",)]
    assert tables["places"].location.line == 5


def replayed(**files: str) -> dict[str, list[str]]:
    """Return the tables of files in SQL with their columns, in order."""
    sql = {f"db/{name}.sql": text for name, text in files.items()}
    tables = project({}, sql=sql).schema.tables
    return {name: list(table.columns) for name, table in tables.items()}


FIRST = "CREATE TABLE a (id int, old text, gone text); CREATE TABLE b (id int);"


def test_statements_of_one_file_are_carried_out_in_order() -> None:
    text = FIRST + (
        "ALTER TABLE a RENAME COLUMN old TO new; ALTER TABLE a DROP COLUMN gone;"
        "ALTER TABLE a RENAME TO c; DROP TABLE IF EXISTS b;"
    )
    assert replayed(all=text) == {"c": ["id", "new"]}


def test_a_table_is_made_anew() -> None:
    text = (
        "DROP TABLE IF EXISTS a; CREATE TABLE a (id int, old int);"
        "CREATE TABLE new_a (id int); DROP TABLE a; ALTER TABLE new_a RENAME TO a;"
    )
    assert replayed(all=text) == {"a": ["id"]}


def test_numbered_files_of_a_folder_are_carried_out_in_order() -> None:
    second = "ALTER TABLE a DROP COLUMN gone; DROP TABLE b;"
    third = "ALTER TABLE a RENAME old TO new;"
    expected = {"a": ["id", "new"]}
    assert replayed(V1__first=FIRST, V2__second=second, V10__third=third) == expected
    files = {"0001_first": FIRST, "0002_second": second, "0003_third": third}
    assert replayed(**files) == expected
    files = {"2020-01-01_first/up": FIRST, "2020-02-01_second/up": second, "2021-01-01/up": third}
    assert replayed(**files, **{"2020-01-01_first/down": "DROP TABLE a;"}) == expected


def test_folders_with_numbers_are_no_sequence_unless_these_are_long() -> None:
    others = {"1-users/schema": FIRST, "2-orders/schema": "DROP TABLE IF EXISTS a;"}
    expected = {"a": ["id", "old", "gone"], "b": ["id"]}
    assert replayed(**others) == expected
    assert replayed(**{"v1/schema": FIRST, "v2/schema": "DROP TABLE a;"}) == expected
    assert replayed(**{"001/app/schema": FIRST, "002/app/schema": "DROP TABLE a;"}) == expected
    assert replayed(**{"001/up": FIRST, "002/up": "DROP TABLE a;"}) == {"b": ["id"]}
    assert replayed(**{"0001_a/up": FIRST, "0002_b/up": "DROP TABLE a;"}) == {"b": ["id"]}


def test_other_files_take_nothing_from_each_other() -> None:
    expected = {"a": ["id", "old", "gone"], "b": ["id"]}
    assert replayed(schema=FIRST, teardown="DROP TABLE a; DROP TABLE b;") == expected


def test_what_takes_a_migration_back_is_not_carried_out() -> None:
    expected = {"a": ["id", "old", "gone"], "b": ["id"]}
    back = "DROP TABLE a; DROP TABLE b; CREATE TABLE c (id int);"
    tools = ("migrate:down", "+goose Down", "+migrate Down", "@UNDO", "//@UNDO", "Down Migration")
    for mark in (*tools, "Down", "rollback:", "== DOWN =="):
        assert replayed(**{"0001_first": f"{FIRST}\n-- {mark}\n{back}"}) == expected
    for name in ("0001_first.down", "0001_first.rollback", "U1__first", "0001_first_down"):
        assert replayed(**{"0001_first.up": FIRST, name: back}) == expected


def test_a_comment_that_speaks_of_taking_back_takes_nothing_away() -> None:
    first, second = FIRST.split(";", 1)
    for words in (
        "Undo of deletes finds rows by this.",
        "rollback DROP TABLE a;",
        "rollback;",
        "down to here all is old",
        "rolled back: down",
    ):
        expected = replayed(all=FIRST)
        assert replayed(all=f"{first};\n-- {words}\n{second}") == expected
        assert replayed(all=f"{FIRST}\n-- Down\nDROP TABLE a;\n-- up to here") == expected


def test_what_is_done_again_after_what_takes_it_back() -> None:
    back = "-- {0}Down\nDROP TABLE a;\n-- {0}Up\nDROP TABLE b;"
    expected = replayed(all=FIRST + "DROP TABLE b;")
    for tool in ("", "+goose ", "@"):
        assert replayed(all=f"{FIRST}\n{back.format(tool)}") == expected


def test_the_last_file_that_takes_all_tables_away_clears_a_database() -> None:
    expected = {"a": ["id", "old", "gone"], "b": ["id"]}
    clear = "BEGIN; DROP VIEW IF EXISTS v; DROP TABLE IF EXISTS b, z; DROP TABLE a CASCADE; COMMIT;"
    assert replayed(**{"01_create": FIRST, "99_drop": clear}) == expected
    assert replayed(**{"01_create": FIRST, "02_drop": "DROP TABLE a;"}) == {"b": ["id"]}
    anew = f"{clear} CREATE TABLE c (id int);"
    assert replayed(**{"01_create": FIRST, "02_anew": anew}) == {"c": ["id"]}
    files = {"01_create": FIRST, "02_drop": clear, "03_create": "CREATE TABLE c (id int);"}
    assert replayed(**files) == {"c": ["id"]}


def test_an_index_that_is_taken_away_is_none() -> None:
    files = {
        "001": "CREATE TABLE a (id int, x int); CREATE INDEX ix ON a (x);",
        "002": "DROP INDEX ix;",
    }
    sql = {f"db/{name}.sql": text for name, text in files.items()}
    assert not project({}, sql=sql).schema.tables["a"].indexes


def test_what_is_added_to_a_table_of_another_file_stays() -> None:
    schema = "CREATE TABLE a (id int);"
    numbered = {"001": "ALTER TABLE a ADD COLUMN x int; CREATE INDEX ON a (x); DROP TABLE z;"}
    sql = {"schema.sql": schema, **{f"db/{name}.sql": text for name, text in numbered.items()}}
    table = project({}, sql=sql).schema.tables["a"]
    assert list(table.columns) == ["id", "x"]
    assert [index.columns for index in table.indexes] == [("x",)]


KEYS = """
DROP TABLE IF EXISTS lines;
CREATE TABLE orders (id bigint NOT NULL, customer text);
CREATE TABLE lines (id bigint NOT NULL, order_id bigint NOT NULL);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_key PRIMARY KEY (id);
ALTER TABLE ONLY public.lines
    ADD CONSTRAINT lines_order FOREIGN KEY (order_id) REFERENCES public.orders(id);
CREATE TABLE copies (LIKE orders INCLUDING ALL, note text);
"""


def test_keys_that_later_statements_add_are_those_of_the_table() -> None:
    tables = project({}, sql={"dump.sql": KEYS}).schema.tables
    assert tables["orders"].columns["id"].primary
    assert [index.columns for index in tables["orders"].indexes] == [("id",)]
    assert tables["lines"].columns["order_id"].references == "orders.id"
    assert list(tables["copies"].columns) == ["id", "customer", "note"]


def test_keys_that_are_taken_away_are_none() -> None:
    gone = "ALTER TABLE orders DROP CONSTRAINT orders_key; ALTER TABLE lines DROP {} lines_order;"
    for kind in ("CONSTRAINT", "FOREIGN KEY"):
        tables = project({}, sql={"dump.sql": KEYS + gone.format(kind)}).schema.tables
        assert not tables["orders"].columns["id"].primary
        assert not tables["orders"].indexes
        assert not tables["lines"].columns["order_id"].references


def test_a_renamed_key_keeps_what_it_refers_to_until_it_is_taken_away() -> None:
    renamed = KEYS + "ALTER TABLE lines RENAME order_id TO its;"
    tables = project({}, sql={"dump.sql": renamed}).schema.tables
    assert tables["lines"].columns["its"].references == "orders.id"
    gone = f"{renamed} ALTER TABLE lines DROP CONSTRAINT lines_order;"
    assert not project({}, sql={"dump.sql": gone}).schema.tables["lines"].columns["its"].references


def test_a_view_that_is_taken_away_is_none() -> None:
    assert replayed(all=FIRST + "CREATE VIEW v AS SELECT id FROM a; DROP VIEW v;").keys() == {
        "a",
        "b",
    }


def test_views_of_views_have_their_columns_in_whichever_order_they_are_read() -> None:
    sql = {
        "a.sql": "CREATE VIEW late AS SELECT id, name FROM middle;",
        "b.sql": "CREATE VIEW middle AS SELECT id, name FROM early;",
        "c.sql": "CREATE TABLE t (id int, name text); CREATE VIEW early AS SELECT id, name FROM t;",
        "d.sql": "CREATE VIEW x AS SELECT a FROM y; CREATE VIEW y AS SELECT a FROM x;",
    }
    tables = project({}, sql=sql).schema.tables
    for name in ("early", "middle", "late"):
        columns = tables[name].columns
        assert {key: column.type for key, column in columns.items()} == {
            "id": "integer",
            "name": "text",
        }


def test_statements_that_are_carried_out_and_not_understood_are_counted() -> None:
    broken = "CREATE TABLE broken (((;"
    for text in (f"{FIRST}{broken}", f"{FIRST}{broken}DROP TABLE b;"):
        assert project({}, sql={"a.sql": text, "b.sql": broken}).schema.unparsed == 2
