"""What annotations and containers give, and what stands for an interface."""

import pytest
from types_project import wrong_lines

CASES = {
    "wrappers of typing": """
from typing import Annotated, ClassVar, Final, Optional, Type, Union
from store import Store, Other
class Service:
    store: ClassVar[Store]
    other: Final[Other] = Other()
    third: Final = Store()
    maybe: Optional["Store"] = None
    def probe(self):
        self.store.flush()  # -> Store.flush
        self.other.flush()  # -> Other.flush
        self.third.flush()  # -> Store.flush
        self.maybe.flush()  # -> Store.flush
def a(store: Annotated[Store, "x"]):
    store.flush()  # -> Store.flush
def b(store: "Store"):
    store.flush()  # -> Store.flush
def c(store: "Store | None" = None):
    store.flush()  # -> Store.flush
def d(store: Store | Other):
    store.flush()  # -> Store.flush (medium), Other.flush (medium)
def e(store: Union[Store, None]):
    store.flush()  # -> Store.flush
def f(kind: Type[Store], second: type[Other]):
    kind().flush()  # -> Store.flush
    second().flush()  # -> Other.flush
def g(store: "Optional[Store]"):
    store.flush()  # -> Store.flush
def h(store: Optional["Store"]):
    store.flush()  # -> Store.flush
""",
    "a maker of sessions as an annotation": """
from sqlalchemy import create_engine, select
from sqlalchemy.orm import sessionmaker
SessionLocal = sessionmaker(bind=create_engine("postgresql://x"))
def probe(session: SessionLocal):
    session.execute(select(1))  # -> sqlalchemy.orm.Session.execute
""",
    "imports for checking only": """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from store import Store
def probe(store: Store):
    store.flush()  # -> Store.flush
""",
    "generics of the project": """
from typing import Generic, TypeVar
from store import Store
T = TypeVar("T")
B = TypeVar("B", bound=Store)
class Box(Generic[T]):
    def __init__(self, value: T):
        self.value = value
    def get(self) -> T:
        return self.value
class Special(Box[Store]):
    def probe(self):
        self.get().flush()  # -> Box.get, Store.flush
        self.value.flush()  # -> Store.flush
def bounded(store: B) -> B:
    store.flush()  # -> Store.flush
    return store
def first(items: list[T]) -> T:
    return items[0]
def make(kind: type[T]) -> T:
    return kind()
def probe(box: Box[Store], stores: list[Store]):
    box.get().flush()  # -> Box.get, Store.flush
    box.value.flush()  # -> Store.flush
    first(stores).flush()  # -> first, Store.flush
    make(Store).flush()  # -> make, Store.flush
    bounded(Store()).flush()  # -> bounded, Store.flush
    Box(Store()).get().flush()  # -> Box.__init__, Box.get, Store.flush
    Box[Store](x).get().flush()  # -> Box.__init__, Box.get, Store.flush
""",
    "aliases in the new syntax": """
from store import Store
type Stores = list[Store]
type Alias = Store
def probe(stores: Stores, alias: Alias):
    stores[0].flush()  # -> Store.flush
    alias.flush()  # -> Store.flush
""",
    "aliases of types": """
from typing import Annotated, Dict, List, NewType, Optional, TypeAlias, Union
from fastapi import Depends
from store import Store, Other
def provide() -> Store: ...
Alias = Store
Typed: TypeAlias = "Store"
Stores = list[Store]
ByName = Dict[str, Store]
Maybe = Optional[Store]
Either = Union[Store, Other]
Bar = Store | None
New = NewType("New", Store)
Dep = Annotated[Store, Depends(provide)]
def probe(a: Alias, b: Typed, c: Stores, d: ByName, e: Maybe, f: Either, g: Bar, h: New, i: Dep):
    a.flush()  # -> Store.flush
    b.flush()  # -> Store.flush
    c[0].flush()  # -> Store.flush
    d["x"].flush()  # -> Store.flush
    e.flush()  # -> Store.flush
    f.flush()  # -> Store.flush (medium), Other.flush (medium)
    g.flush()  # -> Store.flush
    h.flush()  # -> Store.flush
    i.flush()  # -> Store.flush
""",
    "a decorator with a ParamSpec": """
import functools
from typing import Callable, ParamSpec, TypeVar
from store import Store
P = ParamSpec("P")
R = TypeVar("R")
def timed(func: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return func(*args, **kwargs)
    return wrapper
@timed
def make() -> Store:
    return Store()
def probe():
    make().flush()  # -> make, timed.<locals>.wrapper, Store.flush
""",
    "Self": """
from typing import Self
class Session:
    @classmethod
    def open(cls) -> Self:
        return cls()
    def __enter__(self) -> Self:
        return self
    def __exit__(self, *args): ...
    async def load(self) -> Self:
        return self
    def flush(self): ...
class Special(Session):
    def flush(self): ...
async def probe():
    Special.open().flush()  # -> Session.open, Special.flush
    with Special() as s:  # -> Session.__enter__, Session.__exit__
        s.flush()  # -> Special.flush
    (await Special().load()).flush()  # -> Session.load, Special.flush
""",
    "a protocol with one implementer": """
from typing import Protocol
class Saves(Protocol):
    def save(self) -> None: ...
class Disk(Saves):
    def save(self) -> None:
        open("x")
def probe(saver: Saves):
    saver.save()  # -> Disk.save (medium)
""",
    "a protocol that is implemented by its methods alone": """
from typing import Protocol
class Saves(Protocol):
    def save(self, name: str) -> None: ...
    def load(self) -> str: ...
class Disk:
    def save(self, name: str) -> None:
        open("x")
    def load(self) -> str:
        return "x"
class Half:
    def save(self, name: str) -> None: ...
def probe(saver: Saves):
    saver.save("x")  # -> Disk.save (medium)
""",
    "an abstract class with several implementers": """
import abc
class Sender(abc.ABC):
    @abc.abstractmethod
    def send(self): ...
class Mail(Sender):
    def send(self):
        open("x")
class Fax(Sender):
    def send(self):
        open("y")
class Holder:
    def __init__(self, sender: Sender):
        self.sender = sender
    def probe(self):
        self.sender.send()  # -> Mail.send (medium), Fax.send (medium)
def probe(sender: Sender):
    sender.send()  # -> Mail.send (medium), Fax.send (medium)
""",
    "a method that a base does not have, but its subclasses": """
class Base:
    def run(self):
        self.work()  # -> One.work (medium), Two.work (medium)
class One(Base):
    def work(self):
        open("x")
class Two(Base):
    def work(self):
        open("y")
""",
    "dependencies of handlers": """
from typing import Annotated
from fastapi import Depends, FastAPI
from store import Store, Other
def provide():
    yield Store()
async def aprovide() -> Store:
    return Store()
class Service:
    def __init__(self, store: Store = Depends(provide)):
        self.store = store
    def work(self):
        self.store.flush()  # -> Store.flush
app = FastAPI()
@app.get("/")
async def probe(
    a=Depends(provide),
    b: Annotated[Store, Depends(provide)] = None,
    c: Annotated[object, Depends(aprovide)] = None,
    d: Service = Depends(),
    e: Annotated[Service, Depends()] = None,
    f=Depends(Service),
):
    a.flush()  # -> Store.flush
    b.flush()  # -> Store.flush
    c.flush()  # -> Store.flush
    d.work()  # -> Service.work
    e.work()  # -> Service.work
    f.work()  # -> Service.work
""",
    "a dependency of several layers": """
from fastapi import Depends
from store import Store
class Repo:
    def __init__(self, store):
        self.store = store
    def save(self):
        self.store.flush()  # -> Store.flush
def get_store():
    return Store()
def get_repo(store=Depends(get_store)):
    return Repo(store)
async def probe(repo=Depends(get_repo)):
    repo.save()  # -> Repo.save
""",
    "containers of dependency-injector": """
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject
from store import Store, Other
class Service:
    def __init__(self, store):
        self.store = store
    def work(self):
        self.store.flush()
class Container(containers.DeclarativeContainer):
    store = providers.Singleton(Store)
    service = providers.Factory(Service, store=store)
@inject
async def probe(service: Service = Provide[Container.service], other=Provide[Container.store]):
    service.work()  # -> Service.work
    other.flush()  # -> Store.flush
def second():
    container = Container()
    container.service().work()  # -> Service.work
    container.store().flush()  # -> Store.flush
""",
    "elements of containers": """
from collections import defaultdict, deque, OrderedDict
from itertools import chain
from store import Store, Other
def probe(stores: list[Store], named: dict[str, Store], pairs: list[tuple[str, Other]]):
    for store in stores:
        store.flush()  # -> Store.flush
    for i, store in enumerate(stores):
        store.flush()  # -> Store.flush
    for name, store in named.items():
        store.flush()  # -> Store.flush
    for store in named.values():
        store.flush()  # -> Store.flush
    for name, other in pairs:
        other.flush()  # -> Other.flush
    for store, (name, other) in zip(stores, pairs):
        store.flush()  # -> Store.flush
        other.flush()  # -> Other.flush
    for i, (name, other) in enumerate(pairs):
        other.flush()  # -> Other.flush
    for store in sorted(stores, key=lambda s: s.x):
        store.flush()  # -> Store.flush
    for store in reversed(stores):
        store.flush()  # -> Store.flush
    for store in filter(None, stores):
        store.flush()  # -> Store.flush
    for store in map(make, range(3)):  # -> make
        store.flush()  # -> Store.flush
    for store in list(stores):
        store.flush()  # -> Store.flush
    for store in [*stores]:
        store.flush()  # -> Store.flush
    for store in chain(stores, stores):
        store.flush()  # -> Store.flush
    for store in stores[:2]:
        store.flush()  # -> Store.flush
    for store in stores + stores:
        store.flush()  # -> Store.flush
    max(stores, key=id).flush()  # -> Store.flush
    named.pop("x").flush()  # -> Store.flush
    named.setdefault("x", Store()).flush()  # -> Store.flush
    by = {s.x: s for s in stores}
    by["a"].flush()  # -> Store.flush
    ours = [s for s in stores if s]
    ours[0].flush()  # -> Store.flush
    dict(named)["x"].flush()  # -> Store.flush
    {**named}["x"].flush()  # -> Store.flush
def make(n):
    return Store()
""",
    "containers that are filled": """
from collections import defaultdict, deque
from store import Store
class Service:
    def __init__(self):
        self.stores = []
        self.named = {}
        self.typed: dict[str, Store] = {}
        self.queue = deque()
        self.grouped = defaultdict(list)
    def add(self, store: Store):
        self.stores.append(store)
        self.named["x"] = store
        self.queue.append(store)
        self.grouped["x"].append(store)
    def probe(self):
        for store in self.stores:
            store.flush()  # -> Store.flush
        self.named["y"].flush()  # -> Store.flush
        self.named.get("y").flush()  # -> Store.flush
        self.typed["y"].flush()  # -> Store.flush
        self.queue.popleft().flush()  # -> Store.flush
def local(names):
    found = []
    for name in names:
        found.append(Store())
    for store in found:
        store.flush()  # -> Store.flush
    table = {}
    table["x"] = Store()
    table["y"].flush()  # -> Store.flush
    for key, store in table.items():
        store.flush()  # -> Store.flush
""",
    "containers of modules that are filled": """
from store import Store
STORES = {}
NAMES: list[Store] = []
def get(name):
    if name not in STORES:
        STORES[name] = Store()
    return STORES[name]
def probe():
    get("x").flush()  # -> get, Store.flush
    STORES["x"].flush()  # -> Store.flush
    for store in STORES.values():
        store.flush()  # -> Store.flush
    for store in NAMES:
        store.flush()  # -> Store.flush
""",
    "callables in annotations": """
from typing import Awaitable, Callable, Iterable, Iterator, AsyncIterator, Mapping, Sequence
from store import Store
async def probe(
    make: Callable[[], Store],
    amake: Callable[..., Awaitable[Store]],
    items: Iterable[Store],
    table: Mapping[str, Store],
    rows: Sequence[Store],
    stream: AsyncIterator[Store],
    pairs: tuple[Store, ...],
):
    make().flush()  # -> Store.flush
    (await amake()).flush()  # -> Store.flush
    for store in items:
        store.flush()  # -> Store.flush
    table["x"].flush()  # -> Store.flush
    rows[0].flush()  # -> Store.flush
    async for store in stream:
        store.flush()  # -> Store.flush
    pairs[3].flush()  # -> Store.flush
    for store in pairs:
        store.flush()  # -> Store.flush
""",
}


@pytest.mark.parametrize("name", CASES)
def test_annotations(name: str) -> None:
    assert wrong_lines(CASES[name]) == []
