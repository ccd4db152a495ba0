"""Tables, columns and relations of Django classes."""

from schema_project import project

MODELS = """
from django.conf import settings
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80, db_index=True)
    photo = models.ImageField()


class Dated(models.Model):
    created = models.DateTimeField()
    editor = models.ForeignKey(Author, related_name="%(class)s_edited", on_delete=models.CASCADE)

    class Meta:
        abstract = True


class Tag(models.Model):
    label = models.SlugField(unique=True)


class BookManager(models.Manager):
    def published(self):
        return self.filter(draft=False)


class Book(Dated):
    author = models.ForeignKey("Author", on_delete=models.CASCADE, related_name="books")
    tags = models.ManyToManyField("shop.Tag")
    data = models.JSONField(null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    sequel = models.OneToOneField("self", null=True, on_delete=models.CASCADE, related_name="+")

    objects = BookManager()

    class Meta:
        indexes = [models.Index(fields=["author", "-created"])]
        unique_together = ("author", "owner")


class Novel(Book):
    pages = models.IntegerField(db_column="page_count")


class Old(Book):
    class Meta:
        proxy = True
"""
VIEWS = """
from shop.models import Author, Book, Novel

def forward():
    book = Book.objects.get(pk=1)
    return book.author

def reverse():
    author = Author.objects.get(pk=1)
    return author.books.all()

def elements():
    author = Author.objects.get(pk=1)
    return [book.author for book in author.books.all()]

def custom():
    author = Author.objects.get(pk=1)
    return author.books

def inherited():
    return Novel.objects.get(pk=1).author.book_edited

def many(book: Book):
    return book.tags

def tagged(book: Book):
    return book.tags.first().book_set

def scalar(author: Author):
    return author.name.strip()

def stored(author: Author):
    return author.photo

def owner(book: Book):
    return book.owner

def loose(book: Book):
    return book.data

def parent(novel: Novel):
    return novel.book_ptr

def child(book: Book):
    return book.novel
"""
ACCOUNTS = """
from django.contrib.auth.models import AbstractUser

class Account(AbstractUser):
    pass
"""
FILES = {
    "shop/__init__.py": "",
    "shop/models.py": MODELS,
    "shop/views.py": VIEWS,
    "people/__init__.py": "",
    "people/models.py": ACCOUNTS,
    "site_settings.py": 'AUTH_USER_MODEL = "people.Account"\n',
}
SHOP = project(FILES)


def test_tables_are_named_by_application_and_class() -> None:
    assert sorted(SHOP.schema.tables) == [
        "people_account",
        "shop_author",
        "shop_book",
        "shop_novel",
        "shop_tag",
    ]


def test_an_abstract_class_has_columns_and_no_table() -> None:
    dated = SHOP.schema.table_of(SHOP.node("Dated"))
    assert dated is not None
    assert dated.abstract
    assert "created" in dated.columns


def test_a_proxy_shares_the_table_of_its_parent() -> None:
    old = SHOP.schema.table_of(SHOP.node("Old"))
    assert old is not None
    assert old.name == "shop_book"


def test_columns_have_types_keys_and_indexes() -> None:
    book = SHOP.schema.tables["shop_book"]
    assert {name: column.type for name, column in book.columns.items()} == {
        "id": "integer",
        "created": "time",
        "editor_id": "other",
        "author_id": "other",
        "data": "json",
        "owner_id": "other",
        "sequel_id": "other",
    }
    assert book.columns["data"].nullable is True
    assert book.columns["created"].indexed is False
    assert book.columns["author_id"].indexed
    assert book.columns["author_id"].references == "shop_author"
    assert SHOP.schema.tables["shop_author"].columns["name"].indexed
    assert SHOP.schema.tables["shop_tag"].columns["label"].unique


def test_the_database_name_of_a_column_finds_it() -> None:
    novel = SHOP.schema.tables["shop_novel"]
    column = novel.column("page_count")
    assert column is novel.columns["pages"]


def test_indexes_of_the_inner_class_use_the_names_of_columns() -> None:
    indexes = {(index.columns, index.unique) for index in SHOP.schema.tables["shop_book"].indexes}
    assert (("author_id", "created"), False) in indexes
    assert (("author_id", "owner_id"), True) in indexes


