"""The cost cards of endpoints."""

from pathlib import Path

from perfaudit.audit import audit, program_of
from perfaudit.config import Settings
from perfaudit.core.report import EndpointCard
from perfaudit.program.cards import endpoint_cards

SETUP = """
import asyncio
import time

import asyncpg
import redis.asyncio
import requests
from fastapi import Depends, FastAPI
from fastapi_cache.decorator import cache

app = FastAPI()
store = redis.asyncio.Redis()


async def connection():
    db = await asyncpg.connect("postgres://db")
    await db.fetch("SELECT current_user")
    yield db
"""

AGENTS = """
import asyncpg


async def all_agents(db: asyncpg.Connection):
    return await db.fetch("SELECT id FROM agents")


async def detail(db: asyncpg.Connection, agent):
    tasks = await db.fetch("SELECT id FROM tasks WHERE agent_id = $1", agent["id"])
    return tasks, await db.fetchrow("SELECT 1")
"""


def cards(body: str, **files: str) -> tuple[EndpointCard, ...]:
    program = program_of({"app.py": SETUP + body, **files})
    return endpoint_cards(program)


def card(body: str, **files: str) -> EndpointCard:
    (found,) = cards(body, **files)
    return found


def test_list_endpoint_with_a_helper_in_another_module() -> None:
    found = card(
        """
import agents_store

@app.get("/agents")
async def list_agents(db: asyncpg.Connection = Depends(asyncpg.connect)):
    agents = await agents_store.all_agents(db)
    return [await agents_store.detail(db, agent) for agent in agents]
""",
        **{"agents_store.py": AGENTS},
    )
    assert (found.method, found.path, found.handler) == ("GET", "/agents", "app.list_agents")
    assert (found.queries, found.degree, found.http_calls) == ("1 + 2*N(agents)", 1, "0")
    assert found.dispatch == "event-loop"
    assert found.blocking == ()
    assert found.cached is False
    assert found.resolved == 1.0


def test_dependencies_are_paid_by_each_request() -> None:
    found = card(
        """
@app.get("/agents")
async def list_agents(db: asyncpg.Connection = Depends(connection)):
    return await db.fetch("SELECT id FROM agents")
"""
    )
    assert found.queries == "2"


def test_what_blocks_the_event_loop_is_named() -> None:
    found = card(
        """
def price():
    return requests.get("http://x", timeout=1)

async def prices():
    return price()

@app.get("/a")
async def a():
    time.sleep(1)
    return await prices()
"""
    )
    assert found.blocking == ("requests.get", "time.sleep")
    assert found.http_calls == "1"


def test_nothing_blocks_the_loop_from_a_thread() -> None:
    plain, handed = cards(
        """
def price():
    return requests.get("http://x", timeout=1)

@app.get("/a")
def in_thread():
    return price()

@app.get("/b")
async def hands_over():
    return await asyncio.to_thread(price)
"""
    )
    assert plain.dispatch == "thread"
    assert plain.blocking == () == handed.blocking
    assert (plain.http_calls, handed.http_calls) == ("1", "1")


def test_decorator_that_keeps_answers() -> None:
    found = card(
        """
@app.get("/a")
@cache(expire=60)
async def a(db: asyncpg.Connection = Depends(asyncpg.connect)):
    return await db.fetch("SELECT 1")
"""
    )
    assert found.cached


def test_cache_asked_before_the_database() -> None:
    found = card(
        """
@app.get("/a")
async def a(db: asyncpg.Connection = Depends(asyncpg.connect)):
    known = await store.get("a")
    if known is not None:
        return known
    return await db.fetch("SELECT 1")
"""
    )
    assert found.cached


def test_cache_asked_in_a_helper() -> None:
    found = card(
        """
async def load(db: asyncpg.Connection):
    rows = await store.get("a")
    if rows is None:
        rows = await db.fetch("SELECT 1")
    return rows

@app.get("/a")
async def a(db: asyncpg.Connection = Depends(asyncpg.connect)):
    return await load(db)
"""
    )
    assert found.cached


def test_cache_that_spares_no_query() -> None:
    after, beside = cards(
        """
@app.get("/a")
async def a(db: asyncpg.Connection = Depends(asyncpg.connect)):
    rows = await db.fetch("SELECT 1")
    return rows, await store.get("a")

@app.get("/b")
async def b(db: asyncpg.Connection = Depends(asyncpg.connect)):
    banner = await store.get("banner")
    return banner, await db.fetch("SELECT 1")
"""
    )
    assert not after.cached
    assert not beside.cached


