"""What attributes hold: of objects, classes, modules and containers of dependencies."""

import pytest
from types_project import wrong_lines

CASES = {
    "delegation in a circle": """
class First:
    def __init__(self, other: "Second"):
        self.other = other
    def __getattr__(self, name):
        return getattr(self.other, name)
class Second:
    def __init__(self, other: First):
        self.other = other
    def __getattr__(self, name):
        return getattr(self.other, name)
def probe(first: First):
    first.missing()
""",
    "set in any method": """
from store import Store
class Base:
    def open(self):
        self.store = Store()
class Service(Base):
    def __init__(self):
        self.store = None
    def probe(self):
        self.store.flush()  # -> Store.flush
        store = self.store
        store.flush()  # -> Store.flush
""",
    "set in a base only": """
from store import Store
class Base:
    def __init__(self):
        self.store = Store()
class Service(Base):
    def probe(self):
        self.store.flush()  # -> Store.flush
""",
    "set by a subclass, read in the base": """
from store import Store
class Base:
    def probe(self):
        self.store.flush()  # -> Store.flush (medium)
class Service(Base):
    def __init__(self):
        self.store = Store()
""",
    "set from outside on a typed object": """
from store import Store
class Service:
    pass
def wire(service: Service):
    service.store = Store()
def probe(service: Service):
    service.store.flush()  # -> Store.flush
""",
    "set from outside where the class says None": """
from store import Store
class Service:
    def __init__(self):
        self.store = None
def make():
    service = Service()  # -> Service.__init__
    service.store = Store()
    return service
def probe(service: Service):
    service.store.flush()  # -> Store.flush
""",
    "set by setattr with a constant": """
from store import Store
class Service:
    def __init__(self):
        setattr(self, "store", Store())
    def probe(self):
        self.store.flush()  # -> Store.flush
        getattr(self, "store").flush()  # -> Store.flush
        getattr(self, "store", None).flush()  # -> Store.flush
""",
    "a class attribute": """
from store import Store
class Service:
    store = Store()
    kind = Store
    def probe(self):
        self.store.flush()  # -> Store.flush
        Service.store.flush()  # -> Store.flush
        self.kind().flush()  # -> Store.flush
""",
    "a class attribute that a subclass gives": """
from store import Store
class Base:
    kind = None
    def probe(self):
        self.kind().flush()  # -> Store.flush (medium)
class Service(Base):
    kind = Store
""",
    "set through cls in a classmethod": """
from store import Store
class Service:
    _store = None
    @classmethod
    def store(cls):
        if cls._store is None:
            cls._store = Store()
        return cls._store
def probe():
    Service.store().flush()  # -> Store.flush, Service.store
""",
    "set on the class by its name": """
from store import Store
class Service:
    store = None
    def __init__(self):
        Service.store = Store()
def probe():
    Service.store.flush()  # -> Store.flush
""",
    "fields of a dataclass": """
from dataclasses import dataclass, field
from store import Store, Other
@dataclass
class Service:
    store: Store
    other: Other = field(default_factory=Other)
    third = field(default_factory=Store)
    def __post_init__(self):
        self.store.flush()  # -> Store.flush
def probe(service: Service):
    service.other.flush()  # -> Other.flush
    made = Service(Store())  # -> Service.__post_init__
    made.store.flush()  # -> Store.flush
""",
    "fields of pydantic and attrs": """
from pydantic import BaseModel, Field, PrivateAttr
import attr
import attrs
from store import Store, Other
class Config(BaseModel):
    store: Store = Field(default_factory=Store)
    _other = PrivateAttr(default_factory=Other)
    def probe(self):
        self.store.flush()  # -> Store.flush
        self._other.flush()  # -> Other.flush
@attr.s
class Old:
    store = attr.ib(factory=Store)
    other = attr.ib(type=Other)
    def probe(self):
        self.store.flush()  # -> Store.flush
        self.other.flush()  # -> Other.flush
@attrs.define
class New:
    store = attrs.field(factory=Store)
    def probe(self):
        self.store.flush()  # -> Store.flush
""",
    "named tuples and typed dictionaries": """
from typing import NamedTuple, TypedDict
from store import Store, Other
class Pair(NamedTuple):
    store: Store
    other: Other
class Entry(TypedDict):
    store: Store
    other: Other
def probe(pair: Pair, entry: Entry):
    pair.store.flush()  # -> Store.flush
    pair[1].flush()  # -> Other.flush
    a, b = pair
    a.flush()  # -> Store.flush
    b.flush()  # -> Other.flush
    entry["store"].flush()  # -> Store.flush
    entry.get("other").flush()  # -> Other.flush
    made = Pair(Store(), Other())
    made.store.flush()  # -> Store.flush
""",
    "members of an enumeration": """
import enum, time
class Kind(enum.Enum):
    FAST = 1
    SLOW = "slow"
    def wait(self):
        time.sleep(1)
    @property
    def label(self):
        time.sleep(1)
        return "x"
def probe(kind: Kind):
    Kind.FAST.wait()  # -> Kind.wait
    kind.wait()  # -> Kind.wait
    Kind("slow").wait()  # -> Kind.wait
    Kind["FAST"].wait()  # -> Kind.wait
    print(Kind.FAST.label)  # -> Kind.label, builtins.print
    for each in Kind:
        each.wait()  # -> Kind.wait
""",
    "properties and their setters run": """
import time
class Service:
    @property
    def size(self):
        time.sleep(1)
        return 1
    @size.setter
    def size(self, value):
        self.remember(value)
    def remember(self, value):
        time.sleep(1)
def probe(service: Service):
    n = service.size  # -> Service.size
    service.size = 4  # -> Service.size
    service.size += 1  # -> Service.size
""",
    "a property that gives an object": """
import functools
from store import Store
class Service:
    @property
    def store(self) -> Store:
        return Store()
    @functools.cached_property
    def kept(self):
        return Store()
def probe(service: Service):
    service.store.flush()  # -> Service.store, Store.flush
    service.kept.flush()  # -> Service.kept, Store.flush
""",
    "a property made by a call": """
from store import Store
class Service:
    def _get(self):
        return Store()
    def _set(self, value):
        value.flush()
    store = property(_get, _set)
def probe(service: Service):
    service.store.flush()  # -> Service._get, Store.flush
    service.store = Store()  # -> Service._set
""",
    "a descriptor of the project": """
from store import Store
class Lazy:
    def __get__(self, instance, owner):
        return Store()
    def __set__(self, instance, value):
        value.flush()
class Service:
    store = Lazy()
def probe(service: Service):
    service.store.flush()  # -> Lazy.__get__, Store.flush
    service.store = Store()  # -> Lazy.__set__
""",
    "state of an application": """
from fastapi import FastAPI, Request
from store import Store
app = FastAPI()
@app.on_event("startup")
async def start():
    app.state.store = Store()
@app.get("/")
async def probe(request: Request):
    request.app.state.store.flush()  # -> Store.flush
    app.state.store.flush()  # -> Store.flush
""",
    "state of an application made in a factory": """
from fastapi import FastAPI, Request
from store import Store
def create():
    app = FastAPI()
    app.state.store = Store()
    return app
async def probe(request: Request):
    store = request.app.state.store
    store.flush()  # -> Store.flush
""",
    "state of a request": """
from fastapi import Request
from store import Store
async def middleware(request: Request, call_next):
    request.state.store = Store()
    return await call_next(request)
async def probe(request: Request):
    request.state.store.flush()  # -> Store.flush
""",
    "flask.g": """
from flask import g
from store import Store
def before():
    g.store = Store()
def probe():
    g.store.flush()  # -> Store.flush
""",
    "a base of a library keeps its effects": """
import httpx
class Client(httpx.Client):
    def fetch(self, path):
        return self.get(path)  # -> httpx.Client.get
    def request(self, method, url, **kw):
        return super().request(method, url, **kw)  # -> httpx.Client.request
def probe(client: Client):
    client.fetch("/")  # -> Client.fetch
    client.post("/")  # -> httpx.Client.post
""",
    "super": """
import time
from store import Store
class Base:
    def __init__(self):
        self.store = Store()
    def run(self):
        time.sleep(1)
class Mixin:
    def other(self):
        time.sleep(1)
class Service(Mixin, Base):
    def __init__(self):
        super().__init__()  # -> Base.__init__
    def run(self):
        super().run()  # -> Base.run
        super(Service, self).run()  # -> Base.run
        super().store.flush()  # -> Store.flush
""",
    "an attribute chain of three objects": """
from store import Store
class Repo:
    def __init__(self, store: Store):
        self.store = store
class Service:
    def __init__(self):
        self.repo = Repo(Store())  # -> Repo.__init__
class App:
    def __init__(self):
        self.service = Service()  # -> Service.__init__
    def probe(self):
        self.service.repo.store.flush()  # -> Store.flush
""",
    "an attribute that holds what the caller gave": """
from store import Store
class Service:
    def __init__(self, store):
        self.store = store
    def probe(self):
        self.store.flush()  # -> Store.flush
def main():
    Service(Store())  # -> Service.__init__
""",
    "an attribute filled through a chain of untyped constructors": """
from store import Store
class Base:
    def __init__(self, store):
        self.store = store
    def probe(self):
        self.store.flush()  # -> Store.flush
class Service(Base):
    def __init__(self, store, name):
        super().__init__(store)  # -> Base.__init__
        self.name = name
class Special(Base):
    pass
def main():
    Service(Store(), "x")  # -> Service.__init__
    Special(store=Store())  # -> Base.__init__
""",
    "an object of a library that keeps what the class says": """
import httpx
class Service:
    client: httpx.Client
    def __init__(self):
        self.client = httpx.Client()  # -> httpx.Client
    def probe(self):
        self.client.get("/")  # -> httpx.Client.get
""",
    "an attribute that only tests or None fill is not known": """
class Service:
    def __init__(self):
        self.store = None
    def probe(self):
        self.store.flush()  # -> nothing
""",
}


@pytest.mark.parametrize("name", CASES)
def test_attributes(name: str) -> None:
    assert wrong_lines(CASES[name]) == []
