"""Migrations whose operations a class lists, replayed in the order of their dependencies."""

import pytest
from schema_project import Project, project

MODELS = """
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80)
"""
HEAD = """
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

"""
FIRST = """
        migrations.CreateModel(
            name="Author",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=80)),
                ("email", models.EmailField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=80)),
                ("year", models.IntegerField()),
                ("author", models.ForeignKey(on_delete=models.CASCADE, to="shop.Author")),
            ],
            options={"unique_together": {("author", "title")}},
        ),
"""


def migration(operations: str, after: str = "", name: str = "0001_initial") -> str:
    """Return the text of a migration; ``after`` names the one before it."""
    before = f'("shop", "{after}")' if after else ""
    return (
        f"{HEAD}class Migration(migrations.Migration):\n"
        f"    dependencies = [{before}]\n    operations = [{operations}]\n"
    )


def shop(*operations: str, **files: str) -> Project:
    """Return a shop whose tables migrations make, with further ones, each after the one before."""
    texts = {"shop/migrations/0001_initial.py": migration(FIRST)}
    after = "0001_initial"
    for number, operation in enumerate(operations, 2):
        name = f"{number:04d}_more"
        texts[f"shop/migrations/{name}.py"] = migration(operation, after)
        after = name
    return project({**texts, **files})


def indexes(found: Project, table: str) -> set[tuple[tuple[str, ...], bool]]:
    """Return the indexes of a table but for the key: the columns, and whether it is unique."""
    return {
        (index.columns, index.unique)
        for index in found.schema.tables[table].indexes
        if index.columns != ("id",)
    }


def test_tables_are_made() -> None:
    found = shop()
    assert sorted(found.schema.tables) == ["shop_author", "shop_book"]
    book = found.schema.tables["shop_book"]
    assert list(book.columns) == ["id", "title", "year", "author_id"]
    assert book.columns["author_id"].references == "shop_author"
    assert book.columns["id"].primary
    assert found.schema.tables["shop_author"].columns["email"].nullable
    assert indexes(found, "shop_book") == {(("author_id",), False), (("author_id", "title"), True)}


@pytest.mark.parametrize(
    ("operation", "columns"),
    [
        (
            'migrations.AddField("Book", "pages", models.IntegerField())',
            ["id", "title", "year", "author_id", "pages"],
        ),
        ('migrations.RemoveField("book", "year")', ["id", "title", "author_id"]),
        ('migrations.RemoveField("book", "author")', ["id", "title", "year"]),
        (
            'migrations.RenameField("book", "year", "printed")',
            ["id", "title", "author_id", "printed"],
        ),
        (
            'migrations.RenameField("book", "author", "writer")',
            ["id", "title", "year", "writer_id"],
        ),
        (
            'migrations.AlterField("book", "year", models.IntegerField(db_column="printed"))',
            ["id", "title", "author_id", "printed"],
        ),
        (
            'migrations.AddField("book", "tags", models.ManyToManyField(to="shop.Author"))',
            ["id", "title", "year", "author_id"],
        ),
        (
            'migrations.RunSQL("ALTER TABLE shop_book DROP COLUMN year, ADD COLUMN isbn text")',
            ["id", "title", "author_id", "isbn"],
        ),
        (
            'migrations.RunSQL("ALTER TABLE shop_book RENAME COLUMN year TO printed")',
            ["id", "title", "author_id", "printed"],
        ),
    ],
)
def test_columns_come_and_go(operation: str, columns: list[str]) -> None:
    assert list(shop(operation).schema.tables["shop_book"].columns) == columns


