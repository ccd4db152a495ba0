"""What is advised where a loop over rows loads relations one by one."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.lazy_relation_in_loop import detect
from perfaudit.detectors.lazy_relation_in_serializer import detect as detect_shown

MODELS = """
from django.db import models

class City(models.Model):
    name = models.CharField(max_length=50)

class Author(models.Model):
    name = models.CharField(max_length=50)
    city = models.ForeignKey(City, on_delete=models.CASCADE)

class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    tags = models.ManyToManyField(City)

def lines():
    return [READ for book in Book.objects.QUERY]
"""
NARROW = {
    ('only("title")', "book.author.name"): '"author"',
    ('only("title").filter(id__gt=3)', "book.author.city.name"): '"author__city"',
    ('only("title", "author__name")', "book.author.city.name"): '"author__city"',
}
WIDE = {
    ("all()", "book.author.name"),
    ('only("title", "author")', "book.author.name"),
    ('filter(id__gt=3).only("title", "author")', "book.author.city.name"),
    ('only("title", "author__name")', "book.author.name"),
    ('only("title")', "list(book.tags.all())"),
    ('defer("title")', "book.author.name"),
}


@pytest.mark.parametrize(("query", "read"), NARROW)
def test_a_query_that_names_its_columns_must_name_the_relation(query: str, read: str) -> None:
    assert f"Name {NARROW[query, read]} in its .only() as well" in _advised(query, read)


MANAGERS = {
    "model_utils.managers": "InheritanceManager",
    "modeltranslation.manager": "MultilingualManager",
    "mptt.managers": "TreeManager",
    "parler.managers": "TranslatableManager",
    "polymorphic.managers": "PolymorphicManager",
}


@pytest.mark.parametrize("module", MANAGERS)
def test_so_must_one_of_a_manager_that_stands_on_djangos(module: str) -> None:
    manager = MANAGERS[module]
    code = MODELS.replace("from django.db", f"from {module} import {manager}\nfrom django.db")
    code = code.replace("    tags =", f"    objects = {manager}()\n    tags =")
    assert 'Name "author" in its .only() as well' in _advised(
        'only("title")', "book.author.name", code
    )


@pytest.mark.parametrize(("query", "read"), sorted(WIDE))
def test_other_queries_need_the_join_alone(query: str, read: str) -> None:
    advised = _advised(query, read)
    assert advised.startswith("Add ")
    assert ".only()" not in advised


@pytest.mark.parametrize("read", ["book.tags.count()", "len(book.tags.all())"])
def test_the_number_of_related_rows_is_annotated(read: str) -> None:
    advised = _advised("all()", read)
    assert 'annotate(tags_count=Count("tags", distinct=True))' in advised
    assert "prefetch_related" not in advised


@pytest.mark.parametrize(
    ("options", "asked"),
    [("", "book"), ('related_name="books", ', "books"), ('related_query_name="work", ', "work")],
)
def test_numbers_use_the_name_of_conditions(options: str, asked: str) -> None:
    models = MODELS.replace("(Author, ", f"(Author, {options}")
    reverse = "books" if "related_name" in options else "book_set"
    advised = _advised("select_related('author')", f"book.author.{reverse}.count()", models)
    assert f'annotate({reverse}_count=Count("author__{asked}", distinct=True))' in advised


def test_related_rows_that_are_counted_and_read_are_loaded() -> None:
    advised = _advised("all()", "(book.tags.count(), list(book.tags.all()))")
    assert advised.startswith('Add prefetch_related("tags")')


def test_rows_that_have_just_been_written_are_loaded_into() -> None:
    advised = _advised(
        "bulk_create([Book(title=title, author_id=3) for title in 'ab'])", "book.author.name"
    )
    assert 'call prefetch_related_objects(rows, "author")' in advised


def _advised(query: str, read: str, models: str = MODELS) -> str:
    code = models.replace("QUERY", query).replace("READ", read)
    found = detect(program_of({"app.py": code}))
    return " ".join(match.fix for match in found if isinstance(match, Match))


NESTED = """
from django.db import models

class City(models.Model):
    name = models.CharField(max_length=50)

class Author(models.Model):
    name = models.CharField(max_length=50)

class Book(models.Model):
    author = models.ForeignKey(Author, related_name="books", on_delete=models.CASCADE)
    city = models.ForeignKey(City, on_delete=models.CASCADE)

def lines():
    for author in Author.objects.filter(id__gt=3):
        for book in BOOKS:
            print(book.city.name)
