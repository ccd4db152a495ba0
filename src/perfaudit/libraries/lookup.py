"""All library files as one dictionary: what a name does, by whatever path it was imported."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from perfaudit.core.errors import DataError
from perfaudit.libraries.answers import Answers
from perfaudit.libraries.migrations import Migrations
from perfaudit.libraries.templates import Templates
from perfaudit.libraries.types import (
    Behaviour,
    EntityQueries,
    Framework,
    GraphWords,
    Library,
    LibraryType,
    Mount,
    Offloader,
    Pool,
    Route,
    Router,
    Schema,
    Service,
    TypeExpr,
    ViewClass,
)

_Value = TypeVar("_Value")


class Libraries:
    """What the loaded library files say. Read-only; a question costs about one dictionary look-up.

    Dotted names may be given by any path that a file names as an alias.
    """

    def __init__(self, folders: Sequence[Sequence[Library]]) -> None:
        self.libraries: tuple[Library, ...] = tuple(_current(folders))
        self.frameworks: tuple[Framework, ...] = tuple(
            library.framework for library in self.libraries if library.framework
        )
        self.schemas: tuple[Schema, ...] = tuple(
            library.schema for library in self.libraries if library.schema
        )
        self.field_makers: Mapping[str, str] = _field_makers(self.schemas)
        self.migrations: tuple[Migrations, ...] = tuple(
            library.migrations for library in self.libraries if library.migrations
        )
        self.graphs: tuple[tuple[tuple[str, ...], GraphWords], ...] = tuple(
            (library.packages, library.graph) for library in self.libraries if library.graph
        )
        self.services: Mapping[str, Service] = {
            library.name: library.service for library in self.libraries if library.service
        }
        self.offloaders: tuple[Offloader, ...] = tuple(
            sorted(
                (library.offloader for library in self.libraries if library.offloader),
                key=lambda found: found.rank,
            )
        )
        self.request_objects: tuple[str, ...] = _of_all(
            found.request_objects for found in self.frameworks
        )
        self.proxies: tuple[str, ...] = _of_all(found.proxies for found in self.frameworks)
        self.caller: Mapping[str, frozenset[str]] = _by_last_name(
            _of_all(found.caller for found in self.frameworks)
        )
        self.query_attributes: frozenset[str] = frozenset(_query_attributes(self.libraries))
        self.row_methods: frozenset[str] = frozenset(
            _methods_with(self.libraries, "gives-all-rows")
        )
        self.text_methods: frozenset[str] = frozenset(_methods_with(self.libraries, "sql-text"))
        self.forgetting_methods: frozenset[str] = frozenset(
            _methods_with(self.libraries, "forgets-loaded")
        )
        self.passed_methods: frozenset[str] = frozenset(
            _methods_with(self.libraries, "all-queries-pass")
        )
        self.eager_methods: frozenset[str] = frozenset(
            name
            for flag in ("loads-joined", "loads-apart")
            for name in _methods_with(self.libraries, flag)
        )
        self.loading_methods: frozenset[str] = frozenset(_methods_with(self.libraries, "loads-any"))
        self.telling: Mapping[str, tuple[tuple[str, Behaviour], ...]] = _telling(self.libraries)
        self._files = {library.file: library for library in self.libraries}
        self.packages: Mapping[str, str] = {
            package: library.name
            for library in reversed(self.libraries)
            for package in library.packages
        }
        self._query_packages = frozenset(
            package
            for library in self.libraries
            if library.queries is not None
            for package in library.packages
        )
        self.loaded_tests: tuple[tuple[str, EntityQueries, bool], ...] = tuple(
            (text, words, is_loaded)
            for library in self.libraries
            if (words := library.queries) is not None
            for is_loaded, texts in ((True, words.loaded), (False, words.unloaded))
            for text in texts
        )
        self._functions = _merged(folders, "function", lambda library: library.functions)
        self._types = _merged(folders, "type", lambda library: library.types)
        self._values = _merged(folders, "value", lambda library: library.values)
        self._pools = _merged(folders, "pool", lambda library: library.pools)
        self._aliases = _merged(folders, "alias", lambda library: library.aliases)
        self._routes = {route.path: route for found in self.frameworks for route in found.routes}
        self._mounts = {mount.path: mount for found in self.frameworks for mount in found.mounts}
        self._routers = {
            router.path: router for found in self.frameworks for router in found.routers
        }
        self.answers: tuple[Answers, ...] = tuple(
            library.answers for library in self.libraries if library.answers != Answers()
        )
        self.templates = _templates(folders)
        self._views = {view.path: view for found in self.frameworks for view in found.view_classes}
        self._alias_roots = frozenset(alias.partition(".")[0] for alias in self._aliases)
        self._provides: dict[str, frozenset[str]] = {}
        for library in self.libraries:
            for capability, names in library.provides.items():
                self._provides[capability] = self.provides(capability) | frozenset(names)
        self._canonical: dict[str, str] = {}
        self._known: dict[str, bool] = {}
        self._linear: dict[str, tuple[LibraryType, ...]] = {}
        self._methods: dict[tuple[str, str], Behaviour | None] = {}
        self._attributes: dict[tuple[str, str], TypeExpr | None] = {}
        self._class_attributes: dict[tuple[str, str], TypeExpr | None] = {}
        self._on: dict[tuple[str, str], Behaviour | None] = {}
        self._loads_relations: dict[str, bool] = {}

    def canonical(self, dotted: str) -> str:
        """Return the path that the library file uses for this name, or the name itself."""
        if dotted.partition(".")[0] not in self._alias_roots:
            return dotted
        known = self._canonical.get(dotted)
        if known is None:
            known = self._canonical[dotted] = self._resolve(dotted)
        return known

    def function(self, dotted: str) -> Behaviour | None:
        """Return what calling the function does; also that of a method read from its class."""
        path = self.canonical(dotted)
        found = self._functions.get(path)
        if found is not None:
            return found
        owner, _, name = path.rpartition(".")
        return self.method(owner, name) if owner in self._types else None

    def type(self, dotted: str) -> LibraryType | None:
        """Return the class of this name."""
        return self._types.get(self.canonical(dotted))

    def value(self, dotted: str) -> TypeExpr | None:
        """Return the type of the module-level object of this name."""
        return self._values.get(self.canonical(dotted))

    def pool(self, dotted: str) -> Pool | None:
        """Return how the pool that this constructor makes should be bounded."""
        return self._pools.get(self.canonical(dotted))

    def route(self, dotted: str) -> Route | None:
        """Return how this decorator or call registers an endpoint, also as a method of a base."""
        return self._inherited(dotted, self._routes)

    def mount(self, dotted: str) -> Mount | None:
        """Return how this call mounts a router, also as a method of a base."""
        return self._inherited(dotted, self._mounts)

    def router(self, dotted: str) -> Router | None:
        """Return what this constructor of an application or router says, or that of a base."""
        return _first(self._routers.get(path) for path in self._lineage(self.canonical(dotted)))

    def view_class(self, dotted: str) -> ViewClass | None:
        """Return which methods of this class are endpoints, as it or a base of it says."""
        return _first(self._views.get(path) for path in self._lineage(self.canonical(dotted)))

    def method(self, type_path: str, name: str) -> Behaviour | None:
        """Return what calling the method does, as the class or the nearest of its bases says.

        A method "*" of a library file stands for those that nothing else describes.
        """
        key = (type_path, name)
        if key not in self._methods:
            found = self._nearest(type_path, name, lambda found: found.methods)
            if found is None and name != "*":
                found = self.method(type_path, "*")
            self._methods[key] = found
        return self._methods[key]

    def attribute(self, type_path: str, name: str) -> TypeExpr | None:
        """Return the type of an attribute of an instance."""
        key = (type_path, name)
        if key not in self._attributes:
            self._attributes[key] = self._nearest(type_path, name, lambda found: found.attributes)
        return self._attributes[key]

    def class_attribute(self, type_path: str, name: str) -> TypeExpr | None:
        """Return the type of an attribute that is read on the class itself."""
        key = (type_path, name)
        if key not in self._class_attributes:
            self._class_attributes[key] = self._nearest(
                type_path, name, lambda found: found.class_attributes
            )
        return self._class_attributes[key]

    def on(self, type_path: str, event: str) -> Behaviour | None:
        """Return what iterate, len, bool, index, contains, enter or exit of an instance costs."""
        key = (type_path, event)
        if key not in self._on:
            self._on[key] = self._nearest(type_path, event, lambda found: found.on)
        return self._on[key]

    def constructor(self, type_path: str) -> Behaviour | None:
        """Return what calling the class costs, as it or the nearest of its bases says."""
        return _first(found.constructor for found in self.linear(type_path))

    def is_made_of_items(self, type_path: str) -> bool:
        """Return whether an object of a class is made around items that it asks for later."""
        made = self.constructor(type_path)
        if made is None or made.returns is None or "iterates-argument" in made.flags:
            return False
        given = made.returns.arguments
        return any(part.kind == "element" for part in given)

    def iterates(self, type_path: str) -> TypeExpr | None:
        """Return what iterating an instance gives."""
        return _first(found.iterates for found in self.linear(type_path))

    def enters(self, type_path: str) -> TypeExpr | None:
        """Return what ``with instance as x`` gives, where that is not the instance."""
        return _first(found.enters for found in self.linear(type_path))

    def items(self, type_path: str) -> TypeExpr | None:
        """Return what ``instance[key]`` gives."""
        return _first(found.items for found in self.linear(type_path))

    def twins(self, behaviour: Behaviour, type_path: str = "") -> tuple[str, ...]:
        """Return what does the same and is awaited, the best first, as dotted paths.

        As the call itself says; else the method of its type that has its name with an ``a`` before
        it, or ``async`` at one end; else as its type says: a method, or the class without it.
        """
        if behaviour.twins or not type_path:
            return behaviour.twins
        name = behaviour.path.rpartition(".")[2]
        for alike in (f"a{name}", f"async_{name}", f"{name}_async"):
            found = self.method(type_path, alike)
            if found is not None and found.awaitable and found.path.endswith(alike):
                return (found.path,)
        classes = _first(found.twins or None for found in self.linear(type_path)) or ()
        return tuple(f"{path}.{name}" if self.method(path, name) else path for path in classes)

    def linear(self, type_path: str) -> tuple[LibraryType, ...]:
        """Return the class and its bases in library files, nearest first; empty if not known."""
        known = self._linear.get(type_path)
        if known is None:
            known = self._linear[type_path] = tuple(self._walk(type_path))
        return known

    def loads_relations(self, type_path: str) -> bool:
        """Return whether a class is one of queries: it can say which relations they load."""
        known = self._loads_relations.get(type_path)
        if known is None:
            known = self._loads_relations[type_path] = any(
                "query-option" in behaviour.flags
                for found in self.linear(type_path)
                if found.parameters
                for behaviour in found.methods.values()
            )
        return known

    def library(self, file: str) -> Library | None:
        """Return the library of a file, such as that of a behaviour or a type."""
        return self._files.get(file)

    def queries(self, type_path: str) -> EntityQueries | None:
        """Return how the library of a query's class, or of the nearest base, makes queries."""
        return _first(self._files[found.file].queries for found in self.linear(type_path))

    def has_queries(self, dotted: str) -> bool:
        """Return whether a name comes from a package whose library file says how it queries."""
        return dotted.partition(".")[0] in self._query_packages

    def is_subtype(self, type_path: str, base: str) -> bool:
        """Return whether the class is the other one or inherits from it."""
        wanted = self.canonical(base)
        return any(found.path == wanted for found in self.linear(type_path))

    def provides(self, capability: str) -> frozenset[str]:
        """Return the dotted names whose use shows that a project has the capability."""
        return self._provides.get(capability, frozenset())

    def known_prefix(self, dotted: str) -> bool:
        """Return whether some library file speaks for the package that this name comes from."""
        known = self._known.get(dotted)
        if known is None:
            known = any(prefix in self.packages for prefix, _ in _prefixes(dotted))
            self._known[dotted] = known
        return known

    def _inherited(self, dotted: str, entries: Mapping[str, _Value]) -> _Value | None:
        path = self.canonical(dotted)
        found = entries.get(path)
        if found is not None:
            return found
        owner, _, name = path.rpartition(".")
        return _first(entries.get(f"{base.path}.{name}") for base in self.linear(owner))

    def _lineage(self, path: str) -> Iterator[str]:
        yield path
        for base in self.linear(path):
            yield base.path

    def _resolve(self, dotted: str) -> str:
        # An alias may lead to another one; the bound ends rings, which no file should have.
        for _ in range(5):
            for prefix, rest in _prefixes(dotted):
                target = self._aliases.get(prefix)
                if target is not None:
                    dotted = target + rest
                    break
            else:
                return dotted
        return dotted

    def _nearest(
        self, type_path: str, name: str, members: Callable[[LibraryType], Mapping[str, _Value]]
    ) -> _Value | None:
        for found in self.linear(type_path):
            member = members(found).get(name)
            if member is not None:
                return member
        return None

    def _walk(self, type_path: str) -> Iterator[LibraryType]:
        waiting = [type_path]
        seen: set[str] = set()
        while waiting:
            found = self.type(waiting.pop(0))
            if found is None or found.path in seen:
                continue
            seen.add(found.path)
            yield found
            # Depth first, left to right: close enough to Python's order for what libraries have.
            waiting[:0] = found.bases


