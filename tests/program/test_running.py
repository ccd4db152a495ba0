"""Who runs a function: its caller, the event loop, a thread, a task of its own."""

import re

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.core.levels import Confidence, Severity
from perfaudit.detectors import blocking_in_async, sync_handler_on_loop
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.program import Program

_MARK = re.compile(r"#\s*->\s*(?P<runs>.+)$")

WORK = """
import asyncio, contextvars, functools, inspect
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Thread


def load(*args):
    return 1


def cheap(*args):
    return 2


async def aload(*args):
    return 3
"""
"""What each project begins with."""

CASES = {
    "eager arguments run here, what is handed over uncalled does not": """
class Repo:
    def load(self, number):
        return number


class Service:
    def __init__(self, repo: Repo):
        self.repo = repo

    async def read(self, loop: asyncio.AbstractEventLoop):
        await asyncio.to_thread(load, cheap())  # -> load in thread, cheap
        await asyncio.to_thread(functools.partial(load, cheap()))  # -> load in thread, cheap
        await asyncio.to_thread(lambda: cheap())  # -> <lambda> in thread, <lambda> runs cheap
        await asyncio.to_thread(self.repo.load, 1)  # -> Repo.load in thread
        await loop.run_in_executor(None, self.repo.load, 1)  # -> Repo.load in thread
        ThreadPoolExecutor(2).submit(load, cheap())  # -> load in thread, cheap
        ProcessPoolExecutor(2).submit(load)  # -> load in process
        context = contextvars.copy_context()
        await loop.run_in_executor(None, context.run, load, 1)  # -> load in thread
        Thread(target=load).start()  # -> load in thread
""",
    "offloaders of other libraries": """
import anyio
import trio
from asgiref.sync import sync_to_async
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from twisted.internet.threads import deferToThread


async def handler():
    await anyio.to_thread.run_sync(load)  # -> load in thread
    await trio.to_thread.run_sync(load)  # -> load in thread
    await run_in_threadpool(load, cheap())  # -> load in thread, cheap
    await sync_to_async(load)(cheap())  # -> load in thread, cheap
    await sync_to_async(load, thread_sensitive=False)()  # -> load in thread
    deferToThread(load)  # -> load in thread
    BackgroundTask(load)  # -> load in thread
    BackgroundTask(aload)  # -> aload in task
""",
    "sync_to_async as a decorator": """
from asgiref.sync import sync_to_async


@sync_to_async
def first():
    return load()


@sync_to_async(thread_sensitive=False)
def second():
    return load()


class Store:
    @sync_to_async
    def read(self):
        return load()


async def handler(store: Store):
    await first()  # -> first in thread
    await second()  # -> second in thread
    await store.read()  # -> Store.read in thread
""",
    "sync_to_async kept in a name": """
from asgiref.sync import sync_to_async

aload_it = sync_to_async(load)


async def handler():
    await aload_it(1)  # -> load in thread
""",
    "methods that a decorator of their object, or of a library, hands over": """
from tornado.concurrent import run_on_executor


class Hub:
    def threaded(self, function):
        async def inner(*args):
            return await asyncio.to_thread(function, *args)
        return inner


hub = Hub()


@hub.threaded
def first():
    return 1


class Store:
    @run_on_executor
    def read(self):
        return 1

    async def use(self):
        pending = first()  # -> first in thread, inner
        await self.read()  # -> Store.read in thread
""",
    "callbacks of the loop run on it": """
async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(load)  # -> load in loop
    loop.call_later(1, functools.partial(load, 1))  # -> load in loop
    loop.call_soon_threadsafe(load)  # -> load in loop
    loop.add_reader(0, load)  # -> load in loop
    task = asyncio.create_task(aload())  # -> aload in task
    task.add_done_callback(load)  # -> load in loop
    other = aload()  # -> aload in task
    asyncio.ensure_future(other)
""",
    "a wrapper that hands over": """
async def in_thread(function, *args):
    return await asyncio.to_thread(function, *args)


async def outer(function):
    return await in_thread(function)


async def handler():
    await in_thread(load)  # -> in_thread, load in thread
    await outer(load)  # -> outer, load in thread
    await in_thread(cheap, load())  # -> in_thread, cheap in thread, load
    await in_thread(function=load)  # -> in_thread, load in thread
""",
    "a wrapper through partial, closures, contexts and splats": """
async def by_partial(function, *args, **kwargs):
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def by_partial_of_all(*args, **kwargs):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, functools.partial(*args, **kwargs))


async def by_closure(function):
    def work():
        return function()
    return await asyncio.to_thread(work)


async def by_lambda(function, *args):
    return await asyncio.to_thread(lambda: function(*args))


async def by_context(function, *args):
    context = contextvars.copy_context()
    call = functools.partial(context.run, function, *args)
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def by_splat(*args):
    return await asyncio.to_thread(*args)


def by_keywords(**options):
    Thread(**options).start()


def again(*args, **kwargs):
    return spawn(*args, **kwargs)


def spawn(name, target=None):
    Thread(target=target).start()


async def handler():
    await by_partial(load, 1)  # -> by_partial, load in thread
    await by_partial_of_all(load, 1)  # -> by_partial_of_all, load in thread
    await by_closure(load)  # -> by_closure, load in thread
    await by_lambda(load)  # -> by_lambda, load in thread
    await by_context(load)  # -> by_context, load in thread
    await by_splat(load, 1)  # -> by_splat, load in thread
    by_keywords(target=load)  # -> by_keywords, load in thread
    again("a", load)  # -> again, load in thread
    again("a", target=load)  # -> again, load in thread
    await asyncio.to_thread(spawn, "a", load)  # -> spawn in thread, load in thread
""",
    "methods that hand over": """
class Hub:
    def __init__(self):
        self.loop = asyncio.get_event_loop()
        self._executor = ThreadPoolExecutor(4)

    def add_executor_job(self, target, *args):
        return self.loop.run_in_executor(self._executor, target, *args)

    def submit(self, target, *args):
        return self._executor.submit(target, *args)

    @staticmethod
    def static(target):
        return Thread(target=target)

    @classmethod
    def of_class(cls, target):
        return Thread(target=target)


class Worker(Thread):
    def __init__(self, job):
        super().__init__(target=job)


async def handler(hub: Hub):
    await hub.add_executor_job(load, 1)  # -> Hub.add_executor_job, load in thread
    hub.submit(load)  # -> Hub.submit, load in thread
    hub.static(load)  # -> Hub.static, load in thread
    Hub.static(load)  # -> Hub.static, load in thread
    Hub.of_class(load)  # -> Hub.of_class, load in thread
""",
    "wrappers with annotations": """
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(function, *args, **kwargs)


def threaded(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    @functools.wraps(function)
    async def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    return inner


@threaded
def read():
    return 1


async def handler():
    await in_thread(load)  # -> in_thread, load in thread
    await read()  # -> read in thread, inner
""",
    "decorators that hand over": """
def threaded(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await asyncio.to_thread(function, *args, **kwargs)
    return inner


def pooled(name):
    def decorate(function):
        def inner(*args):
            return asyncio.get_running_loop().run_in_executor(None, lambda: function(*args))
        return inner
    return decorate


def timed(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner


def elsewhere(function):
    async def inner(*args):
        return await somewhere.run(function, *args)
    return inner


@threaded
def first():
    return 1


@pooled("slow")
def second():
    return 1


@timed
def third():
    return 1


@timed
@threaded
def fourth():
    return 1


@elsewhere
def fifth():
    return 1


class Store:
    @threaded
    def read(self):
        return 1


async def handler(store: Store):
    await first()  # -> first in thread, inner
    pending = first()  # -> first in thread, inner
    await asyncio.gather(pending, first())  # -> first in thread, inner
    await second()  # -> second in thread, inner
    third()  # -> third, inner
    await fourth()  # -> fourth in thread, inner
    waiting = fifth()  # -> fifth in later, inner
    await store.read()  # -> Store.read in thread, inner
""",
    "wrappers that call here": """
def run(function, *args):
    return function(*args)


def outer(function):
    return run(function)


def each(function, items):
    for item in items:
        function(item)


async def waited(function):
    result = function()
    if inspect.isawaitable(result):
        result = await result
    return result


async def handler():
    run(load)  # -> run, load
    outer(load)  # -> outer, load
    each(load, [1, 2])  # -> each, load per item
    await waited(load)  # -> waited, load
    await waited(aload)  # -> waited, aload
    await asyncio.to_thread(run, load)  # -> run in thread, load in thread


def start():
    asyncio.create_task(waited(load))  # -> waited in task, load in loop
""",
    "each caller runs only what it gives": """
def run(function):
    return function()  # -> nothing


def first():
    run(load)  # -> run, load


def second():
    run(cheap)  # -> run, cheap
""",
    "wrappers that thread plain functions and await coroutine functions": """
async def either(function, *args):
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await asyncio.to_thread(function, *args)


async def handler():
    await either(load)  # -> either, load in thread
    await either(aload)  # -> either, aload
""",
    "wrappers that make tasks of all kinds of jobs": """
class Hub:
    def __init__(self):
        self.loop = asyncio.get_running_loop()

    def create_task(self, target, *args):
        if asyncio.iscoroutinefunction(target):
            task = self.loop.create_task(target(*args))
        elif asyncio.iscoroutine(target):
            task = self.loop.create_task(target)
        else:
            task = self.loop.create_task(asyncio.to_thread(target, *args))
        return task


def start(hub: Hub):
    hub.create_task(load)  # -> Hub.create_task, load in thread
    hub.create_task(aload)  # -> Hub.create_task, aload in task
    hub.create_task(aload())  # -> Hub.create_task, aload in task
""",
    "wrappers that call here only without a loop": """
def maybe(function, *args):
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function(*args)
    return loop.run_in_executor(None, function, *args)


async def handler():
    maybe(load)  # -> maybe, load in thread, load (low)
""",
    "defaults and kept callables": """
class Job:
    def __init__(self, function):
        self.function = function

    async def run(self):
        await asyncio.to_thread(self.function)  # -> load in thread


async def default(function=load):
    function()  # -> load


async def handler():
    Job(load)
    await default()
""",
    "generators that are streamed": """
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse


def lines():
    yield load()


def reader():
    return open("a")


async def stream():
    return StreamingResponse(lines())  # -> lines in thread


async def named():
    body = lines()  # -> lines in thread
    return StreamingResponse(content=body)


async def events():
    return EventSourceResponse(lines())  # -> lines in thread


async def opened():
    return StreamingResponse(reader())  # -> reader


async def walked():
    for line in lines():  # -> lines
        print(line)
""",
}


