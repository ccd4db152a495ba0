"""What a library file says, once loaded. See docs/library-format.md for the YAML."""

from msgspec import Struct

from perfaudit.libraries.answers import Answers
from perfaudit.libraries.migrations import Migrations
from perfaudit.libraries.templates import Templates


class TypeExpr(Struct, frozen=True, gc=False):
    """A parsed type expression of a library file.

    ``kind``:
    - ``named``: a dotted type in ``name`` with ``arguments`` (``asyncpg.Pool``, ``list[T]``)
    - ``self``: the receiver's own type; on a class attribute, an instance of the class
    - ``parameter``: the type parameter ``name`` of the receiver's type
    - ``argument``: the type of the argument ``name`` ("0" positional, else a keyword)
    - ``instance``, ``result``, ``element``, ``awaited``, ``parameter_of``: made from
      ``arguments[0]``: an instance of that class, what that callable returns, what iterating
      gives, what awaiting gives, its first type parameter
    - ``union``: one of ``arguments``
    - ``any``: not known
    """

    kind: str
    name: str = ""
    arguments: "tuple[TypeExpr, ...]" = ()


class Callback(Struct, frozen=True, gc=False):
    """An argument that the call runs.

    ``where``: inline, thread, process, loop (a coroutine or a callback that runs on the event
    loop), task (a coroutine that runs concurrently), worker (another process, by a queue), later
    (on this thread, at another time), never. ``each``: once per item of an iterable argument.
    """

    argument: str
    where: str
    each: bool = False


class Timeout(Struct, frozen=True, gc=False):
    """The argument that bounds a call's waiting. ``default`` is "none" or seconds as text."""

    keyword: str
    position: int | None
    default: str


class Counts(Struct, frozen=True, gc=False):
    """The number of all rows that a call asks for besides what it gives.

    ``keyword``: the argument that leaves it out where it is False. ``told``: the attributes and
    methods of the result that need the number.
    """

    keyword: str
    told: frozenset[str]


class Behaviour(Struct, frozen=True, gc=False):
    """What one call of a library does.

    ``effects`` are of ``core.effect.EFFECTS``; ``blocking``: the calling thread waits until the
    effect is done; ``awaitable``: the call gives an awaitable, and its effects happen under await.
    ``sql``: which argument is SQL (its text then decides between db.query, db.write and none).
    ``counts``: it asks for the number of all rows too. ``memoises``: as a decorator, keeps
    results. ``batch``: the plural twin. ``file`` and ``line``: where it was written. ``flags``:
    further named meanings that detectors know, such as "loads-all" or "expires". ``twins``: dotted
    paths of what does the same and is awaited, the best first.
    """

    path: str
    effects: tuple[str, ...] = ()
    blocking: bool = False
    awaitable: bool = False
    returns: TypeExpr | None = None
    enters: TypeExpr | None = None
    sql: str | None = None
    timeout: Timeout | None = None
    counts: Counts | None = None
    runs: tuple[Callback, ...] = ()
    memoises: bool = False
    batch: str | None = None
    flags: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    twins: tuple[str, ...] = ()


class LibraryType(Struct, frozen=True, gc=False):
    """A class of a library.

    ``on`` gives the cost of evaluating a value: iterate, len, bool, index, contains, enter, exit.
    ``relations``: which of the attributes lead to rows of other tables, and of what kind they are.
    ``twins``: dotted paths of asynchronous classes that stand in for it, the best first.
    """

    path: str
    bases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    methods: dict[str, Behaviour] = {}
    attributes: dict[str, TypeExpr] = {}
    class_attributes: dict[str, TypeExpr] = {}
    relations: dict[str, str] = {}
    iterates: TypeExpr | None = None
    enters: TypeExpr | None = None
    items: TypeExpr | None = None
    on: dict[str, Behaviour] = {}
    constructor: Behaviour | None = None
    file: str = ""
    line: int = 0
    twins: tuple[str, ...] = ()


class PoolSetting(Struct, frozen=True, gc=False):
    """One setting of a pool: its keyword, its position, its default and what it should be."""

    keyword: str
    position: int | None
    default: str
    wanted: str
    purpose: str


