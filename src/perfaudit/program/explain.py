"""What the analysis believes of one function, class or table, and why, as text."""

from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.core.errors import UsageError
from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.facts import types as t
from perfaudit.program import beliefs, calls
from perfaudit.program.costs import costs_of
from perfaudit.program.coverage import OTHER_REASON, reason_of
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.polynomial import ZERO
from perfaudit.program.printing import printed
from perfaudit.program.reach import Reach, reach
from perfaudit.program.selection import Subject, is_glob, near, select, subjects
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables import Table
from perfaudit.program.values import ClassType, External, LibrarySymbol, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program

TOPICS = ("callgraph", "types", "effects", "schema", "queries")
FOLLOWED = frozenset({"call", "thread", "task", "loop"})
HOW = {
    "call": "",
    "thread": " in a thread",
    "process": " in another process",
    "loop": " on the event loop",
    "task": " as a task",
    "worker": " in a worker, by a queue",
    "later": " later",
}
"""The words for where an edge runs what it leads to."""
BODIES = ("function", "module")
MAX_CHOICES = 20


def describe(program: "Program", topic: str, name: str) -> str:
    """Return what the program holds of a name, for one of TOPICS.

    A name is a dotted name or its end, one with wildcards, or ``path:line``; where it means
    several things they are listed, and with wildcards all are shown. Without a name, all is listed.
    A name that means nothing raises UsageError, with those that are near.
    """
    page = PAGES[topic]
    return "\n".join(_harmless(line) for line in page(program, name))


def _callgraph(program: "Program", name: str) -> Iterator[str]:
    if not name:
        for function in program.functions:
            if program.edges_from(function):
                yield _title(function)
                yield from (_edge_line(edge, edge.callee) for edge in program.edges_from(function))
        return
    yield from _for_function(program, name, _callgraph_of)


def _callgraph_of(program: "Program", function: FunctionNode) -> Iterator[str]:
    yield _title(function)
    callers = program.edges_to(function)
    yield f"called by ({len(callers)})"
    yield from (_edge_line(edge, edge.caller) for edge in callers)
    edges = program.edges_from(function)
    yield f"calls ({len(edges)})"
    yield from (_edge_line(edge, edge.callee) for edge in edges)
    if function in program.memoised:
        yield "results are kept by a decorator"
    unresolved = [(call, found) for call, found in _calls(program, function) if not found.targets]
    if unresolved:
        yield f"not resolved ({len(unresolved)})"
    for call, found in unresolved:
        yield f"  {_call_text(function, call)}  {_why_unresolved(found)}"
        yield from _trail(_trail_of_call(program, function, call), deep=True)


def _edge_line(edge: Edge, other: FunctionNode) -> str:
    via = "" if edge.via == "call" else f" by {edge.via}"
    each = ", once per item" if edge.each else ""
    how = HOW.get(edge.how, f" in {edge.how}")
    return f"  {edge.location}  {other.qualname}{how}{via}{each}  ({edge.confidence} confidence)"


def _why_unresolved(found: calls.Resolved) -> str:
    """Return the word for why a call is not resolved, and the callee as it is believed to be."""
    word = reason_of(found) or OTHER_REASON
    callee = printed(found.callee)
    return word if callee == f"Unknown: {word}" else f"{word} ({callee})"


def _trail_of_call(program: "Program", function: FunctionNode, call: t.Call) -> list[TraceStep]:
    at = (call.sequence, call.context)
    return beliefs.of_expression(program, function, call.callee, at)


def _trail(steps: Iterable[TraceStep], *, deep: bool = False) -> Iterator[str]:
    """Yield the places that made something so, below the line that says what it is."""
    margin = "      " if deep else "    "
    for step in steps:
        yield f"{margin}{step.location.path}:{step.location.line}  {step.message}"


def _types(program: "Program", name: str) -> Iterator[str]:
    if not name:
        for node in _classes(program):
            yield from _class_types(program, node)
        return
    yield from _for_subjects(program, name, ("class", *BODIES), _subject_types)


def _subject_types(program: "Program", item: Subject) -> Iterator[str]:
    if isinstance(item.node, ClassNode):
        return _class_types(program, item.node)
    return _function_types(program, item.node)


