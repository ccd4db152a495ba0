"""A proof is as sure as the branches on its way."""

from pathlib import Path

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings
from perfaudit.core.levels import Confidence

CALLER = """
from fastapi import FastAPI
from app.store import {name}

app = FastAPI()

@app.get("/page")
async def page({given}):
    {call}
"""

WAYS = {
    "no branch": (
        "load()",
        """
        import time

        def load():
            time.sleep(1)
        """,
        Confidence.HIGH,
    ),
    "what is asked for": (
        "load(key)",
        """
        import time

        def load(key):
            if len(key) > 3:
                time.sleep(1)
        """,
        Confidence.HIGH,
    ),
    "a kind of value": (
        "load(key)",
        """
        import time

        def load(key):
            if key.startswith("slow"):
                time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "after an error": (
        "load(key)",
        """
        import time

        def load(key):
            try:
                return int(key)
            except ValueError:
                time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "the first use of an object": (
        "store.load()",
        """
        import time

        class Store:
            rows = None

            def load(self):
                if self.rows:
                    return self.rows
                time.sleep(1)
                self.rows = ["tea"]
        """,
        Confidence.MEDIUM,
    ),
    "a setting": (
        "load()",
        """
        import time
        from app.settings import settings

        def load():
            if settings.slow:
                time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "a guard by a setting": (
        "load()",
        """
        import os
        import time

        def load():
            if not os.environ.get("SLOW"):
                return
            time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "an optional half of an object": (
        "store.load()",
        """
        import time

        class Store:
            def __init__(self, remote=None):
                self.remote = remote

            def load(self):
                if self.remote is not None:
                    time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "what an object was made for": (
        "store.load()",
        """
        import time

        class Store:
            def __init__(self, key):
                self.key = key

            def load(self):
                if self.key:
                    time.sleep(1)
        """,
        Confidence.HIGH,
    ),
    "a file that is not there yet": (
        "load()",
        """
        import os.path
        import time

        def load():
            if not os.path.exists("rows"):
                time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "what was not found before": (
        "load(key)",
        """
        import time

        def find(key):
            return {}.get(key)

        def load(key):
            found = find(key)
            if found:
                return found
            time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "what a look-up did not give": (
        "load(key)",
        """
        import time

        def find(key):
            return {}.get(key)

        def load(key):
            return find(key) or time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "three early returns": (
        "load(key)",
        """
        import time

        def load(key):
            if len(key) > 9:
                return
            first(key)

        def first(key):
            if len(key) > 6:
                return
            second(key)

        def second(key):
            if len(key) > 3:
                return
            time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "an option that is off unless it is given": (
        "load({})",
        """
        import time

        def load(options):
            if options.get("slow", False):
                time.sleep(1)
        """,
        Confidence.MEDIUM,
    ),
    "the next try of a loop that leaves as a rule": (
        "load(key)",
        """
        import time

        def load(key):
            for turn in range(10):
                with open(key) as file:
                    text = file.read()
                if not text:
                    time.sleep(turn)
                    continue
                return text
        """,
        Confidence.MEDIUM,
    ),
    "one early return": (
        "load(key)",
        """
        import time

        def load(key):
            if len(key) > 9:
                return
            time.sleep(1)
        """,
        Confidence.HIGH,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_confidence_of_a_way(way: str, tmp_path: Path) -> None:
    call, store, expected = WAYS[way]
    app = tmp_path / "app"
    app.mkdir()
    lines = store.split("\n")
    (app / "store.py").write_text("\n".join(line[8:] for line in lines))
    (app / "settings.py").write_text("from app.loader import settings\n")
    (app / "__init__.py").write_text("")
    is_method = call.startswith("store.")
    given = "key, store: Store" if is_method else "key"
    name = "Store" if is_method else "load"
    (app / "page.py").write_text(CALLER.format(name=name, given=given, call=call))

    found = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert [(item.rule, item.confidence) for item in found] == [("PA601", expected)]


PLACES = {
    "a switch of its object": ("if self.is_on:", Confidence.MEDIUM),
    "a setting": ("if LIMIT:", Confidence.MEDIUM),
    "what is asked for": ("if len(key) > 3:", Confidence.HIGH),
    "a kind of value": ('if key.startswith("slow"):', Confidence.HIGH),
}


@pytest.mark.parametrize("place", PLACES)
def test_confidence_of_a_place_that_settings_switch(place: str, tmp_path: Path) -> None:
    test, expected = PLACES[place]
    (tmp_path / "shop.py").write_text(SWITCHED.format(test=test))

    found = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert [(item.rule, item.confidence) for item in found] == [("PA601", expected)]


SWITCHED = """
import time
from fastapi import FastAPI
from shop.settings import LIMIT

app = FastAPI()

class Shop:
    def __init__(self, is_on=False):
        self.is_on = is_on

    async def page(self, key: str):
        {test}
            time.sleep(1)

@app.get("/page")
async def show(key: str, shop: Shop):
    await shop.page(key)
"""

ENTERED = """
import time
from fastapi import FastAPI

app = FastAPI()

@app.get("/rows")
async def rows(key: str):
    {way}

async def load(key):
    time.sleep(1)
"""


@pytest.mark.parametrize(
    ("way", "endpoint", "first"),
    [
        ("await load(key)", "GET /rows", "GET /rows enters rows"),
        ("return key and await load(key)", "GET /rows", "GET /rows enters rows"),
        (
            "if isinstance(key, bytes):\n        await load(key)",
            None,
            "GET /rows may lead to load",
        ),
    ],
)
def test_an_entry_point_is_named_only_where_its_way_is_sure(
    way: str, endpoint: str | None, first: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(ENTERED.format(way=way))

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert (found.endpoint or None, found.trace[0].message) == (endpoint, first)


BEGUN = """
import asyncio
import time

def run(coroutine, limit=None):
    return asyncio.run(coroutine)

def hold(coroutine):
    return [coroutine]

async def main(path):
    time.sleep(1)

async def kept(path):
    time.sleep(1)

if __name__ == "__main__":
    run(limit=3, coroutine=main("orders"))
    hold(kept("orders"))
"""


def test_a_loop_that_a_function_begins_for_a_coroutine_serves_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(BEGUN)

    found = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert {item.function: item.severity.value for item in found} == {
        "shop.main": "low",
        "shop.kept": "high",
    }


SPECIAL = """
import time

def answer(query):
    if query.limit:
        return paged(query)
    return plain(query)

def paged(query):
    time.sleep(1)

def plain(query):
    time.sleep(1)

async def page(query):
    return answer(query)
"""


def test_the_way_that_special_cases_leave_is_the_proof(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SPECIAL)

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert "answer calls plain" in [step.message for step in found.trace]


STORED = """
import sqlite3
from fastapi import FastAPI

app = FastAPI()

@app.get("/page")
async def page():
    connection = sqlite3.connect("shop.db")
    return connection.execute("SELECT name FROM shop").fetchall()
"""


def test_a_database_in_a_file_may_be_read_in_no_time(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(STORED)

    found = audit(tmp_path, (tmp_path,), Settings(select=("PA604",))).report.findings

    assert {item.confidence for item in found} == {Confidence.MEDIUM}


FORM = """
import requests
from fastapi import FastAPI, Request

app = FastAPI()

@app.api_route("/sign-in", methods=["GET", "POST"])
async def sign_in(request: Request):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "label"),
    [
        ("return requests.get('/')", "GET /sign-in"),
        ("if request.method == 'POST':\n        return requests.get('/')", "POST /sign-in"),
        ("if request.method != 'POST':\n        return\n    requests.get('/')", "POST /sign-in"),
        ("if await request.form():\n        return requests.get('/')", "GET, POST /sign-in"),
        ("if await request.form():\n        return await send()", "GET, POST /sign-in"),
    ],
)
def test_the_method_that_comes_to_a_place_is_named(tmp_path: Path, body: str, label: str) -> None:
    send = "\nasync def send():\n    return requests.get('/')\n"
    (tmp_path / "shop.py").write_text(FORM.format(body=body) + send * ("send" in body))

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert found.endpoint == label
    assert found.trace[0].message == f"{label} enters sign_in"


GIVEN = """
import requests
from fastapi import Depends, FastAPI

app = FastAPI()

async def user(token: str):
    if token:
        if token.startswith("a"):
            return requests.get("/")

@app.api_route("/sign-in", methods=["GET", "POST"])
async def sign_in(given=Depends(user)):
    return given
"""


def test_what_a_handler_asks_for_has_the_label_of_its_endpoint(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(GIVEN)

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA601",))).report.findings

    assert found.endpoint == "GET /sign-in"
