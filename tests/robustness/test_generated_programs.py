"""Programs of the right shape and no sense: linking and judging them always ends."""

import textwrap
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfaudit.audit import program_of
from perfaudit.data import rules_root
from perfaudit.extraction import extract
from perfaudit.program.cards import endpoint_cards
from perfaudit.rules import load_rules
from perfaudit.rules.engine import judge

RULES = load_rules([rules_root()])
HEADS = {
    "app/models.py": """
        from django.db import models
        from sqlalchemy import Column, ForeignKey, Integer, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
        from app.services import *
        """,
    "app/services.py": """
        import asyncio, time
        import asyncpg, redis, requests
        from sqlalchemy.ext.asyncio import create_async_engine
        from . import models, views
        from .models import a as b, c as a
        """,
    "app/views.py": """
        from fastapi import APIRouter, Depends, FastAPI
        from app import models as a, services
        from app.services import d, e as f
        from .views import b
        app = FastAPI()
        """,
}
NAMES = ["a", "b", "c", "d", "e", "f", "self", "models", "services", "app", "pool", "session"]
ATTRIBUTES = ["a", "b", "objects", "all", "filter", "get", "fetch", "execute", "save", "acquire"]
VALUES = ["1", "None", "'x'", "f'{a}'", "'SELECT * FROM t WHERE a = %s'", "[]", "{}", "b''", "..."]
LIBRARY = [
    "asyncpg.create_pool('postgresql://h/d')",
    "asyncio.gather(*a)",
    "create_async_engine(a)",
    "redis.Redis()",
    "requests.get(a)",
    "select(a)",
    "models.ForeignKey('a', models.CASCADE)",
    "relationship('b', back_populates='a')",
    "Depends(a)",
    "time.sleep(1)",
    "super().a()",
    "type(a)(b)",
]
DECORATORS = ["app.get('/a/{b}')", "property", "staticmethod", "classmethod", "a", "a.b(c)"]
DECORATORS += ["functools.lru_cache(None)", "contextlib.contextmanager", "services.a"]

names = st.sampled_from(NAMES)
leaves = st.one_of(names, st.sampled_from(VALUES), st.sampled_from(LIBRARY))
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, st.sampled_from(ATTRIBUTES)),
        st.builds("{}({}, a={})".format, inner, inner, inner),
        st.builds("{}(*{}, **{})".format, inner, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({})[:{}]".format, inner, inner),
        st.builds("[{} for a in {} if {}]".format, inner, inner, inner),
        st.builds("{{{}: {} for a, *b in {} for c in a}}".format, inner, inner, inner),
        st.builds("({} async for a in {})".format, inner, inner),
        st.builds("(lambda a={}, *b: {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("({} + {} * {})".format, inner, inner, inner),
        st.builds("(await {})".format, inner),
        st.builds("(yield {})".format, inner),
        st.builds("(a := {})".format, inner),
    ),
    max_leaves=8,
)
simple = st.one_of(
    expressions,
    st.builds("{} = {}".format, names, expressions),
    st.builds("{}: {} = {}".format, names, expressions, expressions),
    st.builds("a.{} = {}".format, st.sampled_from(ATTRIBUTES), expressions),
    st.builds("a, (b, *c) = {}".format, expressions),
    st.builds("{} += {}".format, names, expressions),
    st.builds("return {}".format, expressions),
    st.builds("raise {} from {}".format, names, names),
    st.builds("global {}".format, names),
    st.sampled_from(
        ["break", "continue", "pass", "del a.b", "import a.b as c", "from ... import *"]
    ),
)


def block(head: str, body: list[str]) -> str:
    return head + "\n" + textwrap.indent("\n".join(body), "    ")


def bodies(statement: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(statement, min_size=1, max_size=3)


statements = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(block, st.builds("for a in {}:".format, expressions), bodies(inner)),
        st.builds(block, st.builds("async for a in {}:".format, expressions), bodies(inner)),
        st.builds(block, st.builds("while {}:".format, expressions), bodies(inner)),
        st.builds(block, st.builds("if {}:".format, expressions), bodies(inner)),
        st.builds(block, st.builds("with {} as a:".format, expressions), bodies(inner)),
        st.builds(block, st.builds("async with {} as a:".format, expressions), bodies(inner)),
        st.builds(lambda body: block("try:", body) + "\nfinally:\n    pass", bodies(inner)),
        st.builds(
            "@{}\n{}".format,
            st.sampled_from(DECORATORS),
            st.builds(
                block,
                st.builds(
                    "{} {}(a: {}, b={}, *c, **d) -> {}:".format,
                    st.sampled_from(["def", "async def"]),
                    names,
                    expressions,
                    expressions,
                    expressions,
                ),
                bodies(inner),
            ),
        ),
        st.builds(
            block, st.builds("class {}({}, {}):".format, names, expressions, names), bodies(inner)
        ),
    ),
    max_leaves=6,
)
modules = st.lists(statements, max_size=5).map("\n".join)


@settings(
    deadline=timedelta(seconds=20),
    derandomize=True,
    max_examples=120,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(modules, min_size=len(HEADS), max_size=len(HEADS)))
def test_any_program_is_linked_and_judged(texts: list[str]) -> None:
    files = {
        path: textwrap.dedent(head) + text
        for (path, head), text in zip(HEADS.items(), texts, strict=True)
    }
    program = program_of(
        {
            path: text
            for path, text in files.items()
            if extract(path, text.encode()).facts is not None
        }
    )

    judgement = judge(program, RULES, read_line=lambda path, line: "", suppressions={}, strict=True)
    cards = endpoint_cards(program)
    assert {finding.location.path for finding in judgement.findings} <= files.keys()
    assert all(0 <= card.resolved <= 1 for card in cards)
