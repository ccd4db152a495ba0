"""What one call of a function costs, in round trips to the database."""

from textwrap import indent

import pytest

from perfaudit.audit import program_of
from perfaudit.program.costs import HTTP_REQUESTS, costs_of
from perfaudit.program.polynomial import ZERO, dearest, once

HEADER = """
import asyncio
from enum import Enum
from functools import lru_cache

import asyncpg
import requests

STATES = ("new", "open", "done")

class State(Enum):
    NEW = 1
    OPEN = 2
"""

HELPERS = """
async def one(db: asyncpg.Connection, key=0):
    return await db.fetchrow("SELECT 1")

async def two(db: asyncpg.Connection, key=0):
    await db.execute("UPDATE t SET a = 1")
    return await db.fetch("SELECT 2")

@lru_cache
def kept(db: asyncpg.Connection):
    return db.fetch("SELECT 3")
"""


def cost(body: str) -> str:
    """Return the cost of an async function with this body."""
    text = f"{HEADER}{HELPERS}\nasync def asked(db: asyncpg.Connection, agents, stack, flag):\n"
    program = program_of({"app.py": text + indent(body.strip("\n"), "    ") + "\n"})
    asked = next(function for function in program.functions if function.name == "asked")
    return str(costs_of(program).get(asked, ZERO))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("return flag", "0", id="nothing"),
        pytest.param("return await one(db)", "1", id="through a call"),
        pytest.param("await one(db)\nawait two(db)", "3", id="one after the other"),
        pytest.param("for agent in agents:\n    await two(db, agent)", "2*N(agents)", id="loop"),
        pytest.param(
            "found = await one(db)\nfor agent in agents:\n    await two(db, agent)",
            "1 + 2*N(agents)",
            id="before a loop",
        ),
        pytest.param(
            "return [await one(db, agent) for agent in agents]", "N(agents)", id="comprehension"
        ),
        pytest.param(
            "return await asyncio.gather(*[one(db, agent) for agent in agents])",
            "N(agents)",
            id="gathered",
        ),
        pytest.param(
            "for a in agents:\n    for b in a.tasks:\n        await one(db)",
            "N(agents)*M(tasks)",
            id="nested loops",
        ),
        pytest.param(
            "for a in agents:\n    for b in agents:\n        await one(db)",
            "N(agents)*M(agents)",
            id="nested loops over the same",
        ),
        pytest.param("for agent in agents[:10]:\n    await one(db)", "N(agents<=10)", id="slice"),
        pytest.param(
            "first = agents[5:15]\nfor agent in first:\n    await one(db)",
            "N(first<=10)",
            id="slice with a name",
        ),
        pytest.param(
            "for agent in agents[-3:]:\n    await one(db)", "N(agents)", id="slice from the end"
        ),
        pytest.param("for i in range(3):\n    await one(db)", "3", id="range of a number"),
        pytest.param("for i in range(2, 8, 2):\n    await one(db)", "3", id="range with a step"),
        pytest.param("for key in ('a', 'b'):\n    await two(db, key)", "4", id="literal tuple"),
        pytest.param("for key in STATES:\n    await one(db, key)", "3", id="constant tuple"),
        pytest.param("for state in State:\n    await one(db)", "2", id="enumeration"),
        pytest.param(
            "rows = await one(db)\nfor agent in rows:\n    await one(db)",
            "1 + N(agents)",
            id="vague name of what is walked",
        ),
        pytest.param(
            "for i in range(0, len(agents), 100):\n    await one(db)", "N(chunks)", id="chunks"
        ),
        pytest.param(
            "for i, a in enumerate(sorted(agents)):\n    await one(db)",
            "N(agents)",
            id="wrapped iterable",
        ),
        pytest.param(
            "for agent in await db.fetch('SELECT a'):\n    await one(db)",
            "1 + N(agents)",
            id="rows named after the loop's variable",
        ),
        pytest.param(
            "for _ in await db.fetch('SELECT a'):\n    await one(db)",
            "1 + N(items)",
            id="rows without a name",
        ),
        pytest.param("while stack:\n    await one(db, stack.pop())", "N(stack)", id="walk"),
        pytest.param("while flag > 3:\n    await one(db)", ">= 1", id="while of unknown length"),
        pytest.param(
            "while flag > 3:\n    flag -= 1\nawait one(db)", "1", id="while without a cost"
        ),
        pytest.param(
            "if flag:\n    await one(db)\nelse:\n    await two(db)", "2", id="the dearer arm"
        ),
        pytest.param(
            "if flag:\n    await one(db)\nelif agents:\n    await two(db)\nelse:\n    pass",
            "2",
            id="the dearest of three arms",
        ),
        pytest.param(
            "if flag:\n    for a in agents:\n        await one(db)\n"
            "else:\n    await two(db)\n    await two(db)",
            "N(agents)",
            id="a loop is dearer than any number",
        ),
        pytest.param(
            "if flag:\n    return await one(db)\nreturn await two(db)", "2", id="early return"
        ),
        pytest.param(
            "if flag:\n    return await two(db)\nawait one(db)\nreturn 1",
            "2",
            id="dearer early return",
        ),
        pytest.param(
            "for a in agents:\n    if a.done:\n        continue\n    await one(db)",
            "N(agents)",
            id="continue",
        ),
        pytest.param(
            "return (await one(db)) if flag else (await two(db))", "2", id="conditional expression"
        ),
        pytest.param(
            "match flag:\n    case 1:\n        await one(db)\n    case _:\n        await two(db)",
            "2",
            id="dearest case",
        ),
        pytest.param(
            "try:\n    await one(db)\nexcept KeyError:\n    await two(db)",
            "1",
            id="except is not the way",
        ),
        pytest.param(
            "try:\n    return await one(db)\nfinally:\n    await two(db)",
            "3",
            id="finally runs after return",
        ),
        pytest.param(
            "for attempt in agents:\n"
            "    try:\n        return await one(db)\n    except OSError:\n        pass",
            "1",
            id="retry",
        ),
        pytest.param(
            "for a in agents:\n    return await one(db)", "1", id="loop that leaves at once"
        ),
        pytest.param("kept(db)\nreturn await one(db)", "1", id="memoised"),
        pytest.param(
            "async with db.transaction():\n    await one(db)", "1", id="block of a transaction"
        ),
        pytest.param(
            "async def inner():\n    await one(db)\nreturn inner",
            "0",
            id="nested function that is not called",
        ),
    ],
)
def test_cost_of_a_body(body: str, expected: str) -> None:
    assert cost(body) == expected


