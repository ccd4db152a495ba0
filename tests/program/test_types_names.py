"""What names mean: singletons of modules, facades, locals, conditions."""

import pytest
from types_project import wrong_lines

from perfaudit.audit import program_of

CASES = {
    "a singleton of a module": """
from impl import client
def probe():
    client.flush()  # -> Store.flush
# file: impl.py
from store import Store
client = Store()
""",
    "a singleton under another name": """
from impl import client as c
def probe():
    c.flush()  # -> Store.flush
# file: impl.py
from store import Store
client = Store()
""",
    "a module under another name": """
import pkg.impl as impl
import pkg.impl
from pkg import impl as third
def probe():
    impl.client.flush()  # -> Store.flush
    pkg.impl.client.flush()  # -> Store.flush
    third.client.flush()  # -> Store.flush
# file: pkg/__init__.py
# file: pkg/impl.py
from store import Store
client = Store()
""",
    "a facade in a package": """
import pkg
from pkg import default_client
def probe():
    default_client.flush()  # -> Store.flush
    pkg.default_client.flush()  # -> Store.flush
# file: pkg/__init__.py
from .impl import client as default_client
# file: pkg/impl.py
from store import Store
client = Store()
""",
    "a star import with and without __all__": """
from pkg import *
from other import *
def probe():
    client.flush()  # -> Store.flush
    second.flush()  # -> Other.flush
    hidden.flush()  # -> nothing
# file: pkg/__init__.py
from pkg.impl import *
__all__ = ["client"]
# file: pkg/impl.py
from store import Store
client = Store()
hidden = Store()
# file: other.py
from store import Other
second = Other()
""",
    "a singleton made on first use": """
from impl import get_client
def probe():
    get_client().flush()  # -> get_client, Store.flush
# file: impl.py
from store import Store
_client = None
def get_client():
    global _client
    if _client is None:
        _client = Store()
    return _client
""",
    "a singleton set by a start function": """
import impl
def probe():
    impl.client.flush()  # -> Store.flush
    impl.other.flush()  # -> Other.flush
# file: impl.py
from store import Store, Other
client = None
other: "Other | None" = None
def start():
    global client, other
    client = Store()
    other = Other()
""",
    "a singleton set from another module": """
import impl
from store import Store
def start():
    impl.client = Store()
def probe():
    impl.client.flush()  # -> Store.flush
# file: impl.py
client = None
""",
    "a walrus": """
from store import Store
def make() -> Store | None: ...
def probe():
    if (store := make()) is not None:  # -> make
        store.flush()  # -> Store.flush
""",
    "a default with or, and a conditional expression": """
from store import Store, Other
def probe(store: Store | None = None, fast=False):
    s = store or Store()
    s.flush()  # -> Store.flush
    t = Store() if fast else Other()
    t.flush()  # -> Store.flush (medium), Other.flush (medium)
""",
    "unpacking": """
from store import Store, Other
def make() -> tuple[Store, Other]: ...
def probe():
    a, b = Store(), Other()
    a.flush()  # -> Store.flush
    b.flush()  # -> Other.flush
    (c, d), e = (Store(), Other()), Store()
    c.flush()  # -> Store.flush
    d.flush()  # -> Other.flush
    e.flush()  # -> Store.flush
    f, g = make()  # -> make
    f.flush()  # -> Store.flush
    g.flush()  # -> Other.flush
""",
    "unpacking with a star": """
from store import Store, Other
def probe(stores: list[Store]):
    first, *rest = stores
    first.flush()  # -> Store.flush
    rest[0].flush()  # -> Store.flush
    for store in rest:
        store.flush()  # -> Store.flush
    head, *middle, last = Other(), Store(), Other()
    head.flush()  # -> Other.flush
    last.flush()  # -> Other.flush
    middle[0].flush()  # -> Store.flush
""",
    "an alternative import": """
try:
    from fast import client
except ImportError:
    from slow import client
def probe():
    client.flush()  # -> Store.flush
# file: slow.py
from store import Store
client = Store()
""",
    "two alternative imports of the project": """
try:
    from fast import client
except ImportError:
    from slow import client
def probe():
    client.flush()  # -> Store.flush (medium), Other.flush (medium)
# file: slow.py
from store import Store
client = Store()
# file: fast.py
from store import Other
client = Other()
""",
    "a function that is defined in two ways": """
import os, time
if os.name == "nt":
    def work():
        time.sleep(1)
else:
    def work():
        time.sleep(2)
def probe():
    work()  # -> work (medium)
""",
    "a module that answers for what it does not define": """
import impl
def probe():
    impl.client.flush()  # -> nothing
# file: impl.py
from store import Store
_made = Store()
def __getattr__(name):
    return _made
""",
    "a local with two values": """
from store import Store, Other
def probe(kind):
    if kind:
        store = Store()
    else:
        store = Other()
    store.flush()  # -> Store.flush (medium), Other.flush (medium)
""",
    "the nearest value of a name wins": """
from store import Store, Other
def probe(kind):
    store = Store()
    store.flush()  # -> Store.flush
    store = Other()
    store.flush()  # -> Other.flush
""",
    "narrowing by isinstance": """
from store import Store, Other
def probe(x):
    if isinstance(x, Store):
        x.flush()  # -> Store.flush
def second(x: Store | Other):
    if isinstance(x, Store):
        x.flush()  # -> Store.flush
    else:
        x.flush()  # -> Other.flush
def third(x):
    if not isinstance(x, Store):
        return
    x.flush()  # -> Store.flush
def fourth(x):
    assert isinstance(x, Store)
    x.flush()  # -> Store.flush
def fifth(x, ready):
    if ready and isinstance(x, Store):
        x.flush()  # -> Store.flush
def sixth(x):
    if isinstance(x, (Store, Other)):
        x.flush()  # -> Store.flush (medium), Other.flush (medium)
""",
    "narrowing ends where the name is bound again": """
from store import Store, Other
def probe(x, other):
    if isinstance(x, Store):
        x = other
        x.flush()  # -> nothing
""",
    "narrowing of an attribute": """
from store import Store
class Holder:
    def __init__(self, store):
        self.store = store
    def probe(self):
        if isinstance(self.store, Store):
            self.store.flush()  # -> Store.flush
""",
    "patterns of match": """
from store import Store, Other
def probe(x):
    match x:
        case Store() as store:
            store.flush()  # -> Store.flush
        case Other():
            x.flush()  # -> Other.flush
""",
}


@pytest.mark.parametrize("name", CASES)
def test_names(name: str) -> None:
    assert wrong_lines(CASES[name]) == []


def test_names_that_stand_for_each_other_end() -> None:
    text = (
        "def walk(rows):\n"
        "    for row in rows:\n"
        "        first = second\n"
        "        second = first\n"
        "        if first and row in first:\n"
        "            show(row)\n"
    )

    assert len(program_of({"app.py": text}).functions) == 2


def test_classes_that_are_bases_of_each_other_end() -> None:
    program = program_of(
        {
            "ships.py": "import boats\n\nclass Ship(boats.Boat):\n    pass\n",
            "boats.py": "import ships\n\nclass Boat(ships.Ship):\n    pass\n",
        }
    )

    assert {"ships.Ship", "boats.Boat"} <= {function.qualname for function in program.functions}