"""


@pytest.mark.parametrize(
    ("books", "words", "confidence"),
    [
        ("author.books.all()", 'prefetch_related("books__city") to the query at app.py:15', "high"),
        ('author.books.filter(city__name="a")', "to the query at app.py:16", "medium"),
        ("Book.objects.filter(author=author)", "to the query at app.py:16", "medium"),
    ],
)
def test_rows_of_rows_are_loaded_with_those_around(books: str, words: str, confidence: str) -> None:
    found = detect(program_of({"app.py": NESTED.replace("BOOKS", books)}))
    matches = [match for match in found if isinstance(match, Match) if "city" in match.fix]
    assert [(words in match.fix, match.confidence.value) for match in matches] == [
        (True, confidence)
    ]


ANY_CLASS = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

class City(models.Model):
    name = models.CharField(max_length=50)

class Author(models.Model):
    city = models.ForeignKey(City, on_delete=models.CASCADE)

class Note(models.Model):
    kind = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    key = models.IntegerField()
    about = GenericForeignKey("kind", "key")

    def place(self):
        author: Author = self.about
        return author.city.name

def lines():
    return [READ for note in Note.objects.QUERY]
"""


@pytest.mark.parametrize("read", ["note.place()", "note.about"])
def test_nothing_is_loaded_by_the_way_of_a_relation_to_any_class(read: str) -> None:
    advised = _advised("all()", read, ANY_CLASS)
    assert 'prefetch_related("about")' in advised
    assert "about__" not in advised


MAPPED = """
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, lazyload, mapped_column
from sqlalchemy.orm import relationship

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship()

def names(session: Session):
    query = QUERY
    return [post.user.name for post in session.scalars(query)]
"""


@pytest.mark.parametrize(
    ("query", "words", "confidence"),
    [
        ("select(Post).where(Post.id > 3)", "joinedload(Post.user)", "high"),
        ("select(Post).with_for_update()", "selectinload(Post.user)", "medium"),
        ("select(Post).options(lazyload(Post.user))", "selectinload(Post.user)", "medium"),
    ],
)
def test_rows_that_are_locked_are_not_joined(query: str, words: str, confidence: str) -> None:
    found = detect(program_of({"app.py": MAPPED.replace("QUERY", query)}))
    matches = [match for match in found if isinstance(match, Match)]
    assert [(words in match.fix, match.confidence.value) for match in matches] == [
        (True, confidence)
    ]


def test_rows_of_a_queryset_that_are_locked_are_not_joined() -> None:
    assert 'prefetch_related("author")' in _advised("select_for_update()", "book.author.name")
    assert 'select_related("author")' in _advised("all()", "book.author.name")


LEADING = """
from django.db import models
from rest_framework import generics, serializers

class License(models.Model):
    name = models.CharField(max_length=50)

class Sound(models.Model):
    license = models.ForeignKey(License, on_delete=models.CASCADE)

class Mark(models.Model):
    sound = models.ForeignKey(Sound, on_delete=models.CASCADE)

def names():
    sounds = [mark.sound for mark in Mark.objects.select_related("sound").filter(id__gt=3)]
    return [sound.license.name for sound in sounds]

class SoundSerializer(serializers.ModelSerializer):
    license = serializers.SerializerMethodField()

    class Meta:
        model = Sound
        fields = ["license"]

    def get_license(self, sound):
        return sound.license.name

class Sounds(generics.ListAPIView):
    serializer_class = SoundSerializer

    def get_queryset(self):
        return [mark.sound for mark in Mark.objects.select_related("sound")]
"""


def test_rows_that_other_rows_lead_to_are_loaded_by_the_query_of_those() -> None:
    program = program_of({"app.py": LEADING})
    (found,) = [match for match in detect(program) if isinstance(match, Match)]
    assert found.fix == 'Add select_related("sound__license") to the query at app.py:15.'
    (shown,) = [match for match in detect_shown(program) if isinstance(match, Match)]
    assert 'select_related("sound__license")` to the query in app.py:32' in shown.words["cure"]
    assert all(step.location.line != 12 for step in (*found.trace, *shown.trace))


SHARED = """
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=50)

class Books(models.QuerySet):
    def recent(self):
        return self.filter(id__gt=3)

class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    objects = Books.as_manager()

def of_kind(kind):
    if kind == "old":
        return Book.objects.filter(id__lt=3)
    return Book.objects.all()

def one_kind():
    return Book.objects.filter(id=3)

def listed():
    return list(Book.objects.filter(id=3))

def listed_titles():
    return [book.title for book in listed()]

def sorted_by_title(books):
    if books is None:
        return Book.objects.order_by("title")
    return books.order_by("title")

class Shelf:
    @property
    def books(self):
        return Book.objects.filter(id=3)

    def titles(self):
        return [book.title for book in self.books]

def titles():
    return [book.title for book in Book.objects.recent()]

def lines(shelf: Shelf):
    few = Book.objects.filter(id__lt=7)
    return [book.author.name for book in QUERY]
"""


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ('of_kind("old")', 48),
        ("Book.objects.recent()", 48),
        ('of_kind("old").filter(title="a")', 48),
        ("one_kind()", 22),
        ("shelf.books", 48),
        ("sorted_by_title(few)", 47),
        ("listed()", 25),
    ],
)
def test_a_query_that_others_ask_for_too_is_told_where_it_is_asked_for(
    query: str, line: int
) -> None:
    (found,) = [
        match
        for match in detect(program_of({"app.py": SHARED.replace("QUERY", query)}))
        if isinstance(match, Match)
    ]
    assert found.fix == f'Add select_related("author") to the query at app.py:{line}.'


