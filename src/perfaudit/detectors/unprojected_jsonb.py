"""Find JSON columns that are fetched whole, of which only some keys are read, or nothing."""

from collections.abc import Iterator
from dataclasses import replace

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.report import Opportunity
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.entity_queries import EntityQuery, is_deferred
from perfaudit.program.exposure import BY_HAND
from perfaudit.program.growing_tables import is_small
from perfaudit.program.program import Program
from perfaudit.program.projection import Output, Projection
from perfaudit.program.query_reads import (
    ColumnRead,
    EntityRead,
    StatementRead,
    column_reads,
    entity_reads,
    less_fetched,
    may_be_taken_again,
    statement_reads,
)
from perfaudit.program.result_shapes import JsonPath
from perfaudit.program.result_use import Use
from perfaudit.program.sites import Site
from perfaudit.program.sql_places import clause_steps

MAX_SHOWN = 4
FEW_COLUMNS = 2
"""Where no more are read, naming them is shorter, and stays true when the table grows."""
MANY_KEYS = 6
"""Reading more keys than this is reading the value."""


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield the queries that fetch a JSON column whole although only known keys of it are read."""
    if not any(
        column.type == "json"
        for table in program.schema.tables.values()
        for column in table.columns.values()
    ):
        return
    for statement in statement_reads(program):
        yield from _raw(program, statement)
    for read in entity_reads(program):
        yield from _entities(program, read)
    for named in column_reads(program):
        yield from _named(program, named)


def _raw(program: Program, read: StatementRead) -> Iterator[Match | Opportunity]:
    site, selected, use = read.site, read.selected, read.use
    if not any(_is_json(output) for output in selected.outputs):
        return
    exposure = program.exposure_of(site.function)
    yield Opportunity(site.location, exposure.kind)
    if use.entire or not use.columns or not selected.is_plain:
        return
    if not use.columns <= set(selected.names):
        # The rows have other names than the statement gives, for a reason that is not known here.
        return
    for output in selected.outputs:
        if not _is_json(output) or selected.names.count(output.name) > 1:
            continue
        words = _verdict(output.name, use, unread=not output.starred)
        if words is None:
            continue
        keys = use.keys.get(output.name, frozenset())
        fix = _sql_fix(output, keys, selected, takes_paths=_takes_paths(program, site))
        if read.words is not None and keys:
            fix = _built_fix(output, _shortest(keys), read.words)
        yield _match(program, site, use, output, words, fix)


def _is_json(output: Output) -> bool:
    return output.column is not None and output.column.type == "json"


def _verdict(column: str, use: Use, *, unread: bool) -> str | None:
    """Return what the message says of a column, or None where it is sound or not known."""
    if column not in use.columns:
        return "nothing of it is read" if unread else None
    keys = use.keys.get(column)
    if not keys or len(_shortest(keys)) > MANY_KEYS:
        return None
    names = [f"'{'.'.join(str(key) for key in path)}'" for path in _shortest(keys)]
    return f"only {_joined(names)} {'is' if len(names) == 1 else 'are'} read"


def _joined(names: list[str]) -> str:
    if len(names) > MAX_SHOWN:
        names = [*names[:MAX_SHOWN], f"{len(names) - MAX_SHOWN} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _shortest(keys: frozenset[JsonPath]) -> list[JsonPath]:
    """Return the paths without those that another one already contains."""
    kept = [path for path in keys if not any(path[:size] in keys for size in range(1, len(path)))]
    return sorted(kept, key=lambda path: [str(key) for key in path])


def _match(program: Program, site: Site, use: Use, output: Output, words: str, fix: str) -> Match:
    exposure = program.exposure_of(site.function)
    table = output.table.name if output.table is not None else ""
    return Match(
        site.location,
        {"call": site.name, "table": table, "column": output.name, "read": words},
        trace=(
            *exposure.chain,
            *use.steps,
            TraceStep(site.location, f"{site.name} fetches {output.name} whole"),
            *clause_steps(program, site, output.name),
        ),
        confidence=Confidence.MEDIUM if use.crossed else site.confidence,
        function=site.function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=site.function.role,
        fix=fix,
    )


def _takes_paths(program: Program, site: Site) -> bool:
    """Return whether the server that a call asks takes whole paths after ``->``."""
    library = program.libraries.library(site.behaviour.file)
    return library is not None and library.service is not None and library.service.json_paths


def _sql_fix(
    output: Output, keys: frozenset[JsonPath], selected: Projection, *, takes_paths: bool
) -> str:
    if not keys:
        return f"Leave {output.spelled} out of the SELECT."
    taken = set(selected.names) - {output.name}
    parts = []
    for path in _shortest(keys):
        deeper = any(other[: len(path)] == path and len(other) > len(path) for other in keys)
        alias = str(path[-1]) if str(path[-1]) not in taken and str(path[-1]).isidentifier() else ""
        alias = alias or "_".join([output.name, *(str(key) for key in path)])
        taken.add(alias)
        last = "->" if deeper else "->>"
        spelled = _sql_path(output.spelled, path, last, takes_paths=takes_paths)
        parts.append(f"{spelled} AS {alias}")
    return f"Select {', '.join(parts)} in place of {output.spelled}."


def _built_fix(output: Output, keys: list[JsonPath], words: EntityQueries) -> str:
    """Return the keys of a column as the calls name them that build the SELECT."""
    owner, _, column = output.spelled.rpartition(".")
    items = [
        words.keys_each.format(
            **{"class": owner, "column": column}, steps=_steps(words.keys_step, path)
        )
        for path in keys
    ]
    return f"Select {', '.join(items)} in place of {output.spelled}."


def _sql_path(spelled: str, path: JsonPath, last: str, *, takes_paths: bool) -> str:
    if takes_paths:
        inside = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
        return f"{spelled}{last}'${inside}'"
    steps = [repr(key) if isinstance(key, str) else str(key) for key in path]
    return spelled + "".join(f"->{step}" for step in steps[:-1]) + f"{last}{steps[-1]}"


def _entities(program: Program, read: EntityRead) -> Iterator[Match | Opportunity]:
    query, use = read.query, read.use
    if not query.orm.defer or not use.iterated:
        return
    columns = [
        name
        for name, column in read.table.columns.items()
        if column.type == "json" and not is_deferred(program, query, name)
    ]
    if not columns:
        return
    function = query.source.function
    exposure = program.exposure_of(function)
    place = query.location
    yield Opportunity(place, exposure.kind)
    if use.entire or not use.columns:
        return
    unread = [name for name in columns if name not in use.columns | use.needed]
    if unread and not may_be_taken_again(read):
        words = f"nothing of {'it' if len(unread) == 1 else 'them'} is read"
        match = _entity_match(program, query, use, _joined(unread), words, _less(read, unread))
        if _is_by_the_way(program, query, unread):
            match = replace(match, confidence=weakest(match.confidence, Confidence.MEDIUM))
        yield match
    for name in columns:
        keys = _shortest(use.keys.get(name, frozenset()))
        known = _verdict(name, use, unread=False)
        if known is None or name in use.needed or read.table.columns[name].as_text:
            continue
        yield _entity_match(program, query, use, name, known, _entity_fix(read, name, keys))


def _named(program: Program, read: ColumnRead) -> Iterator[Match | Opportunity]:
    """Yield what is said of JSON columns that a query names among others."""
    query, use = read.query, read.use
    held = [item for item in query.named if item.column is not None and item.column.type == "json"]
    if not held:
        return
    function = query.source.function
    exposure = program.exposure_of(function)
    yield Opportunity(query.location, exposure.kind)
    if use.entire or not use.columns or not use.columns <= {item.name for item in query.named}:
        return
    for item in held:
        words = _verdict(item.name, use, unread=True)
        if words is None:
            continue
        keys = _shortest(use.keys.get(item.name, frozenset()))
        if keys and item.column is not None and item.column.as_text:
            continue
        given = {"class": query.entity.name, "column": item.name}
        items = [
            query.orm.keys_each.format(**given, steps=_steps(query.orm.keys_step, path))
            for path in keys
        ]
        fix = f"Leave {item.spelled} out of {query.call}()."
        if items:
            fix = f"Ask for {', '.join(items)} in place of {item.spelled}."
        call = f"{query.call}()"
        yield Match(
            query.location,
            {"call": call, "table": query.table.name, "column": item.name, "read": words},
            trace=(
                *exposure.chain,
                *use.steps,
                TraceStep(query.location, f"{call} fetches {item.name} whole"),
            ),
            confidence=Confidence.MEDIUM if use.crossed else Confidence.HIGH,
            function=function.qualname,
            endpoint=exposure.endpoint,
            exposure=exposure.kind,
            role=function.role,
            fix=fix,
        )


def _entity_match(
    program: Program, query: EntityQuery, use: Use, columns: str, words: str, fix: str
) -> Match:
    function = query.source.function
    exposure = program.exposure_of(function)
    place = query.location
    is_few = query.table is not None and is_small(query.table)
    is_unsure = use.crossed or is_few or query.may_be_narrowed(program)
    return Match(
        place,
        {
            "call": query.name,
            "table": query.rows_of,
            "column": columns,
            "read": words,
        },
        trace=(
            *exposure.chain,
            *use.steps,
            TraceStep(place, f"{query.name} fetches {columns} whole"),
        ),
        confidence=Confidence.MEDIUM if is_unsure else Confidence.HIGH,
        severity=None if words.startswith("only") else Severity.LOW,
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
        fix=fix,
    )


def _is_by_the_way(program: Program, query: EntityQuery, columns: list[str]) -> bool:
    """Return whether nobody is seen to wait for columns that all tables of the project have.

    An abstract base declares them, mostly empty, and no endpoint lists the rows; or somebody
    starts the query by hand.
    """
    exposure = program.exposure_of(query.source.function)
    if exposure.kind in BY_HAND:
        return True
    if exposure.kind == "endpoint" and exposure.endpoint.startswith("GET "):
        return False
    return all(_is_inherited(program, query, name) for name in columns)


def _is_inherited(program: Program, query: EntityQuery, column: str) -> bool:
    node = query.table.node if query.table is not None else None
    if node is None:
        return False
    bases = (program.schema.table_of(base) for base in program.types.classes.project_order(node))
    return any(base is not None and base.abstract and column in base.columns for base in bases)


def _less(read: EntityRead, unread: list[str]) -> str:
    """Return how to load less: the few columns that are read, or all but those that are not."""
    orm = read.query.orm
    if orm.only and 0 < len(read.use.columns) <= FEW_COLUMNS:
        return less_fetched(read)
    words = {"class": _class_name(read.query)}
    listed = [orm.defer_each.format(**words, column=name) for name in unread]
    return orm.defer.format(columns=", ".join(listed))


def _class_name(query: EntityQuery) -> str:
    return query.source.entity.name if query.source.entity is not None else query.name


def _entity_fix(read: EntityRead, column: str, keys: list[JsonPath]) -> str:
    query, orm = read.query, read.query.orm
    words = {"class": _class_name(query), "column": column}
    items = [orm.keys_each.format(**words, steps=_steps(orm.keys_step, path)) for path in keys]
    as_objects = read.use.as_objects or bool(read.use.needed)
    pattern = orm.keys_objects if as_objects and orm.keys_objects else orm.keys
    return pattern.format(**words, items=", ".join(items), first=keys[0][0])


def _steps(pattern: str, path: JsonPath) -> str:
    return "".join(pattern.format(key=key, literal=repr(key).replace("'", '"')) for key in path)
