"""What a finding about the event loop advises suits the file, else the project."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.blocking_in_async import detect


def remedy(text: str, others: dict[str, str] | None = None) -> str:
    program = program_of({"app.py": text, **(others or {})})
    found = [item for item in detect(program) if isinstance(item, Match)]
    assert len(found) == 1
    return found[0].fix


@pytest.mark.parametrize(
    ("imported", "advice"),
    [
        ("asyncio", "Use the asynchronous `asyncio.sleep` in place of `time.sleep`."),
        ("anyio", "Use the asynchronous `anyio.sleep` in place of `time.sleep`."),
        ("trio", "Use the asynchronous `trio.sleep` in place of `time.sleep`."),
        ("json", "Use the asynchronous `asyncio.sleep` in place of `time.sleep`."),
    ],
)
def test_sleep_of_the_library_that_the_file_imports(imported: str, advice: str) -> None:
    assert remedy(f"import time\nimport {imported}\nasync def f():\n    time.sleep(1)\n") == advice


def test_twin_that_the_project_has_comes_first() -> None:
    text = "import requests\nasync def f(url):\n    return requests.get(url, timeout=5)\n"

    assert remedy(text) == (
        "Run it on a thread: `await asyncio.to_thread(requests.get, ...)`."
        " Or use the asynchronous `httpx.AsyncClient.get` in place of `requests.get`."
    )
    assert remedy(text, {"other.py": "import aiohttp\n"}) == (
        "Use the asynchronous `aiohttp.ClientSession.get` in place of `requests.get`."
        " Or run it on a thread: `await asyncio.to_thread(requests.get, ...)`."
    )


def test_a_session_with_its_cookies_goes_to_a_thread_before_another_client_takes_its_place() -> (
    None
):
    text = """
import httpx
import requests

class Prices:
    def __init__(self):
        self.session = requests.Session()

    async def load(self, url):
        return self.session.get(url, timeout=5)
"""
    assert remedy(text) == (
        "Run it on a thread: `await asyncio.to_thread(self.session.get, ...)`."
        " Or use the asynchronous `httpx.AsyncClient.get` in place of `requests.Session.get`."
    )


def test_a_client_with_a_twin_of_its_own_package_is_replaced() -> None:
    text = """
import httpx

class Prices:
    def __init__(self):
        self.client = httpx.Client()

    async def load(self, url):
        return self.client.get(url)
"""
    assert remedy(text) == (
        "Use the asynchronous `httpx.AsyncClient.get` in place of `httpx.Client.get`."
        " Or run it on a thread: `await asyncio.to_thread(self.client.get, ...)`."
    )


@pytest.mark.parametrize(
    ("imported", "code"),
    [
        ("asyncio", "await asyncio.to_thread(load)"),
        ("anyio", "await anyio.to_thread.run_sync(load)"),
        ("fastapi", "await run_in_threadpool(load)"),
        ("asyncio, fastapi", "await asyncio.to_thread(load)"),
        ("django", "await sync_to_async(load)()"),
        ("json", "await asyncio.to_thread(load)"),
    ],
)
def test_offloader_of_the_stack(imported: str, code: str) -> None:
    text = f"""
import smtplib
import {imported}

def load():
    return smtplib.SMTP("mail")

async def f():
    return load()
"""
    assert remedy(text) == f"Run it on a thread: `{code}`."


def test_offloader_that_most_files_of_the_project_use() -> None:
    text = "import smtplib\nasync def f():\n    return smtplib.SMTP('mail')\n"
    others = {"a.py": "import fastapi", "b.py": "import fastapi", "c.py": "import asyncio"}

    assert remedy(text, others) == (
        "Run it on a thread: `await run_in_threadpool(smtplib.SMTP, ...)`."
    )


def test_coroutine_beside_the_plain_method() -> None:
    text = """
import requests

class Store:
    def get(self, url):
        return requests.get(url, timeout=5)

    async def aget(self, url):
        return url

async def f(store: Store):
    return store.get("x")
"""
    assert remedy(text) == "Await `Store.aget`, the asynchronous twin."


def test_plain_name_alike_is_no_twin() -> None:
    text = """
import smtplib

class Store:
    def get(self):
        return smtplib.SMTP("mail")

    def aget(self):
        return 1

async def f(store: Store):
    return store.get()
"""
    assert remedy(text) == "Run it on a thread: `await asyncio.to_thread(store.get)`."


def test_what_is_no_plain_call_goes_into_a_function() -> None:
    text = """
import smtplib

class Post:
    @property
    def box(self):
        return smtplib.SMTP("mail")

async def f(post: Post):
    return post.box
"""
    assert remedy(text) == "Run it on a thread: `await asyncio.to_thread(lambda: post.box)`."


def test_a_plain_function_at_the_end_of_a_chain_cannot_await_a_twin() -> None:
    text = """
import redis

client = redis.Redis()

def read(key):
    return client.get(key)

async def f():
    return read("a")
"""
    assert remedy(text) == ("Run it on a thread: `await asyncio.to_thread(read, ...)`.")


def test_a_context_manager_is_entered_and_left_on_a_thread() -> None:
    text = """
import asyncio
import smtplib
from contextlib import contextmanager

@contextmanager
def mail():
    yield smtplib.SMTP("mail")

async def send():
    with mail():
        pass
"""
    assert remedy(text) == (
        "Entering and leaving it belong on a worker thread, with what is done between."
    )