@pytest.mark.parametrize("name", CASES)
def test_who_runs(name: str) -> None:
    text = WORK + CASES[name]
    program = program_of({"app.py": text})
    wrong = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark = _MARK.search(line)
        if mark is None:
            continue
        expected = {part.strip() for part in mark["runs"].split(",")} - {"nothing"}
        found = runs_at(program, number)
        if found != expected:
            wrong.append(f"{number}: {line.strip()} but runs {sorted(found)}")
    assert not wrong


def runs_at(program: Program, line: int) -> set[str]:
    """Return what the line runs, and where; a lambda's own runs are marked with it."""
    found = set()
    for function in program.functions:
        for edge in program.edges_from(function):
            if edge.location.line != line:
                continue
            words = edge.callee.facts.qualname.rpartition("<locals>.")[2]
            words += "" if edge.how == "call" else f" in {edge.how}"
            words += " per item" if edge.each else ""
            words += "" if edge.confidence is Confidence.HIGH else f" ({edge.confidence.value})"
            found.add(f"<lambda> runs {words}" if function.kind == "lambda" else words)
    return found


EXPOSURES = """
import asyncio

from fastapi import BackgroundTasks, Depends, FastAPI


def shared(): ...
def work(): shared()
async def awork(): ...
def index(): ...
async def poll(): index()
def warm(): ...
def asked(): ...


async def lifespan(app):
    warm()
    asyncio.create_task(poll())
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def home(tasks: BackgroundTasks, value=Depends(asked)):
    tasks.add_task(work)
    tasks.add_task(awork)


@app.get("/shared")
def both():
    shared()
"""