class Pool(Struct, frozen=True, gc=False):
    """A constructor of a pool, engine or client that should be bounded.

    ``url`` is the argument with the address; an address that starts with one of ``quiet_urls``
    needs no pool. ``quiet_with``: keywords that show the pool was thought about. ``advice``: the
    settings as one line of code.
    """

    path: str
    kind: str
    settings: tuple[PoolSetting, ...]
    url: str | None
    quiet_urls: tuple[str, ...]
    quiet_with: tuple[str, ...]
    advice: str
    file: str = ""
    line: int = 0


class Route(Struct, frozen=True, gc=False):
    """A decorator or call that registers an endpoint.

    ``form``: decorator or call. ``methods``: the methods; where ``methods_argument`` says which
    argument gives them, those without that argument. ``path_argument`` and ``handler_argument``:
    "0" for a position, else a keyword; alternatives joined by "|". ``kind``: route, websocket,
    task, command, consumer, lifespan, middleware, error-handler. ``thread_argument``: where it is
    true, a plain handler runs in a thread. ``dispatch``: how a plain handler is run, where that
    differs from the framework's. ``detail_argument``: of what makes a method of a view set an
    action, the argument that says whether its path begins with the key of an object. ``also``: the
    attribute of such a method whose methods decorate others, for the same path. ``view_class``:
    what classes that are handed to a router are, whatever their bases.
    """

    path: str
    form: str
    kind: str
    methods: tuple[str, ...]
    methods_argument: str | None
    path_argument: str | None
    handler_argument: str | None
    file: str = ""
    line: int = 0
    thread_argument: str | None = None
    dispatch: str | None = None
    detail_argument: str | None = None
    also: str | None = None
    view_class: str | None = None


class Mount(Struct, frozen=True, gc=False):
    """A call that mounts a router below a prefix, such as include_router or register_blueprint.

    ``routes_argument``: the argument that holds a list of routes instead of a router.
    """

    path: str
    router_argument: str
    prefix_argument: str | None
    routes_argument: str | None = None


class Router(Struct, frozen=True, gc=False):
    """A constructor of an application or a router. ``is_application``: it serves by itself.

    ``routes_argument``: the argument that holds a list of routes, mounts or handlers.
    ``slash_argument``: that which is false where its paths do not end with a slash.
    ``within_argument``: that with the router that its routes hang below; else it is the first.
    """

    path: str
    prefix_argument: str | None
    is_application: bool
    routes_argument: str | None = None
    slash_argument: str | None = None
    within_argument: str | None = None


class ViewClass(Struct, frozen=True, gc=False):
    """A base class whose methods are endpoints: method name -> HTTP method.

    ``limited``: the attribute that says which HTTP methods a class answers, if not all of its own.
    """

    path: str
    methods: dict[str, str]
    is_viewset: bool
    limited: str = ""


class Permissions(Struct, frozen=True, gc=False):
    """How the view classes of a framework say whom they let in.

    ``attribute``: the class attribute with the permission classes. ``setting`` and ``key``: the
    setting, and its entry, that holds for classes without it. ``open``: names of those classes
    that let everybody read.
    """

    attribute: str
    setting: str
    key: str
    open: tuple[str, ...]


class Framework(Struct, frozen=True, gc=False):
    """How a web or task framework finds and runs endpoints.

    ``dispatch``: how it runs a plain ``def`` and an ``async def``: event-loop, thread, process.
    ``dependencies``: functions such as fastapi.Depends whose argument is called before the handler.
    ``threads``: how many plain handlers it runs at a time as long as nobody sets a limit.
    ``settings``: names in the project's settings that stand for the application where nothing
    constructs one. ``middleware``: names of settings that list dotted paths of middleware, and
    ``middleware_methods`` what a request runs of its classes. ``request_objects``: types of what
    lives for one request. ``handed``: the first parameters of handlers, by name, and their types.
    ``caller``: objects that hold what is known of who asks; ``proxies``:
    types that may stand for one. ``pages``: view classes, or modules of them, that answer with a
    page.
    """

    library: str
    routes: tuple[Route, ...] = ()
    mounts: tuple[Mount, ...] = ()
    routers: tuple[Router, ...] = ()
    view_classes: tuple[ViewClass, ...] = ()
    dispatch: dict[str, str] = {}
    dependencies: tuple[str, ...] = ()
    threads: int | None = None
    settings: tuple[str, ...] = ()
    middleware: tuple[str, ...] = ()
    middleware_methods: tuple[str, ...] = ()
    request_objects: tuple[str, ...] = ()
    handed: dict[str, str] = {}
    caller: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    permissions: Permissions | None = None


