"""Look-ups find what the files say, through aliases and bases."""

from pathlib import Path

import pytest

from perfaudit.libraries import Libraries, load_libraries
from perfaudit.libraries.types import Behaviour, Callback, Timeout, TypeExpr

SHOP = """\
library: shop
docs: https://example.org
packages: [shop, shop_extras.web]
aliases: {shop.api: shop, old_shop: shop}
functions:
  "shop.{buy,sell}": {effects: [http.request], blocking: true, returns: shop.Cart}
  shop.later:
    runs: [{argument: 0, where: thread}]
    timeout: {keyword: timeout, position: 1, default: none}
types:
  shop.Base:
    parameters: [T]
    methods:
      load: {effects: [db.query]}
      save: {effects: [db.write]}
    attributes: {owner: T}
    class_attributes: {objects: "shop.Base[self]"}
    on: {iterate: {effects: [db.query]}}
    iterates: T
    constructor: {effects: [http.client]}
  shop.Cart:
    aliases: [shop._cart.Cart]
    bases: [shop.Base]
    parameters: [T]
    methods:
      load: {effects: [cache.read]}
  shop.App: {}
  shop.Proxy:
    bases: [shop.Base]
    methods: {known: {}, "*": {effects: [http.request]}}
  shop.BigApp: {bases: [shop.App]}
  shop.Ring:
    bases: [shop.Ring, shop.Missing]
values: {shop.cart: "shop.Cart[str]"}
pools:
  shop.connect:
    url: dsn|0
    settings: {size: {default: 10, wanted: 50, purpose: upper bound}}
framework:
  routes:
    "shop.App.{get,post}": {form: decorator, methods: name, path: 0|path}
    shop.App.add: {form: call, methods: "arg:methods", default: GET, path: 0, handler: 1|view}
    shop.App.ws: {form: decorator, kind: websocket}
  routers: {shop.App: {application: true}}
  mounts: {shop.App.mount: {router: 1, prefix: 0}}
  dispatch: {sync: thread, async: event-loop}
  settings: [SHOPS]
  request_objects: [shop.Order]
  caller: [shop.visitor]
  pages: [shop.pages]
  permissions: {attribute: allow, setting: SHOP, key: ALLOW, open: [Anybody]}
service: {name: till, words: [cash], json_paths: true}
queries: {keeps_objects: true, defer: "leave {columns} out"}
launchers: [shop-run]
provides:
  cache: [shop.Cache]
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Libraries:
    (tmp_path / "shop.yaml").write_text(SHOP, "utf-8")
    return load_libraries([tmp_path])


def effects(behaviour: Behaviour | None) -> tuple[str, ...] | None:
    return None if behaviour is None else behaviour.effects


def test_function_by_its_name_and_by_its_aliases(libraries: Libraries) -> None:
    for name in ("shop.buy", "shop.sell", "shop.api.buy", "old_shop.api.sell"):
        assert effects(libraries.function(name)) == ("http.request",)
    assert libraries.function("shop.buys") is None
    assert libraries.function("shopping.buy") is None


def test_behaviour_keeps_what_the_file_says(libraries: Libraries) -> None:
    later = libraries.function("shop.later")
    assert later is not None
    assert later.runs == (Callback("0", "thread"),)
    assert later.timeout == Timeout("timeout", 1, "none")
    assert (later.file, later.line) == ("shop.yaml", 7)


def test_method_of_the_class_comes_before_that_of_its_base(libraries: Libraries) -> None:
    assert effects(libraries.method("shop.Cart", "load")) == ("cache.read",)
    assert effects(libraries.method("shop.Cart", "save")) == ("db.write",)
    assert effects(libraries.method("shop._cart.Cart", "save")) == ("db.write",)
    assert libraries.method("shop.Cart", "missing") is None
    assert libraries.method("shop.Missing", "load") is None


def test_star_stands_for_methods_that_nothing_else_describes(libraries: Libraries) -> None:
    assert effects(libraries.method("shop.Proxy", "anything")) == ("http.request",)
    assert effects(libraries.method("shop.Proxy", "known")) == ()
    assert effects(libraries.method("shop.Proxy", "save")) == ("db.write",)


def test_method_read_from_its_class(libraries: Libraries) -> None:
    assert effects(libraries.function("shop.Cart.save")) == ("db.write",)


def test_members_come_through_bases(libraries: Libraries) -> None:
    parameter = TypeExpr("parameter", "T")
    assert libraries.attribute("shop.Cart", "owner") == parameter
    assert libraries.attribute("shop.Cart", "objects") is None
    assert libraries.class_attribute("shop.Cart", "objects") is not None
    assert effects(libraries.on("shop.Cart", "iterate")) == ("db.query",)
    assert libraries.on("shop.Cart", "len") is None
    assert libraries.iterates("shop.Cart") == parameter
    assert effects(libraries.constructor("shop.Cart")) == ("http.client",)
    assert libraries.is_subtype("shop._cart.Cart", "shop.Base")
    assert not libraries.is_subtype("shop.Base", "shop.Cart")


def test_type_that_is_its_own_base_ends(libraries: Libraries) -> None:
    assert [found.path for found in libraries.linear("shop.Ring")] == ["shop.Ring"]


def test_canonical(libraries: Libraries) -> None:
    assert libraries.canonical("shop._cart.Cart.load") == "shop.Cart.load"
    assert libraries.canonical("old_shop.api.Cart") == "shop.Cart"
    assert libraries.canonical("shop.apiary") == "shop.apiary"
    assert libraries.canonical("other.Cart") == "other.Cart"


def test_known_prefix(libraries: Libraries) -> None:
    assert libraries.known_prefix("shop.anything.at.all")
    assert libraries.known_prefix("shop_extras.web.View")
    assert not libraries.known_prefix("shop_extras.other")
    assert not libraries.known_prefix("shopping")
    assert libraries.packages["shop"] == "shop"


def test_values_pools_and_capabilities(libraries: Libraries) -> None:
    assert libraries.value("shop.cart") == TypeExpr(
        "named", "shop.Cart", (TypeExpr("named", "str"),)
    )
    pool = libraries.pool("shop.connect")
    assert pool is not None
    assert (pool.url, pool.settings[0].keyword, pool.settings[0].default) == ("dsn|0", "size", "10")
    assert libraries.provides("cache") == {"shop.Cache"}
    assert libraries.provides("tracing") == frozenset()


def test_framework(libraries: Libraries) -> None:
    (framework,) = libraries.frameworks
    routes = {route.path: route for route in framework.routes}
    assert routes["shop.App.post"].methods == ("POST",)
    assert (routes["shop.App.add"].methods, routes["shop.App.add"].methods_argument) == (
        ("GET",),
        "methods",
    )
    assert routes["shop.App.ws"].kind == "websocket"
    assert framework.routers[0].is_application
    assert framework.mounts[0].prefix_argument == "0"
    assert framework.dispatch == {"sync": "thread", "async": "event-loop"}


def test_framework_says_what_is_of_a_request_and_of_its_caller(libraries: Libraries) -> None:
    (framework,) = libraries.frameworks
    assert (framework.settings, framework.pages) == (("SHOPS",), ("shop.pages",))
    assert libraries.request_objects == ("shop.Order",)
    assert libraries.caller == {"visitor": {"shop.visitor"}}
    assert framework.permissions is not None
    assert (framework.permissions.setting, framework.permissions.open) == ("SHOP", ("Anybody",))


def test_library_of_a_file(libraries: Libraries) -> None:
    library = libraries.library("shop.yaml")
    assert library is not None
    assert library.service is not None
    assert (library.service.words, library.service.json_paths) == (("cash",), True)
    assert library.launchers == ("shop-run",)
    assert libraries.library("other.yaml") is None


def test_queries_are_those_of_the_library_of_the_type_or_of_a_base(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP, "utf-8")
    (tmp_path / "stall.yaml").write_text(
        "library: stall\ndocs: https://example.org\npackages: [stall]\n"
        "types: {stall.Cart: {bases: [shop.Cart]}, stall.Other: {}}\n",
        "utf-8",
    )
    libraries = load_libraries([tmp_path])
    queries = libraries.queries("stall.Cart")
    assert queries is not None
    assert (queries.keeps_objects, queries.defer) == (True, "leave {columns} out")
    assert libraries.queries("stall.Other") is None


def test_class_attributes_made_from_the_class_begin_queries(libraries: Libraries) -> None:
    assert libraries.query_attributes == {"objects"}


def test_routes_are_inherited(libraries: Libraries) -> None:
    inherited = libraries.route("shop.BigApp.get")
    assert inherited is not None
    assert inherited.path == "shop.App.get"
    assert libraries.mount("old_shop.BigApp.mount") == libraries.mount("shop.App.mount")
    assert libraries.router("shop.BigApp") == libraries.router("shop.App")
    assert libraries.route("shop.BigApp.delete") is None
    assert libraries.view_class("shop.BigApp") is None


def test_later_folder_replaces_names_of_an_earlier_one(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    head = "library: {}\ndocs: https://example.org\npackages: [shop]\n"
    for folder, name, body in (
        (ours, "shop", "functions: {shop.buy: {effects: [sleep]}, shop.sell: {effects: [log]}}\n"),
        (theirs, "ourshop", "functions: {shop.buy: {effects: [cpu]}}\n"),
    ):
        folder.mkdir()
        (folder / f"{name}.yaml").write_text(head.format(name) + body, "utf-8")

    libraries = load_libraries([ours, theirs])

    assert effects(libraries.function("shop.buy")) == ("cpu",)
    assert effects(libraries.function("shop.sell")) == ("log",)


TWINS = """\
library: shop
docs: https://example.org
packages: [shop]
functions:
  "shop.{buy,sell}": {twin: [other.Client.*, shop.aio.buy]}
