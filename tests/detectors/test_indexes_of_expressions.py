"""The indexes that are advised for parts and functions of columns, beside what else is compared."""

import pytest

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.unindexed_expressions import detect

TABLES = """
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

devices = Table(
    "devices",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("serial_number", String(80)),
    Column("active", Boolean),
    Column("shop", Integer),
    Column("manual", Text),
    Column("data", JSONB),
)
"""
APP = """
from fastapi import FastAPI
from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection

from tables import devices as d

app = FastAPI()


@app.post("/devices")
def add(conn: Connection, serial: str):
    conn.execute(d.insert().values(serial_number=serial))


@app.get("/devices")
def find(conn: Connection, asked: str, shop: int):
    return conn.execute(select(d.c.id).where({conditions})).first()
"""
SERIAL = "func.lower(d.c.serial_number) == asked"
KEY = 'd.c.data["token"].astext == asked'


def index(conditions: str) -> str:
    """Return what is indexed, in the order of the index."""
    program = program_of({"tables.py": TABLES, "app.py": APP.format(conditions=conditions)})
    found = [match for match in detect(program) if isinstance(match, Match)]
    assert len(found) == 1
    return found[0].fix.partition(" ON ")[2]


@pytest.mark.parametrize(
    ("conditions", "made"),
    [
        (SERIAL, "devices (LOWER(serial_number));"),
        (f"{SERIAL}, d.c.shop == shop", "devices (LOWER(serial_number), shop);"),
        (f"{SERIAL}, d.c.shop > shop", "devices (LOWER(serial_number));"),
        (f"{SERIAL}, d.c.active == True", "devices (LOWER(serial_number));"),
        (f"{SERIAL}, or_(d.c.shop == shop, d.c.id > 1)", "devices (LOWER(serial_number));"),
        (KEY, "devices ((data ->> 'token'));"),
        (f"{KEY}, d.c.shop == shop", "devices ((data ->> 'token'), shop);"),
        ("d.c.data.contains(asked), d.c.shop == shop", "devices USING gin (data jsonb_path_ops);"),
    ],
)
def test_index(conditions: str, made: str) -> None:
    assert index(conditions) == made
