"""Audited code that wants to run, to deceive a reader, or to be told on."""

import json
import re
from pathlib import Path

import pytest

from .conftest import Start, Write

COMMANDS = (
    ["scan", "-v"],
    ["scan", "-v", "--color", "always"],
    ["scan", "-f", "json"],
    ["scan", "-f", "sarif"],
    ["scan", "-f", "markdown"],
    ["scan", "--statistics"],
    ["endpoints"],
    ["endpoints", "-f", "json"],
    ["show", "callgraph"],
    ["show", "types"],
    ["show", "effects"],
    ["show", "schema"],
    ["show", "queries"],
)
FORMATS_FOR_MACHINES = ("json", "sarif")

RUN_ME = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\n"


def test_audited_code_is_never_run(write: Write, start: Start, tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")
    code = RUN_ME.format(marker=marker)
    names = (
        "setup.py",
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "__init__.py",
        "__main__.py",
        "manage.py",
        "app/__init__.py",
        "perfaudit/__init__.py",
        "perfaudit/__main__.py",
        "perfaudit/cli/__init__.py",
        "perfaudit/detectors/__init__.py",
        "perfaudit/detectors/query_in_loop.py",
        "detectors/query_in_loop.py",
        "rules/query_in_loop.py",
        "click/__init__.py",
        "yaml/__init__.py",
        "msgspec.py",
        "sqlglot.py",
        "json.py",
        "ast.py",
    )
    settings = (
        '[project]\nname = "x"\n[project.entry-points."perfaudit.detectors"]\nevil = "setup:run"\n'
        '[project.scripts]\nperfaudit = "setup:run"\n[build-system]\nbuild-backend = "setup"\n'
        "[tool.perfaudit]\n"
    )
    root = write(dict.fromkeys(names, code) | {"pyproject.toml": settings})
    # What stands beside a script, or in the working folder, is no part of perfaudit.
    for arguments in (["scan", "-f", "json"], ["endpoints"], ["show", "types"], ["rules", "list"]):
        paths = [] if arguments[0] == "rules" else [str(root)]
        done = start(tmp_path, *arguments, *paths)
        assert done.returncode in (0, 1), done.stderr

    assert not Path(marker).exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"perfaudit.toml": "rules-dirs = ['mine']\n", "mine/rule.py": "boom"},
            "perfaudit.toml:1: rules-dirs may only hold YAML files",
        ),
        (
            {"perfaudit.toml": "rules-dirs = ['/etc']\n"},
            "perfaudit.toml:1: rules-dirs must stay inside",
        ),
        (
            {"pyproject.toml": "[tool.perfaudit]\nplugins = ['setup']\n"},
            'pyproject.toml:2: unknown setting "plugins"',
        ),
    ],
)
def test_settings_of_the_audited_project_bring_no_code(
    write: Write, start: Start, files: dict[str, str], said: str
) -> None:
    done = start(write({"app.py": "", **files}), "scan")

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


HOSTILE = (
    "\x1b[2J\x1b]0;OWNED\x07",
    "\x9b31m",
    "\u202e\u2066txt.exe\u2069",
    "\u200b\ufeff",
    "[click](javascript:alert(1))",
    "<script>alert(1)</script>",
    "<!-- -->",
    "```\n# FORGED\n```",
    "\n::error file=x::FORGED\n",
    "\r::warning::FORGED",
    "##[error]FORGED",
    "| a | b |",
    "{0} {x} %s",
    "[bold]FORGED[/bold]",
)
ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]"
)
OWN_COLOR = re.compile(r"\x1b\[[0-9;]*m")
COMMAND_OF_A_RUNNER = re.compile(r"^\s*::|##[a-z]*\[", re.MULTILINE)
APPLICATION = """\
import time

import asyncpg
import requests
from fastapi import FastAPI

app = FastAPI()
pool = asyncpg.create_pool("postgresql://h/d")


@app.get("/a/" + {text})
@app.get({text})
async def read(ids: list[int]):
    time.sleep(1)  # {comment}
    for id in ids:
        requests.get({text}, params=id)
        await pool.fetch("SELECT * FROM t WHERE a = $1 AND b = " + {text}, id)
        await pool.fetch({text}, id)
"""
TABLES = """\
from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Table(Base):
    __tablename__ = {text}
    id = Column({text}, Integer, primary_key=True)
"""


def hostile_project(write: Write) -> Path:
    files: dict[str, str | bytes] = {}
    for number, text in enumerate(HOSTILE):
        comment = " ".join(text.split()).replace("\0", "")
        files[f"p{number}/app.py"] = APPLICATION.format(text=ascii(text), comment=comment)
        files[f"p{number}/tables.py"] = TABLES.format(text=ascii(text))
        files[f"p{number}/docker-compose.yml"] = json.dumps(
            {"services": {text: {"image": text, "command": text, "environment": {text: text}}}}
        )
        files[f"p{number}/schema.sql"] = f'CREATE TABLE "{text}" (id int, "{text}" jsonb);\n'
        files[f"p{number}/page.html"] = (
            f"<script>setInterval(() => fetch({json.dumps('/' + text)}), 2000)</script>\n"
        )
        name = text.replace("/", "\u2215")
        files[f"n{number}/{name}.py"] = APPLICATION.format(text="'/x'", comment="")
        files[f"n{number}/{name} broken.py"] = "def ("
        files[f"n{number}/{name}/docker-compose.yml"] = "a: ["
    return write(files)


