"""What is advised for statements that calls build of table objects: in the names of the code."""

from collections.abc import Callable, Iterator

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.core.report import Opportunity
from perfaudit.detectors import count_by_loading, select_star, unprojected_jsonb, unread_columns
from perfaudit.program.program import Program

TABLES = """
from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

devices = Table(
    "tbl_devices",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("manual", Text),
    Column("data", JSONB),
)
"""
HEAD = """
from sqlalchemy import select
from sqlalchemy.orm import Session

import tables
from tables import devices


def find(session: Session, asked):
"""
Detect = Callable[[Program], Iterator[Match | Opportunity]]


def match(detect: Detect, body: str) -> Match:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    program = program_of({"tables.py": TABLES, "app.py": HEAD + lines})
    (found,) = [item for item in detect(program) if isinstance(item, Match)]
    return found


def test_columns_are_named_as_the_code_names_them() -> None:
    found = match(
        select_star.detect,
        "rows = session.execute(select(tables.devices)).all()\nreturn [row.name for row in rows]",
    )
    assert found.words["star"] == "all of tables.devices"
    assert found.fix == "Select tables.devices.c.name in place of all of tables.devices."


def test_columns_of_another_name_are_named_by_the_variable() -> None:
    body = (
        'd = devices.alias("x")\nrows = session.query(d).all()\nreturn [row.name for row in rows]'
    )
    found = match(select_star.detect, body)
    assert found.fix == "Select d.c.name in place of all of d."


def test_keys_of_json_are_taken_as_the_code_takes_them() -> None:
    body = """rows = session.execute(select(devices.c.id, devices.c.data))
return [(row.id, row.data["model"]) for row in rows]"""
    found = match(unprojected_jsonb.detect, body)
    assert found.fix == 'Select devices.c.data["model"] in place of devices.c.data.'


def test_columns_that_nothing_reads_are_left_out() -> None:
    body = """rows = session.query(devices.c.id, devices.c.manual, devices.c.name).all()
return [(row.id, row.name) for row in rows]"""
    found = match(unread_columns.detect, body)
    assert found.fix == "Select devices.c.id, devices.c.name."


def test_rows_are_counted_as_the_library_counts_them() -> None:
    body = "return len(session.execute(select(devices)).fetchall())"
    assert match(count_by_loading.detect, body).fix.startswith("Select the number: select(func.")
