"""What a finding in a template says of rows, and of what is the same for all of them."""

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.lazy_relation_in_template import detect

MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models

class User(AbstractUser):
    blocks = models.ManyToManyField("self", symmetrical=False)

class Follow(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    tags = models.ManyToManyField("Tag")

class Tag(models.Model):
    name = models.CharField(max_length=50)
"""
VIEWS = """
from django.shortcuts import render
from shop.models import Follow

def follows(request):
    return render(request, "follows.html", {"follows": Follow.objects.all()})
"""
FILTERS = """
from django import template
from shop.models import Tag

register = template.Library()

@register.filter
def first_tag_of(follow):
    return Tag.objects.filter(follow=follow).first()
"""


def found_in(template: str) -> Match:
    program = program_of(
        {
            "shop/models.py": MODELS,
            "shop/templatetags/shop_extras.py": FILTERS,
            "shop/views.py": VIEWS,
            "settings.py": 'AUTH_USER_MODEL = "shop.User"\n',
            "shop/templates/follows.html": template,
        }
    )
    (found,) = [item for item in detect(program) if isinstance(item, Match)]
    return found


def test_a_relation_of_each_row_is_loaded_with_the_rows() -> None:
    found = found_in("{% for follow in follows %}{{ follow.user.username }}{% endfor %}")

    assert found.words["why"] == ", whose query does not load it"
    assert found.fix == 'Add select_related("user") to the query at shop/views.py:6.'


def test_a_relation_of_whoever_asks_is_read_before_the_loop() -> None:
    found = found_in(
        "{% for follow in follows %}"
        "{% for user in request.user.blocks.all %}{{ user.username }}{% endfor %}"
        "{% endfor %}"
    )

    assert found.words["why"] == ", though its owner is the same for all items"
    assert found.fix.startswith("Ask once before the loop")


def test_a_relation_that_is_only_tested_is_asked_for_by_its_key() -> None:
    for test in ("follow.user is None", "follow.user == None", "follow.user == request.user"):
        found = found_in("{% for follow in follows %}{% if " + test + " %}x{% endif %}{% endfor %}")

        assert found.fix == "Ask for the key, which the row has: `follow.user_id`."


def test_a_relation_that_is_tested_and_read_is_loaded() -> None:
    found = found_in(
        "{% for follow in follows %}"
        "{% if follow.user %}{{ follow.user.username }}{% endif %}"
        "{% endfor %}"
    )

    assert found.fix == 'Add select_related("user") to the query at shop/views.py:6.'


def test_a_filter_that_asks_is_named() -> None:
    found = found_in("{% for follow in follows %}{{ follow|first_tag_of }}{% endfor %}")

    assert found.words["read"] == "follow|first_tag_of"


def test_the_number_of_related_rows_is_annotated() -> None:
    found = found_in("{% for follow in follows %}{{ follow.tags.count }}{% endfor %}")

    annotation = 'annotate(tags_count=Count("tags", distinct=True))'
    apart = "(in a Subquery where the query filters by that relation)"
    assert found.fix == f"Add {annotation} {apart} to the query at shop/views.py:6."


def test_related_rows_that_are_counted_and_read_are_loaded() -> None:
    found = found_in(
        "{% for follow in follows %}"
        "{{ follow.tags.count }}{% for tag in follow.tags.all %}{{ tag.name }}{% endfor %}"
        "{% endfor %}"
    )

    assert found.fix == 'Add prefetch_related("tags") to the query at shop/views.py:6.'


CALLERS = """
from django.shortcuts import render
from shop.models import Follow

def _page(request, many):
    context = {}
    if many:
        context["follows"] = list(Follow.objects.all())
    return render(request, "follows.html", context)

def one(request):
    return _page(request, many=False)

def all_of_them(request):
    return _page(request, many=True)
"""
ROUTES = """
from django.urls import path
from shop import views

urlpatterns = [path("one/", views.one), path("all/", views.all_of_them)]
"""


def test_the_page_that_is_told_of_is_one_that_is_given_the_rows() -> None:
    program = program_of(
        {
            "shop/models.py": MODELS,
            "shop/views.py": CALLERS,
            "shop/urls.py": ROUTES,
            "settings.py": 'AUTH_USER_MODEL = "shop.User"\nROOT_URLCONF = "shop.urls"\n',
            "shop/templates/follows.html": (
                "{% for follow in follows %}{{ follow.user.username }}{% endfor %}"
            ),
        }
    )
    (found,) = [item for item in detect(program) if isinstance(item, Match)]

    assert found.endpoint == "/all/"
    assert [step.location.line for step in found.trace if "calls" in step.message] == [15]


def of_view(text: str, models: str = MODELS) -> Match:
    views = "from django.views.generic import DetailView, ListView\nfrom shop import models\n"
    template = "{% for follow in object_list %}{{ follow.user.username }}{% endfor %}"
    program = program_of(
        {
            "shop/models.py": models,
            "shop/views.py": views + text,
            "settings.py": 'AUTH_USER_MODEL = "shop.User"\n',
            "shop/templates/shop/follow_list.html": template,
            "shop/templates/shop/user_detail.html": (
                "{% for follow in user.follow_set.all %}"
                "{% for tag in follow.tags.all %}{{ tag.name }}{% endfor %}"
                "{% endfor %}"
            ),
        }
    )
    (found,) = [item for item in detect(program) if isinstance(item, Match)]
    return found


def test_a_view_that_only_names_its_table_is_told_which_query_to_set() -> None:
    found = of_view("class Follows(ListView):\n    model = models.Follow\n")

    assert found.fix == 'Set `queryset = Follow.objects.select_related("user")` in Follows.'


def test_the_query_is_asked_of_the_first_manager_of_the_table() -> None:
    named = "class Follow(models.Model):\n    shown = models.Manager()\n"
    models = MODELS.replace("class Follow(models.Model):\n", named)
    found = of_view("class Follows(ListView):\n    model = models.Follow\n", models)

    assert models != MODELS
    assert found.fix == 'Set `queryset = Follow.shown.select_related("user")` in Follows.'


def test_so_is_the_view_of_one_object() -> None:
    found = of_view("class Page(DetailView):\n    model = models.User\n")

    assert found.fix == (
        'Set `queryset = User.objects.prefetch_related("follow_set__tags")` in Page.'
    )


def test_a_view_with_a_query_is_told_where_that_is() -> None:
    query = "    queryset = models.Follow.objects.order_by('pk')\n"
    found = of_view(f"class Follows(ListView):\n    model = models.Follow\n{query}")

    assert found.fix == 'Add select_related("user") to the query at shop/views.py:5.'


def test_a_view_with_a_method_is_told_where_its_query_is() -> None:
    method = "    def get_queryset(self):\n        return models.Follow.objects.order_by('pk')\n"
    found = of_view(f"class Follows(ListView):\n    model = models.Follow\n{method}")

    assert found.fix == 'Add select_related("user") to the query at shop/views.py:6.'