def test_resolved_share_counts_helpers_too() -> None:
    found = card(
        """
def helper(thing):
    thing.first()
    thing.second()
    return len("a")

@app.get("/a")
async def a():
    return helper(1)
"""
    )
    assert found.resolved == 0.5


def test_cards_are_ordered_by_path_and_method() -> None:
    found = cards(
        """
@app.post("/b")
async def b(): ...

@app.post("/a")
async def a(): ...

@app.get("/b")
async def c(): ...
"""
    )
    assert [(item.path, item.method) for item in found] == [
        ("/a", "POST"),
        ("/b", "GET"),
        ("/b", "POST"),
    ]


def test_only_requests_have_cards() -> None:
    program = program_of(
        {"tasks.py": "from celery import shared_task\n@shared_task\ndef work():\n    return 1\n"}
    )
    assert endpoint_cards(program) == ()


class TestLibraryAnswers:
    MODELS = """
from django.db import models


class Order(models.Model):
    total = models.IntegerField()
"""
    VIEWS = """
from django.urls import path
from django.shortcuts import render
from rest_framework import generics
from rest_framework.views import APIView
from rest_framework.response import Response
from shop.models import Order


class Bare(generics.ListAPIView):
    queryset = Order.objects.all()


class Hooked(generics.ListAPIView):
    def get_queryset(self):
        return Order.objects.filter(total=1)


class Own(APIView):
    def get(self, request):
        return Response({"count": Order.objects.count()})


urlpatterns = [
    path("bare/", Bare.as_view()),
    path("hooked/", Hooked.as_view()),
    path("own/", Own.as_view()),
]
"""

    def queries(self) -> dict[str, str]:
        files = {
            "shop/__init__.py": "",
            "shop/models.py": self.MODELS,
            "shop/urls.py": self.VIEWS,
            "settings.py": 'ROOT_URLCONF = "shop.urls"\nINSTALLED_APPS = ["shop"]\n',
        }
        return {
            item.path.strip("/"): item.queries
            for item in endpoint_cards(program_of(files))
            if item.method == "GET"
        }

    def test_what_the_library_runs_is_not_taken_for_nothing(self) -> None:
        assert self.queries()["bare"] == ">= 0"

    def test_query_set_that_is_returned_to_the_library_is_run_by_it(self) -> None:
        assert self.queries()["hooked"] == ">= 1"

    def test_handler_of_its_own_is_exact(self) -> None:
        assert self.queries()["own"] == "1"


def test_query_handed_to_a_template_is_run_there() -> None:
    program = program_of(
        {
            "app.py": """
from flask import Flask, render_template
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)

class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)

@app.route("/orders")
def orders():
    return render_template("orders.html", orders=Order.query.filter_by(id=1))
"""
        }
    )
    assert [item.queries for item in endpoint_cards(program)] == [">= 1"]


ORDERS = {
    "models.py": """
from django.db import models

class Order(models.Model):
    name = models.CharField(max_length=50)

class Item(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")
""",
    "views.py": """
from django.shortcuts import render
from models import Order

def show(request, key):
    order = Order.objects.prefetch_related("items").get(pk=key)
    return render(request, "order.html", {"items": order.items.all()})
""",
    "urls.py": """
from django.urls import path
import views

urlpatterns = [path("orders/<int:key>", views.show)]
""",
    "templates/order.html": "{% for item in items %}{{ item.pk }}{% endfor %}\n",
}


def test_a_page_of_rows_that_were_loaded_with_another_does_not_grow(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    for name, text in ORDERS.items():
        (tmp_path / name).write_text(text)

    report = audit(tmp_path, (tmp_path,), Settings()).report

    assert [(card.path, card.degree) for card in report.endpoints] == [("/orders/<int:key>", 0)]


def test_terms_are_there_where_they_were_asked_for() -> None:
    program = program_of(
        {
            "app.py": "import sqlite3\nfrom fastapi import FastAPI\napp = FastAPI()\n"
            "@app.get('/rows')\ndef rows(db: sqlite3.Connection):\n"
            "    return db.execute('SELECT name FROM shop').fetchall()\n"
        }
    )

    (plain,) = endpoint_cards(program)
    (explained,) = endpoint_cards(program, explained=True)

    assert plain.terms == ()
    assert [(term.text, term.effect) for term in explained.terms] == [("1", "read")]
    assert plain.queries == explained.queries == "1"
