"""The cures for columns that nobody reads: what each names, and where plain values will not do."""

from textwrap import dedent, indent

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors import select_star, unprojected_jsonb

MODELS = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=80)

class Report(models.Model):
    title = models.CharField(max_length=80)
    slug = models.SlugField()
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    file = models.FileField()
    data = models.JSONField()
    body = models.TextField()
    notes = models.TextField()
    first = models.IntegerField()
    second = models.IntegerField()
    third = models.IntegerField()
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.IntegerField()
    of = GenericForeignKey()
"""
CONCRETE = """
from sqlalchemy import JSON, select
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase):
    pass

class Note(AbstractConcreteBase, Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    data: Mapped[dict] = mapped_column(JSON)

class Kept(Base):
    __tablename__ = "kept"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[dict] = mapped_column(JSON)

def titles(session: Session):
    return [note.title for note in session.scalars(select(Note).where(Note.title == "a")).all()]
"""


def fix_of(body: str, before: str = "") -> str:
    """Return the cure of the only finding of a function that is given an author."""
    code = f"{MODELS}\n{dedent(before)}\ndef run(author: Author):\n{indent(dedent(body), '    ')}\n"
    program = program_of({"app.py": code})
    detectors = (select_star.detect, unprojected_jsonb.detect)
    (found,) = [item for detect in detectors for item in detect(program) if isinstance(item, Match)]
    return found.fix


def test_plain_values_are_named_where_every_reader_takes_them() -> None:
    assert fix_of("return [each.slug.upper() for each in Report.objects.all()]") == (
        'Ask for .values_list("slug"), or .only("slug") where objects are needed.'
    )


def test_rows_of_a_relation_need_the_key_of_their_parent() -> None:
    fix = fix_of('return [each.slug for each in author.report_set.filter(title="x")]')

    assert fix == 'Add .only("slug", "author_id").'


def test_a_relation_of_any_kind_needs_its_two_columns() -> None:
    fix = fix_of("return [each.of for each in Report.objects.all()]")

    assert fix == 'Add .only("content_type_id", "object_id").'


def test_rows_by_their_keys_are_objects() -> None:
    body = """
    found = Report.objects.all().in_bulk()
    return [each.slug for each in found.values()]
    """

    assert fix_of(body) == 'Add .only("slug").'


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("return [each.file.name for each in Report.objects.all()]", ""),
        (
            "return [named(each) for each in Report.objects.all()]",
            """
            def named(report):
                return report.file
            """,
        ),
    ],
)
def test_files_are_no_plain_values(body: str, before: str) -> None:
    assert fix_of(body, before) == 'Add .only("file").'


def test_rows_that_a_function_is_given_stay_objects() -> None:
    before = """
    def named(report):
        return report.slug.upper()
    """

    assert fix_of("return [named(each) for each in Report.objects.all()]", before) == (
        'Add .only("slug").'
    )


def test_a_key_beside_a_relation_is_taken_out_of_objects() -> None:
    body = """
    found = []
    for each in Report.objects.all():
        found.append((each.data["k"], each.author.name, each.body, each.notes, each.slug))
    return found
    """

    assert fix_of(body) == (
        'Annotate with KeyTransform("k", "data"), read that, and add .defer("data").'
    )


def test_a_class_that_no_table_is_known_of_is_named() -> None:
    program = program_of({"app.py": CONCRETE})
    (found,) = [item for item in unprojected_jsonb.detect(program) if isinstance(item, Match)]

    assert found.words["table"] == "Note"
