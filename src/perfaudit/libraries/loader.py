"""Library files, read and checked. See docs/library-format.md for what they may say."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Formatter
from typing import TypeVar

from perfaudit.core.effect import EFFECTS
from perfaudit.core.errors import UsageError
from perfaudit.data import YamlNode, nearest, read_yaml
from perfaudit.libraries.answers import answers_section
from perfaudit.libraries.expressions import parse_type
from perfaudit.libraries.lookup import Libraries
from perfaudit.libraries.migrations import migrations_section
from perfaudit.libraries.templates import templates_section
from perfaudit.libraries.types import (
    Behaviour,
    Callback,
    ColumnKind,
    Counts,
    Dialect,
    EntityQueries,
    Framework,
    GraphWords,
    IndexMaker,
    KeyMaker,
    Library,
    LibraryType,
    Mount,
    Offloader,
    Permissions,
    Pool,
    PoolSetting,
    Route,
    Router,
    Schema,
    Service,
    Timeout,
    TypeExpr,
    ViewClass,
)

CAPABILITIES = frozenset(
    {
        "rate-limit",
        "query-monitoring",
        "tracing",
        "response-cache",
        "response-compression",
        "cache",
        "push-channel",
        "retry",
        "query-hook",
        "query-log",
        "database-driver",
        "sign-in",
        "command-line",
        "migrations",
        "language-model",
    }
)
CALLBACK_PLACES = frozenset(
    {"inline", "thread", "process", "loop", "task", "worker", "later", "never"}
)
EVENTS = frozenset({"iterate", "len", "bool", "index", "contains", "enter", "exit"})
ROUTE_KINDS = frozenset(
    {
        "route",
        "websocket",
        "task",
        "command",
        "consumer",
        "lifespan",
        "middleware",
        "error-handler",
    }
)
COLUMN_TYPES = frozenset(
    [
        "text",
        "long_text",
        "json",
        "binary",
        "integer",
        "number",
        "boolean",
        "time",
        "uuid",
        "array",
        "other",
        "argument",
    ]
)
LEADING = frozenset(["many_to_one", "one_to_one", "one_to_many", "many_to_many"])
RELATIONS = LEADING | {"none", "annotation", "argument"}

_LIBRARY_KEYS = frozenset(
    [
        "library",
        "docs",
        "packages",
        "aliases",
        "functions",
        "types",
        "values",
        "pools",
        "framework",
        "schema",
        "answers",
        "templates",
        "service",
        "dialect",
        "provides",
        "offloader",
        "queries",
        "graph",
        "migrations",
        "launchers",
        "examples",
    ]
)
_BEHAVIOUR_KEYS = frozenset(
    [
        "effects",
        "blocking",
        "awaitable",
        "returns",
        "enters",
        "sql",
        "timeout",
        "counts",
        "runs",
        "memoises",
        "batch",
        "flags",
        "twin",
    ]
)
_TYPE_KEYS = frozenset(
    [
        "aliases",
        "bases",
        "parameters",
        "methods",
        "attributes",
        "class_attributes",
        "relations",
        "iterates",
        "enters",
        "items",
        "on",
        "constructor",
        "twin",
    ]
)
_POOL_KEYS = frozenset(["kind", "url", "settings", "quiet_urls", "quiet_with", "advice"])
_SETTING_KEYS = frozenset(["position", "default", "wanted", "purpose"])
_FRAMEWORK_KEYS = frozenset(
    [
        "routes",
        "routers",
        "mounts",
        "view_classes",
        "dispatch",
        "dependencies",
        "threads",
        "settings",
        "middleware",
        "middleware_methods",
        "request_objects",
        "handed",
        "caller",
        "proxies",
        "pages",
        "permissions",
    ]
)
_PERMISSION_KEYS = ("attribute", "setting", "key", "open")
_QUERIES_PLACES = {
    "aggregate": (),
    "count": (),
    "exists": (),
    "stream": (),
    "defer": ("columns",),
    "defer_each": ("class", "column"),
    "only": ("columns",),
    "only_objects": ("columns",),
    "only_each": ("class", "column"),
    "only_joined": ("path",),
    "keys": ("items", "first", "class", "column"),
    "keys_objects": ("items", "first", "class", "column"),
    "keys_each": ("class", "column", "steps"),
    "keys_step": ("key", "literal"),
    "join": ("path", "steps"),
    "join_each": ("class", "relation"),
    "load": ("path", "steps"),
    "load_any": ("path",),
    "load_each": ("class", "relation"),
    "refine": ("path", "relation"),
    "into": ("path",),
    "number": ("path", "relation"),
    "joined": ("class", "relation"),
    "expires": (),
    "membership": (),
}
"""Keys of `queries` that word a fix, and the places in braces that each may have."""
DISPATCHES = ("event-loop", "thread", "process")
_ROUTE_KEYS = frozenset(
    ["form", "kind", "methods", "default", "path", "handler", "thread", "dispatch"]
    + ["detail", "also", "view_class"]
)
_SCHEMA_KEYS = frozenset(
    [
        "table_bases",
        "base_makers",
        "base_argument",
        "table_keyword",
        "name_attributes",
        "abstract_attributes",
        "shared_attributes",
        "order_attributes",
        "manager_attribute",
        "index_attributes",
        "index_makers",
        "table_default",
        "columns",
        "column_types",
        "column_methods",
        "reference_makers",
        "options",
        "nullable",
        "wrappers",
        "plain_annotations",
        "reverse_default",
        "reverse_condition",
        "relation_column",
        "parent_link",
        "implicit_key",
        "loading",
        "many_type",
        "dynamic_type",
        "default_manager",
        "setting_targets",
        "table_makers",
        "key_makers",
        "index_column",
        "index_table",
        "index_where",
        "index_include",
        "index_names_fields",
        "index_name_length",
    ]
)
_COLUMN_KEYS = frozenset(
    ["type", "relation", "to", "lazy", "reverse", "indexed", "value", "private", "keys", "as_text"]
)
_INDEX_MAKER_KEYS = frozenset(
    [
        "columns",
        "first",
        "unique",
        "unique_argument",
        "where",
        "name",
        "include",
        "operators",
        "method",
        "method_argument",
    ]
)
_COLUMN_OPTIONS = frozenset(
    [
        "indexed",
        "unique",
        "primary",
        "nullable",
        "default",
        "column",
        "in_conditions",
        "references",
        "many",
        "secondary",
        "remote",
        "on_delete",
    ]
)
LOADING = frozenset(["lazy", "eager", "dynamic", "raise"])

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
_BRACES = re.compile(r"\{([^{}]*)\}")
_ARGUMENT = re.compile(r"(\d+|[^\W\d]\w*)(\|(\d+|[^\W\d]\w*))*\Z")
_FLAG = re.compile(r"[a-z]+(-[a-z]+)*\Z")

_Value = TypeVar("_Value")


def load_libraries(directories: Sequence[Path]) -> Libraries:
    """Return what all library files of the folders say, or raise DataError for the first fault.

    A name that a later folder defines again replaces the earlier one; within one folder that is
    an error.
    """
    return Libraries([load_folder(directory) for directory in directories])


def load_folder(directory: Path) -> tuple[Library, ...]:
    """Return the library files of one folder, in the order of their names."""
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder of library files.")
    return tuple(load_library(path) for path in sorted(directory.glob("*.yaml")))


def load_library(path: Path) -> Library:
    """Return one library file, checked, or raise DataError with the line and the cure."""
    root = read_yaml(path)
    sections = root.mapping(_LIBRARY_KEYS)
    for required in ("library", "docs", "packages"):
        if required not in sections:
            raise root.error(f'the key "{required}" is missing.')
    name = sections["library"].text()
    if name != path.stem:
        raise sections["library"].error(f'write "{path.stem}", the name of the file, not "{name}".')
    types = _named(sections.get("types"), _library_type)
    aliases = _named(sections.get("aliases"), lambda _, node: _dotted(node))
    for alias, target, node in _aliases_of_types(sections.get("types")):
        if alias in aliases:
            raise node.error(f'the alias "{alias}" is given twice: keep one of them.')
        aliases[alias] = target
    return Library(
        name=name,
        docs=sections["docs"].text(),
        packages=_dotted_names(sections["packages"]),
        functions=_named(sections.get("functions"), _behaviour),
        types=types,
        aliases=aliases,
        values=_named(sections.get("values"), lambda _, node: _type(node, ())),
        pools=_named(sections.get("pools"), _pool),
        framework=_framework(name, sections.get("framework")),
        schema=_schema(name, sections.get("schema")),
        service=_service(sections.get("service")),
        dialect=_dialect(sections.get("dialect")),
        provides=_provides(sections.get("provides")),
        examples=_examples(sections.get("examples")),
        file=path.name,
        offloader=_offloader(sections.get("offloader")),
        queries=_queries(sections.get("queries")),
        launchers=sections["launchers"].texts() if "launchers" in sections else (),
        answers=answers_section(sections.get("answers"), _named),
        templates=templates_section(name, sections.get("templates"), _named),
        graph=_graph(sections.get("graph")),
        migrations=migrations_section(sections.get("migrations"), _named),
    )


def expand_braces(key: str) -> list[str]:
    """Return the names that a key with braces stands for, or raise ValueError.

    >>> expand_braces("requests.{get,post}")
    ['requests.get', 'requests.post']
    """
    parts = _BRACES.split(key)
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise ValueError(f'the braces of "{key}" do not match: write "a.{{b,c}}"')
    choices = [
        [option.strip() for option in part.split(",")] if index % 2 else [part]
        for index, part in enumerate(parts)
    ]
    names = ["".join(choice) for choice in product(*choices)]
    for name in names:
        if not _DOTTED.match(name):
            raise ValueError(f'"{name}" is not a dotted name')
    return names


def _relations(keys: Mapping[str, YamlNode]) -> dict[str, str]:
    """Return of what kind the attributes are that lead to rows; the attributes say to which."""
    described = keys["attributes"].mapping() if "attributes" in keys else {}
    for name, entry in keys["relations"].mapping().items() if "relations" in keys else ():
        if name not in described:
            raise entry.error(f'"{name}" is no attribute: say under `attributes` what it gives.')
    return _named(keys.get("relations"), lambda _, entry: entry.one_of(LEADING))


def _named(section: YamlNode | None, build: Callable[[str, YamlNode], _Value]) -> dict[str, _Value]:
    """Return the entries of a section by their expanded names, each built from its own name."""
    entries: dict[str, _Value] = {}
    if section is None:
        return entries
    for name, node in _expanded(section):
        if name in entries:
            raise node.error(f'"{name}" is given twice: keep one of them.')
        entries[name] = build(name, node)
    return entries


def _members(
    section: YamlNode | None, build: Callable[[str, YamlNode], _Value]
) -> dict[str, _Value]:
    """Return the entries of a section where "*" stands for every name that is not listed."""
    if section is None or "*" not in section.mapping():
        return _named(section, build)
    entries = dict(section.mapping())
    others = entries.pop("*")
    named = _named(YamlNode(section.path, section.line, entries), build)
    return {**named, "*": build("*", others)}


def _expanded(section: YamlNode) -> Iterator[tuple[str, YamlNode]]:
    for key, node in section.mapping().items():
        if "{" not in key and _DOTTED.match(key):
            yield key, node
            continue
        try:
            names = expand_braces(key)
        except ValueError as error:
            raise node.error(f"{error}.") from None
        for name in names:
            yield name, node


def _behaviour(path: str, node: YamlNode, parameters: tuple[str, ...] = ()) -> Behaviour:
    keys = node.mapping(_BEHAVIOUR_KEYS)
    if not keys:
        return Behaviour(path=path, file=_file(node), line=node.line)
    flags = keys["flags"].texts() if "flags" in keys else ()
    for flag in flags:
        if not _FLAG.match(flag):
            raise keys["flags"].error(f'the flag "{flag}" is not in kebab-case.')
    return Behaviour(
        path=path,
        effects=_effects(keys["effects"]) if "effects" in keys else (),
        blocking="blocking" in keys and keys["blocking"].flag(),
        awaitable="awaitable" in keys and keys["awaitable"].flag(),
        returns=_optional_type(keys.get("returns"), parameters),
        enters=_optional_type(keys.get("enters"), parameters),
        sql=_optional_argument(keys.get("sql")),
        timeout=_timeout(keys["timeout"]) if "timeout" in keys else None,
        counts=_counts(keys["counts"]) if "counts" in keys else None,
        runs=_callbacks(keys["runs"]) if "runs" in keys else (),
        memoises="memoises" in keys and keys["memoises"].flag(),
        batch=keys["batch"].text() if "batch" in keys else None,
        flags=flags,
        file=_file(node),
        line=node.line,
        twins=_twins(path, keys["twin"]) if "twin" in keys else (),
    )


def _twins(path: str, node: YamlNode) -> tuple[str, ...]:
    """Return the twins of what has a path; a last part ``*`` stands for its own name."""
    own_name = path.rpartition(".")[2]
    found = []
    for item in [node] if isinstance(node.content, str) else node.sequence():
        owner, _, name = item.text().rpartition(".")
        twin = f"{owner}.{own_name}" if name == "*" else item.text()
        if not _DOTTED.match(twin):
            raise item.error(f'the twin "{item.text()}" is not a dotted name.')
        found.append(twin)
    return tuple(found)


def _effects(node: YamlNode) -> tuple[str, ...]:
    effects = node.texts()
    for effect in effects:
        if effect not in EFFECTS:
            raise node.error(f'unknown effect "{effect}": {nearest(effect, EFFECTS)}')
    return effects


def _timeout(node: YamlNode) -> Timeout:
    keys = node.mapping(("keyword", "position", "default"))
    if "keyword" not in keys or "default" not in keys:
        raise node.error(
            "a timeout needs `keyword` and `default`: the keyword, and none or seconds."
        )
    default = keys["default"].text()
    if default != "none" and not default.replace(".", "", 1).isdigit():
        raise keys["default"].error(f'the default "{default}" is neither none nor seconds.')
    return Timeout(keys["keyword"].text(), _optional_position(keys.get("position")), default)


def _counts(node: YamlNode) -> Counts:
    keys = node.mapping(("keyword", "told"))
    if "keyword" not in keys or "told" not in keys:
        raise node.error(
            "counts needs `keyword` and `told`: what leaves it out, and what it gives."
        )
    return Counts(keys["keyword"].text(), frozenset(keys["told"].texts()))


def _callbacks(node: YamlNode) -> tuple[Callback, ...]:
    callbacks = []
    for item in node.sequence():
        keys = item.mapping(("argument", "where", "each"))
        if "argument" not in keys or "where" not in keys:
            raise item.error("a callback needs `argument` and `where`.")
        callbacks.append(
            Callback(
                argument=_argument(keys["argument"]),
                where=keys["where"].one_of(CALLBACK_PLACES),
                each="each" in keys and keys["each"].flag(),
            )
        )
    return tuple(callbacks)


def _library_type(path: str, node: YamlNode) -> LibraryType:
    keys = node.mapping(_TYPE_KEYS)
    parameters = keys["parameters"].texts() if "parameters" in keys else ()

    def behaviour(name: str, entry: YamlNode) -> Behaviour:
        return _behaviour(f"{path}.{name}", entry, parameters)

    def expression(_: str, entry: YamlNode) -> TypeExpr:
        return _type(entry, parameters)

    for event, entry in keys["on"].mapping().items() if "on" in keys else ():
        if event not in EVENTS:
            raise entry.error(f'unknown event "{event}": {nearest(event, EVENTS)}')
    return LibraryType(
        path=path,
        bases=_dotted_names(keys["bases"]) if "bases" in keys else (),
        parameters=parameters,
        methods=_members(keys.get("methods"), behaviour),
        attributes=_members(keys.get("attributes"), expression),
        class_attributes=_named(keys.get("class_attributes"), expression),
        relations=_relations(keys),
        iterates=_optional_type(keys.get("iterates"), parameters),
        enters=_optional_type(keys.get("enters"), parameters),
        items=_optional_type(keys.get("items"), parameters),
        on=_named(keys.get("on"), behaviour),
        constructor=(
            _behaviour(path, keys["constructor"], parameters) if "constructor" in keys else None
        ),
        file=_file(node),
        line=node.line,
        twins=_twins(path, keys["twin"]) if "twin" in keys else (),
    )


def _aliases_of_types(section: YamlNode | None) -> Iterator[tuple[str, str, YamlNode]]:
    if section is None:
        return
    for target, node in _expanded(section):
        aliases = node.mapping().get("aliases")
        if aliases is not None:
            for alias in _dotted_names(aliases):
                yield alias, target, aliases


def _pool(path: str, node: YamlNode) -> Pool:
    keys = node.mapping(_POOL_KEYS)
    settings = _named(keys.get("settings"), _pool_setting)
    return Pool(
        path=path,
        kind=keys["kind"].text() if "kind" in keys else "pool",
        settings=tuple(settings.values()),
        url=_optional_argument(keys.get("url")),
        quiet_urls=keys["quiet_urls"].texts() if "quiet_urls" in keys else (),
        quiet_with=keys["quiet_with"].texts() if "quiet_with" in keys else (),
        advice=keys["advice"].text() if "advice" in keys else "",
        file=_file(node),
        line=node.line,
    )


def _pool_setting(keyword: str, node: YamlNode) -> PoolSetting:
    keys = node.mapping(_SETTING_KEYS)
    for required in ("default", "wanted", "purpose"):
        if required not in keys:
            raise node.error(f'the setting "{keyword}" needs `{required}`.')
    return PoolSetting(
        keyword=keyword,
        position=_optional_position(keys.get("position")),
        default=keys["default"].text(),
        wanted=keys["wanted"].text(),
        purpose=keys["purpose"].text(),
    )


def _framework(library: str, node: YamlNode | None) -> Framework | None:
    if node is None:
        return None
    keys = node.mapping(_FRAMEWORK_KEYS)

    def names(key: str) -> tuple[str, ...]:
        return _dotted_names(keys[key]) if key in keys else ()

    dispatch = {
        form: place.one_of(DISPATCHES)
        for form, place in (
            keys["dispatch"].mapping(("sync", "async")).items() if "dispatch" in keys else ()
        )
    }
    return Framework(
        library=library,
        routes=tuple(_named(keys.get("routes"), _route).values()),
        mounts=tuple(_named(keys.get("mounts"), _mount).values()),
        routers=tuple(_named(keys.get("routers"), _router).values()),
        view_classes=tuple(_named(keys.get("view_classes"), _view_class).values()),
        dispatch=dispatch,
        dependencies=names("dependencies"),
        threads=_count(keys["threads"]) if "threads" in keys else None,
        settings=names("settings"),
        middleware=names("middleware"),
        middleware_methods=names("middleware_methods"),
        request_objects=names("request_objects"),
        handed=_named(keys.get("handed"), lambda _, entry: _dotted(entry)),
        caller=names("caller"),
        proxies=names("proxies"),
        pages=names("pages"),
        permissions=_permissions(keys.get("permissions")),
    )


def _permissions(node: YamlNode | None) -> Permissions | None:
    if node is None:
        return None
    keys = node.mapping(_PERMISSION_KEYS)
    for required in _PERMISSION_KEYS:
        if required not in keys:
            raise node.error(f"permissions need `{required}`.")
    return Permissions(
        attribute=_dotted(keys["attribute"]),
        setting=_dotted(keys["setting"]),
        key=keys["key"].text(),
        open=_dotted_names(keys["open"]),
    )


def _route(path: str, node: YamlNode) -> Route:
    keys = node.mapping(_ROUTE_KEYS)
    if "form" not in keys:
        raise node.error("a route needs `form`: decorator or call.")
    form = keys["form"].one_of(("decorator", "call"))
    if form == "call" and "handler" not in keys:
        raise node.error("a route of the form call needs `handler`: the argument that is run.")
    methods, methods_argument = _methods(path, keys.get("methods"))
    if "default" in keys:
        methods = _one_or_more(keys["default"])
    return Route(
        path=path,
        form=form,
        kind=keys["kind"].one_of(ROUTE_KINDS) if "kind" in keys else "route",
        methods=methods,
        methods_argument=methods_argument,
        path_argument=_optional_argument(keys.get("path")),
        handler_argument=_optional_argument(keys.get("handler")),
        file=_file(node),
        line=node.line,
        thread_argument=_optional_argument(keys.get("thread")),
        dispatch=keys["dispatch"].one_of(DISPATCHES) if "dispatch" in keys else None,
        detail_argument=_optional_argument(keys.get("detail")),
        also=keys["also"].text() if "also" in keys else None,
        view_class=keys["view_class"].text() if "view_class" in keys else None,
    )


def _methods(path: str, node: YamlNode | None) -> tuple[tuple[str, ...], str | None]:
    if node is None:
        return (), None
    if node.content == "name":
        return (path.rpartition(".")[2].upper(),), None
    if isinstance(node.content, str) and node.content.startswith("arg:"):
        return (), _checked_argument(node, node.content[4:])
    return _one_or_more(node), None


def _one_or_more(node: YamlNode) -> tuple[str, ...]:
    return (node.content,) if isinstance(node.content, str) else node.texts()


def _mount(path: str, node: YamlNode) -> Mount:
    keys = node.mapping(("router", "prefix", "routes"))
    if "router" not in keys:
        raise node.error("a mount needs `router`: the argument that holds the router.")
    return Mount(
        path=path,
        router_argument=_argument(keys["router"]),
        prefix_argument=_optional_argument(keys.get("prefix")),
        routes_argument=_optional_argument(keys.get("routes")),
    )


def _router(path: str, node: YamlNode) -> Router:
    keys = node.mapping(("prefix", "application", "routes", "slash", "within"))
    return Router(
        path=path,
        prefix_argument=_optional_argument(keys.get("prefix")),
        is_application="application" in keys and keys["application"].flag(),
        routes_argument=_optional_argument(keys.get("routes")),
        slash_argument=_optional_argument(keys.get("slash")),
        within_argument=_optional_argument(keys.get("within")),
    )


def _view_class(path: str, node: YamlNode) -> ViewClass:
    keys = node.mapping(("methods", "viewset", "limited"))
    methods = keys["methods"].mapping() if "methods" in keys else {}
    return ViewClass(
        path=path,
        methods={name: method.text() for name, method in methods.items()},
        is_viewset="viewset" in keys and keys["viewset"].flag(),
        limited=keys["limited"].text() if "limited" in keys else "",
    )


def _schema(library: str, node: YamlNode | None) -> Schema | None:
    if node is None:
        return None
    keys = node.mapping(_SCHEMA_KEYS)

    def names(key: str) -> tuple[str, ...]:
        return _dotted_names(keys[key]) if key in keys else ()

    def text(key: str) -> str:
        return keys[key].text() if key in keys else ""

    return Schema(
        library=library,
        table_bases=names("table_bases"),
        base_makers=names("base_makers"),
        base_argument=_optional_argument(keys.get("base_argument")),
        table_keyword=text("table_keyword"),
        name_attributes=names("name_attributes"),
        abstract_attributes=names("abstract_attributes"),
        shared_attributes=names("shared_attributes"),
        order_attributes=names("order_attributes"),
        manager_attribute=text("manager_attribute"),
        index_attributes=_named(keys.get("index_attributes"), lambda _, entry: entry.flag()),
        index_makers=_named(keys.get("index_makers"), _index_maker),
        table_default=text("table_default"),
        columns=_named(keys.get("columns"), _column),
        column_types=_named(keys.get("column_types"), lambda _, entry: entry.one_of(COLUMN_TYPES)),
        column_methods=names("column_methods"),
        reference_makers=names("reference_makers"),
        options=_column_options(keys.get("options")),
        nullable="nullable" in keys and keys["nullable"].flag(),
        wrappers=_named(keys.get("wrappers"), lambda _, entry: entry.one_of(LOADING)),
        plain_annotations="plain_annotations" in keys and keys["plain_annotations"].flag(),
        reverse_default=text("reverse_default"),
        reverse_condition=text("reverse_condition"),
        relation_column=text("relation_column"),
        parent_link=text("parent_link"),
        implicit_key=text("implicit_key"),
        loading=_named(keys.get("loading"), lambda _, entry: entry.one_of(LOADING)),
        many_type=_optional_type(keys.get("many_type"), ("T",)),
        dynamic_type=_optional_type(keys.get("dynamic_type"), ("T",)),
        default_manager=text("default_manager"),
        setting_targets=_named(keys.get("setting_targets"), lambda _, entry: _dotted(entry)),
        table_makers=_named(keys.get("table_makers"), lambda _, entry: _argument(entry)),
        key_makers=_named(keys.get("key_makers"), _key_maker),
        index_column=text("index_column"),
        index_table=text("index_table"),
        index_where=text("index_where"),
        index_include=text("index_include"),
        index_names_fields="index_names_fields" in keys and keys["index_names_fields"].flag(),
        index_name_length=_count(keys["index_name_length"]) if "index_name_length" in keys else 0,
    )


def _column_options(node: YamlNode | None) -> dict[str, str]:
    if node is None:
        return {}
    return {role: _argument(entry) for role, entry in node.mapping(_COLUMN_OPTIONS).items()}


def _index_maker(path: str, node: YamlNode) -> IndexMaker:
    keys = node.mapping(_INDEX_MAKER_KEYS)
    return IndexMaker(
        path=path,
        columns=_optional_argument(keys.get("columns")),
        first=_optional_position(keys.get("first")),
        unique="unique" in keys and keys["unique"].flag(),
        unique_argument=_optional_argument(keys.get("unique_argument")),
        where_argument=_optional_argument(keys.get("where")),
        name_argument=_optional_argument(keys.get("name")),
        include_argument=_optional_argument(keys.get("include")),
        operators_argument=_optional_argument(keys.get("operators")),
        method=keys["method"].text() if "method" in keys else "",
        method_argument=_optional_argument(keys.get("method_argument")),
    )


def _key_maker(path: str, node: YamlNode) -> KeyMaker:
    keys = node.mapping(("columns", "refers", "on_delete"))
    return KeyMaker(
        path=path,
        columns=_optional_argument(keys.get("columns")),
        refers=_optional_argument(keys.get("refers")),
        on_delete=_optional_argument(keys.get("on_delete")),
    )


def _column(path: str, node: YamlNode) -> ColumnKind:
    keys = node.mapping(_COLUMN_KEYS)
    return ColumnKind(
        path=path,
        type=keys["type"].one_of(COLUMN_TYPES) if "type" in keys else "other",
        relation=keys["relation"].one_of(RELATIONS) if "relation" in keys else "none",
        to=_optional_argument(keys.get("to")),
        lazy_argument=_optional_argument(keys.get("lazy")),
        reverse_argument=_optional_argument(keys.get("reverse")),
        indexed="indexed" in keys and keys["indexed"].flag(),
        value=_optional_type(keys.get("value"), ()),
        private="private" in keys and keys["private"].flag(),
        keys=_named(keys.get("keys"), lambda _, entry: _argument(entry)),
        as_text="as_text" in keys and keys["as_text"].flag(),
    )


def _service(node: YamlNode | None) -> Service | None:
    if node is None:
        return None
    keys = node.mapping(("name", "images", "schemes", "words", "json_paths", "indexes_keys"))
    if "name" not in keys:
        raise node.error("a service needs `name`.")
    return Service(
        name=keys["name"].text(),
        images=keys["images"].texts() if "images" in keys else (),
        schemes=keys["schemes"].texts() if "schemes" in keys else (),
        words=keys["words"].texts() if "words" in keys else (),
        json_paths="json_paths" in keys and keys["json_paths"].flag(),
        indexes_keys="indexes_keys" in keys and keys["indexes_keys"].flag(),
    )


def _dialect(node: YamlNode | None) -> Dialect | None:
    if node is None:
        return None
    keys = node.mapping(Dialect.__struct_fields__)
    if "name" not in keys:
        raise node.error("a dialect needs `name`.")
    return Dialect(
        schemes=keys["schemes"].texts() if "schemes" in keys else (),
        engines=keys["engines"].texts() if "engines" in keys else (),
        **{key: keys[key].text() for key in ("name", "quote", "index") if key in keys},
    )


def _queries(node: YamlNode | None) -> EntityQueries | None:
    if node is None:
        return None
    own = ("statements", "keeps_objects", "makers", "loaded", "unloaded")
    keys = node.mapping((*own, *_QUERIES_PLACES))
    return EntityQueries(
        statements=_dotted_names(keys["statements"]) if "statements" in keys else (),
        keeps_objects="keeps_objects" in keys and keys["keeps_objects"].flag(),
        makers=keys["makers"].texts() if "makers" in keys else (),
        loaded=_tests(keys.get("loaded")),
        unloaded=_tests(keys.get("unloaded")),
        **{
            key: _with_places(keys[key], places)
            for key, places in _QUERIES_PLACES.items()
            if key in keys
        },
    )


def _tests(node: YamlNode | None) -> tuple[str, ...]:
    """Return tests as they are written, each of a relation and of a row."""
    texts = () if node is None else node.texts()
    for text in texts:
        try:
            ast.parse(text, mode="eval")
        except SyntaxError:
            places = frozenset[str]()
        else:
            places = frozenset(re.findall(r"{(\w+)}", text))
        if node is not None and not places >= {"relation", "row"}:
            raise node.error(f"`{text}` is no expression of Python with {{relation}} and {{row}}.")
    return texts


def _graph(node: YamlNode | None) -> GraphWords | None:
    if node is None:
        return None
    keys = node.mapping(GraphWords.__struct_fields__)

    def names(key: str) -> tuple[str, ...]:
        return _dotted_names(keys[key]) if key in keys else ()

    def texts(key: str) -> dict[str, str]:
        return _named(keys.get(key), lambda _, entry: entry.text())

    def word(key: str) -> str:
        return keys[key].text() if key in keys else ""

    return GraphWords(
        types=names("types"),
        makers=names("makers"),
        fields=names("fields"),
        resolver_argument=word("resolver_argument") or None,
        parents=names("parents"),
        parent_markers=names("parent_markers"),
        resolver_prefix=word("resolver_prefix"),
        mutations=texts("mutations"),
        lists=texts("lists"),
        connections=names("connections"),
        node=word("node"),
        identities=names("identities"),
        model=word("model"),
        binders=texts("binders"),
        binds=names("binds"),
        exposing=names("exposing"),
        optimisers=names("optimisers"),
    )


def _with_places(node: YamlNode, places: Sequence[str]) -> str:
    """Return a text that has only these places in braces."""
    text = node.text()
    try:
        found = [place for _, place, _, _ in Formatter().parse(text) if place is not None]
    except ValueError as error:
        raise node.error(f"{error}.") from None
    for place in found:
        if place not in places:
            raise node.error(f'unknown place "{{{place}}}": {nearest(place, places)}')
    return text


def _provides(node: YamlNode | None) -> dict[str, tuple[str, ...]]:
    if node is None:
        return {}
    return {
        capability: _dotted_names(names) for capability, names in node.mapping(CAPABILITIES).items()
    }


def _offloader(node: YamlNode | None) -> Offloader | None:
    if node is None:
        return None
    keys = node.mapping(("pattern", "imports", "rank", "standard"))
    for required in ("pattern", "imports", "rank"):
        if required not in keys:
            raise node.error(f"an offloader needs `{required}`.")
    pattern = keys["pattern"].text()
    if "{function}" not in pattern:
        raise keys["pattern"].error("the pattern needs `{function}`, for what is called.")
    return Offloader(
        pattern=pattern,
        imports=_dotted_names(keys["imports"]),
        rank=_count(keys["rank"]),
        is_standard="standard" in keys and keys["standard"].flag(),
    )


def _examples(node: YamlNode | None) -> tuple[dict[str, str], ...]:
    if node is None:
        return ()
    examples = []
    for item in node.sequence():
        keys = item.mapping(("name", "code"))
        if "code" not in keys:
            raise item.error("an example needs `code`.")
        name = keys["name"].text() if "name" in keys else ""
        examples.append({"name": name, "code": keys["code"].text()})
    return tuple(examples)


def _type(node: YamlNode, parameters: tuple[str, ...]) -> TypeExpr:
    try:
        return parse_type(node.text(), parameters)
    except ValueError as error:
        raise node.error(f"{error}.") from None


def _optional_type(node: YamlNode | None, parameters: tuple[str, ...]) -> TypeExpr | None:
    return None if node is None else _type(node, parameters)


def _argument(node: YamlNode) -> str:
    return _checked_argument(node, node.text())


def _checked_argument(node: YamlNode, argument: str) -> str:
    if not _ARGUMENT.match(argument):
        raise node.error(
            f'"{argument}" names no argument: write a position, a keyword, or 0|keyword.'
        )
    return argument


def _optional_argument(node: YamlNode | None) -> str | None:
    return None if node is None else _argument(node)


def _optional_position(node: YamlNode | None) -> int | None:
    if node is None:
        return None
    position = node.text()
    if not position.isdigit():
        raise node.error(f'"{position}" is not a position: write 0 for the first argument.')
    return int(position)


def _count(node: YamlNode) -> int:
    if not node.text().isdigit():
        raise node.error(f'"{node.text()}" is not a whole number.')
    return int(node.text())


def _dotted(node: YamlNode) -> str:
    name = node.text()
    if not _DOTTED.match(name):
        raise node.error(f'"{name}" is not a dotted name.')
    return name


def _dotted_names(node: YamlNode) -> tuple[str, ...]:
    names: list[str] = []
    for item in node.sequence():
        try:
            names += expand_braces(item.text())
        except ValueError as error:
            raise item.error(f"{error}.") from None
    return tuple(names)


def _file(node: YamlNode) -> str:
    return node.path.replace("\\", "/").rpartition("/")[2]
