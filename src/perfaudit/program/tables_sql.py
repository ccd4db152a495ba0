"""Tables, views and indexes that SQL declares: CREATE TABLE, VIEW and INDEX, ALTER TABLE."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from perfaudit.core.location import Location
from perfaudit.program.sql_bounds import is_parsable
from perfaudit.program.sql_parser import readings
from perfaudit.program.tables import Column, Derived, Index, SqlTables, Table, own_indexes

MAX_TEXT = 200_000
MAX_STATEMENT = 40_000
MAX_STATEMENTS = 3_000
DIALECTS: tuple[str | None, ...] = ("postgres", None, "mysql", "sqlite")
_DECLARES = re.compile(
    r"\s*(?:create\s+(?:(?:unlogged|unique)\s+)*(?:table|index)\b[^(]+\("
    r"|create\s+(?:or\s+replace\s+)?(?:(?:temp|temporary|materialized|recursive|unlogged)\s+)*"
    r"(?:table|view)\s+(?:if\s+not\s+exists\s+)?[\w.\"`]+\s*(?:\([^()]*\)\s*)?as\b"
    r"|alter\s+table\b.*\badd\b)",
    re.IGNORECASE | re.DOTALL,
)
_COMMENT = re.compile(r"(?P<comment>--[^\n]*|/\*.*?\*/)|'(?:[^']|'')*'", re.DOTALL)
_SEPARATOR = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(?P<tag>\$\w*\$).*?(?P=tag)|(?P<end>;)",
    re.DOTALL,
)
_ESCAPING = re.compile(
    _SEPARATOR.pattern.replace("'(?:[^']|'')*'", r"'(?:[^'\\]|\\.|'')*'"), re.DOTALL
)
"""The same where a backslash takes a quote its meaning."""
_ESCAPES = re.compile(r"\bENGINE\s*=", re.IGNORECASE)
"""What only dumps of such servers say."""
_DATA = re.compile(r"^COPY\s[^;]*\sFROM\s+stdin[^;]*;", re.IGNORECASE | re.MULTILINE)
_DATA_END = "\n\\."
_HOLE = re.compile(r"\{\{[^{}]*\}\}|\{[^{}]*\}")
_BLOCK = re.compile(r"\{%[^{}]*%\}")
"""What a template does, and does not write."""
_UNKNOWN = "hole__"
"""Stands for what is not known of a statement."""
_OPTION = re.compile(rf"\)(?:\s*{_UNKNOWN}(?!\w))+")
"""What is filled in behind the parts of a table or an index: how it is stored."""
_STORED = re.compile(r"\bwithout\s+rowid\b\s*(?:,\s*strict\b\s*)?$", re.IGNORECASE)
"""How rows are stored, which no parser knows."""
TYPES: dict[str, str] = {
    "JSON": "json",
    "JSONB": "json",
    "HSTORE": "json",
    "TEXT": "text",
    "VARCHAR": "text",
    "NVARCHAR": "text",
    "CHAR": "text",
    "NCHAR": "text",
    "NAME": "text",
    "LONGTEXT": "text",
    "MEDIUMTEXT": "text",
    "TINYTEXT": "text",
    "ENUM": "text",
    "BINARY": "binary",
    "VARBINARY": "binary",
    "BLOB": "binary",
    "LONGBLOB": "binary",
    "MEDIUMBLOB": "binary",
    "INT": "integer",
    "BIGINT": "integer",
    "SMALLINT": "integer",
    "TINYINT": "integer",
    "MEDIUMINT": "integer",
    "SERIAL": "integer",
    "BIGSERIAL": "integer",
    "SMALLSERIAL": "integer",
    "FLOAT": "number",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "BOOLEAN": "boolean",
    "DATE": "time",
    "DATETIME": "time",
    "TIME": "time",
    "TIMETZ": "time",
    "TIMESTAMP": "time",
    "TIMESTAMPTZ": "time",
    "TIMESTAMPLTZ": "time",
    "INTERVAL": "time",
    "UUID": "uuid",
    "ARRAY": "array",
}


def read_sql_tables(
    texts: Iterable[tuple[Location, str]], known: SqlTables | None = None
) -> SqlTables:
    """Return what SQL texts declare; each has the place where it begins. Reads a bounded number.

    It is added to what is ``known``.
    """
    statements = list(_statements(texts))
    found = known or SqlTables()
    unparsed = found.unparsed
    for place, statement in statements:
        unparsed += not _read(found, place, statement)
    return replace(found, unparsed=unparsed)


def _statements(texts: Iterable[tuple[Location, str]]) -> Iterator[tuple[Location, str]]:
    count = 0
    for place, sql in texts:
        for at, statement in statements_of(place, sql):
            if not is_parsable(statement, MAX_STATEMENT) or not _DECLARES.match(statement):
                continue
            if count == MAX_STATEMENTS:
                return
            count += 1
            filled = _OPTION.sub(")", _HOLE.sub(_UNKNOWN, statement))
            yield at, _STORED.sub("", filled.rstrip())


def statements_of(place: Location, sql: str) -> Iterator[tuple[Location, str]]:
    """Yield the statements of a text without their comments, each with its place.

    ``place`` is that of the text. One statement that is far too long is left out.
    """
    sql = _BLOCK.sub(_without_text, _without_data(sql))
    pieces = _split(sql) if ";" in sql else [(0, sql)]
    if len(pieces) == 1 and len(sql) > MAX_TEXT:
        return
    counted, line = 0, place.line
    for offset, piece in pieces:
        bare = _COMMENT.sub(_without_comment, piece)
        lead = bare[: len(bare) - len(bare.lstrip())].count("\n")
        line += sql.count("\n", counted, offset)
        counted = offset
        yield Location(place.path, line + lead, place.column if offset == 0 else 1), bare.lstrip()


def _without_comment(found: re.Match[str]) -> str:
    """Return the line feeds of a comment, or a quoted text as it is."""
    return "\n" * found.group().count("\n") if found.group("comment") else found.group()


def _without_text(found: re.Match[str]) -> str:
    return "\n" * found.group().count("\n")


def _without_data(sql: str) -> str:
    """Return a text with line feeds in the place of the rows that a dump has between statements."""
    kept: list[str] = []
    start = 0
    while (found := _DATA.search(sql, start)) is not None:
        end = sql.find(_DATA_END, found.end())
        if end < 0:
            break
        kept += [sql[start : found.start()], "\n" * sql.count("\n", found.start(), end + 1)]
        start = end + len(_DATA_END)
    return "".join((*kept, sql[start:]))


def _split(sql: str) -> list[tuple[int, str]]:
    """Return the statements of a text and where they begin; quoted text is kept whole."""
    pieces = []
    start = 0
    separator = _ESCAPING if _ESCAPES.search(sql) else _SEPARATOR
    for found in separator.finditer(sql):
        if found.group("end"):
            pieces.append((start, sql[start : found.start()]))
            start = found.end()
    if sql[start:].strip():
        pieces.append((start, sql[start:]))
    return pieces


def _read(found: SqlTables, place: Location, statement: str) -> bool:
    """Add what a statement declares; return whether it could be read."""
    tree = _parsed(statement)
    if tree is None:
        return False
    kind = str(tree.args.get("kind") or "").upper()
    name = type(tree).__name__
    if name == "Create" and kind == "TABLE":
        _read_table(found, place, tree)
    elif name == "Create" and kind == "VIEW":
        _read_derived(found, place, tree)
    elif name == "Create" and kind == "INDEX":
        _read_index(found, place, tree)
    elif name == "Alter" and kind == "TABLE":
        _read_alter(found, place, tree)
    return name in ("Create", "Alter")


def _parsed(statement: str) -> Any:
    """Return the tree of a statement, or None."""
    firsts = (trees[0] for _, trees in readings((statement,), DIALECTS) if trees)
    return next((tree for tree in firsts if type(tree).__name__ in ("Create", "Alter")), None)


def _read_table(found: SqlTables, place: Location, tree: Any) -> None:
    body = tree.this
    if tree.args.get("expression") is not None:
        _read_derived(found, place, tree)
        return
    if type(body).__name__ != "Schema":
        return
    name = _table_name(body.this)
    if not name or name in found.tables:
        return
    columns: dict[str, Column] = {}
    indexes: list[Index] = []
    for part in body.expressions:
        if type(part).__name__ == "ColumnDef":
            column = _column(part, place)
            columns[column.name] = column
        elif type(part).__name__ == "LikeProperty":
            other = found.tables.get(_table_name(part.this))
            columns.update({} if other is None else other.columns)
        else:
            indexes.extend(_constraint(part, place, columns))
    found.tables[name] = Table(name, columns, {}, (), place)
    written = {index.columns for index in indexes}
    own = [index for index in own_indexes(columns) if index.columns not in written]
    found.indexes.setdefault(name, []).extend((*own, *indexes))


def _read_derived(found: SqlTables, place: Location, tree: Any) -> None:
    """Add a view, or a table that is made of a query."""
    body, query = tree.this, tree.args.get("expression")
    has_names = type(body).__name__ == "Schema"
    name = _table_name(body.this if has_names else body)
    columns = tuple(part.name for part in body.expressions) if has_names else ()
    around = query.args.get("with_") if query is not None else None
    while type(query).__name__ in ("Subquery", "Paren", "Union"):
        # The first part of a UNION names the columns of all.
        query = query.this
    if not name or type(query).__name__ != "Select":
        return
    if columns:
        if len(columns) != len(query.expressions):
            return
        given = zip(columns, query.expressions, strict=True)
        query.set("expressions", [part.unalias().as_(column) for column, part in given])
    if around is not None and query.args.get("with_") is None:
        query.set("with_", around)
    is_view = str(tree.args.get("kind")).upper() == "VIEW"
    text = query.sql(dialect="postgres")
    found.derived.setdefault(name, Derived(name, text, place, is_view))


def _table_name(tree: Any) -> str:
    if type(getattr(tree, "this", None)).__name__ == "Placeholder":
        return ""
    name = getattr(tree, "name", "")
    return name if isinstance(name, str) and _UNKNOWN not in name else ""


def _column(part: Any, place: Location) -> Column:
    marks = {
        type(mark.args.get("kind")).__name__: mark.args.get("kind")
        for mark in part.args.get("constraints") or []
    }
    primary = "PrimaryKeyColumnConstraint" in marks
    unique = "UniqueColumnConstraint" in marks
    refused = marks.get("NotNullColumnConstraint")
    not_null = refused is not None and not refused.args.get("allow_null")
    kind = part.args.get("kind")
    lines = (part.this.meta.get("line") or 1) - 1
    if lines:
        place = Location(place.path, place.line + lines, 1)
    return Column(
        name=part.name,
        type=_type(kind),
        nullable=not (not_null or primary),
        primary=primary,
        indexed=unique,
        location=place,
        unique=unique,
        references=_referred(marks.get("Reference")),
    )


def _type(kind: Any) -> str:
    this = getattr(kind, "this", None)
    return TYPES.get(str(getattr(this, "name", this)).upper(), "other")


def _referred(reference: Any) -> str:
    """Return ``table.column`` of a REFERENCES part."""
    target = reference.this if reference is not None else None
    if target is None:
        return ""
    if type(target).__name__ == "Schema":
        columns = [item.name for item in target.expressions]
        return f"{_table_name(target.this)}.{columns[0]}" if columns else _table_name(target.this)
    return _table_name(target)


def _constraint(part: Any, place: Location, columns: dict[str, Column]) -> Iterator[Index]:
    """Yield the indexes of a table constraint, and mark the columns that it speaks of."""
    name = type(part).__name__
    if name == "Constraint":
        for inner in part.expressions:
            for index in _constraint(inner, place, columns):
                yield replace(index, name=index.name or part.name)
    elif name == "PrimaryKey":
        names = _names(part.expressions)
        for item in names if len(names) == 1 else ():
            _mark(columns, item, primary=True)
        yield Index(names, True, None, place)
    elif name == "UniqueColumnConstraint":
        body = part.this
        names = _names(body.expressions if type(body).__name__ == "Schema" else [])
        if names:
            yield Index(names, True, None, place)
    elif name == "IndexColumnConstraint":
        method = str(part.args.get("kind") or "").lower()
        yield Index(
            _names(part.expressions), False, None, place, method=method, name=part.this.name
        )
    elif name == "ForeignKey":
        names = _names(part.expressions)
        referred = _referred(part.args.get("reference"))
        if len(names) == 1:
            _mark(columns, names[0], references=referred)


def _mark(
    columns: dict[str, Column], name: str, *, primary: bool = False, references: str = ""
) -> None:
    known = columns.get(name)
    if known is None:
        return
    columns[name] = Column(
        known.name,
        known.type,
        False if primary else known.nullable,
        primary or known.primary,
        known.indexed,
        known.location,
        known.unique,
        references or known.references,
    )


def _names(parts: Sequence[Any]) -> tuple[str, ...]:
    return tuple(_part(part) for part in parts)


def _part(part: Any) -> str:
    inner = part.this if type(part).__name__ in ("Ordered", "ColumnPrefix") else part
    if type(inner).__name__ in ("Column", "Identifier"):
        return str(inner.name)
    return f"({inner.sql(dialect='postgres')})"


def _operators(part: Any) -> bool:
    inner = part.this if type(part).__name__ == "Ordered" else part
    return type(inner).__name__ == "Opclass"


def _column_of(part: Any) -> Any:
    """Return what a part of an index is of, without the operators that compare it."""
    inner = part.this if type(part).__name__ == "Ordered" else part
    return inner.this if type(inner).__name__ == "Opclass" else inner


def _read_index(found: SqlTables, place: Location, tree: Any) -> None:
    index = tree.this
    if type(index).__name__ != "Index":
        return
    name = _table_name(index.args.get("table"))
    params = index.args.get("params")
    if not name or params is None:
        return
    using = params.args.get("using")
    method = using.name.lower() if using is not None else ""
    parts = params.args.get("columns") or []
    # Kinds that are no trees look into a column with such operators: they do not sort it.
    operators = method in ("", "btree") and any(_operators(part) for part in parts)
    columns = _names([_column_of(part) for part in parts] if operators else parts)
    where = params.args.get("where")
    if columns:
        found.indexes.setdefault(name, []).append(
            Index(
                columns,
                bool(tree.args.get("unique")),
                where.this.sql(dialect="postgres") if where is not None else None,
                place,
                method,
                index.name,
                _names(params.args.get("include") or []),
                operators,
            )
        )


def _read_alter(found: SqlTables, place: Location, tree: Any) -> None:
    name = _table_name(tree.this)
    if not name:
        return
    table = found.tables.get(name)
    columns = table.columns if table is not None else found.added.setdefault(name, {})
    for action in tree.args.get("actions") or []:
        kind = type(action).__name__
        if kind == "ColumnDef":
            columns.setdefault(action.name, _column(action, place))
        elif kind == "AddConstraint":
            for part in action.expressions:
                found.indexes.setdefault(name, []).extend(_constraint(part, place, columns))