KEY = (("author_id",), False)
PAIR = (("author_id", "title"), True)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (
            ('migrations.AddIndex("book", models.Index(fields=["-year", "title"], name="y"))',),
            {KEY, PAIR, (("year", "title"), False)},
        ),
        (
            ('AddIndexConcurrently("book", models.Index(fields=["year"], name="y"))',),
            {KEY, PAIR, (("year",), False)},
        ),
        (
            (
                'migrations.AddIndex("book", models.Index(fields=["year"], name="y"))',
                'migrations.RemoveIndex("book", "y")',
            ),
            {KEY, PAIR},
        ),
        (
            (
                'migrations.AddIndex("book", models.Index(fields=["year"], name="y"))',
                'migrations.RenameIndex("book", new_name="z", old_name="y")',
                'migrations.RemoveIndex("book", "z")',
            ),
            {KEY, PAIR},
        ),
        (
            (
                'migrations.AddConstraint("book", models.UniqueConstraint('
                'fields=["year"], name="y", condition=models.Q(year__gt=1)))',
            ),
            {KEY, PAIR, (("year",), True)},
        ),
        (
            (
                'migrations.AddConstraint("book", models.CheckConstraint(check=X, name="c"))',
                'migrations.RemoveConstraint("book", "c")',
            ),
            {KEY, PAIR},
        ),
        (
            ('migrations.AlterUniqueTogether("book", {("year", "title")})',),
            {KEY, (("year", "title"), True)},
        ),
        (('migrations.AlterUniqueTogether(name="book", unique_together=set())',), {KEY}),
        (
            ('migrations.AlterIndexTogether("book", {("year", "title")})',),
            {KEY, PAIR, (("year", "title"), False)},
        ),
        (
            (
                'migrations.AlterIndexTogether("book", {("year", "title")})',
                'migrations.RenameIndex("book", new_name="y", old_fields=("year", "title"))',
                'migrations.RemoveIndex("book", "y")',
            ),
            {KEY, PAIR},
        ),
        (
            ('migrations.AlterField("book", "year", models.IntegerField(db_index=True))',),
            {KEY, PAIR, (("year",), False)},
        ),
        (
            (
                'migrations.AlterField("book", "year", models.IntegerField(db_index=True))',
                'migrations.AlterField("book", "year", models.IntegerField())',
            ),
            {KEY, PAIR},
        ),
        (('migrations.RemoveField("book", "title")',), {KEY}),
        (
            ('migrations.RenameField("book", "author", "writer")',),
            {(("writer_id",), False), (("writer_id", "title"), True)},
        ),
        (
            (
                'migrations.RunSQL("CREATE INDEX y ON shop_book (year)", '
                'reverse_sql="CREATE INDEX n ON shop_book (title)")',
            ),
            {KEY, PAIR, (("year",), False)},
        ),
        (
            (
                'migrations.RunSQL(sql=[("CREATE INDEX y ON shop_book (year)", None), '
                '"CREATE INDEX t ON shop_book (title)"])',
                'migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS y; -- gone", '
                "migrations.RunSQL.noop)",
            ),
            {KEY, PAIR, (("title",), False)},
        ),
    ],
)
def test_indexes_come_and_go(
    operations: tuple[str, ...], expected: set[tuple[tuple[str, ...], bool]]
) -> None:
    assert indexes(shop(*operations), "shop_book") == expected


def test_a_partial_index_is_known_as_one() -> None:
    found = shop(
        'migrations.AddConstraint("book", models.UniqueConstraint('
        'fields=["year"], name="y", condition=models.Q(year__gt=1)))'
    )
    index = next(item for item in found.schema.tables["shop_book"].indexes if item.name == "y")
    assert index.where is not None
    assert not found.schema.tables["shop_book"].columns["year"].indexed


def test_tables_are_renamed_and_dropped() -> None:
    found = shop('migrations.RenameModel("Author", "Writer")')
    assert sorted(found.schema.tables) == ["shop_book", "shop_writer"]
    assert found.schema.tables["shop_book"].columns["author_id"].references == "shop_writer"
    found = shop('migrations.AlterModelTable("book", "old_books")')
    assert sorted(found.schema.tables) == ["old_books", "shop_author"]
    found = shop(
        'migrations.AlterModelTable("book", "old_books"), migrations.RenameModel("Book", "Tome"),'
        'migrations.RemoveField("tome", "year")'
    )
    assert sorted(found.schema.tables["old_books"].columns) == ["author_id", "id", "title"]
    found = shop(
        'migrations.AlterModelTable("book", "old_books")',
        'migrations.AlterModelTable("book", None)',
    )
    assert sorted(found.schema.tables) == ["shop_author", "shop_book"]
    assert sorted(shop('migrations.DeleteModel("Book")').schema.tables) == ["shop_author"]
    found = shop('migrations.RunSQL("DROP TABLE IF EXISTS shop_book CASCADE")')
    assert sorted(found.schema.tables) == ["shop_author"]


def test_only_what_is_carried_out_changes_the_database() -> None:
    moved = """migrations.SeparateDatabaseAndState(
        database_operations=[],
        state_operations=[
            migrations.CreateModel("Tome", [("id", models.AutoField(primary_key=True)),
            ("year", models.IntegerField())], options={"db_table": "shop_book"}),
            migrations.DeleteModel("Book")],
    )"""
    found = shop(moved, 'migrations.AddIndex("tome", models.Index(fields=["year"], name="y"))')
    assert sorted(found.schema.tables) == ["shop_author", "shop_book"]
    assert (("year",), False) in indexes(found, "shop_book")
    carried = """migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL("CREATE INDEX CONCURRENTLY y ON shop_book (year)")],
        state_operations=[
            migrations.AddIndex("book", models.Index(fields=["year"], name="y"))],
    )"""
    assert (("year",), False) in indexes(shop(carried), "shop_book")
    assert (("year",), False) not in indexes(
        shop(carried, 'migrations.RemoveIndex("book", "y")'), "shop_book"
    )
    state = """migrations.SeparateDatabaseAndState(
        state_operations=[migrations.AddIndex("book", models.Index(fields=["year"], name="y"))])"""
    assert (("year",), False) not in indexes(shop(state), "shop_book")