def test_helper_in_another_module_counts_where_it_is_called() -> None:
    program = program_of(
        {
            "app/__init__.py": "",
            "app/store.py": HEADER + HELPERS,
            "app/api.py": (
                "import asyncpg\nfrom app import store\n"
                "async def listed(db: asyncpg.Connection):\n"
                "    agents = [await store.one(db)]\n"
                "    for agent in agents:\n"
                "        await store.two(db, agent)\n"
            ),
        }
    )
    costs = {function.name: str(cost) for function, cost in costs_of(program).items()}
    assert costs["listed"] == "1 + 2*N(agents)"


def test_recursion_is_a_lower_bound_wherever_the_ring_is_entered() -> None:
    text = (
        HEADER
        + HELPERS
        + (
            "async def down(db: asyncpg.Connection, node):\n"
            "    await one(db)\n"
            "    for child in node.children:\n"
            "        await up(db, child)\n"
            "async def up(db: asyncpg.Connection, node):\n"
            "    await down(db, node)\n"
            "async def start(db: asyncpg.Connection, node):\n"
            "    await up(db, node)\n"
        )
    )
    costs = {
        function.name: str(cost)
        for function, cost in costs_of(program_of({"app.py": text})).items()
    }
    assert costs["down"] == ">= 1"
    assert costs["start"].startswith(">= ")


def test_map_runs_its_callback_once_per_item() -> None:
    text = (
        "import requests\n"
        "def load(url):\n    return requests.get(url, timeout=1)\n"
        "def load_all(urls):\n    return list(map(load, urls))\n"
    )
    program = program_of({"app.py": text})
    costs = {
        function.name: str(cost) for function, cost in costs_of(program, HTTP_REQUESTS).items()
    }
    assert costs == {"load": "1", "load_all": "N(urls)"}


def test_only_the_asked_effects_count() -> None:
    text = (
        "import asyncpg, requests\n"
        "async def both(db: asyncpg.Connection):\n"
        "    requests.get('http://x', timeout=1)\n"
        "    requests.get('http://y', timeout=1)\n"
        "    await db.fetch('SELECT 1')\n"
    )
    program = program_of({"app.py": text})
    assert [str(cost) for cost in costs_of(program).values()] == ["1"]
    assert [str(cost) for cost in costs_of(program, HTTP_REQUESTS).values()] == ["2"]


def test_handing_to_another_process_costs_nothing_here() -> None:
    text = (
        "from celery import shared_task\nimport requests\n"
        "@shared_task\ndef send(url):\n    requests.post(url, timeout=1)\n"
        "def request(urls):\n    for url in urls:\n        send.delay(url)\n"
    )
    program = program_of({"app.py": text})
    assert {function.name for function in costs_of(program, HTTP_REQUESTS)} == {"send"}