class ColumnKind(Struct, frozen=True, gc=False):
    """A constructor of a column or relation in a table class.

    ``type``: text, long_text, json, binary, integer, number, boolean, time, uuid, array, other;
    "argument" where an argument says. ``relation``: none, many_to_one, one_to_one, one_to_many,
    many_to_many, "annotation" where the annotation says, "argument" where an argument says.
    ``to``: the argument that names the other table. ``lazy_argument``: the one that sets loading.
    ``reverse_argument``: the one that names the relation seen from the other side.
    ``value``: what reading the column gives, where its type does not say. ``private``: not among
    the fields of the table that are shown or filled where all of them are meant.
    ``keys``: the attributes that a relation reads, each with the argument that may name another.
    ``as_text``: the database holds the JSON as a text, and knows no keys in it.
    """

    path: str
    type: str
    relation: str
    to: str | None
    lazy_argument: str | None
    reverse_argument: str | None
    indexed: bool
    value: TypeExpr | None = None
    private: bool = False
    keys: dict[str, str] = {}
    as_text: bool = False


class IndexMaker(Struct, frozen=True, gc=False):
    """A constructor of an index or a constraint that has one.

    ``columns``: the keyword with the list of columns. ``first``: the position from which on all
    arguments are columns. ``unique_argument`` and ``where_argument``: the arguments that say so;
    ``name_argument``: that with its name, ``include_argument``: that with columns that it only
    carries, ``operators_argument``: that with the operators that compare the columns in another
    way. ``method``: its kind, such as gin; ``method_argument``: the argument that says it.
    """

    path: str
    columns: str | None
    first: int | None
    unique: bool
    unique_argument: str | None
    where_argument: str | None
    name_argument: str | None = None
    include_argument: str | None = None
    operators_argument: str | None = None
    method: str = ""
    method_argument: str | None = None


class KeyMaker(Struct, frozen=True, gc=False):
    """A constructor of a foreign key of a table: its arguments with columns and what they name."""

    path: str
    columns: str | None
    refers: str | None
    on_delete: str | None


class Schema(Struct, frozen=True, gc=False):
    """How a library declares tables.

    - ``base_argument``: the argument of a base maker with a class that the base inherits from.
    - ``table_keyword``: the class keyword without which a class is no table.
    - ``name_attributes``, ``abstract_attributes``, ``index_attributes``: attributes of the class,
      or ``Meta.x`` for those of its inner class; index attributes say whether theirs are unique.
    - ``shared_attributes``: where true, the class uses the table of its parent.
    - ``order_attributes``: where one is given, rows have an order without asking for one.
    - ``manager_attribute``: names the manager that gives the rows where none is named.
    - ``table_default``: pattern of a name that is not given: {app}, {name}, {snake}; empty where a
      class without a name is no table.
    - ``reverse_default``, ``relation_column``, ``parent_link``: patterns of names, ``{name}_set``.
    - ``reverse_condition``: a pattern for what conditions call a relation of the default name.
    - ``implicit_key``: the primary key of a table that declares none.
    - ``options``: what an argument of a column means (indexed, unique, primary, nullable, default,
      column, references, many, secondary, remote) -> the argument. ``nullable``: the default.
    - ``table_makers``: calls that make a table without a class -> the argument with its name.
    - ``key_makers``: constructors of foreign keys of a table.
    - ``index_column``, ``index_table``: how a class says that a column, or ``{columns}``, have an
      index of the ``{name}``; ``{more}`` is ``index_where`` for a part of the rows and
      ``index_include`` for columns that it carries; ``index_names_fields``: it names attributes of
      the class, not columns. ``index_name_length``: how long names may be.
    - ``wrappers``: annotations around the type of an attribute -> its loading.
    - ``plain_annotations``: an annotated attribute is a column.
    - ``column_methods``: decorators of methods that give a column.
    - ``reference_makers``: constructors of a foreign key in a column.
    - ``loading``: values of the argument that sets loading -> lazy, eager, dynamic, raise.
    - ``many_type``, ``dynamic_type``: what a to-many relation to T gives. ``default_manager``: the
      class attribute of T that stands for it where it is set.
    - ``setting_targets``: settings that name a table class -> the library's own, used without them.
    """

    library: str
    table_bases: tuple[str, ...] = ()
    base_makers: tuple[str, ...] = ()
    base_argument: str | None = None
    table_keyword: str = ""
    name_attributes: tuple[str, ...] = ()
    abstract_attributes: tuple[str, ...] = ()
    shared_attributes: tuple[str, ...] = ()
    order_attributes: tuple[str, ...] = ()
    manager_attribute: str = ""
    index_attributes: dict[str, bool] = {}
    index_makers: dict[str, IndexMaker] = {}
    table_default: str = ""
    columns: dict[str, ColumnKind] = {}
    column_types: dict[str, str] = {}
    column_methods: tuple[str, ...] = ()
    reference_makers: tuple[str, ...] = ()
    options: dict[str, str] = {}
    nullable: bool = False
    wrappers: dict[str, str] = {}
    plain_annotations: bool = False
    reverse_default: str = ""
    reverse_condition: str = ""
    relation_column: str = ""
    parent_link: str = ""
    implicit_key: str = ""
    loading: dict[str, str] = {}
    many_type: TypeExpr | None = None
    dynamic_type: TypeExpr | None = None
    default_manager: str = ""
    setting_targets: dict[str, str] = {}
    table_makers: dict[str, str] = {}
    key_makers: dict[str, KeyMaker] = {}
    index_column: str = ""
    index_table: str = ""
    index_where: str = ""
    index_include: str = ""
    index_names_fields: bool = False
    index_name_length: int = 0