def test_code_that_runs_statements() -> None:
    code = (
        HEAD
        + '''
def forwards(apps, schema_editor):
    schema_editor.execute("""
        CREATE INDEX y
        ON shop_book (year)
    """)


def backwards(apps, schema_editor):
    schema_editor.execute("DROP INDEX y")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
'''
    )
    found = project(
        {"shop/migrations/0001_initial.py": migration(FIRST), "shop/migrations/0002.py": code}
    )
    assert (("year",), False) in indexes(found, "shop_book")


def test_the_order_is_that_of_dependencies() -> None:
    files = {
        "shop/migrations/0001_initial.py": migration(FIRST),
        "shop/migrations/0002_b.py": migration('migrations.RemoveIndex("book", "y")', "0003_a"),
        "shop/migrations/0003_a.py": migration(
            'migrations.AddIndex("book", models.Index(fields=["year"], name="y"))', "0001_initial"
        ),
    }
    assert indexes(project(files), "shop_book") == {KEY, PAIR}


def test_a_migration_stands_for_others() -> None:
    replaces = 'replaces = [("shop", "0001_initial"), ("shop", "0002_more")]'
    squashed = migration(FIRST).replace("dependencies", f"{replaces}\n    dependencies")
    gone = migration('migrations.AddField("book", "gone", models.TextField())', "0001_initial")
    after = migration('migrations.AddField("book", "pages", models.IntegerField())', "0002_more")
    found = project(
        {
            "shop/migrations/0001_initial.py": migration(FIRST),
            "shop/migrations/0001_squashed.py": squashed,
            "shop/migrations/0002_more.py": gone,
            "shop/migrations/0003_after.py": after,
        }
    )
    assert list(found.schema.tables["shop_book"].columns)[-2:] == ["author_id", "pages"]


def test_what_a_setting_names_is_followed() -> None:
    files = {
        "config/settings.py": 'AUTH_USER_MODEL = "people.Person"\n',
        "people/migrations/0001_initial.py": HEAD
        + """class Migration(migrations.Migration):
    operations = [migrations.CreateModel("Person", [("id", models.AutoField(primary_key=True))],
        options={"swappable": "AUTH_USER_MODEL"})]
""",
        "shop/migrations/0001_initial.py": HEAD
        + """class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [migrations.CreateModel("Cart", [("id", models.AutoField(primary_key=True)),
        ("owner", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE))])]
""",
    }
    cart = project(files).schema.tables["shop_cart"]
    assert cart.columns["owner_id"].references == "people_person"


def test_an_index_that_only_a_migration_makes_is_one_of_the_class() -> None:
    found = shop(
        'migrations.RunSQL("""\n  CREATE INDEX lower_name\n  ON shop_author (lower(name));\n'
        '  CREATE INDEX plain_name ON shop_author (name)""")',
        **{"shop/models.py": MODELS},
    )
    author = found.schema.whole_table_of(found.node("shop.models.Author"))
    assert author is not None
    assert author.columns["name"].indexed
    assert author.columns["name"].location.path == "shop/models.py"
    made = {index.name: index.location for index in author.indexes if index.name}
    assert set(made) == {"lower_name", "plain_name"}
    assert made["plain_name"].path == "shop/migrations/0002_more.py"
    assert made["plain_name"].line == made["lower_name"].line + 2


@pytest.mark.parametrize(
    "operations",
    [
        "*more()",
        "migrations.RunSQL(), migrations.CreateModel(), migrations.AddField('book')",
        "migrations.RunSQL(open('x.sql').read()), migrations.RunPython(lambda apps, editor: None)",
        "migrations.AddIndex('nothing', models.Index(fields=['x'], name='y'))",
        "migrations.RenameModel('Nobody', 'Somebody'), migrations.RemoveField('a', 'b')",
        "migrations.AlterUniqueTogether('book', None), migrations.AddField('book', 'x', make())",
    ],
)
def test_odd_operations_are_passed_over(operations: str) -> None:
    assert "shop_book" in shop(operations).schema.tables


def test_dependencies_in_a_ring_end() -> None:
    files = {
        "shop/migrations/0001_a.py": migration(FIRST, "0002_b"),
        "shop/migrations/0002_b.py": migration("", "0001_a"),
    }
    assert "shop_book" in project(files).schema.tables