def test_relations_exist_on_both_sides() -> None:
    assert SHOP.relations("Book") == {
        "editor": "many_to_one Author",
        "author": "many_to_one Author",
        "tags": "many_to_many Tag",
        "owner": "many_to_one Account",
        "sequel": "one_to_one Book",
        "novel": "one_to_one Novel",
    }
    assert SHOP.relations("Author") == {
        "books": "one_to_many Book",
        "book_edited": "one_to_many Book",
    }
    assert SHOP.relations("Tag") == {"book_set": "many_to_many Book"}
    # The others are those of the library's class of users.
    assert SHOP.relations("Account") == {
        "book_set": "one_to_many Book",
        "groups": "many_to_many ?",
        "user_permissions": "many_to_many ?",
    }


def test_a_relation_says_its_key_its_other_side_and_its_place() -> None:
    relation = SHOP.schema.relation(SHOP.node("Novel"), "author")
    assert relation is not None
    assert (relation.column, relation.inverse, relation.lazy) == ("author_id", "books", "lazy")
    assert relation.location.path == "shop/models.py"
    reverse = SHOP.schema.relation(SHOP.node("Author"), "books")
    assert reverse is not None
    assert (reverse.reverse, reverse.many, reverse.inverse) == (True, True, "author")


def test_reading_relations_and_columns_on_objects() -> None:
    assert SHOP.returned("forward") == "Author"
    assert SHOP.returned("reverse") == "QuerySet[Book]"
    assert SHOP.returned("elements") == "list[Author]"
    assert SHOP.returned("custom") == "BookManager[Book]"
    assert SHOP.returned("inherited") == "BookManager[Book]"
    assert SHOP.returned("many") == "Manager[Tag]"
    assert SHOP.returned("tagged") == "BookManager[Book]"
    assert SHOP.returned("scalar") == "str"
    assert SHOP.returned("stored") == "Unknown"
    assert SHOP.returned("loose") == "Unknown"
    assert SHOP.returned("owner") == "Account"
    assert SHOP.returned("parent") == "Book"
    assert SHOP.returned("child") == "Novel"


def test_a_setting_puts_a_class_in_the_place_of_the_library_s() -> None:
    assert SHOP.schema.swapped == {"django.contrib.auth.models.User": SHOP.node("Account")}


def test_without_the_setting_the_library_s_own_class_is_meant() -> None:
    files = {path: text for path, text in FILES.items() if path != "site_settings.py"}
    plain = project(files)
    assert plain.relations("Book")["owner"] == "many_to_one ?"
    assert plain.returned("owner") == "User"


def test_a_generic_relation_leads_to_an_unknown_table() -> None:
    found = project(
        {
            "notes.py": """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models

class Note(models.Model):
    subject = GenericForeignKey("content_type", "object_id")
"""
        }
    )
    assert found.relations("Note") == {"subject": "many_to_one ?"}
    assert list(found.schema.tables["app_note"].columns) == ["id"]


def test_an_ambiguous_name_is_not_guessed() -> None:
    group = "from django.db import models\n\nclass Group(models.Model):\n    pass\n"
    user = (
        "from django.db import models\n\n"
        "class Member(models.Model):\n"
        '    group = models.ForeignKey("Group", on_delete=models.CASCADE)\n'
        '    other = models.ForeignKey("b.Group", on_delete=models.CASCADE)\n'
    )
    found = project({"x/a/models.py": group, "x/b/models.py": group, "x/c/models.py": user})
    relation = found.schema.relation(found.node("Member"), "other")
    assert found.relations("Member")["group"] == "many_to_one ?"
    assert relation is not None
    assert relation.target is not None
    assert relation.target.file.path == "x/b/models.py"


def test_a_field_that_a_subclass_takes_away_is_gone() -> None:
    found = project(
        {
            "models.py": """
from django.db import models

class Base(models.Model):
    name = models.TextField()

    class Meta:
        abstract = True

class Nameless(Base):
    name = None
"""
        }
    )
    assert list(found.schema.tables["app_nameless"].columns) == ["id"]


def test_a_custom_field_keeps_the_type_of_its_column_and_hides_its_value() -> None:
    found = project(
        {
            "models.py": """
from django.db import models

class Json(models.TextField):
    pass

class Event(models.Model):
    body = Json()

def body(event: Event):
    return event.body
"""
        }
    )
    assert found.schema.tables["app_event"].columns["body"].type == "text"
    assert found.returned("body") == "Unknown"