def _field_makers(schemas: Iterable[Schema]) -> dict[str, str]:
    """Return the one class that a field maker's class must inherit from, by the maker's path.

    Libraries whose base each project makes, or whose fields other classes may have, are left out.
    """
    return {
        path: schema.table_bases[0]
        for schema in schemas
        if len(schema.table_bases) == 1 and not schema.base_makers and not schema.table_keyword
        for path in schema.columns
    }


def _of_all(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(name for some in names for name in some)


def _by_last_name(paths: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for path in paths:
        name = path.rpartition(".")[2]
        found[name] = found.get(name, frozenset()) | {path}
    return found


def _query_attributes(libraries: Iterable[Library]) -> Iterator[str]:
    """Give the class attributes whose queries begin at the whole table of their class."""
    for library in libraries:
        for found in library.types.values():
            for name, expression in found.class_attributes.items():
                if any(argument.kind == "self" for argument in expression.arguments):
                    yield name


def _methods_with(libraries: Iterable[Library], flag: str) -> Iterator[str]:
    """Give the names of the methods of libraries that have a flag."""
    for library in libraries:
        for found in library.types.values():
            for name, behaviour in found.methods.items():
                if flag in behaviour.flags:
                    yield name


def _telling(libraries: Iterable[Library]) -> dict[str, tuple[tuple[str, Behaviour], ...]]:
    """Return the methods that tell the type of what they are called on, by their names."""
    found: dict[str, tuple[tuple[str, Behaviour], ...]] = {}
    for library in libraries:
        for path, described in library.types.items():
            for name, behaviour in described.methods.items():
                if "tells-receiver" in behaviour.flags:
                    found[name] = (*found.get(name, ()), (path, behaviour))
    return found


def _current(folders: Sequence[Sequence[Library]]) -> Iterator[Library]:
    """Give the libraries; one of a later folder replaces its namesake."""
    by_name = {library.name: library for folder in folders for library in folder}
    yield from by_name.values()


def _merged(
    folders: Sequence[Sequence[Library]],
    kind: str,
    section: Callable[[Library], Mapping[str, _Value]],
) -> dict[str, _Value]:
    merged: dict[str, _Value] = {}
    for folder in folders:
        owners: dict[str, str] = {}
        for library in folder:
            for name, value in section(library).items():
                if name in owners:
                    line = getattr(value, "line", 1)
                    raise DataError(
                        library.file,
                        line,
                        f'the {kind} "{name}" is also in {owners[name]}: keep one of them.',
                    )
                owners[name] = library.file
                merged[name] = value
    return merged


def _templates(folders: Sequence[Sequence[Library]]) -> Templates:
    """Return what all libraries say of templates."""
    return Templates(
        _merged(folders, "template call", lambda library: library.templates.calls),
        _merged(folders, "template maker", lambda library: library.templates.makers),
        _merged(folders, "template tag", lambda library: library.templates.tags),
        _merged(folders, "template view", lambda library: library.templates.views),
        _merged(folders, "record list", lambda library: library.templates.lists),
        _merged(folders, "name of templates", lambda library: library.templates.always),
        tuple(
            name for folder in folders for library in folder for name in library.templates.folders
        ),
    )


def _prefixes(dotted: str) -> Iterator[tuple[str, str]]:
    """Give the name and each shorter one above it, longest first, with what was cut off."""
    end = len(dotted)
    while end > 0:
        yield dotted[:end], dotted[end:]
        end = dotted.rfind(".", 0, end)


def _first(values: Iterable[_Value | None]) -> _Value | None:
    return next((value for value in values if value is not None), None)