def _function_types(program: "Program", function: FunctionNode) -> Iterator[str]:
    types = program.types
    yield _title(function)
    if function.kind == "module":
        yield from _defined(program, function)
    if function.facts.params:
        yield "parameters"
    for param in function.facts.params:
        yield f"  {param.name}: {printed(types.param(function, param))}"
        yield from _trail(beliefs.of_param(program, function, param))
    if function.kind == "function":
        yield f"returns {printed(types.returned(function))}"
        yield from _trail(beliefs.of_result(program, function))
    binds = [bind for bind in function.facts.binds if bind.kind != "delete"]
    if binds:
        yield "variables"
    for bind in sorted(binds, key=lambda bind: bind.sequence):
        place = function.line(bind.line, bind.column)
        yield f"  {place}  {spelled(function, bind.target)}: {printed(types.bound(function, bind))}"
        yield from _trail(beliefs.of_bind(program, function, bind))
    if function.facts.calls:
        yield "calls"
    for call, found in _calls(program, function):
        yield from _call_types(program, function, call, found)


def _defined(program: "Program", module: FunctionNode) -> Iterator[str]:
    """Yield the classes and functions of a module, with what calling these gives."""
    for classes in module.inner_classes.values():
        yield from (f"  class {node.name}  {node.location}" for node in classes)
    for functions in module.inner.values():
        for function in functions:
            given = printed(program.types.returned(function))
            yield f"  {function.name}() -> {given}  {function.location}"


def _call_types(
    program: "Program", function: FunctionNode, call: t.Call, found: calls.Resolved
) -> Iterator[str]:
    yield f"  {_call_text(function, call)} -> {printed(found.result)}"
    targets = dict.fromkeys(f"{target.kind} {target.name}" for target in found.targets)
    if targets:
        yield f"    runs {', '.join(targets)}"
        return
    yield f"    not resolved: {_why_unresolved(found)}"
    yield from _trail(_trail_of_call(program, function, call), deep=True)


def _class_types(program: "Program", node: ClassNode) -> Iterator[str]:
    types = program.types
    yield f"class {node.qualname}  {node.location}"
    yield f"  order: {', '.join(_base_name(item) for item in types.classes.order(node))}"
    names = [*node.body.binds, *node.stores]
    names += [name for owner, name in types.relations if owner is node]
    for name in dict.fromkeys(names):
        value = types.relations.get((node, name)) or types.attribute(node, name)
        yield f"  {name}: {printed(value)}"
        yield from _trail(beliefs.of_attribute(program, node, name))
    for name, method in node.methods.items():
        yield f"  {name}() -> {printed(types.returned(method))}  {method.location}"
        yield from _trail(beliefs.of_result(program, method))


def _base_name(value: object) -> str:
    match value:
        case ClassType(node=node):
            return node.qualname
        case LibrarySymbol(path=path):
            return path
        case External(origin=origin):
            return origin
        case Unknown():
            return printed(value)
    return "?"


def _effects(program: "Program", name: str) -> Iterator[str]:
    if not name:
        for function in program.functions:
            if program.sites_of(function):
                yield _title(function)
                yield from (_site_line(site) for site in program.sites_of(function))
        return
    yield from _for_function(program, name, _effects_of)


def _effects_of(program: "Program", function: FunctionNode) -> Iterator[str]:
    yield _title(function)
    exposure = program.exposure_of(function)
    yield f"reached from: {exposure.endpoint or exposure.kind}"
    yield from _trail(exposure.chain)
    yield f"runs {_where(program, function)}"
    yield f"database round trips: {program.once(costs_of).get(function, ZERO)}"
    sites = program.sites_of(function)
    yield f"costs itself ({len(sites)})"
    for site in sites:
        yield _site_line(site)
        yield from _trail([_source_of(site)])
    reached = list(_reached_effects(program, function))
    yield f"can reach ({len(reached)})"
    for effect, found in reached:
        yield f"  {effect}{_manner(found, function)}"
        yield from _trail(found.trace(function))
        sink = found.site(function)
        if sink is not None:
            yield from _trail([_source_of(sink)])


def _where(program: "Program", function: FunctionNode) -> str:
    """Return on which thread a function runs, as far as its own kind and its framework say."""
    if function.is_async:
        return "on the event loop"
    entered = [item.dispatch for item in program.endpoints if item.handler is function]
    if entered:
        places = {"event-loop": "on the event loop", "thread": "in a thread of the framework"}
        return places.get(entered[0], f"in a {entered[0]}")
    ways = sorted({HOW.get(edge.how, edge.how) for edge in program.edges_to(function)} - {""})
    others = f", and{' or'.join(ways)}" if ways else ""
    return f"where its callers run{others}"


