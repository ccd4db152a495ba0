"""A blocked loop matters less where nobody else waits for it."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.core.levels import Severity
from perfaudit.detectors.blocking_in_async import detect

CALM = {
    "lifespan made by a function": """
from contextlib import asynccontextmanager
from fastapi import FastAPI

def make(path):
    @asynccontextmanager
    async def lifespan(app):
        open(path).read()
        yield
    return lifespan

app = FastAPI(lifespan=make("words"))
""",
    "start-up list": """
from fastapi import FastAPI

async def load():
    open("words").read()

app = FastAPI(on_startup=[load])
""",
    "start-up signal": """
from aiohttp import web

async def load(app):
    open("words").read()

app = web.Application()
app.on_startup.append(load)
""",
    "coroutine that makes the application": """
from aiohttp import web

async def make():
    open("words").read()
    return web.Application()

web.run_app(make())
""",
    "coroutine that the loop is begun for": """
import asyncio

async def main():
    open("words").read()

asyncio.run(main())
""",
}

BUSY = {
    "handler": """
from fastapi import FastAPI

app = FastAPI()

@app.get("/words")
async def words():
    return open("words").read()
""",
    "coroutine that others await too": """
import asyncio

async def load():
    open("words").read()

async def other():
    await load()

asyncio.run(load())
""",
}


def severities(text: str) -> set[Severity | None]:
    found = [item for item in detect(program_of({"app.py": text})) if isinstance(item, Match)]
    assert found
    return {match.severity for match in found}


@pytest.mark.parametrize("situation", CALM)
def test_calm(situation: str) -> None:
    assert severities(CALM[situation]) == {Severity.LOW}


@pytest.mark.parametrize("situation", BUSY)
def test_busy(situation: str) -> None:
    assert severities(BUSY[situation]) == {None}
