"""Every index that the cases of the rules print is made: as SQL, and by the class of the table.

Each case has its tables made on a real PostgreSQL, with the columns that perfaudit read. The
statement that a finding prints is carried out there. Where it also prints what the class of the
table says, the real library makes the table with that: both indexes must be the same, and the plan
of a query must use the one that is made by the class.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from perfaudit.audit import program_of
from perfaudit.core.rule import Case, Rule
from perfaudit.data import rules_root
from perfaudit.program.program import Program
from perfaudit.program.tables import Table
from perfaudit.rules.engine import judge
from perfaudit.rules.loader import load_rules

from .cluster import Database, cluster, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "a server can be started"),
]
RULES = ("PA515", "PA516", "PA517", "PA518", "PA519")
TYPES = {
    "text": "text",
    "json": "jsonb",
    "binary": "bytea",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "time": "timestamptz",
    "uuid": "uuid",
    "array": "text[]",
}
MADE_BY = Path(__file__).with_name("making_indexes.py")
_STATEMENTS = re.compile(r"CREATE (?:INDEX|EXTENSION|UNIQUE INDEX) .*?;", re.DOTALL)
_FORM = re.compile(r"In the class: (.*)\.$", re.DOTALL)
_NAMES = re.compile(r"INDEX CONCURRENTLY (\S+) ON (\S+)")


class Printed(NamedTuple):
    """The cure of a finding of a case, and the program that the case is."""

    case: str
    fix: str
    program: Program


def _printed() -> Iterator[Printed]:
    for rule in load_rules([rules_root()]).values():
        if rule.id in RULES:
            for case in rule.cases:
                yield from _of_case(rule, case)


def _of_case(rule: Rule, case: Case) -> Iterator[Printed]:
    program = program_of(case.files)
    judged = judge(
        program, {rule.name: rule}, read_line=lambda path, number: "", suppressions={}, strict=True
    )
    for found in judged.findings:
        if "CREATE " in found.fix:
            yield Printed(f"{rule.name}: {case.name}", found.fix, program)


@pytest.fixture(scope="module")
def printed() -> list[Printed]:
    """Return all that the cases print."""
    return list(_printed())


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """Return a server without tables."""
    with cluster() as running:
        yield running


def _empty(database: Database) -> None:
    database.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")


def _make_tables(database: Database, program: Program) -> None:
    """Make the tables of a program, with their columns and nothing else."""
    _empty(database)
    for table in program.schema.tables.values():
        if table.columns and not table.abstract:
            columns = ", ".join(
                f'"{column.name}" {TYPES.get(column.type, "text")}'
                for column in table.columns.values()
            )
            database.ask(f'CREATE TABLE "{table.name}" ({columns});')


def _index(database: Database, name: str) -> str:
    """Return how the server says an index is made, without its name and schema."""
    told = database.ask(f"SELECT indexdef FROM pg_indexes WHERE indexname = '{name}';")
    return told.replace(name, "").replace("public.", "")


def _table(program: Program, name: str) -> Table:
    return next(table for table in program.schema.tables.values() if table.name == name.strip('"'))


def test_each_statement_is_carried_out(printed: list[Printed], database: Database) -> None:
    made = 0
    for item in printed:
        _make_tables(database, item.program)
        for statement in _STATEMENTS.findall(item.fix):
            database.ask(statement)
            made += 1
        for name, _ in _NAMES.findall(item.fix):
            assert _index(database, name), item.case
    assert made >= 25
    print(f"| statements carried out | {made} |")


def test_each_class_makes_the_same_index(printed: list[Printed], database: Database) -> None:
    made = 0
    for item in printed:
        form = _FORM.search(item.fix)
        names = _NAMES.findall(item.fix)
        if form is None or not names:
            # Without such a statement it is another server that is told.
            continue
        ((name, of_table),) = names
        table = _table(item.program, of_table)
        _make_tables(database, item.program)
        for statement in _STATEMENTS.findall(item.fix):
            database.ask(statement)
        by_statement = _index(database, name)
        _empty(database)
        named = _made_by_class(database, table, form.group(1))
        assert _index(database, named) == by_statement, item.case
        assert named in _plan_by(database, named), item.case
        made += 1
    assert made >= 10
    print(f"| made by classes, the same as by their statements, and used | {made} |")


def _plan_by(database: Database, name: str) -> str:
    """Return the plan of a query for the rows that the first part of an index finds."""
    told = database.ask(
        "SELECT indrelid::regclass, pg_get_indexdef(indexrelid, 1, true), "
        "coalesce(pg_get_expr(indpred, indrelid), 'true') "
        f"FROM pg_index WHERE indexrelid = '\"{name}\"'::regclass;"
    )
    table, first, always = told.split("|")
    # A table without rows is read as a whole otherwise.
    return database.ask(
        "SET enable_seqscan = off; "
        f"EXPLAIN SELECT 1 FROM {table} WHERE {first} IS NOT NULL AND {always};"
    )


def _made_by_class(database: Database, table: Table, form: str) -> str:
    """Return the name of the index that the library of a table makes, where its class says so."""
    told = {
        "server": str(database.folder),
        "library": table.library,
        "table": table.name,
        "columns": [
            [attribute, column.name, column.type, column.nullable is not False]
            for attribute, column in table.columns.items()
            if not column.primary
        ],
        "form": form,
    }
    done = subprocess.run(
        [sys.executable, str(MADE_BY)],
        input=json.dumps(told),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