def _source_of(site: Site) -> TraceStep:
    """Return the line of the library file that says what a site costs."""
    behaviour = site.behaviour
    place = Location(behaviour.file or "the language", behaviour.line)
    return TraceStep(place, f"says that {behaviour.path} costs {', '.join(site.effects)}")


def _manner(found: Reach, function: FunctionNode) -> str:
    """Return how a chain runs what it ends in: on this thread, or where it was handed to."""
    ways = [step.edge.how for step in found.chain(function) if step.edge is not None]
    handed = [HOW.get(how, f" in {how}") for how in ways if how != "call"]
    if handed:
        return "".join(dict.fromkeys(handed))
    sink = found.site(function)
    if sink is not None and sink.blocking:
        return " on this thread, which waits" if ways else ", and this thread waits"
    return ", awaited" if sink is not None and sink.behaviour.awaitable else ""


def _reached_effects(program: "Program", function: FunctionNode) -> Iterator[tuple[str, Reach]]:
    """Yield each effect that is reached, with the shortest chains to it.

    A chain that stays on the thread of the function goes before one that leaves it.
    """
    functions = _reached_functions(program, function)
    sites = (site for other in functions for site in program.sites_of(other))
    for effect in sorted({effect for site in sites for effect in site.effects}):

        def counts(site: Site, wanted: str = effect) -> bool:
            return wanted in site.effects

        for follows in (_stays, _follows):
            found = reach(
                functions, program.sites_of, program.edges_to, counts=counts, follows=follows
            )
            if function in found:
                yield effect, found
                break


def _stays(edge: Edge) -> bool:
    return edge.how == "call"


def _follows(edge: Edge) -> bool:
    return edge.how in FOLLOWED


def _reached_functions(program: "Program", function: FunctionNode) -> list[FunctionNode]:
    found = {function: None}
    waiting = [function]
    while waiting:
        for edge in program.edges_from(waiting.pop()):
            if edge.callee not in found and _follows(edge):
                found[edge.callee] = None
                waiting.append(edge.callee)
    return list(found)


def _site_line(site: Site) -> str:
    kind = "" if site.kind == "call" else f"{site.kind} "
    blocks = ", blocks the thread" if site.blocking else ""
    return f"  {site.location}  {kind}{site.name}: {', '.join(site.effects)}{blocks}"


def _schema(program: "Program", name: str) -> Iterator[str]:
    tables = _tables(program)
    if not name:
        if not tables:
            yield "No table was found."
        for table in tables:
            yield from _table_lines(table)
        return
    found = [table for table in tables if _ends_with(table.name, name) or _is_class(table, name)]
    if not found:
        raise _absent("table", name, get_close_matches(name, [table.name for table in tables]))
    elif len(found) > 1:
        names = [table.node.qualname if table.node else table.name for table in found]
        yield from _choices(name, names)
    else:
        yield from _table_lines(found[0])


def _tables(program: "Program") -> list[Table]:
    return sorted(program.schema.tables.values(), key=lambda table: (table.name, table.location))


def _is_class(table: Table, name: str) -> bool:
    return table.node is not None and _ends_with(table.node.qualname, name)


def _table_lines(table: Table) -> Iterator[str]:
    made_by = f" by class {table.node.qualname}" if table.node is not None else ""
    abstract = " (abstract)" if table.abstract else ""
    yield f"table {table.name}{abstract}{made_by}  {table.location}"
    for key, column in table.columns.items():
        words = [column.type]
        if column.primary:
            words.append("primary key")
        elif column.unique:
            words.append("unique")
        elif column.indexed:
            words.append("indexed")
        if column.nullable:
            words.append("nullable")
        if column.references:
            words.append(f"references {column.references}")
        attribute = "" if key == column.name else f" (attribute {key})"
        yield f"  column {column.name}{attribute}: {', '.join(words)}  {column.location}"
    for relation in table.relations.values():
        target = relation.target.name if relation.target is not None else "not known"
        side = ", other side" if relation.reverse else ""
        what = f"{relation.kind} to {target}, {relation.lazy}{side}"
        yield f"  relation {relation.name}: {what}  {relation.location}"
    for index in table.indexes:
        unique = "unique index" if index.unique else "index"
        method = f" using {index.method}" if index.method else ""
        include = f" including {', '.join(index.include)}" if index.include else ""
        where = f" where {index.where}" if index.where else ""
        what = f"{unique} on {', '.join(index.columns)}{method}{include}{where}"
        yield f"  {what}  {index.location}"


