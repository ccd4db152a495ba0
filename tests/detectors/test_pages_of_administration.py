"""What is advised where a page of rows loads relations row by row."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.lazy_relation_in_template import detect

MODELS = """
from django.contrib import admin
from django.db import models

class City(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name

class Member(models.Model):
    city = models.ForeignKey(City, on_delete=models.CASCADE)
    born_in = models.ForeignKey(City, null=True, related_name="+", on_delete=models.SET_NULL)
    home = models.ForeignKey(City, null=True, related_name="+", on_delete=models.SET_NULL)

@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):
"""
PAGES = {
    'list_display = ["born_in"]': '("born_in",)',
    'list_display = ["born_in", "city"]': '("city", "born_in",)',
    'list_display = ["city", "born_in", "home"]': '("city", "born_in", "home",)',
    'list_display = ["born_in", "city"]; list_select_related = True': '("city", "born_in",)',
    'list_display = ["born_in", "home"]; list_select_related = ["home"]': '("home", "born_in",)',
}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_is_told_to_load_names_what_it_loads_already(page: str) -> None:
    assert PAGES[page] in _advised(f"    {page}\n")


def test_a_page_whose_own_query_joins_is_told_to_join_there() -> None:
    query = '        return super().get_queryset(request).select_related("home")\n'
    page = '    list_display = ["born_in"]\n\n    def get_queryset(self, request):\n' + query
    assert 'Add select_related("born_in") to the query' in _advised(page)


def _advised(page: str) -> str:
    found = detect(program_of({"app.py": MODELS + page}))
    return " ".join(match.fix for match in found if isinstance(match, Match))
