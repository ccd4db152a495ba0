"""What calls give: factories, builders, decorators, closures, contexts, iterators."""

import pytest
from types_project import wrong_lines

CASES = {
    "pages that a helper makes are of the rows of each call": """
from django.core.paginator import Paginator
from django.db import models
class Book(models.Model):
    def open(self):
        ...
class Page(models.Model):
    def turn(self):
        ...
class Own(Paginator):
    def __init__(self, rows, size=20):
        super().__init__(rows, size)
def pages(rows):
    return Paginator(rows, 20).page(1)
def own_pages(rows, maker=Own):
    made = maker(rows)
    page = made.page(1)
    return page
def a():
    for book in pages(Book.objects.all()):
        book.open()  # -> Book.open
def b():
    for page in pages(Page.objects.all()):
        page.turn()  # -> Page.turn
def c():
    for book in own_pages(Book.objects.filter(id=3)).object_list:
        book.open()  # -> Book.open
def d():
    for page in own_pages(Page.objects.all()):
        page.turn()  # -> Page.turn
""",
    "what is given back in itself, by many ways, ends": """
from store import Store
def plain(value):
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if hasattr(value, "parts"):
        return (value.kind, plain(value.first), plain(value.rest))
    if hasattr(value, "taken"):
        path, given, named = value.taken()
        return (path, [plain(each) for each in given], {key: plain(each) for key, each in named})
    return value
def a():
    plain(Store()).flush()  # -> plain, Store.flush
""",
    "factories": """
from store import Store
def plain():
    return Store()
def typed() -> "Store":
    ...
def nested():
    return plain()
class Maker:
    @classmethod
    def create(cls):
        return cls()
    @staticmethod
    def store():
        return Store()
    def flush(self):
        Store().flush()
class Special(Maker):
    pass
def probe():
    plain().flush()  # -> plain, Store.flush
    typed().flush()  # -> typed, Store.flush
    nested().flush()  # -> nested, Store.flush
    Maker.create().flush()  # -> Maker.create, Maker.flush
    Special.create().flush()  # -> Maker.create, Maker.flush
    Maker.store().flush()  # -> Maker.store, Store.flush
""",
    "builders that give themselves": """
from typing import Self
class Builder:
    def a(self):
        self.x = 1
        return self
    def b(self) -> Self:
        return self
    def c(self) -> "Builder":
        return self
    def flush(self):
        import time
        time.sleep(1)
class Special(Builder):
    def flush(self):
        pass
def probe():
    b = Builder().a().b().c()  # -> Builder.a, Builder.b, Builder.c
    b.flush()  # -> Builder.flush
    s = Special().a().b().c()  # -> Builder.a, Builder.b, Builder.c
    s.flush()  # -> Special.flush
""",
    "constructors of all kinds": """
from store import Store
class Node:
    def __new__(cls):
        return super().__new__(cls)
    def __init__(self):
        Store().flush()
    def flush(self):
        pass
class Fake:
    def __new__(cls) -> Store:
        return Store()
class Called:
    def __call__(self):
        return Store()
def probe():
    Node().flush()  # -> Node.__new__, Node.__init__, Node.flush
    Called()().flush()  # -> Called.__call__, Store.flush
""",
    "operators": """
import time
class Path:
    def __truediv__(self, other):
        time.sleep(1)
        return self
    def __getitem__(self, key):
        time.sleep(1)
        return self
    def __setitem__(self, key, value):
        time.sleep(1)
    def __contains__(self, key):
        time.sleep(1)
        return True
    def __eq__(self, other):
        time.sleep(1)
        return True
    def __lt__(self, other):
        time.sleep(1)
        return True
    def __len__(self):
        time.sleep(1)
        return 1
    def __bool__(self):
        time.sleep(1)
        return True
    def __iadd__(self, other):
        time.sleep(1)
        return self
    def run(self):
        time.sleep(1)
def probe(path: Path):
    a = path / "x"  # -> Path.__truediv__
    a.run()  # -> Path.run
    b = path["x"]  # -> Path.__getitem__
    b.run()  # -> Path.run
    path["x"] = 1  # -> Path.__setitem__
    if "x" in path:  # -> Path.__contains__
        pass
    if "x" not in path:  # -> Path.__contains__
        pass
    if path == "x":  # -> Path.__eq__
        pass
    ok = path < "x"  # -> Path.__lt__
    n = len(path)  # -> Path.__len__
    if path:  # -> Path.__bool__
        pass
    path += 1  # -> Path.__iadd__
""",
    "the arguments of operators are calls' too": """
import time
class Path:
    def __truediv__(self, other):
        time.sleep(1)
        return self
    def __getitem__(self, key):
        time.sleep(1)
        return self
    def __contains__(self, key):
        time.sleep(1)
    def run(self):
        time.sleep(1)
def probe(path: Path):
    (path / "x").run()  # -> Path.__truediv__, Path.run
    print(path["a"])  # -> Path.__getitem__, builtins.print
    path["a"].run()  # -> Path.__getitem__, Path.run
    return "x" in path  # -> Path.__contains__
""",
    "context managers of classes": """
from store import Store
class Session:
    def __enter__(self):
        return Store()
    def __exit__(self, *args):
        pass
class Async:
    async def __aenter__(self):
        return Store()
    async def __aexit__(self, *args):
        pass
async def probe():
    with Session() as store:  # -> Session.__enter__, Session.__exit__
        store.flush()  # -> Store.flush
    async with Async() as store:  # -> Async.__aenter__, Async.__aexit__
        store.flush()  # -> Store.flush
    with Session():  # -> Session.__enter__, Session.__exit__
        pass
""",
    "context managers of generators": """
import contextlib
from contextlib import asynccontextmanager, contextmanager
from store import Store
@contextmanager
def opened():
    yield Store()
@asynccontextmanager
async def aopened():
    yield Store()
class Factory:
    @contextlib.contextmanager
    def session(self):
        store = Store()
        try:
            yield store
        finally:
            pass
async def probe():
    with opened() as store:  # -> opened
        store.flush()  # -> Store.flush
    async with aopened() as store:  # -> aopened
        store.flush()  # -> Store.flush
    with Factory().session() as store:  # -> Factory.session
        store.flush()  # -> Store.flush
""",
    "stacks of context managers": """
from contextlib import AsyncExitStack, ExitStack, closing, nullcontext
from contextlib import contextmanager
from store import Store
@contextmanager
def opened():
    yield Store()
class Session:
    def __enter__(self):
        return Store()
    def __exit__(self, *args):
        pass
    async def __aenter__(self):
        return Store()
    async def __aexit__(self, *args):
        pass
async def probe():
    with ExitStack() as stack:
        a = stack.enter_context(opened())  # -> opened
        a.flush()  # -> Store.flush
        b = stack.enter_context(Session())  # -> Session.__enter__, Session.__exit__
        b.flush()  # -> Store.flush
    async with AsyncExitStack() as stack:
        c = await stack.enter_async_context(Session())  # -> Session.__aenter__, Session.__aexit__
        c.flush()  # -> Store.flush
    with closing(Store()) as d:
        d.flush()  # -> Store.flush
    with nullcontext(Store()) as e:
        e.flush()  # -> Store.flush
""",
    "iterators and generators": """
from store import Store
class Stores:
    def __iter__(self):
        yield Store()
class Ring:
    def __iter__(self):
        return self
    def __next__(self):
        return Store()
class Stream:
    def __aiter__(self):
        return self
    async def __anext__(self):
        return Store()
class Old:
    def __getitem__(self, index):
        return Store()
    def __len__(self):
        return 1
def generate():
    yield Store()
def delegated():
    yield from generate()  # -> generate
async def agenerate():
    yield Store()
async def probe():
    for store in Stores():  # -> Stores.__iter__
        store.flush()  # -> Store.flush
    for store in Ring():  # -> Ring.__iter__, Ring.__next__
        store.flush()  # -> Store.flush
    async for store in Stream():  # -> Stream.__aiter__, Stream.__anext__
        store.flush()  # -> Store.flush
    for store in Old():  # -> Old.__getitem__
        store.flush()  # -> Store.flush
    for store in generate():  # -> generate
        store.flush()  # -> Store.flush
    for store in delegated():  # -> delegated
        store.flush()  # -> Store.flush
    async for store in agenerate():  # -> agenerate
        store.flush()  # -> Store.flush
    [store.flush() for store in Stores()]  # -> Stores.__iter__, Store.flush
    next(generate()).flush()  # -> generate, Store.flush
    next(Ring()).flush()  # -> Ring.__next__, Store.flush
    next(iter(Stores())).flush()  # -> Stores.__iter__, Store.flush
    (await anext(agenerate())).flush()  # -> agenerate, Store.flush
    list(Stores())[0].flush()  # -> Stores.__iter__, Store.flush
    a, b = Stores()
    a.flush()  # -> Store.flush
""",
    "an iterator object of another class": """
from store import Store
class Walk:
    def __next__(self):
        return Store()
class Stores:
    def __iter__(self):
        return Walk()
def probe():
    for store in Stores():  # -> Stores.__iter__, Walk.__next__
        store.flush()  # -> Store.flush
""",
    "iterators that give each other": """
from store import Store
class A:
    def __iter__(self):
        return B()
class B:
    def __iter__(self):
        return A()
class C:
    async def __iter__(self):
        return self
def probe():
    for store in C():  # -> C.__iter__
        store.flush()  # -> nothing
    for store in A():  # -> A.__iter__
        store.flush()  # -> nothing
""",
    "callables whose annotation says only that": """
from collections.abc import Callable
from store import Store
def save(store):
    store.flush()  # -> nothing
def keep():
    pass
def limiter(store: Store) -> Callable[[], Store]:
    def inner():
        store.flush()  # -> Store.flush
        return store
    return inner
def usual(action: Callable[[], None] = keep):
    action()  # -> keep
def handed(action: Callable[[], None]):
    again = action
    again()
class Bus:
    def __init__(self):
        self.handlers: list[Callable[[str], None]] = []
    def add(self, handler: Callable[[str], None]):
        self.handlers.append(handler)
    def tell(self):
        for handler in self.handlers:
            handler("x")  # -> keep (medium), save (medium)
def probe(bus: Bus):
    wait = limiter(Store())  # -> limiter
    wait().flush()  # -> limiter.<locals>.inner, Store.flush
    bus.add(keep)  # -> Bus.add
    bus.add(save)  # -> Bus.add
""",
    "callables that objects keep": """
from collections.abc import Callable
from dataclasses import dataclass
def keep():
    pass
def drop():
    pass
class Same:
    def __init__(self, action: Callable[[], None]):
        self.action = action
    def run(self):
        self.action()  # -> keep
class Other:
    def __init__(self, action: Callable[[], None]):
        self.action = action
    def run(self):
        self.action()  # -> nothing
@dataclass
class Field:
    name: str
    action: Callable[[], None]
    def run(self):
        self.action()  # -> keep
@dataclass
class Fields:
    action: Callable[[], None]
    def run(self):
        self.action()  # -> nothing
def probe(unknown):
    Same(keep).run()  # -> Same.__init__, Same.run
    Same(action=keep).run()  # -> Same.__init__, Same.run
    Other(keep).run()  # -> Other.__init__, Other.run
    Other(drop).run()  # -> Other.__init__, Other.run
    Field("a", keep).run()  # -> Field.run
    Field(action=keep, name="b").run()  # -> Field.run
    Fields(keep).run()  # -> Fields.run
    Fields(unknown).run()  # -> Fields.run
""",
    "containers in containers that are filled later": """
from collections import defaultdict
from store import Store
def probe(name):
    groups = defaultdict(list)
    groups[name].append(Store())
    groups[name][0].flush()  # -> Store.flush
    counts = defaultdict(int)
    counts[name] += 1
    counts[name].flush()  # -> nothing
""",
    "implementations that the class of an argument chooses": """
from functools import singledispatch, singledispatchmethod
from store import Store
class Special(Store):
    pass
@singledispatch
def show(value):
    return None
@show.register
def show_store(value: Store):
    return value
@show.register(int)
def show_number(value):
    return value
class Shop:
    @singledispatchmethod
    def take(self, value):
        pass
    @take.register
    def take_store(self, value: Store):
        pass
def probe(special: Special, shop: Shop, unknown):
    show(special).flush()  # -> show_store, Store.flush
    show(3)  # -> show_number
    show("x")  # -> show
    show(unknown)  # -> show
    shop.take(Store())  # -> Shop.take_store
    shop.take(1)  # -> Shop.take
""",
    "partial": """
from functools import partial
import time
from store import Store
def work(store: Store, n):
    time.sleep(1)
    return store
class Service:
    def __init__(self):
        self.job = partial(work, Store())
    def probe(self):
        self.job(1)  # -> work
        partial(work, n=1)(Store()).flush()  # -> work, Store.flush
""",
    "decorators that wrap": """
import functools, time
from store import Store
def timed(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        time.sleep(1)
        return func(*args, **kwargs)
    return wrapper
def named(name):
    def decorate(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            return func(*args, **kwargs)
        return wrapper
    return decorate
@timed
def first():
    return Store()
@named("x")
def second() -> Store:
    return Store()
def probe():
    first().flush()  # -> first, timed.<locals>.wrapper, Store.flush
    second().flush()  # -> second, named.<locals>.decorate.<locals>.wrapper, Store.flush
""",
    "decorators of classes": """
import functools, time
from store import Store
class Timed:
    def __init__(self, func):
        self.func = func
    def __call__(self, *args):
        time.sleep(1)
        return self.func(*args)
class Named:
    def __init__(self, name):
        self.name = name
    def __call__(self, func):
        @functools.wraps(func)
        def wrapper(*args):
            time.sleep(2)
            return func(*args)
        return wrapper
@Timed
def first() -> Store:
    return Store()
@Named("x")
def second() -> Store:
    return Store()
def probe():
    first().flush()  # -> first, Timed.__call__, Store.flush
    second().flush()  # -> second, Named.__call__.<locals>.wrapper, Store.flush
""",
    "a decorator that registers gives the function itself": """
from store import Store
HANDLERS = []
def register(func):
    HANDLERS.append(func)
    return func
@register
def first():
    return Store()
def probe():
    first().flush()  # -> first, Store.flush
""",
    "closures and factories of functions": """
from store import Store
def make_handler(store: Store):
    def handle(x):
        store.flush()  # -> Store.flush
        return store
    return handle
def probe():
    handler = make_handler(Store())  # -> make_handler
    handler(1).flush()  # -> make_handler.<locals>.handle, Store.flush
    make_handler(Store())(2)  # -> make_handler, make_handler.<locals>.handle
    work = lambda: Store()
    work().flush()  # -> probe.<locals>.<lambda>, Store.flush
""",
    "caches and dispatchers of the standard library": """
import functools
from store import Store
@functools.lru_cache(maxsize=1)
def one():
    return Store()
@functools.cache
def two():
    return Store()
@functools.singledispatch
def three(x):
    return Store()
@three.register
def _(x: int):
    return Store()
@functools.lru_cache
def four():
    return Store()
def probe():
    one().flush()  # -> one, Store.flush
    two().flush()  # -> two, Store.flush
    four().flush()  # -> four, Store.flush
""",
    "awaited results": """
import asyncio
from store import Store, Other
async def make():
    return Store()
async def other() -> Other:
    return Other()
async def probe():
    (await make()).flush()  # -> make, Store.flush
    store = await make()  # -> make
    store.flush()  # -> Store.flush
    a, b = await asyncio.gather(make(), other())  # -> make, other
    a.flush()  # -> Store.flush
    b.flush()  # -> Other.flush
    task = asyncio.create_task(make())  # -> make, asyncio.create_task
    c = await task
    c.flush()  # -> Store.flush
    d = await asyncio.wait_for(make(), 1)  # -> make
    d.flush()  # -> Store.flush
    found = await asyncio.gather(*[make() for _ in range(3)])  # -> make
    for each in found:
        each.flush()  # -> Store.flush
    e = await asyncio.shield(make())  # -> make
    e.flush()  # -> Store.flush
""",
    "casts and copies": """
import copy, typing
from typing import cast
from contextvars import ContextVar
import weakref
from store import Store
current: ContextVar[Store] = ContextVar("current")
second: ContextVar["Store | None"] = ContextVar("second", default=None)
def probe(x):
    cast(Store, x).flush()  # -> Store.flush
    cast("Store", x).flush()  # -> Store.flush
    typing.cast("Store | None", x).flush()  # -> Store.flush
    copy.copy(Store()).flush()  # -> Store.flush
    current.get().flush()  # -> Store.flush
    second.get().flush()  # -> Store.flush
    ref = weakref.ref(Store())
    ref().flush()  # -> Store.flush
""",
    "dispatch by a dictionary": """
import time
def a():
    time.sleep(1)
def b():
    time.sleep(1)
HANDLERS = {"a": a, "b": b}
def probe(kind):
    HANDLERS[kind]()  # -> a (medium), b (medium)
    HANDLERS.get(kind)()  # -> a (medium), b (medium)
    HANDLERS["a"]()  # -> a
    handler = HANDLERS.get(kind, a)
    handler()  # -> a (medium), b (medium)
""",
    "dispatch by a dictionary of classes and of an object": """
from store import Store, Other
class Service:
    kinds = {"s": Store, "o": Other}
    def __init__(self):
        self.handlers = {"a": self.a, "b": self.b}
    def a(self):
        pass
    def b(self):
        pass
    def probe(self, kind):
        self.handlers[kind]()  # -> Service.a (medium), Service.b (medium)
        self.kinds[kind]().flush()  # -> Store.flush (medium), Other.flush (medium)
""",
    "operator.attrgetter and methodcaller stay unknown": """
import operator
from store import Store
def probe(store: Store):
    operator.methodcaller("flush")(store)  # -> nothing
""",
    "parameters typed by what callers pass": """
from store import Store
def work(store):
    store.flush()  # -> Store.flush
def named(*, store=None):
    store.flush()  # -> Store.flush
def through(*args, **kwargs):
    inner(*args, **kwargs)  # -> inner
def inner(store, other=None):
    store.flush()  # -> Store.flush
def probe():
    work(Store())  # -> work
    named(store=Store())  # -> named
    through(Store())  # -> through
""",
    "keyword parameters through a forwarder": """
from store import Store
def through(**kwargs):
    inner(**kwargs)  # -> inner
def inner(store):
    store.flush()  # -> Store.flush
def probe():
    through(store=Store())  # -> through
""",
}


@pytest.mark.parametrize("name", CASES)
def test_callables(name: str) -> None:
    assert wrong_lines(CASES[name]) == []