class EntityQueries(Struct, frozen=True, gc=False):
    """How a library queries for the objects of a table class.

    ``statements``: types that are no query by themselves: something else runs them.
    ``keeps_objects``: what is loaded is kept, and given again to whoever asks by its key.
    ``makers``: methods of a class that run for each row that is loaded. ``loaded``, ``unloaded``:
    how a test asks whether a ``{relation}`` of a ``{row}`` was loaded, or was not. The rest words a
    fix.
    ``aggregate``: how to ask for several aggregates at once. ``count``: how to ask for the number,
    ``exists``: whether there is any. ``stream``: how to have rows in parts. ``defer``: how to leave
    columns out, with ``{columns}``, each of them by ``defer_each``. ``only``: how to load nothing
    but ``{columns}``, each of them by ``only_each``; ``only_objects``: the same, where objects must
    come of it. ``only_joined``: what lets a relation be joined where a query loads nothing but what
    it names. ``keys``: how to take keys out of a JSON column, with ``{items}``, each of them by
    ``keys_each``; ``keys_objects``: the same where objects must come of it. ``{steps}`` is a
    ``keys_step`` for each key: ``{key}``, or as Python writes it ``{literal}``. ``join``: how to
    load a chain of relations to one row each with the rows, ``load``: one with many rows;
    ``{path}`` is the chain with two underscores, ``{steps}`` a ``join_each`` or ``load_each`` for
    each of it. ``load_any``: its beginning, up to rows of any class. ``refine``: how to load some
    of the rows that a chain leads to, or in an order. ``into``: how to load a chain
    into objects that are there already. ``number``: how to load only how many rows it leads to.
    ``joined``: how to take a relation from a join that the query has already. ``expires``: what to
    do where a commit makes objects forget what was loaded. ``membership``: what the name of a
    condition with a list ends in. Empty where that is not known.
    """

    statements: tuple[str, ...] = ()
    keeps_objects: bool = False
    makers: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    unloaded: tuple[str, ...] = ()
    aggregate: str = ""
    count: str = ""
    exists: str = ""
    stream: str = ""
    defer: str = ""
    defer_each: str = ""
    only: str = ""
    only_objects: str = ""
    only_each: str = ""
    only_joined: str = ""
    keys: str = ""
    keys_objects: str = ""
    keys_each: str = ""
    keys_step: str = ""
    join: str = ""
    join_each: str = ""
    load: str = ""
    load_each: str = ""
    load_any: str = ""
    refine: str = ""
    into: str = ""
    number: str = ""
    joined: str = ""
    expires: str = ""
    membership: str = ""