def test_what_one_query_can_load_is_one_piece_to_add_to_it() -> None:
    advice = _advised("all()", "(book.author.city.name, book.author.name, list(book.tags.all()))")

    assert 'Add select_related("author__city").prefetch_related("tags") to the query' in advice


KEPT = """
from django.db import models
from django.views.generic import FormView

class City(models.Model):
    name = models.CharField(max_length=50)

class Author(models.Model):
    city = models.ForeignKey(City, on_delete=models.CASCADE)

class Chosen(FormView):
    _authors = None

    def get_authors(self):
        if not self._authors:
            if "authors" not in self.request.GET:
                return None
            self._authors = Author.objects.filter(id__in=self.request.GET.getlist("authors"))
        return self._authors

    def get_form_kwargs(self):
        return {"authors": self.get_authors()}

    def form_valid(self, form):
        authors = self.get_authors()
        return [author.city.name for author in authors]
"""


def test_a_query_that_an_object_keeps_is_loaded_where_it_is_made() -> None:
    made = KEPT[: KEPT.index("self._authors = ")].count("\n") + 1
    found = detect(program_of({"app.py": KEPT}))
    fixes = [match.fix for match in found if isinstance(match, Match)]
    assert fixes == [f'Add select_related("city") to the query at app.py:{made}.']


MANAGED = """
from django.db import models
from rest_framework import serializers, viewsets

class Author(models.Model):
    name = models.CharField(max_length=50)

class RemarkManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().LOADING

class Book(models.Model):
    title = models.CharField(max_length=50)

class Remark(models.Model):
    book = models.ForeignKey(Book, related_name="remarks", on_delete=models.CASCADE)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    objects = RemarkManager()

class RemarkSerializer(serializers.Serializer):
    author = serializers.CharField(source="author.name")

class BookSerializer(serializers.Serializer):
    remarks = RemarkSerializer(many=True)

class Books(viewsets.ModelViewSet):
    queryset = Book.objects.all()
    serializer_class = BookSerializer
"""


@pytest.mark.parametrize(
    ("loading", "cure"),
    [('select_related("author")', "remarks"), ("all()", "remarks__author")],
)
def test_what_the_manager_of_a_relation_loads_is_not_asked_for(loading: str, cure: str) -> None:
    program = program_of({"app.py": MANAGED.replace("LOADING", loading)})
    (shown,) = [match for match in detect_shown(program) if isinstance(match, Match)]
    assert f'`prefetch_related("{cure}")`' in shown.words["cure"] + shown.fix


REFINED = """
from django.db import models
from rest_framework import serializers, viewsets

class Book(models.Model):
    title = models.CharField(max_length=50)

class Remark(models.Model):
    book = models.ForeignKey(Book, related_name="remarks", on_delete=models.CASCADE)
    text = models.CharField(max_length=50)

class BookSerializer(serializers.ModelSerializer):
    last = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["last"]

    def get_last(self, book):
        return book.remarks.order_by("text").last()

class Books(viewsets.ModelViewSet):
    queryset = Book.objects.LOADING
    serializer_class = BookSerializer
"""


@pytest.mark.parametrize(
    ("loading", "cure"),
    [
        ('prefetch_related("remarks")', "Read `remarks` as it was loaded with the rows"),
        ("all()", "Ask once for all rows, with the query of the rows"),
    ],
)
def test_rows_that_are_loaded_are_ordered_in_python(loading: str, cure: str) -> None:
    program = program_of({"app.py": REFINED.replace("LOADING", loading)})
    (shown,) = [match for match in detect_shown(program) if isinstance(match, Match)]
    assert shown.fix.startswith(cure)


def test_a_session_asks_once_for_each_object_that_rows_lead_to() -> None:
    read = _lazy_in(SESSION)
    assert [match.words["often"] for match in read] == [
        "once for each distinct `user` of `posts`",
        "once per item of `users`",
    ]


SESSION = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    posts: Mapped[list["Post"]] = relationship(back_populates="user")

class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="posts")

def names(session: Session):
    return [post.user.name for post in session.query(Post)]

def numbers(session: Session):
    users = session.query(User)
    return [len(user.posts) for user in users]
"""


def _lazy_in(code: str) -> list[Match]:
    found = detect(program_of({"app.py": code}))
    return [match for match in found if isinstance(match, Match)]