def test_exposure_follows_what_runs_after_the_answer_and_beside_the_server() -> None:
    program = program_of({"app.py": EXPOSURES})
    kinds = {item.name: program.exposure_of(item).kind for item in program.functions}
    assert kinds == kinds | {
        "home": "endpoint",
        "asked": "endpoint",
        "shared": "endpoint",
        "work": "task",
        "awork": "task",
        "lifespan": "startup",
        "warm": "startup",
        "poll": "task",
        "index": "task",
    }


DISPATCHES = {
    "FastAPI": (
        "from fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/a')\ndef plain(): ...\n"
        "@app.get('/b')\nasync def coroutine(): ...\n"
        "@app.on_event('startup')\ndef begin(): ...\n",
        {"plain": "thread", "coroutine": "event-loop", "begin": "event-loop"},
    ),
    "Litestar": (
        "from litestar import get, post\n"
        "@get('/a')\ndef plain() -> str: ...\n"
        "@get('/b', sync_to_thread=True)\ndef threaded() -> str: ...\n"
        "@post('/c', sync_to_thread=False)\ndef kept() -> str: ...\n"
        "@get('/d')\nasync def coroutine() -> str: ...\n",
        {
            "plain": "event-loop",
            "threaded": "thread",
            "kept": "event-loop",
            "coroutine": "event-loop",
        },
    ),
    "Quart": (
        "from quart import Quart\napp = Quart('a')\n"
        "@app.get('/a')\ndef plain(): ...\n"
        "@app.get('/b')\nasync def coroutine(): ...\n",
        {"plain": "thread", "coroutine": "event-loop"},
    ),
    "Sanic": (
        "from sanic import Sanic\napp = Sanic('a')\n"
        "@app.get('/a')\ndef plain(request): ...\n"
        "@app.get('/b')\nasync def coroutine(request): ...\n",
        {"plain": "event-loop", "coroutine": "event-loop"},
    ),
    "tornado": (
        "from tornado.web import RequestHandler\n"
        "from tornado.concurrent import run_on_executor\n"
        "class A(RequestHandler):\n    def get(self): ...\n    async def post(self): ...\n"
        "    @run_on_executor\n    def put(self): ...\n",
        {"get": "event-loop", "post": "event-loop", "put": "thread"},
    ),
    "aiohttp": (
        "from aiohttp import web\n"
        "async def handler(request): ...\n"
        "def sign(request, response): ...\n"
        "def begin(app): ...\n"
        "app = web.Application()\napp.router.add_get('/', handler)\n"
        "app.on_startup.append(begin)\napp.on_response_prepare.append(sign)\n",
        {"handler": "event-loop", "sign": "event-loop", "begin": "event-loop"},
    ),
    "Django": (
        "from django.views import View\n"
        "class A(View):\n    def get(self, request): ...\n    async def post(self, request): ...\n",
        {"get": "thread", "post": "event-loop"},
    ),
    "decorators of the project": (
        "import asyncio, functools\nfrom sanic import Sanic\napp = Sanic('a')\n"
        "def threaded(function):\n    async def inner(*args):\n"
        "        return await asyncio.to_thread(function, *args)\n    return inner\n"
        "@app.get('/a')\n@threaded\ndef plain(request): ...\n",
        {"plain": "thread"},
    ),
}