types:
  shop.Cart:
    twin: shop.AsyncCart
    methods:
      load: {}
      aload: {awaitable: true}
      fetch: {twin: shop.aio.fetch}
      count: {}
      close: {}
      ask: {}
      aask: {}
  shop.AsyncCart:
    methods: {count: {awaitable: true}}
offloader: {pattern: "await shop.thread({function}, {arguments})", imports: [shop], rank: 2}
"""


def test_twin_of_a_call(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(TWINS, "utf-8")
    libraries = load_libraries([tmp_path])

    def twins(name: str, type_path: str = "") -> tuple[str, ...]:
        found = libraries.method(type_path, name) if type_path else libraries.function(name)
        assert found is not None
        return libraries.twins(found, type_path)

    assert twins("shop.sell") == ("other.Client.sell", "shop.aio.buy")
    assert twins("fetch", "shop.Cart") == ("shop.aio.fetch",)
    assert twins("load", "shop.Cart") == ("shop.Cart.aload",)
    assert twins("count", "shop.Cart") == ("shop.AsyncCart.count",)
    assert twins("close", "shop.Cart") == ("shop.AsyncCart",)
    assert twins("ask", "shop.Cart") == ("shop.AsyncCart",)
    assert twins("count", "shop.AsyncCart") == ()


def test_offloaders_come_by_rank(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(TWINS, "utf-8")
    (tmp_path / "core.yaml").write_text(
        "library: core\ndocs: https://example.org\npackages: [core]\n"
        "offloader: {pattern: 'core.run({function})', imports: [core], rank: 1, standard: true}\n",
        "utf-8",
    )
    offloaders = load_libraries([tmp_path]).offloaders
    assert [found.pattern for found in offloaders] == [
        "core.run({function})",
        "await shop.thread({function}, {arguments})",
    ]
    assert [found.is_standard for found in offloaders] == [True, False]
