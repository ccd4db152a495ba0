"""What the analysis believes of one function, class or table, and why, as text."""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from perfaudit.core.effect import DATABASE_ROUND_TRIPS
from perfaudit.facts import types as t
from perfaudit.program import calls
from perfaudit.program.costs import ZERO, costs_of
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.printing import printed
from perfaudit.program.reach import Reach, reach
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables import Table
from perfaudit.program.values import ClassType, External, LibrarySymbol, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program

TOPICS = ("callgraph", "types", "effects", "schema", "queries")
FOLLOWED = frozenset({"call", "thread", "task", "loop"})
MAX_CHOICES = 20
MAX_NEAR = 5
N = TypeVar("N")


def describe(program: "Program", topic: str, name: str) -> str:
    """Return what the program holds of a name, for one of TOPICS.

    Names match by the end of the dotted name; without one, all is listed.
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
        yield f"  {_call_text(function, call)}  {printed(found.callee)}"


def _edge_line(edge: Edge, other: FunctionNode) -> str:
    how = "" if edge.how == "call" else f" in {edge.how}" if edge.how != "later" else " later"
    via = "" if edge.via == "call" else f" by {edge.via}"
    each = ", once per item" if edge.each else ""
    return f"  {edge.location}  {other.qualname}{how}{via}{each}  ({edge.confidence} confidence)"


def _types(program: "Program", name: str) -> Iterator[str]:
    if not name:
        for node in _classes(program):
            yield from _class_types(program, node)
        return
    functions = _matching(program.functions, name, lambda function: function.qualname)
    classes = _matching(_classes(program), name, lambda node: node.qualname)
    functions = [function for function in functions if function.kind != "class"]
    if len(functions) + len(classes) > 1:
        names = [node.qualname for node in classes] + [node.qualname for node in functions]
        yield from _choices(name, names)
    elif classes:
        yield from _class_types(program, classes[0])
    elif functions:
        yield from _function_types(program, functions[0])
    else:
        known = [function.qualname for function in program.functions]
        known += [node.qualname for node in _classes(program)]
        yield from _absent("function or class", name, known)


def _function_types(program: "Program", function: FunctionNode) -> Iterator[str]:
    types = program.types
    yield _title(function)
    if function.facts.params:
        yield "parameters"
    for param in function.facts.params:
        yield f"  {param.name}: {printed(types.param(function, param))}"
    if function.kind == "function":
        yield f"returns {printed(types.returned(function))}"
    binds = [bind for found in function.binds.values() for bind in found if bind.kind != "delete"]
    if binds:
        yield "variables"
    for bind in sorted(binds, key=lambda bind: bind.sequence):
        place = function.line(bind.line, bind.column)
        yield f"  {place}  {spelled(function, bind.target)}: {printed(types.bound(function, bind))}"
    if function.facts.calls:
        yield "calls"
    for call, found in _calls(program, function):
        targets = ", ".join(
            dict.fromkeys(f"{target.kind} {target.name}" for target in found.targets)
        )
        runs = targets or f"not resolved ({printed(found.callee)})"
        yield f"  {_call_text(function, call)} -> {printed(found.result)}"
        yield f"    runs {runs}"


def _class_types(program: "Program", node: ClassNode) -> Iterator[str]:
    types = program.types
    yield f"class {node.qualname}  {node.location}"
    yield f"  order: {', '.join(_base_name(item) for item in types.classes.order(node))}"
    names = list(node.body.binds)
    names += [name for name in node.stores if name not in names]
    names += [name for owner, name in types.relations if owner is node and name not in names]
    for name in names:
        places = [node.body.line(bind.line, bind.column) for bind in node.body.binds.get(name, ())]
        places += [scope.line(bind.line, bind.column) for scope, bind in node.stores.get(name, ())]
        place = f"  {places[0]}" if places else "  made by the ORM"
        value = types.relations.get((node, name)) or types.attribute(node, name)
        yield f"  {name}: {printed(value)}{place}"
    for name, method in node.methods.items():
        yield f"  {name}() -> {printed(types.returned(method))}  {method.location}"


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
    yield f"database round trips: {costs_of(program).get(function, ZERO)}"
    sites = program.sites_of(function)
    yield f"costs itself ({len(sites)})"
    yield from (_site_line(site) for site in sites)
    reached = list(_reached_effects(program, function))
    yield f"can reach ({len(reached)})"
    for effect, found in reached:
        yield f"  {effect}"
        yield from (f"    {step.location}  {step.message}" for step in found.trace(function))


def _reached_effects(program: "Program", function: FunctionNode) -> Iterator[tuple[str, Reach]]:
    """Yield each effect that is reached over at least one call, with the shortest chains to it."""
    sites = (
        site for other in _reached_functions(program, function) for site in program.sites_of(other)
    )
    for effect in sorted({effect for site in sites for effect in site.effects}):

        def counts(site: Site, wanted: str = effect) -> bool:
            return wanted in site.effects

        found = reach(
            program.functions, program.sites_of, program.edges_to, counts=counts, follows=_follows
        )
        if function in found:
            yield effect, found


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
        yield from _absent("table", name, [table.name for table in tables])
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
        where = f" where {index.where}" if index.where else ""
        yield f"  {unique} on {', '.join(index.columns)}{method}{where}  {index.location}"


def _queries(program: "Program", name: str) -> Iterator[str]:
    if not name:
        yield from _query_lines(program, program.functions)
        return
    yield from _for_function(program, name, _queries_of)


def _queries_of(program: "Program", function: FunctionNode) -> Iterator[str]:
    yield _title(function)
    yield f"database round trips: {costs_of(program).get(function, ZERO)}"
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
    functions = [function for function in program.functions if function.kind != "class"]
    found = _matching(functions, name, lambda function: function.qualname)
    if len(found) == 1:
        yield from page(program, found[0])
    elif found:
        yield from _choices(
            name, [f"{function.qualname}  {function.location}" for function in found]
        )
    else:
        yield from _absent("function", name, [function.qualname for function in functions])


def _matching(items: Iterable[N], name: str, name_of: Callable[[N], str]) -> list[N]:
    """Return what has the name, or else what has a dotted name that ends in it."""
    named = [(name_of(item), item) for item in items]
    exact = [item for dotted, item in named if dotted == name]
    return exact or [item for dotted, item in named if _ends_with(dotted, name)]


def _ends_with(dotted: str, name: str) -> bool:
    return dotted == name or dotted.endswith(f".{name}")


def _choices(name: str, dotted: list[str]) -> Iterator[str]:
    yield f'"{name}" is the name of {len(dotted)}; say which:'
    yield from (f"  {item}" for item in dotted[:MAX_CHOICES])
    if len(dotted) > MAX_CHOICES:
        yield f"  and {len(dotted) - MAX_CHOICES} more"


def _absent(kind: str, name: str, known: list[str]) -> Iterator[str]:
    yield f'There is no {kind} "{name}".'
    short = {item.rpartition(".")[2]: item for item in reversed(known)}
    near = get_close_matches(name.rpartition(".")[2], short, n=MAX_NEAR)
    if near:
        yield "Near:"
    yield from (f"  {short[item]}" for item in near)


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