class GraphWords(Struct, frozen=True, gc=False):
    """How a library declares the types of a graph, and who resolves their fields.

    - ``types``: bases of classes that describe a type; ``makers``: decorators of such classes.
    - ``fields``: decorators that make a method a resolver, and calls that give a field its resolver
      in ``resolver_argument``; ``parents``: the names of the parameter that gets the object, where
      a resolver is no method of its own; ``parent_markers``: generic annotations of it.
    - ``resolver_prefix``: methods with it resolve the field of the rest of their name, and get the
      object as their first argument.
    - ``mutations``: bases of mutations -> the method that runs them.
    - ``lists``: calls that make a list or connection field -> the argument with the type of the
      items. ``connections``: bases of connections; ``node``: their attribute with that type.
    - ``identities``: bases of types whose objects can be asked for again, by an id, and so in
      lists. ``model``: the attribute, or of a maker the argument, with the class of the rows.
    - ``binders``: constructors of objects that bind resolvers to a type named in text -> the
      argument with the name, or the name itself; ``binds``: their methods that do.
    - ``exposing``: bases of types that give the relations of their rows by themselves, as
      ``Meta.fields`` and ``Meta.exclude`` say; ``optimisers``: packages that load what is asked.
    """

    types: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    resolver_argument: str | None = None
    parents: tuple[str, ...] = ()
    parent_markers: tuple[str, ...] = ()
    resolver_prefix: str = ""
    mutations: dict[str, str] = {}
    lists: dict[str, str] = {}
    connections: tuple[str, ...] = ()
    node: str = ""
    identities: tuple[str, ...] = ()
    model: str = ""
    binders: dict[str, str] = {}
    binds: tuple[str, ...] = ()
    exposing: tuple[str, ...] = ()
    optimisers: tuple[str, ...] = ()


class Service(Struct, frozen=True, gc=False):
    """A server that a library talks to: its name, container images and URL schemes.

    ``words``: other words of deployment files that show that somebody thought of it.
    ``json_paths``: its ``->`` takes a path, ``'$.a.b'``, and not one key. ``indexes_keys``: it
    makes an index for each foreign key.
    """

    name: str
    images: tuple[str, ...]
    schemes: tuple[str, ...]
    words: tuple[str, ...] = ()
    json_paths: bool = False
    indexes_keys: bool = False


class Dialect(Struct, frozen=True, gc=False):
    """The SQL that a driver's server reads: the name that the parser of SQL has for it.

    ``schemes``: how addresses of such servers begin, besides those of the library's service.
    ``engines``: names of settings that mean it. ``quote``: what names are quoted with; ``index``:
    how an index is made without holding up others, with places for name, table and columns, and
    where the server takes them for the columns it only carries (include) and a condition (where).
    """

    name: str
    schemes: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    quote: str = '"'
    index: str = ""


class Offloader(Struct, frozen=True, gc=False):
    """How code of a library hands a plain call to a worker thread.

    ``pattern``: the code, with ``{function}`` for what is called and ``{arguments}`` for what it is
    given. ``imports``: packages whose import shows that a project would write it so. ``rank``:
    where a file imports the packages of several, the lowest wins. ``is_standard``: there for every
    project.
    """

    pattern: str
    imports: tuple[str, ...]
    rank: int
    is_standard: bool = False


class Library(Struct, frozen=True, gc=False):
    """One library file.

    ``aliases``: another dotted path -> the path that this file uses; also for all names below it.
    ``provides``: capability, such as rate-limit or tracing -> dotted names whose use shows that
    the project has it. ``launchers``: commands that run a program under the library's eyes.
    """

    name: str
    docs: str
    packages: tuple[str, ...]
    functions: dict[str, Behaviour]
    types: dict[str, LibraryType]
    aliases: dict[str, str]
    values: dict[str, TypeExpr]
    pools: dict[str, Pool]
    framework: Framework | None
    schema: Schema | None
    service: Service | None
    provides: dict[str, tuple[str, ...]]
    examples: tuple[dict[str, str], ...]
    file: str
    offloader: Offloader | None = None
    queries: EntityQueries | None = None
    launchers: tuple[str, ...] = ()
    answers: Answers = Answers()
    templates: Templates = Templates()
    graph: GraphWords | None = None
    migrations: Migrations | None = None
    dialect: Dialect | None = None
