"""How view classes of a library answer by themselves: from which rows, shown by what."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from perfaudit.data import YamlNode

KEYS = (
    *(
        "view_size",
        "views",
        "showing",
        "rows",
        "shown",
        "chosen",
        "doing",
        "pager",
        "size",
        "uncounted",
        "before",
    ),
    *("model", "fields", "source", "many", "method"),
    *("whole", "unread", "settings", "exclude", "depth", "lists", "lists_each"),
    *("hooks", "filled", "fills", "dumps", "only", "without", "copies"),
    *("searched", "searchers", "given", "filtered", "filterers", "filter_sets", "filter_fields"),
    *("filter_column", "filter_lookup", "filter_method", "default_backends"),
    *("layer", "links", "link", "linked", "itself", "runs"),
)


GIVEN = ("row", "shown")


class AnsweringView(Struct, frozen=True):
    """A base class whose ``action`` shows rows: ``many`` of them, or one that the path names."""

    path: str
    action: str
    method: str
    many: bool


class Copy(Struct, frozen=True):
    """A function that makes plain values of the columns of rows.

    ``rows``: the argument with the row or rows, ``fields`` and ``exclude`` those with the names of
    columns that are taken, and left out.
    """

    path: str
    rows: str
    fields: str
    exclude: str


class Layer(Struct, frozen=True):
    """An attribute of a view with a dictionary of where its rows come from.

    ``query`` and ``model``: the keys that lead to the function that gives a query for them, and to
    the class of them all where there is none: ``methods.query`` is a key of a dictionary in it.
    ``own``: the key of a class that asks for them its own way.
    """

    attribute: str = ""
    query: str = ""
    model: str = ""
    own: str = ""


class Answers(Struct, frozen=True):
    """All of the section.

    ``rows``: methods and attributes of a view that give the rows, the first that is there.
    ``shown``: its attribute with the class that shows them, ``chosen`` the method in its place.
    ``doing``: its attribute with the name of the action that runs.
    ``pager``: its attribute with the class of pages, ``size`` the attribute of that with how many
    rows one has; ``view_size``: its own attribute that says so. ``uncounted``: base
    classes of pages that do not count the rows. ``before``: its attributes with
    lists of classes, each with the method of them that runs before the answer.

    ``showing``: base classes of what shows rows. ``model``: their attribute with the class of the
    rows, ``fields``: that with the names of what is shown. ``source`` and ``many``: the arguments
    of a field that say what it shows, and that it shows many. ``method``: the name of the method
    behind a field that shows what a method gives.

    ``whole``: the method that shows a row. ``unread``: the argument of a field that is not shown.
    ``settings``: the attribute with such arguments by the names of fields. ``exclude``: that with
    names of what is not shown, ``depth``: that with how far relations are shown in full, ``lists``:
    that with a class that shows many rows its own way, ``lists_each``: the attribute of that class
    with what shows each. ``hooks``: methods of a view that are given
    its rows, and may load more with them. ``filled``: base classes whose annotated fields are
    filled from a row by one of their methods in ``fills``. ``dumps``: the methods of an object of
    ``showing`` that show what they are given: declared fields only, and relations by their rows.
    ``only``, ``without``: arguments of such an object with names of fields that it shows, and does
    not. ``copies``: functions that make plain values of rows.
    ``searched``: the attribute of a view with the columns that requests may search for a text
    anywhere in them, where one of its ``searchers`` is in the list that is their attribute, or in
    the entry ``default_backends`` of the settings. ``filtered``: its attributes with columns that
    requests may compare, where one of its ``filterers`` is; ``filter_sets``: those with a class
    that says so, in its attribute ``filter_fields`` and by calls with the arguments
    ``filter_column`` and ``filter_lookup``, but for those with a ``filter_method`` of its own.
    ``given``: methods of a view that the library gives ``row``, one of its rows, or ``shown``, what
    shows it. ``layer``: where the rows of a view come from that has no ``rows``. ``links``:
    arguments of a field that links to other rows, with dictionaries of what the links have of the
    row, ``link`` how these are written, with ``{names}``; ``linked``: that which says that it shows
    the keys of the others as well. ``itself``: the name by which a field shows its rows with the
    class that has it. ``runs``: the argument of a field with the function that is given the row.
    """

    views: dict[str, AnsweringView] = {}
    showing: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    shown: str = ""
    chosen: str = ""
    pager: str = ""
    size: str = ""
    uncounted: tuple[str, ...] = ()
    before: dict[str, str] = {}
    model: str = ""
    fields: str = ""
    source: str = ""
    many: str = ""
    view_size: str = ""
    method: str = ""
    whole: str = ""
    unread: str = ""
    settings: str = ""
    exclude: str = ""
    depth: str = ""
    lists: str = ""
    lists_each: str = ""
    hooks: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    dumps: tuple[str, ...] = ()
    searched: str = ""
    searchers: dict[str, str] = {}
    given: dict[str, str] = {}
    filtered: tuple[str, ...] = ()
    filterers: dict[str, str] = {}
    filter_sets: tuple[str, ...] = ()
    filter_fields: str = ""
    filter_column: str = ""
    filter_lookup: str = ""
    filter_method: str = ""
    default_backends: str = ""
    only: str = ""
    without: str = ""
    copies: dict[str, Copy] = {}
    layer: Layer = Layer()
    links: tuple[str, ...] = ()
    linked: str = ""
    doing: str = ""
    link: str = ""
    itself: str = ""
    runs: str = ""

    def steps_of(self, link: str) -> tuple[str, ...]:
        """Return the attribute that a link has of the row, from there on; empty if it has none."""
        before, names, after = self.link.partition("{names}")
        inside = link.strip()
        if not names or not inside.startswith(before) or not inside.endswith(after):
            return ()
        path = inside.removeprefix(before).removesuffix(after).strip()
        return () if not path or " " in path else tuple(path.split("."))


Named = Callable[[YamlNode | None, Callable[[str, YamlNode], Any]], dict[str, Any]]


def answers_section(node: YamlNode | None, named: Named) -> Answers:
    """Return the section; ``named`` gives its entries by their names, each built."""
    if node is None:
        return Answers()
    keys = node.mapping(KEYS)

    def text(key: str) -> str:
        return keys[key].text() if key in keys else ""

    return Answers(
        named(keys.get("views"), _view),
        keys["showing"].texts() if "showing" in keys else (),
        keys["rows"].texts() if "rows" in keys else (),
        text("shown"),
        text("chosen"),
        text("pager"),
        text("size"),
        keys["uncounted"].texts() if "uncounted" in keys else (),
        named(keys.get("before"), lambda _, entry: entry.text()),
        text("model"),
        text("fields"),
        text("source"),
        text("many"),
        text("view_size"),
        text("method"),
        text("whole"),
        text("unread"),
        text("settings"),
        text("exclude"),
        text("depth"),
        text("lists"),
        text("lists_each"),
        keys["hooks"].texts() if "hooks" in keys else (),
        keys["filled"].texts() if "filled" in keys else (),
        keys["fills"].texts() if "fills" in keys else (),
        keys["dumps"].texts() if "dumps" in keys else (),
        text("searched"),
        named(keys.get("searchers"), lambda _, entry: entry.text()),
        named(keys.get("given"), lambda _, entry: entry.one_of(GIVEN)),
        keys["filtered"].texts() if "filtered" in keys else (),
        named(keys.get("filterers"), lambda _, entry: entry.text()),
        keys["filter_sets"].texts() if "filter_sets" in keys else (),
        text("filter_fields"),
        text("filter_column"),
        text("filter_lookup"),
        text("filter_method"),
        text("default_backends"),
        text("only"),
        text("without"),
        named(keys.get("copies"), _copy),
        _layer(keys["layer"]) if "layer" in keys else Layer(),
        keys["links"].texts() if "links" in keys else (),
        text("linked"),
        text("doing"),
        text("link"),
        text("itself"),
        text("runs"),
    )


def _view(path: str, node: YamlNode) -> AnsweringView:
    keys = node.mapping(("action", "method", "many"))
    for required in ("action", "method"):
        if required not in keys:
            raise node.error(f"a view that answers needs `{required}`.")
    many = "many" in keys and keys["many"].flag()
    return AnsweringView(path, keys["action"].text(), keys["method"].text(), many)


def _layer(node: YamlNode) -> Layer:
    keys = node.mapping(("attribute", "query", "model", "own"))
    for required in ("attribute", "model"):
        if required not in keys:
            raise node.error(f"a layer needs `{required}`.")
    return Layer(**{name: found.text() for name, found in keys.items()})


def _copy(path: str, node: YamlNode) -> Copy:
    keys = node.mapping(("rows", "fields", "exclude"))
    if "rows" not in keys:
        raise node.error("a copy needs `rows`.")
    given = {name: keys[name].text() if name in keys else "" for name in ("fields", "exclude")}
    return Copy(path, keys["rows"].text(), **given)