def test_a_manager_made_of_a_query_set_keeps_its_methods() -> None:
    found = project(
        {
            "models.py": """
from django.db import models

class LineQuerySet(models.QuerySet):
    def open(self):
        return self.filter(done=False)

class Order(models.Model):
    pass

class Line(models.Model):
    order = models.ForeignKey(Order, related_name="lines", on_delete=models.CASCADE)
    objects = LineQuerySet.as_manager()

def lines(order: Order):
    return [line.order for line in order.lines.open()]
"""
        }
    )
    assert found.returned("lines") == "list[Order]"


def test_indexes_are_inherited_as_the_inner_class_is() -> None:
    found = project(
        {
            "shop/models.py": """
from django.db import models


class Dated(models.Model):
    day = models.DateField()
    owner = models.ForeignKey("shop.Owner", models.CASCADE)

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["day"], name="d")]


class Owner(models.Model):
    pass


class Plain(Dated):
    pass


class Own(Dated):
    class Meta:
        ordering = ["day"]


class Further(Dated):
    class Meta(Dated.Meta):
        abstract = False


class Longer(Dated):
    class Meta:
        indexes = [*Dated.Meta.indexes, models.Index(fields=["owner", "day"], name="o")]


class Seen(Longer):
    owner = None

    class Meta:
        proxy = True
        unique_together = [("owner", "day")]
"""
        }
    ).schema

    def led_by_day(table: str) -> bool:
        return found.tables[table].columns["day"].indexed

    assert [led_by_day(f"shop_{name}") for name in ("plain", "own", "further", "longer")] == [
        True, False, True, True,
    ]  # fmt: skip
    pairs = [index.columns for index in found.tables["shop_longer"].indexes]
    assert ("owner_id", "day") in pairs
    assert ("owner", "day") not in pairs


OWN_FIELDS = """
from django.db import models


class Uid(models.CharField):
    def __init__(self, prefix, **kwargs):
        self.prefix = prefix
        super().__init__(max_length=22, unique=True)


class Slug(models.CharField):
    def __init__(self, *args, **kwargs):
        kwargs["db_index"] = True
        kwargs.setdefault("max_length", 9)
        super().__init__(*args, **kwargs)


class Short(Slug):
    pass


class Plain(models.CharField):
    def __init__(self, *args, unique=False, **kwargs):
        super().__init__(*args, unique=unique, **kwargs)


class Book(models.Model):
    uid = Uid(prefix="b")
    slug = Slug()
    short = Short()
    plain = Plain()
    other = Plain(unique=True)
    surely = Slug(db_index=False)
"""


def test_fields_of_the_project_say_what_their_class_gives_above() -> None:
    columns = project({"models.py": OWN_FIELDS}).schema.tables["app_book"].columns
    assert {name: (column.unique, column.indexed) for name, column in columns.items()} == {
        "id": (False, True),
        "uid": (True, True),
        "slug": (False, True),
        "short": (False, True),
        "plain": (False, False),
        "other": (True, True),
        "surely": (False, True),
    }


TREE = """
from django.db import models
from mptt.fields import TreeForeignKey
from mptt.models import MPTTModel


class LocalTimeField(models.Field):
    pass


class Shelf(MPTTModel):
    parent = TreeForeignKey("self", null=True, db_index=False, on_delete=models.CASCADE)
    room = TreeForeignKey("Room", db_column="room_key", on_delete=models.CASCADE)
    opened = LocalTimeField(db_index=True)

    class Meta:
        unique_together = ("opened", "parent")


class Room(MPTTModel):
    name = models.CharField(max_length=80)
"""


def test_fields_of_other_libraries_mean_what_those_of_the_class_do() -> None:
    table = project({"shop/models.py": TREE}).schema.tables["shop_shelf"]
    parent, room = table.columns["parent_id"], table.columns["room_id"]
    assert (parent.nullable, parent.indexed, parent.references) == (True, False, "shop_shelf")
    assert (room.name, room.nullable, room.indexed) == ("room_key", False, True)
    assert ("opened", "parent_id") in {index.columns for index in table.indexes}


def test_a_field_of_the_project_is_a_column_of_an_unknown_type() -> None:
    column = project({"shop/models.py": TREE}).schema.tables["shop_shelf"].columns["opened"]
    assert (column.type, column.indexed) == ("other", True)
