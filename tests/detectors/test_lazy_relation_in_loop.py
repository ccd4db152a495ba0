"""What is advised where a loop over rows loads relations one by one."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.lazy_relation_in_loop import detect

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
    ('filter(id__gt=3).only("title", "author")', "book.author.city.name"): '"author__city"',
}
WIDE = {
    ("all()", "book.author.name"),
    ('only("title", "author")', "book.author.name"),
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


def test_what_one_query_can_load_is_one_piece_to_add_to_it() -> None:
    advice = _advised("all()", "(book.author.city.name, book.author.name, list(book.tags.all()))")

    assert 'Add select_related("author__city").prefetch_related("tags") to the query' in advice