def test_every_output_stays_inert(write: Write, start: Start) -> None:
    root = hostile_project(write)
    for command in COMMANDS:
        done = start(root, *command, "--no-cache")
        assert done.returncode in (0, 1), done.stderr
        shown = OWN_COLOR.sub("", done.stdout) if "always" in command else done.stdout
        for text in (shown, done.stderr):
            assert ACTS.findall(text) == [], command
            assert COMMAND_OF_A_RUNNER.findall(text) == [], command
        if set(FORMATS_FOR_MACHINES) & set(command):
            assert json.loads(done.stdout)


def test_the_hostile_project_is_shown_and_not_passed_over(write: Write, start: Start) -> None:
    report = json.loads(start(hostile_project(write), "scan", "--no-cache", "-f", "json").stdout)

    paths = [finding["path"] for finding in report["findings"]]
    for number in range(len(HOSTILE)):
        assert f"p{number}/app.py" in paths
        assert any(path.startswith(f"n{number}/") for path in paths)
        problems = [each for each in report["problems"] if each["path"].startswith(f"n{number}/")]
        assert len(problems) == 2


def test_markdown_of_a_hostile_project_has_no_html_and_no_links(write: Write, start: Start) -> None:
    shown = start(hostile_project(write), "scan", "--no-cache", "-f", "markdown").stdout

    prose = without_code(shown)
    assert re.findall(r"<(?!details>|/details>|summary>|/summary>|br>)", prose) == []
    assert re.findall(r"(?<!\\)\]\((?!#)", prose) == []
    assert "\n# FORGED" not in prose


def without_code(text: str) -> str:
    """Return Markdown without its code blocks and code spans."""
    prose = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", prose)


def test_messages_of_sarif_link_to_places_only(write: Write, start: Start) -> None:
    shown = start(hostile_project(write), "scan", "--no-cache", "-f", "sarif").stdout
    messages = re.findall(r'"message":\{"text":("(?:[^"\\]|\\.)*")', shown)

    assert len(messages) > len(HOSTILE)
    for message in map(json.loads, messages):
        assert re.findall(r"(?<!\\)(?:\\\\)*\]\((?!\d+\))", message) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "gone\x1b[31m\n::error::FORGED"],
        ["scan", "--rules", "gone\x1b[31m\n::error::FORGED"],
        ["scan", "--select", "gone\x1b[31m\n::error::FORGED"],
        ["scan", "--config", "gone\x1b[31m\n::error::FORGED"],
        ["scan", "--baseline", "gone\x1b[31m\n::error::FORGED"],
        ["scan", "-o", "gone\x1b[31m\n::error::FORGED/a.json"],
        ["scan", "--no-cache", "empty\x1b[31m\n::error::FORGED"],
        ["scan", "--rules", "rules\x1b[31m\n::error::FORGED"],
        ["explain", "gone\x1b[31m\n::error::FORGED"],
    ],
    ids=lambda arguments: " ".join(arguments).partition("\x1b")[0],
)
def test_what_is_said_of_a_hostile_name_is_inert(
    write: Write, start: Start, arguments: list[str]
) -> None:
    name = "\x1b[31m\n::error::FORGED"
    root = write({"app.py": "", f"rules{name}/database/bad.yaml": "["})
    (root / f"empty{name}").mkdir()
    done = start(root, *arguments)

    assert "\\x1b" in done.stderr
    assert ACTS.findall(done.stderr) == []
    assert COMMAND_OF_A_RUNNER.findall(done.stderr) == []


SECRETS = ("hunter2", "AKIAIOSFODNN7EXAMPLE", "s3cr3tvalue", "k3yk3yk3yk3yk3y")
SECRETIVE = {
    "app.py": """\
import asyncpg, redis, requests, psycopg2
from fastapi import FastAPI
from sqlalchemy import create_engine

app = FastAPI()
engine = create_engine("postgresql+psycopg2://app:hunter2@db/app")
cache = redis.Redis.from_url("redis://:hunter2@cache:6379/0")


@app.get("/a")
def read(ids: list[int]):
    for id in ids:
        requests.get("https://h/x?api_key=k3yk3yk3yk3yk3y", headers={"token": "s3cr3tvalue"})
        psycopg2.connect("postgresql://app:hunter2@db/app", password="s3cr3tvalue")
        cache.get("redis://:hunter2@cache:6379/0")


@app.get("/b")
async def load(ids: list[int], key="AKIAIOSFODNN7EXAMPLE", token="s3cr3tvalue"):
    pool = await asyncpg.create_pool("postgresql://app:hunter2@db/app", password="s3cr3tvalue")
    for id in ids:
        await pool.fetch("SELECT a FROM t WHERE url = 'postgresql://app:hunter2@db/app'", id)
        requests.get("https://app:hunter2@host/x", auth=("AKIAIOSFODNN7EXAMPLE", "hunter2"))
""",
    "docker-compose.yml": """\
services:
  web:
    image: registry.example/web
    command: gunicorn app:app --env PASSWORD=hunter2 redis://:hunter2@cache:6379/0
    environment:
      DB_PASSWORD: s3cr3tvalue
      DATABASE_URL: postgresql://app:hunter2@db/app
""",
    "settings.py": """\
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "PASSWORD": "s3cr3tvalue"}}
CACHES = {"default": {"BACKEND": "x", "LOCATION": "redis://:hunter2@cache:6379/0"}}
""",
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_secrets_are_never_shown(write: Write, start: Start, command: list[str]) -> None:
    done = start(write(SECRETIVE), *command, "--no-cache")

    assert done.returncode in (0, 1)
    assert [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if any(secret in line for secret in SECRETS)
    ] == []


def test_the_lines_with_secrets_are_reported(write: Write, start: Start) -> None:
    report = json.loads(start(write(SECRETIVE), "scan", "--no-cache", "-f", "json").stdout)

    assert {"PA302", "PA501"} <= {finding["rule"] for finding in report["findings"]}
    assert any("***" in finding["snippet"] for finding in report["findings"])
