"""How a query or write per item is judged: what is advised, how surely, and how bad it is."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Severity
from perfaudit.detectors.query_in_loop import detect

MODEL = """
from django.db import models

class Tag(models.Model):
    code = models.CharField(max_length=10)
"""
PER_ITEM = """
def store(codes):
    for code in codes:
        Tag.objects.create(code=code)
"""
HOOKED = {
    "a listener": """
from django.db.models.signals import post_save
from django.dispatch import receiver

@receiver(post_save, sender=Tag)
def announce(sender, instance, **named):
    print(instance)
""",
    "a listener that is connected": """
from django.db.models.signals import pre_save

def announce(sender, instance, **named):
    print(instance)

pre_save.connect(announce, sender=Tag)
""",
    "a save of its own": """
class Label(models.Model):
    code = models.CharField(max_length=10)

    def save(self, *given, **named):
        self.code = self.code.lower()
        super().save(*given, **named)

def store_labels(codes):
    for code in codes:
        Label.objects.create(code=code)
""",
}
UNHOOKED = {
    "nothing": "",
    "a listener of another table": """
from django.db.models.signals import post_save
from django.dispatch import receiver

class Label(models.Model):
    pass

@receiver(post_save, sender=Label)
def announce(sender, instance, **named):
    print(instance)
""",
    "a listener to what is deleted": """
from django.db.models.signals import post_delete
from django.dispatch import receiver

@receiver(post_delete, sender=Tag)
def announce(sender, instance, **named):
    print(instance)
""",
    "an abstract base": """
class Base(models.Model):
    class Meta:
        abstract = True

class Label(Base):
    code = models.CharField(max_length=10)

def store_labels(codes):
    for code in codes:
        Label.objects.create(code=code)
""",
}


def found(code: str, path: str = "app.py") -> Match:
    """Return the only match in a file."""
    [match] = [item for item in detect(program_of({path: code})) if isinstance(item, Match)]
    return match


@pytest.mark.parametrize("name", UNHOOKED)
def test_a_plural_twin_is_advised_where_it_does_the_same(name: str) -> None:
    code = UNHOOKED[name]
    match = found(MODEL + code + ("" if "store_labels" in code else PER_ITEM))
    assert "bulk_create" in match.words["plural"]
    assert match.confidence is Confidence.HIGH


@pytest.mark.parametrize("name", HOOKED)
def test_no_plural_twin_where_saving_one_object_runs_more(name: str) -> None:
    code = HOOKED[name]
    match = found(MODEL + code + ("" if "store_labels" in code else PER_ITEM))
    assert match.words["plural"] == ""
    assert match.confidence is Confidence.MEDIUM


@pytest.mark.parametrize(
    ("asked", "twin"),
    [
        ("Tag.objects.get(pk=item)", "in_bulk"),
        ("Tag.objects.get(code=item)", ""),
        ("Tag.objects.filter(pk=item).update(code='a')", "bulk_update"),
        ("Tag.objects.filter(code=item).update(code='a')", ""),
        ("Tag.objects.exclude(code='b').filter(pk=item).update(code='a')", ""),
    ],
)
def test_a_twin_that_takes_keys_is_advised_for_keys_only(asked: str, twin: str) -> None:
    match = found(f"{MODEL}\ndef run(items):\n    for item in items:\n        {asked}\n")
    assert twin in match.words["plural"]
    assert bool(match.words["plural"]) is bool(twin)


def test_no_plural_twin_for_rows_in_two_tables() -> None:
    child = "\nclass Label(Tag):\n    shade = models.CharField(max_length=10)\n"
    match = found(MODEL + child + PER_ITEM.replace("Tag.", "Label."))
    assert match.words["plural"] == ""
    assert match.confidence is Confidence.HIGH


def test_no_plural_twin_where_it_is_read_whether_a_row_is_new() -> None:
    match = found(
        MODEL
        + """
def store(codes):
    for code in codes:
        tag, created = Tag.objects.get_or_create(code=code)
        print(tag, created)
"""
    )
    assert match.words["plural"] == ""


@pytest.mark.parametrize(
    "code",
    [
        """
def tags(rows: models.QuerySet, codes):
    return [rows.get(code=code) for code in codes]
""",
        """
from django.forms import ModelForm

class TagForm(ModelForm):
    def tags(self, codes):
        return [self.Meta.model._default_manager.get(code=code) for code in codes]

class OtherForm(ModelForm):
    def tags(self, rows: "models.Manager[UnknownTag]", codes):
        return [rows.get(code=code) for code in codes]
""",
    ],
)
def test_no_plural_twin_for_a_table_that_nobody_knows(code: str) -> None:
    assert found(MODEL + code).words["plural"] == ""


def test_what_is_made_on_a_miss_only_is_a_look_up() -> None:
    match = found(
        MODEL
        + """
def find(code):
    return Tag.objects.filter(code=code).first()

def find_or_make(code):
    found = find(code)
    if found is not None:
        return found
    return Tag.objects.create(code=code)

def tags(codes):
    return [find_or_make(code) for code in codes]
"""
    )
    assert match.rule == "query-in-loop"
    assert match.words["plural"] == ""


KEPT = """
known = {}

def find(code):
    if kept := known.get(code):
        return kept
    return Tag.objects.get(code=code)

def tags(codes):
    return [find(code) for code in codes]
"""
OPTIONS = """
def tags(codes, wanted, deep):
    for code in codes:
        if wanted:
            if deep:
                Tag.objects.get(code=code)
"""


@pytest.mark.parametrize("code", [KEPT, OPTIONS])
def test_what_the_items_do_not_decide_is_not_sure(code: str) -> None:
    assert found(MODEL + code).confidence is Confidence.MEDIUM


@pytest.mark.parametrize(
    "code",
    [
        OPTIONS.replace("if deep", "if code"),
        KEPT.replace("if kept := known.get(code):", "if not code:").replace(
            "return kept", "return"
        ),
    ],
)
def test_what_the_items_decide_is_sure(code: str) -> None:
    assert found(MODEL + code).confidence is Confidence.HIGH


def test_nobody_waits_for_a_command() -> None:
    command = """
from django.core.management.base import BaseCommand

class Command(BaseCommand):
    def handle(self, *codes, **options):
        for code in codes:
            Tag.objects.create(code=code)
"""
    path = "store/management/commands/fill.py"
    assert found(MODEL + command, path).severity is Severity.MEDIUM
    assert found(MODEL + PER_ITEM).severity is None


def test_the_entry_of_a_mapping_names_what_is_walked() -> None:
    match = found(
        MODEL
        + """
def tags(profile):
    return [Tag.objects.get(code=code) for code in profile["languages"]]
"""
    )
    assert match.words["walked"] == "languages"