@pytest.mark.parametrize("framework", DISPATCHES)
def test_frameworks_run_handlers_as_their_files_say(framework: str) -> None:
    text, expected = DISPATCHES[framework]
    program = program_of({"app.py": text})
    assert {item.handler.name: item.dispatch for item in program.endpoints} == expected


def test_signals_of_aiohttp_are_start_up_or_per_response() -> None:
    program = program_of({"app.py": DISPATCHES["aiohttp"][0]})
    kinds = {item.handler.name: item.kind for item in program.endpoints}
    assert kinds == {"handler": "route", "begin": "lifespan", "sign": "middleware"}


START_UP = """
import requests
from sanic import Sanic

app = Sanic("a")


@app.before_server_start
def warm(app):
    requests.get("https://example.org")


@app.get("/")
def home(request):
    requests.get("https://example.org")
"""


def test_a_plain_function_that_blocks_the_loop_matters_less_at_start_up() -> None:
    found = sync_handler_on_loop.detect(program_of({"app.py": START_UP}))
    severities = {
        item.words["function"]: item.severity for item in found if isinstance(item, Match)
    }
    assert severities == {"warm": Severity.LOW, "home": None}


MESSAGES = """
import celery
import requests
from fastapi import FastAPI

app = FastAPI()
queue = celery.Celery("a")


@queue.task
def index(key): ...


def index_all(keys):
    for key in keys:
        index.delay(key)


@app.post("/one")
async def one(key: int):
    index.delay(key)


@app.post("/many")
async def many(keys: list[int]):
    for key in keys:
        index.delay(key)


@app.post("/through")
async def through(keys: list[int]):
    index_all(keys)


@app.get("/asked")
async def asked():
    return requests.get("https://example.org").text
"""


def test_one_message_to_a_broker_holds_the_loop_up_less_than_many_or_a_request() -> None:
    found = blocking_in_async.detect(program_of({"app.py": MESSAGES}))
    severities = {
        item.words["function"]: item.severity for item in found if isinstance(item, Match)
    }
    assert severities == {"one": Severity.MEDIUM, "many": None, "through": None, "asked": None}


def test_wrappers_in_a_ring_end() -> None:
    text = WORK + (
        "def first(function): return second(function)\n"
        "def second(function): return first(function)\n"
        "def third(): first(load)\n"
    )
    program = program_of({"app.py": text})
    assert _named(program, "third") is not None


def _named(program: Program, name: str) -> FunctionNode | None:
    return next((item for item in program.functions if item.name == name), None)
