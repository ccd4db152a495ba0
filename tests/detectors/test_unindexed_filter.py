"""Which index is advised: columns in order, what all queries say, and what it carries."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.unindexed_filter import detect

TABLE = """
CREATE TABLE devices (
  id bigint PRIMARY KEY,
  serial text NOT NULL,
  active boolean NOT NULL,
  seen_at timestamptz,
  note text
);
"""
APP = """
import asyncpg
from fastapi import FastAPI

app = FastAPI()

@app.post("/devices")
async def add(pool: asyncpg.Pool, serial: str):
    await pool.execute("INSERT INTO devices (serial) VALUES ($1)", serial)
"""
FIND = """
@app.get("/devices/{number}")
async def find{number}(pool: asyncpg.Pool, serial: str):
    return await pool.fetch("{query}", serial)
"""
MODELS = """
from django.db import models

class Device(models.Model):
    serial = models.CharField(max_length=200)
    active = models.BooleanField(default=True)
    seen_at = models.DateTimeField()
    note = models.TextField()
"""
VIEWS = """
from django.http import HttpResponse

from models import Device

def add(request):
    Device.objects.create(serial=request.POST["serial"])
    return HttpResponse("ok")

def find(request):
    return HttpResponse(str(list({query})))
"""
URLS = """
from django.urls import path

import views

urlpatterns = [path("add", views.add), path("find", views.find)]
"""


def advice(files: dict[str, str]) -> str:
    found = [item for item in detect(program_of(files)) if isinstance(item, Match)]
    assert len(found) == 1
    return found[0].fix


def of_sql(*queries: str) -> str:
    asking = "".join(
        FIND.replace("{number}", str(number)).replace("{query}", query)
        for number, query in enumerate(queries)
    )
    return advice({"schema.sql": TABLE, "app.py": APP + asking})


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("serial = $1", "(serial)"),
        ("serial = $1 ORDER BY seen_at DESC", "(serial, seen_at)"),
        ("seen_at > now() AND serial = $1", "(serial, seen_at)"),
        ("seen_at > now() AND serial = $1 ORDER BY note", "(serial, seen_at)"),
        ("serial = $1 ORDER BY seen_at DESC, note", "(serial)"),
    ],
)
def test_equality_comes_first_then_a_range_or_the_order(condition: str, index: str) -> None:
    assert f"ON devices {index};" in of_sql(f"SELECT note FROM devices WHERE {condition}")


def test_what_all_queries_say_is_left_out_of_the_index() -> None:
    own = "SELECT note FROM devices WHERE serial = $1 AND active = true"

    assert "ON devices (serial) WHERE active;" in of_sql(own)
    assert "ON devices (serial);" in of_sql(own, "SELECT note FROM devices WHERE serial = $1")


def test_is_true_is_a_condition_of_equality() -> None:
    own = "SELECT note FROM devices WHERE serial = $1 AND active IS TRUE"

    assert "ON devices (serial) WHERE active;" in of_sql(own)


def test_few_small_columns_are_carried() -> None:
    assert "ON devices (serial) INCLUDE (id, seen_at);" in of_sql(
        "SELECT id, seen_at FROM devices WHERE serial = $1"
    )


def test_the_class_says_the_same() -> None:
    query = 'Device.objects.filter(serial=request.GET["serial"], active=True)'

    found = advice({"models.py": MODELS, "views.py": VIEWS.format(query=query), "urls.py": URLS})

    assert found.endswith(
        'In the class: models.Index(fields=["serial"], name="ix_app_device_serial", '
        "condition=Q(active=True))."
    )


def test_a_name_is_as_short_as_the_library_wants_it() -> None:
    models = MODELS.replace("serial", "serial_number_of_the_maker_of_it")
    views = VIEWS.replace("serial", "serial_number_of_the_maker_of_it").format(
        query='Device.objects.filter(serial_number_of_the_maker_of_it=request.GET["q"], note="")'
    )
    found = advice(
        {
            "models.py": models.replace("maker_of_it", "maker_token"),
            "urls.py": URLS,
            "views.py": views.replace("maker_of_it", "maker_token"),
        }
    )

    assert found.startswith("CREATE INDEX CONCURRENTLY ix_app_device_serial_number_of ON")