def test_long_chains_stay_bounded() -> None:
    lines = [HEADER, "async def f0(db: asyncpg.Connection, xs):\n    await db.fetch('SELECT 1')\n"]
    for number in range(1, 60):
        lines.append(
            f"async def f{number}(db: asyncpg.Connection, xs):\n"
            f"    await f{number - 1}(db, xs)\n    await f{number - 1}(db, xs)\n"
            f"    for x{number} in xs.part{number}:\n        await f{number - 1}(db, xs)\n"
        )
    costs = costs_of(program_of({"app.py": "".join(lines)}))
    assert len(costs) == 60
    assert all(len(cost.terms) <= 16 and cost.degree <= 8 for cost in costs.values())
    assert max(costs.values(), key=lambda cost: cost.degree).unknown


def test_deep_call_chains_do_not_recurse() -> None:
    lines = [HEADER, "async def f0(db: asyncpg.Connection):\n    await db.fetch('SELECT 1')\n"]
    for number in range(1, 1500):
        lines.append(f"async def f{number}(db: asyncpg.Connection):\n    await f{number - 1}(db)\n")
    costs = costs_of(program_of({"app.py": "".join(lines)}))
    assert {str(cost) for cost in costs.values()} == {"1"}
    assert len(costs) == 1500


class TestCost:
    ONE = once("db.query")

    def test_sums_add_coefficients(self) -> None:
        agents = self.ONE.times("agents")
        assert str(self.ONE + agents + agents + self.ONE) == "2 + 2*N(agents)"

    def test_products_name_the_outer_loop_first(self) -> None:
        assert str(self.ONE.times("items").times("orders")) == "N(orders)*M(items)"

    def test_reads_and_writes_are_told_apart_and_counted_together(self) -> None:
        both = (self.ONE + self.ONE + once("db.write")).times("orders")
        assert str(both) == "3*N(orders)"
        assert (str(both.of("db.query")), str(both.of("db.write"))) == ("2*N(orders)", "N(orders)")

    def test_nothing_repeated_is_nothing(self) -> None:
        assert ZERO.times("agents") == ZERO
        assert str(self.ONE.times(0) + self.ONE) == "1"

    def test_degree_is_that_of_the_dearest_product(self) -> None:
        assert (ZERO.degree, self.ONE.degree, self.ONE.times("a").times("a").degree) == (0, 0, 2)

    def test_an_unknown_part_makes_a_lower_bound(self) -> None:
        assert str(self.ONE + ZERO.at_least()) == ">= 1"
        assert str(dearest([self.ONE.times(5), self.ONE.at_least()])) == ">= 5"


class TestLazyRelations:
    MODELS = """
from django.db import models

class Author(models.Model):
    name = models.TextField()

class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")

def shown(book: Book):
    return book.author.name, book.author.id

"""

    def costs(self, body: str) -> dict[str, str]:
        program = program_of({"shop/__init__.py": "", "shop/models.py": self.MODELS + body})
        return {function.name: str(cost) for function, cost in costs_of(program).items()}

    def test_each_caller_pays_for_what_it_has_not_loaded(self) -> None:
        costs = self.costs(
            "def plain():\n    return [shown(book) for book in Book.objects.all()]\n"
            "def joined():\n"
            "    return [shown(book) for book in Book.objects.select_related('author')]\n"
        )
        assert (costs["plain"], costs["joined"]) == ("1 + N(books)", "1")

    def test_what_is_loaded_apart_is_one_more_query(self) -> None:
        costs = self.costs(
            "def apart():\n"
            "    return [shown(book) for book in Book.objects.prefetch_related('author')]\n"
        )
        assert costs["apart"] == "2"

    def test_rows_of_a_relation_know_whose_they_are(self) -> None:
        costs = self.costs(
            "def backwards():\n"
            "    for author in Author.objects.prefetch_related('books'):\n"
            "        for book in author.books.all():\n            book.author.books.count()\n"
        )
        assert costs["backwards"] == "2"

    def test_a_path_that_stops_short_is_paid(self) -> None:
        costs = self.costs(
            "def forth():\n"
            "    for book in Book.objects.select_related('author'):\n"
            "        book.author.books.count()\n"
        )
        assert costs["forth"] == "1 + N(books)"

    def test_objects_that_nobody_is_seen_to_give_are_a_lower_bound(self) -> None:
        costs = self.costs("def asked(request):\n    return shown(request.book)\n")
        assert costs["asked"].startswith(">= ")

    def test_key_of_a_sort_is_asked_for_each_item(self) -> None:
        costs = self.costs(
            "def ordered():\n"
            "    return sorted(Book.objects.all(), key=lambda book: book.author.name)\n"
        )
        assert costs["ordered"] == "1 + N(books)"