def _queries(program: "Program", name: str) -> Iterator[str]:
    if not name:
        yield from _query_lines(program, program.functions)
        return
    yield from _for_function(program, name, _queries_of)


def _queries_of(program: "Program", function: FunctionNode) -> Iterator[str]:
    yield _title(function)
    yield f"database round trips: {program.once(costs_of).get(function, ZERO)}"
    yield from _query_lines(program, _reached_functions(program, function))


def _query_lines(program: "Program", functions: Iterable[FunctionNode]) -> Iterator[str]:
    empty = True
    for function in functions:
        for site in program.sites_of(function):
            if DATABASE_ROUND_TRIPS.isdisjoint(site.effects):
                continue
            empty = False
            yield f"  {site.location}  {', '.join(site.effects)}  {site.function.qualname}"
            yield f"    {_statement(site)}"
    if empty:
        yield "No query was found."


def _statement(site: Site) -> str:
    """Return the SQL of a query site as known, else the call."""
    if site.sql is not None:
        return " ".join(site.sql.split())
    if site.call is None:
        return f"{site.kind} {site.name}"
    return f"{spelled(site.function, site.call.callee)}()  {site.name}"


PAGES: dict[str, Callable[["Program", str], Iterator[str]]] = {
    "callgraph": _callgraph,
    "types": _types,
    "effects": _effects,
    "schema": _schema,
    "queries": _queries,
}


def _for_function(
    program: "Program", name: str, page: Callable[["Program", FunctionNode], Iterator[str]]
) -> Iterator[str]:
    def page_of(program: "Program", item: Subject) -> Iterator[str]:
        if isinstance(item.node, FunctionNode):
            yield from page(program, item.node)

    yield from _for_subjects(program, name, BODIES, page_of)


def _for_subjects(
    program: "Program",
    name: str,
    kinds: Collection[str],
    page: Callable[["Program", Subject], Iterator[str]],
) -> Iterator[str]:
    """Yield the page of what a name means, or a list where it means several things."""
    everything = subjects(program, kinds)
    found = select(everything, name)
    if not found:
        kind = "function, class or module" if "class" in kinds else "function or module"
        raise _absent(kind, name, near(everything, name))
    if len(found) > 1 and not is_glob(name):
        yield from _choices(name, [f"{item.name}  {item.location}" for item in found])
        return
    for number, item in enumerate(found[:MAX_CHOICES]):
        if number:
            yield ""
        yield from page(program, item)
    if len(found) > MAX_CHOICES:
        yield f"and {len(found) - MAX_CHOICES} more"


def _ends_with(dotted: str, name: str) -> bool:
    return dotted == name or dotted.endswith(f".{name}")


def _choices(name: str, dotted: list[str]) -> Iterator[str]:
    yield f'"{name}" is the name of {len(dotted)}; say which:'
    yield from (f"  {item}" for item in dotted[:MAX_CHOICES])
    if len(dotted) > MAX_CHOICES:
        yield f"  and {len(dotted) - MAX_CHOICES} more"


def _absent(kind: str, name: str, names: list[str]) -> UsageError:
    message = f'there is no {kind} "{name}".'
    if names:
        message += f" Near: {', '.join(names)}."
    return UsageError(message)


def _classes(program: "Program") -> list[ClassNode]:
    files = dict.fromkeys(function.file for function in program.functions)
    return [node for file in files for node in file.classes]


def _calls(program: "Program", function: FunctionNode) -> list[tuple[t.Call, calls.Resolved]]:
    return [
        (call, program.types.call(function, index))
        for index, call in enumerate(function.facts.calls)
    ]


def _call_text(function: FunctionNode, call: t.Call) -> str:
    return f"{function.place(call)}  {spelled(function, call.callee)}()"


def _title(function: FunctionNode) -> str:
    kind = "async function" if function.is_async else function.kind
    return f"{kind} {function.qualname}  {function.location}"


def _harmless(line: str) -> str:
    """Return a line in which characters that act on a terminal, or hide, are written as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
