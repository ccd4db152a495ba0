"""The section ``templates`` of a library file: what renders templates, and with which values."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from perfaudit.data import YamlNode

KEYS = (
    "runs_methods",
    "folder",
    "always",
    "calls",
    "makers",
    "tags",
    "views",
    "view_words",
    "lists",
)
CALL_KEYS = ("template", "context", "keywords", "made")
VIEW_KEYS = ("default", "rows", "row", "pages")
WORD_KEYS = ("template", "templates", "model", "queryset", "rows", "row", "name", "context", "cure")
LIST_KEYS = (
    "columns",
    "default",
    "always",
    "model",
    "joined",
    "joins",
    "rows",
    "cure",
    "listed",
    "inner",
    "key",
    "staff",
)


class TemplateCall(Struct, frozen=True, gc=False):
    """A call that renders a template, or makes one that something else renders.

    ``template`` and ``context`` are arguments: a position, a keyword, alternatives joined by "|".
    ``keywords``: the keyword arguments are names of the context too. ``is_made``: the receiver is
    the template, which a maker gave.
    """

    path: str
    library: str
    template: str | None
    context: str | None
    keywords: bool
    is_made: bool
    runs_methods: bool


class TemplateView(Struct, frozen=True, gc=False):
    """A view class that renders a template.

    ``default``: the template where the class names none, with {app} and {name}. ``rows``: the
    names of its rows in the context, ``row``: those of its object, ``pages``: those of the page
    of rows; {name} is the name of the table class in lower case.
    """

    path: str
    default: str
    rows: tuple[str, ...]
    row: tuple[str, ...]
    pages: tuple[str, ...]
    runs_methods: bool
    words: "ViewWords"


class ViewWords(Struct, frozen=True, gc=False):
    """The attributes and methods by which a view class says what it renders.

    Attributes: ``template``, ``model``, ``queryset`` and ``name``, that of its rows or object in
    the context. Methods: ``templates``, ``rows``, ``row`` and ``context``. ``cure``: how a view
    that names its model has more loaded with the rows, with {model}, {words}
    and {objects}, the name of the manager that gives them.
    """

    template: str = ""
    templates: str = ""
    model: str = ""
    queryset: str = ""
    rows: str = ""
    row: str = ""
    name: str = ""
    context: str = ""
    cure: str = ""


class RecordList(Struct, frozen=True, gc=False):
    """A class that shows rows of a table with a column for each of its entries.

    ``columns``: attributes with the names of columns. ``default``: the columns where none is given,
    ``always``: those that are shown in any case. ``model``: the attribute with the class of the
    rows; else the class is given together with it to a decorator or a call. ``joined``: the
    attribute that names relations that are loaded with the rows, all that must be there where it is
    true, or where it is not given and a column is one; ``joins`` is the method in its place.
    ``rows``: the method that gives the rows. ``cure``: how relations to one row are loaded with
    them, with {path}. ``listed``: it is shown only where another class names it. ``inner``: the
    attribute that names such classes, whose rows are those of the object that a page shows;
    ``key``: the attribute of these that names their relation to it. ``staff``: it is a page that
    the library makes for those who administer, who are few.
    """

    path: str
    columns: tuple[str, ...]
    default: tuple[str, ...]
    always: tuple[str, ...]
    model: str
    joined: str
    joins: str
    rows: str
    cure: str
    listed: bool = False
    inner: str = ""
    key: str = ""
    staff: bool = False


class Templates(Struct, frozen=True, gc=False):
    """All of the section. ``always``: names that every template has, and the types of them.

    ``folder``: where templates of the library's language are, beside those of other languages.
    """

    calls: dict[str, TemplateCall] = {}
    makers: dict[str, TemplateCall] = {}
    tags: dict[str, TemplateCall] = {}
    views: dict[str, TemplateView] = {}
    lists: dict[str, RecordList] = {}
    always: dict[str, str] = {}
    folders: tuple[str, ...] = ()


Named = Callable[[YamlNode | None, Callable[[str, YamlNode], Any]], dict[str, Any]]


def templates_section(library: str, node: YamlNode | None, named: Named) -> Templates:
    """Return the section; ``named`` gives its entries by their names, each built."""
    if node is None:
        return Templates()
    keys = node.mapping(KEYS)
    runs_methods = "runs_methods" in keys and keys["runs_methods"].flag()
    words = _words(keys.get("view_words"))

    def call(path: str, entry: YamlNode) -> TemplateCall:
        return _call(path, entry, library, runs_methods=runs_methods)

    def view(path: str, entry: YamlNode) -> TemplateView:
        found = entry.mapping(VIEW_KEYS)
        return TemplateView(
            path,
            found["default"].text() if "default" in found else "",
            found["rows"].texts() if "rows" in found else (),
            found["row"].texts() if "row" in found else (),
            found["pages"].texts() if "pages" in found else (),
            runs_methods,
            words,
        )

    return Templates(
        named(keys.get("calls"), call),
        named(keys.get("makers"), call),
        named(keys.get("tags"), call),
        named(keys.get("views"), view),
        named(keys.get("lists"), _list),
        named(keys.get("always"), lambda _, entry: entry.text()),
        (keys["folder"].text(),) if "folder" in keys else (),
    )


def _call(path: str, node: YamlNode, library: str, *, runs_methods: bool) -> TemplateCall:
    keys = node.mapping(CALL_KEYS)
    return TemplateCall(
        path,
        library,
        keys["template"].text() if "template" in keys else None,
        keys["context"].text() if "context" in keys else None,
        "keywords" in keys and keys["keywords"].flag(),
        "made" in keys and keys["made"].flag(),
        runs_methods,
    )


def _words(node: YamlNode | None) -> ViewWords:
    if node is None:
        return ViewWords()
    return ViewWords(**{key: entry.text() for key, entry in node.mapping(WORD_KEYS).items()})


def _list(path: str, node: YamlNode) -> RecordList:
    keys = node.mapping(LIST_KEYS)
    for required in ("columns", "rows"):
        if required not in keys:
            raise node.error(f"a list of records needs `{required}`.")

    def texts(key: str) -> tuple[str, ...]:
        return keys[key].texts() if key in keys else ()

    def text(key: str) -> str:
        return keys[key].text() if key in keys else ""

    return RecordList(
        path,
        texts("columns"),
        texts("default"),
        texts("always"),
        text("model"),
        text("joined"),
        text("joins"),
        text("rows"),
        text("cure"),
        "listed" in keys and keys["listed"].flag(),
        text("inner"),
        text("key"),
        "staff" in keys and keys["staff"].flag(),
    )
